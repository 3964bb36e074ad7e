//! A face's way to ask a running container's monitor.

use std::path::{Path, PathBuf};

use super::attachment::Attachment;
use super::connection::Connection;
use super::protocol::{Reply, Request};
use super::{AttachOptions, MonitorError, State};
use crate::model::{ExitStatus, Limits, RestartPolicy, SessionId, SessionSummary, Signal, Size};
use crate::runtime::{ExecRequest, StartRequest};

/// Asks one container's monitor, one question after the other. Every call blocks.
#[derive(Debug)]
pub struct Client {
    run_folder: PathBuf,
    /// The open connection; none after it became an attachment.
    connection: Option<Connection>,
}

/// How an exec session's process meets the world.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecOptions {
    pub tty: bool,
    /// Keep its stdin open; without it, and without a terminal, it reads /dev/null.
    pub stdin: bool,
    pub size: Option<Size>,
    /// Attach the caller from its first byte; none runs it detached.
    pub attach: Option<AttachOptions>,
}

/// A started exec session.
#[derive(Debug)]
pub struct ExecSession {
    pub session: SessionId,
    /// The process's id on the host.
    pub pid: i32,
    pub attachment: Option<Attachment>,
}

impl Client {
    /// Connects to the monitor of the container with this run folder.
    ///
    /// # Errors
    /// [`MonitorError::NotRunning`] if no monitor listens there.
    pub fn open(run_folder: &Path) -> Result<Self, MonitorError> {
        Ok(Self { run_folder: run_folder.to_owned(), connection: Some(Connection::open(run_folder)?) })
    }

    /// Attaches to a session's streams, on a connection of its own.
    pub fn attach(&mut self, session: SessionId, options: &AttachOptions) -> Result<Attachment, MonitorError> {
        let mut connection = self.take()?;
        match connection.ask(&Request::Attach { session, options: *options })? {
            Reply::Attached { .. } => Attachment::new(connection, session),
            other => Err(unexpected(&other)),
        }
    }

    /// Starts a command in the container. Its session lives on when its clients leave.
    pub fn exec(&mut self, request: &ExecRequest, options: &ExecOptions) -> Result<ExecSession, MonitorError> {
        let mut connection = self.take()?;
        let ExecOptions { tty, stdin, size, attach } = *options;
        let word = Request::Exec { request: Box::new(request.clone()), tty, stdin, size, attach };
        let (session, pid) = match connection.ask(&word)? {
            Reply::ExecStarted { session, pid } => (session, pid),
            other => return Err(unexpected(&other)),
        };
        let attachment = match attach {
            Some(_) => Some(Attachment::new(connection, session)?),
            None => {
                self.connection = Some(connection);
                None
            }
        };
        Ok(ExecSession { session, pid, attachment })
    }

    pub fn signal(&mut self, session: SessionId, signal: Signal) -> Result<(), MonitorError> {
        self.done(&Request::Signal { session, signal })
    }

    pub fn resize(&mut self, session: SessionId, size: Size) -> Result<(), MonitorError> {
        self.done(&Request::Resize { session, size })
    }

    /// The main process and every living exec session.
    pub fn sessions(&mut self) -> Result<Vec<SessionSummary>, MonitorError> {
        match self.ask(&Request::Sessions)? {
            Reply::Sessions { sessions } => Ok(sessions),
            other => Err(unexpected(&other)),
        }
    }

    pub fn state(&mut self) -> Result<State, MonitorError> {
        match self.ask(&Request::State)? {
            Reply::State { state } => Ok(*state),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits for the container's end. By then its exit record is written and, if it was to be removed, it is; or it waits to
    /// be started again.
    pub fn wait(&mut self) -> Result<ExitStatus, MonitorError> {
        match self.ask(&Request::Wait)? {
            Reply::Exited { status } => Ok(status),
            other => Err(unexpected(&other)),
        }
    }

    /// Stops every process of the container in its tracks (the cgroup's freezer).
    pub fn pause(&mut self) -> Result<(), MonitorError> {
        self.done(&Request::Pause)
    }

    pub fn resume(&mut self) -> Result<(), MonitorError> {
        self.done(&Request::Resume)
    }

    /// Sets limits and restart policy: all of it or, after an error, nothing. `again` is what to start the container with
    /// the next time, and needed with a policy that does.
    pub fn change(
        &mut self,
        limits: &Limits,
        restart: RestartPolicy,
        again: Option<StartRequest>,
    ) -> Result<(), MonitorError> {
        self.done(&Request::Change { limits: Box::new(limits.clone()), restart, again: again.map(Box::new) })
    }

    /// Changes the container's connections, as [`Wire::change`](super::Wire::change) understands it.
    pub fn rewire(&mut self, change: serde_json::Value) -> Result<serde_json::Value, MonitorError> {
        match self.ask(&Request::Rewire { change })? {
            Reply::Rewired { answer } => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    fn done(&mut self, word: &Request) -> Result<(), MonitorError> {
        match self.ask(word)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, word: &Request) -> Result<Reply, MonitorError> {
        let mut connection = self.take()?;
        let reply = connection.ask(word);
        // After a refusal the connection is as good as before.
        if matches!(reply, Ok(_) | Err(MonitorError::Refused { .. } | MonitorError::Older { .. })) {
            self.connection = Some(connection);
        }
        reply
    }

    fn take(&mut self) -> Result<Connection, MonitorError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(&self.run_folder),
        }
    }
}

fn unexpected(reply: &Reply) -> MonitorError {
    MonitorError::Protocol(format!("{reply:?}").chars().take(60).collect())
}
