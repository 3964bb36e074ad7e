//! What is asked of the runtime and what it hands back: plain data, and the descriptors of a started process.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxSeccomp, Process, Spec};
use serde::{Deserialize, Serialize};

use super::cgroup::{CgroupPlace, CgroupWish};
use crate::model::{Id, Size};

/// One container to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartRequest {
    pub id: Id,
    /// Obeyed: process, root.readonly, mounts, hostname, domainname, and of linux: namespaces, id mappings, resources,
    /// sysctl, seccomp, masked and read-only paths. Hooks and annotations are not. `process.user.username` is the text
    /// `user[:group]`, looked up inside the root file system; if there is one it wins over the numbers.
    pub spec: Spec,
    pub rootfs: Rootfs,
    pub cgroup: CgroupWish,
    /// Run a small init as PID 1 that reaps and forwards signals.
    pub init: bool,
}

/// What the container's root file system is made of. Folders must exist.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Rootfs {
    /// An image's layers. See [`super::scaffold`] for the lowest one.
    Overlay {
        /// Lowest first.
        lower: Vec<PathBuf>,
        upper: PathBuf,
        work: PathBuf,
        /// Never sync the upper folder: for containers that are removed when they exit, and only for them.
        volatile: bool,
    },
    /// A copy-on-write view of the machine's own root file system.
    Host {
        upper: PathBuf,
        work: PathBuf,
        /// As above.
        volatile: bool,
        /// Absolute host paths that appear as empty read-only folders, such as teu's own folders.
        hide: Vec<PathBuf>,
    },
}

/// How the process's standard streams are made.
#[derive(Clone, Copy, Debug)]
pub enum Stdio {
    /// A terminal of the container's own devpts.
    Terminal(Option<Size>),
    Pipes {
        stdin: StdinWish,
    },
}

/// Whether the process can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdinWish {
    /// Stdin is /dev/null.
    Null,
    Pipe,
}

/// A process that runs: `execve` succeeded.
#[derive(Debug)]
pub struct Started {
    /// On the host. It is the caller's child: reap it with waitid(2) on `pidfd` or waitpid(2).
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub io: ProcessIo,
    /// How to find its cgroup again.
    pub cgroup: CgroupPlace,
}

/// The caller's ends of the process's standard streams. Blocking, close-on-exec.
#[derive(Debug)]
pub enum ProcessIo {
    /// The terminal's master side.
    Terminal(OwnedFd),
    Pipes {
        stdin: Option<OwnedFd>,
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
}

/// One more process for a running container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExecRequest {
    /// `user.username` as in [`StartRequest::spec`].
    pub process: Process,
    pub seccomp: Option<LinuxSeccomp>,
}
