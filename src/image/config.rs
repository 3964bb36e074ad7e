//! The OCI image configuration: read from hostile bytes, and written for imports.

use oci_spec::image::ImageConfiguration;
use serde_json::{Map, Value, json};

use super::layer::Compression;
use super::manifest::Part;
use crate::model::{Digest, Healthcheck, HistoryLine, ImageConfig, Platform, Timestamp};

/// The media type of the manifests that we write.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What we use of an image's configuration document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    pub(super) config: ImageConfig,
    pub(super) platform: Platform,
    pub(super) created: Option<Timestamp>,
    /// Lowest first.
    pub(super) diff_ids: Vec<Digest>,
    /// Oldest first, sizes not known.
    pub(super) history: Vec<HistoryLine>,
}

impl Configuration {
    /// Reads the document; the error says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: ImageConfiguration = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let diff_ids = document.rootfs().diff_ids().iter().map(|text| text.parse()).collect::<Result<_, _>>();
        let time = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok()).map(Timestamp);
        let history = document.history().iter().flatten().map(|step| HistoryLine {
            created: time(step.created()),
            created_by: step.created_by().clone().unwrap_or_default(),
            comment: step.comment().clone().unwrap_or_default(),
            author: step.author().clone().unwrap_or_default(),
            empty_layer: step.empty_layer().unwrap_or(false),
            size_bytes: None,
        });
        Ok(Self {
            config: dockers(bytes, config(&document)),
            platform: Platform {
                os: document.os().to_string(),
                architecture: document.architecture().to_string(),
                variant: document.variant().clone(),
            },
            created: time(document.created()),
            diff_ids: diff_ids.map_err(|error| format!("diff id: {error}"))?,
            history: history.collect(),
        })
    }
}

fn config(document: &ImageConfiguration) -> ImageConfig {
    let Some(config) = document.config() else { return ImageConfig::default() };
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    ImageConfig {
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        command: config.cmd().clone().unwrap_or_default(),
        env: config.env().clone().unwrap_or_default(),
        workdir: filled(config.working_dir()),
        user: filled(config.user()),
        stop_signal: filled(config.stop_signal()),
        labels: config.labels().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect(),
        volumes: config.volumes().clone().unwrap_or_default(),
        exposed_ports: config.exposed_ports().clone().unwrap_or_default(),
        ..ImageConfig::default()
    }
}

/// What Docker writes into the `config` object and the specification does not know. What makes no sense is left out.
fn dockers(bytes: &[u8], config: ImageConfig) -> ImageConfig {
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let own = &document["config"];
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let check = &own["Healthcheck"];
    let number = |key: &str| check[key].as_u64().unwrap_or(0);
    let test = texts(&check["Test"]);
    let healthcheck = (!test.is_empty()).then(|| Healthcheck {
        test,
        interval_ns: number("Interval"),
        timeout_ns: number("Timeout"),
        start_period_ns: number("StartPeriod"),
        start_interval_ns: number("StartInterval"),
        retries: number("Retries"),
    });
    ImageConfig { healthcheck, on_build: texts(&own["OnBuild"]), shell: texts(&own["Shell"]), ..config }
}

fn healthcheck_object(check: &Healthcheck) -> Value {
    let mut object = json!({"Test": check.test});
    let numbers = [
        ("Interval", check.interval_ns),
        ("Timeout", check.timeout_ns),
        ("StartPeriod", check.start_period_ns),
        ("StartInterval", check.start_interval_ns),
        ("Retries", check.retries),
    ];
    for (key, value) in numbers.into_iter().filter(|(_, value)| *value > 0) {
        object[key] = json!(value);
    }
    object
}

/// The configuration document of an image of one layer.
pub(super) fn document(
    config: &ImageConfig,
    platform: &Platform,
    created: Timestamp,
    diff_id: &Digest,
    message: &str,
) -> Vec<u8> {
    let created = created.to_string();
    let mut step = json!({"created": created, "created_by": "teu import"});
    if !message.is_empty() {
        step["comment"] = message.into();
    }
    let mut document = json!({
        "created": created,
        "architecture": platform.architecture,
        "os": platform.os,
        "config": config_object(config),
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [step],
    });
    if let Some(variant) = &platform.variant {
        document["variant"] = json!(variant);
    }
    document.to_string().into_bytes()
}

/// The members of Docker's `config` object that we know.
pub(super) const KNOWN: [&str; 9] =
    ["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"];

/// Docker's `config` object, without what is empty.
pub(super) fn config_object(config: &ImageConfig) -> Value {
    let set = |names: &[String]| -> Map<String, Value> { names.iter().map(|name| (name.clone(), json!({}))).collect() };
    let members = [
        ("User", json!(config.user)),
        ("ExposedPorts", Value::Object(set(&config.exposed_ports))),
        ("Env", json!(config.env)),
        ("Entrypoint", json!(config.entrypoint)),
        ("Cmd", json!(config.command)),
        ("Volumes", Value::Object(set(&config.volumes))),
        ("WorkingDir", json!(config.workdir)),
        ("Labels", json!(config.labels)),
        ("StopSignal", json!(config.stop_signal)),
        ("Healthcheck", config.healthcheck.as_ref().map(healthcheck_object).unwrap_or_default()),
        ("OnBuild", json!(config.on_build)),
        ("Shell", json!(config.shell)),
    ];
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    let kept = members.into_iter().filter(|(_, value)| !is_empty(value));
    Value::Object(kept.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The manifest of an image of one layer.
pub(super) fn manifest(
    id: &Digest,
    id_bytes: usize,
    blob: &Digest,
    blob_bytes: u64,
    compression: Compression,
) -> Vec<u8> {
    let media_type = compression.media_type().to_owned();
    manifest_of(id, id_bytes, &[Part { media_type, digest: blob.clone(), size: blob_bytes }])
}

/// The manifest of an image of these layers, lowest first.
pub(super) fn manifest_of(id: &Digest, id_bytes: usize, layers: &[Part]) -> Vec<u8> {
    let layer = |part: &Part| json!({"mediaType": part.media_type, "digest": part.digest, "size": part.size});
    let document = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": id, "size": id_bytes},
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    document.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_of_docker_with_nulls_parses() {
        let text = r#"{"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05.678Z","container":"x",
            "config":{"Hostname":"","User":"","ExposedPorts":{"80/tcp":{}},"Env":["PATH=/bin"],"Cmd":["sh"],"Image":"sha256:0",
            "Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{"a":"b"}},
            "rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"]},
            "history":[{"created":"2024-01-02T03:04:05Z","created_by":"ADD x"},{"created_by":"CMD","empty_layer":true}]}"#;
        let parsed = Configuration::parse(text.as_bytes()).expect("parses");
        assert_eq!(parsed.config.command, ["sh"]);
        assert_eq!(parsed.config.exposed_ports, ["80/tcp"]);
        assert_eq!(parsed.config.workdir, None);
        assert_eq!(parsed.platform.to_string(), "linux/amd64");
        assert_eq!(parsed.diff_ids.len(), 1);
        assert!(parsed.history[1].empty_layer);
        assert!(parsed.created.is_some());
    }

    #[test]
    fn configuration_of_garbage_is_refused() {
        for text in [
            "",
            "{}",
            "[]",
            "<html>",
            r#"{"architecture":"a","os":"l","rootfs":{"type":"layers","diff_ids":["md5:1"]}}"#,
        ] {
            assert!(Configuration::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
