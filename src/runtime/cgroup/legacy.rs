//! A container's groups in v1 hierarchies.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::counters::{Format, Source};
use super::{Freeze, Group, Subject, Wanted, failed, kill_pids, read_pids, remove_folder, write, write_io};
use crate::runtime::RuntimeError;

/// Folders as in [`super::CgroupPlace::legacy`].
pub(super) struct Legacy<'a> {
    pub folders: &'a [(String, PathBuf)],
}

/// How long freezing may take before it is given up: a process in uninterruptible sleep does not freeze.
const FREEZE_PATIENCE: Duration = Duration::from_secs(1);

impl Legacy<'_> {
    fn folder(&self, subject: Subject) -> Option<&Path> {
        let controller = match subject {
            Subject::Cpu => "cpu",
            Subject::CpuUsage => "cpuacct",
            Subject::Memory => "memory",
            Subject::Pids => "pids",
            Subject::Disk => "blkio",
            Subject::Devices => "devices",
            Subject::Freezer => "freezer",
            // Any will do: the same processes are in all of them.
            Subject::Kill => return self.folders.first().map(|(_, folder)| folder.as_path()),
        };
        let serves = |names: &str| names.split(',').any(|name| name == controller);
        self.folders.iter().find(|(names, _)| serves(names)).map(|(_, folder)| folder.as_path())
    }
}

