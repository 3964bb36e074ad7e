//! The root itself: an overlay of read-only layers and a private writable one.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use rustix::mount::MountFlags;

use super::patchwork::Patchwork;
use crate::runtime::{Rootfs, RuntimeError};
use crate::sys::mount::{Attributes, Depth, attach, clone_tree_of, new_mount};

/// What differs between overlays of root and of an ordinary user's namespace.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// In a user namespace overlayfs keeps its marks in `user.` attributes (Linux 5.11).
    pub in_user_namespace: bool,
    /// Never sync: for containers that are removed when they exit. Syncing at the unmount now and then takes 40 ms.
    pub volatile: bool,
}

/// Mounts the root over its own upper folder (in this private namespace any place will do) and opens it.
pub fn mount(rootfs: &Rootfs, in_user_namespace: bool) -> Result<OwnedFd, RuntimeError> {
    if let (true, Rootfs::Host { upper, work, volatile, .. }) = (in_user_namespace, rootfs) {
        return Patchwork { root: upper, parts: work, volatile: *volatile }.mount();
    }
    let root_folder = [PathBuf::from("/")];
    let (lower, upper, work, volatile) = match rootfs {
        Rootfs::Overlay { lower, upper, work, volatile } => (lower.as_slice(), upper, work, *volatile),
        Rootfs::Host { upper, work, volatile, .. } => (root_folder.as_slice(), upper, work, *volatile),
        Rootfs::Folder { path } => return bind_of_itself(path),
    };
    let upper_place = open(upper)?;
    let work_place = open(work)?;
    // The highest layer comes first in overlayfs's own order.
    let lower = lower.iter().rev().map(|folder| open(folder)).collect::<Result<Vec<_>, _>>()?;
    let failed = |source| RuntimeError::step(format!("mount the overlay of {}", upper.display()), source);
    let kind = Kind { in_user_namespace, volatile };
    match mount_detached(&lower, &upper_place, &work_place, kind) {
        Ok(mount) => {
            attach(&mount, &upper_place).map_err(failed)?;
            Ok(mount)
        }
        // Before Linux 6.5 layers are one string, which fsconfig(2) cuts at 256 bytes.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let options = text_options(&lower, &upper_place, &work_place, kind);
            let options = std::ffi::CString::new(options).map_err(|error| failed(error.into()))?;
            rustix::mount::mount("overlay", upper, "overlay", MountFlags::NODEV, Some(options.as_c_str()))
                .map_err(|_| failed(error))?;
            open(upper)
        }
        Err(error) => Err(failed(error)),
    }
}

/// A root must be a mount of its own to be pivoted to. What is mounted below comes along.
fn bind_of_itself(path: &Path) -> Result<OwnedFd, RuntimeError> {
    let failed = |source| RuntimeError::step(format!("bind the root {}", path.display()), source);
    let target = open(path)?;
    let tree = clone_tree_of(&target, Depth::Whole).map_err(failed)?;
    attach(&tree, &target).map_err(failed)?;
    Ok(tree)
}

fn open(folder: &Path) -> Result<OwnedFd, RuntimeError> {
    openat(CWD, folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|source| RuntimeError::step(format!("open {}", folder.display()), source))
}

/// Layers are named by descriptor: such names are short, and hold no colon or comma to be escaped.
fn name(folder: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", folder.as_raw_fd())
}

pub fn mount_detached(lower: &[OwnedFd], upper: &OwnedFd, work: &OwnedFd, kind: Kind) -> io::Result<OwnedFd> {
    forget_volatile(work);
    let names: Vec<String> = lower.iter().chain([upper, work]).map(name).collect();
    let mut options = vec![("source", Some("overlay"))];
    let (layers, own) = names.split_at(lower.len());
    options.extend(layers.iter().map(|layer| ("lowerdir+", Some(layer.as_str()))));
    options.extend(["upperdir", "workdir"].into_iter().zip(own.iter().map(|folder| Some(folder.as_str()))));
    if kind.in_user_namespace {
        options.push(("userxattr", None));
    }
    if kind.volatile {
        options.push(("volatile", None));
    }
    new_mount("overlay", &options, Attributes::MOUNT_ATTR_NODEV)
}

fn text_options(lower: &[OwnedFd], upper: &OwnedFd, work: &OwnedFd, kind: Kind) -> String {
    let layers: Vec<String> = lower.iter().map(name).collect();
    let mut text = format!("lowerdir={},upperdir={},workdir={}", layers.join(":"), name(upper), name(work));
    if kind.in_user_namespace {
        text.push_str(",userxattr");
    }
    if kind.volatile {
        text.push_str(",volatile");
    }
    text
}

/// A former volatile mount leaves a mark that forbids mounting again, lest a crash's half-written files go unnoticed.
/// Only containers that are removed at exit are volatile, so a mark here is of a start that was cut off.
fn forget_volatile(work: &OwnedFd) {
    let first = unlinkat(work, "work/incompat/volatile/dirty", AtFlags::empty());
    if first != Err(Errno::NOENT) {
        let _ = unlinkat(work, "work/incompat/volatile", AtFlags::REMOVEDIR);
    }
}
