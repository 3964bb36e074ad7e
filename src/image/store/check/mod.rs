//! `system check`: whether all that images and containers are made of is there, and is what its digest says.
//!
//! Every blob is digested; every layer is inflated and compared with its files, entry by entry. Nothing is trusted because it
//! looks right. Pulls may go on meanwhile; garbage is only told when nobody brings content.

mod repair;
mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::subject::Subject;
use super::Store;
use super::gc::{is_resumable, is_temporary};
use super::users::InUse;
use crate::image::layer::{Compared, Digesting, Policy, UnpackJob, compare_digesting, inflate};
use crate::image::{ImageError, Result};
use crate::model::{CheckFinding, CheckMode, CheckReport, CheckSeverity, Digest};
use crate::sys::file::Lock;

/// Blobs and layers looked at at once.
const AT_ONCE: usize = 4;

/// What is wrong with something, in words; none if nothing is.
type Trouble = Option<String>;

/// What the check learns, and what a repair goes by.
struct Learned {
    subjects: Vec<Subject>,
    /// All blobs that images need, with what is wrong with them.
    blobs: BTreeMap<Digest, Trouble>,
    /// All layers that images need, with one of the blobs they are unpacked from.
    layers: BTreeMap<Digest, (Digest, Trouble)>,
    in_use: InUse,
}

impl Store {
    /// Looks at everything, and with [`CheckMode::Repair`] mends what can be mended.
    pub fn check(&self, mode: CheckMode) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        if let Some(finding) = self.check_index(mode)? {
            let lost = finding.mended.is_none();
            report.findings.push(finding);
            if lost {
                return Ok(report);
            }
        }
        let leftovers = self.leftovers()?;
        let session = self.begin()?;
        let learned = self.learn(&mut report)?;
        self.judge(&learned, &mut report);
        self.check_users(&learned, &mut report);
        if mode == CheckMode::Repair {
            self.repair(&session, &learned, &mut report)?;
        }
        drop(session);
        self.tell_leftovers(&leftovers, mode, &mut report)?;
        report.findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.subject.cmp(&b.subject)));
        Ok(report)
    }

    /// The index is what all else hangs on.
    fn check_index(&self, mode: CheckMode) -> Result<Option<CheckFinding>> {
        let trouble = match self.read_index() {
            Ok(_) => return Ok(None),
            Err(ImageError::Store { reason, .. }) => reason,
            Err(error) => return Err(error),
        };
        let mended = match mode {
            CheckMode::Look => None,
            CheckMode::Repair => Some(self.rebuild_index()?),
        };
        Ok(Some(damage("index.json".to_owned(), trouble, mended)))
    }

    /// Reads all documents, then digests all blobs and compares all layers.
    fn learn(&self, report: &mut CheckReport) -> Result<Learned> {
        let index = self.read_index()?;
        let subjects: Vec<Subject> = index.manifests.iter().map(|row| self.subject(row)).collect();
        let digests: Vec<Digest> =
            subjects.iter().flat_map(Subject::blobs).collect::<BTreeSet<_>>().into_iter().collect();
        let looked = in_parallel(&digests, |digest| self.check_blob(digest));
        report.read_bytes = looked.iter().map(|(bytes, _)| bytes).sum();
        let blobs: BTreeMap<Digest, Trouble> =
            digests.into_iter().zip(looked).map(|(digest, (_, trouble))| (digest, trouble)).collect();
        // A layer may have been compressed twice: the blob that is right is the one to compare with.
        let mut sources: BTreeMap<Digest, Digest> = BTreeMap::new();
        for (diff_id, blob) in subjects.iter().flat_map(Subject::layers) {
            let is_right = blobs.get(blob).is_some_and(Option::is_none);
            if is_right || !sources.contains_key(diff_id) {
                sources.insert(diff_id.clone(), blob.clone());
            }
        }
        let sources: Vec<(Digest, Digest)> = sources.into_iter().collect();
        let troubles = in_parallel(&sources, |(diff_id, blob)| {
            self.check_layer(diff_id, blobs.get(blob).is_some_and(Option::is_none).then_some(blob))
        });
        let layers =
            sources.into_iter().zip(troubles).map(|((diff_id, blob), trouble)| (diff_id, (blob, trouble))).collect();
        let in_use = match self.in_use() {
            Ok(in_use) => in_use,
            Err(error) => {
                report.findings.push(damage("containers".to_owned(), error.to_string(), None));
                InUse::default()
            }
        };
        Ok(Learned { subjects, blobs, layers, in_use })
    }

    /// Digests a blob: bytes read, and what is wrong.
    fn check_blob(&self, digest: &Digest) -> (u64, Trouble) {
        let path = self.blob_path(digest);
        let mut blob = match File::open(&path).map(Digesting::new) {
            Ok(blob) => blob,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (0, Some("it is missing".to_owned())),
            Err(error) => return (0, Some(format!("it cannot be opened: {error}"))),
        };
        let mut buffer = vec![0; 256 << 10];
        loop {
            match io::Read::read(&mut blob, &mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (blob.length, Some(format!("it cannot be read: {error}"))),
            }
        }
        let bytes = blob.length;
        let wrong = blob.digest() != *digest;
        (bytes, wrong.then(|| format!("its {bytes} bytes are not what its digest says")))
    }

    /// Compares an unpacked layer with its blob; without a blob that is right, what is written of it must do.
    fn check_layer(&self, diff_id: &Digest, blob: Option<&Digest>) -> Trouble {
        if !self.has_layer(diff_id) {
            return Some("it is not unpacked".to_owned());
        }
        if self.layer_bytes(diff_id).is_none() {
            return Some("its size is not written down, so it was never whole".to_owned());
        }
        let blob = self.blob_path(blob?);
        let compare = || {
            let file = File::open(&blob).map_err(|error| ImageError::io("cannot read", &blob, error))?;
            let plain = inflate(file).map_err(|error| ImageError::io("cannot inflate", &blob, error))?;
            let job = UnpackJob::new(self.rules(), self.layer_path(diff_id), diff_id.short(), Policy::Layer);
            compare_digesting(plain, &job)
        };
        match compare() {
            Err(error) => Some(error.to_string()),
            Ok((digest, _)) if digest != *diff_id => Some(format!("its blob holds another layer, {}", digest.short())),
            Ok((_, Compared { differences, .. })) if differences.is_empty() => None,
            Ok((_, Compared { mut differences, more })) => {
                let more = more + differences.len().saturating_sub(3);
                differences.truncate(3);
                let rest = if more > 0 { format!(", and {more} more") } else { String::new() };
                Some(format!("{}{rest}", differences.join(", ")))
            }
        }
    }

    fn judge(&self, learned: &Learned, report: &mut CheckReport) {
        report.images = learned.subjects.len();
        report.blobs = learned.blobs.len();
        report.layers = learned.layers.len();
        for subject in &learned.subjects {
            if let Some(trouble) = &subject.trouble {
                report.findings.push(damage(format!("image {}", subject.name), trouble.clone(), None));
            }
        }
        for (digest, trouble) in &learned.blobs {
            let Some(trouble) = trouble else { continue };
            report.findings.push(damage(learned.blob_name(digest), trouble.clone(), None));
        }
        for (diff_id, (_, trouble)) in &learned.layers {
            let Some(trouble) = trouble else { continue };
            report.findings.push(damage(learned.layer_name(diff_id), trouble.clone(), None));
        }
    }

    /// The layers of containers, which may have outlived their image.
    fn check_users(&self, learned: &Learned, report: &mut CheckReport) {
        for user in learned.in_use.iter() {
            report.containers += 1;
            let orphans = user.layers.iter().filter(|layer| !learned.layers.contains_key(layer));
            for layer in orphans {
                if let Some(trouble) = self.check_layer(layer, None) {
                    let trouble = format!("{trouble}, and its image is gone");
                    let subject = format!("layer {} of container {}", layer.short(), user.name);
                    report.findings.push(damage(subject, trouble, None));
                }
            }
        }
    }

    /// What nothing needs. None is told while somebody brings content: it may be his.
    fn leftovers(&self) -> Result<Vec<String>> {
        let path = self.content_lock_path();
        let lock = Lock::try_exclusive(&path).map_err(|error| ImageError::io("cannot lock", &path, error))?;
        // What the damaged part of the store needs cannot be known either: the check names that itself.
        let (Some(_lock), Ok(needed)) = (lock, self.needed()) else { return Ok(Vec::new()) };
        let mut leftovers = Vec::new();
        for (folder, needed) in [("blobs/sha256", &needed.blobs), ("layers", &needed.layers)] {
            let names = self.names(folder)?.into_iter().map(|name| name.to_string_lossy().into_owned());
            leftovers.extend(names.filter(|name| !needed.contains(name)).map(|name| format!("{folder}/{name}")));
        }
        let partial = self.names("partial")?.into_iter().filter(|name| !is_resumable(name));
        leftovers.extend(partial.map(|name| format!("partial/{}", name.to_string_lossy())));
        let temporary = self.names("")?.into_iter().filter(|name| is_temporary(name));
        leftovers.extend(temporary.map(|name| name.to_string_lossy().into_owned()));
        Ok(leftovers)
    }

    fn tell_leftovers(&self, leftovers: &[String], mode: CheckMode, report: &mut CheckReport) -> Result<()> {
        let swept = mode == CheckMode::Repair && self.gc_after_removal().is_ok();
        for name in leftovers {
            let gone = swept && !self.folder.join(name).exists();
            report.findings.push(CheckFinding {
                severity: CheckSeverity::Garbage,
                subject: name.clone(),
                trouble: "nothing needs it".to_owned(),
                mended: gone.then(|| "taken away".to_owned()),
            });
        }
        Ok(())
    }
}

