//! What limits and restart policies are allowed, by Docker's rules: checked before anything is written.

use std::path::Path;

use super::{EngineError, Result};
use crate::model::{DeviceRate, Limits, RestartPolicy, parse_bytes};
use crate::runtime;

/// Docker's least memory limit: below it not even a shell starts.
const LEAST_MEMORY: &str = "6m";

/// `wished` without the zeros that mean "none", if a machine with so many processors can enforce it.
pub(super) fn checked(wished: &Limits, cpus: u32) -> Result<Limits> {
    changed(&Limits::default(), wished, cpus)
}

/// `old` with what `wished` changes, if a machine with so many processors can enforce it.
pub(super) fn changed(old: &Limits, wished: &Limits, cpus: u32) -> Result<Limits> {
    if wished.cpu_milli.is_some_and(|milli| milli > 0) && by_quota(wished) {
        return Err(invalid("--cpus and --cpu-period or --cpu-quota say the same: give one of them"));
    }
    let limits = old.changed_by(wished);
    check(&limits, cpus)?;
    Ok(limits)
}

fn by_quota(limits: &Limits) -> bool {
    limits.cpu_quota_us.is_some_and(|quota| quota > 0) || limits.cpu_period_us.is_some_and(|period| period > 0)
}

/// Whether complete limits make sense together.
fn check(limits: &Limits, cpus: u32) -> Result<()> {
    memory(limits)?;
    cpu(limits, cpus)?;
    for (flag, set) in [("--cpuset-cpus", &limits.cpuset_cpus), ("--cpuset-mems", &limits.cpuset_mems)] {
        if let Some(text) = set.as_ref().filter(|text| !is_list(text)) {
            return Err(invalid(format!("{flag}: {text:?} is no list such as 0-2,4")));
        }
    }
    if let Some(text) = &limits.cpuset_cpus {
        online("cpus", text, Path::new("/sys/devices/system/cpu/online"))?;
    }
    if let Some(text) = &limits.cpuset_mems {
        online("memory nodes", text, Path::new("/sys/devices/system/node/online"))?;
    }
    if limits.blkio_weight.is_some_and(|weight| !(10..=1000).contains(&weight)) {
        return Err(invalid("the weight of block I/O (--blkio-weight) is from 10 to 1000"));
    }
    let rates =
        [&limits.device_read_bps, &limits.device_write_bps, &limits.device_read_iops, &limits.device_write_iops];
    rates.into_iter().flatten().try_for_each(device)
}

fn memory(limits: &Limits) -> Result<()> {
    let least = parse_bytes(LEAST_MEMORY).expect("a constant in the notation of sizes");
    let too_small = |bytes: Option<u64>| bytes.is_some_and(|bytes| bytes < least);
    if too_small(limits.memory_bytes) {
        return Err(invalid(format!("the minimum memory limit allowed is {LEAST_MEMORY}b")));
    }
    if too_small(limits.memory_reservation_bytes) {
        return Err(invalid(format!("the minimum memory reservation allowed is {LEAST_MEMORY}b")));
    }
    match (limits.memory_bytes, limits.memory_swap_bytes) {
        (None, Some(swap)) if swap > 0 => {
            return Err(invalid("--memory-swap counts memory and swap together: it needs --memory as well"));
        }
        (_, Some(swap)) if swap < -1 => return Err(invalid("--memory-swap is a size, or -1 for no limit on swap")),
        (Some(memory), Some(swap)) if u64::try_from(swap).is_ok_and(|swap| swap < memory) => {
            return Err(invalid("--memory-swap counts memory and swap together: it cannot be less than --memory"));
        }
        _ => {}
    }
    match (limits.memory_bytes, limits.memory_reservation_bytes) {
        (Some(memory), Some(reserved)) if reserved > memory => {
            Err(invalid("--memory-reservation cannot be more than --memory"))
        }
        _ => Ok(()),
    }
}

fn cpu(limits: &Limits, cpus: u32) -> Result<()> {
    if limits.cpu_milli.is_some_and(|milli| milli > u64::from(cpus) * 1000) {
        return Err(invalid(format!(
            "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
        )));
    }
    if limits.cpu_shares.is_some_and(|shares| !(2..=262_144).contains(&shares)) {
        return Err(invalid("--cpu-shares is a weight from 2 to 262144"));
    }
    if limits.cpu_period_us.is_some_and(|period| !(1000..=1_000_000).contains(&period)) {
        return Err(invalid("--cpu-period is from 1000 to 1000000 microseconds (1 ms to 1 s)"));
    }
    if limits.cpu_quota_us.is_some_and(|quota| quota < 1000) {
        return Err(invalid("--cpu-quota is at least 1000 microseconds (1 ms)"));
    }
    Ok(())
}

