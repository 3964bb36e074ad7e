//! The last group: the container's processes as /proc shows them, where the kernel gave no cgroup.

use std::fs;

use oci_spec::runtime::LinuxResources;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::counters::Source;
use super::devices::Rules;
use super::{Freeze, Group, Planned, Statistics, Subject};
use crate::model::Sample;
use crate::runtime::RuntimeError;

pub(super) struct Processes {
    pub pid: i32,
    pub pid_start: u64,
}

/// What /proc/PID/stat says of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: i32,
    cpu_ticks: u64,
    threads: u64,
    start: u64,
}

impl Processes {
    fn is_alive(&self) -> bool {
        self.pid > 0 && start_time(self.pid) == Some(self.pid_start)
    }

    /// As [`Self::sample`], into statistics.
    pub fn report_missing(&self, statistics: &mut Statistics) {
        let mut sample = Sample::default();
        self.sample(&mut sample);
        let fill = |field: &mut u64, found: Option<u64>| {
            if *field == 0 {
                *field = found.unwrap_or(0);
            }
        };
        fill(&mut statistics.cpu.usage.total, sample.cpu_ns);
        fill(&mut statistics.memory.usage.usage, sample.memory_bytes);
        fill(&mut statistics.pids.current, sample.pids);
    }

    /// Fills what no cgroup counted. cpu includes what reaped children used, so that it hardly ever goes back.
    pub fn sample(&self, sample: &mut Sample) {
        sample.from_proc = true;
        let processes = self.processes();
        let ns_per_tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        let page = rustix::param::page_size() as u64;
        let (mut cpu_ns, mut memory_bytes, mut threads) = (0, 0, 0);
        for pid in &processes {
            let Some(stat) = read_stat(*pid) else { continue };
            cpu_ns += stat.cpu_ticks * ns_per_tick;
            threads += stat.threads;
            memory_bytes += own_pages(*pid) * page;
        }
        sample.cpu_ns = sample.cpu_ns.or(Some(cpu_ns));
        sample.memory_bytes = sample.memory_bytes.or(Some(memory_bytes));
        sample.pids = sample.pids.or(Some(threads));
    }
}

impl Group for Processes {
    fn has(&self, subject: Subject) -> bool {
        subject == Subject::Kill && self.pid > 0
    }

    fn plan(&self, _subject: Subject, _resources: &LinuxResources) -> Result<Planned, RuntimeError> {
        Ok(Planned::default())
    }

    fn limit_devices(&self, _rules: &Rules) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn counters(&self, _subject: Subject) -> Vec<Source> {
        Vec::new()
    }

    fn report(&self, _subject: Subject, _statistics: &mut Statistics) {}

    fn freeze(&self, _wish: Freeze) -> Result<(), RuntimeError> {
        Err(RuntimeError::NoCgroup("pausing a container"))
    }

    fn is_frozen(&self) -> bool {
        false
    }

    /// Killing the first process of a pid namespace kills all of them.
    fn kill(&self) -> Result<(), RuntimeError> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
        // The pidfd pins the process, so that the check and the kill are about the same one.
        if self.is_alive() {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        }
        Ok(())
    }

    /// Nothing limits them.
    fn hurry(&self) {}

    /// The first process, its descendants, and exec sessions: children of its parent (the monitor) and theirs.
    fn processes(&self) -> Vec<i32> {
        let Some(first) = read_stat(self.pid).filter(|stat| stat.start == self.pid_start) else { return Vec::new() };
        let mut found = if first.parent > 1 { children(first.parent) } else { vec![self.pid] };
        let mut next = 0;
        while let Some(pid) = found.get(next) {
            let more = children(*pid);
            found.extend(more);
            next += 1;
        }
        // A zombie is gone already; it waits only to be reaped.
        found.retain(|pid| !is_zombie(*pid));
        found
    }

    fn remove(&self) -> Result<(), RuntimeError> {
        Ok(())
    }
}

/// A process's start time in clock ticks after boot: with the pid it names a process for good.
pub(super) fn start_time(pid: i32) -> Option<u64> {
    read_stat(pid).map(|stat| stat.start)
}

fn is_zombie(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z') || rest.starts_with('X'))
}

fn read_stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc_pid_stat(5). The name in parentheses may contain anything, so fields are counted after the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
    Some(Stat {
        parent: field(4).and_then(|parent| i32::try_from(parent).ok())?,
        cpu_ticks: field(14)? + field(15)? + field(16)? + field(17)?,
        threads: field(20)?,
        start: field(22)?,
    })
}

/// Resident pages that are not of files or shared: statm's resident less shared.
fn own_pages(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut figures = text.split(' ').map(|figure| figure.parse::<u64>().unwrap_or(0));
    let resident = figures.nth(1).unwrap_or(0);
    resident.saturating_sub(figures.next().unwrap_or(0))
}

/// Direct children of every thread (CONFIG_PROC_CHILDREN).
fn children(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_hostile_name_is_parsed() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 4 0 0 0 0 1 2 3 4 20 0 5 0 99 0 0\n";
        assert_eq!(parse_stat(text), Some(Stat { parent: 3, cpu_ticks: 10, threads: 5, start: 99 }));
    }

    #[test]
    fn sample_of_own_process_has_memory_and_threads() {
        let mut child = std::process::Command::new("/bin/sleep").arg("30").spawn().expect("sleep");
        let pid = i32::try_from(child.id()).expect("pid");
        let group = Processes { pid, pid_start: start_time(pid).expect("alive") };
        let mut sample = Sample::default();
        group.sample(&mut sample);
        assert!(sample.from_proc && sample.memory_bytes.is_some_and(|bytes| bytes > 0));
        assert!(sample.pids.is_some_and(|pids| pids >= 1));
        group.kill().expect("kill");
        child.wait().expect("wait");
        assert!(group.processes().is_empty());
    }

    #[test]
    fn kill_of_reused_pid_spares_the_stranger() {
        let mut child = std::process::Command::new("/bin/sleep").arg("30").spawn().expect("sleep");
        let pid = i32::try_from(child.id()).expect("pid");
        Processes { pid, pid_start: 1 }.kill().expect("kill");
        assert!(child.try_wait().expect("wait").is_none(), "a process with another start time lives on");
        child.kill().expect("kill");
        child.wait().expect("wait");
    }
}
