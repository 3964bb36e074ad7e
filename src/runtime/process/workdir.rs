//! The process's working folder, made if the image lacks it.

use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::runtime::RuntimeError;
use crate::runtime::rootfs::inside::{self, Shape, Symlinks};

/// Makes the folder if it is missing, and goes there. The current root is the container's.
///
/// CVE-2024-21626: a path such as /proc/self/fd/7 could lead to an open folder of the host. Magic links are not followed,
/// and what getcwd(2) says afterwards must be inside the root.
pub fn enter(path: &Path) -> Result<(), RuntimeError> {
    let failed = |source: io::Error| RuntimeError::step(format!("chdir to {}", path.display()), source);
    if !path.is_absolute() {
        return Err(RuntimeError::InvalidRequest(format!("working folder {} is not absolute", path.display())));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, "/", flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let folder = inside::find_or_make(&root, path, Shape::Folder, Symlinks::InsideRoot).map_err(failed)?;
    if !inside::is_folder(&folder).map_err(failed)? {
        return Err(failed(io::Error::from_raw_os_error(rustix::io::Errno::NOTDIR.raw_os_error())));
    }
    rustix::process::fchdir(&folder).map_err(|error| failed(error.into()))?;
    verify_inside()
}

/// The kernel says `(unreachable)…` of a working folder outside the root.
pub fn verify_inside() -> Result<(), RuntimeError> {
    let outside = || RuntimeError::InvalidRequest("the working folder is outside the container".to_owned());
    let current = rustix::process::getcwd(Vec::new()).map_err(|_| outside())?;
    if current.as_bytes().first() == Some(&b'/') { Ok(()) } else { Err(outside()) }
}
