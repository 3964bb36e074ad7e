//! `pause` and `unpause`: the freezer of the container's cgroup.

use super::{Engine, Result};

impl Engine {
    /// Stops every process of a running container from being scheduled.
    pub fn pause(&self, _target: &str) -> Result<()> {
        todo!()
    }

    /// Lets a paused container go on.
    pub fn unpause(&self, _target: &str) -> Result<()> {
        todo!()
    }
}
