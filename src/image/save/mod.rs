//! `save`: images of the store as one archive that other engines load, and teu on another machine.
//!
//! The archive is an OCI image layout in a tar, with Docker's `manifest.json` beside it, so that each reader finds what it
//! knows. Blobs go into it as they lie in the store; every time in it is zero and every name has its fixed place, so the
//! same images always give the same bytes. The small documents come first: who reads a stream knows early what will come.

mod archive;
mod choose;
mod repack;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use self::archive::Archive;
use self::choose::Chosen;
use self::repack::Repacked;
use super::layer::Compression;
use super::manifest::{Manifest, Part};
use super::store::Session;
use super::{ImageError, Result, Store, config};
use crate::model::{Digest, Platform, TransferGauge};

/// Who is to read the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// Everybody: an OCI layout with Docker's `manifest.json`.
    #[default]
    Docker,
    /// The OCI layout alone.
    Oci,
}

/// How to save.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveOptions {
    pub format: ArchiveFormat,
    /// How the layers are to be compressed; as they are in the store, if none.
    pub layers: Option<Compression>,
    /// Refuses images for any other platform.
    pub platform: Option<Platform>,
}

/// Writes an archive of images: each name is a tag, an id or its beginning, or a repository, which means all of its tags.
///
/// What `gauge` counts are the archive's bytes. Nothing is left in the store when it fails or is killed.
pub fn save(
    store: &Store,
    names: &[String],
    options: &SaveOptions,
    out: impl Write,
    gauge: &TransferGauge,
) -> Result<()> {
    // Till it ends nothing that is being read is collected as garbage.
    let session = store.begin()?;
    let images = choose::choose(store, names, options.platform.as_ref())?;
    let contents = Contents::gather(&session, &images, options, gauge)?;
    contents.write(Archive::new(out, gauge), options.format)
}

/// A file of the archive.
enum Blob {
    Document(Vec<u8>),
    Stored(PathBuf, u64),
    Repacked(File, u64),
}

impl Blob {
    fn bytes(&self) -> u64 {
        match self {
            Self::Document(bytes) => bytes.len() as u64,
            Self::Stored(_, bytes) | Self::Repacked(_, bytes) => *bytes,
        }
    }
}

/// All that goes into the archive. Blobs have their digits for a name, so that what images share is there once.
#[derive(Default)]
struct Contents {
    index: Vec<Value>,
    docker: Vec<Value>,
    documents: BTreeMap<String, Blob>,
    layers: BTreeMap<String, Blob>,
}

impl Contents {
    fn gather(session: &Session, images: &[Chosen], options: &SaveOptions, gauge: &TransferGauge) -> Result<Self> {
        let mut manifests = Vec::new();
        for image in images {
            let bytes = session.store().read_document(&image.manifest)?;
            let what = || format!("manifest {}", image.manifest.short());
            let manifest = Manifest::parse(&bytes).map_err(|reason| ImageError::store(what(), reason))?;
            manifests.push((bytes, manifest));
        }
        let layers = manifests.iter().flat_map(|(_, manifest)| &manifest.layers);
        let repacked = repack::repack(session.store(), layers, options, gauge)?;
        let mut contents = Self::default();
        for (image, (bytes, manifest)) in images.iter().zip(manifests) {
            contents.image(session.store(), image, bytes, manifest, &repacked)?;
        }
        for (_, one) in repacked {
            contents.layers.insert(one.part.digest.hex().to_owned(), Blob::Repacked(one.file, one.part.size));
        }
        Ok(contents)
    }

    fn image(
        &mut self,
        store: &Store,
        image: &Chosen,
        bytes: Vec<u8>,
        manifest: Manifest,
        repacked: &HashMap<Digest, Repacked>,
    ) -> Result<()> {
        let configuration = store.read_document(&image.id)?;
        let parts: Vec<&Part> =
            manifest.layers.iter().map(|part| repacked.get(&part.digest).map_or(part, |it| &it.part)).collect();
        for (part, old) in parts.iter().zip(&manifest.layers) {
            if part.digest == old.digest {
                let path = store.blob_path(&part.digest);
                let found = std::fs::metadata(&path).map_err(|error| ImageError::io("cannot read", &path, error))?;
                self.layers.insert(part.digest.hex().to_owned(), Blob::Stored(path, found.len()));
            }
        }
        // A manifest of the same layers stays as it is, digest and all; one that names others is made anew.
        let is_same = parts.iter().zip(&manifest.layers).all(|(new, old)| new.digest == old.digest);
        let (bytes, media_type) = match is_same {
            true => (bytes, image.media_type.clone()),
            false => {
                let parts: Vec<Part> = parts.iter().map(|part| (*part).clone()).collect();
                (config::manifest_of(&image.id, configuration.len(), &parts), config::MANIFEST.to_owned())
            }
        };
        let digest = Digest::from_sha256(Sha256::digest(&bytes).into());
        self.describe(image, &digest, bytes.len(), &media_type);
        let path = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
        // In full: podman takes a short one for localhost's.
        let tags: Vec<String> = image.references.iter().map(ToString::to_string).collect();
        self.docker.push(json!({
            "Config": path(&image.id),
            "RepoTags": if tags.is_empty() { Value::Null } else { json!(tags) },
            "Layers": parts.iter().map(|part| path(&part.digest)).collect::<Vec<_>>(),
        }));
        self.documents.insert(digest.hex().to_owned(), Blob::Document(bytes));
        self.documents.insert(image.id.hex().to_owned(), Blob::Document(configuration));
        Ok(())
    }

    /// One row for each tag. Podman and skopeo read the first annotation, containerd and Docker the second.
    fn describe(&mut self, image: &Chosen, digest: &Digest, bytes: usize, media_type: &str) {
        let mut platform = json!({"os": image.platform.os, "architecture": image.platform.architecture});
        if let Some(variant) = &image.platform.variant {
            platform["variant"] = json!(variant);
        }
        let row = json!({"mediaType": media_type, "digest": digest, "size": bytes, "platform": platform});
        if image.references.is_empty() {
            self.index.push(row);
            return;
        }
        for reference in &image.references {
            let mut row = row.clone();
            let name = reference.to_string();
            row["annotations"] = json!({"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name});
            self.index.push(row);
        }
    }

    fn write(self, mut archive: Archive<'_, impl Write>, format: ArchiveFormat) -> Result<()> {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": self.index,
        });
        let mut files = vec![("oci-layout".to_owned(), Blob::Document(br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()))];
        files.push(("index.json".to_owned(), Blob::Document(index.to_string().into_bytes())));
        if format == ArchiveFormat::Docker {
            let docker = Value::Array(self.docker).to_string().into_bytes();
            files.push(("manifest.json".to_owned(), Blob::Document(docker)));
        }
        let blobs = self.documents.into_iter().chain(self.layers);
        let blobs: Vec<(String, Blob)> = blobs.map(|(name, blob)| (format!("blobs/sha256/{name}"), blob)).collect();
        archive.expect(files.iter().chain(&blobs).map(|(_, blob)| blob.bytes()));
        for (name, blob) in files {
            archive.add(&name, blob)?;
        }
        archive.folder("blobs/")?;
        archive.folder("blobs/sha256/")?;
        for (name, blob) in blobs {
            archive.add(&name, blob)?;
        }
        archive.finish()
    }
}
