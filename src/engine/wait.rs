//! `wait`: until a container is down.

use super::{Engine, Result};
use crate::model::ExitStatus;

impl Engine {
    /// Blocks until the container is down and returns how it ended; at once if it is not running.
    pub fn wait(&self, _target: &str) -> Result<ExitStatus> {
        todo!()
    }
}
