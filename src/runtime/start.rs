//! Starts a container: clones its first process, which sets itself up and executes the command.

use super::{RuntimeError, StartRequest, Started, Stdio};

/// Starts the container and returns once its command runs. On failure everything is undone.
///
/// The caller must have a single thread and owns the process: it reaps it and removes its cgroup in the end.
pub fn start(_request: &StartRequest, _stdio: &Stdio) -> Result<Started, RuntimeError> {
    todo!()
}
