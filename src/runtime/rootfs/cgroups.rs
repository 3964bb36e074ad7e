//! The container's own cgroups under /sys/fs/cgroup, so that programs find their limits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci_spec::runtime::Mount;
use rustix::fs::{CWD, Mode, mkdirat, symlinkat};

use super::inside::{self, Shape, Symlinks};
use super::options::Options;
use crate::runtime::{CgroupPlace, RuntimeError};
use crate::sys::mount::{Attributes, Change, Depth, attach, attach_at, change, clone_tree, new_mount};

/// Mounts them if the container has a sysfs (or anything) to stand on. Called after joining.
pub fn mount(root: BorrowedFd<'_>, mount: &Mount, options: &Options, place: &CgroupPlace) -> Result<(), RuntimeError> {
    let destination = mount.destination();
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
    let attributes =
        options.own.set | Attributes::MOUNT_ATTR_NOSUID | Attributes::MOUNT_ATTR_NODEV | Attributes::MOUNT_ATTR_NOEXEC;
    let wants_unified = place.legacy.is_empty() || mount.typ().as_deref() == Some("cgroup2");
    let tree = match (wants_unified, &place.unified) {
        (true, Some(_)) => unified(place, attributes),
        (true, None) if place.legacy.is_empty() => super::empty_folder(),
        _ => return legacy(target.as_fd(), place, attributes).map_err(failed),
    };
    attach(tree.map_err(failed)?, &target).map_err(failed)
}

/// In a cgroup namespace a new mount shows the container's group as the root. Where that is forbidden (a user without a
/// cgroup namespace) the container's group alone is shown: never more than the group, nor writable against the options
/// (CVE-2023-25809).
fn unified(place: &CgroupPlace, attributes: Attributes) -> io::Result<OwnedFd> {
    match (new_mount("cgroup2", &[("source", Some("cgroup"))], attributes), &place.unified) {
        (Err(error), Some(group)) if error.kind() == io::ErrorKind::PermissionDenied => {
            let group = clone_tree(CWD, group, Depth::One)?;
            change(&group, Depth::One, &Change::set(attributes))?;
            Ok(group)
        }
        (made, _) => made,
    }
}

/// Each v1 hierarchy's folder of the container, bound; hierarchies with two controllers get Docker's links.
fn legacy(target: BorrowedFd<'_>, place: &CgroupPlace, attributes: Attributes) -> io::Result<()> {
    let options = [("source", Some("cgroup")), ("mode", Some("755")), ("size", Some("64k"))];
    let folder = new_mount("tmpfs", &options, attributes & !Attributes::MOUNT_ATTR_RDONLY)?;
    for (names, _) in &place.legacy {
        mkdirat(&folder, names.as_str(), Mode::from_raw_mode(0o755))?;
        for name in names.split(',').filter(|name| name != names) {
            symlinkat(names.as_str(), &folder, name)?;
        }
    }
    attach(&folder, target)?;
    for (names, path) in &place.legacy {
        let group = clone_tree(CWD, path, Depth::One)?;
        change(&group, Depth::One, &Change::set(attributes))?;
        attach_at(&group, &folder, names)?;
    }
    if attributes.contains(Attributes::MOUNT_ATTR_RDONLY) {
        change(&folder, Depth::One, &Change::read_only())?;
    }
    Ok(())
}
