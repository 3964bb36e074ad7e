//! `images`, `rmi`, `import`: the image store, with the host image before it.

use super::{Engine, ImportSource, Removed, Result};
use crate::model::{Digest, ImageInspect, ImageSummary, Reference};

impl Engine {
    /// All images: the host image first, then the store's, one row per tag, newest first.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        todo!()
    }

    /// Everything known of an image, by reference, id, the beginning of an id, or `host`.
    pub fn image_inspect(&self, _image: &str) -> Result<ImageInspect> {
        todo!()
    }

    /// Removes a tag, and the image with its last tag. Refused while a container is made of it, unless with `force`,
    /// which removes the tag only.
    pub fn image_remove(&self, _image: &str, _force: bool) -> Result<Vec<Removed>> {
        todo!()
    }

    /// Makes an image of one layer of a tar or a folder. `changes` are Dockerfile lines (`CMD`, `ENV`, …); returns the image's id.
    pub fn import(
        &self,
        _source: ImportSource,
        _reference: Option<&Reference>,
        _changes: &[String],
        _message: Option<&str>,
    ) -> Result<Digest> {
        todo!()
    }
}
