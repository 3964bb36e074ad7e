//! The store on disk: where everything lies, and the locks that let many teu processes share it.

use std::path::{Path, PathBuf};

use super::Result;
use crate::model::{Digest, ImageConfig, ImageInspect, ImageSummary, Platform, Reference};

/// An image store. Cheap to clone; holds no file open.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
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

/// What a removal did, in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    Untagged(Reference),
    Deleted(Digest),
}

/// What [`Store::gc`] freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    pub blobs: usize,
    pub layers: usize,
    /// Bytes of the blobs; layers are not counted.
    pub bytes: u64,
}

/// While it lives no image is removed or re-tagged: held between finding an image and recording the container made of it.
#[derive(Debug)]
pub struct StoreHold(());

impl Store {
    /// Opens the store in `folder` (`<data>/image`), making what is missing, mode 0700.
    pub fn open(_folder: &Path) -> Result<Self> {
        todo!()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All images, one row per tag, newest first. One small file is read, however many images there are.
    pub fn list(&self) -> Result<Vec<ImageSummary>> {
        todo!()
    }

    /// Finds an image by reference (familiar or full), digest, id or the unique beginning of an id.
    pub fn find(&self, _text: &str) -> Result<StoredImage> {
        todo!()
    }

    /// Where an unpacked layer lies.
    pub fn layer_path(&self, _diff_id: &Digest) -> PathBuf {
        todo!()
    }

    /// Everything known of one image.
    pub fn inspect(&self, _text: &str) -> Result<ImageInspect> {
        todo!()
    }

    /// Removes a tag, and the image with its last tag. `in_use` names a container made of an image, if there is one: then it
    /// is refused, or with `force` only untagged.
    pub fn remove(
        &self,
        _text: &str,
        _force: bool,
        _in_use: &dyn Fn(&Digest) -> Option<String>,
    ) -> Result<Vec<Removed>> {
        todo!()
    }

    /// Holds removals back; see [`StoreHold`].
    pub fn hold(&self) -> Result<StoreHold> {
        todo!()
    }

    /// Deletes blobs and layers that no image refers to. Does nothing while a pull or import runs: that one does it at its end.
    pub fn gc(&self) -> Result<Freed> {
        todo!()
    }
}
