//! What the monitor knows of its container besides processes, and what it writes of it to disk.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::restart::Restarts;
use crate::model::{
    ContainerState, Event, EventAction, EventSubject, ExitStatus, Id, Limits, Mount, Name, Signal, Timestamp,
};
use crate::monitor::protocol::VERSION;
use crate::monitor::request::{AGAIN, STATE};
use crate::monitor::{Leave, MonitorRequest, State, Wire, append_event};
use crate::runtime::{CgroupPlace, StartRequest};
use crate::sys::file::write_atomically;

/// The container of a monitor.
#[derive(Debug)]
pub struct Container {
    pub id: Id,
    pub name: Name,
    pub run_folder: PathBuf,
    pub exit_file: PathBuf,
    pub events: PathBuf,
    pub auto_remove: Vec<PathBuf>,
    pub stop_signal: Signal,
    pub stop_timeout: Duration,
    pub tty: bool,
    pub stdin_open: bool,
    pub limits: Limits,
    pub restarts: Restarts,
    pub cgroup: CgroupPlace,
    pub state: ContainerState,
    pub started: Timestamp,
    /// The same moment, for measuring how long it ran.
    pub since: Instant,
    /// How many of this run's kills at the memory limit were told.
    pub oom_kills_told: u64,
    /// Its place in networks.
    pub wire: Option<Box<dyn Wire>>,
    /// Those of volumes, which are told of.
    pub volumes: Vec<Mount>,
    /// What goes before its folders do, with `--rm`.
    pub leave: Option<(Leave, serde_json::Value)>,
}

impl Container {
    /// The container that was just started by `request`.
    pub fn started(request: MonitorRequest, cgroup: CgroupPlace, pid: i32, wire: Option<Box<dyn Wire>>) -> Self {
        let started = Timestamp::now();
        Self {
            id: request.id,
            name: request.name,
            run_folder: request.run_folder,
            exit_file: request.exit_file,
            events: request.events,
            auto_remove: request.auto_remove,
            stop_signal: request.stop_signal,
            stop_timeout: Duration::from_millis(request.stop_timeout_ms),
            tty: request.tty,
            stdin_open: request.stdin_open,
            limits: request.limits,
            restarts: Restarts::new(request.restart),
            cgroup,
            state: ContainerState::Running { pid, started },
            started,
            since: Instant::now(),
            oom_kills_told: 0,
            wire,
            volumes: request.volumes,
            leave: None,
        }
    }

    pub fn is_paused(&self) -> bool {
        matches!(self.state, ContainerState::Paused { .. })
    }

    /// Sets and publishes whether the container is frozen.
    pub fn set_paused(&mut self, paused: bool) -> io::Result<()> {
        let Some(pid) = self.state.pid() else { return Ok(()) };
        let started = self.started;
        self.state =
            if paused { ContainerState::Paused { pid, started } } else { ContainerState::Running { pid, started } };
        self.write_state(0)
    }

    pub fn describe(&self, log_lost_bytes: u64) -> State {
        State {
            version: VERSION,
            id: self.id.clone(),
            name: self.name.clone(),
            monitor_pid: rustix::process::getpid().as_raw_nonzero().get(),
            state: self.state.clone(),
            cgroup: self.cgroup.clone(),
            tty: self.tty,
            log_lost_bytes,
            restarts: self.restarts.count,
            limits: Some(self.limits.clone()),
        }
    }

    pub fn write_state(&self, log_lost_bytes: u64) -> io::Result<()> {
        write_atomically(&self.run_folder.join(STATE), &serde_json::to_vec(&self.describe(log_lost_bytes))?, 0o600)
    }

    /// Appends to the event file. A failure must not harm the container, and there is nobody to tell.
    pub fn event(&self, action: EventAction, exit_code: Option<u8>, detail: Option<String>) {
        if action == EventAction::Start {
            self.wire_events(EventAction::Connect);
            self.volume_events(EventAction::Mount);
        }
        let event = Event {
            time: Timestamp::now(),
            subject: EventSubject::Container,
            action,
            id: self.id.to_string(),
            name: self.name.to_string(),
            exit_code,
            detail,
            attributes: Default::default(),
        };
        let _ = append_event(&self.events, &event);
        if action == EventAction::Die {
            self.wire_events(EventAction::Disconnect);
            self.volume_events(EventAction::Unmount);
        }
    }

