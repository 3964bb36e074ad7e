//! `kill`: sends a signal to a container's first process, or to all of its processes.

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::arguments::Kill;
use super::record::{Process, Record};
use super::status::{self, Status};
use super::{Context, OciError, Result};
use crate::model::Signal;
use crate::sys::signal;

pub fn kill(context: &Context, wish: &Kill) -> Result<i32> {
    let signal: Signal =
        wish.signal.parse().map_err(|error| OciError::Wish(format!("signal {:?}: {error}", wish.signal)))?;
    let folder = context.root.open(&wish.id)?;
    let record = folder.read()?;
    let status = status::of(&folder, &record)?;
    if wish.all {
        kill_all(&record, signal)?;
        return Ok(0);
    }
    let not_running = || OciError::NotRunning { id: wish.id.clone(), status };
    let init = record.init.filter(|_| status.has_process()).ok_or_else(not_running)?;
    if !send(init, signal)? {
        return Err(OciError::NotRunning { id: wish.id.clone(), status: Status::Stopped });
    }
    if signal == Signal::KILL && status == Status::Paused {
        // A v1 freezer keeps even a killed process.
        record.place().thaw()?;
    }
    Ok(0)
}

/// To a stopped container too: processes that shared another's pid namespace may have outlived its first one.
fn kill_all(record: &Record, signal: Signal) -> Result<()> {
    let place = record.place();
    if signal == Signal::KILL && place.path().is_some() {
        return Ok(place.kill_all()?);
    }
    for pid in record.processes() {
        // What ends meanwhile needs no signal.
        send(Process::of(pid), signal)?;
    }
    Ok(())
}

/// Whether the process was still there.
fn send(process: Process, signal: Signal) -> Result<bool> {
    let failed = |error| OciError::call("send the signal", error);
    let pidfd = Pid::from_raw(process.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    // The pidfd pins the process, so that the look and the signal are about the same one.
    let Some(pidfd) = pidfd.filter(|_| process.lives()) else { return Ok(false) };
    match signal::send(&pidfd, signal.number()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
