//! Hides and write-protects places of /proc and /sys that tell or change the host.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::devices::is_node;
use super::inside::{self, Symlinks};
use crate::runtime::RuntimeError;
use crate::sys::mount::{Change, Depth, attach, change, clone_tree_of};

/// The values of both lists must be absolute (config-linux.md).
fn check(paths: &[String], field: &str) -> Result<(), RuntimeError> {
    match paths.iter().position(|path| !path.starts_with('/')) {
        Some(at) => {
            Err(RuntimeError::InvalidRequest(format!("linux.{field}[{at}]: {:?} is not an absolute path", paths[at])))
        }
        None => Ok(()),
    }
}

/// Lays an empty folder or /dev/null over each path. What is not there needs no mask.
pub fn mask(root: BorrowedFd<'_>, paths: &[String]) -> Result<(), RuntimeError> {
    check(paths, "maskedPaths")?;
    let mut null = None;
    let mut empty: Option<OwnedFd> = None;
    for path in paths {
        let failed = |source: io::Error| RuntimeError::step(format!("mask {path}"), source);
        let Some(target) = find_verified(root, path)? else { continue };
        if !inside::is_folder(&target).map_err(failed)? {
            let source = match &null {
                Some(null) => null,
                None => null.insert(dev_null(root)?),
            };
            attach(clone_tree_of(source, Depth::One).map_err(failed)?, &target).map_err(failed)?;
        } else if let Some(empty) = &empty {
            attach(clone_tree_of(empty, Depth::One).map_err(failed)?, &target).map_err(failed)?;
        } else {
            let folder = super::empty_folder().map_err(failed)?;
            attach(&folder, &target).map_err(failed)?;
            empty = Some(folder);
        }
    }
    Ok(())
}

/// The container's /dev/null, verified to be it: a bind of anything else would show that instead (CVE-2025-31133).
fn dev_null(root: BorrowedFd<'_>) -> Result<OwnedFd, RuntimeError> {
    let failed = |source: io::Error| RuntimeError::step("open /dev/null for masking", source);
    let found = inside::find(root, Path::new("/dev/null"), Symlinks::Refused).map_err(failed)?;
    match found {
        Some(null) if is_node(&null, 1, 3).map_err(failed)? => Ok(null),
        _ => Err(RuntimeError::InvalidRequest("/dev/null in the container is not the null device".to_owned())),
    }
}

/// Makes each path read-only, with everything mounted below it.
pub fn protect(root: BorrowedFd<'_>, paths: &[String]) -> Result<(), RuntimeError> {
    check(paths, "readonlyPaths")?;
    for path in paths {
        let failed = |source: io::Error| RuntimeError::step(format!("make {path} read-only"), source);
        let Some(target) = find_verified(root, path)? else { continue };
        let copy = clone_tree_of(&target, Depth::Whole).map_err(failed)?;
        change(&copy, Depth::Whole, &Change::read_only()).map_err(failed)?;
        attach(&copy, &target).map_err(failed)?;
    }
    Ok(())
}

/// Opens a path. Below /proc and /sys no links are followed, and it must really be on procfs and sysfs
/// (CVE-2019-16884: an image's /proc that is none; CVE-2025-52881: something swapped in).
fn find_verified(root: BorrowedFd<'_>, path: &str) -> Result<Option<OwnedFd>, RuntimeError> {
    let failed = |source: io::Error| RuntimeError::step(format!("open {path}"), source);
    let clean = inside::relative(Path::new(path));
    let (in_proc, in_sys) = (clean.starts_with("proc"), clean.starts_with("sys"));
    let symlinks = if in_proc || in_sys { Symlinks::Refused } else { Symlinks::InsideRoot };
    let Some(place) = inside::find(root, &clean, symlinks).map_err(failed)? else {
        return Ok(None);
    };
    let genuine = if in_proc {
        inside::is_on_proc(place.as_fd()).map_err(failed)?
    } else {
        !in_sys
            || inside::is_on_sysfs(place.as_fd()).map_err(failed)?
            || inside::is_on_cgroups(place.as_fd()).map_err(failed)?
    };
    if genuine {
        return Ok(Some(place));
    }
    Err(RuntimeError::InvalidRequest(format!("{path} in the container is not on the kernel's own file system")))
}
