//! How soon the kernel kills the process when memory runs out (proc_pid_oom_score_adj(5)).

use oci_spec::runtime::Process;

use crate::runtime::RuntimeError;

/// Writes what the specification wishes, for `pid` or, while /proc is still the host's, for this process.
pub fn set(process: &Process, pid: Option<i32>) -> Result<(), RuntimeError> {
    let Some(score) = process.oom_score_adj() else { return Ok(()) };
    let who = pid.map_or("self".to_owned(), |pid| pid.to_string());
    std::fs::write(format!("/proc/{who}/oom_score_adj"), score.to_string())
        .map_err(|error| RuntimeError::step(format!("process.oomScoreAdj: set {score}"), error))
}
