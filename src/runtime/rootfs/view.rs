//! An image's files to look at: its layers on top of each other, with no writable one.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::MountFlags;

use super::mapped::{Apart, Mapped, owned_by};
use crate::runtime::{RuntimeError, elsewhere};
use crate::sys::mount::{
    Attributes, Change, Depth, Propagation, attach, change, change_root, clone_tree_of, new_mount,
};

/// A detached mount of `lower`, the lowest first, at least two. Owners are shown as `apart` knows them.
pub fn mount_read_only(
    lower: &[PathBuf],
    apart: Option<Apart<'_>>,
    in_user_namespace: bool,
) -> Result<OwnedFd, RuntimeError> {
    let tree = match apart {
        None => {
            let layers = lower.iter().rev().map(|layer| open(layer)).collect::<io::Result<Vec<_>>>().map_err(failed)?;
            stack(&layers, &[], in_user_namespace)?
        }
        Some(apart) => {
            let mut mapped = Mapped::new(apart);
            mapped.prefer(&lower.iter().map(PathBuf::as_path).collect::<Vec<_>>());
            let layers = lower.iter().rev().map(|layer| mapped.open(layer)).collect::<Result<Vec<_>, _>>()?;
            let trees: Vec<BorrowedFd<'_>> = mapped.trees().collect();
            owned_by(mapped.owner, || stack(&layers, &trees, in_user_namespace))??
        }
    };
    let attributes = Attributes::MOUNT_ATTR_RDONLY | Attributes::MOUNT_ATTR_NODEV;
    change(&tree, Depth::One, &Change::set(attributes)).map_err(failed)?;
    Ok(tree)
}

fn failed(source: io::Error) -> RuntimeError {
    RuntimeError::step("mount the layers of an image", source)
}

/// `layers` has the highest first; `trees` are the detached mounts they lie in.
fn stack(layers: &[OwnedFd], trees: &[BorrowedFd<'_>], in_user_namespace: bool) -> Result<OwnedFd, RuntimeError> {
    match stack_detached(layers, in_user_namespace) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
        stacked => return stacked.map_err(failed),
    }
    // Before Linux 6.15 layers must be attached somewhere, and before 6.5 they are one string of text.
    elsewhere::make(libc::CLONE_NEWNS as u64, || {
        change_root(Depth::Whole, &Change::propagation(Propagation::Private)).map_err(failed)?;
        for tree in trees {
            attach(tree, open(Path::new("/")).map_err(failed)?).map_err(failed)?;
        }
        stack_detached(layers, in_user_namespace)
            .or_else(|error| stack_by_text(layers, in_user_namespace).map_err(|_| error))
            .map_err(failed)
    })
}

fn stack_detached(layers: &[OwnedFd], in_user_namespace: bool) -> io::Result<OwnedFd> {
    let names: Vec<String> = layers.iter().map(name).collect();
    let mut options = vec![("source", Some("overlay"))];
    options.extend(names.iter().map(|layer| ("lowerdir+", Some(layer.as_str()))));
    if in_user_namespace {
        options.push(("userxattr", None));
    }
    new_mount("overlay", &options, Attributes::MOUNT_ATTR_NODEV)
}

/// In this process's own mount namespace, over the root.
fn stack_by_text(layers: &[OwnedFd], in_user_namespace: bool) -> io::Result<OwnedFd> {
    let names: Vec<String> = layers.iter().map(name).collect();
    let kind = if in_user_namespace { ",userxattr" } else { "" };
    let options = std::ffi::CString::new(format!("lowerdir={}{kind}", names.join(":")))?;
    rustix::mount::mount("overlay", "/", "overlay", MountFlags::NODEV, Some(options.as_c_str()))?;
    // What is mounted over the root is found by going up from it.
    clone_tree_of(open(Path::new("/.."))?, Depth::One)
}

/// Such names are short, and hold no colon or comma to be escaped.
fn name(layer: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", layer.as_raw_fd())
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}
