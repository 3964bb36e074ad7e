//! What stands in /dev: bind mounts of the host's standard nodes, links, and the console.
//!
//! Binds instead of mknod(2): /dev stays `nodev`, so a node that the container makes opens nothing.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fstat, major, minor, openat, symlinkat};

use crate::runtime::RuntimeError;
use crate::sys::mount::{Depth, attach, attach_at, clone_tree, clone_tree_of};

/// Names, and the numbers that the host's nodes must have: a host's /dev/null that is none is not handed on.
const NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// Detached binds of the host's nodes, to be made while the host's /dev is in sight.
pub fn host_nodes() -> Result<Vec<(&'static str, OwnedFd)>, RuntimeError> {
    NODES.iter().map(|(name, major, minor)| Ok((*name, host_node(name, *major, *minor)?))).collect()
}

fn host_node(name: &str, major_number: u32, minor_number: u32) -> Result<OwnedFd, RuntimeError> {
    let path = Path::new("/dev").join(name);
    let failed = |source: io::Error| RuntimeError::step(format!("bind {}", path.display()), source);
    let node = clone_tree(CWD, &path, Depth::One).map_err(failed)?;
    if !is_node(&node, major_number, minor_number).map_err(failed)? {
        return Err(RuntimeError::InvalidRequest(format!(
            "{} on this machine is not the device {major_number}:{minor_number}",
            path.display()
        )));
    }
    Ok(node)
}

/// Whether an open place is the character device with these numbers.
pub fn is_node(place: impl AsFd, major_number: u32, minor_number: u32) -> io::Result<bool> {
    let stat = fstat(place)?;
    let is_device = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_char_device();
    Ok(is_device && (major(stat.st_rdev), minor(stat.st_rdev)) == (major_number, minor_number))
}

/// Fills a fresh /dev.
pub fn fill(dev: BorrowedFd<'_>, nodes: Vec<(&'static str, OwnedFd)>) -> Result<(), RuntimeError> {
    for (name, node) in nodes {
        let failed = |source: io::Error| RuntimeError::step(format!("bind /dev/{name}"), source);
        make_file(dev, name).map_err(failed)?;
        attach_at(&node, dev, name).map_err(failed)?;
    }
    for (target, name) in LINKS {
        match symlinkat(target, dev, name) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(RuntimeError::step(format!("link /dev/{name}"), error)),
        }
    }
    Ok(())
}

/// Binds the terminal's slave side onto /dev/console.
pub fn bind_console(dev: BorrowedFd<'_>, slave: impl AsFd) -> io::Result<()> {
    make_file(dev, "console")?;
    let console = clone_tree_of(slave, Depth::One)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = openat(dev, "console", flags, Mode::empty())?;
    // CVE-2025-52565: the place must be the file just made, not a link to somewhere else.
    if !rustix::fs::FileType::from_raw_mode(fstat(&target)?.st_mode).is_file() {
        return Err(io::Error::other("/dev/console is not a plain file"));
    }
    attach(&console, &target)
}

fn make_file(dev: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    drop(openat(dev, name, flags, Mode::from_raw_mode(0o644))?);
    Ok(())
}
