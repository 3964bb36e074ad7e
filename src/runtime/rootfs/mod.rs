//! The file system a container sees, put together mount by mount through descriptors, then made its root.
//!
//! Every place inside is opened by [`inside`], so that no symlink of an image leads a mount out of the container.

pub(super) mod cgroups;
mod copy_up;
pub(super) mod devices;
pub(super) mod files;
pub(super) mod handed;
pub(super) mod host;
pub mod inside;
pub(super) mod mapped;
pub(super) mod masks;
pub(super) mod mounts;
pub mod options;
pub(super) mod origin;
pub(super) mod overlay;
mod patchwork;
mod view;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{fchdir, pivot_root};

use super::RootChange;

/// Makes the open mount, which stands on `/`, the root of this mount namespace and lets everything else go.
pub(super) fn become_root(root: impl AsFd, how: RootChange) -> io::Result<()> {
    fchdir(root)?;
    if how == RootChange::MoveMount {
        // The old root stays mounted below, covered: even a way up and out of the new root ends on it again.
        rustix::process::chroot(".")?;
        return Ok(rustix::process::chdir("/")?);
    }
    // pivot_root(".", ".") stacks the old root on the new one, so that no folder is needed for it (pivot_root(2)).
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")?;
    Ok(())
}

/// An empty read-only folder: a detached tmpfs, to hide things with.
fn empty_folder() -> io::Result<OwnedFd> {
    use crate::sys::mount::{Attributes, new_mount};
    let attributes = Attributes::MOUNT_ATTR_RDONLY
        | Attributes::MOUNT_ATTR_NOSUID
        | Attributes::MOUNT_ATTR_NODEV
        | Attributes::MOUNT_ATTR_NOEXEC;
    new_mount("tmpfs", &[("source", Some("tmpfs")), ("size", Some("4k")), ("mode", Some("555"))], attributes)
}
