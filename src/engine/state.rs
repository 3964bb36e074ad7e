//! Where a container is in its life, read from its files: is there a run folder, is its lock held, is there an exit file.
//!
//! Whoever asks also mends: a container whose monitor was killed is cleaned up on the way (see `recover`).

use super::{EngineError, Inner, Result};
use crate::model::{ContainerRecord, ContainerState, Id};
use crate::monitor::State;
use crate::sys::file::Lock;

/// What the run folder says.
pub(super) enum Life {
    /// There is none: the container does not run.
    Down,
    /// A monitor is at work, but has not said how its container is: it is just starting.
    Starting,
    /// A monitor is at work.
    Up(Box<State>),
    /// The folder is there, but nobody holds its lock: the monitor was killed.
    Dead,
}

impl Inner {
    pub(super) fn life(&self, id: &Id) -> Result<Life> {
        let folder = self.life_folder(id);
        let lock = self.monitor_lock(id);
        if Lock::is_held(&lock).map_err(EngineError::io("look at", &lock))? {
            return Ok(State::read(&folder)?.map_or(Life::Starting, |state| Life::Up(Box::new(state))));
        }
        Ok(if folder.exists() { Life::Dead } else { Life::Down })
    }

    /// The state of a container; none if recovery removed it (it was to be removed at its end).
    pub(super) fn state(&self, record: &ContainerRecord) -> Result<Option<ContainerState>> {
        let runs = self.life_folder(&record.id).exists();
        self.state_given(record, Hint { runs })
    }

    /// As [`Inner::state`], with what a listing of the run folder has told already.
    pub(super) fn state_given(&self, record: &ContainerRecord, hint: Hint) -> Result<Option<ContainerState>> {
        let id = &record.id;
        if hint.runs {
            match self.life(id)? {
                Life::Up(state) => return Ok(Some(self.exit(id)?.map_or(state.state, ContainerState::Exited))),
                Life::Starting => return Ok(Some(self.settled(id)?.unwrap_or(ContainerState::Created))),
                Life::Dead => return self.recover(record),
                Life::Down => {}
            }
        }
        if !self.upper(id).exists() {
            return Ok(Some(ContainerState::Created));
        }
        match self.settled(id)? {
            Some(state) => Ok(Some(state)),
            None if !self.was_started(id) => Ok(Some(ContainerState::Created)),
            None => self.recover(record),
        }
    }

    /// The writable layer is made at the first start, before anything else, or by a copy into a container that was never started, which leaves
    /// a note. With neither a run folder nor an exit file beside it, the machine went down while the container ran (the run folder is on a
    /// tmpfs), or its start was cut off.
    pub(super) fn was_started(&self, id: &Id) -> bool {
        self.upper(id).exists() && !self.prepared_file(id).exists()
    }

    /// What the exit file says, if there is one.
    pub(super) fn settled(&self, id: &Id) -> Result<Option<ContainerState>> {
        Ok(self.exit(id)?.map(ContainerState::Exited))
    }
}

/// What is known of a container before its own files are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    /// Its run folder was there.
    pub runs: bool,
}