fn device(rate: &DeviceRate) -> Result<()> {
    let found = runtime::block_device(&rate.path);
    found.map(drop).map_err(|error| invalid(format!("the device {}: {error}", rate.path.display())))
}

/// The kernel's list format: numbers and ranges with commas between.
fn is_list(text: &str) -> bool {
    !text.is_empty() && text.split(',').all(|part| range(part).is_some())
}

fn range(part: &str) -> Option<(u32, u32)> {
    let (from, to) = part.split_once('-').unwrap_or((part, part));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from <= to).then_some((from, to))
}

/// Whether the machine has what a list names. Where the kernel does not say, the cgroup's own file will.
fn online(what: &str, wanted: &str, file: &Path) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(()) };
    let there: Vec<(u32, u32)> = text.trim().split(',').filter_map(range).collect();
    let has = |(from, to): (u32, u32)| there.iter().any(|&(first, last)| first <= from && to <= last);
    if there.is_empty() || wanted.split(',').filter_map(range).all(has) {
        return Ok(());
    }
    Err(invalid(format!("requested {what} are not available: requested {wanted}, available {}", text.trim())))
}

/// `--rm` and a restart policy contradict each other.
pub(super) fn check_restart(policy: RestartPolicy, auto_remove: bool) -> Result<()> {
    if auto_remove && policy != RestartPolicy::No {
        return Err(invalid("a container that is removed when it ends (--rm) cannot be restarted (--restart)"));
    }
    Ok(())
}

fn invalid(what: impl Into<String>) -> EngineError {
    EngineError::Invalid { what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(limits: &Limits) -> String {
        checked(limits, 2).expect_err("must be refused").to_string()
    }

    #[test]
    fn limits_out_of_range_are_refused_with_the_flag_that_mends() {
        let none = Limits::default;
        for (limits, word) in [
            (Limits { memory_bytes: Some(5 << 20), ..none() }, "6mb"),
            (Limits { memory_swap_bytes: Some(64 << 20), ..none() }, "--memory as well"),
            (
                Limits { memory_bytes: Some(64 << 20), memory_swap_bytes: Some(63 << 20), ..none() },
                "less than --memory",
            ),
            (Limits { memory_bytes: Some(64 << 20), memory_reservation_bytes: Some(65 << 20), ..none() }, "more than"),
            (Limits { cpu_milli: Some(2001), ..none() }, "only 2 CPUs"),
            (Limits { cpu_milli: Some(1000), cpu_quota_us: Some(5000), ..none() }, "one of them"),
            (Limits { cpu_shares: Some(1), ..none() }, "--cpu-shares"),
            (Limits { cpu_period_us: Some(10), ..none() }, "--cpu-period"),
            (Limits { cpu_quota_us: Some(10), ..none() }, "--cpu-quota"),
            (Limits { cpuset_cpus: Some("0-".to_owned()), ..none() }, "--cpuset-cpus"),
            (Limits { cpuset_cpus: Some("0,4000".to_owned()), ..none() }, "not available"),
            (Limits { cpuset_mems: Some("3-1".to_owned()), ..none() }, "--cpuset-mems"),
            (Limits { blkio_weight: Some(9), ..none() }, "--blkio-weight"),
            (
                Limits { device_write_iops: vec![DeviceRate { path: "/dev/nowhere".into(), rate: 1 }], ..none() },
                "/dev/nowhere",
            ),
        ] {
            let message = refused(&limits);
            assert!(message.contains(word), "{limits:?}: {message}");
        }
    }

    #[test]
    fn sound_limits_pass_and_zeros_are_none() {
        let limits = Limits {
            memory_bytes: Some(64 << 20),
            memory_swap_bytes: Some(-1),
            cpu_quota_us: Some(50_000),
            cpu_period_us: Some(100_000),
            cpuset_cpus: Some("0".to_owned()),
            pids: Some(0),
            ..Limits::default()
        };
        assert_eq!(checked(&limits, 2).expect("sound"), Limits { pids: None, ..limits });
    }

    #[test]
    fn restart_and_automatic_removal_conflict() {
        assert!(check_restart(RestartPolicy::Always, true).is_err());
        assert!(check_restart(RestartPolicy::No, true).is_ok());
        assert!(check_restart(RestartPolicy::OnFailure { most: None }, false).is_ok());
    }
}
