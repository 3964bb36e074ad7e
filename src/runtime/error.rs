//! Everything that can go wrong on the way from a request to a running process.

use std::io;
use std::path::PathBuf;

use crate::model::ErrorKind;

/// Why a container or a process in one could not be started, or its cgroup not be handled.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Docker's wording, such as `exec: "foo": executable file not found in $PATH`.
    #[error("{0}")]
    CommandNotFound(String),
    /// Docker's wording, such as `exec: "/etc/passwd": permission denied`.
    #[error("{0}")]
    CommandNotExecutable(String),
    /// The request is malformed or names something that does not exist in the image.
    #[error("{0}")]
    InvalidRequest(String),
    /// The kernel or the machine's set-up forbids it.
    #[error("{what}: {source}; `teu doctor` says what this machine lacks")]
    Forbidden { what: String, source: io::Error },
    /// A file system that knows no idmapped mounts.
    #[error("{}: its file system ({file_system}) cannot be mapped to the ids of a user namespace: {source}; `--userns host` runs without one", path.display())]
    NotMappable { path: PathBuf, file_system: String, source: io::Error },
    /// A limit that no cgroup here can enforce.
    #[error(
        "linux.resources.{field}: the limit cannot be enforced: no cgroup controller {controller} is delegated to this \
         user; `teu doctor` says how to get one"
    )]
    LimitNotEnforceable { field: String, controller: &'static str },
    /// A resource that makes no sense, or that this kernel or its cgroup version lacks.
    #[error("linux.resources.{field}: {why}")]
    Resource { field: String, why: String },
    /// A resource that the kernel refused.
    #[error("linux.resources.{field}: write {value} to {}: {source}", path.display())]
    ResourceWrite { field: String, value: String, path: PathBuf, source: io::Error },
    /// A verb that cgroups serve, on a machine that gives this user none.
    #[error("{0} needs a cgroup, and none is delegated to this user; `teu doctor` says how to get one")]
    NoCgroup(&'static str),
    /// A step of setting the container up failed.
    #[error("{step}: {source}")]
    Step { step: String, source: io::Error },
    /// A file under /sys/fs/cgroup could not be read or written.
    #[error("cgroup {}: {source}", path.display())]
    Cgroup { path: PathBuf, source: io::Error },
    /// A seccomp profile that is not one.
    #[error("seccomp profile: {0}")]
    Seccomp(String),
    /// A hook of the specification failed, named by its field.
    #[error("{0}")]
    Hook(String),
    /// The process that was to become the container's ended before its command was executed.
    #[error("the container's first process died during set-up ({0})")]
    DiedInSetup(String),
}

impl RuntimeError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::CommandNotFound(_) => ErrorKind::CommandNotFound,
            Self::CommandNotExecutable(_) => ErrorKind::CommandNotExecutable,
            Self::InvalidRequest(_)
            | Self::NotMappable { .. }
            | Self::Resource { .. }
            | Self::ResourceWrite { .. }
            | Self::Seccomp(_) => ErrorKind::InvalidInput,
            Self::Forbidden { .. } | Self::LimitNotEnforceable { .. } | Self::NoCgroup(_) => ErrorKind::Permission,
            Self::Step { .. } | Self::Cgroup { .. } | Self::Hook(_) | Self::DiedInSetup(_) => ErrorKind::Other,
        }
    }

    /// A failed step; "operation not permitted" becomes [`Self::Forbidden`].
    pub fn step(step: impl Into<String>, source: impl Into<io::Error>) -> Self {
        let (step, source) = (step.into(), source.into());
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Forbidden { what: step, source },
            _ => Self::Step { step, source },
        }
    }
}
