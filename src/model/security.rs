//! What keeps a running container apart from the machine, as the kernel tells it.

use serde::{Deserialize, Serialize};

use super::{Id, Name};

/// How one fact compares with what containers have that are told nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "by")]
pub enum SecurityVerdict {
    Default,
    /// Weaker than the default, because of this flag.
    Opened(String),
    /// Stronger than the default, because of this flag.
    Tightened(String),
    /// Weaker than the default, though no flag asked for it: why, or what is amiss.
    Weaker(String),
}

impl std::fmt::Display for SecurityVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Opened(flag) => write!(f, "opened by {flag}"),
            Self::Tightened(flag) => write!(f, "tightened by {flag}"),
            Self::Weaker(why) => write!(f, "weaker: {why}"),
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityFinding {
    /// A few words, such as `user namespace`.
    pub subject: String,
    /// What the kernel says, in words.
    pub finding: String,
    pub verdict: SecurityVerdict,
}

/// One namespace of the container's first process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceSeen {
    /// The kernel's name below /proc/PID/ns: `user`, `net` and so on.
    pub kind: String,
    pub inode: u64,
    /// teu itself is in it, too.
    pub shared: bool,
}

/// Ids inside from `inside` on are those of the machine from `outside` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdMapping {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

/// The five sets of capabilities(7), as names without `CAP_`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilitySets {
    pub inheritable: Vec<String>,
    pub permitted: Vec<String>,
    pub effective: Vec<String>,
    pub bounding: Vec<String>,
    pub ambient: Vec<String>,
}

/// How system calls are filtered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeccompMode {
    #[default]
    Disabled,
    Strict,
    Filter,
}

/// A mount of the container that can be written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritableMount {
    pub target: String,
    /// The file system's type.
    pub kind: String,
    /// `nosuid`, `nodev`, `noexec` where they are set.
    pub options: Vec<String>,
    /// Owners of files in it are those of the container's own ids.
    pub idmapped: bool,
}

/// Everything found of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityReport {
    pub id: Id,
    pub name: Name,
    /// The process looked at: the main one, on the host.
    pub pid: i32,
    pub namespaces: Vec<NamespaceSeen>,
    pub uid_map: Vec<IdMapping>,
    pub gid_map: Vec<IdMapping>,
    pub capabilities: CapabilitySets,
    pub seccomp: SeccompMode,
    pub seccomp_filters: u32,
    pub no_new_privileges: bool,
    /// Security modules of the kernel; empty where it does not tell.
    pub modules: Vec<String>,
    /// What those call the process.
    pub label: Option<String>,
    /// Paths of the kernel's file systems that are covered.
    pub masked: Vec<String>,
    pub read_only: Vec<String>,
    pub writable: Vec<WritableMount>,
    /// Limits in force, as `memory 64 MiB`.
    pub limits: Vec<String>,
    /// Ports of TCP that something in its own network listens on.
    pub listening: Vec<u16>,
    /// The same facts judged, one a line, in the order they are shown in.
    pub findings: Vec<SecurityFinding>,
}
