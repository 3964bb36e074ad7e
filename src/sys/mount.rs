//! Mounts by descriptors (Linux 5.2, mount_setattr 5.12): made detached, changed, then attached to an open place.
#![allow(unsafe_code, reason = "mount_setattr has no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_reconfigure,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, fspick, move_mount, open_tree,
};

/// Flags of one mount, such as `MOUNT_ATTR_RDONLY`.
pub use rustix::mount::MountAttrFlags as Attributes;

/// One mount, or it and all below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    One,
    Whole,
}

/// How mount events travel between namespaces (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Private,
    Slave,
    Shared,
    Unbindable,
}

/// What [`change`] does to a mount.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub set: Attributes,
    pub clear: Attributes,
    pub propagation: Option<Propagation>,
}

impl Change {
    pub fn set(set: Attributes) -> Self {
        Self { set, clear: Attributes::empty(), propagation: None }
    }

    pub fn read_only() -> Self {
        Self::set(Attributes::MOUNT_ATTR_RDONLY)
    }

    pub fn propagation(propagation: Propagation) -> Self {
        Self { propagation: Some(propagation), ..Self::set(Attributes::empty()) }
    }
}

/// A new detached mount of a file system. An option without a value is a flag.
pub fn new_mount(kind: &str, options: &[(&str, Option<&str>)], attributes: Attributes) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    configure(&context, kind, options)?;
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

fn configure(context: &OwnedFd, kind: &str, options: &[(&str, Option<&str>)]) -> io::Result<()> {
    for (key, value) in options {
        match value {
            Some(value) => fsconfig_set_string(context.as_fd(), *key, *value),
            None => fsconfig_set_flag(context.as_fd(), *key),
        }
        .map_err(|error| io::Error::new(io::Error::from(error).kind(), format!("{kind} option {key}: {error}")))?;
    }
    Ok(())
}

/// Changes the options of the file system that is mounted at an open place.
pub fn reconfigure(place: impl AsFd, options: &[(&str, Option<&str>)]) -> io::Result<()> {
    let context = fspick(place, "", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC)?;
    configure(&context, "mount", options)?;
    Ok(fsconfig_reconfigure(context.as_fd())?)
}

/// A detached copy of the mount that `path` is on, rooted at `path`: a bind mount to be. Follows symlinks.
pub fn clone_tree(folder: impl AsFd, path: &Path, depth: Depth) -> io::Result<OwnedFd> {
    Ok(open_tree(folder, path, clone_flags(depth))?)
}

/// The same of an open file or folder.
pub fn clone_tree_of(place: impl AsFd, depth: Depth) -> io::Result<OwnedFd> {
    Ok(open_tree(place, "", clone_flags(depth) | OpenTreeFlags::AT_EMPTY_PATH)?)
}

fn clone_flags(depth: Depth) -> OpenTreeFlags {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if depth == Depth::Whole { flags | OpenTreeFlags::AT_RECURSIVE } else { flags }
}

/// Attaches a detached mount (or moves an attached one) onto an open file or folder.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", target, "", flags)?)
}

/// Attaches a detached mount onto `name` below an open folder; a symlink there is refused.
pub fn attach_at(mount: impl AsFd, folder: impl AsFd, name: impl AsRef<Path>) -> io::Result<()> {
    Ok(move_mount(mount, "", folder, name.as_ref(), MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Changes an open mount's attributes or propagation, recursively if wished (mount_setattr(2)).
pub fn change(mount: impl AsFd, depth: Depth, change: &Change) -> io::Result<()> {
    mount_setattr(mount.as_fd(), c"", libc::AT_EMPTY_PATH, depth, change)
}

/// The same of the mount at `/`.
pub fn change_root(depth: Depth, change: &Change) -> io::Result<()> {
    mount_setattr(rustix::fs::CWD, c"/", 0, depth, change)
}

/// Shows a detached mount's files under other ids: those that the user namespace maps the files' own ids to (Linux 5.12).
///
/// EINVAL: the file system cannot do it. EPERM: the mount is mapped already, or its file system is not the caller's.
pub fn map_ids(mount: impl AsFd, depth: Depth, user_namespace: impl AsFd) -> io::Result<()> {
    let attributes = MountAttr {
        set: libc::MOUNT_ATTR_IDMAP,
        user_namespace: u64::try_from(user_namespace.as_fd().as_raw_fd()).unwrap_or(u64::MAX),
        ..MountAttr::default()
    };
    set_attributes(mount.as_fd(), c"", libc::AT_EMPTY_PATH, depth, &attributes)
}

/// mount_attr of linux/mount.h.
#[repr(C)]
#[derive(Default)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

fn mount_setattr(
    folder: BorrowedFd<'_>,
    path: &std::ffi::CStr,
    flags: i32,
    depth: Depth,
    change: &Change,
) -> io::Result<()> {
    // The access time modes are one field: setting one means clearing all (mount_setattr(2)).
    let times = Attributes::MOUNT_ATTR_NOATIME | Attributes::MOUNT_ATTR_STRICTATIME;
    let clear = if change.set.intersects(times) { change.clear | Attributes::MOUNT_ATTR__ATIME } else { change.clear };
    let attributes = MountAttr {
        set: change.set.bits().into(),
        clear: clear.bits().into(),
        propagation: match change.propagation {
            None => 0,
            Some(Propagation::Private) => libc::MS_PRIVATE,
            Some(Propagation::Slave) => libc::MS_SLAVE,
            Some(Propagation::Shared) => libc::MS_SHARED,
            Some(Propagation::Unbindable) => libc::MS_UNBINDABLE,
        },
        user_namespace: 0,
    };
    set_attributes(folder, path, flags, depth, &attributes)
}

fn set_attributes(
    folder: BorrowedFd<'_>,
    path: &std::ffi::CStr,
    flags: i32,
    depth: Depth,
    attributes: &MountAttr,
) -> io::Result<()> {
    let flags = if depth == Depth::Whole { flags | libc::AT_RECURSIVE } else { flags };
    // SAFETY: the path is a C string and attributes a valid mount_attr of the given size; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            folder.as_raw_fd(),
            path.as_ptr(),
            flags,
            std::ptr::from_ref(attributes),
            size_of::<MountAttr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
