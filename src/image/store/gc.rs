//! Garbage: blobs and layers that no image refers to, and what broken-off pulls left.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::Store;
use crate::image::config::Configuration;
use crate::image::layer::remove_tree;
use crate::image::manifest::Links;
use crate::image::{ImageError, Result};
use crate::model::Digest;
use crate::sys::file::Lock;
use crate::sys::in_root::Folder;

/// How long what was fetched of a broken-off pull waits for the next one.
const PARTIAL_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Another text after each start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What [`Store::gc`] freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    pub blobs: usize,
    pub layers: usize,
    /// What broken-off pulls had fetched.
    pub partial: usize,
    /// Bytes of all of these.
    pub bytes: u64,
}

/// What goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweep {
    /// Garbage, but not what a pull could still go on with.
    Garbage,
    /// That too.
    WithPartial,
}

/// What the images refer to.
#[derive(Default)]
pub(super) struct Live {
    pub(super) blobs: HashSet<String>,
    pub(super) layers: HashSet<String>,
}

impl Store {
    /// Deletes blobs and layers that no image and no container refers to, and what broken-off pulls have left a week ago.
    /// Does nothing while a pull or import runs: that one does it at its end.
    pub fn gc(&self) -> Result<Freed> {
        self.sweep(Sweep::Garbage)
    }

