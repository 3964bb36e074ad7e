//! `exec`: one more process in a running container.

use super::{AttachOptions, Attachment, Engine, Result};
use crate::model::{SessionId, Size};

/// What to run in the container. `None` and empty mean "as the container's own process".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecWish {
    /// The program first. Never empty.
    pub command: Vec<String>,
    /// `KEY=value`, laid over the container's.
    pub env: Vec<String>,
    pub workdir: Option<String>,
    pub user: Option<String>,
    pub tty: bool,
    /// Keep stdin open (`-i`).
    pub stdin: bool,
    /// Nobody attaches and nobody asks for the exit code (`-d`).
    pub detach: bool,
    /// The terminal's first size.
    pub size: Option<Size>,
}

/// A process that exec has started.
#[derive(Debug)]
pub struct ExecStarted {
    pub session: SessionId,
    pub attachment: Option<Attachment>,
}

impl Engine {
    /// Starts one more process in a running container. With `attach`, its output from the first byte on is in the attachment.
    pub fn exec(&self, _target: &str, _wish: &ExecWish, _attach: Option<AttachOptions>) -> Result<ExecStarted> {
        todo!()
    }
}
