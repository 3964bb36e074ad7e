//! What can go wrong between a face and a monitor.

use std::io;
use std::path::PathBuf;

use crate::model::{ErrorKind, SessionId};

/// Why a monitor could not be started or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// No monitor answers for this container: it is not running.
    #[error("the container is not running")]
    NotRunning,
    /// The monitor understood and refused, or the runtime failed; the kind tells the exit code (125, 126, 127).
    #[error("{message}")]
    Refused { kind: ErrorKind, message: String },
    /// Its words are the monitor's own.
    #[error("{message}")]
    Older { message: String },
    #[error("cannot start the container's monitor process: {0}")]
    Spawn(#[source] io::Error),
    #[error("the connection to the container's monitor failed: {0}")]
    Connection(#[source] io::Error),
    /// The monitor closed the connection before it answered.
    #[error("the container's monitor went away before it answered")]
    Gone,
    /// It answered something that this version of teu does not know.
    #[error("the container's monitor answered something unknown ({0}); it may be of a newer teu")]
    Protocol(String),
    #[error("cannot {verb} {}: {source}", path.display())]
    File { verb: &'static str, path: PathBuf, source: io::Error },
    #[error("{call}: {source}")]
    Call { call: &'static str, source: io::Error },
    /// A reader goes on after it.
    #[error("{}: passed over a line that is not what this file holds", path.display())]
    Garbage { path: PathBuf },
    #[error("no session {0} in this container")]
    NoSession(SessionId),
}

impl MonitorError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotRunning => ErrorKind::Conflict,
            Self::Refused { kind, .. } => *kind,
            Self::NoSession(_) => ErrorKind::NotFound,
            Self::Protocol(_) | Self::Garbage { .. } => ErrorKind::Corrupt,
            Self::Spawn(error) | Self::Connection(error) => kind_of(error),
            Self::File { source, .. } | Self::Call { source, .. } => kind_of(source),
            Self::Gone | Self::Older { .. } => ErrorKind::Other,
        }
    }

    /// For `map_err`: an I/O error on `path`.
    pub(super) fn file(verb: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { verb, path: path.to_owned(), source }
    }

    /// For `map_err`: a failed system call.
    pub(super) fn call<E: Into<io::Error>>(call: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Call { call, source: source.into() }
    }
}

fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        _ => ErrorKind::Other,
    }
}
