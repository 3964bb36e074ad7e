//! From files on disk to a tar archive: a whole tree, one entry of a folder, or a container's writable layer as an OCI layer.
//!
//! Everything is read through descriptors: a symlink swapped in meanwhile leads nowhere. Names come sorted, so the same
//! tree gives the same bytes. Sockets are left out, as nobody listens to a copy. What overlayfs marks its own files with
//! never gets out; whiteouts and opaque folders of an upper folder become those of the OCI image specification.

mod tar_writer;
mod walk;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use tar_writer::{Entry, TarWriter};

use self::walk::Walk;
use crate::sys::in_root::Folder;

/// What goes into the archive, and how.
#[derive(Clone, Debug, Default)]
pub struct PackOptions {
    /// File systems and files mounted in the tree are left empty, as they are below the mounts.
    pub leave_mounts: bool,
    /// Overlays mounted in the tree belong to it all the same.
    pub keep_overlays: bool,
    /// The kernel's own file systems (procfs and the like) are left empty.
    pub leave_kernel: bool,
    /// Character and block devices come along. Otherwise they are left out, as sockets always are.
    pub devices: bool,
    /// A folder, by device and inode number, of which nothing but itself is taken.
    pub without: Option<(u64, u64)>,
    pub owners: Owners,
}

/// Whose the files are in the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owners {
    /// As this process sees them.
    #[default]
    Kept,
    /// This user's and group's own files are root's, as they are in that user's containers.
    OwnIsRoot,
    /// All files are root's.
    Root,
}

/// Why a tree could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A file; its path begins at the tree's root.
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {reason}", .path.display())]
    Refused { path: PathBuf, reason: &'static str },
    /// The archive's reader says why, if it can.
    #[error("cannot write the archive: {0}")]
    Write(io::Error),
}

impl PackError {
    fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Read { path: path.to_owned(), source }
    }
}

/// Writes the folder as `./` and all below it.
pub fn tree<W: Write>(root: &Folder, options: &PackOptions, out: W) -> Result<W, PackError> {
    let mut walk = Walk::new(root, options, out)?;
    walk.folder(root, Path::new("."), &root.stat().map_err(PackError::read(Path::new(".")))?)?;
    walk.content(root, Path::new("."), 0)?;
    walk.finish()
}

/// Writes `name` of an open folder, and all below it, under the name `shown` (a relative path).
pub fn entry<W: Write>(
    folder: &Folder,
    name: &OsStr,
    shown: &Path,
    options: &PackOptions,
    out: W,
) -> Result<W, PackError> {
    let mut walk = Walk::new(folder, options, out)?;
    let found = folder.look(name).map_err(PackError::read(shown))?;
    let stat = found.ok_or_else(|| PackError::read(shown)(io::ErrorKind::NotFound.into()))?;
    walk.any(folder, name, shown, &stat, 0)?;
    walk.finish()
}

/// Writes an overlay's upper folder as an OCI layer: whiteouts as `.wh.NAME`, opaque folders with a `.wh..wh..opq` in them.
pub fn upper<W: Write>(upper: &Folder, options: &PackOptions, out: W) -> Result<W, PackError> {
    let mut walk = Walk::new(upper, options, out)?.of_upper();
    walk.folder(upper, Path::new("."), &upper.stat().map_err(PackError::read(Path::new(".")))?)?;
    walk.content(upper, Path::new("."), 0)?;
    walk.finish()
}

#[cfg(test)]
mod tests;
