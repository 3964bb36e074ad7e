//! `stop`, `kill` and `restart`: signals, and what follows if they are not heeded.

use super::{Engine, Result};
use crate::model::{ContainerSummary, Signal};

impl Engine {
    /// Sends the stop signal, waits, then kills. Returns when the container is down; one that is not running is left alone.
    ///
    /// `timeout_ms` is how long to wait before SIGKILL; none is the container's own (10 s unless set).
    pub fn stop(&self, _target: &str, _timeout_ms: Option<u64>) -> Result<()> {
        todo!()
    }

    /// Sends one signal to the main process. Waits for the end only after SIGKILL.
    pub fn kill(&self, _target: &str, _signal: Signal) -> Result<()> {
        todo!()
    }

    /// Stops if it runs, then starts.
    pub fn restart(&self, _target: &str, _timeout_ms: Option<u64>) -> Result<ContainerSummary> {
        todo!()
    }
}
