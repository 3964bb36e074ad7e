//! `import`: an image of one layer, made of a tar or a folder.

use std::io::Read;
use std::path::PathBuf;

use super::{Result, Store};
use crate::model::{Digest, Reference};

/// What to make an image of.
pub enum ImportSource {
    /// A folder such as debootstrap makes.
    Folder(PathBuf),
    /// A tar archive, plain, gzip or zstd.
    Tar(Box<dyn Read + Send>),
}

impl ImportSource {
    /// `-` is stdin, a folder is a folder, everything else a tar archive.
    pub fn open(_text: &str) -> Result<Self> {
        todo!()
    }
}

/// Makes an image and returns its id. `changes` are Dockerfile lines such as `CMD ["/bin/sh"]`; `message` goes into its history.
///
/// Without a reference the image is dangling, found by its id only.
pub fn import(
    _store: &Store,
    _source: ImportSource,
    _reference: Option<&Reference>,
    _changes: &[String],
    _message: Option<&str>,
) -> Result<Digest> {
    todo!()
}
