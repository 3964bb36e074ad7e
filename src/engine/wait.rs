//! `wait`: until a container is down.

use std::thread;
use std::time::{Duration, Instant};

use super::remove::PATIENCE_MS;
use super::state::Life;
use super::{Engine, EngineError, Inner, Result};
use crate::model::{ContainerRecord, ContainerState, ExitStatus};
use crate::monitor::{Client, MonitorError};

impl Engine {
    /// Blocks until the container is down and returns how it ended; at once if it is not running.
    ///
    /// A container that never ran has not ended: its status is an error of kind `Conflict`.
    pub fn wait(&self, target: &str) -> Result<ExitStatus> {
        let engine = &self.0;
        let record = engine.find(target)?;
        let none = || EngineError::NoSuchContainer { target: target.to_owned() };
        loop {
            match engine.state(&record)?.ok_or_else(none)? {
                ContainerState::Exited(status) => {
                    engine.await_settled(&record)?;
                    return Ok(status);
                }
                ContainerState::Created => return Err(EngineError::NotRunning { name: record.name }),
                ContainerState::Running { .. } | ContainerState::Paused { .. } | ContainerState::Restarting(_) => {}
            }
            match Client::open(&engine.life_folder(&record.id)).and_then(|mut client| client.wait()) {
                Ok(status) => return Ok(status),
                // Its end or its monitor's came first: the files tell which.
                Err(MonitorError::NotRunning | MonitorError::Gone | MonitorError::Connection(_)) => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Inner {
    /// Waits until the container is down (its monitor gone too), at most so long. Whether it is.
    pub(super) fn await_down(&self, record: &ContainerRecord, timeout_ms: u64) -> Result<bool> {
        let end = Instant::now() + Duration::from_millis(timeout_ms);
        let mut pause = Duration::from_micros(500);
        loop {
            if matches!(self.life(&record.id)?, Life::Down | Life::Dead) {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= end {
                return Ok(false);
            }
            thread::sleep(pause.min(end - now));
            pause = (pause * 5 / 4).min(Duration::from_millis(10));
        }
    }

    /// Waits for a monitor that is just starting or ending, but not for a container that runs.
    pub(super) fn await_settled(&self, record: &ContainerRecord) -> Result<()> {
        let end = Instant::now() + Duration::from_millis(PATIENCE_MS);
        loop {
            match self.life(&record.id)? {
                Life::Down | Life::Dead => return Ok(()),
                Life::Up(_) if self.settled(&record.id)?.is_none() => return Ok(()),
                Life::Up(_) | Life::Starting if Instant::now() < end => thread::sleep(Duration::from_millis(1)),
                Life::Up(_) | Life::Starting => {
                    return Err(EngineError::Stuck { name: record.name.clone(), waited_ms: PATIENCE_MS });
                }
            }
        }
    }
}
