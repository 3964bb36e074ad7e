//! Resources as v1's files take them.

use std::path::Path;

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources};

use super::super::Subject;
use super::super::plan::{Plan, maximum, page_size, refused, throttles, weights};
use crate::runtime::RuntimeError;

/// Everything that one subject's files are to hold. `folder` is the group's, if there is one: where kernels name a file
/// differently, its files decide.
pub(in super::super) fn plan(
    subject: Subject,
    resources: &LinuxResources,
    folder: Option<&Path>,
) -> Result<Plan, RuntimeError> {
    let mut plan = Plan::default();
    match subject {
        Subject::Memory => resources.memory().iter().try_for_each(|memory| plan_memory(memory, folder, &mut plan))?,
        Subject::Cpu => resources.cpu().iter().for_each(|cpu| plan_cpu(cpu, &mut plan)),
        Subject::Cpuset => {
            for (field, file, text) in resources
                .cpu()
                .iter()
                .flat_map(|cpu| [("cpu.cpus", "cpuset.cpus", cpu.cpus()), ("cpu.mems", "cpuset.mems", cpu.mems())])
            {
                let Some(text) = text else { continue };
                // Empty is the parent's set, which v1 wants to have said.
                let parent = || std::fs::read_to_string(folder?.parent()?.join(file)).ok();
                let value = if text.is_empty() { parent().unwrap_or_default() } else { text.clone() };
                plan.set_unless(text.is_empty(), field, file, value.trim());
            }
        }
        Subject::Pids => {
            if let Some(pids) = resources.pids() {
                plan.set_unless(pids.limit() <= 0, "pids.limit", "pids.max", maximum(pids.limit()));
            }
        }
        Subject::Disk => resources.block_io().iter().try_for_each(|io| plan_disk(io, folder, &mut plan))?,
        Subject::HugePages => plan_huge_pages(resources, folder, &mut plan)?,
        Subject::NetworkClass => {
            for class in resources.network().iter().filter_map(|network| network.class_id()) {
                plan.set_unless(class == 0, "network.classID", "net_cls.classid", class);
            }
        }
        Subject::NetworkPriority => {
            let priorities = resources.network().iter().flat_map(|network| network.priorities().iter().flatten());
            for (index, priority) in priorities.enumerate() {
                let value = format!("{} {}", priority.name(), priority.priority());
                plan.set(format!("network.priorities[{index}]"), "net_prio.ifpriomap", value);
            }
        }
        Subject::Rdma => plan_rdma(resources, &mut plan)?,
        Subject::CpuUsage | Subject::Devices | Subject::Freezer | Subject::Kill | Subject::UnifiedMap => {}
    }
    Ok(plan)
}

fn plan_memory(memory: &LinuxMemory, folder: Option<&Path>, plan: &mut Plan) -> Result<(), RuntimeError> {
    // Zero is no wish: engines send it for "not given".
    let limit = memory.limit().filter(|bytes| *bytes != 0);
    // No limit on memory alone would leave the one on both in force.
    let both = memory.swap().filter(|bytes| *bytes != 0).or(limit.filter(|bytes| *bytes < 0));
    if let (Some(limit), Some(both)) = (limit, both)
        && both > 0
        && (limit > both || limit < 0)
    {
        return Err(refused("memory.swap", format!("{both} is memory and swap together, so not below {limit}")));
    }
    if memory.check_before_update() == Some(true)
        && let (Some(limit), Some(folder)) = (limit.filter(|bytes| *bytes > 0), folder)
    {
        check_usage(limit, "memory.limit", &folder.join("memory.usage_in_bytes"))?;
    }
    if memory.use_hierarchy() == Some(true) {
        plan.set_unless(true, "memory.useHierarchy", "memory.use_hierarchy", 1);
    }
    if memory.use_hierarchy() == Some(false) {
        plan.set("memory.useHierarchy", "memory.use_hierarchy", 0);
    }
    if let Some(limit) = limit {
        plan.set_unless(limit < 0, "memory.limit", "memory.limit_in_bytes", limit);
    }
    if let Some(both) = both {
        // The file is missing where the kernel does not account swap; without swap nothing is to be limited.
        plan.set_unless(both < 0 || !has_swap(), "memory.swap", "memory.memsw.limit_in_bytes", both);
    }
    if let Some(soft) = memory.reservation().filter(|bytes| *bytes != 0) {
        plan.set_unless(soft < 0, "memory.reservation", "memory.soft_limit_in_bytes", soft);
    }
    if let Some(tcp) = memory.kernel_tcp().filter(|bytes| *bytes != 0) {
        plan.set_unless(tcp < 0, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", tcp);
    }
    // Go's word for -1, "not given", in an unsigned field.
    if let Some(swappiness) = memory.swappiness().filter(|percent| *percent != u64::MAX) {
        plan.set("memory.swappiness", "memory.swappiness", swappiness);
    }
    if let Some(disabled) = memory.disable_oom_killer() {
        plan.set_unless(!disabled, "memory.disableOOMKiller", "memory.oom_control", u8::from(disabled));
    }
    Ok(())
}

/// The specification's `checkBeforeUpdate`: no new limit below what is in use.
pub(in super::super) fn check_usage(limit: i64, field: &str, usage_file: &Path) -> Result<(), RuntimeError> {
    let text = std::fs::read_to_string(usage_file).unwrap_or_default();
    match text.trim().parse::<i64>() {
        Ok(usage) if usage > limit => Err(refused(
            field,
            format!("{limit} is below the {usage} bytes in use, and checkBeforeUpdate asks not to take them away"),
        )),
        _ => Ok(()),
    }
}

fn has_swap() -> bool {
    std::fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1)
}

