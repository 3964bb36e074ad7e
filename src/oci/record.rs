//! What is written down of a container, and which of its processes it names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::runtime::CgroupPlace;
use crate::runtime::cgroup::CgroupWish;
use crate::sys::process;

/// A container's record. Written before anything is made, so that whoever finds it knows all there can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    /// As the bundle's config.json has it.
    pub oci_version: String,
    pub bundle: PathBuf,
    pub rootfs: PathBuf,
    pub created: Timestamp,
    pub annotations: BTreeMap<String, String>,
    /// The user that created it.
    pub owner: u32,
    /// The `teu oci` that makes the container.
    pub maker: Process,
    /// The container's first process; none while it is being made.
    pub init: Option<Process>,
    /// Where its groups are to be, and where they are.
    pub cgroup_wish: Option<CgroupWish>,
    pub cgroup: Option<CgroupPlace>,
}

/// A process, pinned by its start time, as ids are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// Clock ticks after boot.
    pub start: u64,
}

impl Process {
    /// The process that has this id now.
    pub fn of(pid: i32) -> Self {
        Self { pid, start: process::stat(pid).map_or(0, |stat| stat.start) }
    }

    pub fn own() -> Self {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// Whether it lives. A zombie is dead: it waits only to be reaped.
    pub fn lives(self) -> bool {
        process::stat(self.pid).is_some_and(|stat| stat.start == self.start && !stat.is_dead())
    }
}

impl Record {
    /// Where the container's groups are, also when its maker was killed before it wrote that down.
    pub fn place(&self) -> CgroupPlace {
        let found = || self.cgroup_wish.as_ref().map(CgroupPlace::find);
        self.cgroup.clone().or_else(found).unwrap_or_default()
    }

    /// Host ids of the container's processes: those in its cgroup, or where it has none, in its pid namespace.
    pub fn processes(&self) -> Vec<i32> {
        let place = self.place();
        if place.path().is_some() {
            return place.processes();
        }
        let Some(init) = self.init.filter(|init| init.lives()) else { return Vec::new() };
        let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own = namespace(&init.pid.to_string());
        if own.is_none() || own == namespace("self") {
            return vec![init.pid];
        }
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().into_string().ok()?.parse::<i32>().ok());
        pids.filter(|pid| namespace(&pid.to_string()) == own).collect()
    }
}

#[cfg(test)]
impl Record {
    pub fn sample(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            oci_version: "1.2.1".to_owned(),
            bundle: PathBuf::from("/bundle"),
            rootfs: PathBuf::from("/bundle/rootfs"),
            created: Timestamp::EPOCH,
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            owner: 0,
            maker: Process { pid: 1, start: u64::MAX },
            init: None,
            cgroup_wish: None,
            cgroup: None,
        }
    }
}
