//! Resources of a container's groups: at the start, and while it runs.

use oci_spec::runtime::LinuxResources;

use super::create::make_folder;
use super::devices::Rules;
use super::plan::{Done, refused};
use super::{CgroupPlace, Group, Planned, Subject, legacy, read_below, systemd, unified, write_io};
use crate::model::Limits;
use crate::runtime::RuntimeError;

/// Subjects with limits, in the order in which they are written.
const LIMITED: [Subject; 10] = [
    Subject::Cpuset,
    Subject::Memory,
    Subject::Cpu,
    Subject::Pids,
    Subject::Disk,
    Subject::HugePages,
    Subject::NetworkClass,
    Subject::NetworkPriority,
    Subject::Rdma,
    Subject::UnifiedMap,
];

/// A group that is new, or one with a running container in it, which keeps what it has when a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    Start,
    Update,
}

impl CgroupPlace {
    /// Changes what is named of a running container's resources, and leaves the rest as it is. What cannot be enforced
    /// is an error that names the field; then nothing has changed.
    pub fn update(&self, resources: &LinuxResources) -> Result<(), RuntimeError> {
        self.apply(resources, Moment::Update)
    }

    /// The same from plain [`Limits`].
    pub fn set_limits(&self, limits: &Limits) -> Result<(), RuntimeError> {
        self.update(&crate::runtime::resources(limits)?)
    }

    pub(super) fn apply(&self, resources: &LinuxResources, moment: Moment) -> Result<(), RuntimeError> {
        let rules = Rules::of(resources.devices().as_deref().unwrap_or_default())?;
        let demanded = demanded(resources)?;
        if let (Some(unit), Moment::Update) = (&self.unit, moment) {
            systemd::update(unit, resources, self.version())?;
        }
        self.join_spare(&demanded, moment)?;
        let groups = self.groups();
        let server = |subject| groups.iter().find(|group| group.has(subject));
        let mut planned: Vec<Planned> = Vec::with_capacity(4);
        for subject in LIMITED {
            match (server(subject), demanded.iter().find(|(demanded, _)| *demanded == subject)) {
                (Some(group), _) => planned.push(group.plan(subject, resources)?),
                (None, Some((_, field))) => return Err(not_enforceable(subject, field)),
                (None, None) => {}
            }
        }
        let mut done = if moment == Moment::Update { Done::remembering() } else { Done::default() };
        for part in planned {
            part.plan.write_with(&part.folder, &mut done).inspect_err(|_| done.undo())?;
        }
        match server(Subject::Devices) {
            Some(group) => limit_devices(group.as_ref(), rules, moment).inspect_err(|_| done.undo()),
            None => Ok(()),
        }
    }

    /// Whose properties systemd's unit takes.
    pub(super) fn version(&self) -> systemd::Version {
        if self.legacy.is_empty() { systemd::Version::Unified } else { systemd::Version::Legacy }
    }

    /// Makes and joins what is not joined without need: a v1 hierarchy, a v2 controller.
    fn join_spare(&self, demanded: &[(Subject, String)], moment: Moment) -> Result<(), RuntimeError> {
        for (subject, _) in demanded {
            let serves = |names: &str| names.split(',').any(|name| Some(name) == legacy::controller(*subject));
            if let Some((_, folder)) = self.spare.iter().find(|(names, _)| serves(names)) {
                // What cannot be made shows as a limit that cannot be enforced.
                if make_folder(folder).is_ok() && moment == Moment::Update {
                    self.move_into(folder)?;
                }
            } else if let (Some(folder), Some(controller)) = (&self.unified, unified::controller(*subject))
                && !self.legacy.iter().any(|(names, _)| serves(names))
            {
                unified::enable_above(folder, controller);
            }
        }
        Ok(())
    }

    /// Moves every process of the container into one more group. New ones are born where their parents are, so it is
    /// done when a look finds nobody outside.
    fn move_into(&self, folder: &std::path::Path) -> Result<(), RuntimeError> {
        let procs = folder.join("cgroup.procs");
        for _ in 0..100 {
            let inside = read_below(folder);
            let outside: Vec<i32> = self.processes().into_iter().filter(|pid| !inside.contains(pid)).collect();
            if outside.is_empty() {
                return Ok(());
            }
            for pid in outside {
                match write_io(&procs, &pid.to_string()) {
                    // It ended meanwhile.
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                    moved => moved.map_err(|source| super::failed(&procs, source))?,
                }
            }
        }
        Ok(())
    }
}

/// Subjects with values that need a controller, and the first field of each.
fn demanded(resources: &LinuxResources) -> Result<Vec<(Subject, String)>, RuntimeError> {
    let mut demanded = Vec::new();
    for subject in LIMITED {
        let plan = legacy::plan::plan(subject, resources, None)?;
        if let Some(field) = plan.demands() {
            demanded.push((subject, field.to_owned()));
        }
    }
    if let Some(file) = resources.unified().iter().flatten().map(|(file, _)| file).min() {
        demanded.push((Subject::UnifiedMap, format!("unified.{file}")));
    }
    Ok(demanded)
}

fn limit_devices(group: &dyn Group, rules: Rules, moment: Moment) -> Result<(), RuntimeError> {
    let rules = if moment == Moment::Start { rules.with_defaults() } else { rules };
    group.limit_devices(&rules)
}

fn not_enforceable(subject: Subject, field: &str) -> RuntimeError {
    let controller = match subject {
        Subject::UnifiedMap => {
            return refused(field, "this machine has no cgroup v2 here: use the fields of cgroup v1");
        }
        subject => legacy::controller(subject).unwrap_or("cgroup"),
    };
    RuntimeError::LimitNotEnforceable { field: field.to_owned(), controller }
}
