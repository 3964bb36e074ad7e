//! The root itself: an overlay of read-only layers and a private writable one.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatVfsMountFlags, fstatvfs, openat, unlinkat};
use rustix::io::Errno;
use rustix::mount::MountFlags;

use super::mapped::{Apart, Mapped, owned_by};
use super::patchwork::Patchwork;
use crate::runtime::{Rootfs, RuntimeError, elsewhere};
use crate::sys::mount::{
    Attributes, Change, Depth, Propagation, attach, change, change_root, clone_tree_of, new_mount,
};

/// What differs between overlays of root and of an ordinary user's namespace.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// In a user namespace overlayfs keeps its marks in `user.` attributes (Linux 5.11).
    pub in_user_namespace: bool,
    /// Never sync: for containers that are removed when they exit. Syncing at the unmount now and then takes 40 ms.
    pub volatile: bool,
}

/// Folders of a layered root. `lower` has the lowest first.
struct Layers<'a> {
    lower: &'a [PathBuf],
    upper: &'a Path,
    work: &'a Path,
    volatile: bool,
}

/// The same, open. Here the highest layer comes first: overlayfs's own order.
struct Opened {
    lower: Vec<OwnedFd>,
    upper: OwnedFd,
    work: OwnedFd,
}

impl Layers<'_> {
    fn open(&self, open: &mut dyn FnMut(&Path) -> Result<OwnedFd, RuntimeError>) -> Result<Opened, RuntimeError> {
        Ok(Opened {
            lower: self.lower.iter().rev().map(|folder| open(folder)).collect::<Result<Vec<_>, _>>()?,
            upper: open(self.upper)?,
            work: open(self.work)?,
        })
    }

    fn failed(&self, source: io::Error) -> RuntimeError {
        RuntimeError::step(format!("mount the overlay of {}", self.upper.display()), source)
    }
}

/// Makes the root in this private mount namespace, unless it is `made` already, and opens it.
///
/// It comes to stand on `/`: a mapped root user may not reach any other place. This process's root stays the old one.
pub fn mount(rootfs: &Rootfs, in_user_namespace: bool, made: Option<OwnedFd>) -> Result<OwnedFd, RuntimeError> {
    match (made, rootfs) {
        (Some(root), _) => attach_over_root(root),
        (None, Rootfs::Folder { path }) => attach_over_root(copy_of_folder(path, Propagation::Private)?),
        (None, Rootfs::Host { upper, work, volatile, .. }) if in_user_namespace => {
            attach_over_root(Patchwork { root: upper, parts: work, volatile: *volatile }.mount()?)
        }
        (None, Rootfs::Host { upper, work, volatile, .. }) => {
            let lower = [PathBuf::from("/")];
            let layers = Layers { lower: &lower, upper, work, volatile: *volatile };
            attach_over_root(mount_layers(&layers, in_user_namespace)?)
        }
        (None, Rootfs::Overlay { lower, upper, work, volatile }) => {
            let layers = Layers { lower, upper, work, volatile: *volatile };
            attach_over_root(mount_layers(&layers, in_user_namespace)?)
        }
    }
}

fn attach_over_root(root: OwnedFd) -> Result<OwnedFd, RuntimeError> {
    attach(&root, open(Path::new("/"))?).map_err(|source| RuntimeError::step("attach the root", source))?;
    Ok(root)
}

/// A detached copy of a folder with what is mounted below: a root must be a mount of its own to be pivoted to.
pub fn copy_of_folder(path: &Path, propagation: Propagation) -> Result<OwnedFd, RuntimeError> {
    let failed = |source| RuntimeError::step(format!("bind the root {}", path.display()), source);
    let tree = clone_tree_of(open(path)?, Depth::Whole).map_err(failed)?;
    change(&tree, Depth::Whole, &Change::propagation(propagation)).map_err(failed)?;
    Ok(tree)
}

fn mount_layers(layers: &Layers<'_>, in_user_namespace: bool) -> Result<OwnedFd, RuntimeError> {
    let kind = Kind { in_user_namespace, volatile: layers.volatile };
    let opened = layers.open(&mut |folder| open(folder))?;
    match mount_detached(&opened.lower, &opened.upper, &opened.work, kind) {
        Ok(mount) => Ok(mount),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            mount_by_text(&opened, layers.upper, kind).map_err(|_| layers.failed(error))?;
            open(layers.upper)
        }
        Err(error) => Err(layers.failed(error)),
    }
}

