//! `attach`: a client's line to a process of a running container.

use super::{AttachOptions, Attachment, Engine, EngineError, Inner, Result};
use crate::model::{ContainerRecord, SessionId, SessionSummary};
use crate::monitor::MonitorError;

impl Engine {
    /// Connects to the main process ([`SessionId::MAIN`]) or an exec session of a running container.
    pub fn attach(&self, target: &str, session: SessionId, options: &AttachOptions) -> Result<Attachment> {
        let record = self.0.find(target)?;
        Ok(self.0.client(&record)?.attach(session, options)?)
    }

    /// The processes that can be attached to: the main one first, then living exec sessions. Empty if it is not running.
    pub fn sessions(&self, target: &str) -> Result<Vec<SessionSummary>> {
        let record = self.0.find(target)?;
        self.0.sessions(&record)
    }
}

impl Inner {
    pub(super) fn sessions(&self, record: &ContainerRecord) -> Result<Vec<SessionSummary>> {
        let asked = self.client(record).and_then(|mut client| Ok(client.sessions()?));
        match asked {
            Err(
                EngineError::NotRunning { .. } | EngineError::Monitor(MonitorError::NotRunning | MonitorError::Gone),
            ) => Ok(Vec::new()),
            other => other,
        }
    }
}
