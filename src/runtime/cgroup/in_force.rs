//! The limits that the kernel enforces on a container now, read back from its files.

use std::path::{Path, PathBuf};

use super::{CgroupPlace, Subject};
use crate::model::Limits;

/// v1 writes "no limit" as the greatest number of whole pages.
const BEYOND_ANY_MACHINE: u64 = 1 << 60;

impl CgroupPlace {
    /// Memory, pids, cpu quota and period, as the kernel's files say. `None` is no limit, and also what no cgroup here can limit.
    pub fn limits_in_force(&self) -> Limits {
        let folder = |subject| self.folder_of(subject);
        let memory = folder(Subject::Memory);
        let cpu = folder(Subject::Cpu).or_else(|| folder(Subject::CpuUsage));
        let (quota, period) = cpu.as_deref().map(quota_in).unwrap_or_default();
        Limits {
            memory_bytes: memory
                .and_then(|memory| first_number(&memory, &["memory.max", "memory.limit_in_bytes"]))
                .filter(|bytes| *bytes < BEYOND_ANY_MACHINE),
            pids: folder(Subject::Pids).and_then(|pids| first_number(&pids, &["pids.max"])),
            cpu_period_us: quota.and(period),
            cpu_quota_us: quota,
            ..Limits::default()
        }
    }

    fn folder_of(&self, subject: Subject) -> Option<PathBuf> {
        let counters = self.first_with(subject)?.counters(subject);
        Some(counters.first()?.path.parent()?.to_owned())
    }
}

/// Quota and period in microseconds.
fn quota_in(folder: &Path) -> (Option<u64>, Option<u64>) {
    match std::fs::read_to_string(folder.join("cpu.max")) {
        Ok(text) => {
            let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
            (words.next().flatten(), words.next().flatten())
        }
        Err(_) => (first_number(folder, &["cpu.cfs_quota_us"]), first_number(folder, &["cpu.cfs_period_us"])),
    }
}

/// The number in the first of these files that is there; `max` and `-1` are none.
fn first_number(folder: &Path, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| std::fs::read_to_string(folder.join(name)).ok())?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn v1_files_say_what_holds() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (name, text) in [
            ("memory.limit_in_bytes", "67108864\n"),
            ("cpu.cfs_quota_us", "50000\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("pids.max", "max\n"),
        ] {
            fs::write(folder.path().join(name), text).expect("file");
        }
        let names = "cpu,cpuacct,memory,pids".to_owned();
        let place = CgroupPlace { legacy: vec![(names, folder.path().to_owned())], ..CgroupPlace::default() };
        let held = Limits {
            memory_bytes: Some(64 << 20),
            cpu_quota_us: Some(50_000),
            cpu_period_us: Some(100_000),
            ..Limits::default()
        };
        assert_eq!(place.limits_in_force(), held);
        fs::write(folder.path().join("memory.limit_in_bytes"), "9223372036854771712\n").expect("file");
        fs::write(folder.path().join("cpu.cfs_quota_us"), "-1\n").expect("file");
        assert_eq!(place.limits_in_force(), Limits::default());
    }

    #[test]
    fn v2_files_say_what_holds() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (name, text) in [
            ("cgroup.controllers", "cpu memory pids\n"),
            ("memory.max", "67108864\n"),
            ("cpu.max", "max 100000\n"),
            ("cpu.stat", ""),
            ("pids.max", "20\n"),
        ] {
            fs::write(folder.path().join(name), text).expect("file");
        }
        let place = CgroupPlace { unified: Some(folder.path().to_owned()), ..CgroupPlace::default() };
        let held = Limits { memory_bytes: Some(64 << 20), pids: Some(20), ..Limits::default() };
        assert_eq!(place.limits_in_force(), held);
    }
}