    pub(super) fn sweep(&self, sweep: Sweep) -> Result<Freed> {
        let Some(_lock) = self.lock_content()? else { return Ok(Freed::default()) };
        let wanted = self.gc_wanted_path();
        match fs::remove_file(&wanted) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ImageError::io("cannot remove", &wanted, error));
            }
            _ => {}
        }
        let mut freed = Freed::default();
        self.sweep_partial(sweep, &mut freed)?;
        self.sweep_locks()?;
        let live = self.needed()?;
        self.sweep_blobs(&live, &mut freed)?;
        self.sweep_layers(&live, &mut freed)?;
        self.set_space_aside();
        Ok(freed)
    }

    /// Once after each start of the machine: what was brought before it went down and belongs to no image yet was perhaps never
    /// written whole, so nobody may take it for whole. (What belongs to an image was synced before it did.) Best effort, since a
    /// damaged image must not stop the next pull.
    pub(super) fn distrust_last_boot(&self) {
        let file = self.folder.join("locks/boot");
        let boot = fs::read_to_string(BOOT_ID).unwrap_or_default();
        let known = fs::read_to_string(&file).is_ok_and(|known| known == boot);
        if !known && self.sweep(Sweep::Garbage).is_ok() {
            let _ = fs::write(&file, boot);
        }
    }

    /// Deletes what killed pulls and imports had half unpacked, unless others are at work.
    pub(super) fn sweep_stages(&self) -> Result<()> {
        let is_stage = |name: &std::ffi::OsString| !is_resumable(name);
        if !self.names("partial")?.iter().any(is_stage) {
            return Ok(());
        }
        let path = self.content_lock_path();
        let lock = Lock::try_exclusive(&path).map_err(|error| ImageError::io("cannot lock", &path, error))?;
        match lock {
            Some(_lock) => {
                self.names("partial")?.iter().filter(|it| is_stage(it)).try_for_each(|it| self.delete("partial", it))
            }
            None => Ok(()),
        }
    }

    /// What images and containers need. In this order: a container that is made meanwhile is made of an image in the index.
    pub(super) fn needed(&self) -> Result<Live> {
        let mut live = self.live()?;
        live.layers.extend(self.in_use()?.layers().into_iter().map(str::to_owned));
        Ok(live)
    }

    /// The content lock, or none while somebody brings or reads content: then that one's end collects the garbage.
    fn lock_content(&self) -> Result<Option<Lock>> {
        let path = self.content_lock_path();
        let try_lock = || Lock::try_exclusive(&path).map_err(|error| ImageError::io("cannot lock", &path, error));
        if let Some(lock) = try_lock()? {
            return Ok(Some(lock));
        }
        let wanted = self.gc_wanted_path();
        fs::write(&wanted, b"").map_err(|error| ImageError::io("cannot write", &wanted, error))?;
        // Whoever had it may have ended, and looked for the wish, before it was written.
        try_lock()
    }

    pub(super) fn content_lock_path(&self) -> PathBuf {
        self.folder.join("locks/content")
    }

    /// A file that says that garbage waits for the running pulls to end.
    pub(super) fn gc_wanted_path(&self) -> PathBuf {
        self.folder.join("locks/gc-wanted")
    }

    /// Follows the index to everything below it. A manifest that cannot be read stops the collection: nobody knows what it
    /// would keep.
    fn live(&self) -> Result<Live> {
        let mut live = Live::default();
        let mut next: Vec<Digest> = self.read_index()?.manifests.iter().filter_map(|row| row.digest()).collect();
        while let Some(digest) = next.pop() {
            if !live.blobs.insert(digest.hex().to_owned()) {
                continue;
            }
            let what = format!("manifest {}", digest.short());
            let bytes = self.read_document(&digest).map_err(|error| Self::missing_is_damage(&what, error))?;
            let links = Links::parse(&bytes).map_err(|reason| ImageError::store(what, reason))?;
            live.blobs.extend(links.blobs.iter().map(|blob| blob.hex().to_owned()));
            next.extend(links.manifests.into_iter().filter(|manifest| self.has_blob(manifest)));
            if let Some(config) = links.config {
                live.layers.extend(self.layers_of(&config)?.iter().map(|layer| layer.hex().to_owned()));
                live.blobs.insert(config.hex().to_owned());
            }
        }
        Ok(live)
    }

    /// The layers of a configuration; none of one that is no image's. A damaged one stops the collection too.
    fn layers_of(&self, config: &Digest) -> Result<Vec<Digest>> {
        let what = format!("configuration {}", config.short());
        let bytes = self.read_document(config).map_err(|error| Self::missing_is_damage(&what, error))?;
        match Configuration::parse(&bytes) {
            Ok(configuration) => Ok(configuration.diff_ids),
            Err(_) if Digest::from_sha256(Sha256::digest(&bytes).into()) == *config => Ok(Vec::new()),
            Err(reason) => Err(ImageError::store(what, reason)),
        }
    }

    fn sweep_blobs(&self, live: &Live, freed: &mut Freed) -> Result<()> {
        for name in self.names("blobs/sha256")? {
            if name.to_str().is_some_and(|name| live.blobs.contains(name)) {
                continue;
            }
            let path = self.folder.join("blobs/sha256").join(&name);
            freed.bytes += fs::symlink_metadata(&path).map(|meta| meta.len()).unwrap_or(0);
            self.delete("blobs/sha256", &name)?;
            freed.blobs += 1;
        }
        Ok(())
    }

    fn sweep_layers(&self, live: &Live, freed: &mut Freed) -> Result<()> {
        for name in self.names("layers")? {
            if name.to_str().is_some_and(|name| live.layers.contains(name)) {
                continue;
            }
            let from = self.folder.join("layers").join(&name);
            let bytes = self.recorded_size(&from);
            // Out of sight at once, so that being killed half-way leaves no half layer.
            let mut gone = std::ffi::OsString::from("gone-");
            gone.push(&name);
            let to = self.folder.join("partial").join(&gone);
            fs::rename(&from, &to).map_err(|error| ImageError::io("cannot move", &from, error))?;
            self.delete("partial", &gone)?;
            freed.bytes += bytes.unwrap_or(0);
            freed.layers += 1;
        }
        Ok(())
    }

    /// Nobody stages anything while the content lock is ours: all there is was left by the dead. So is, under its own lock,
    /// what was to become the index. What a pull can go on with stays for a while.
    fn sweep_partial(&self, sweep: Sweep, freed: &mut Freed) -> Result<()> {
        for name in self.names("partial")? {
            let path = self.folder.join("partial").join(&name);
            let resumable = is_resumable(&name);
            if resumable && sweep == Sweep::Garbage && is_fresh(&path) {
                continue;
            }
            let bytes = fs::symlink_metadata(&path).map(|meta| meta.len()).unwrap_or(0);
            self.delete("partial", &name)?;
            if resumable && name.as_encoded_bytes().ends_with(b".part") {
                freed.partial += 1;
                freed.bytes += bytes;
            }
        }
        let _lock = self.lock_index()?;
        let names = self.names("")?;
        let mut temporary = names.iter().filter(|name| is_temporary(name));
        temporary.try_for_each(|name| self.delete("", name))
    }

    /// Blob locks are taken under the content lock only, so nobody waits for one of these.
    fn sweep_locks(&self) -> Result<()> {
        let names = self.names("locks")?;
        let mut blobs = names.iter().filter(|name| name.len() == 64);
        blobs.try_for_each(|name| self.delete("locks", name))
    }

    pub(super) fn names(&self, folder: &str) -> Result<Vec<std::ffi::OsString>> {
        let path = self.folder.join(folder);
        let read = || Folder::open(&path)?.names();
        read().map_err(|error| ImageError::io("cannot list", &path, error))
    }

    fn delete(&self, folder: &str, name: &OsStr) -> Result<()> {
        let path = self.folder.join(folder);
        remove_tree(&path, name).map_err(|error| ImageError::io("cannot remove", &path.join(name), error))
    }
}

/// `<blob>.part` and `<blob>.state`: what a broken-off pull has fetched, and how far it is.
pub(super) fn is_resumable(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let digits = name.strip_suffix(b".part").or_else(|| name.strip_suffix(b".state"));
    digits.is_some_and(|digits| digits.len() == 64 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// A clock that was put back does not make it old.
fn is_fresh(path: &Path) -> bool {
    let modified = fs::symlink_metadata(path).and_then(|meta| meta.modified());
    modified.is_ok_and(|time| {
        SystemTime::now().duration_since(time).is_ok_and(|age| age < PARTIAL_KEPT) || time > SystemTime::now()
    })
}

/// What was to become one of the store's own files when its writer was killed.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") && name.ends_with(b".tmp")
}