fn plan_cpu(cpu: &LinuxCpu, plan: &mut Plan) {
    if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
        plan.set("cpu.shares", "cpu.shares", shares);
    }
    if let Some(period) = cpu.period().filter(|period| *period != 0) {
        plan.set_unless(cpu.quota().is_none_or(|quota| quota <= 0), "cpu.period", "cpu.cfs_period_us", period);
    }
    if let Some(quota) = cpu.quota().filter(|quota| *quota != 0) {
        plan.set_unless(quota < 0, "cpu.quota", "cpu.cfs_quota_us", quota.max(-1));
    }
    if let Some(burst) = cpu.burst() {
        plan.set_unless(burst == 0, "cpu.burst", "cpu.cfs_burst_us", burst);
    }
    if let Some(period) = cpu.realtime_period().filter(|period| *period != 0) {
        plan.set("cpu.realtimePeriod", "cpu.rt_period_us", period);
    }
    if let Some(runtime) = cpu.realtime_runtime().filter(|runtime| *runtime != 0) {
        plan.set("cpu.realtimeRuntime", "cpu.rt_runtime_us", runtime);
    }
    if let Some(idle) = cpu.idle() {
        plan.set_unless(idle == 0, "cpu.idle", "cpu.idle", idle);
    }
}

fn plan_disk(io: &LinuxBlockIo, folder: Option<&Path>, plan: &mut Plan) -> Result<(), RuntimeError> {
    // BFQ has files of its own; CFQ, which had the others, went with Linux 5.0.
    let has = |file: &str| folder.is_some_and(|folder| folder.join(file).exists());
    let named = |name: &str| match format!("blkio.bfq.{name}") {
        file if has(&file) => file,
        _ => format!("blkio.{name}"),
    };
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        plan.set("blockIO.weight", named("weight"), weight);
    }
    if let Some(weight) = io.leaf_weight().filter(|weight| *weight != 0) {
        plan.set("blockIO.leafWeight", named("leaf_weight"), weight);
    }
    for (index, device) in weights(io)?.iter().enumerate() {
        let (major, minor) = (device.major(), device.minor());
        if let Some(weight) = device.weight().filter(|weight| *weight != 0) {
            let field = format!("blockIO.weightDevice[{index}].weight");
            plan.set(field, named("weight_device"), format!("{major}:{minor} {weight}"));
        }
        if let Some(weight) = device.leaf_weight().filter(|weight| *weight != 0) {
            let field = format!("blockIO.weightDevice[{index}].leafWeight");
            plan.set(field, named("leaf_weight_device"), format!("{major}:{minor} {weight}"));
        }
    }
    let files = ["read_bps_device", "write_bps_device", "read_iops_device", "write_iops_device"];
    for ((field, _, devices), file) in throttles(io).into_iter().zip(files) {
        for (index, device) in devices.iter().enumerate() {
            let value = format!("{}:{} {}", device.major(), device.minor(), device.rate());
            plan.set(format!("blockIO.{field}[{index}]"), format!("blkio.throttle.{file}"), value);
        }
    }
    Ok(())
}

fn plan_huge_pages(resources: &LinuxResources, folder: Option<&Path>, plan: &mut Plan) -> Result<(), RuntimeError> {
    for (index, limit) in resources.hugepage_limits().iter().flatten().enumerate() {
        let size = page_size(limit, index)?;
        let field = format!("hugepageLimits[{index}]");
        // Reservations (Linux 5.7) are limited too: otherwise mmap succeeds and the access ends in SIGBUS.
        let reserved = format!("hugetlb.{size}.rsvd.limit_in_bytes");
        if folder.is_some_and(|folder| folder.join(&reserved).exists()) {
            plan.set(&field, reserved, limit.limit());
        }
        plan.set_unless(limit.limit() < 0, field, format!("hugetlb.{size}.limit_in_bytes"), limit.limit());
    }
    Ok(())
}

/// The same file in v1 and v2.
pub(in super::super) fn plan_rdma(resources: &LinuxResources, plan: &mut Plan) -> Result<(), RuntimeError> {
    let mut devices: Vec<_> = resources.rdma().iter().flatten().collect();
    devices.sort_by_key(|(name, _)| name.as_str());
    for (name, limit) in devices {
        let mut value = name.clone();
        if let Some(handles) = limit.hca_handles() {
            value.push_str(&format!(" hca_handle={handles}"));
        }
        if let Some(objects) = limit.hca_objects() {
            value.push_str(&format!(" hca_object={objects}"));
        }
        if value == *name {
            return Err(refused(format!("rdma.{name}"), "it needs hcaHandles or hcaObjects"));
        }
        plan.set(format!("rdma.{name}"), "rdma.max", value);
    }
    Ok(())
}
