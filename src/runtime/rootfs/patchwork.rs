//! An ordinary user's copy-on-write view of the machine's root, put together folder by folder.
//!
//! One overlay over `/` is refused in a user namespace: the mounts below `/` are locked, as taking `/` alone would show what
//! they hide. A folder without mounts below it may be a layer, so the root becomes a plain private folder with an overlay
//! on each such folder; folders that have mounts below are made anew, and gone through in the same way.

use std::fs::{self, DirEntry};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, CWD, Mode, OFlags, access, openat};

use super::overlay::{self, Kind};
use crate::runtime::RuntimeError;
use crate::sys::mount::{Attributes, Change, Depth, attach, change, clone_tree};

/// Folders that every container gets anew.
const OWN: [&str; 5] = ["/proc", "/sys", "/dev", "/run", "/tmp"];

/// The private folders that make up a root.
pub struct Patchwork<'a> {
    /// The root itself, with what the container makes directly in it.
    pub root: &'a Path,
    /// Holds an upper and a work folder for each overlay.
    pub parts: &'a Path,
    pub volatile: bool,
}

impl Patchwork<'_> {
    /// Mounts the whole over its own root folder and opens it.
    pub fn mount(&self) -> Result<OwnedFd, RuntimeError> {
        let failed = |error: io::Error| RuntimeError::step("put the host's root together", error);
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(failed)?;
        let tree = clone_tree(CWD, self.root, Depth::One).map_err(failed)?;
        change(&tree, Depth::One, &Change::set(Attributes::MOUNT_ATTR_NODEV)).map_err(failed)?;
        let target = open(self.root).map_err(failed)?;
        attach(&tree, &target).map_err(failed)?;
        self.fill(&tree, Path::new("/"), &mount_points(&mounts))?;
        Ok(tree)
    }

    /// Gives `folder` of the host its likeness in the root.
    fn fill(&self, root: &OwnedFd, folder: &Path, mounted: &[PathBuf]) -> Result<(), RuntimeError> {
        let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
        for entry in entries.flatten() {
            let path = entry.path();
            self.place(root, &entry, mounted)
                .map_err(|error| RuntimeError::step(format!("show {}", path.display()), error))?;
            if is_parent(&path, mounted) && !is_own(&path) {
                self.fill(root, &path, mounted)?;
            }
        }
        Ok(())
    }

    fn place(&self, root: &OwnedFd, entry: &DirEntry, mounted: &[PathBuf]) -> io::Result<()> {
        let path = entry.path();
        let kind = entry.file_type()?;
        let likeness = self.root.join(super::inside::relative(&path));
        if kind.is_symlink() {
            return existing_is_fine(symlink(fs::read_link(&path)?, likeness));
        }
        if kind.is_file() {
            return self.place_file(root, &path);
        }
        if !kind.is_dir() {
            return Ok(());
        }
        // The likeness lies under the mounted root, and its folders are private: paths cannot lead elsewhere.
        let mode = fs::metadata(&path)?.permissions().mode() & 0o7777;
        make_folder(&likeness, mode)?;
        let plain =
            is_own(&path) || is_parent(&path, mounted) || access(&path, Access::READ_OK | Access::EXEC_OK).is_err();
        if !plain {
            // Not every file system can be a layer (FUSE for one): such a folder stays empty.
            let _ = self.overlay(root, &path, mode);
        }
        Ok(())
    }

    /// A file directly beside folders that are made anew: bound read-only, as it has no layer to be copied up from.
    fn place_file(&self, root: &OwnedFd, path: &Path) -> io::Result<()> {
        if access(path, Access::READ_OK).is_err() {
            return Ok(());
        }
        let target = super::inside::find_or_make(
            root.as_fd(),
            path,
            super::inside::Shape::File,
            super::inside::Symlinks::Refused,
        )?;
        let tree = clone_tree(CWD, path, Depth::One)?;
        change(&tree, Depth::One, &Change::set(Attributes::MOUNT_ATTR_RDONLY | Attributes::MOUNT_ATTR_NODEV))?;
        attach(&tree, &target)
    }

    fn overlay(&self, root: &OwnedFd, path: &Path, mode: u32) -> io::Result<()> {
        let part = self.parts.join(part_name(path));
        let (upper, work) = (part.join("upper"), part.join("work"));
        fs::create_dir_all(&work)?;
        make_folder(&upper, mode)?;
        let layers = [open(path)?];
        let kind = Kind { in_user_namespace: true, volatile: self.volatile };
        let mount = overlay::mount_detached(&layers, &open(&upper)?, &open(&work)?, kind)?;
        let target = super::inside::find(root.as_fd(), path, super::inside::Symlinks::Refused)?;
        attach(&mount, target.ok_or(io::ErrorKind::NotFound)?)
    }
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn make_folder(path: &Path, mode: u32) -> io::Result<()> {
    existing_is_fine(fs::create_dir(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o700))
}

fn existing_is_fine(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn is_own(path: &Path) -> bool {
    OWN.iter().any(|own| path == Path::new(own))
}

/// Whether something is mounted strictly below.
fn is_parent(path: &Path, mounted: &[PathBuf]) -> bool {
    mounted.iter().any(|mount| mount != path && mount.starts_with(path))
}

/// One name for a path: `/var/lib` is `var,lib`.
fn part_name(path: &Path) -> String {
    let relative = super::inside::relative(path);
    relative.to_string_lossy().replace(',', ",,").replace('/', ",")
}

/// The fifth field of each line of /proc/self/mountinfo, octal escapes undone.
fn mount_points(mountinfo: &str) -> Vec<PathBuf> {
    mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape).collect()
}

fn unescape(text: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    PathBuf::from(escapes.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_parent_of_mounts_strictly_below() {
        let mounted = mount_points(
            "1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 / /home rw - ext4 b rw\n3 1 8:3 / /var/a\\040b rw - x y z\n",
        );
        assert!(is_parent(Path::new("/"), &mounted) && is_parent(Path::new("/var"), &mounted));
        assert!(!is_parent(Path::new("/home"), &mounted) && !is_parent(Path::new("/va"), &mounted));
        assert_eq!(mounted[2], Path::new("/var/a b"));
    }

    #[test]
    fn part_names_are_told_apart() {
        assert_eq!(part_name(Path::new("/var/lib")), "var,lib");
        assert_ne!(part_name(Path::new("/a,b")), part_name(Path::new("/a/b")));
    }
}
