//! `index.json`: one row per tag. What lists show stands in each row's annotations, so that listing reads this file only;
//! rows of other programs (skopeo) lack them and are read from their blobs instead.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Store;
use crate::image::config::Configuration;
use crate::image::manifest::Manifest;
use crate::image::{ImageError, Result};
use crate::model::{Digest, ImageSummary, Platform, Reference, Timestamp};
use crate::sys::file::write_durably;

pub(super) const EMPTY: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

const REFERENCE: &str = "org.opencontainers.image.ref.name";
const CREATED: &str = "org.opencontainers.image.created";
const ID: &str = "teu.id";
const SIZE: &str = "teu.size";
const LAYERS: &str = "teu.layers";
const ASKED: &str = "teu.registry.digest";

/// The file. What we do not know in it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Index {
    #[serde(rename = "schemaVersion")]
    schema_version: u32,
    pub(super) manifests: Vec<Descriptor>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A row as the file has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Descriptor {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A row, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::image) struct Row {
    pub(in crate::image) summary: ImageSummary,
    pub(in crate::image) id: Digest,
    pub(in crate::image) manifest: Digest,
    /// Bytes of the manifest.
    pub(in crate::image) manifest_bytes: u64,
    pub(in crate::image) media_type: String,
    /// The digest that the registry knows it by, the multi-platform index's if it has one; none for what came from no registry.
    pub(in crate::image) asked: Option<Digest>,
}

/// A tag, and the document it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::image) struct Tagged {
    pub(in crate::image) reference: Reference,
    pub(in crate::image) digest: Digest,
    pub(in crate::image) media_type: String,
}

impl Descriptor {
    pub(super) fn digest(&self) -> Option<Digest> {
        self.digest.parse().ok()
    }

    pub(super) fn reference(&self) -> Option<Reference> {
        self.annotations.get(REFERENCE)?.parse().ok()
    }

    pub(super) fn untag(&mut self) {
        self.annotations.remove(REFERENCE);
    }

    /// What the annotations say, if they are ours.
    fn annotated(&self) -> Option<Row> {
        let (id, manifest) = (self.annotations.get(ID)?.parse::<Digest>().ok()?, self.digest()?);
        let created = self.annotations.get(CREATED).and_then(|text| text.parse().ok()).map(Timestamp);
        let summary = ImageSummary {
            reference: self.reference(),
            id: Some(id.clone()),
            manifest: Some(manifest.clone()),
            created,
            size_bytes: self.annotations.get(SIZE).and_then(|text| text.parse().ok()),
            platform: self.platform.clone()?,
            layers: self.annotations.get(LAYERS)?.parse().ok()?,
            is_host: false,
        };
        let asked = self.annotations.get(ASKED).and_then(|text| text.parse().ok());
        let media_type = self.media_type.clone();
        Some(Row { summary, id, manifest, manifest_bytes: self.size, media_type, asked })
    }
}

impl From<&Row> for Descriptor {
    fn from(row: &Row) -> Self {
        let mut annotations =
            BTreeMap::from([(ID.to_owned(), row.id.to_string()), (LAYERS.to_owned(), row.summary.layers.to_string())]);
        let optional = [
            (REFERENCE, row.summary.reference.as_ref().map(ToString::to_string)),
            (CREATED, row.summary.created.map(|time| time.to_string())),
            (SIZE, row.summary.size_bytes.map(|bytes| bytes.to_string())),
            (ASKED, row.asked.as_ref().map(ToString::to_string)),
        ];
        annotations.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        Self {
            media_type: row.media_type.clone(),
            digest: row.manifest.to_string(),
            size: row.manifest_bytes,
            annotations,
            platform: Some(row.summary.platform.clone()),
            rest: Map::new(),
        }
    }
}