/// The overlay of layers whose ids are mapped, detached. For the starting process, in the machine's own namespaces, where
/// the layers' marks are `trusted.`. Needs Linux 5.19.
pub fn mount_mapped(rootfs: &Rootfs, apart: Apart<'_>) -> Result<OwnedFd, RuntimeError> {
    let root_folder = [PathBuf::from("/")];
    let layers = match rootfs {
        Rootfs::Overlay { lower, upper, work, volatile } => Layers { lower, upper, work, volatile: *volatile },
        Rootfs::Host { upper, work, volatile, .. } => Layers { lower: &root_folder, upper, work, volatile: *volatile },
        Rootfs::Folder { path } => return copy_of_folder(path, Propagation::Private),
    };
    let mut mapped = Mapped::new(apart);
    let own = [layers.upper, layers.work];
    let all: Vec<&Path> = layers.lower.iter().map(PathBuf::as_path).chain(own).collect();
    mapped.prefer(&all);
    // Overlayfs wants these two in one mount.
    mapped.prefer(&own);
    let opened = layers.open(&mut |folder| mapped.open(folder))?;
    let kind = Kind { in_user_namespace: false, volatile: layers.volatile };
    let make = || match mount_detached(&opened.lower, &opened.upper, &opened.work, kind) {
        // Before Linux 6.15 layers must be attached somewhere.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => mount_in_private(&layers, &mapped, &opened, kind),
        mounted => mounted.map_err(|error| layers.failed(error)),
    };
    let root = owned_by(mapped.owner, make)??;
    // Overlayfs makes do without a work folder that it cannot use, and tells only the kernel's log.
    let flags = fstatvfs(&root).map_err(|error| layers.failed(error.into()))?.f_flag;
    if flags.contains(StatVfsMountFlags::RDONLY) {
        return Err(layers.failed(io::Error::other("the kernel made it read-only; its log (dmesg) says why")));
    }
    Ok(root)
}

/// The same by a short-lived process with a mount namespace of its own, in which the layers are attached.
fn mount_in_private(
    layers: &Layers<'_>,
    mapped: &Mapped<'_>,
    opened: &Opened,
    kind: Kind,
) -> Result<OwnedFd, RuntimeError> {
    let failed = |source| layers.failed(source);
    elsewhere::make(libc::CLONE_NEWNS as u64, || {
        change_root(Depth::Whole, &Change::propagation(Propagation::Private)).map_err(failed)?;
        for tree in mapped.trees() {
            attach(tree, open(Path::new("/"))?).map_err(failed)?;
        }
        let first = mount_detached(&opened.lower, &opened.upper, &opened.work, kind);
        let Err(error) = first else { return first.map_err(failed) };
        mount_by_text(opened, layers.upper, kind).map_err(|_| failed(error))?;
        clone_tree_of(open(layers.upper)?, Depth::One).map_err(failed)
    })
}

/// Before Linux 6.5 layers are one string, which fsconfig(2) cuts at 256 bytes.
fn mount_by_text(opened: &Opened, target: &Path, kind: Kind) -> io::Result<()> {
    let options = std::ffi::CString::new(text_options(&opened.lower, &opened.upper, &opened.work, kind))?;
    Ok(rustix::mount::mount("overlay", target, "overlay", MountFlags::NODEV, Some(options.as_c_str()))?)
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
    match kind.in_user_namespace {
        true => options.push(("userxattr", None)),
        // Whatever the machine's default is: the upper folder alone is to say what a container has changed.
        false => options.extend([("redirect_dir", Some("off")), ("metacopy", Some("off"))]),
    }
    if kind.volatile {
        options.push(("volatile", None));
    }
    new_mount("overlay", &options, Attributes::MOUNT_ATTR_NODEV)
}

fn text_options(lower: &[OwnedFd], upper: &OwnedFd, work: &OwnedFd, kind: Kind) -> String {
    let layers: Vec<String> = lower.iter().map(name).collect();
    let mut text = format!("lowerdir={},upperdir={},workdir={}", layers.join(":"), name(upper), name(work));
    text.push_str(if kind.in_user_namespace { ",userxattr" } else { ",redirect_dir=off,metacopy=off" });
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
