//! `load`: images out of an archive that `docker save`, `podman save`, skopeo, buildah or `save` made.
//!
//! What the archive calls its files is never a path of ours: content is staged under names of our own, layers are unpacked
//! by the code that unpacks pulls, while the rest still comes, and only when every digest was right does anything become
//! part of the store. It is recognised by its content: an OCI layout, Docker's `manifest.json`, both, and either of them
//! compressed as a whole.

mod describe;
mod known;
mod outer;
mod shelf;
mod unpack;

use std::collections::HashMap;
use std::io::Read;

use sha2::{Digest as _, Sha256};

use self::describe::{Described, Layers};
use self::known::Known;
use self::shelf::{Content, Shelf};
use self::unpack::{Loader, Ready};
use super::config::{self, Configuration};
use super::manifest::Part;
use super::store::{Row, Session};
use super::{ImageError, Result, Store};
use crate::model::{Digest, ErrorKind, HOST_IMAGE, ImageSummary, Reference, TransferGauge};

/// A name that an archive brought, or an image without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub reference: Option<Reference>,
    /// Digest of the configuration.
    pub id: Digest,
}

/// Brings all images of an archive into the store. What `gauge` counts are the archive's bytes as they come.
///
/// Nothing of it stays when it fails, whatever the reason.
pub fn load(store: &Store, source: impl Read + Send, gauge: &TransferGauge) -> Result<Vec<Loaded>> {
    let result = bring(store, source, gauge);
    match result {
        // Whoever was told to stop has nothing better to say.
        Err(_) if gauge.is_stopped() => Err(ImageError::Cancelled),
        Err(error) => {
            if error.kind() != ErrorKind::Cancelled {
                // What was in place before the failure is of use to nobody.
                let _ = store.gc();
            }
            Err(error)
        }
        result => result,
    }
}

fn bring(store: &Store, source: impl Read + Send, gauge: &TransferGauge) -> Result<Vec<Loaded>> {
    let session = store.begin()?;
    let known = Known::of(store)?;
    let loader = Loader::new(&session, &known, gauge);
    let shelf = loader.read(source)?;
    let described = describe::describe(&shelf)?;
    let mut images = Vec::new();
    for one in described {
        images.push(Image::of(one, &shelf, &loader)?);
    }
    let mut loaded = Vec::new();
    let mut rows = Vec::new();
    for image in images {
        image.keep(&session, &known, &mut rows, &mut loaded)?;
    }
    session.publish_all(&rows)?;
    Ok(loaded)
}

/// An image all of whose digests were right.
struct Image {
    references: Vec<Reference>,
    id: Digest,
    configuration: Configuration,
    configuration_bytes: Vec<u8>,
    /// As the archive had it; none where it only had Docker's description.
    manifest: Option<(Digest, Vec<u8>, String)>,
    layers: Vec<Ready>,
}

impl Image {
    fn of(described: Described, shelf: &Shelf, loader: &Loader<'_>) -> Result<Self> {
        let id = digest_of(&described.configuration);
        let named = |reason: String| ImageError::archive(format!("configuration {}: {reason}", id.short()));
        let configuration = Configuration::parse(&described.configuration).map_err(named)?;
        let count = described.layers.len();
        if count != configuration.diff_ids.len() {
            let own = configuration.diff_ids.len();
            return Err(named(format!("it names {own} layers, the archive's description {count}")));
        }
        let expected: Vec<Option<Digest>> = match &described.layers {
            Layers::Blobs(parts) => parts.iter().map(|part| Some(part.digest.clone())).collect(),
            Layers::Names(names) => names.iter().map(|_| None).collect(),
        };
        let mut layers = Vec::new();
        let names = described.layers.names();
        for ((name, blob), diff_id) in names.iter().zip(expected).zip(&configuration.diff_ids) {
            layers.push(loader.layer(shelf, name, blob.as_ref(), diff_id)?);
        }
        let references = described.references;
        let manifest = described.manifest;
        Ok(Self { references, id, configuration, configuration_bytes: described.configuration, manifest, layers })
    }

    /// Moves its content into place and says what the index is to say of it.
    fn keep(self, session: &Session, known: &Known, rows: &mut Vec<Row>, loaded: &mut Vec<Loaded>) -> Result<()> {
        for layer in &self.layers {
            layer.keep(session.store())?;
        }
        let (manifest, bytes, media_type) = match (self.manifest, known.manifest_of(&self.id)) {
            (Some(manifest), _) => manifest,
            // The image was here: it stays one, with one more name.
            (None, Some(row)) => {
                (row.manifest.clone(), session.store().read_document(&row.manifest)?, row.media_type.clone())
            }
            (None, None) => {
                let parts: Vec<Part> = self.layers.iter().map(|layer| layer.part().clone()).collect();
                let bytes = config::manifest_of(&self.id, self.configuration_bytes.len(), &parts);
                (digest_of(&bytes), bytes, config::MANIFEST.to_owned())
            }
        };
        session.put_document(&self.id, &self.configuration_bytes)?;
        session.put_document(&manifest, &bytes)?;
        let store = session.store();
        let sizes: Option<Vec<u64>> = self.configuration.diff_ids.iter().map(|it| store.layer_bytes(it)).collect();
        let size_bytes = sizes.map(|sizes| sizes.iter().sum());
        // `host` is this machine, whatever an archive says.
        let references: Vec<Reference> =
            self.references.into_iter().filter(|it| it.familiar_repository() != HOST_IMAGE).collect();
        let names: Vec<Option<Reference>> =
            if references.is_empty() { vec![None] } else { references.into_iter().map(Some).collect() };
        for reference in names {
            loaded.push(Loaded { reference: reference.clone(), id: self.id.clone() });
            rows.push(Row {
                summary: ImageSummary {
                    reference,
                    id: Some(self.id.clone()),
                    manifest: Some(manifest.clone()),
                    created: self.configuration.created,
                    size_bytes,
                    platform: self.configuration.platform.clone(),
                    layers: self.configuration.diff_ids.len(),
                    is_host: false,
                },
                id: self.id.clone(),
                manifest: manifest.clone(),
                manifest_bytes: bytes.len() as u64,
                media_type: media_type.clone(),
                asked: None,
            });
        }
        Ok(())
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::digest(bytes).into())
}

type Files = HashMap<String, Content>;
