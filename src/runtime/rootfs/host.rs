//! What a copy-on-write view of the machine's own root needs besides the overlay.
//!
//! The overlay shows only the root file system itself, not what is mounted on it. Here /run and /tmp become fresh, so that
//! no socket of the machine's services is in reach, and named folders (teu's own) are hidden. Sockets elsewhere on the
//! root file system are dead in it: overlayfs gives them inodes of their own, to which nobody listens.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};

use super::inside::{self, Shape, Symlinks};
use crate::runtime::RuntimeError;
use crate::sys::mount::{Attributes, attach, new_mount};

/// Fresh writable folders: path and mode.
const FRESH: [(&str, &str); 2] = [("/run", "755"), ("/tmp", "1777")];

/// Covers /run and /tmp with empty file systems and `hide` with empty read-only ones.
pub fn cover(root: BorrowedFd<'_>, hide: &[PathBuf]) -> Result<(), RuntimeError> {
    // Where names are looked up must be known while the host's /run is in sight.
    let resolver = fs::canonicalize("/etc/resolv.conf").ok().filter(|path| path.starts_with("/run"));
    let resolver = resolver.and_then(|path| fs::read(&path).ok().map(|text| (path, text)));
    hide_folders(root, hide)?;
    for (path, mode) in FRESH {
        freshen(root, path, mode).map_err(|error| RuntimeError::step(format!("mount {path}"), error))?;
    }
    if let Some((path, text)) = resolver {
        write_inside(root, &path, &text)
            .map_err(|error| RuntimeError::step(format!("write {}", path.display()), error))?;
    }
    Ok(())
}

/// Covers folders with empty read-only ones.
pub fn hide_folders(root: BorrowedFd<'_>, hide: &[PathBuf]) -> Result<(), RuntimeError> {
    hide.iter().try_for_each(|path| {
        hide_folder(root, path).map_err(|error| RuntimeError::step(format!("hide {}", path.display()), error))
    })
}

fn hide_folder(root: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let Some(target) = inside::find(root, path, Symlinks::InsideRoot)? else { return Ok(()) };
    if inside::is_folder(&target)? { attach(super::empty_folder()?, &target) } else { Ok(()) }
}

fn freshen(root: BorrowedFd<'_>, path: &str, mode: &str) -> io::Result<()> {
    let Some(target) = inside::find(root, Path::new(path), Symlinks::InsideRoot)? else { return Ok(()) };
    let attributes = Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV;
    attach(new_mount("tmpfs", &[("source", Some("tmpfs")), ("mode", Some(mode))], attributes)?, &target)
}

fn write_inside(root: BorrowedFd<'_>, path: &Path, text: &[u8]) -> io::Result<()> {
    drop::<OwnedFd>(inside::find_or_make(root, path, Shape::File, Symlinks::InsideRoot)?);
    let parent = path.parent().unwrap_or(Path::new("/"));
    let parent = inside::find_or_make(root, parent, Shape::Folder, Symlinks::InsideRoot)?;
    let name = path.file_name().unwrap_or_default();
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(parent.as_fd(), name, flags, Mode::empty())?;
    fs::File::from(file).write_all(text)
}
