//! What came out of the archive: small files in memory, the others staged, and links between them.

use std::collections::HashMap;
use std::sync::Arc;

use super::Files;
use super::unpack::Staged;
use crate::image::{ImageError, Result};
use crate::model::Digest;

/// Links to links, at most so many.
const LINKS_MAX: usize = 8;

/// One file of the archive.
#[derive(Clone)]
pub(super) enum Content {
    Kept(Arc<Vec<u8>>, Digest),
    Staged(Arc<Staged>),
    /// A blob of a name that the store has, with the layer that it unpacks to. The archive's was not looked at.
    Stored {
        blob: Digest,
    },
}

impl Content {
    /// The digest of its bytes.
    pub(super) fn digest(&self) -> &Digest {
        match self {
            Self::Kept(_, digest) | Self::Stored { blob: digest } => digest,
            Self::Staged(staged) => &staged.digest,
        }
    }
}

#[derive(Default)]
pub(super) struct Shelf {
    files: Files,
    links: HashMap<String, String>,
}

impl Shelf {
    /// A name that comes twice must be the same file both times: readers disagree on which one counts.
    pub(super) fn put(&mut self, name: String, content: Content) -> Result<()> {
        let same = self.files.get(&name).is_none_or(|there| there.digest() == content.digest());
        if !same || self.links.contains_key(&name) {
            return Err(ImageError::archive(format!("{name} is in it twice, with different content")));
        }
        self.files.insert(name, content);
        Ok(())
    }

    pub(super) fn link(&mut self, name: String, target: String) -> Result<()> {
        let same = self.links.get(&name).is_none_or(|there| *there == target);
        if !same || self.files.contains_key(&name) {
            return Err(ImageError::archive(format!("{name} is in it twice, with different content")));
        }
        self.links.insert(name, target);
        Ok(())
    }

    /// The file of this name, through links.
    pub(super) fn find(&self, name: &str) -> Option<&Content> {
        let mut name = name;
        for _ in 0..LINKS_MAX {
            match self.links.get(name) {
                Some(target) => name = target,
                None => return self.files.get(name),
            }
        }
        None
    }

    /// A document of this name, if there is one.
    pub(super) fn document(&self, name: &str) -> Option<&[u8]> {
        match self.find(name)? {
            Content::Kept(bytes, _) => Some(bytes),
            Content::Staged(_) | Content::Stored { .. } => None,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}
