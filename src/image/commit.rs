//! An image made of another and one more layer: what a container has changed.
//!
//! The layer's archive is packed, digested, compressed and unpacked into the store while it is made, each in a thread.

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::config::{self, MANIFEST};
use super::import::{change, of_plain};
use super::layer::Policy;
use super::manifest::{LAYERS_MAX, Manifest, Part};
use super::store::Row;
use super::{ImageError, Result, Store};
use crate::model::{Digest, ImageConfig, ImageSummary, Reference, Timestamp};

/// What is to be committed.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// The id of the image that the layer lies on.
    pub base: &'a Digest,
    pub reference: Option<&'a Reference>,
    pub author: Option<&'a str>,
    pub message: Option<&'a str>,
    /// The command that made the layer, for the history.
    pub created_by: &'a str,
    /// What the new image wants of its containers, before the changes.
    pub config: ImageConfig,
    /// Dockerfile lines.
    pub changes: &'a [String],
}

/// Makes the image; `pack` writes the layer's archive. Without a reference it is dangling, found by its id only.
pub fn commit(
    store: &Store,
    wish: Commit<'_>,
    pack: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
) -> Result<Digest> {
    if let Some(reference) = wish.reference
        && (reference.digest().is_some() || reference.tag().is_none())
    {
        let reason = "an image that is being made has no digest yet; give a name and a tag".to_owned();
        return Err(ImageError::Reference { text: reference.familiar(), reason });
    }
    let image_config = change::apply(wish.config, wish.changes)?;
    // Held from before the look at the base, so that nothing of it is collected.
    let session = store.begin()?;
    let base = store.find(wish.base.as_str())?;
    let damaged = |reason: String| ImageError::store(format!("image {}", base.id.short()), reason);
    let manifest = Manifest::parse(&store.read_document(&base.manifest)?).map_err(damaged)?;
    let mut layers = manifest.layers.into_iter().map(oci).collect::<Vec<_>>();
    if layers.len() >= LAYERS_MAX {
        let reason = format!("its image has {} layers already, the most there can be", layers.len());
        return Err(ImageError::layer("of the commit", reason));
    }

    let stage = session.stage()?;
    let made = of_plain(&stage, store, ("of the container", Policy::Layer), |mut tee| match pack(&mut tee) {
        Ok(()) => {
            tee.end();
            Ok(())
        }
        // The readers of what was written say why they are gone; whoever packs has kept its own reason.
        Err(_) => Err(ImageError::Cancelled),
    })?;
    stage.keep_blob(&made.blob)?;
    stage.keep_layer(&made.plain.diff_id, made.plain.unpacked.bytes)?;

    let created = Timestamp::now();
    let mut document: Value = serde_json::from_slice(&store.read_document(&base.id)?)
        .map_err(|error| ImageError::store(format!("configuration {}", base.id.short()), error))?;
    let members = document.as_object_mut().ok_or_else(|| damaged("its configuration is no object".to_owned()))?;
    let step = Step { created, created_by: wish.created_by, author: wish.author, message: wish.message };
    add_layer(members, &image_config, &made.plain.diff_id, &step);
    let configuration = document.to_string().into_bytes();
    let id = Digest::from_sha256(Sha256::digest(&configuration).into());
    let media_type = made.compression.media_type().to_owned();
    layers.push(Part { media_type, digest: made.blob, size: made.blob_bytes });
    let count = layers.len();
    let manifest = config::manifest_of(&id, configuration.len(), &layers);
    let manifest_digest = Digest::from_sha256(Sha256::digest(&manifest).into());
    session.put_document(&id, &configuration)?;
    session.put_document(&manifest_digest, &manifest)?;
    let below: Option<u64> = base.layers.iter().map(|layer| store.layer_bytes(layer)).sum();
    session.publish(&Row {
        summary: ImageSummary {
            reference: wish.reference.cloned(),
            id: Some(id.clone()),
            manifest: Some(manifest_digest.clone()),
            created: Some(created),
            size_bytes: below.map(|below| below + made.plain.unpacked.bytes),
            platform: base.platform,
            layers: count,
            is_host: false,
        },
        id: id.clone(),
        manifest: manifest_digest,
        manifest_bytes: manifest.len() as u64,
        media_type: MANIFEST.to_owned(),
        asked: None,
    })?;
    Ok(id)
}

/// A layer as an OCI manifest names it. Docker's names for the same are not allowed in one.
fn oci(part: Part) -> Part {
    let media_type = match part.media_type.as_str() {
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd" => "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar" => "application/vnd.oci.image.layer.v1.tar",
        other => other,
    };
    Part { media_type: media_type.to_owned(), ..part }
}

struct Step<'a> {
    created: Timestamp,
    created_by: &'a str,
    author: Option<&'a str>,
    message: Option<&'a str>,
}

/// Changes the base's configuration into the new image's. What we do not know in it stays (health checks, OnBuild, Shell).
fn add_layer(members: &mut Map<String, Value>, image: &ImageConfig, diff_id: &Digest, step: &Step<'_>) {
    // What Docker notes of the container that a layer was made in.
    for stale in ["container", "container_config", "docker_version", "parent", "id", "author"] {
        members.remove(stale);
    }
    let created = step.created.to_string();
    members.insert("created".to_owned(), json!(created));
    let mut line = json!({"created": created, "created_by": step.created_by});
    if let Some(author) = step.author.filter(|author| !author.is_empty()) {
        members.insert("author".to_owned(), json!(author));
        line["author"] = json!(author);
    }
    if let Some(message) = step.message.filter(|message| !message.is_empty()) {
        line["comment"] = json!(message);
    }
    let config = members.entry("config").or_insert_with(|| json!({}));
    if !config.is_object() {
        *config = json!({});
    }
    if let Some(config) = config.as_object_mut() {
        for known in config::KNOWN {
            config.remove(known);
        }
        for stale in ["Hostname", "Domainname", "Image"] {
            config.remove(stale);
        }
        if let Value::Object(new) = config::config_object(image) {
            config.extend(new);
        }
    }
    push(members, "history", line);
    let root = members.entry("rootfs").or_insert_with(|| json!({"type": "layers"}));
    if let Some(root) = root.as_object_mut() {
        push(root, "diff_ids", json!(diff_id));
    }
}

fn push(members: &mut Map<String, Value>, key: &str, value: Value) {
    match members.get_mut(key).and_then(Value::as_array_mut) {
        Some(list) => list.push(value),
        None => drop(members.insert(key.to_owned(), json!([value]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_is_added_and_the_unknown_kept() {
        let mut document = json!({
            "architecture": "amd64", "os": "linux", "container": "x", "author": "before",
            "config": {"Cmd": ["old"], "Healthcheck": {"Test": ["NONE"]}, "Hostname": "h", "User": "app"},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:0"]},
            "history": [{"created_by": "ADD"}],
        });
        let image = ImageConfig { command: vec!["new".to_owned()], ..ImageConfig::default() };
        let step = Step { created: Timestamp::EPOCH, created_by: "sh", author: None, message: Some("why") };
        add_layer(document.as_object_mut().expect("object"), &image, &Digest::from_sha256([1; 32]), &step);
        assert_eq!(document["config"], json!({"Cmd": ["new"], "Healthcheck": {"Test": ["NONE"]}}));
        assert_eq!(document["history"].as_array().expect("list").len(), 2);
        assert_eq!(document["history"][1]["comment"], "why");
        assert_eq!(document["rootfs"]["diff_ids"][1], json!(Digest::from_sha256([1; 32])));
        assert!(document.get("container").is_none() && document.get("author").is_none());
    }
}