    fn wire_events(&self, action: EventAction) {
        for event in self.wire.iter().flat_map(|wire| wire.events(action)) {
            let _ = append_event(&self.events, &event);
        }
    }

    fn volume_events(&self, action: EventAction) {
        for event in Event::of_mounts(action, &self.id, &self.volumes) {
            let _ = append_event(&self.events, &event);
        }
    }

    /// Writes down what to start it with again: what its mounts show is looked up anew then.
    pub fn keep_again(&self, request: &StartRequest) -> io::Result<()> {
        write_atomically(&self.run_folder.join(AGAIN), &serde_json::to_vec(&request.anew())?, 0o600)
    }

    pub fn forget_again(&self) -> io::Result<()> {
        match std::fs::remove_file(self.run_folder.join(AGAIN)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    pub fn read_again(&self) -> io::Result<StartRequest> {
        Ok(serde_json::from_slice(&std::fs::read(self.run_folder.join(AGAIN))?)?)
    }

    /// It runs (again), in these cgroups.
    pub fn run(&mut self, cgroup: CgroupPlace, pid: i32) {
        self.cgroup = cgroup;
        self.started = Timestamp::now();
        self.since = Instant::now();
        self.oom_kills_told = 0;
        self.state = ContainerState::Running { pid, started: self.started };
    }

    /// Writes the exit record, unless the container is to vanish.
    pub fn record_end(&self, status: &ExitStatus) {
        if let (true, Ok(record)) = (self.auto_remove.is_empty(), serde_json::to_vec(status)) {
            let _ = write_atomically(&self.exit_file, &record, 0o600);
        }
    }

    /// Its processes are gone: the events, and no cgroup. Goes on after failures: the engine's recovery does the same.
    pub fn fall(&mut self, status: &ExitStatus, oom_kills: u64) {
        if oom_kills > self.oom_kills_told {
            self.event(EventAction::Oom, None, None);
        }
        self.event(EventAction::Die, Some(status.code), None);
        if let Some(wire) = &mut self.wire {
            wire.disconnect();
        }
        if self.cgroup.remove().is_err() {
            let _ = self.cgroup.kill_all();
            let _ = self.cgroup.remove();
        }
    }

    /// It is over: removes what `--rm` promised.
    pub fn vanish(&mut self, status: &ExitStatus) {
        if let Some((leave, plan)) = self.leave.take() {
            leave(plan);
        }
        for path in std::mem::take(&mut self.auto_remove) {
            let _ = remove(&path, &self.id);
        }
        self.state = ContainerState::Exited(status.clone());
    }
}

/// Removes what `--rm` promised: a name's symlink (which a rename may have moved), the container's folder, first out of sight, or the
/// lease of its ids, a symlink to that folder.
fn remove(path: &Path, id: &Id) -> io::Result<()> {
    let Some((folder, name)) = path.parent().zip(path.file_name()) else { return Ok(()) };
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let doomed = folder.join(format!(".removing-{}", name.to_string_lossy()));
            std::fs::rename(path, &doomed)?;
            crate::runtime::remove_tree(&doomed).map_err(io::Error::other)
        }
        Ok(metadata) if !metadata.is_symlink() => std::fs::remove_file(path),
        _ if points_to(path, id) => std::fs::remove_file(path),
        _ => {
            for entry in std::fs::read_dir(folder)?.flatten() {
                if points_to(&entry.path(), id) {
                    std::fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        }
    }
}

fn points_to(link: &Path, id: &Id) -> bool {
    std::fs::read_link(link).is_ok_and(|target| target.file_name().is_some_and(|name| name == id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remove_finds_a_renamed_name_and_leaves_others() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let id = Id::from_bytes([1; 32]);
        let link =
            |name: &str, target: &str| std::os::unix::fs::symlink(target, folder.path().join(name)).expect("link");
        link("renamed", id.as_str());
        link("old_name", Id::from_bytes([2; 32]).as_str());
        remove(&folder.path().join("old_name"), &id).expect("remove");
        assert!(folder.path().join("old_name").is_symlink());
        assert!(!folder.path().join("renamed").is_symlink());
    }
}
