//! Control groups: v1, v2 and hybrid, with the roots passed in, so that all of it is tested in a folder.
//!
//! A container's groups are an ordered list of `Group`s: what v1 hierarchies there are, the v2 hierarchy, and last its
//! processes as /proc shows them. Each subject (memory, cpu, …) is served by the first group that has it.

mod apply;
mod below;
mod counters;
mod create;
mod devices;
mod figures;
mod in_force;
mod legacy;
mod oom;
mod plan;
mod processes;
mod roots;
mod sampler;
pub mod statistics;
mod systemd;
mod unified;
mod wish;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};

pub(super) use create::{Membership, create, enter};
pub use oom::OomWatch;
pub use roots::Roots;
pub use sampler::Sampler;
pub use statistics::Statistics;
pub use wish::{CgroupDriver, CgroupWish, Unit};

use super::RuntimeError;
use crate::model::Sample;

/// What a controller is about. Words of the kernel; `cpuacct` is v1's name for a part of `cpu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Cpu,
    CpuUsage,
    Cpuset,
    Memory,
    Pids,
    Disk,
    HugePages,
    NetworkClass,
    NetworkPriority,
    Rdma,
    /// The specification's `unified`: files of v2 by name.
    UnifiedMap,
    Devices,
    Freezer,
    Kill,
}

/// A container's group in one version of cgroups.
trait Group {
    fn has(&self, subject: Subject) -> bool;
    /// What one subject's files are to hold. Fails when a file is missing that is not to be done without.
    fn plan(&self, subject: Subject, resources: &LinuxResources) -> Result<Planned, RuntimeError>;
    fn limit_devices(&self, rules: &devices::Rules) -> Result<(), RuntimeError>;
    /// Files with one subject's counters.
    fn counters(&self, subject: Subject) -> Vec<counters::Source>;
    /// Fills all that is counted of one subject.
    fn report(&self, subject: Subject, statistics: &mut Statistics);
    fn freeze(&self, wish: Freeze) -> Result<(), RuntimeError>;
    /// Whether it is stopped, or about to be.
    fn is_frozen(&self) -> bool;
    /// Sends SIGKILL to every process in it.
    fn kill(&self) -> Result<(), RuntimeError>;
    /// Takes away what keeps its processes from the processors: dying takes processor time as well. What fails is passed over.
    fn hurry(&self);
    fn processes(&self) -> Vec<i32>;
    fn remove(&self) -> Result<(), RuntimeError>;
}

/// One subject's entries and the folder they belong to.
#[derive(Debug, Default)]
struct Planned {
    plan: plan::Plan,
    folder: PathBuf,
}

/// Stop where they stand, or go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freeze {
    Frozen,
    Thawed,
}

/// Where a container's cgroups are, and its first process. Kept by the monitor in its state file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPlace {
    /// The path below the hierarchies' roots, such as `teu/<id>`. Empty where the kernel gave no cgroup.
    pub name: String,
    /// v1 hierarchies: the controllers' names, joined by commas, and the container's folder.
    pub legacy: Vec<(String, PathBuf)>,
    /// The folder in the v2 hierarchy. In hybrid set-ups it has no controllers, but kills and freezes.
    pub unified: Option<PathBuf>,
    /// v1 hierarchies that the container joins when somebody wants a limit there, and its folder if it does.
    #[serde(default)]
    pub spare: Vec<(String, PathBuf)>,
    /// The unit whose groups these are, if systemd made them.
    #[serde(default)]
    pub unit: Option<Unit>,
    /// The first process, and its start time in clock ticks (so that a reused pid is not mistaken for it).
    pub pid: i32,
    pub pid_start: u64,
    /// The container has a network namespace of its own, so its network counters are meaningful.
    pub own_network: bool,
}

/// Subjects with statistics.
const COUNTED: [Subject; 8] = [
    Subject::CpuUsage,
    Subject::Cpu,
    Subject::Cpuset,
    Subject::Memory,
    Subject::Pids,
    Subject::Disk,
    Subject::HugePages,
    Subject::Rdma,
];

/// How long [`CgroupPlace::kill_all`] waits for the killed to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(2);
/// Killed processes that live longer are kept from the processors by a limit of theirs, or the machine is busy.
const USUAL_DEATH: Duration = Duration::from_millis(30);

impl CgroupPlace {
    /// The path below the hierarchies' roots; none where the kernel gave no cgroup.
    pub fn path(&self) -> Option<String> {
        Some(self.name.clone()).filter(|name| !name.is_empty())
    }

    /// Fails if the wished groups are somebody else's. To be asked before the wish is written down: who finds it later, its
    /// writer killed, ends what is in these groups.
    pub fn refuse_foreign(wish: &CgroupWish) -> Result<(), RuntimeError> {
        create::refuse_foreign(&Roots::discover(), &wish.path())
    }

    /// The groups that are there of those wished: what a creator that was killed left before it wrote down its place.
    pub fn find(wish: &CgroupWish) -> Self {
        let name = wish.path();
        let roots = Roots::discover();
        let below = |hierarchies: Vec<(String, PathBuf)>| {
            hierarchies.into_iter().map(|(controllers, root)| (controllers, root.join(&name)))
        };
        Self {
            legacy: below(roots.legacy).filter(|(_, folder)| folder.exists()).collect(),
            spare: below(roots.spare).collect(),
            unified: roots.unified.map(|root| root.join(&name)).filter(|folder| folder.exists()),
            name,
            unit: wish.unit().cloned(),
            ..Self::default()
        }
    }

