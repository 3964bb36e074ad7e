//! A container's group in the v2 hierarchy, with whatever controllers it has there.

pub(super) mod plan;
mod statistics;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;

use super::counters::{Format, Source};
use super::devices::{self, Rules};
use super::{Freeze, Group, Planned, Statistics, Subject, failed, kill_pids, read_below, remove_folder, write};
use crate::runtime::RuntimeError;

pub(super) use statistics::{fill_pressure as report_pressure, rdma as report_rdma};

pub(super) struct Unified {
    folder: PathBuf,
    /// The text of `cgroup.controllers`.
    controllers: String,
}

const FREEZE_PATIENCE: Duration = Duration::from_secs(5);

impl Unified {
    pub fn open(folder: &Path) -> Self {
        let controllers = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
        Self { folder: folder.to_owned(), controllers }
    }

    fn has_controller(&self, controller: &str) -> bool {
        self.controllers.split_whitespace().any(|name| name == controller)
    }
}

/// v2's name of what serves a subject.
pub(super) fn controller(subject: Subject) -> Option<&'static str> {
    match subject {
        Subject::Disk => Some("io"),
        Subject::NetworkClass | Subject::NetworkPriority | Subject::Devices | Subject::Freezer => None,
        subject => super::legacy::controller(subject),
    }
}

/// Enables a controller for a group in all groups above it, as far as this user may. A group that has processes of its
/// own gives none (cgroups(7), "no internal processes").
pub(super) fn enable_above(folder: &Path, controller: &str) {
    let Some(parent) = folder.parent() else { return };
    let among = |folder: &Path, file: &str| {
        fs::read_to_string(folder.join(file))
            .is_ok_and(|text| text.split_ascii_whitespace().any(|name| name == controller))
    };
    if !parent.join("cgroup.controllers").exists() {
        return;
    }
    if !among(parent, "cgroup.controllers") {
        enable_above(parent, controller);
    }
    if !among(parent, "cgroup.subtree_control") {
        // What cannot be enabled shows as a missing controller in the group, and limits on it are refused.
        let _ = write(&parent.join("cgroup.subtree_control"), &format!("+{controller}"));
    }
}

/// Files with the pressure on a group, which v2 counts whatever controllers it has.
pub(super) fn pressure_counters(folder: &Path) -> Vec<Source> {
    let files = [
        ("cpu.pressure", Format::CpuPressure),
        ("memory.pressure", Format::MemoryPressure),
        ("io.pressure", Format::DiskPressure),
    ];
    files.into_iter().map(|(name, format)| Source { path: folder.join(name), format }).collect()
}

impl Group for Unified {
    fn has(&self, subject: Subject) -> bool {
        match subject {
            // cpu.stat is there without the controller, but in hybrid set-ups v1's accounting comes first.
            Subject::CpuUsage => self.folder.join("cpu.stat").exists(),
            Subject::Freezer => self.folder.join("cgroup.freeze").exists(),
            Subject::Devices | Subject::UnifiedMap | Subject::Kill => true,
            subject => controller(subject).is_some_and(|controller| self.has_controller(controller)),
        }
    }

    fn plan(&self, subject: Subject, resources: &LinuxResources) -> Result<Planned, RuntimeError> {
        let mut plan = plan::plan(subject, resources, &self.folder)?;
        plan.check(&self.folder)?;
        Ok(Planned { plan, folder: self.folder.clone() })
    }

    fn limit_devices(&self, rules: &Rules) -> Result<(), RuntimeError> {
        devices::attach(&self.folder, rules)
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
            _ => Vec::new(),
        }
    }

    fn report(&self, subject: Subject, statistics: &mut Statistics) {
        statistics::fill(subject, &self.folder, statistics);
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

    fn is_frozen(&self) -> bool {
        fs::read_to_string(self.folder.join("cgroup.freeze")).is_ok_and(|text| text.trim() == "1")
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

    fn hurry(&self) {
        let _ = write(&self.folder.join("cpu.idle"), "0");
        let _ = write(&self.folder.join("cpu.max"), "max");
    }

    fn processes(&self) -> Vec<i32> {
        read_below(&self.folder)
    }

    fn remove(&self) -> Result<(), RuntimeError> {
        remove_folder(&self.folder)
    }
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
        let wanted = serde_json::json!({
            "memory": {"limit": 100, "swap": 250},
            "cpu": {"quota": 150_000, "shares": 1024},
            "pids": {"limit": 0},
        });
        let wanted: LinuxResources = serde_json::from_value(wanted).expect("resources");
        for subject in [Subject::Memory, Subject::Cpu, Subject::Pids] {
            assert!(group.has(subject));
            let planned = group.plan(subject, &wanted).expect("plan");
            planned.plan.write(&planned.folder).expect("write");
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("read");
        assert_eq!((read("memory.max"), read("memory.swap.max")), ("100".to_owned(), "150".to_owned()));
        assert_eq!((read("cpu.max"), read("cpu.weight")), ("150000 100000".to_owned(), "100".to_owned()));
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
}
