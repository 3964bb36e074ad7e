//! Which images an archive holds, by its own description: the OCI layout's index, Docker's `manifest.json`, or both.

use std::collections::HashMap;

use serde::Deserialize;

use super::digest_of;
use super::shelf::Shelf;
use crate::image::manifest::{Choice, Document, LAYERS_MAX, Manifest, Part, choose, only, platforms};
use crate::image::{ImageError, Result};
use crate::model::{Digest, Platform, Reference};

/// An image as it is described; of what is named here only the documents were looked at.
pub(super) struct Described {
    pub(super) references: Vec<Reference>,
    pub(super) configuration: Vec<u8>,
    /// Its digest, itself and its media type.
    pub(super) manifest: Option<(Digest, Vec<u8>, String)>,
    pub(super) layers: Layers,
}

/// The layers, lowest first.
pub(super) enum Layers {
    /// Blobs of a layout, by their digests.
    Blobs(Vec<Part>),
    /// Files by their names in the archive.
    Names(Vec<String>),
}

impl Layers {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Blobs(parts) => parts.len(),
            Self::Names(names) => names.len(),
        }
    }

    /// Their names in the archive.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Blobs(parts) => parts.iter().map(|part| blob_name(&part.digest)).collect(),
            Self::Names(names) => names.clone(),
        }
    }
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    digest: Digest,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

#[derive(Deserialize)]
struct DockerImage {
    #[serde(rename = "Config")]
    config: String,
    #[serde(rename = "RepoTags", default)]
    tags: Option<Vec<String>>,
    #[serde(rename = "Layers", default)]
    layers: Vec<String>,
}

pub(super) fn describe(shelf: &Shelf) -> Result<Vec<Described>> {
    let docker = match shelf.document("manifest.json") {
        Some(bytes) => {
            let garbage = |error| ImageError::archive(format!("manifest.json: {error}"));
            serde_json::from_slice::<Vec<DockerImage>>(bytes).map_err(garbage)?
        }
        None => Vec::new(),
    };
    let images = match shelf.document("index.json") {
        Some(bytes) => of_layout(shelf, bytes, &docker)?,
        None => Vec::new(),
    };
    match (images.is_empty(), docker.is_empty()) {
        (false, _) => Ok(images),
        (true, false) => docker.iter().map(|image| of_docker(shelf, image)).collect(),
        (true, true) if shelf.has("repositories") => {
            Err(ImageError::archive("it was saved by a Docker older than 1.10; load it there, push or save it anew"))
        }
        (true, true) => {
            Err(ImageError::archive("it has neither an index.json nor a manifest.json that names an image"))
        }
    }
}

/// The images of an OCI layout: one for each manifest, whatever the number of its names.
fn of_layout(shelf: &Shelf, index: &[u8], docker: &[DockerImage]) -> Result<Vec<Described>> {
    let index: Index =
        serde_json::from_slice(index).map_err(|error| ImageError::archive(format!("index.json: {error}")))?;
    let mut images: Vec<Described> = Vec::new();
    for row in index.manifests {
        if row.annotations.contains_key("vnd.docker.reference.type") {
            // What Docker attests of another image is none.
            continue;
        }
        let (digest, bytes, manifest) = manifest(shelf, &row)?;
        let configuration = blob(shelf, &manifest.config.digest, "configuration")?;
        let mut references = names(&row);
        if references.is_empty() {
            let same = docker.iter().filter(|image| {
                shelf.document(&tidy(&image.config)).is_some_and(|bytes| digest_of(bytes) == manifest.config.digest)
            });
            references = same.flat_map(tags).collect();
        }
        let is_same = |it: &&mut Described| it.manifest.as_ref().is_some_and(|(own, ..)| *own == digest);
        if let Some(there) = images.iter_mut().find(is_same) {
            references.retain(|reference| !there.references.contains(reference));
            there.references.extend(references);
            continue;
        }
        let media_type = manifest.media_type();
        let manifest_of = Some((digest, bytes, media_type));
        let layers = Layers::Blobs(manifest.layers);
        images.push(Described { references, configuration, manifest: manifest_of, layers });
    }
    Ok(images)
}

