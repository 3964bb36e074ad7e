//! How far a container is kept from the machine: namespaces, privileges, devices, paths.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Whether root inside is root of the machine (`--userns`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserNamespaceMode {
    /// A wish only: private unless the container is privileged or sees the machine's processes.
    #[default]
    Auto,
    /// A user namespace of its own.
    Private,
    /// None: the ids inside are the machine's.
    Host,
}

/// Whose namespace of one kind a container is in (`--pid`, `--ipc`, `--uts`, `--cgroupns`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceMode {
    #[default]
    Private,
    Host,
    /// That of another container, by name or id.
    Container(String),
}

/// The capabilities a container has before `--cap-add` and `--cap-drop`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CapabilityBasis {
    /// Docker's without NET_RAW, MKNOD and AUDIT_WRITE.
    #[default]
    Tight,
    /// Docker's fourteen, which containers had that were made before there was a choice.
    Docker,
}

/// A device node of the machine shown inside (`--device`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceMapping {
    /// Absolute path on the machine.
    pub source: PathBuf,
    /// Absolute path inside.
    pub target: PathBuf,
    /// Of `r`, `w`, `m` (make the node).
    pub access: String,
}

/// An empty file system in memory (`--tmpfs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmpfsMount {
    /// Absolute path inside the container.
    pub target: PathBuf,
    /// As mount(8) takes them.
    pub options: Vec<String>,
}

/// What a container may see and do of the machine, beside its mounts, capabilities and system calls. The default is the tightest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Isolation {
    /// Every capability, device and path: as good as root on the machine.
    pub privileged: bool,
    pub user_namespace: UserNamespaceMode,
    pub pid: NamespaceMode,
    pub ipc: NamespaceMode,
    pub uts: NamespaceMode,
    pub cgroup: NamespaceMode,
    pub time: NamespaceMode,
    pub capability_basis: CapabilityBasis,
    /// No path of /proc and /sys is masked or read-only (`systempaths=unconfined`).
    pub system_paths_open: bool,
    /// Absolute paths hidden beside the default ones.
    pub masked: Vec<String>,
    /// Default ones that are neither hidden nor read-only.
    pub unmasked: Vec<String>,
    /// An AppArmor profile's name, or `unconfined`.
    pub apparmor: Option<String>,
    /// A whole SELinux label, or `disable`.
    pub selinux: Option<String>,
    pub devices: Vec<DeviceMapping>,
    /// Numbers of further groups of the process.
    pub groups: Vec<u32>,
    pub oom_score_adj: Option<i32>,
    pub sysctls: BTreeMap<String, String>,
    /// Size of /dev/shm; none is Docker's 64 MiB.
    pub shm_bytes: Option<u64>,
    pub tmpfs: Vec<TmpfsMount>,
    /// The cgroup below which its own is made.
    pub cgroup_parent: Option<String>,
}

impl Isolation {
    /// What records mean that were written before they told: root's containers had no user namespace, and all of Docker's
    /// capabilities.
    pub fn of_old_records() -> Self {
        Self {
            user_namespace: UserNamespaceMode::Host,
            time: NamespaceMode::Host,
            capability_basis: CapabilityBasis::Docker,
            ..Self::default()
        }
    }
}

/// Ids of the machine that one container's user namespace has for its own: 0 inside is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    pub first_uid: u32,
    pub first_gid: u32,
    pub count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_without_a_word_on_isolation_keep_their_old_meaning() {
        #[derive(Deserialize)]
        struct Holder {
            #[serde(default = "Isolation::of_old_records")]
            isolation: Isolation,
        }
        let old: Holder = serde_json::from_str("{}").expect("an old record");
        assert_eq!(old.isolation.user_namespace, UserNamespaceMode::Host);
        assert_eq!(old.isolation.capability_basis, CapabilityBasis::Docker);
        let some: Holder = serde_json::from_str(r#"{"isolation":{"ipc":{"container":"x"}}}"#).expect("a new record");
        let expected = Isolation { ipc: NamespaceMode::Container("x".to_owned()), ..Isolation::default() };
        assert_eq!(some.isolation, expected);
    }
}
