//! Resources as v2's files take them, converted where v1 counts otherwise.

use std::path::Path;

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources};

use super::super::Subject;
use super::super::legacy::plan::{check_usage, plan_rdma};
use super::super::plan::{Plan, maximum, page_size, refused, throttles, weights};
use crate::runtime::RuntimeError;

/// Everything that one subject's files in the group `folder` are to hold.
pub(super) fn plan(subject: Subject, resources: &LinuxResources, folder: &Path) -> Result<Plan, RuntimeError> {
    let mut plan = Plan::default();
    match subject {
        Subject::Memory => resources.memory().iter().try_for_each(|memory| plan_memory(memory, folder, &mut plan))?,
        Subject::Cpu => resources.cpu().iter().try_for_each(|cpu| plan_cpu(cpu, folder, &mut plan))?,
        Subject::Cpuset => {
            for (field, file, text) in resources
                .cpu()
                .iter()
                .flat_map(|cpu| [("cpu.cpus", "cpuset.cpus", cpu.cpus()), ("cpu.mems", "cpuset.mems", cpu.mems())])
            {
                if let Some(text) = text {
                    // Empty is the parent's set; a write of nothing would not happen at all.
                    let value = if text.is_empty() { "\n" } else { text };
                    plan.set_unless(text.is_empty(), field, file, value);
                }
            }
        }
        Subject::Pids => {
            if let Some(pids) = resources.pids() {
                plan.set_unless(pids.limit() <= 0, "pids.limit", "pids.max", maximum(pids.limit()));
            }
        }
        Subject::Disk => resources.block_io().iter().try_for_each(|io| plan_disk(io, folder, &mut plan))?,
        Subject::HugePages => {
            for (index, limit) in resources.hugepage_limits().iter().flatten().enumerate() {
                let size = page_size(limit, index)?;
                let field = format!("hugepageLimits[{index}]");
                let value = if limit.limit() < 0 { "max".to_owned() } else { limit.limit().to_string() };
                let reserved = format!("hugetlb.{size}.rsvd.max");
                if folder.join(&reserved).exists() {
                    plan.set(&field, reserved, &value);
                }
                plan.set_unless(limit.limit() < 0, field, format!("hugetlb.{size}.max"), value);
            }
        }
        Subject::Rdma => plan_rdma(resources, &mut plan)?,
        Subject::UnifiedMap => plan_map(resources, &mut plan)?,
        Subject::NetworkClass
        | Subject::NetworkPriority
        | Subject::CpuUsage
        | Subject::Devices
        | Subject::Freezer
        | Subject::Kill => {}
    }
    Ok(plan)
}

fn plan_memory(memory: &LinuxMemory, folder: &Path, plan: &mut Plan) -> Result<(), RuntimeError> {
    let limit = memory.limit().filter(|bytes| *bytes != 0);
    let swap = swap_alone(limit, memory.swap().filter(|bytes| *bytes != 0), folder)?;
    if memory.check_before_update() == Some(true) {
        if let Some(limit) = limit.filter(|bytes| *bytes > 0) {
            check_usage(limit, "memory.limit", &folder.join("memory.current"))?;
        }
        if let Some(swap) = swap.filter(|bytes| *bytes >= 0) {
            check_usage(swap, "memory.swap", &folder.join("memory.swap.current"))?;
        }
    }
    if let Some(swap) = swap {
        let value = if swap < 0 { "max".to_owned() } else { swap.to_string() };
        // The file is missing in kernels without swap, where there is nothing to limit.
        plan.set_unless(true, "memory.swap", "memory.swap.max", value);
    }
    if let Some(limit) = limit {
        plan.set_unless(limit < 0, "memory.limit", "memory.max", maximum(limit));
    }
    if let Some(low) = memory.reservation().filter(|bytes| *bytes != 0) {
        // No reservation, v1's -1, is no protection here.
        plan.set_unless(low < 0, "memory.reservation", "memory.low", low.max(0));
    }
    let v1_only = [
        ("memory.kernelTCP", memory.kernel_tcp().is_some_and(|bytes| bytes > 0)),
        ("memory.swappiness", memory.swappiness().is_some_and(|percent| percent != u64::MAX)),
        ("memory.disableOOMKiller", memory.disable_oom_killer() == Some(true)),
    ];
    if let Some((field, _)) = v1_only.into_iter().find(|(_, wanted)| *wanted) {
        return Err(refused(field, "cgroup v2 has no such setting: leave it out"));
    }
    if memory.use_hierarchy() == Some(false) {
        return Err(refused("memory.useHierarchy", "cgroup v2 always counts groups below with those above"));
    }
    Ok(())
}

/// v1 counts memory and swap together, v2 swap alone. -1 is no limit.
fn swap_alone(limit: Option<i64>, both: Option<i64>, folder: &Path) -> Result<Option<i64>, RuntimeError> {
    let in_force = || {
        let text = std::fs::read_to_string(folder.join("memory.max")).unwrap_or_default();
        text.trim().parse::<i64>().ok()
    };
    match (limit, both) {
        // No limit on memory is none on both in v1.
        (Some(limit), None) if limit < 0 => Ok(Some(-1)),
        (_, None) => Ok(None),
        (_, Some(both)) if both < 0 => Ok(Some(-1)),
        (limit, Some(both)) => match limit.or_else(in_force).filter(|limit| *limit >= 0) {
            Some(limit) if limit <= both => Ok(Some(both - limit)),
            Some(limit) => {
                Err(refused("memory.swap", format!("{both} is memory and swap together, so not below {limit}")))
            }
            None => Err(refused("memory.swap", "it needs memory.limit: cgroup v2 limits swap apart from memory")),
        },
    }
}