    fn groups(&self) -> Vec<Box<dyn Group + '_>> {
        let mut groups: Vec<Box<dyn Group + '_>> = Vec::with_capacity(3);
        let joined = self.spare.iter().filter(|(_, folder)| folder.exists());
        let folders: Vec<&(String, PathBuf)> = self.legacy.iter().chain(joined).collect();
        if !folders.is_empty() {
            groups.push(Box::new(legacy::Legacy { folders }));
        }
        if let Some(folder) = &self.unified {
            groups.push(Box::new(unified::Unified::open(folder)));
        }
        groups.push(Box::new(processes::Processes { pid: self.pid, pid_start: self.pid_start }));
        groups
    }

    fn first_with(&self, subject: Subject) -> Option<Box<dyn Group + '_>> {
        self.groups().into_iter().find(|group| group.has(subject))
    }

    /// Counters now. Opens and closes files: who samples again and again uses a [`Sampler`].
    pub fn sample(&self) -> Sample {
        Sampler::new().sample("", self)
    }

    /// All statistics, as `events --stats` prints them. Without a cgroup they are what /proc knows of the processes.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics::default();
        let groups = self.groups();
        for subject in COUNTED {
            if let Some(group) = groups.iter().find(|group| group.has(subject)) {
                group.report(subject, &mut statistics);
            }
        }
        if let Some(folder) = &self.unified {
            unified::report_pressure(folder, &mut statistics);
        }
        let counted = |subject| groups.iter().any(|group| group.has(subject));
        if !counted(Subject::CpuUsage) || !counted(Subject::Memory) || !counted(Subject::Pids) {
            processes::Processes { pid: self.pid, pid_start: self.pid_start }.report_missing(&mut statistics);
        }
        statistics
    }

    /// Stops every process of the container where it stands (`pause`).
    pub fn freeze(&self) -> Result<(), RuntimeError> {
        self.freezer()?.freeze(Freeze::Frozen)
    }

    pub fn thaw(&self) -> Result<(), RuntimeError> {
        self.freezer()?.freeze(Freeze::Thawed)
    }

    /// Whether it is paused, as the kernel says it. Without a cgroup nothing ever is.
    pub fn is_frozen(&self) -> bool {
        self.first_with(Subject::Freezer).is_some_and(|group| group.is_frozen())
    }

    fn freezer(&self) -> Result<Box<dyn Group + '_>, RuntimeError> {
        self.first_with(Subject::Freezer).ok_or(RuntimeError::NoCgroup("pausing a container"))
    }

    /// Kills every process of the container, frozen or not, and waits until they are gone (at most two seconds).
    pub fn kill_all(&self) -> Result<(), RuntimeError> {
        let groups = self.groups();
        for group in groups.iter().filter(|group| group.has(Subject::Kill)) {
            group.kill()?;
        }
        // v1 delivers SIGKILL to a frozen process only when it thaws.
        if let Some(freezer) = groups.iter().find(|group| group.has(Subject::Freezer)) {
            let _ = freezer.freeze(Freeze::Thawed);
        }
        let begun = Instant::now();
        let mut hurried = false;
        while !self.processes().is_empty() && begun.elapsed() < KILL_PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
            if !hurried && begun.elapsed() > USUAL_DEATH {
                hurried = true;
                self.hurry();
            }
            for group in groups.iter().filter(|group| group.has(Subject::Kill)) {
                group.kill()?;
            }
        }
        Ok(())
    }

    /// Lets processes that were killed use the processors as they need to: for who has killed them by other means.
    pub fn hurry(&self) {
        self.groups().iter().for_each(|group| group.hurry());
    }

    /// Host pids of all processes of the container.
    pub fn processes(&self) -> Vec<i32> {
        self.groups().first().map(|group| group.processes()).unwrap_or_default()
    }

    /// Removes the folders. Missing ones are no error; never stops early; gives the first failure.
    pub fn remove(&self) -> Result<(), RuntimeError> {
        // systemd takes its groups away itself; what it leaves, such as v1's, goes as ever.
        let mut first = self.unit.as_ref().map_or(Ok(()), systemd::stop);
        for group in self.groups() {
            let removed = group.remove();
            if first.is_ok() {
                first = removed;
            }
        }
        first
    }
}

/// How long [`remove_folder`] waits for exiting processes to leave.
const REMOVE_PATIENCE: Duration = Duration::from_millis(500);

/// Removes a cgroup and those below it.
fn remove_folder(folder: &Path) -> Result<(), RuntimeError> {
    let deadline = Instant::now() + REMOVE_PATIENCE;
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) if Instant::now() >= deadline => return Err(failed(folder, source)),
            Err(_) => {
                for below in fs::read_dir(folder).into_iter().flatten().flatten() {
                    if below.file_type().is_ok_and(|kind| kind.is_dir()) {
                        let _ = remove_folder(&below.path());
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

fn failed(path: &Path, source: io::Error) -> RuntimeError {
    RuntimeError::Cgroup { path: path.to_owned(), source }
}

/// Writes one value to a cgroup file. Never creates it.
fn write(path: &Path, value: &str) -> Result<(), RuntimeError> {
    write_io(path, value).map_err(|source| failed(path, source))
}

fn write_io(path: &Path, value: &str) -> io::Result<()> {
    use std::io::Write;
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

/// Pids in a group and all below it.
fn read_below(folder: &Path) -> Vec<i32> {
    let mut pids = read_pids(&folder.join("cgroup.procs"));
    for below in fs::read_dir(folder).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            pids.extend(read_below(&below.path()));
        }
    }
    pids
}

/// Pids in a `cgroup.procs` file; a missing file has none.
fn read_pids(path: &Path) -> Vec<i32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid > 0).collect()
}

/// SIGKILL to each.
fn kill_pids(pids: &[i32]) {
    for pid in pids {
        if let Some(pid) = rustix::process::Pid::from_raw(*pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
