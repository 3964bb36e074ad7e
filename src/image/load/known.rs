//! What the store has already, by blob and by layer: that is not unpacked again.

use std::collections::HashMap;

use crate::image::config::Configuration;
use crate::image::manifest::{Manifest, Part};
use crate::image::store::Row;
use crate::image::{Result, Store};
use crate::model::Digest;

pub(super) struct Known {
    rows: Vec<Row>,
    /// What a blob's content is.
    diff_ids: HashMap<Digest, Digest>,
    /// A blob of which this is the content.
    blobs: HashMap<Digest, Part>,
}

impl Known {
    /// Reads the store's manifests; one that cannot be read helps nobody, and hurts nobody.
    pub(super) fn of(store: &Store) -> Result<Self> {
        let mut known = Self { rows: store.rows()?, diff_ids: HashMap::new(), blobs: HashMap::new() };
        for row in &known.rows {
            let manifest = store.read_document(&row.manifest).ok().and_then(|bytes| Manifest::parse(&bytes).ok());
            let configuration = store.read_document(&row.id).ok().and_then(|bytes| Configuration::parse(&bytes).ok());
            let (Some(manifest), Some(configuration)) = (manifest, configuration) else { continue };
            for (part, diff_id) in manifest.layers.into_iter().zip(configuration.diff_ids) {
                known.diff_ids.insert(part.digest.clone(), diff_id.clone());
                if store.has_blob(&part.digest) {
                    known.blobs.insert(diff_id, part);
                }
            }
        }
        Ok(known)
    }

    pub(super) fn diff_id_of(&self, blob: &Digest) -> Option<&Digest> {
        self.diff_ids.get(blob)
    }

    pub(super) fn blob_of(&self, diff_id: &Digest) -> Option<&Part> {
        self.blobs.get(diff_id)
    }

    /// The row of an image with this configuration.
    pub(super) fn manifest_of(&self, id: &Digest) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == *id)
    }
}
