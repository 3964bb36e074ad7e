//! Garbage: blobs and layers that no image refers to, and what broken-off pulls left.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::Store;
use crate::image::config::Configuration;
use crate::image::layer::remove_tree;
use crate::image::manifest::Links;
use crate::image::{ImageError, Result};
use crate::model::Digest;
use crate::sys::file::Lock;
use crate::sys::in_root::Folder;

/// What [`Store::gc`] freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    pub blobs: usize,
    pub layers: usize,
    /// Bytes of the blobs; layers are not counted.
    pub bytes: u64,
}

/// What the images refer to.
#[derive(Default)]
struct Live {
    blobs: HashSet<String>,
    layers: HashSet<String>,
}

impl Store {
    /// Deletes blobs and layers that no image refers to. Does nothing while a pull or import runs: that one does it at its end.
    pub fn gc(&self) -> Result<Freed> {
        let path = self.content_lock_path();
        let wanted = self.gc_wanted_path();
        let Some(_lock) = Lock::try_exclusive(&path).map_err(|error| ImageError::io("cannot lock", &path, error))?
        else {
            fs::write(&wanted, b"").map_err(|error| ImageError::io("cannot write", &wanted, error))?;
            return Ok(Freed::default());
        };
        match fs::remove_file(&wanted) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ImageError::io("cannot remove", &wanted, error));
            }
            _ => {}
        }
        let live = self.live()?;
        let mut freed = Freed::default();
        self.sweep_blobs(&live, &mut freed)?;
        self.sweep_layers(&live, &mut freed)?;
        self.sweep_partial()?;
        self.sweep_locks()?;
        Ok(freed)
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
            let configuration = links.config.and_then(|config| {
                let bytes = self.read_document(&config).ok();
                live.blobs.insert(config.hex().to_owned());
                Configuration::parse(&bytes?).ok()
            });
            live.layers.extend(configuration.iter().flat_map(|it| &it.diff_ids).map(|layer| layer.hex().to_owned()));
        }
        Ok(live)
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
            // Out of sight at once, so that being killed half-way leaves no half layer.
            let from = self.folder.join("layers").join(&name);
            let mut gone = std::ffi::OsString::from("gone-");
            gone.push(&name);
            let to = self.folder.join("partial").join(&gone);
            fs::rename(&from, &to).map_err(|error| ImageError::io("cannot move", &from, error))?;
            self.delete("partial", &gone)?;
            freed.layers += 1;
        }
        Ok(())
    }

    /// Nobody stages anything while the content lock is ours: all there is was left by the dead. So is, under its own lock,
    /// what was to become the index.
    fn sweep_partial(&self) -> Result<()> {
        self.names("partial")?.iter().try_for_each(|name| self.delete("partial", name))?;
        let _lock = self.lock_index()?;
        let names = self.names("")?;
        let mut temporary = names.iter().filter(|name| name.as_encoded_bytes().starts_with(b".index.json."));
        temporary.try_for_each(|name| self.delete("", name))
    }

    /// Blob locks are taken under the content lock only, so nobody waits for one of these.
    fn sweep_locks(&self) -> Result<()> {
        let names = self.names("locks")?;
        let mut blobs = names.iter().filter(|name| name.len() == 64);
        blobs.try_for_each(|name| self.delete("locks", name))
    }

    fn names(&self, folder: &str) -> Result<Vec<std::ffi::OsString>> {
        let path = self.folder.join(folder);
        let read = || Folder::open(&path)?.names();
        read().map_err(|error| ImageError::io("cannot list", &path, error))
    }

    fn delete(&self, folder: &str, name: &OsStr) -> Result<()> {
        let path = self.folder.join(folder);
        remove_tree(&path, name).map_err(|error| ImageError::io("cannot remove", &path.join(name), error))
    }
}
