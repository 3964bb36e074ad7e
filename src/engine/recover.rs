//! Cleaning up after processes that were killed: containers whose monitor died, half-made and half-removed folders, stale names.
//!
//! Every mend is done under the lock of what it mends, after a second look, so any number of teu processes may try at once.

use std::fs;
use std::io;
use std::time::Duration;

use super::place::Entry;
use super::state::Life;
use super::volumes::Anonymous;
use super::{EngineError, Inner, Result};
use crate::model::{ContainerRecord, ContainerState, Event, EventAction, ExitReason, ExitStatus, Id, Timestamp};
use crate::monitor::State;
use crate::runtime::{CgroupPlace, remove_tree};
use crate::sys::file::Lock;

/// The exit code of a container whose end nobody saw: what is left of it is killed, and 137 is 128 + SIGKILL.
const LOST_CODE: u8 = 137;
/// How long a lock may be looked at that nobody holds.
const PATIENCE: Duration = Duration::from_secs(5);
const LOST_MESSAGE: &str = "its monitor was killed or the machine went down, so how it ended is not known";

impl Inner {
    /// Settles a container that seems dead without an exit record. Returns its state, or none if it is gone.
    pub(super) fn recover(&self, record: &ContainerRecord) -> Result<Option<ContainerState>> {
        // Waiting is short: a start or another recovery holds the lock for milliseconds.
        let Some(lock) = self.lock_container(&record.id)? else { return Ok(None) };
        let Some(state) = self.settle(record)? else {
            return Ok(Some(match self.life(&record.id)? {
                Life::Up(state) => state.state,
                _ => ContainerState::Created,
            }));
        };
        if record.config.auto_remove {
            self.remove_locked(record, lock, Anonymous::Kept)?;
            return Ok(None);
        }
        Ok(Some(state))
    }

    /// Under the container's lock: cleans up after a dead monitor. None if there is a living one, or the container never ran.
    pub(super) fn settle(&self, record: &ContainerRecord) -> Result<Option<ContainerState>> {
        let id = &record.id;
        let mut left = Vec::new();
        let last = match self.life(id)? {
            Life::Up(_) | Life::Starting => return Ok(None),
            Life::Dead => {
                left = self.connected(id).unwrap_or_default().endpoints;
                let last = State::read(&self.life_folder(id)).ok().flatten();
                if !self.bury(id, last.as_ref())? {
                    return Ok(None);
                }
                last
            }
            Life::Down => None,
        };
        if let Some(state) = self.settled(id)? {
            return Ok(Some(state));
        }
        if !self.was_started(id) {
            return Ok(None);
        }
        // It was down already, and waited to be started again: how it ended is known.
        if let Some(ContainerState::Restarting(status)) = last.as_ref().map(|last| &last.state) {
            let message = Some("its monitor was killed before it could start it again".to_owned());
            let status = ExitStatus { message, ..status.clone() };
            self.write_exit(id, &status)?;
            return Ok(Some(ContainerState::Exited(status)));
        }
        let restarts = last.as_ref().map_or(0, |last| last.restarts);
        let started = last.and_then(|last| match last.state {
            ContainerState::Running { started, .. } | ContainerState::Paused { started, .. } => Some(started),
            ContainerState::Restarting(status) | ContainerState::Exited(status) => status.started,
            ContainerState::Created => None,
        });
        let status = ExitStatus {
            code: LOST_CODE,
            reason: ExitReason::MonitorDied,
            finished: Timestamp::now(),
            started,
            message: Some(LOST_MESSAGE.to_owned()),
            restarts,
        };
        self.write_exit(id, &status)?;
        self.tell_exit(record, LOST_CODE, LOST_MESSAGE);
        // Of a network that is gone as well there is nothing to tell.
        for network in left.iter().filter_map(|endpoint| self.networks().ok()?.find(endpoint.network.as_str()).ok()) {
            self.tell_event(Event::of_network(EventAction::Disconnect, &network, Some(id)));
        }
        Ok(Some(ContainerState::Exited(status)))
    }

    /// Kills what a dead monitor left running and removes its cgroup and run folder. False if it is not dead after all.
    pub(super) fn bury(&self, id: &Id, last: Option<&State>) -> Result<bool> {
        let folder = self.life_folder(id);
        let Some(_lock) = self.take_monitor_lock(id)? else { return Ok(!folder.exists()) };
        let place = match last {
            Some(state) => state.cgroup.clone(),
            None => {
                let record = self.record(id).ok().flatten();
                CgroupPlace::find(&super::spec::cgroup_wish(id, record.as_ref().map(|record| &record.config))?)
            }
        };
        place.kill_all()?;
        place.remove()?;
        self.withdraw_ports(id)?;
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EngineError::io("remove", &folder)(error)),
            _ => Ok(true),
        }
    }

    /// The lock that a living monitor would hold; others only look at it.
    fn take_monitor_lock(&self, id: &Id) -> Result<Option<Lock>> {
        let path = self.monitor_lock(id);
        match Lock::exclusive_within(&path, PATIENCE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            lock => lock.map_err(EngineError::io("lock", &path)),
        }
    }

    /// The lock every verb takes that changes a container's life; none if the container is gone.
    pub(super) fn lock_container(&self, id: &Id) -> Result<Option<Lock>> {
        let folder = self.container(id);
        match Lock::folder(&folder) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EngineError::io("lock", &folder)(error)),
        }
    }

    /// Removes what a killed create or remove left under this name in the containers' folder.
    pub(super) fn sweep_unfinished(&self, name: &str) -> Result<()> {
        let Entry::Unfinished(id) = Entry::of(name) else { return Ok(()) };
        let folder = self.containers().join(name);
        // A monitor that removes its own container holds no lock on the folder, but its own lock until the end.
        if matches!(self.life(&id)?, Life::Up(_) | Life::Starting) {
            return Ok(());
        }
        let Ok(Some(_lock)) = Lock::try_folder(&folder) else { return Ok(()) };
        // What fails here is a dangling volume, which a prune finds: no reason to fail every list.
        let _ = self.sweep_volumes_of(&folder, name);
        remove_tree(&folder).map_err(EngineError::io("remove", &folder))
    }

    /// Removes a run folder that belongs to no container: its monitor was killed when it had removed the container already.
    pub(super) fn sweep_life(&self, id: &Id) -> Result<()> {
        if matches!(self.life(id)?, Life::Dead) && !self.container(id).exists() {
            let last = State::read(&self.life_folder(id)).ok().flatten();
            self.bury(id, last.as_ref())?;
        }
        Ok(())
    }

    fn tell_exit(&self, record: &ContainerRecord, code: u8, detail: &str) {
        self.tell_event(Event {
            exit_code: Some(code),
            ..Self::container_event(EventAction::Die, record, Some(detail.to_owned()))
        });
        for event in Event::of_mounts(EventAction::Unmount, &record.id, &record.config.mounts) {
            self.tell_event(event);
        }
    }
}
