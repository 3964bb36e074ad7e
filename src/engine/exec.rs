//! `exec`: one more process in a running container.

use super::{AttachOptions, Attachment, Engine, EngineError, Result};
use crate::model::{ContainerState, SessionId, Size};
use crate::monitor::ExecOptions;
use crate::runtime::defaults::{ExecProcess, exec_request};

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
    /// Nobody waits for it (`-d`): stdin is /dev/null whatever `stdin` says.
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
    ///
    /// Fails with kind `CommandNotFound` or `CommandNotExecutable` when the command cannot be executed.
    pub fn exec(&self, target: &str, wish: &ExecWish, attach: Option<AttachOptions>) -> Result<ExecStarted> {
        let engine = &self.0;
        let record = engine.find(target)?;
        if wish.command.first().is_none_or(String::is_empty) {
            return Err(EngineError::Invalid { what: "no command specified: exec needs one".to_owned() });
        }
        match engine.state(&record)? {
            Some(ContainerState::Running { .. }) => {}
            Some(ContainerState::Paused { .. }) => return Err(EngineError::Paused { name: record.name }),
            Some(ContainerState::Restarting(_)) => return Err(EngineError::Restarting { name: record.name }),
            _ => return Err(EngineError::NotRunning { name: record.name }),
        }
        let process = ExecProcess {
            command: wish.command.clone(),
            env: wish.env.clone(),
            workdir: wish.workdir.clone(),
            user: wish.user.clone(),
            tty: wish.tty,
        };
        let request = exec_request(&record.config, &process)?;
        let options = ExecOptions { tty: wish.tty, stdin: wish.stdin && !wish.detach, size: wish.size, attach };
        let started = engine.ask_monitor(&record, |client| client.exec(&request, &options))?;
        Ok(ExecStarted { session: started.session, attachment: started.attachment })
    }
}
