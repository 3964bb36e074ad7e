//! Short-lived processes that make one descriptor in namespaces other than this process's, and hand it back.

use std::os::fd::OwnedFd;

use super::idmap::{self, IdMaps};
use super::report::{self, Report};
use super::start::{kill_and_reap, never_return};
use super::{RuntimeError, start};
use crate::sys::clone::{CloneOptions, Cloned, clone3};
use crate::sys::program;

/// Runs `part` in a process with these new namespaces (`CLONE_NEW…`). The caller must have a single thread.
pub(super) fn make(
    namespaces: u64,
    part: impl FnOnce() -> Result<OwnedFd, RuntimeError>,
) -> Result<OwnedFd, RuntimeError> {
    let (upper, mut lower) = report::line().map_err(|error| RuntimeError::step("socketpair", error))?;
    let options = CloneOptions { flags: namespaces, cgroup: None };
    let pid = match clone3(&options).map_err(|error| RuntimeError::step("clone3 with new namespaces", error))? {
        Cloned::Child => {
            drop(upper);
            never_return(&mut lower, |line| {
                let made = part()?;
                line.terminal(&made).map_err(|error| RuntimeError::step("report", error))?;
                program::exit_now(0)
            })
        }
        Cloned::Parent { pid, .. } => pid,
    };
    drop(lower);
    let report = upper.next();
    start::reap(pid);
    match report.map_err(|error| RuntimeError::step("hear from a process in other namespaces", error))? {
        Report::Terminal(made) => Ok(made),
        Report::Failed(error) => Err(error),
        _ => Err(RuntimeError::DiedInSetup("while it made a mount".to_owned())),
    }
}

/// A user namespace that exists only for its maps.
pub(super) fn user_namespace(maps: &IdMaps) -> Result<OwnedFd, RuntimeError> {
    let (upper, mut lower) = report::line().map_err(|error| RuntimeError::step("socketpair", error))?;
    let options = CloneOptions { flags: libc::CLONE_NEWUSER as u64, cgroup: None };
    let failed = |error| RuntimeError::step("make a user namespace for id maps", error);
    let (pid, pidfd) = match clone3(&options).map_err(failed)? {
        Cloned::Child => {
            drop(upper);
            never_return(&mut lower, |line| {
                let _ = line.wait();
                program::exit_now(0)
            })
        }
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
    };
    let namespace = idmap::write(pid, maps).and_then(|()| open_user_namespace(pid));
    kill_and_reap(&pidfd);
    namespace
}

/// The user namespace of a process that is this one's child.
pub(super) fn open_user_namespace(pid: i32) -> Result<OwnedFd, RuntimeError> {
    let path = format!("/proc/{pid}/ns/user");
    let file = std::fs::File::open(&path).map_err(|error| RuntimeError::step(format!("open {path}"), error))?;
    Ok(file.into())
}
