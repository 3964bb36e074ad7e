//! Bringing content in: everything is made under `partial/` and renamed into place when its digest was right.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Row, Store};
use crate::image::layer::remove_tree;
use crate::image::{ImageError, Result};
use crate::model::Digest;
use crate::sys::file::{Lock, exchange};
use crate::sys::in_root::{self, Folder};
use crate::sys::random;

/// A pull or import under way: no garbage is collected while it lives. Its end collects what others left waiting.
#[derive(Clone, Debug)]
pub(in crate::image) struct Session(Arc<Hold>);

#[derive(Debug)]
struct Hold {
    store: Store,
    lock: Option<Lock>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.lock = None;
        if self.store.gc_wanted_path().exists() {
            // Garbage that cannot be collected now is collected by the next removal.
            let _ = self.store.gc();
        }
    }
}

/// A folder of its own under `partial/`, deleted with all that is left in it when it is dropped.
#[derive(Debug)]
pub(in crate::image) struct Stage {
    store: Store,
    name: String,
    // Dropped after the folder is gone: till then no garbage collector may look.
    _session: Session,
}

impl Store {
    pub(in crate::image) fn begin(&self) -> Result<Session> {
        self.sweep_stages()?;
        self.distrust_last_boot();
        let path = self.content_lock_path();
        let lock = Lock::shared(&path).map_err(|error| ImageError::io("cannot lock", &path, error))?;
        Ok(Session(Arc::new(Hold { store: self.clone(), lock: Some(lock) })))
    }

    /// The lock of one blob's transfer, or none while another process holds it.
    pub(in crate::image) fn try_lock_blob(&self, digest: &Digest) -> Result<Option<Lock>> {
        let path = self.folder.join("locks").join(digest.hex());
        Lock::try_exclusive(&path).map_err(|error| ImageError::io("cannot lock", &path, error))
    }
}

impl Session {
    pub(in crate::image) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(in crate::image) fn stage(&self) -> Result<Stage> {
        let store = self.store().clone();
        let path = store.folder.join("partial");
        let random = random::bytes().map_err(|error| ImageError::io("cannot name", &path, error))?;
        let name = format!("{:016x}", u64::from_ne_bytes(random));
        let path = path.join(&name);
        fs::create_dir(&path).map_err(|error| ImageError::io("cannot make", &path, error))?;
        Ok(Stage { store, name, _session: self.clone() })
    }

    /// Stores a manifest or configuration whose digest was checked.
    pub(in crate::image) fn put_document(&self, digest: &Digest, content: &[u8]) -> Result<()> {
        match self.store().has_blob(digest) {
            true => Ok(()),
            false => self.store().write(&self.store().blob_path(digest), content),
        }
    }

    /// Makes an image of what is in place, once all of it would survive a power cut.
    pub(in crate::image) fn publish(&self, row: &Row) -> Result<()> {
        self.publish_all(std::slice::from_ref(row))
    }

    /// As [`Session::publish`], for several rows at once.
    pub(in crate::image) fn publish_all(&self, rows: &[Row]) -> Result<()> {
        let store = self.store();
        let sync = || in_root::sync_file_system(Folder::open(&store.folder)?);
        sync().map_err(|error| ImageError::io("cannot sync", &store.folder, error))?;
        store.change_index(|index| {
            rows.iter().for_each(|row| index.put(row));
            Ok(())
        })
    }
}

impl Stage {
    fn path(&self) -> PathBuf {
        self.store.folder.join("partial").join(&self.name)
    }

    /// Where the compressed blob is written.
    pub(in crate::image) fn blob(&self) -> PathBuf {
        self.path().join("blob")
    }

    /// The folder to unpack into, made on the first call, mode 0755: it is a container's `/`.
    pub(in crate::image) fn files(&self) -> Result<PathBuf> {
        let layer = self.path().join("layer");
        let files = layer.join("fs");
        let make = || {
            fs::create_dir_all(&files)?;
            in_root::set_mode(Folder::open(&files)?, 0o755)
        };
        make().map_err(|error| ImageError::io("cannot make", &files, error))?;
        Ok(files)
    }

    /// Moves the written blob into place.
    pub(in crate::image) fn keep_blob(&self, digest: &Digest) -> Result<()> {
        let (from, to) = (self.blob(), self.store.blob_path(digest));
        fs::rename(&from, &to).map_err(|error| ImageError::io("cannot move", &from, error))
    }

    /// As [`Stage::keep_layer`], but in the place of one that is there, which goes.
    pub(super) fn replace_layer(&self, diff_id: &Digest, bytes: u64) -> Result<()> {
        let (from, to) = (self.path().join("layer"), self.store.layer_folder(diff_id));
        if !to.exists() {
            return self.keep_layer(diff_id, bytes);
        }
        let size = from.join("size");
        fs::write(&size, bytes.to_string()).map_err(|error| ImageError::io("cannot write", &size, error))?;
        exchange(&from, &to).map_err(|error| ImageError::io("cannot exchange", &from, error))
    }

    /// Moves the unpacked layer into place; one that is there already stays, and this one goes.
    pub(in crate::image) fn keep_layer(&self, diff_id: &Digest, bytes: u64) -> Result<()> {
        let from = self.path().join("layer");
        let size = from.join("size");
        fs::write(&size, bytes.to_string()).map_err(|error| ImageError::io("cannot write", &size, error))?;
        match fs::rename(&from, self.store.layer_folder(diff_id)) {
            Err(error) if is_there(&error) => Ok(()),
            result => result.map_err(|error| ImageError::io("cannot move", &from, error)),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let partial = self.store.folder.join("partial");
        // What cannot be deleted now is deleted by the next garbage collection.
        let _ = remove_tree(&partial, OsStr::new(&self.name));
    }
}

fn is_there(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}
