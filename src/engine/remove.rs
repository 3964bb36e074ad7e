//! `rm`: the container's folders, its name, and with force its processes.

use super::{Engine, Result};

impl Engine {
    /// Removes a container with its writable layer and log. A running one only with `force`, by SIGKILL.
    pub fn remove(&self, _target: &str, _force: bool) -> Result<()> {
        todo!()
    }
}
