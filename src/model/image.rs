//! Images as lists show them, and the progress of a pull.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Digest, Reference, Timestamp};

/// The name of the image that is always there: a copy-on-write view of this machine's own root file system.
pub const HOST_IMAGE: &str = "host";

/// An operating system and processor, in the words of Go's GOOS and GOARCH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}

impl Platform {
    /// The platform this program was built for.
    pub fn native() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if let Some(variant) = &self.variant {
            write!(f, "/{variant}")?;
        }
        Ok(())
    }
}

/// What an image wants of its containers: the `config` object of the OCI image configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub env: Vec<String>,
    pub workdir: Option<String>,
    pub user: Option<String>,
    pub stop_signal: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub volumes: Vec<String>,
    pub exposed_ports: Vec<String>,
    /// How to find out whether a container of it works.
    #[serde(default)]
    pub healthcheck: Option<Healthcheck>,
    /// Dockerfile lines for images that are built upon it.
    #[serde(default)]
    pub on_build: Vec<String>,
    /// What runs commands that are one line, if it is not `/bin/sh -c`.
    #[serde(default)]
    pub shell: Vec<String>,
}

/// A check of a container's health; zero is Docker's own default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healthcheck {
    /// `NONE`, `CMD` and words, or `CMD-SHELL` and a line.
    pub test: Vec<String>,
    pub interval_ns: u64,
    pub timeout_ns: u64,
    pub start_period_ns: u64,
    pub start_interval_ns: u64,
    pub retries: u64,
}

/// An image as lists show it; one row per tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSummary {
    /// None for the host image and for images that lost their tag.
    pub reference: Option<Reference>,
    /// Digest of the image's configuration; none for the host image.
    pub id: Option<Digest>,
    /// Digest of the manifest, as registries know it.
    pub manifest: Option<Digest>,
    pub created: Option<Timestamp>,
    /// Bytes unpacked, all layers together; none where it is not known (the host image).
    pub size_bytes: Option<u64>,
    pub platform: Platform,
    pub layers: usize,
    /// True for the one built-in image, [`HOST_IMAGE`].
    pub is_host: bool,
}

impl ImageSummary {
    /// The text that `run` takes for this image.
    pub fn label(&self) -> String {
        match (&self.reference, &self.id) {
            _ if self.is_host => HOST_IMAGE.to_owned(),
            (Some(reference), _) => reference.familiar(),
            (None, Some(id)) => id.short().to_owned(),
            (None, None) => "<none>".to_owned(),
        }
    }
}

/// Everything known of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInspect {
    pub summary: ImageSummary,
    /// All its names, sorted.
    pub tags: Vec<Reference>,
    /// `repository@digest` of every registry that it came from.
    pub digests: Vec<Reference>,
    /// Its configuration as it was written, with whatever else its maker put there. Hostile text; `null` for the host image.
    pub document: serde_json::Value,
    pub config: ImageConfig,
    /// Diff ids, lowest first.
    pub layers: Vec<Digest>,
    /// Oldest first.
    pub history: Vec<HistoryLine>,
}

/// One step of an image's making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    pub created: Option<Timestamp>,
    /// The command that made it, such as a Dockerfile's line.
    pub created_by: String,
    pub comment: String,
    pub author: String,
    /// It changed the configuration only.
    pub empty_layer: bool,
    /// Bytes of the layer's files, 0 where there is no layer; none where it is not known.
    pub size_bytes: Option<u64>,
}

/// What is being done with a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerStage {
    Waiting,
    Downloading,
    /// The blob's digest has been checked; the rest is being written to disk.
    Unpacking,
    Done,
    /// It was there already.
    Exists,
    Failed,
}

/// One layer's part of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerProgress {
    /// Digest of the compressed blob.
    pub digest: Digest,
    pub stage: LayerStage,
    /// Compressed bytes received.
    pub received_bytes: u64,
    /// Compressed bytes in all, as the manifest says.
    pub total_bytes: u64,
    /// Bytes written to files.
    pub unpacked_bytes: u64,
}

/// What a pull reports while it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullEvent {
    /// The manifest is known: these are the layers, lowest first.
    Layers(Vec<LayerProgress>),
    /// One layer moved on; at most some ten of these a second for each layer.
    Layer(LayerProgress),
    /// A sentence such as `waiting for another teu that pulls the same image`.
    Note(String),
}
