//! The store on disk: where everything lies, and the locks that let many teu processes share it.
//!
//! - `locks/index`: exclusive while `index.json` changes, shared while a container is being made of an image ([`StoreHold`]).
//! - `locks/content`: shared while a pull or import brings blobs and layers, exclusive while garbage is collected.
//! - `locks/<blob>`: exclusive while one layer is fetched, so that two pulls of it fetch it once.
//!
//! Who takes several takes them in the order content, blob, index.
//!
//! Beside the layout lie `layers/<diff id>/{fs,size}`, `sizes.json` (a memory, see `usage`) and `partial/`: a folder for each
//! pull or import under way, and `<blob>.part` with `<blob>.state` of broken-off ones, which garbage collection leaves for a week.
//! What containers need is asked of [`Users`], so that no layer goes while one exists, whatever became of its image.

mod check;
mod find;
mod gc;
mod index;
mod inspect;
mod list;
mod prune;
mod remove;
mod reserve;
mod stage;
mod tag;
mod usage;
mod users;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layer::UnpackRules;
use super::{ImageError, Result};
use crate::model::{Digest, ImageConfig, Platform, Reference};
use crate::sys::file::{Lock, write_atomically};

pub use gc::Freed;
pub(super) use index::{Row, Tagged};
pub use remove::{RemoveMode, Removed};
pub(super) use stage::{Session, Stage};
pub use users::{User, Users};

/// The most bytes of JSON that are read of one manifest, configuration or index.
pub(super) const DOCUMENT_MAX: u64 = 8 << 20;

/// An image store. Cheap to clone; holds no file open.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    rules: UnpackRules,
    users: Arc<dyn Users>,
}

/// An image as a container is made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    pub reference: Option<Reference>,
    /// Digest of the configuration.
    pub id: Digest,
    pub manifest: Digest,
    pub platform: Platform,
    pub config: ImageConfig,
    /// Diff ids, lowest first.
    pub layers: Vec<Digest>,
    /// The unpacked layers' folders, lowest first: overlay's lower folders.
    pub layer_paths: Vec<PathBuf>,
}

/// While it lives no image is removed or re-tagged: held between finding an image and recording the container made of it.
#[derive(Debug)]
pub struct StoreHold {
    _lock: Lock,
}

impl Store {
    /// Opens the store in `folder` (`<data>/image`), making what is missing, mode 0700: setuid programs lie in it.
    pub fn open(folder: &Path) -> Result<Self> {
        let users = Arc::new(users::Nobody);
        let store = Self { folder: folder.to_owned(), rules: UnpackRules::default(), users };
        let header = folder.join("oci-layout");
        if header.exists() {
            return Ok(store);
        }
        let make = |path: &Path| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|error| ImageError::io("cannot make", path, error))
        };
        make(folder)?;
        for name in ["blobs/sha256", "layers", "partial", "locks"] {
            make(&folder.join(name))?;
        }
        let _lock = store.lock_index()?;
        let index = store.index_path();
        if !index.exists() {
            store.write(&index, index::EMPTY.as_bytes())?;
        }
        store.set_space_aside();
        store.write(&header, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(store)
    }

    /// The same store, which knows who uses it: nothing that they need is removed.
    pub fn used_by(self, users: Arc<dyn Users>) -> Self {
        Self { users, ..self }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same store, whose layers are unpacked by these rules.
    pub fn with_rules(self, rules: UnpackRules) -> Self {
        Self { rules, ..self }
    }

    pub(super) fn rules(&self) -> &UnpackRules {
        &self.rules
    }

    /// Where an unpacked layer lies.
    pub fn layer_path(&self, diff_id: &Digest) -> PathBuf {
        self.layer_folder(diff_id).join("fs")
    }

    /// Holds removals back; see [`StoreHold`].
    pub fn hold(&self) -> Result<StoreHold> {
        let path = self.folder.join("locks/index");
        let lock = Lock::shared(&path).map_err(|error| ImageError::io("cannot lock", &path, error))?;
        Ok(StoreHold { _lock: lock })
    }

    pub(super) fn layer_folder(&self, diff_id: &Digest) -> PathBuf {
        self.folder.join("layers").join(diff_id.hex())
    }

    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    pub(super) fn has_layer(&self, diff_id: &Digest) -> bool {
        self.layer_path(diff_id).is_dir()
    }

    pub(super) fn has_blob(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// Bytes of a layer's files, counted when it was unpacked.
    pub(super) fn layer_bytes(&self, diff_id: &Digest) -> Option<u64> {
        fs::read_to_string(self.layer_folder(diff_id).join("size")).ok()?.trim().parse().ok()
    }

    /// A small blob, whole: a manifest or configuration.
    pub(super) fn read_document(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.blob_path(digest);
        let length = fs::metadata(&path).map_err(|error| ImageError::io("cannot read", &path, error))?.len();
        if length > DOCUMENT_MAX {
            return Err(ImageError::store(
                format!("blob {digest}"),
                format!("{length} bytes are too many for a document"),
            ));
        }
        fs::read(&path).map_err(|error| ImageError::io("cannot read", &path, error))
    }

    fn index_path(&self) -> PathBuf {
        self.folder.join("index.json")
    }

    fn lock_index(&self) -> Result<Lock> {
        let path = self.folder.join("locks/index");
        Lock::exclusive(&path).map_err(|error| ImageError::io("cannot lock", &path, error))
    }

    fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        write_atomically(path, content, 0o644).map_err(|error| ImageError::io("cannot write", path, error))
    }

    /// The error for a missing file that the store itself should have.
    fn missing_is_damage(what: &str, error: ImageError) -> ImageError {
        match error {
            ImageError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ImageError::store(what, "its file is missing")
            }
            error => error,
        }
    }
}

#[cfg(test)]
mod tests;
