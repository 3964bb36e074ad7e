//! `delete`: removes what is left of a container, and with --force ends it first.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::arguments::Delete;
use super::folder::Folder;
use super::record::Process;
use super::status::{self, Status};
use super::{Context, OciError, Result, hooks};

/// How long a killed process may take to be gone: one in the middle of a slow disk access takes its time.
const PATIENCE_S: i64 = 10;

pub fn delete(context: &Context, wish: &Delete) -> Result<i32> {
    let folder = context.root.open(&wish.id);
    context.root.sweep(&wish.id);
    let folder = match folder {
        Err(OciError::Missing(_)) if wish.force => return Ok(0),
        folder => folder?,
    };
    let _lock = match folder.lock() {
        Err(OciError::Missing(_)) if wish.force => return Ok(0),
        lock => lock?,
    };
    if !wish.force {
        match folder.read().and_then(|record| status::of(&folder, &record)) {
            Ok(Status::Stopped) | Err(OciError::Json { .. } | OciError::Missing(_)) => {}
            Ok(status) => return Err(OciError::NotStopped { id: wish.id.clone(), status }),
            Err(error) => return Err(error),
        }
    }
    destroy(context, &folder)?;
    Ok(0)
}

/// Ends what runs, removes the cgroups, runs the poststop hooks and removes the folder: all of it, whatever fails in between.
/// The first failure is given.
pub fn destroy(context: &Context, folder: &Folder) -> Result<()> {
    let record = match folder.read() {
        Ok(record) => record,
        // A record that cannot be read names nothing that could be ended.
        Err(OciError::Json { .. } | OciError::Missing(_)) => return folder.remove_blindly(),
        Err(error) => return Err(error),
    };
    let mut first = Ok(());
    let mut keep = |result: Result<()>| {
        if first.is_ok() {
            first = result;
        }
    };
    let place = record.place();
    let init = record.init.and_then(kill);
    // Also what shares its groups, and it thaws what is frozen, which would not die of the signal.
    if place.path().is_some() {
        keep(place.kill_all().map_err(OciError::from));
    }
    if let Some(init) = &init {
        keep(await_end(init));
    }
    keep(place.remove().map_err(OciError::from));
    // Where its processes or groups are still there, the record must stay, so that it can be tried again.
    first?;
    hooks::poststop(context, folder, &record);
    folder.remove()
}

/// Kills the process, if it lives.
fn kill(init: Process) -> Option<OwnedFd> {
    let pidfd = pidfd_open(Pid::from_raw(init.pid)?, PidfdFlags::empty()).ok()?;
    // The pidfd pins the process, so that the look and the kill are about the same one.
    if !init.lives() {
        return None;
    }
    let _ = pidfd_send_signal(&pidfd, Signal::KILL);
    Some(pidfd)
}

/// Waits until the process is gone. A zombie is: its parent reaps it.
fn await_end(pidfd: &OwnedFd) -> Result<()> {
    let patience = Timespec { tv_sec: PATIENCE_S, tv_nsec: 0 };
    let waited = rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&patience)));
    match waited {
        Ok(0) => Err(OciError::Wish(format!(
            "the container's process still runs {PATIENCE_S} s after SIGKILL: try again later"
        ))),
        Ok(_) => Ok(()),
        Err(error) => Err(OciError::call("wait for the container's process", error)),
    }
}
