//! What a row of the index is made of, as far as its documents can be read.

use super::super::Store;
use super::super::index::Descriptor;
use crate::image::config::Configuration;
use crate::image::manifest::{Links, Manifest};
use crate::model::{Digest, Reference};

/// One row of the index.
#[derive(Debug)]
pub(super) struct Subject {
    /// As people know it.
    pub(super) name: String,
    pub(super) reference: Option<Reference>,
    /// None for a row that names nothing.
    pub(super) manifest: Option<Digest>,
    config: Option<Digest>,
    /// The manifest's layers, then what other documents name.
    parts: Vec<Digest>,
    diff_ids: Vec<Digest>,
    /// What keeps its documents from being understood.
    pub(super) trouble: Option<String>,
}

impl Subject {
    /// All blobs it needs.
    pub(super) fn blobs(&self) -> impl Iterator<Item = Digest> {
        self.manifest.iter().chain(&self.config).chain(&self.parts).cloned()
    }

    /// Diff ids with the blobs they are unpacked from.
    pub(super) fn layers(&self) -> impl Iterator<Item = (&Digest, &Digest)> {
        self.diff_ids.iter().zip(&self.parts)
    }

    /// What a blob is to it.
    pub(super) fn sort(&self, blob: &Digest) -> &'static str {
        match blob {
            _ if self.manifest.as_ref() == Some(blob) => "manifest",
            _ if self.config.as_ref() == Some(blob) => "configuration",
            _ => "compressed layer",
        }
    }
}

impl Store {
    pub(super) fn subject(&self, descriptor: &Descriptor) -> Subject {
        let (reference, manifest) = (descriptor.reference(), descriptor.digest());
        let short = manifest.as_ref().map_or("<none>", |digest| digest.short()).to_owned();
        let name = reference.as_ref().map_or(short, Reference::familiar);
        let mut subject = Subject {
            name,
            reference,
            manifest: manifest.clone(),
            config: None,
            parts: Vec::new(),
            diff_ids: Vec::new(),
            trouble: None,
        };
        match manifest {
            None => subject.trouble = Some("the index gives it no digest".to_owned()),
            // A blob that is missing is told of as a blob.
            Some(manifest) => {
                if let Ok(bytes) = self.read_document(&manifest) {
                    subject.trouble = self.fill(&mut subject, &bytes).err();
                }
            }
        }
        subject
    }

    fn fill(&self, subject: &mut Subject, bytes: &[u8]) -> Result<(), String> {
        let Ok(manifest) = Manifest::parse(bytes) else {
            // Other programs keep other things in a layout: their blobs are checked, as far as they are here.
            let links = Links::parse(bytes).map_err(|error| format!("its manifest cannot be read: {error}"))?;
            subject.config = links.config;
            let here = links.manifests.into_iter().filter(|manifest| self.has_blob(manifest));
            subject.parts = links.blobs.into_iter().chain(here).collect();
            return Ok(());
        };
        subject.config = Some(manifest.config.digest.clone());
        subject.parts = manifest.layers.into_iter().map(|part| part.digest).collect();
        let Ok(bytes) = self.read_document(&manifest.config.digest) else { return Ok(()) };
        let configuration =
            Configuration::parse(&bytes).map_err(|error| format!("its configuration cannot be read: {error}"))?;
        if configuration.diff_ids.len() != subject.parts.len() {
            let (own, other) = (configuration.diff_ids.len(), subject.parts.len());
            return Err(format!("its configuration names {own} layers, its manifest {other}"));
        }
        subject.diff_ids = configuration.diff_ids;
        Ok(())
    }
}
