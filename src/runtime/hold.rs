//! A container between create and start: its process waits, first for its creator's word, then on a socket.
//!
//! Until it is announced it dies with its creator: the line between them ends. Afterwards it outlives him.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use super::RuntimeError;
use super::report::{Report, Upper};
use crate::sys::file::Lock;
use crate::sys::socket;

/// The start socket's name in its folder.
pub const START_SOCKET: &str = "start.sock";
/// A file that the waiting process keeps locked until its command is executed.
pub const START_LOCK: &str = "start.lock";

/// A process that waits to be released. Dropping this ends the process.
#[derive(Debug)]
pub struct Held {
    pub(super) line: Upper,
}

impl Held {
    /// Lets the process wait on a socket in `folder` for [`release`], whatever becomes of its creator. To be called when
    /// everything that others need to know of the container is written down.
    pub fn announce(self, folder: &Path) -> Result<(), RuntimeError> {
        let failed = |error: io::Error| RuntimeError::step(format!("listen in {}", folder.display()), error);
        let listener = socket::listen_for_messages_in(folder, START_SOCKET).map_err(failed)?;
        let lock = Lock::exclusive(&folder.join(START_LOCK)).map_err(failed)?;
        self.line
            .announce(listener.as_fd(), lock.as_fd())
            .map_err(|error| RuntimeError::step("announce the container to its process", error))?;
        match self.line.next().map_err(|error| RuntimeError::step("hear from the container's process", error))? {
            Report::Held => Ok(()),
            Report::Failed(error) => Err(error),
            _ => Err(died()),
        }
    }

    /// Lets the command be executed; returns once it is, or why it is not.
    pub fn release(self) -> Result<(), RuntimeError> {
        self.line.go().map_err(|error| RuntimeError::step("release the container's process", error))?;
        await_execution(&self.line)
    }
}

/// Releases the process that waits in `folder` ([`Held::announce`]): OCI's "start". Returns once the command is executed, or
/// the process's own error (of a startContainer hook, or of execve(2)), after which it is dead.
pub fn release(folder: &Path) -> Result<(), RuntimeError> {
    let connection = socket::connect_for_messages_in(folder, START_SOCKET).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            RuntimeError::InvalidRequest("the container's process does not wait to be started".to_owned())
        }
        _ => RuntimeError::step(format!("connect to {}", folder.join(START_SOCKET).display()), error),
    })?;
    await_execution(&Upper::connected(connection))
}

/// Whether the process announced in `folder` still waits: whether the container is "created". Disturbs nobody.
pub fn is_held(folder: &Path) -> Result<bool, RuntimeError> {
    let path = folder.join(START_LOCK);
    Lock::is_held(&path).map_err(|error| RuntimeError::step(format!("look at {}", path.display()), error))
}

fn await_execution(line: &Upper) -> Result<(), RuntimeError> {
    let mut executing = false;
    loop {
        match line.next().map_err(|error| RuntimeError::step("hear from the container's process", error))? {
            Report::Executing => executing = true,
            Report::Failed(error) => {
                // Until the process is gone, so that nobody finds it waiting any more.
                while !matches!(line.next(), Ok(Report::Closed) | Err(_)) {}
                return Err(error);
            }
            Report::Closed if executing => return Ok(()),
            Report::Closed => return Err(died()),
            _ => {}
        }
    }
}

fn died() -> RuntimeError {
    RuntimeError::DiedInSetup("while it waited to be started".to_owned())
}
