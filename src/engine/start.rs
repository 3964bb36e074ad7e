//! `start` and `run`: a record becomes a running container with its monitor.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::list::summary;
use super::place::make_folder;
use super::state::Life;
use super::volumes::Anonymous;
use super::{AttachOptions, Attachment, Engine, EngineError, Inner, Result};
use crate::model::{
    ContainerRecord, ContainerState, ContainerSummary, CreateRequest, ExitReason, ExitStatus, SessionId, Timestamp,
};
use crate::monitor::{MonitorError, spawn};
use crate::sys::file::Lock;

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
    pub fn start(&self, target: &str, attach: Option<AttachOptions>) -> Result<Started> {
        let record = self.0.find(target)?;
        self.0.start(&record, attach.as_ref())
    }

    /// Creates and starts. If it cannot start and `auto_remove` is set, it is removed again.
    pub fn run(&self, request: &CreateRequest, attach: Option<AttachOptions>) -> Result<Started> {
        let engine = &self.0;
        let (record, lock) = engine.create(request)?;
        match engine.launch(&record, &lock, attach.as_ref()) {
            Err(error) if record.config.auto_remove => {
                engine.remove_locked(&record, lock, Anonymous::Removed)?;
                Err(error)
            }
            other => other,
        }
    }
}

impl Inner {
    pub(super) fn start(&self, record: &ContainerRecord, attach: Option<&AttachOptions>) -> Result<Started> {
        loop {
            let gone = || EngineError::NoSuchContainer { target: record.name.to_string() };
            let lock = self.lock_container(&record.id)?.ok_or_else(gone)?;
            match self.life(&record.id)? {
                Life::Up(state) if self.settled(&record.id)?.is_none() => {
                    drop(lock);
                    match self.join(record, state.state, attach) {
                        // It has ended since.
                        Err(EngineError::NotRunning { .. }) if self.settled(&record.id)?.is_some() => {}
                        joined => return joined,
                    }
                }
                Life::Up(_) | Life::Starting => {
                    drop(lock);
                    self.await_settled(record)?;
                }
                Life::Dead => {
                    self.settle(record)?;
                }
                Life::Down => {
                    let current = self.record(&record.id)?.ok_or_else(gone)?;
                    return self.launch(&current, &lock, attach);
                }
            }
        }
    }

    /// Attaches to a container that runs already.
    fn join(&self, record: &ContainerRecord, state: ContainerState, attach: Option<&AttachOptions>) -> Result<Started> {
        let attachment = match attach {
            Some(options) => Some(self.ask_monitor(record, |client| client.attach(SessionId::MAIN, options))?),
            None => None,
        };
        Ok(Started { summary: summary(record.clone(), state), attachment })
    }

    /// Starts a container that is down, under its lock.
    fn launch(&self, record: &ContainerRecord, _lock: &Lock, attach: Option<&AttachOptions>) -> Result<Started> {
        let record = &self.hold_ids(record)?;
        // A create that was killed has not filled them.
        self.fill_volumes(record)?;
        let memory = self.claim_memory(record)?;
        let (request, held) = self.monitor_request(record, attach.and_then(|options| options.size))?;
        self.make_writable_layer(record)?;
        self.forget(&self.prepared_file(&record.id))?;
        make_folder(&self.lives())?;
        self.forget(&self.exit_file(&record.id))?;
        let spawned = spawn(&request, attach);
        drop((held, memory));
        match spawned {
            Ok(spawned) => {
                let state = ContainerState::Running { pid: spawned.pid, started: Timestamp::now() };
                Ok(Started { summary: summary(record.clone(), state), attachment: spawned.attachment })
            }
            Err(error) => {
                // A monitor that was killed while it started has left its folder and maybe a process.
                if matches!(self.life(&record.id)?, Life::Dead) {
                    self.bury(&record.id, None)?;
                }
                self.write_exit(&record.id, &start_failure(&error))?;
                Err(error.into())
            }
        }
    }

    /// The upper folder is the root folder of the container, so it has a root folder's mode whatever the umask is.
    pub(super) fn make_writable_layer(&self, record: &ContainerRecord) -> Result<()> {
        let upper = self.upper(&record.id);
        match fs::create_dir(&upper) {
            Ok(()) => {
                fs::set_permissions(&upper, fs::Permissions::from_mode(0o755))
                    .map_err(EngineError::io("set the mode of", &upper))?;
                make_folder(&self.work(&record.id))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => make_folder(&self.work(&record.id)),
            Err(error) => Err(EngineError::io("make the folder", &upper)(error)),
        }
    }

    fn forget(&self, path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EngineError::io("remove", path)(error)),
            _ => Ok(()),
        }
    }
}

pub(super) fn start_failure(error: &MonitorError) -> ExitStatus {
    ExitStatus {
        code: u8::try_from(error.kind().run_exit_code()).expect("Docker's exit codes are bytes"),
        reason: ExitReason::StartFailed,
        finished: Timestamp::now(),
        started: None,
        message: Some(error.to_string()),
        restarts: 0,
    }
}
