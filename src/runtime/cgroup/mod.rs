//! Control groups: v1, v2 and hybrid, with the roots passed in, so that all of it is tested in a folder.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::RuntimeError;
use crate::model::{Limits, Sample};

/// Where a container's cgroups are, and its first process. Kept by the monitor in its state file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPlace {
    /// v1 hierarchies: the controller's name and the container's folder in it.
    pub legacy: Vec<(String, PathBuf)>,
    /// The folder in the v2 hierarchy. In hybrid set-ups it has no controllers, but kills and freezes.
    pub unified: Option<PathBuf>,
    /// The first process, and its start time in clock ticks (so that a reused pid is not mistaken for it).
    pub pid: i32,
    pub pid_start: u64,
    /// The container has a network namespace of its own, so its network counters are meaningful.
    pub own_network: bool,
}

impl CgroupPlace {
    /// The path below the hierarchies' roots; none where the kernel gave no cgroup.
    pub fn path(&self) -> Option<String> {
        todo!()
    }

    /// Counters now. Opens and closes files: who samples again and again uses a [`Sampler`].
    pub fn sample(&self) -> Sample {
        todo!()
    }

    /// Changes the limits of a running container. A limit that cannot be enforced is an error, before any is written.
    pub fn set_limits(&self, _limits: &Limits) -> Result<(), RuntimeError> {
        todo!()
    }

    /// Stops every process of the container where it stands (`pause`).
    pub fn freeze(&self) -> Result<(), RuntimeError> {
        todo!()
    }

    pub fn thaw(&self) -> Result<(), RuntimeError> {
        todo!()
    }

    /// Kills every process of the container, frozen or not, and waits until they are gone (at most a second or so).
    pub fn kill_all(&self) -> Result<(), RuntimeError> {
        todo!()
    }

    /// Host pids of all processes of the container.
    pub fn processes(&self) -> Vec<i32> {
        todo!()
    }

    /// Removes the folders. Missing ones are no error; never stops early; gives the first failure.
    pub fn remove(&self) -> Result<(), RuntimeError> {
        todo!()
    }
}

/// Samples many containers again and again: keeps the files open.
#[derive(Debug, Default)]
pub struct Sampler {}

impl Sampler {
    pub fn new() -> Self {
        Self::default()
    }

    /// Counters of one container; `key` tells containers apart (its id).
    pub fn sample(&mut self, _key: &str, _place: &CgroupPlace) -> Sample {
        todo!()
    }

    /// Closes the files of containers whose key is not in `keys`.
    pub fn retain(&mut self, _keep: &dyn Fn(&str) -> bool) {
        todo!()
    }
}
