//! The container's own cgroups under /sys/fs/cgroup, read-only, so that programs find their limits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, mkdirat, symlinkat};

use super::inside::{self, Shape, Symlinks};
use crate::runtime::{CgroupPlace, RuntimeError};
use crate::sys::mount::{Attributes, Change, Depth, attach, attach_at, change, clone_tree, new_mount};

/// Mounts them at `destination` if the container has a sysfs (or anything) to stand on. Called after joining.
pub fn mount(root: BorrowedFd<'_>, destination: &Path, place: &CgroupPlace) -> Result<(), RuntimeError> {
    let failed = |error: io::Error| RuntimeError::step(format!("mount {}", destination.display()), error);
    let target = inside::find_or_make(root, destination, Shape::Folder, Symlinks::Refused);
    let target = match target {
        Ok(target) => target,
        // The host's own sysfs, bound for lack of permission to mount one, on a machine without cgroups.
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    let target = target.as_fd();
    match (place.legacy.is_empty(), &place.unified) {
        (true, Some(_)) => mount_unified(target).map_err(failed),
        (false, _) => mount_legacy(target, place).map_err(failed),
        // Nobody gave a cgroup: the view of the machine's stays away.
        (true, None) => attach(super::empty_folder().map_err(failed)?, target).map_err(failed),
    }
}

fn read_only() -> Attributes {
    Attributes::MOUNT_ATTR_RDONLY
        | Attributes::MOUNT_ATTR_NOSUID
        | Attributes::MOUNT_ATTR_NODEV
        | Attributes::MOUNT_ATTR_NOEXEC
}

/// In a cgroup namespace a new mount shows the container's group as the root.
fn mount_unified(target: BorrowedFd<'_>) -> io::Result<()> {
    attach(new_mount("cgroup2", &[("source", Some("cgroup"))], read_only())?, target)
}

/// Each v1 hierarchy's folder of the container, bound; hierarchies with two controllers get Docker's links.
fn mount_legacy(target: BorrowedFd<'_>, place: &CgroupPlace) -> io::Result<()> {
    let options = [("source", Some("cgroup")), ("mode", Some("755")), ("size", Some("64k"))];
    let folder = new_mount("tmpfs", &options, read_only() & !Attributes::MOUNT_ATTR_RDONLY)?;
    for (names, _) in &place.legacy {
        mkdirat(&folder, names.as_str(), Mode::from_raw_mode(0o755))?;
        for name in names.split(',').filter(|name| name != names) {
            symlinkat(names.as_str(), &folder, name)?;
        }
    }
    attach(&folder, target)?;
    for (names, path) in &place.legacy {
        let group = clone_tree(CWD, path, Depth::One)?;
        change(&group, Depth::One, &Change::set(read_only()))?;
        attach_at(&group, &folder, names)?;
    }
    change(&folder, Depth::One, &Change::read_only())
}
