//! A container as it is wished for, recorded, and seen.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    Digest, DnsWish, Endpoint, EndpointWish, ExposedPort, Id, IdRange, Isolation, Limits, Mount, Name, PortWish,
    PublishedPort, Reference, RestartPolicy, SessionId, Signal, Timestamp, VolumeName,
};

/// How a container reaches the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// An own network namespace with a loopback interface only.
    #[default]
    None,
    /// The host's network namespace.
    Host,
    /// An own network namespace with a link into each of the container's networks.
    Networks,
    /// The network namespace of another container, by its id.
    Container(String),
}

/// Whether `run` and `create` may fetch the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullPolicy {
    #[default]
    Missing,
    Always,
    Never,
}

/// One resource limit of the container's process (`--ulimit`), as in setrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// `RLIMIT_NOFILE` and so on.
    pub name: String,
    pub soft: u64,
    pub hard: u64,
}

/// The system call filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeccompChoice {
    /// teu's own profile, equal to Docker's default in effect.
    #[default]
    Default,
    Unconfined,
    /// The text of a profile file in Docker's JSON format, read when the container was created.
    Profile(String),
}

/// What a container is to be, complete: the user's wishes merged with the image's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// Entry point and command together, the program first. Never empty.
    pub command: Vec<String>,
    /// `KEY=value` entries, PATH and HOSTNAME included.
    pub env: Vec<String>,
    /// Absolute path inside the container.
    pub workdir: String,
    /// `user[:group]`, names or numbers, looked up inside the rootfs at start. Empty is root.
    pub user: String,
    pub hostname: String,
    /// Give the process a terminal (`-t`).
    pub tty: bool,
    /// Keep stdin open although nobody is attached (`-i`).
    pub stdin_open: bool,
    /// Remove the container when it has exited (`--rm`).
    pub auto_remove: bool,
    /// Run a small init as PID 1 that reaps and forwards signals (`--init`).
    pub init: bool,
    /// The root file system is read-only.
    pub read_only: bool,
    pub network: NetworkMode,
    /// With [`NetworkMode::Networks`]: which, the one that leads to everywhere first.
    #[serde(default)]
    pub networks: Vec<EndpointWish>,
    /// Published ports.
    #[serde(default)]
    pub ports: Vec<PortWish>,
    /// What the image and `--expose` say it serves.
    #[serde(default)]
    pub exposed: Vec<ExposedPort>,
    /// `-P`: each exposed port is among `ports`.
    #[serde(default)]
    pub publish_all: bool,
    /// Further lines of /etc/hosts, each an address and a name.
    #[serde(default)]
    pub extra_hosts: Vec<String>,
    /// How it asks for names.
    #[serde(default, skip_serializing_if = "DnsWish::is_default")]
    pub dns: DnsWish,
    pub mounts: Vec<Mount>,
    /// `CAP_…` names added to the default set; `ALL` for every one.
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub no_new_privileges: bool,
    pub seccomp: SeccompChoice,
    #[serde(default = "Isolation::of_old_records")]
    pub isolation: Isolation,
    pub limits: Limits,
    /// Whether it is started again when it ended (`--restart`).
    #[serde(default)]
    pub restart: RestartPolicy,
    pub rlimits: Vec<Rlimit>,
    pub stop_signal: Signal,
    /// Milliseconds between the stop signal and SIGKILL.
    pub stop_timeout_ms: u64,
    pub labels: BTreeMap<String, String>,
    /// Detach keys of `attach`, in Docker's notation (`ctrl-p,ctrl-q`).
    pub detach_keys: Option<String>,
}

/// What is kept on disk of a container: written at creation and rename, never while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRecord {
    pub id: Id,
    pub name: Name,
    pub created: Timestamp,
    /// As the user named it; for the host image `host`.
    pub image: String,
    /// The image's configuration digest; none for the host image.
    pub image_id: Option<Digest>,
    /// Diff ids of the layers, lowest first; empty for the host image.
    pub layers: Vec<Digest>,
    pub config: ContainerConfig,
    /// The ids of its user namespace, its own for as long as it exists. None without one, and where an ordinary user's
    /// containers share his ids.
    #[serde(default)]
    pub id_range: Option<IdRange>,
}