impl Index {
    /// Gives `row` its tag, taking it from whatever had it; an image that loses its last tag so stays, dangling.
    pub(super) fn put(&mut self, row: &Row) {
        let new = Descriptor::from(row);
        let reference = row.summary.reference.as_ref();
        let is_same = |other: &Descriptor| {
            other.digest == new.digest && (other.reference().is_none() || other.reference().as_ref() == reference)
        };
        self.manifests.retain(|other| !is_same(other));
        if let Some(reference) = reference {
            let losers: Vec<usize> = (0..self.manifests.len())
                .filter(|at| self.manifests[*at].reference().as_ref() == Some(reference))
                .collect();
            for at in losers.into_iter().rev() {
                let digest = self.manifests[at].digest.clone();
                if self.manifests.iter().filter(|other| other.digest == digest).count() > 1 {
                    self.manifests.remove(at);
                } else {
                    self.manifests[at].untag();
                }
            }
        }
        // A dangling row says nothing that a tagged one of the same image does not.
        if reference.is_some() || !self.manifests.iter().any(|other| other.digest == new.digest) {
            self.manifests.push(new);
        }
    }
}

impl Store {
    pub(super) fn read_index(&self) -> Result<Index> {
        let path = self.index_path();
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => EMPTY.as_bytes().to_vec(),
            result => result.map_err(|error| ImageError::io("cannot read", &path, error))?,
        };
        serde_json::from_slice(&bytes).map_err(|error| ImageError::store(path.display().to_string(), error))
    }

    /// Changes the index under its lock; written only if `change` succeeds.
    pub(super) fn change_index<T>(&self, change: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        let _lock = self.lock_index()?;
        let mut index = self.read_index()?;
        let result = change(&mut index)?;
        self.write_index(&index)?;
        Ok(result)
    }

    /// As [`Store::change_index`], for changes that set space free: those work on a full disk too.
    pub(super) fn shrink_index<T>(&self, change: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        let _lock = self.lock_index()?;
        let mut index = self.read_index()?;
        let result = change(&mut index)?;
        match self.write_index(&index) {
            Err(ImageError::DiskFull { .. }) if self.give_space_free() => self.write_index(&index)?,
            written => written?,
        }
        Ok(result)
    }

    fn write_index(&self, index: &Index) -> Result<()> {
        let bytes = serde_json::to_vec(index).map_err(|error| ImageError::store("index.json", error))?;
        let path = self.index_path();
        write_durably(&path, &bytes, 0o644).map_err(|error| ImageError::io("cannot write", &path, error))
    }

    /// All rows that are images. What other programs wrote is read from its blobs; what cannot be read is left out.
    pub(in crate::image) fn rows(&self) -> Result<Vec<Row>> {
        Ok(self.read_index()?.manifests.iter().filter_map(|row| self.row(row)).collect())
    }

    /// All tags, whatever sort of document they name: also indexes, which other programs may have put here.
    pub(in crate::image) fn tagged(&self) -> Result<Vec<Tagged>> {
        let tagged = |row: Descriptor| {
            let (reference, digest) = (row.reference()?, row.digest()?);
            Some(Tagged { reference, digest, media_type: row.media_type })
        };
        Ok(self.read_index()?.manifests.into_iter().filter_map(tagged).collect())
    }

    pub(super) fn row(&self, descriptor: &Descriptor) -> Option<Row> {
        descriptor.annotated().or_else(|| self.row_of_blobs(descriptor))
    }

    fn row_of_blobs(&self, descriptor: &Descriptor) -> Option<Row> {
        let digest = descriptor.digest()?;
        let manifest = Manifest::parse(&self.read_document(&digest).ok()?).ok()?;
        let configuration = Configuration::parse(&self.read_document(&manifest.config.digest).ok()?).ok()?;
        let sizes: Option<Vec<u64>> = configuration.diff_ids.iter().map(|layer| self.layer_bytes(layer)).collect();
        Some(Row {
            summary: ImageSummary {
                reference: descriptor.reference(),
                id: Some(manifest.config.digest.clone()),
                manifest: Some(digest.clone()),
                created: configuration.created,
                size_bytes: sizes.map(|sizes| sizes.iter().sum()),
                platform: configuration.platform,
                layers: configuration.diff_ids.len(),
                is_host: false,
            },
            id: manifest.config.digest,
            manifest: digest,
            manifest_bytes: descriptor.size,
            media_type: descriptor.media_type.clone(),
            asked: None,
        })
    }
}
