//! An image as `inspect` shows it: Docker's keys, with what its configuration says, as it says it.

use serde_json::{Map, Value, json};

use crate::model::{HistoryLine, ImageInspect, Reference};

/// Docker's `image inspect` object.
pub fn image_value(image: &ImageInspect) -> Value {
    let summary = &image.summary;
    let text = |key: &str| image.document.get(key).and_then(Value::as_str).unwrap_or_default();
    let familiar = |names: &[Reference]| names.iter().map(Reference::familiar).collect::<Vec<_>>();
    let step = |step: &HistoryLine| {
        json!({
            "Created": step.created,
            "CreatedBy": step.created_by,
            "Comment": step.comment,
            "Author": step.author,
            "Size": step.size_bytes.unwrap_or(0),
        })
    };
    json!({
        "Id": summary.id,
        "RepoTags": familiar(&image.tags),
        "RepoDigests": familiar(&image.digests),
        "Parent": "",
        "Comment": image.history.last().map(|step| step.comment.as_str()).unwrap_or_default(),
        "Created": summary.created,
        "DockerVersion": text("docker_version"),
        "Author": text("author"),
        "Config": config_value(image),
        "Architecture": summary.platform.architecture,
        "Variant": summary.platform.variant.clone().unwrap_or_default(),
        "Os": summary.platform.os,
        "Size": summary.size_bytes.unwrap_or(0),
        "GraphDriver": {"Name": "overlay2", "Data": null},
        "RootFS": {"Type": "layers", "Layers": image.layers},
        "Metadata": {"LastTagTime": "0001-01-01T00:00:00Z"},
        "History": image.history.iter().map(step).collect::<Vec<_>>(),
    })
}

/// The keys that Docker always shows, as teu reads them; then all others that the image's maker wrote, such as Healthcheck.
fn config_value(image: &ImageInspect) -> Value {
    let config = &image.config;
    let set =
        |names: &[String]| Value::Object(names.iter().map(|name| (name.clone(), json!({}))).collect::<Map<_, _>>());
    let mut value = match image.document.get("config") {
        Some(Value::Object(written)) => written.clone(),
        _ => Map::new(),
    };
    let read = [
        ("User", json!(config.user.clone().unwrap_or_default())),
        ("Env", json!(config.env)),
        ("Cmd", json!(config.command)),
        ("Entrypoint", json!(config.entrypoint)),
        ("WorkingDir", json!(config.workdir.clone().unwrap_or_default())),
        ("Labels", json!(config.labels)),
        ("StopSignal", json!(config.stop_signal.clone().unwrap_or_default())),
        ("Volumes", set(&config.volumes)),
        ("ExposedPorts", set(&config.exposed_ports)),
    ];
    value.extend(read.into_iter().map(|(key, read)| (key.to_owned(), read)));
    Value::Object(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, ImageConfig, ImageSummary, Platform, Timestamp};

    #[test]
    fn image_value_has_dockers_shape() {
        let reference = |text: &str| text.parse::<Reference>().expect(text);
        let digest = Digest::from_sha256([5; 32]);
        let image = ImageInspect {
            summary: ImageSummary {
                reference: Some(reference("debian:12")),
                id: Some(Digest::from_sha256([2; 32])),
                manifest: Some(Digest::from_sha256([3; 32])),
                created: Some(Timestamp::EPOCH),
                size_bytes: Some(7),
                platform: Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None },
                layers: 1,
                is_host: false,
            },
            tags: vec![reference("debian:12"), reference("debian:bookworm")],
            digests: vec![reference(&format!("debian@{digest}"))],
            document: json!({
                "author": "somebody",
                "docker_version": "20.10",
                "config": {"Healthcheck": {"Test": ["CMD", "true"]}, "User": null},
            }),
            config: ImageConfig { exposed_ports: vec!["80/tcp".to_owned()], ..ImageConfig::default() },
            layers: vec![Digest::from_sha256([4; 32])],
            history: vec![
                HistoryLine { created_by: "ADD x".to_owned(), size_bytes: Some(7), ..HistoryLine::default() },
                HistoryLine {
                    created_by: "CMD y".to_owned(),
                    comment: "why".to_owned(),
                    empty_layer: true,
                    ..HistoryLine::default()
                },
            ],
        };
        insta::assert_snapshot!(serde_json::to_string_pretty(&image_value(&image)).expect("json"));
    }
}
