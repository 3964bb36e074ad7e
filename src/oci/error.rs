//! What can go wrong in `teu oci`. Engines read some of these texts: they follow runc's where that is so.

use std::io;
use std::path::PathBuf;

use super::status::Status;
use crate::runtime::RuntimeError;

#[derive(Debug, thiserror::Error)]
pub enum OciError {
    #[error("container id {0:?} is not valid: use letters, digits and any of _ + - . , and not . or .. alone")]
    InvalidId(String),
    #[error("container with id {0} exists already: `teu oci delete {0}` removes it once it has stopped")]
    Exists(String),
    /// podman and containerd look for "does not exist".
    #[error("container {0:?} does not exist")]
    Missing(String),
    /// containerd looks for "container not running".
    #[error("cannot signal container {id}: container not running (it is {status})")]
    NotRunning { id: String, status: Status },
    /// A verb in a state that does not allow it.
    #[error("cannot {verb} container {id}, which is {status}: {cure}")]
    WrongStatus { verb: &'static str, id: String, status: Status, cure: &'static str },
    #[error("cannot delete container {id} that is not stopped: {status}; --force kills it first")]
    NotStopped { id: String, status: Status },
    #[error("cannot allocate a terminal when detached: give --console-socket, or set process.terminal to false")]
    TerminalWithoutSocket,
    #[error("--console-socket is given, but {0}")]
    SocketWithoutTerminal(&'static str),
    #[error("{0}")]
    Wish(String),
    #[error("{what} {}: {source}", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("{what}: {source}")]
    Call { what: &'static str, source: io::Error },
    #[error("{}: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

impl OciError {
    pub fn file(what: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::File { what, path: path.into(), source: source.into() }
    }

    pub fn call(what: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Call { what, source: source.into() }
    }
}
