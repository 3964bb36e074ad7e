//! What the machine's security modules are told of a process: its AppArmor profile and its SELinux label.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use oci_spec::runtime::Process;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat, openat2};

use super::RuntimeError;
use super::rootfs::inside;

/// The inode number of a procfs's root.
const PROC_ROOT: u64 = 1;

/// Whether AppArmor confines processes on this machine.
pub(super) fn has_apparmor() -> bool {
    fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"))
}

/// Whether SELinux does.
pub(super) fn has_selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

/// Wishes them for the next execve(2). /proc is the container's, and may be anything.
pub(super) fn wish(process: &Process) -> Result<(), RuntimeError> {
    if let Some(profile) = process.apparmor_profile().as_ref().filter(|profile| !profile.is_empty()) {
        // Where other modules are stacked, only the first of these is AppArmor's own.
        tell("process.apparmorProfile", &["attr/apparmor/exec", "attr/exec"], &format!("exec {profile}"))?;
    }
    if let Some(label) = process.selinux_label().as_ref().filter(|label| !label.is_empty()) {
        tell("process.selinuxLabel", &["attr/exec"], label)?;
    }
    Ok(())
}

fn tell(field: &str, files: &[&str], text: &str) -> Result<(), RuntimeError> {
    let written = open_first(files).and_then(|file| File::from(file).write_all(text.as_bytes()));
    written.map_err(|error| RuntimeError::step(format!("{field}: set {text:?}"), error))
}

/// This thread's own file, on the procfs at /proc and on nothing that was laid over a part of it
/// (CVE-2019-16884, CVE-2025-52881: a write that went elsewhere would leave the process unconfined).
fn open_first(files: &[&str]) -> io::Result<OwnedFd> {
    let proc =
        openat(CWD, "/proc", OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if !inside::is_on_proc(&proc)? || fstat(&proc)?.st_ino != PROC_ROOT {
        return Err(io::Error::other("/proc in the container is not the kernel's own"));
    }
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for file in files {
        let path = format!("thread-self/{file}");
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
        match openat2(&proc, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Ok(file) => return Ok(file),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_attributes_are_found_on_the_genuine_proc() {
        let file = open_first(&["attr/missing", "comm"]).expect("this thread's comm");
        assert!(inside::is_on_proc(&file).expect("statfs"));
        assert_eq!(open_first(&["attr/missing"]).expect_err("missing").kind(), io::ErrorKind::NotFound);
    }
}
