//! What is asked of the runtime and what it hands back: plain data, and the descriptors of a started process.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxPersonality, LinuxSeccomp, Process, Spec};
use serde::{Deserialize, Serialize};

use super::cgroup::{CgroupPlace, CgroupWish};
use super::hold::Held;
use super::seccomp::Told;
use crate::model::Size;

/// One container to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StartRequest {
    /// Any OCI container id. Hooks are told it.
    pub id: String,
    /// The folder that hooks are told of and start in.
    pub bundle: PathBuf,
    /// `process.user.username` is the text `user[:group]`, looked up inside the root file system; if there is one it wins
    /// over the numbers.
    pub spec: Spec,
    pub rootfs: Rootfs,
    pub cgroup: CgroupWish,
    /// Run a small init as PID 1 that reaps and forwards signals.
    pub init: bool,
    /// Stop when everything is made but the command is not executed: OCI's "created". See [`Held`].
    pub hold: bool,
    /// SIGKILL the process when its creator dies, for as long as it runs.
    pub die_with_parent: bool,
    pub root_change: RootChange,
    /// A session keyring of the container's own.
    pub new_keyring: bool,
    /// How many descriptors from 3 on the command keeps.
    pub preserve_fds: u32,
    #[serde(default)]
    pub names: NameFiles,
    /// What binds of the specification show, where their source alone does not say.
    #[serde(default)]
    pub origins: Vec<Origin>,
}

impl StartRequest {
    /// The same for another time: what is at the sources then is not what was there now.
    pub fn anew(&self) -> Self {
        let mut request = self.clone();
        for origin in &mut request.origins {
            if let Shows::Source { seen } = &mut origin.shows {
                *seen = None;
            }
        }
        request
    }
}

/// What one bind of the specification shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The mount's destination and source, as the specification has them: others may go to the same place.
    pub target: PathBuf,
    pub source: PathBuf,
    pub shows: Shows,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shows {
    /// The mount's source; refused if it is something else by now than the caller has seen there.
    Source { seen: Option<Seen> },
    /// What is at `path` below the mount's source; refused where symlinks lead out of that.
    Below { path: PathBuf },
    /// These layers on top of each other, lowest first, or what is at `path` in them. They can only be read.
    Layers { lower: Vec<PathBuf>, path: Option<PathBuf> },
}

/// Which file or folder it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub device: u64,
    pub inode: u64,
    /// When it was made, in seconds and nanoseconds, where the file system knows: a number that became free is given again.
    #[serde(default)]
    pub born: Option<(i64, u32)>,
}

/// What a container's files of names say besides what all say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameFiles {
    /// Further lines of /etc/hosts. With any of the container's own addresses among them, its name stands there.
    pub hosts: Vec<String>,
    /// All of /etc/hosts but those lines, in the place of what all say.
    #[serde(default)]
    pub hosts_file: Option<String>,
    /// All of /etc/resolv.conf; the machine's if none.
    pub resolver: Option<String>,
}

/// How the container's root becomes the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootChange {
    /// pivot_root(2).
    Pivot,
    /// Moves the mount over `/`, for roots on which pivoting is refused (an initial ramdisk).
    MoveMount,
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
    /// A folder as it is, such as an OCI bundle's `root.path`. What the container writes stays in it.
    Folder { path: PathBuf },
}

/// How the process's standard streams are made.
#[derive(Clone, Copy, Debug)]
pub enum Stdio {
    /// A terminal of the container's own devpts.
    Terminal(Option<Size>),
    Pipes {
        stdin: StdinWish,
    },
    /// The caller's own 0, 1 and 2.
    Inherit,
}

/// Whether the process can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdinWish {
    /// Stdin is /dev/null.
    Null,
    Pipe,
}

/// A process that runs (`execve` succeeded), or waits to be released.
#[derive(Debug)]
pub struct Started {
    /// On the host. It is the caller's child: reap it with waitid(2) on `pidfd` or waitpid(2).
    pub pid: i32,
    pub pidfd: OwnedFd,
    pub io: ProcessIo,
    /// How to find its cgroup again.
    pub cgroup: CgroupPlace,
    /// There if [`StartRequest::hold`] was wished.
    pub held: Option<Held>,
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
    /// The caller's own streams: nothing to hold.
    Inherited,
}

/// One more process for a running container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExecRequest {
    /// `user.username` as in [`StartRequest::spec`].
    pub process: Process,
    pub seccomp: Option<LinuxSeccomp>,
    #[serde(default)]
    pub personality: Option<LinuxPersonality>,
    /// Whose process it is, for a seccomp agent.
    #[serde(default)]
    pub container: Whose,
    /// How many descriptors from 3 on the command keeps.
    #[serde(default)]
    pub preserve_fds: u32,
    /// SIGKILL the process when its creator dies.
    #[serde(default = "yes")]
    pub die_with_parent: bool,
    /// Groups below the container's to run in, as `[CONTROLLER,…:]PATH`. None is the container's own.
    #[serde(default)]
    pub cgroups: Vec<String>,
}

/// The container that an exec's process belongs to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Whose {
    pub oci_version: String,
    pub id: String,
    pub bundle: PathBuf,
    pub annotations: HashMap<String, String>,
}

impl Whose {
    pub(super) fn told(&self, first_process: i32) -> Told<'_> {
        Told {
            oci_version: &self.oci_version,
            id: &self.id,
            bundle: &self.bundle,
            annotations: Some(&self.annotations),
            first_process: Some(first_process),
        }
    }
}

/// What older requests meant without saying it.
fn yes() -> bool {
    true
}

/// A container's namespaces, open to be entered.
#[derive(Debug)]
pub struct Entrance {
    pub user: OwnedFd,
    pub network: OwnedFd,
}

impl Entrance {
    /// Those of a process that has not become undumpable yet, or not any more.
    pub fn of(pid: i32) -> Result<Self, super::RuntimeError> {
        let open = |name: &str| {
            let path = format!("/proc/{pid}/ns/{name}");
            let file = std::fs::File::open(&path);
            file.map(OwnedFd::from).map_err(|error| super::RuntimeError::step(format!("open {path}"), error))
        };
        Ok(Self { user: open("user")?, network: open("net")? })
    }
}