impl Group for Legacy<'_> {
    fn has(&self, subject: Subject) -> bool {
        self.folder(subject).is_some()
    }

    fn limit(&self, subject: Subject, wanted: &Wanted) -> Result<(), RuntimeError> {
        let Some(folder) = self.folder(subject) else { return Ok(()) };
        match subject {
            Subject::Memory => limit_memory(folder, wanted),
            Subject::Cpu => limit_cpu(folder, wanted),
            Subject::Pids => write(&folder.join("pids.max"), &maximum(wanted.pids.unwrap_or(-1))),
            Subject::Devices => {
                for rule in &wanted.devices {
                    let file = folder.join(if rule.allow { "devices.allow" } else { "devices.deny" });
                    // `a *:* rwm` must be written as `a`.
                    let line = if rule.line.starts_with('a') { "a" } else { &rule.line };
                    write(&file, line)?;
                }
                Ok(())
            }
            Subject::CpuUsage | Subject::Disk | Subject::Freezer | Subject::Kill => Ok(()),
        }
    }

    fn counters(&self, subject: Subject) -> Vec<Source> {
        let Some(folder) = self.folder(subject) else { return Vec::new() };
        let source = |name: &str, format| Source { path: folder.join(name), format };
        match subject {
            Subject::CpuUsage => vec![source("cpuacct.usage", Format::CpuNanoseconds)],
            Subject::Memory => vec![
                source("memory.usage_in_bytes", Format::MemoryBytes),
                source("memory.stat", Format::MemoryStatLegacy),
                source("memory.oom_control", Format::OutOfMemoryKills),
            ],
            Subject::Pids => vec![source("pids.current", Format::Pids)],
            Subject::Disk => vec![source("blkio.throttle.io_service_bytes_recursive", Format::DiskLegacy)],
            Subject::Cpu | Subject::Devices | Subject::Freezer | Subject::Kill => Vec::new(),
        }
    }

    fn freeze(&self, wish: Freeze) -> Result<(), RuntimeError> {
        let Some(folder) = self.folder(Subject::Freezer) else { return Ok(()) };
        let file = folder.join("freezer.state");
        let word = if wish == Freeze::Frozen { "FROZEN" } else { "THAWED" };
        let deadline = Instant::now() + FREEZE_PATIENCE;
        loop {
            write(&file, word)?;
            let state = std::fs::read_to_string(&file).map_err(|source| failed(&file, source))?;
            if state.trim() == word {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let _ = write(&file, "THAWED");
                return Err(failed(&file, std::io::Error::from(std::io::ErrorKind::TimedOut)));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn kill(&self) -> Result<(), RuntimeError> {
        kill_pids(&self.processes());
        Ok(())
    }

    fn processes(&self) -> Vec<i32> {
        self.folder(Subject::Kill).map(|folder| read_pids(&folder.join("cgroup.procs"))).unwrap_or_default()
    }

    fn remove(&self) -> Result<(), RuntimeError> {
        let mut first = Ok(());
        for (_, folder) in self.folders {
            let removed = remove_folder(folder);
            if first.is_ok() {
                first = removed;
            }
        }
        first
    }
}

/// The two limits guard each other (memory ≤ memory and swap), so raising needs the other order than lowering.
fn limit_memory(folder: &Path, wanted: &Wanted) -> Result<(), RuntimeError> {
    let memory = (folder.join("memory.limit_in_bytes"), wanted.memory_bytes);
    // The file is missing where the kernel does not account swap.
    let both = (folder.join("memory.memsw.limit_in_bytes"), wanted.memory_and_swap_bytes);
    let both = if both.0.exists() { both } else { (both.0, None) };
    let write_one = |(file, value): &(PathBuf, Option<i64>)| match value {
        Some(value) => write_io(file, &value.to_string()),
        None => Ok(()),
    };
    if write_one(&memory).is_ok() {
        return write_one(&both).map_err(|source| failed(&both.0, source));
    }
    write_one(&both).map_err(|source| failed(&both.0, source))?;
    write_one(&memory).map_err(|source| failed(&memory.0, source))
}

fn limit_cpu(folder: &Path, wanted: &Wanted) -> Result<(), RuntimeError> {
    if let Some(shares) = wanted.cpu_shares {
        write(&folder.join("cpu.shares"), &shares.to_string())?;
    }
    if let Some(quota) = wanted.cpu_quota_us {
        write(&folder.join("cpu.cfs_period_us"), &wanted.cpu_period_us().to_string())?;
        write(&folder.join("cpu.cfs_quota_us"), &quota.to_string())?;
    }
    Ok(())
}

/// The kernel's word for a number of processes; not positive is no limit.
pub(super) fn maximum(value: i64) -> String {
    if value > 0 { value.to_string() } else { "max".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::runtime::cgroup::limits::DeviceRule;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("temporary folder");
        for file in files {
            fs::write(folder.path().join(file), "").expect("file");
        }
        folder
    }

    #[test]
    fn limits_are_written_to_v1_files() {
        let folder = folder_with(&[
            "memory.limit_in_bytes",
            "memory.memsw.limit_in_bytes",
            "cpu.cfs_quota_us",
            "cpu.cfs_period_us",
            "cpu.shares",
            "pids.max",
        ]);
        let folders = [("memory,cpu,pids".to_owned(), folder.path().to_owned())];
        let group = Legacy { folders: &folders };
        let wanted = Wanted {
            memory_bytes: Some(1 << 20),
            memory_and_swap_bytes: Some(2 << 20),
            cpu_quota_us: Some(50_000),
            cpu_shares: Some(512),
            pids: Some(7),
            ..Wanted::default()
        };
        for subject in [Subject::Memory, Subject::Cpu, Subject::Pids] {
            group.limit(subject, &wanted).expect("limit");
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("read");
        assert_eq!(read("memory.limit_in_bytes"), "1048576");
        assert_eq!(read("memory.memsw.limit_in_bytes"), "2097152");
        assert_eq!((read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")), ("50000".to_owned(), "100000".to_owned()));
        assert_eq!((read("cpu.shares"), read("pids.max")), ("512".to_owned(), "7".to_owned()));
    }

    #[test]
    fn memory_limit_without_swap_accounting_writes_the_one_file() {
        let folder = folder_with(&["memory.limit_in_bytes"]);
        let wanted = Wanted { memory_bytes: Some(9), memory_and_swap_bytes: Some(18), ..Wanted::default() };
        limit_memory(folder.path(), &wanted).expect("limit");
        assert!(!folder.path().join("memory.memsw.limit_in_bytes").exists());
    }

    #[test]
    fn device_rules_go_to_allow_and_deny() {
        let folder = folder_with(&["devices.allow", "devices.deny"]);
        let folders = [("devices".to_owned(), folder.path().to_owned())];
        let rule = |allow, line: &str| DeviceRule { allow, line: line.to_owned() };
        let wanted = Wanted { devices: vec![rule(false, "a *:* rwm"), rule(true, "c 1:3 rwm")], ..Wanted::default() };
        Legacy { folders: &folders }.limit(Subject::Devices, &wanted).expect("limit");
        assert_eq!(fs::read_to_string(folder.path().join("devices.deny")).expect("read"), "a");
        assert_eq!(fs::read_to_string(folder.path().join("devices.allow")).expect("read"), "c 1:3 rwm");
    }

    #[test]
    fn missing_limit_file_is_an_error_that_names_it() {
        let folder = folder_with(&[]);
        let folders = [("pids".to_owned(), folder.path().to_owned())];
        let wanted = Wanted { pids: Some(1), ..Wanted::default() };
        let error = Legacy { folders: &folders }.limit(Subject::Pids, &wanted).expect_err("missing");
        assert!(error.to_string().contains("pids.max"), "{error}");
    }
}
