//! `start` and `run`: a record becomes a running container with its monitor.

use super::{AttachOptions, Attachment, Engine, Result};
use crate::model::{ContainerSummary, CreateRequest};

/// A container that has been started.
#[derive(Debug)]
pub struct Started {
    pub summary: ContainerSummary,
    /// There if it was asked for. Output from the first byte on is in it.
    pub attachment: Option<Attachment>,
}

impl Engine {
    /// Starts a container that is created or exited; one that runs already is left as it is and only attached to.
    ///
    /// Fails with kind `CommandNotFound` or `CommandNotExecutable` when the command cannot be executed.
    pub fn start(&self, _target: &str, _attach: Option<AttachOptions>) -> Result<Started> {
        todo!()
    }

    /// Creates and starts. If it cannot start and `auto_remove` is set, it is removed again.
    pub fn run(&self, _request: &CreateRequest, _attach: Option<AttachOptions>) -> Result<Started> {
        todo!()
    }
}