fn plan_cpu(cpu: &LinuxCpu, folder: &Path, plan: &mut Plan) -> Result<(), RuntimeError> {
    if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
        plan.set("cpu.shares", "cpu.weight", weight(shares));
    }
    let quota = cpu.quota().filter(|quota| *quota != 0);
    let period = cpu.period().filter(|period| *period != 0);
    if quota.is_some() || period.is_some() {
        let text = std::fs::read_to_string(folder.join("cpu.max")).unwrap_or_default();
        let mut in_force = text.split_whitespace();
        let old_quota = in_force.next().unwrap_or("max");
        let old_period = in_force.next().unwrap_or("100000");
        let period = period.map_or(old_period.to_owned(), |period| period.to_string());
        let field = if quota.is_some() { "cpu.quota" } else { "cpu.period" };
        let value = format!("{} {period}", quota.map_or(old_quota.to_owned(), maximum));
        plan.set_unless(quota.is_none_or(|quota| quota < 0), field, "cpu.max", value);
    }
    if let Some(burst) = cpu.burst() {
        plan.set_unless(burst == 0, "cpu.burst", "cpu.max.burst", burst);
    }
    if let Some(idle) = cpu.idle() {
        plan.set_unless(idle == 0, "cpu.idle", "cpu.idle", idle);
    }
    let realtime = [
        ("cpu.realtimeRuntime", cpu.realtime_runtime().is_some_and(|runtime| runtime != 0)),
        ("cpu.realtimePeriod", cpu.realtime_period().is_some_and(|period| period != 0)),
    ];
    match realtime.into_iter().find(|(_, wanted)| *wanted) {
        Some((field, _)) => Err(refused(field, "cgroup v2 does not control realtime processes")),
        None => Ok(()),
    }
}

/// v1's shares (2 to 262144) as v2's weight (1 to 10000): a curve through both defaults (1024 and 100) and both ends, as
/// runc 1.4 and crun 1.23 draw it; the straight line of before gave 39 for the default.
pub(in super::super) fn weight(shares: u64) -> u64 {
    match shares {
        ..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let doublings = (shares as f64).log2();
            let exponent = (doublings * doublings + 125.0 * doublings) / 612.0 - 7.0 / 34.0;
            // The default lies on a whole number, which rounding must not miss.
            ((10_f64.powf(exponent) - 1e-9).ceil() as u64).clamp(1, 10_000)
        }
    }
}

fn plan_disk(io: &LinuxBlockIo, folder: &Path, plan: &mut Plan) -> Result<(), RuntimeError> {
    if io.leaf_weight().is_some_and(|weight| weight != 0) {
        return Err(refused("blockIO.leafWeight", "cgroup v2 has no weights of leaves"));
    }
    let bfq = folder.join("io.bfq.weight").exists();
    let file = if bfq { "io.bfq.weight" } else { "io.weight" };
    // BFQ's scale is v1's; the cost model's goes from 1 to 10000.
    let scaled = |weight: u16| match bfq {
        true => u64::from(weight),
        false => 1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9999 / 990,
    };
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        let value = if bfq { scaled(weight).to_string() } else { format!("default {}", scaled(weight)) };
        plan.set("blockIO.weight", file, value);
    }
    for (index, device) in weights(io)?.iter().enumerate() {
        if device.leaf_weight().is_some_and(|weight| weight != 0) {
            let field = format!("blockIO.weightDevice[{index}].leafWeight");
            return Err(refused(field, "cgroup v2 has no weights of leaves"));
        }
        if let Some(weight) = device.weight().filter(|weight| *weight != 0) {
            let value = format!("{}:{} {}", device.major(), device.minor(), scaled(weight));
            plan.set(format!("blockIO.weightDevice[{index}].weight"), file, value);
        }
    }
    for (field, key, devices) in throttles(io) {
        for (index, device) in devices.iter().enumerate() {
            let rate = if device.rate() == 0 { "max".to_owned() } else { device.rate().to_string() };
            let value = format!("{}:{} {key}={rate}", device.major(), device.minor());
            plan.set(format!("blockIO.{field}[{index}]"), "io.max", value);
        }
    }
    Ok(())
}

/// The specification's `unified`: files of v2 by name, lines one by one, as the kernel takes one each write.
fn plan_map(resources: &LinuxResources, plan: &mut Plan) -> Result<(), RuntimeError> {
    let mut files: Vec<_> = resources.unified().iter().flatten().collect();
    files.sort();
    for (file, value) in files {
        let field = format!("unified.{file}");
        if file.contains('/') || !file.contains('.') {
            return Err(refused(field, "it is not the name of a cgroup v2 file, such as memory.high"));
        }
        for line in value.lines() {
            plan.set(&field, file, line);
        }
    }
    Ok(())
}
