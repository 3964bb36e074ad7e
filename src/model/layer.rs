//! What one layer of an image did, as explorers show it, and how far an archive is believed when it is unpacked.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Digest;

/// One layer beside those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerContents {
    pub diff_id: Digest,
    /// Ordered by path, folders before what is in them. Folders that only lead to others are left out.
    pub entries: Vec<LayerEntry>,
    /// Bytes of this layer's regular files, each hard-linked one once.
    pub bytes: u64,
    /// Bytes of files in the layers below that this one hides: they are pulled and stored, and nobody sees them.
    pub wasted_bytes: u64,
}

/// One path that a layer touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerEntry {
    /// Below the image's root, without a leading slash; empty is the root itself. Hostile bytes: printable before shown.
    pub path: PathBuf,
    pub change: LayerChange,
    pub sort: FileSort,
    /// The size of a regular file in this layer; 0 for everything else.
    pub bytes: u64,
    /// Bytes of the layers below that this entry hides.
    pub hidden_bytes: u64,
    /// Permissions with setuid, setgid and sticky bits, as in a container; 0 for what was removed.
    pub mode: u32,
    /// Owner as in a container; 0 for what was removed.
    pub uid: u32,
    pub gid: u32,
    /// Where a symlink leads.
    pub target: Option<PathBuf>,
}

/// What a layer did to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LayerChange {
    Added,
    /// Content, owner or mode differ from what the layers below show there.
    Changed,
    Removed,
    /// A folder of which nothing of the layers below is seen any more.
    Opaque,
}

/// What sort of file something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileSort {
    Regular,
    Folder,
    Symlink,
    /// Fifos, sockets and device nodes.
    Special,
    /// Nothing is there any more.
    Absent,
}

/// How much an archive may unpack to: what makes more of itself is taken for a decompression bomb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Bytes of one layer, unpacked.
    pub max_bytes: u64,
    /// Times its compressed size, where that is known; not judged below [`UnpackLimits::RATIO_FROM_BYTES`].
    pub max_ratio: u64,
    /// Files, folders and links of one layer.
    pub max_entries: u64,
}

impl UnpackLimits {
    /// Layers that unpack to less are never called a bomb for their ratio: a disk image of zeros may be honest.
    pub const RATIO_FROM_BYTES: u64 = 1 << 30;
}

impl Default for UnpackLimits {
    fn default() -> Self {
        Self { max_bytes: 128 << 30, max_ratio: 250, max_entries: 10_000_000 }
    }
}
