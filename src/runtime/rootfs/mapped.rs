//! Folders seen through a user namespace's ids: files stay owned by 0… on disk, and nothing is chowned.
//!
//! Idmapped mounts (Linux 5.12; as layers of an overlay 5.19) are made where the machine's rights are: in the starting
//! process, which hands them to the container's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::thread::{capabilities, set_capabilities};

use super::origin::mountinfo_line;
use crate::runtime::RuntimeError;
use crate::sys::file_owner;
use crate::sys::mount::{Depth, clone_tree_of, map_ids};

/// The user namespace of a container whose ids are not the caller's.
#[derive(Clone, Copy, Debug)]
pub struct Apart<'a> {
    pub user_namespace: BorrowedFd<'a>,
    pub root: Owner,
}

/// Opens folders through as few mapped copies of mounts as will do: what lies in one mount shares one.
pub struct Mapped<'a> {
    user_namespace: BorrowedFd<'a>,
    /// Who owns what is made in the mapped folders.
    pub owner: Owner,
    /// A folder, and a mapped detached mount of it.
    trees: Vec<(PathBuf, OwnedFd)>,
}

impl<'a> Mapped<'a> {
    pub fn new(apart: Apart<'a>) -> Self {
        Self { user_namespace: apart.user_namespace, owner: apart.root, trees: Vec::new() }
    }

    /// Maps the folder that all of these lie in, if that can be done: opening them is cheaper then.
    pub fn prefer(&mut self, folders: &[&Path]) {
        let at_hand =
            |(root, tree): &(PathBuf, OwnedFd)| folders.iter().all(|folder| below(tree, root, folder).is_some());
        if self.trees.iter().any(at_hand) {
            return;
        }
        let Some(above) = common_folder(folders) else { return };
        if let Ok(tree) = map_folder(&above, self.user_namespace) {
            self.trees.push((above, tree));
        }
    }

    /// Opens one folder (O_PATH) with mapped ids.
    pub fn open(&mut self, folder: &Path) -> Result<OwnedFd, RuntimeError> {
        let shared = self.trees.iter().find_map(|(root, tree)| below(tree, root, folder));
        if let Some(place) = shared {
            return Ok(place);
        }
        let tree = map_folder(folder, self.user_namespace)?;
        let place = open(tree.as_fd(), Path::new("."))
            .map_err(|source| RuntimeError::step(format!("open {}", folder.display()), source))?;
        self.trees.push((folder.to_owned(), tree));
        Ok(place)
    }

    /// The mounts that the opened folders are in. For kernels that want them attached.
    pub fn trees(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.trees.iter().map(|(_, tree)| tree.as_fd())
    }
}

/// The ids that a container's root user and group have on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// Makes what `part` makes belong to `owner`, with all of this process's power. Overlayfs keeps these ids for the files
/// of its own, and in a mapped folder only mapped ids can own any.
pub fn owned_by<T>(owner: Owner, part: impl FnOnce() -> T) -> Result<T, RuntimeError> {
    let failed = |error: rustix::io::Errno| RuntimeError::step("make files for the container's root user", error);
    let full = capabilities(None).map_err(failed)?;
    let (uid, gid) = (file_owner::set_user(owner.uid), file_owner::set_group(owner.gid));
    // The kernel takes the powers over files away with the user id (capabilities(7)).
    let kept = set_capabilities(None, full);
    let made = kept.map(|()| part());
    file_owner::set_group(gid);
    file_owner::set_user(uid);
    let restored = set_capabilities(None, full);
    let made = made.map_err(failed)?;
    restored.map(|()| made).map_err(failed)
}

/// The same folder through the mapped tree of one above it: neither links nor other mounts may be between the two.
fn below(tree: &OwnedFd, root: &Path, folder: &Path) -> Option<OwnedFd> {
    let rest = folder.strip_prefix(root).ok()?;
    let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
    let place = open(tree.as_fd(), rest).ok()?;
    let plain = openat(CWD, folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let (mapped, plain) = (fstat(&place).ok()?, fstat(&plain).ok()?);
    ((mapped.st_dev, mapped.st_ino) == (plain.st_dev, plain.st_ino)).then_some(place)
}

fn open(tree: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    Ok(openat2(tree, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), resolve)?)
}

/// The lowest folder that holds all of them.
fn common_folder(folders: &[&Path]) -> Option<PathBuf> {
    let (first, rest) = folders.split_first()?;
    let is_above = |above: &&Path| rest.iter().all(|folder| folder.starts_with(above));
    first.ancestors().find(is_above).map(Path::to_owned)
}

fn map_folder(folder: &Path, user_namespace: BorrowedFd<'_>) -> Result<OwnedFd, RuntimeError> {
    let failed = |source: io::Error| RuntimeError::step(format!("open {}", folder.display()), source);
    let place = openat(CWD, folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(|e| failed(e.into()))?;
    let tree = clone_tree_of(&place, Depth::One).map_err(failed)?;
    map(&tree, Depth::One, user_namespace, folder, &place)?;
    Ok(tree)
}

/// Maps the ids of a detached mount of `path`, which is open as `place`.
pub fn map(
    tree: &OwnedFd,
    depth: Depth,
    user_namespace: BorrowedFd<'_>,
    path: &Path,
    place: &OwnedFd,
) -> Result<(), RuntimeError> {
    let unmappable =
        |source: &io::Error| matches!(source.raw_os_error(), Some(libc::EINVAL | libc::EPERM | libc::EOPNOTSUPP));
    match map_ids(tree, depth, user_namespace) {
        Err(source) if unmappable(&source) => {
            let file_system = file_system_of(place).unwrap_or_else(|| "unknown".to_owned());
            Err(RuntimeError::NotMappable { path: path.to_owned(), file_system, source })
        }
        mapped => mapped.map_err(|source| RuntimeError::step(format!("map the ids of {}", path.display()), source)),
    }
}

/// The type of the file system that an open place of this mount namespace is on, from /proc/self/mountinfo.
fn file_system_of(place: &OwnedFd) -> Option<String> {
    let line = mountinfo_line(place)?;
    line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').next()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_folder_is_the_lowest_one() {
        let folders = |paths: &[&'static str]| {
            common_folder(&paths.iter().map(Path::new).collect::<Vec<_>>()).map(|path| path.display().to_string())
        };
        assert_eq!(folders(&["/a/b/c", "/a/b/d", "/a/bb"]).as_deref(), Some("/a"));
        assert_eq!(folders(&["/a/b", "/a/b/c"]).as_deref(), Some("/a/b"));
        assert_eq!(folders(&["/a", "/b"]).as_deref(), Some("/"));
        assert_eq!(folders(&[]), None);
    }

    #[test]
    fn file_system_of_proc_is_proc() {
        let place = openat(CWD, "/proc/self", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).expect("open");
        assert_eq!(file_system_of(&place).as_deref(), Some("proc"));
    }
}
