//! Mending: a layer is unpacked anew from its blob; what cannot be mended is dropped, so that a pull can bring it again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;

use sha2::{Digest as _, Sha256};

use super::subject::Subject;
use super::{Learned, damage};
use crate::image::config::Configuration;
use crate::image::layer::{Gauge, Policy, UnpackJob, inflate, unpack_digesting};
use crate::image::manifest::Manifest;
use crate::image::store::index::{EMPTY, Index};
use crate::image::store::{Row, Session, Store};
use crate::image::{ImageError, Result};
use crate::model::{CheckReport, Digest, ImageSummary};

impl Store {
    /// Mends what `learned` says is damaged, and writes down at each finding what was done.
    pub(super) fn repair(&self, session: &Session, learned: &Learned, report: &mut CheckReport) -> Result<()> {
        for (diff_id, (blob, trouble)) in &learned.layers {
            if trouble.is_none() || !learned.is_right(blob) {
                continue;
            }
            let subject = learned.layer_name(diff_id);
            if let Some(user) = self.in_use()?.running_on(diff_id) {
                let cure = format!("container {} runs on it: `teu stop {}`, then repair again", user.name, user.name);
                add_cure(report, &subject, &cure);
                continue;
            }
            match self.unpack_again(session, diff_id, blob) {
                Ok(()) => mended(report, &subject, "unpacked anew from its blob"),
                Err(error @ ImageError::Layer { .. }) | Err(error @ ImageError::DigestMismatch { .. }) => {
                    add_cure(report, &subject, &error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        self.drop_lost(learned, report)?;
        self.drop_blobs(learned, report)
    }

    /// The new files take the old ones' place in one step, which go with the stage.
    fn unpack_again(&self, session: &Session, diff_id: &Digest, blob: &Digest) -> Result<()> {
        let path = self.blob_path(blob);
        let stage = session.stage()?;
        let file = File::open(&path).map_err(|error| ImageError::io("cannot read", &path, error))?;
        let plain = inflate(file).map_err(|error| ImageError::io("cannot inflate", &path, error))?;
        let job = UnpackJob::new(self.rules(), stage.files()?, diff_id.short(), Policy::Layer);
        let plain = unpack_digesting(plain, &job, &Gauge::default())?;
        if plain.diff_id != *diff_id {
            return Err(ImageError::DigestMismatch {
                what: format!("content of layer {}", blob.short()),
                expected: diff_id.clone(),
                got: plain.diff_id,
            });
        }
        stage.replace_layer(diff_id, plain.unpacked.bytes)
    }

    /// Images that lack a document, or a layer both packed and unpacked, are no images any more.
    fn drop_lost(&self, learned: &Learned, report: &mut CheckReport) -> Result<()> {
        let lost: Vec<&Subject> = learned.subjects.iter().filter(|subject| learned.is_lost(subject)).collect();
        if lost.is_empty() {
            return Ok(());
        }
        let manifests: BTreeSet<Option<&Digest>> = lost.iter().map(|subject| subject.manifest.as_ref()).collect();
        self.shrink_index(|index| {
            index.manifests.retain(|row| !manifests.contains(&row.digest().as_ref()));
            Ok(())
        })?;
        for subject in lost {
            let done = match &subject.reference {
                Some(reference) => format!("dropped; `teu pull {}` brings it again", reference.familiar()),
                None => "dropped".to_owned(),
            };
            mended(report, &format!("image {}", subject.name), &done);
            let blobs = subject.blobs().map(|blob| learned.blob_name(&blob));
            let layers = subject.layers().map(|(layer, _)| learned.layer_name(layer));
            for part in blobs.chain(layers) {
                mended(report, &part, &format!("image {} {done}", subject.name));
            }
        }
        Ok(())
    }

    /// A blob that is not what its digest says goes. Its image still runs if the layer's files are right.
    fn drop_blobs(&self, learned: &Learned, report: &mut CheckReport) -> Result<()> {
        for (blob, trouble) in &learned.blobs {
            if trouble.is_none() {
                continue;
            }
            let path = self.blob_path(blob);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ImageError::io("cannot remove", &path, error));
                }
                _ => {}
            }
            let owners = || learned.subjects.iter().filter(|subject| subject.blobs().any(|it| it == *blob));
            if owners().all(|subject| learned.is_lost(subject)) {
                continue;
            }
            let owner = owners().find(|subject| !learned.is_lost(subject));
            let name = owner.and_then(|subject| subject.reference.as_ref()).map(|reference| reference.familiar());
            let cure = match name {
                Some(name) => {
                    format!("its files are whole, so the image runs; `teu pull {name}` brings the blob again")
                }
                None => "its files are whole, so the image runs, but cannot be pushed or saved".to_owned(),
            };
            add_cure(report, &learned.blob_name(blob), &cure);
        }
        Ok(())
    }

    /// Makes an index of all images whose documents are here. Names stand in the index only: they are lost.
    pub(super) fn rebuild_index(&self) -> Result<String> {
        let _lock = self.lock_index()?;
        let path = self.index_path();
        let old = path.with_file_name("index.json.damaged");
        fs::rename(&path, &old).map_err(|error| ImageError::io("cannot move", &path, error))?;
        let mut index: Index =
            serde_json::from_str(EMPTY).map_err(|error| ImageError::store("the empty index", error))?;
        let names = self.names("blobs/sha256")?;
        let digests = names.iter().filter_map(|name| format!("sha256:{}", name.to_str()?).parse().ok());
        let rows: Vec<Row> = digests.filter_map(|digest: Digest| self.row_of_manifest(&digest)).collect();
        rows.iter().for_each(|row| index.put(row));
        let bytes = serde_json::to_vec(&index).map_err(|error| ImageError::store("index.json", error))?;
        self.write(&path, &bytes)?;
        Ok(format!("made anew of {} images, whose names are lost; the old one is {}", rows.len(), old.display()))
    }

    /// The image whose manifest a blob is, if it is one and is whole as far as documents go.
    fn row_of_manifest(&self, digest: &Digest) -> Option<Row> {
        let bytes = self.read_document(digest).ok()?;
        let manifest = Manifest::parse(&bytes).ok()?;
        if Digest::from_sha256(Sha256::digest(&bytes).into()) != *digest {
            return None;
        }
        let configuration = Configuration::parse(&self.read_document(&manifest.config.digest).ok()?).ok()?;
        let sizes: Option<Vec<u64>> = configuration.diff_ids.iter().map(|layer| self.layer_bytes(layer)).collect();
        Some(Row {
            summary: ImageSummary {
                reference: None,
                id: Some(manifest.config.digest.clone()),
                manifest: Some(digest.clone()),
                created: configuration.created,
                size_bytes: sizes.map(|sizes| sizes.iter().sum()),
                platform: configuration.platform,
                layers: configuration.diff_ids.len(),
                is_host: false,
            },
            id: manifest.config.digest.clone(),
            manifest: digest.clone(),
            manifest_bytes: bytes.len() as u64,
            media_type: manifest.media_type(),
            asked: None,
        })
    }
}

impl Learned {
    fn is_lost(&self, subject: &Subject) -> bool {
        let documents = subject.blobs().filter(|blob| subject.sort(blob) != "compressed layer");
        let lost = |(layer, blob): (&Digest, &Digest)| {
            let damaged = self.layers.get(layer).is_none_or(|(_, trouble)| trouble.is_some());
            let source = self.layers.get(layer).map_or(blob, |(source, _)| source);
            damaged && !self.is_right(source)
        };
        subject.trouble.is_some()
            || documents.into_iter().any(|blob| !self.is_right(&blob))
            || subject.layers().any(lost)
    }
}

/// Notes at the finding about `subject`, if there is one, what was done.
fn mended(report: &mut CheckReport, subject: &str, done: &str) {
    let open = |found: &&mut crate::model::CheckFinding| found.subject == subject && found.mended.is_none();
    for found in report.findings.iter_mut().filter(open) {
        found.mended = Some(done.to_owned());
    }
}

/// Nothing could be done: the finding gets the way out.
fn add_cure(report: &mut CheckReport, subject: &str, cure: &str) {
    let open = report.findings.iter_mut().find(|found| found.subject == subject && found.mended.is_none());
    match open {
        Some(found) => found.trouble = format!("{}; {cure}", found.trouble),
        None => report.findings.push(damage(subject.to_owned(), cure.to_owned(), None)),
    }
}
