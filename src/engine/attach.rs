//! `attach`: a client's line to a process of a running container.

use super::{AttachOptions, Attachment, Engine, EngineError, Inner, Result};
use crate::model::{ContainerRecord, SessionId, SessionSummary};
use crate::monitor::Client;

impl Engine {
    /// Connects to the main process ([`SessionId::MAIN`]) or an exec session of a running container.
    pub fn attach(&self, target: &str, session: SessionId, options: &AttachOptions) -> Result<Attachment> {
        let record = self.0.find(target)?;
        self.0.ask_monitor(&record, |client| client.attach(session, options))
    }

    /// The processes that can be attached to: the main one first, then living exec sessions. Empty if it is not running.
    pub fn sessions(&self, target: &str) -> Result<Vec<SessionSummary>> {
        let record = self.0.find(target)?;
        self.0.sessions(&record)
    }
}

impl Inner {
    pub(super) fn sessions(&self, record: &ContainerRecord) -> Result<Vec<SessionSummary>> {
        match self.ask_monitor(record, Client::sessions) {
            Err(EngineError::NotRunning { .. }) => Ok(Vec::new()),
            other => other,
        }
    }
}
