//! `ps`: all containers with their states, newest first.

use super::{Engine, Result};
use crate::model::{ContainerRecord, ContainerState, ContainerSummary};

impl Engine {
    /// Containers, newest first: those that run or are paused, and with `all` the others too.
    ///
    /// Finds containers whose monitor was killed and cleans up after them on the way.
    pub fn list(&self, _all: bool) -> Result<Vec<ContainerSummary>> {
        todo!()
    }

    /// The record of a container by name, id or the beginning of an id.
    pub fn find(&self, _target: &str) -> Result<ContainerRecord> {
        todo!()
    }

    /// The state of a container.
    pub fn state(&self, _target: &str) -> Result<ContainerState> {
        todo!()
    }
}