impl Learned {
    fn is_right(&self, blob: &Digest) -> bool {
        self.blobs.get(blob).is_some_and(Option::is_none)
    }

    fn blob_name(&self, digest: &Digest) -> String {
        let owners = self.subjects.iter().filter(|subject| subject.blobs().any(|blob| blob == *digest));
        let sort = owners.clone().next().map_or("blob", |subject| subject.sort(digest));
        format!("{sort} {} of {}", digest.short(), names(owners))
    }

    fn layer_name(&self, diff_id: &Digest) -> String {
        let owners = self.subjects.iter().filter(|subject| subject.layers().any(|(layer, _)| layer == diff_id));
        format!("layer {} of {}", diff_id.short(), names(owners))
    }
}

/// The names of some images: enough to know which are meant.
fn names<'a>(subjects: impl Iterator<Item = &'a Subject> + Clone) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<&str> = subjects.clone().take(SHOWN).map(|subject| subject.name.as_str()).collect();
    let more = subjects.count().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

fn damage(subject: String, trouble: String, mended: Option<String>) -> CheckFinding {
    CheckFinding { severity: CheckSeverity::Damage, subject, trouble, mended }
}

/// Does `work` to each item by a few threads; the results are in the items' order.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(AT_ONCE).min(items.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((at, item)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    items.get(at).map(|item| (at, item))
                } {
                    let result = work(item);
                    results.lock().expect("no thread panics while it pushes").push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().expect("all threads have ended");
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