/// Why a container's process is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitReason {
    /// It exited by itself.
    Exit,
    /// A signal ended it; the code is 128 and the signal's number.
    Signal,
    /// The kernel killed it at its memory limit.
    OutOfMemory,
    /// It never ran: the command was not found or could not be set up.
    StartFailed,
    /// Its monitor died (kill -9, reboot), so what it returned is not known.
    MonitorDied,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// 0 to 255, by the shell's rule 128+n for signals.
    pub code: u8,
    pub reason: ExitReason,
    pub finished: Timestamp,
    /// When it had been started; none if it never ran.
    pub started: Option<Timestamp>,
    /// One sentence for people where the reason needs it, such as why it could not start.
    pub message: Option<String>,
    /// How often its restart policy had started it again since it was started by hand.
    #[serde(default)]
    pub restarts: u32,
}

/// Where a container is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "status")]
pub enum ContainerState {
    Created,
    Running {
        /// The main process's id on the host.
        pid: i32,
        started: Timestamp,
    },
    Paused {
        pid: i32,
        started: Timestamp,
    },
    /// It ended like this, and its restart policy is about to start it again.
    Restarting(ExitStatus),
    Exited(ExitStatus),
}

impl ContainerState {
    /// Docker's word for it: `created`, `running`, `paused`, `restarting`, `exited`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Restarting(_) => "restarting",
            Self::Exited(_) => "exited",
        }
    }

    /// The main process while there is one.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Self::Running { pid, .. } | Self::Paused { pid, .. } => Some(*pid),
            Self::Created | Self::Restarting(_) | Self::Exited(_) => None,
        }
    }

    /// Whether a monitor keeps it alive: it runs, is paused, or is about to be started again.
    pub fn is_running(&self) -> bool {
        self.pid().is_some() || matches!(self, Self::Restarting(_))
    }
}

/// A container as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSummary {
    pub id: Id,
    pub name: Name,
    pub image: String,
    pub image_id: Option<Digest>,
    pub command: Vec<String>,
    pub created: Timestamp,
    pub state: ContainerState,
    pub tty: bool,
    pub network: NetworkMode,
    /// What it publishes now; nothing if it does not run.
    #[serde(default)]
    pub ports: Vec<PublishedPort>,
    /// What it serves, published or not.
    #[serde(default)]
    pub exposed: Vec<ExposedPort>,
    /// How it is connected now; nothing if it does not run.
    #[serde(default)]
    pub networks: Vec<Endpoint>,
    pub limits: Limits,
    pub restart: RestartPolicy,
    pub labels: BTreeMap<String, String>,
    pub mounts: Vec<Mount>,
}

/// A process that a client can attach to: the main one or a living exec session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSummary {
    pub id: SessionId,
    pub command: Vec<String>,
    pub tty: bool,
    pub pid: i32,
    pub started: Timestamp,
}

/// Everything known of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerInspect {
    pub record: ContainerRecord,
    pub state: ContainerState,
    pub image_reference: Option<Reference>,
    pub log_path: PathBuf,
    /// The cgroup's path below each hierarchy's root; none where the kernel gave no cgroup.
    pub cgroup: Option<String>,
    pub sessions: Vec<SessionSummary>,
    /// What it publishes now; nothing if it does not run.
    #[serde(default)]
    pub ports: Vec<PublishedPort>,
    /// How it is connected now; nothing if it does not run.
    #[serde(default)]
    pub networks: Vec<Endpoint>,
    /// How often its restart policy has started it again since it was started by hand.
    #[serde(default)]
    pub restarts: u32,
    /// Where on the machine the files of its volumes are.
    #[serde(default)]
    pub volumes: BTreeMap<VolumeName, PathBuf>,
    /// Bytes in the writable layer; none unless asked for.
    pub size_rw_bytes: Option<u64>,
}