/// The image that a row of the index leads to: itself, or of several platforms' this machine's, or the only one there is.
fn manifest(shelf: &Shelf, row: &Row) -> Result<(Digest, Vec<u8>, Manifest)> {
    let garbage = |reason: String| ImageError::archive(format!("manifest {}: {reason}", row.digest.short()));
    let bytes = blob(shelf, &row.digest, "manifest")?;
    let choices = match Document::parse(&bytes).map_err(garbage)? {
        Document::Image(mut manifest) => {
            if manifest.media_type.is_none() && !row.media_type.is_empty() {
                manifest.media_type = Some(row.media_type.clone());
            }
            return Ok((row.digest.clone(), bytes, manifest));
        }
        Document::Index(choices) => choices,
    };
    let here: Vec<Choice> = choices.iter().filter(|it| shelf.has(&blob_name(&it.digest))).cloned().collect();
    let wanted = Platform::native();
    let Some(choice) = choose(&here, &wanted).or_else(|| only(&here)) else {
        let reference = names(row).first().map_or_else(|| row.digest.short().to_owned(), Reference::familiar);
        return Err(ImageError::PlatformMissing { reference, wanted, available: platforms(&here) });
    };
    let bytes = blob(shelf, &choice.digest, "manifest")?;
    let manifest = Manifest::parse(&bytes).map_err(garbage)?;
    Ok((choice.digest.clone(), bytes, manifest))
}

fn of_docker(shelf: &Shelf, image: &DockerImage) -> Result<Described> {
    let name = tidy(&image.config);
    let missing = || ImageError::archive(format!("the configuration {} is not in it, or too large", image.config));
    let configuration = shelf.document(&name).ok_or_else(missing)?.to_vec();
    // The name is its digest, as far as it looks like one: nothing else would tell a damaged one.
    let stem = name.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    let (claimed, got) = (format!("sha256:{stem}").parse::<Digest>(), digest_of(&configuration));
    if let Ok(expected) = claimed.map_err(drop)
        && expected != got
    {
        return Err(ImageError::DigestMismatch { what: "a configuration in the archive".to_owned(), expected, got });
    }
    if image.layers.len() > LAYERS_MAX {
        let count = image.layers.len();
        return Err(ImageError::archive(format!("an image has {count} layers; {LAYERS_MAX} is the most")));
    }
    let layers = Layers::Names(image.layers.iter().map(|name| tidy(name)).collect());
    Ok(Described { references: tags(image).collect(), configuration, manifest: None, layers })
}

/// A blob of the layout whose digest is right.
fn blob(shelf: &Shelf, digest: &Digest, sort: &str) -> Result<Vec<u8>> {
    let missing = || ImageError::archive(format!("the {sort} {} is not in it, or too large", digest.short()));
    let bytes = shelf.document(&blob_name(digest)).ok_or_else(missing)?;
    let got = digest_of(bytes);
    match got == *digest {
        true => Ok(bytes.to_vec()),
        false => {
            let what = format!("a {sort} in the archive");
            Err(ImageError::DigestMismatch { what, expected: digest.clone(), got })
        }
    }
}

/// What containerd and Docker write first, then what podman and skopeo do. What is no name of an image is none.
fn names(row: &Row) -> Vec<Reference> {
    let keys = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
    let mut names = keys.into_iter().filter_map(|key| tag(row.annotations.get(key)?));
    names.next().into_iter().collect()
}

fn tags(image: &DockerImage) -> impl Iterator<Item = Reference> {
    image.tags.iter().flatten().filter_map(|text| tag(text))
}

fn tag(text: &str) -> Option<Reference> {
    text.parse::<Reference>().ok().filter(|it| it.tag().is_some() && it.digest().is_none())
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn tidy(name: &str) -> String {
    name.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}
