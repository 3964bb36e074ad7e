//! A container's groups in v1 hierarchies.

pub(super) mod plan;
pub(super) mod statistics;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;

use super::counters::{Format, Source};
use super::devices::Rules;
use super::{Freeze, Group, Planned, Statistics, Subject, failed, kill_pids, read_below, remove_folder, write};
use crate::runtime::RuntimeError;

/// Folders as in [`super::CgroupPlace::legacy`].
pub(super) struct Legacy<'a> {
    pub folders: Vec<&'a (String, PathBuf)>,
}

/// How long freezing may take before it is given up: a process in uninterruptible sleep does not freeze.
const FREEZE_PATIENCE: Duration = Duration::from_secs(5);

impl Legacy<'_> {
    fn folder(&self, subject: Subject) -> Option<&Path> {
        if subject == Subject::Kill {
            // Any will do: the same processes are in all of them.
            return self.folders.first().map(|(_, folder)| folder.as_path());
        }
        let controller = controller(subject)?;
        let serves = |names: &str| names.split(',').any(|name| name == controller);
        self.folders.iter().find(|(names, _)| serves(names)).map(|(_, folder)| folder.as_path())
    }
}

/// v1's name of what serves a subject.
pub(super) fn controller(subject: Subject) -> Option<&'static str> {
    Some(match subject {
        Subject::Cpu => "cpu",
        Subject::CpuUsage => "cpuacct",
        Subject::Cpuset => "cpuset",
        Subject::Memory => "memory",
        Subject::Pids => "pids",
        Subject::Disk => "blkio",
        Subject::HugePages => "hugetlb",
        Subject::NetworkClass => "net_cls",
        Subject::NetworkPriority => "net_prio",
        Subject::Rdma => "rdma",
        Subject::Devices => "devices",
        Subject::Freezer => "freezer",
        Subject::UnifiedMap | Subject::Kill => return None,
    })
}

impl Group for Legacy<'_> {
    fn has(&self, subject: Subject) -> bool {
        self.folder(subject).is_some()
    }

    fn plan(&self, subject: Subject, resources: &LinuxResources) -> Result<Planned, RuntimeError> {
        let Some(folder) = self.folder(subject) else { return Ok(Planned::default()) };
        let mut plan = plan::plan(subject, resources, Some(folder))?;
        plan.check(folder)?;
        Ok(Planned { plan, folder: folder.to_owned() })
    }

    fn limit_devices(&self, rules: &Rules) -> Result<(), RuntimeError> {
        let Some(folder) = self.folder(Subject::Devices) else { return Ok(()) };
        rules.lines().write(folder)
    }

    fn counters(&self, subject: Subject) -> Vec<Source> {
        let Some(folder) = self.folder(subject) else { return Vec::new() };
        let source = |name: &str, format| Source { path: folder.join(name), format };
        match subject {
            Subject::Cpu => vec![source("cpu.stat", Format::CpuThrottlingLegacy)],
            Subject::CpuUsage => vec![source("cpuacct.usage", Format::CpuNanoseconds)],
            Subject::Memory => vec![
                source("memory.usage_in_bytes", Format::MemoryBytes),
                source("memory.stat", Format::MemoryStatLegacy),
                source("memory.oom_control", Format::OutOfMemoryKills),
            ],
            Subject::Pids => vec![source("pids.current", Format::Pids)],
            Subject::Disk => vec![source("blkio.throttle.io_service_bytes_recursive", Format::DiskLegacy)],
            _ => Vec::new(),
        }
    }

    fn report(&self, subject: Subject, statistics: &mut Statistics) {
        let Some(folder) = self.folder(subject) else { return };
        match subject {
            Subject::Rdma => super::unified::report_rdma(folder, statistics),
            subject => statistics::fill(subject, folder, statistics),
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

    fn is_frozen(&self) -> bool {
        let state = |folder: &Path| std::fs::read_to_string(folder.join("freezer.state")).ok();
        self.folder(Subject::Freezer).and_then(state).is_some_and(|state| state.trim() != "THAWED")
    }

    fn kill(&self) -> Result<(), RuntimeError> {
        kill_pids(&self.processes());
        Ok(())
    }

    fn hurry(&self) {
        if let Some(folder) = self.folder(Subject::Cpu) {
            let _ = write(&folder.join("cpu.idle"), "0");
            let _ = write(&folder.join("cpu.cfs_quota_us"), "-1");
        }
    }

    fn processes(&self) -> Vec<i32> {
        self.folder(Subject::Kill).map(read_below).unwrap_or_default()
    }

    fn remove(&self) -> Result<(), RuntimeError> {
        let mut first = Ok(());
        for (_, folder) in &self.folders {
            let removed = remove_folder(folder);
            if first.is_ok() {
                first = removed;
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn resources(value: serde_json::Value) -> LinuxResources {
        serde_json::from_value(value).expect("resources")
    }

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
        let folders = ("memory,cpu,pids".to_owned(), folder.path().to_owned());
        let group = Legacy { folders: vec![&folders] };
        let wanted = resources(serde_json::json!({
            "memory": {"limit": 1_048_576, "swap": 2_097_152},
            "cpu": {"quota": 50_000, "period": 100_000, "shares": 512},
            "pids": {"limit": 7},
        }));
        for subject in [Subject::Memory, Subject::Cpu, Subject::Pids] {
            let planned = group.plan(subject, &wanted).expect("plan");
            planned.plan.write(&planned.folder).expect("write");
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("read");
        assert_eq!(read("memory.limit_in_bytes"), "1048576");
        assert_eq!(read("memory.memsw.limit_in_bytes"), "2097152");
        assert_eq!((read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")), ("50000".to_owned(), "100000".to_owned()));
        assert_eq!((read("cpu.shares"), read("pids.max")), ("512".to_owned(), "7".to_owned()));
    }

    #[test]
    fn missing_limit_file_is_an_error_that_names_field_and_file() {
        let folder = folder_with(&[]);
        let folders = ("pids".to_owned(), folder.path().to_owned());
        let wanted = resources(serde_json::json!({"pids": {"limit": 1}}));
        let error = Legacy { folders: vec![&folders] }.plan(Subject::Pids, &wanted).expect_err("missing").to_string();
        assert!(error.starts_with("linux.resources.pids.limit: ") && error.contains("pids.max"), "{error}");
    }
}
