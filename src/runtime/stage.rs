//! A stage between the caller and a container's process: it joins namespaces, then clones the process as the caller's own
//! child (a pid namespace is joined only by children), hands it over, and ends.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::RuntimeError;
use super::report::{Lower, Report, Upper};
use crate::sys::clone::{CloneOptions, Cloned, clone3};
use crate::sys::program;

/// Nobody in the container may trace this process or reach the host's files through its /proc folder
/// (CVE-2019-5736, CVE-2016-9962). execve(2) sets it back.
pub(super) fn hide_from_tracers() -> Result<(), RuntimeError> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| RuntimeError::step("become undumpable", error))
}

/// In the stage: clones the process, which goes on with `part` once the caller knows it; `part` is told its pid there. Returns only on failure.
pub(super) fn clone_process(
    line: &mut Lower,
    options: &CloneOptions<'_>,
    part: impl FnOnce(&mut Lower, i32) -> Result<Infallible, RuntimeError>,
) -> Result<Infallible, RuntimeError> {
    let options = CloneOptions { flags: options.flags | libc::CLONE_PARENT as u64, ..*options };
    match clone3(&options).map_err(|error| RuntimeError::step("clone3 into the container", error))? {
        Cloned::Child => {
            let pid = line.wait_for_pid().map_err(|error| RuntimeError::step("wait to be announced", error))?;
            part(line, pid)
        }
        Cloned::Parent { pid, pidfd } => {
            line.cloned(pid, &pidfd).map_err(|error| RuntimeError::step("report", error))?;
            program::exit_now(0)
        }
    }
}

/// In the caller: hears of the process and lets it go on. The stage is to be reaped afterwards.
pub(super) fn hear_of_process(line: &Upper) -> Result<(i32, OwnedFd), RuntimeError> {
    let failed = |error: io::Error| RuntimeError::step("hear from the container's process", error);
    match line.next().map_err(failed)? {
        Report::Cloned { pid, pidfd } => {
            // If it is dead by now its reports say why.
            let _ = line.go_as(pid);
            Ok((pid, pidfd))
        }
        Report::Failed(error) => Err(error),
        _ => Err(RuntimeError::DiedInSetup("before it was cloned".to_owned())),
    }
}
