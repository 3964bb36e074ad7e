//! `pause` and `unpause`: the freezer of the container's cgroup.

use super::{Engine, EngineError, Result};
use crate::model::ContainerState;
use crate::monitor::Client;

impl Engine {
    /// Stops every process of a running container from being scheduled.
    pub fn pause(&self, target: &str) -> Result<()> {
        let record = self.0.find(target)?;
        match self.0.state(&record)? {
            Some(ContainerState::Running { .. }) => self.0.ask_monitor(&record, Client::pause),
            Some(ContainerState::Paused { .. }) => Err(EngineError::Paused { name: record.name }),
            Some(ContainerState::Restarting(_)) => Err(EngineError::Restarting { name: record.name }),
            _ => Err(EngineError::NotRunning { name: record.name }),
        }
    }

    /// Lets a paused container go on.
    pub fn unpause(&self, target: &str) -> Result<()> {
        let record = self.0.find(target)?;
        match self.0.state(&record)? {
            Some(ContainerState::Paused { .. }) => self.0.ask_monitor(&record, Client::resume),
            _ => Err(EngineError::NotPaused { name: record.name }),
        }
    }
}
