//! `stop`, `kill` and `restart`: signals, and what follows if they are not heeded.

use super::remove::PATIENCE_MS;
use super::{Engine, EngineError, Inner, Result};
use crate::model::{ContainerRecord, ContainerState, ContainerSummary, ErrorKind, EventAction, SessionId, Signal};
use crate::monitor::{Client, MonitorError};

impl Engine {
    /// Sends the stop signal, waits, then kills. Returns when the container is down; one that is not running is left alone.
    ///
    /// `timeout_ms` is how long to wait before SIGKILL; none is the container's own (10 s unless set).
    pub fn stop(&self, target: &str, timeout_ms: Option<u64>) -> Result<()> {
        let record = self.0.find(target)?;
        self.0.stop(&record, timeout_ms)
    }

    /// Sends one signal to the main process. Waits for the end only after SIGKILL.
    pub fn kill(&self, target: &str, signal: Signal) -> Result<()> {
        let engine = &self.0;
        let record = engine.find(target)?;
        engine.send_signal(&record, signal)?;
        engine.tell(EventAction::Kill, &record, Some(signal.to_string()));
        if signal == Signal::KILL && !engine.await_down(&record, PATIENCE_MS)? {
            return Err(EngineError::Stuck { name: record.name, waited_ms: PATIENCE_MS });
        }
        Ok(())
    }

    /// Stops if it runs, then starts.
    pub fn restart(&self, target: &str, timeout_ms: Option<u64>) -> Result<ContainerSummary> {
        let engine = &self.0;
        let record = engine.find(target)?;
        if record.config.auto_remove && engine.state(&record)?.is_some_and(|state| state.is_running()) {
            return Err(EngineError::Invalid {
                what: format!("container {} is removed when it stops (--rm), so it cannot be restarted", record.name),
            });
        }
        engine.stop(&record, timeout_ms)?;
        let started = engine.start(&record, None)?;
        engine.tell(EventAction::Restart, &record, None);
        Ok(started.summary)
    }
}

impl Inner {
    fn stop(&self, record: &ContainerRecord, timeout_ms: Option<u64>) -> Result<()> {
        if !self.state(record)?.is_some_and(|state| state.is_running()) {
            return Ok(());
        }
        let timeout_ms = timeout_ms.unwrap_or(record.config.stop_timeout_ms);
        for (signal, wait_ms) in [(record.config.stop_signal, timeout_ms), (Signal::KILL, PATIENCE_MS)] {
            match self.send_signal(record, signal) {
                Ok(()) => self.tell(EventAction::Kill, record, Some(signal.to_string())),
                Err(EngineError::NotRunning { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
            if self.await_down(record, wait_ms)? {
                self.tell(EventAction::Stop, record, None);
                return Ok(());
            }
        }
        Err(EngineError::Stuck { name: record.name.clone(), waited_ms: PATIENCE_MS })
    }

    /// Sends a signal to the main process. A paused container is let go on when it would never see it otherwise.
    pub(super) fn send_signal(&self, record: &ContainerRecord, signal: Signal) -> Result<()> {
        let not_running = || EngineError::NotRunning { name: record.name.clone() };
        let state = self.state(record)?.filter(ContainerState::is_running).ok_or_else(not_running)?;
        let ends = signal == Signal::KILL || signal == record.config.stop_signal;
        self.ask_monitor(record, |client| {
            client.signal(SessionId::MAIN, signal)?;
            if ends && matches!(state, ContainerState::Paused { .. }) { go_on(client) } else { Ok(()) }
        })
    }

    /// Asks the monitor of a running container. A container that ends before the answer is [`EngineError::NotRunning`].
    pub(super) fn ask_monitor<T>(
        &self,
        record: &ContainerRecord,
        question: impl FnOnce(&mut Client) -> std::result::Result<T, MonitorError>,
    ) -> Result<T> {
        let answer = Client::open(&self.life_folder(&record.id)).and_then(|mut client| question(&mut client));
        match answer {
            Err(MonitorError::NotRunning | MonitorError::Gone) => {
                Err(EngineError::NotRunning { name: record.name.clone() })
            }
            other => Ok(other?),
        }
    }
}

/// Thaws a container, unless it was thawed or ended by others, or by the signal itself.
fn go_on(client: &mut Client) -> std::result::Result<(), MonitorError> {
    match client.resume() {
        Err(
            MonitorError::Refused { kind: ErrorKind::Conflict, .. } | MonitorError::NotRunning | MonitorError::Gone,
        ) => Ok(()),
        other => other,
    }
}
