//! What the rest of the machine sees of a process: how soon it is killed for memory, when it gets processors and disks.
//!
//! Set while its maker's rights are there: who is in a user namespace of his own may lower none of these.

use oci_spec::runtime::{
    ExecCPUAffinity, IOPriorityClass, LinuxIOPriority, LinuxPersonality, LinuxPersonalityDomain, LinuxSchedulerFlag,
    LinuxSchedulerPolicy, Process, Scheduler,
};

use crate::runtime::RuntimeError;
use crate::sys::scheduling::{self, Attributes, DiskClass, Personality};

/// Sets it all for `pid` or, while /proc is still the host's, for this process.
pub fn set(process: &Process, pid: Option<i32>) -> Result<(), RuntimeError> {
    set_oom_score(process, pid)?;
    let number = pid.unwrap_or(0);
    if let Some(wish) = process.scheduler() {
        scheduling::set_scheduler(number, &attributes(wish))
            .map_err(|error| RuntimeError::step("process.scheduler: set it", error))?;
    }
    process.io_priority().as_ref().map_or(Ok(()), |wish| set_disk_priority(number, wish))
}

/// proc_pid_oom_score_adj(5).
fn set_oom_score(process: &Process, pid: Option<i32>) -> Result<(), RuntimeError> {
    let Some(score) = process.oom_score_adj() else { return Ok(()) };
    let who = pid.map_or("self".to_owned(), |pid| pid.to_string());
    std::fs::write(format!("/proc/{who}/oom_score_adj"), score.to_string())
        .map_err(|error| RuntimeError::step(format!("process.oomScoreAdj: set {score}"), error))
}

fn set_disk_priority(pid: i32, wish: &LinuxIOPriority) -> Result<(), RuntimeError> {
    let class = match wish.class() {
        IOPriorityClass::IoprioClassRt => DiskClass::RealTime,
        IOPriorityClass::IoprioClassBe => DiskClass::BestEffort,
        IOPriorityClass::IoprioClassIdle => DiskClass::Idle,
    };
    let level = u8::try_from(wish.priority().clamp(0, 7)).unwrap_or_default();
    scheduling::set_disk_priority(pid, class, level)
        .map_err(|error| RuntimeError::step("process.ioPriority: set it", error))
}

fn attributes(wish: &Scheduler) -> Attributes {
    // Numbers of linux/sched.h.
    let policy = match wish.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    let flag = |flag: &LinuxSchedulerFlag| match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    };
    Attributes {
        size: 0,
        policy,
        flags: wish.flags().iter().flatten().map(flag).fold(0, |all, one| all | one),
        nice: wish.nice().unwrap_or(0),
        priority: wish.priority().and_then(|priority| u32::try_from(priority).ok()).unwrap_or(0),
        runtime: wish.runtime().unwrap_or(0),
        deadline: wish.deadline().unwrap_or(0),
        period: wish.period().unwrap_or(0),
    }
}

/// The processors that an `exec` may use before it joins the container's cgroup, and after.
pub struct Affinity<'a>(pub &'a Process);

impl Affinity<'_> {
    pub fn before(&self) -> Result<(), RuntimeError> {
        self.set("initial", ExecCPUAffinity::initial)
    }

    pub fn after(&self) -> Result<(), RuntimeError> {
        self.set("final", ExecCPUAffinity::cpu_affinity_final)
    }

    fn set(&self, field: &str, list: fn(&ExecCPUAffinity) -> &Option<String>) -> Result<(), RuntimeError> {
        let Some(list) = self.0.exec_cpu_affinity().as_ref().and_then(|wish| list(wish).as_deref()) else {
            return Ok(());
        };
        scheduling::set_processors(list)
            .map_err(|error| RuntimeError::step(format!("process.execCPUAffinity.{field}: set {list}"), error))
    }
}

/// `linux.personality`, of this process.
pub fn set_personality(wish: Option<&LinuxPersonality>) -> Result<(), RuntimeError> {
    let Some(wish) = wish else { return Ok(()) };
    let personality = match wish.domain() {
        LinuxPersonalityDomain::PerLinux => Personality::Native,
        LinuxPersonalityDomain::PerLinux32 => Personality::Linux32,
    };
    scheduling::set_personality(personality)
        .map_err(|error| RuntimeError::step("linux.personality.domain: set it", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheduler_that_leaves_things_out_is_zero_there() {
        let wish: Scheduler = serde_json::from_value(serde_json::json!({"policy": "SCHED_RR", "priority": 5,
            "flags": ["SCHED_RESET_ON_FORK", "SCHED_FLAG_KEEP_POLICY"]}))
        .expect("a scheduler");
        let expected = Attributes { policy: 2, priority: 5, flags: 0x09, ..Attributes::default() };
        assert_eq!(attributes(&wish), expected);
    }
}
