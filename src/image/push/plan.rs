//! What is to be pushed: for each tag its manifest, or its index with all images in it, and where the registry may have blobs already.

use std::collections::HashMap;
use std::sync::Arc;

use super::PushOptions;
use crate::image::manifest::{Document, Manifest, Part};
use crate::image::registry::StoredDocument;
use crate::image::store::Tagged;
use crate::image::{ImageError, Result, Store};
use crate::model::{Digest, Reference};

/// One tag.
pub(super) struct Plan {
    pub(super) reference: Reference,
    /// What the tag names: an image's manifest, or an index.
    pub(super) document: StoredDocument,
    pub(super) images: Vec<Image>,
    /// Other repositories of the same registry that are thought to have a blob.
    pub(super) sources: Arc<HashMap<Digest, String>>,
}

pub(super) struct Image {
    pub(super) document: StoredDocument,
    pub(super) manifest: Manifest,
}

impl Image {
    /// The layers that registries keep: Windows' own come from elsewhere.
    pub(super) fn layers(&self) -> impl Iterator<Item = &Part> {
        let foreign =
            |part: &&Part| part.media_type.contains("nondistributable") || part.media_type.contains(".foreign.");
        self.manifest.layers.iter().filter(move |part| !foreign(part))
    }
}

/// The tags that a push is about, oldest row first.
pub(super) fn plans(store: &Store, reference: &Reference, options: &PushOptions) -> Result<Vec<Plan>> {
    let tagged = store.tagged()?;
    let is_repository = |other: &Reference| {
        other.registry() == reference.registry()
            && other.repository() == reference.repository()
            && other.tag().is_some()
    };
    let is_wanted = |other: &&Tagged| match options.all_tags {
        true => is_repository(&other.reference),
        false => other.reference == *reference,
    };
    let wanted: Vec<&Tagged> = tagged.iter().filter(is_wanted).collect();
    if wanted.is_empty() {
        return Err(ImageError::NothingToPush {
            text: if options.all_tags { reference.familiar_repository() } else { reference.familiar() },
        });
    }
    let sources = Arc::new(sources(store, &tagged, reference));
    let plan = |tagged: &Tagged| {
        let document = document(store, &tagged.digest, &tagged.media_type)?;
        let images = images(store, &document)?;
        Ok(Plan { reference: tagged.reference.clone(), document, images, sources: sources.clone() })
    };
    wanted.into_iter().map(plan).collect()
}

fn document(store: &Store, digest: &Digest, media_type: &str) -> Result<StoredDocument> {
    let bytes = store.read_document(digest)?;
    // What it says of itself counts: a registry compares it with the header.
    let own = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    let own = own.as_ref().and_then(|it| it.get("mediaType")?.as_str()).unwrap_or(media_type).to_owned();
    Ok(StoredDocument { digest: digest.clone(), media_type: own, bytes })
}

fn images(store: &Store, top: &StoredDocument) -> Result<Vec<Image>> {
    let damaged = |digest: &Digest, reason: String| ImageError::store(format!("manifest {}", digest.short()), reason);
    match Document::parse(&top.bytes).map_err(|reason| damaged(&top.digest, reason))? {
        Document::Image(manifest) => Ok(vec![Image { document: top.clone(), manifest }]),
        Document::Index(choices) => choices
            .iter()
            .map(|choice| {
                if !store.has_blob(&choice.digest) {
                    return Err(damaged(
                        &top.digest,
                        format!("image {} of its index is not here", choice.digest.short()),
                    ));
                }
                let document = document(store, &choice.digest, OCI_MANIFEST)?;
                let manifest = Manifest::parse(&document.bytes).map_err(|reason| damaged(&choice.digest, reason))?;
                Ok(Image { document, manifest })
            })
            .collect(),
    }
}

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// For each blob of an image that came from, or went to, another repository of this registry: that repository.
///
/// It may be gone there, or not for us to read: a registry that cannot mount it begins an upload instead.
fn sources(store: &Store, tagged: &[Tagged], reference: &Reference) -> HashMap<Digest, String> {
    let elsewhere = |other: &&Tagged| {
        other.reference.registry() == reference.registry() && other.reference.repository() != reference.repository()
    };
    let mut sources = HashMap::new();
    for tagged in tagged.iter().filter(elsewhere) {
        let Ok(document) = document(store, &tagged.digest, &tagged.media_type) else { continue };
        for image in images(store, &document).unwrap_or_default() {
            let parts = image.manifest.layers.iter().chain([&image.manifest.config]);
            for part in parts {
                sources.entry(part.digest.clone()).or_insert_with(|| tagged.reference.repository().to_owned());
            }
        }
    }
    sources
}
