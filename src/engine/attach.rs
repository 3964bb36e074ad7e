//! `attach`: a client's line to a process of a running container.

use super::{AttachOptions, Attachment, Engine, Result};
use crate::model::{SessionId, SessionSummary};

impl Engine {
    /// Connects to the main process ([`SessionId::MAIN`]) or an exec session of a running container.
    pub fn attach(&self, _target: &str, _session: SessionId, _options: &AttachOptions) -> Result<Attachment> {
        todo!()
    }

    /// The processes that can be attached to: the main one first, then living exec sessions. Empty if it is not running.
    pub fn sessions(&self, _target: &str) -> Result<Vec<SessionSummary>> {
        todo!()
    }
}
