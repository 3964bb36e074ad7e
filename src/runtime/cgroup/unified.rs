//! A container's group in the v2 hierarchy, with whatever controllers it has there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::counters::{Format, Source};
use super::legacy::maximum;
use super::{Freeze, Group, Subject, Wanted, failed, kill_pids, read_pids, remove_folder, write};
use crate::runtime::RuntimeError;

pub(super) struct Unified {
    folder: PathBuf,
    /// The text of `cgroup.controllers`.
    controllers: String,
}

const FREEZE_PATIENCE: Duration = Duration::from_secs(1);

impl Unified {
    pub fn open(folder: &Path) -> Self {
        let controllers = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        Self { folder: folder.to_owned(), controllers }
    }

    fn has_controller(&self, controller: &str) -> bool {
        self.controllers.split_whitespace().any(|name| name == controller)
    }
}

impl Group for Unified {
    fn has(&self, subject: Subject) -> bool {
        match subject {
            Subject::Cpu => self.has_controller("cpu"),
            // cpu.stat is there without the controller, but in hybrid set-ups v1's accounting comes first.
            Subject::CpuUsage => self.folder.join("cpu.stat").exists(),
            Subject::Memory => self.has_controller("memory"),
            Subject::Pids => self.has_controller("pids"),
            Subject::Disk => self.has_controller("io"),
            // v2's device rules are eBPF programs; containers get no device nodes but bind mounts instead.
            Subject::Devices => false,
            Subject::Freezer => self.folder.join("cgroup.freeze").exists(),
            Subject::Kill => true,
        }
    }

    fn limit(&self, subject: Subject, wanted: &Wanted) -> Result<(), RuntimeError> {
        let file = |name: &str| self.folder.join(name);
        match subject {
            Subject::Memory => {
                if let Some(memory) = wanted.memory_bytes {
                    write(&file("memory.max"), &maximum(memory))?;
                }
                // The file is missing where the kernel does not account swap.
                if let Some(both) = wanted.memory_and_swap_bytes.filter(|_| file("memory.swap.max").exists()) {
                    let swap = if both < 0 { both } else { both - wanted.memory_bytes.unwrap_or(0) };
                    let swap = if swap < 0 { "max".to_owned() } else { swap.to_string() };
                    write(&file("memory.swap.max"), &swap)?;
                }
                Ok(())
            }
            Subject::Cpu => {
                if let Some(shares) = wanted.cpu_shares {
                    write(&file("cpu.weight"), &weight(shares).to_string())?;
                }
                match wanted.cpu_quota_us {
                    Some(quota) => write(&file("cpu.max"), &format!("{} {}", maximum(quota), wanted.cpu_period_us())),
                    None => Ok(()),
                }
            }
            Subject::Pids => write(&file("pids.max"), &maximum(wanted.pids.unwrap_or(-1))),
            Subject::CpuUsage | Subject::Disk | Subject::Devices | Subject::Freezer | Subject::Kill => Ok(()),
        }
    }

    fn counters(&self, subject: Subject) -> Vec<Source> {
        let source = |name: &str, format| Source { path: self.folder.join(name), format };
        match subject {
            Subject::CpuUsage => vec![source("cpu.stat", Format::CpuStat)],
            Subject::Memory => vec![
                source("memory.current", Format::MemoryBytes),
                source("memory.stat", Format::MemoryStat),
                source("memory.events", Format::OutOfMemoryKills),
            ],
            Subject::Pids => vec![source("pids.current", Format::Pids)],
            Subject::Disk => vec![source("io.stat", Format::Disk)],
            Subject::Cpu | Subject::Devices | Subject::Freezer | Subject::Kill => Vec::new(),
        }
    }

    fn freeze(&self, wish: Freeze) -> Result<(), RuntimeError> {
        let (value, state) = if wish == Freeze::Frozen { ("1", "frozen 1") } else { ("0", "frozen 0") };
        write(&self.folder.join("cgroup.freeze"), value)?;
        let events = self.folder.join("cgroup.events");
        let deadline = Instant::now() + FREEZE_PATIENCE;
        loop {
            let text = fs::read_to_string(&events).map_err(|source| failed(&events, source))?;
            if text.lines().any(|line| line == state) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let _ = write(&self.folder.join("cgroup.freeze"), "0");
                return Err(failed(&events, std::io::Error::from(std::io::ErrorKind::TimedOut)));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    fn kill(&self) -> Result<(), RuntimeError> {
        let file = self.folder.join("cgroup.kill");
        // Linux 5.14; before, one by one. A removed group has nobody to kill.
        if file.exists() {
            return write(&file, "1");
        }
        kill_pids(&self.processes());
        Ok(())
    }

    fn processes(&self) -> Vec<i32> {
        read_pids(&self.folder.join("cgroup.procs"))
    }

    fn remove(&self) -> Result<(), RuntimeError> {
        remove_folder(&self.folder)
    }
}

/// v1's shares (2 to 262144) as v2's weight (1 to 10000), by the OCI specification's formula.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group_with(controllers: &str, files: &[&str]) -> (tempfile::TempDir, Unified) {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join("cgroup.controllers"), controllers).expect("controllers");
        for file in files {
            fs::write(folder.path().join(file), "").expect("file");
        }
        let group = Unified::open(folder.path());
        (folder, group)
    }

    #[test]
    fn limits_are_written_to_v2_files() {
        let (folder, group) =
            group_with("cpu memory pids\n", &["memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max"]);
        let wanted = Wanted {
            memory_bytes: Some(100),
            memory_and_swap_bytes: Some(250),
            cpu_quota_us: Some(150_000),
            cpu_shares: Some(1024),
            pids: Some(0),
            ..Wanted::default()
        };
        for subject in [Subject::Memory, Subject::Cpu, Subject::Pids] {
            assert!(group.has(subject));
            group.limit(subject, &wanted).expect("limit");
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("read");
        assert_eq!((read("memory.max"), read("memory.swap.max")), ("100".to_owned(), "150".to_owned()));
        assert_eq!((read("cpu.max"), read("cpu.weight")), ("150000 100000".to_owned(), "39".to_owned()));
        assert_eq!(read("pids.max"), "max");
    }

    #[test]
    fn group_without_controllers_serves_kill_only() {
        let (_folder, group) = group_with("", &[]);
        assert!(group.has(Subject::Kill));
        for subject in [Subject::Memory, Subject::Cpu, Subject::Pids, Subject::Disk, Subject::Freezer] {
            assert!(!group.has(subject), "{subject:?}");
        }
    }

    #[test]
    fn weight_spans_the_range() {
        assert_eq!((weight(2), weight(262_144), weight(0)), (1, 10_000, 1));
    }
}
