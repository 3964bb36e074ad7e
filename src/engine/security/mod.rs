//! `inspect --security`: what keeps a running container apart from the machine, read back from the kernel, and how that compares with the
//! default. The configuration is looked at only to name the flag that is the reason of a difference.

mod facts;
mod judge;

use std::path::Path;

use super::state::Life;
use super::{Engine, EngineError, Result};
use crate::model::SecurityReport;

impl Engine {
    /// What the kernel says of a running container's main process, judged.
    pub fn security(&self, target: &str) -> Result<SecurityReport> {
        let record = self.find(target)?;
        let not_running = || EngineError::NotRunning { name: record.name.clone() };
        let pid = self.state(target)?.pid().ok_or_else(not_running)?;
        let proc = Path::new("/proc");
        let processes = self.top(target)?;
        // teu's own init stands before the command and is not what the image's code can do.
        let command = processes.iter().find(|process| record.config.init && process.parent == pid);
        let pid = command.map_or(pid, |command| command.pid);
        let pids: Vec<i32> = processes.iter().map(|process| process.pid).collect();
        let facts = facts::read(proc, pid).map_err(EngineError::io("read", &proc.join(pid.to_string())))?;
        let groups = match self.0.life(&record.id)? {
            Life::Up(up) => facts::groups(&up.cgroup),
            _ => facts::Groups::default(),
        };
        let around = judge::Around {
            rootless: !rustix::process::geteuid().is_root(),
            limits: groups.limits,
            all_devices: groups.all_devices,
            processes_of_teu: executing_teu(&pids),
            exists: &|path| Path::new(path).exists(),
        };
        Ok(judge::report(&record, pid, facts, &around))
    }
}

/// How many of the processes execute the file that this process executes.
fn executing_teu(pids: &[i32]) -> usize {
    use std::os::unix::fs::MetadataExt;
    let file = |pid: &str| std::fs::metadata(format!("/proc/{pid}/exe")).map(|found| (found.dev(), found.ino())).ok();
    let own = file("self");
    pids.iter().filter(|pid| own.is_some() && file(&pid.to_string()) == own).count()
}
