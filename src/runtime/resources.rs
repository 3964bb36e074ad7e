//! [`Limits`] in the OCI specification's words: all of them for a start, or those that differ for a live change.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, LinuxThrottleDevice, LinuxThrottleDeviceBuilder,
};

use super::RuntimeError;
use crate::model::{DeviceRate, Limits};

/// The period that cpu quotas refer to, in microseconds: Docker's, and the kernel's own.
const CPU_PERIOD_US: u64 = 100_000;
/// The least quota the kernel takes, in microseconds.
const LEAST_QUOTA_US: u64 = 1000;
/// What the kernel gives a cgroup that nobody gave another weight.
const CPU_SHARES: u64 = 1024;
const BLKIO_WEIGHT: u16 = 100;
const NO_LIMIT: i64 = -1;

/// Everything that `limits` limits.
pub fn resources(limits: &Limits) -> Result<LinuxResources, RuntimeError> {
    changes(&Limits::default(), limits)
}

/// Only what is different in `new`. What it does not limit any more is set to the kernel's own default: -1 for memory, swap,
/// quota and pids, an empty text for cpusets, rate 0 for devices.
pub fn changes(old: &Limits, new: &Limits) -> Result<LinuxResources, RuntimeError> {
    let mut resources = LinuxResources::default();
    // The specification's type brings a rule about devices of its own.
    resources.set_devices(None);
    resources.set_memory(memory(old, new));
    resources.set_cpu(cpu(old, new));
    if old.pids != new.pids {
        let mut pids = LinuxPids::default();
        pids.set_limit(new.pids.map_or(NO_LIMIT, signed));
        resources.set_pids(Some(pids));
    }
    resources.set_block_io(block_io(old, new)?);
    Ok(resources)
}

fn memory(old: &Limits, new: &Limits) -> Option<LinuxMemory> {
    let mut memory = LinuxMemory::default();
    if (old.memory_bytes, old.swap_bytes()) != (new.memory_bytes, new.swap_bytes()) {
        // Always both: neither can be judged without the other.
        memory.set_limit(Some(new.memory_bytes.map_or(NO_LIMIT, signed)));
        memory.set_swap(Some(new.swap_bytes().unwrap_or(NO_LIMIT)));
    }
    if old.memory_reservation_bytes != new.memory_reservation_bytes {
        memory.set_reservation(Some(new.memory_reservation_bytes.map_or(NO_LIMIT, signed)));
    }
    some(memory)
}

/// Quota and period in microseconds.
fn quota(limits: &Limits) -> (Option<i64>, Option<u64>) {
    match limits.cpu_milli {
        Some(milli) => (Some(signed((milli * CPU_PERIOD_US / 1000).max(LEAST_QUOTA_US))), Some(CPU_PERIOD_US)),
        None => (limits.cpu_quota_us.map(signed), limits.cpu_period_us),
    }
}

fn cpu(old: &Limits, new: &Limits) -> Option<LinuxCpu> {
    let mut cpu = LinuxCpu::default();
    let (quota_now, period_now) = quota(new);
    if quota(old) != (quota_now, period_now) {
        cpu.set_quota(Some(quota_now.unwrap_or(NO_LIMIT)));
        cpu.set_period(Some(period_now.unwrap_or(CPU_PERIOD_US)));
    }
    if old.cpu_shares != new.cpu_shares {
        cpu.set_shares(Some(new.cpu_shares.unwrap_or(CPU_SHARES)));
    }
    if old.cpuset_cpus != new.cpuset_cpus {
        cpu.set_cpus(Some(new.cpuset_cpus.clone().unwrap_or_default()));
    }
    if old.cpuset_mems != new.cpuset_mems {
        cpu.set_mems(Some(new.cpuset_mems.clone().unwrap_or_default()));
    }
    some(cpu)
}

fn block_io(old: &Limits, new: &Limits) -> Result<Option<LinuxBlockIo>, RuntimeError> {
    let mut block_io = LinuxBlockIo::default();
    if old.blkio_weight != new.blkio_weight {
        block_io.set_weight(Some(new.blkio_weight.unwrap_or(BLKIO_WEIGHT)));
    }
    block_io.set_throttle_read_bps_device(rates(&old.device_read_bps, &new.device_read_bps)?);
    block_io.set_throttle_write_bps_device(rates(&old.device_write_bps, &new.device_write_bps)?);
    block_io.set_throttle_read_iops_device(rates(&old.device_read_iops, &new.device_read_iops)?);
    block_io.set_throttle_write_iops_device(rates(&old.device_write_iops, &new.device_write_iops)?);
    Ok(some(block_io))
}

fn rates(old: &[DeviceRate], new: &[DeviceRate]) -> Result<Option<Vec<LinuxThrottleDevice>>, RuntimeError> {
    let gone = old.iter().filter(|rate| new.iter().all(|other| other.path != rate.path));
    let gone = gone.map(|rate| DeviceRate { rate: 0, ..rate.clone() });
    let changed = new.iter().filter(|rate| !old.contains(rate)).cloned();
    let entries: Vec<_> = gone.chain(changed).map(|rate| throttle(&rate)).collect::<Result<_, _>>()?;
    Ok(some_list(entries))
}

fn throttle(rate: &DeviceRate) -> Result<LinuxThrottleDevice, RuntimeError> {
    let (major, minor) = block_device(&rate.path)
        .map_err(|error| RuntimeError::InvalidRequest(format!("the device {}: {error}", rate.path.display())))?;
    let entry = LinuxThrottleDeviceBuilder::default().major(major).minor(minor).rate(rate.rate);
    Ok(entry.build().expect("each of its fields has a default"))
}

/// The numbers of a block device's node.
pub fn block_device(path: &Path) -> io::Result<(i64, i64)> {
    let found = std::fs::metadata(path)?;
    if !found.file_type().is_block_device() {
        return Err(io::Error::other("it is no block device"));
    }
    let number = found.rdev();
    Ok((i64::from(rustix::fs::major(number)), i64::from(rustix::fs::minor(number))))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// None for a part of the specification that says nothing.
fn some<T: Default + PartialEq>(part: T) -> Option<T> {
    Some(part).filter(|part| *part != T::default())
}

fn some_list<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(resources: &LinuxResources) -> serde_json::Value {
        serde_json::to_value(resources).expect("plain data")
    }

    #[test]
    fn no_limits_say_nothing() {
        assert_eq!(json(&resources(&Limits::default()).expect("valid")), serde_json::json!({}));
    }

    #[test]
    fn one_and_a_half_cpus_are_a_quota_of_a_tenth_second_and_tiny_ones_the_kernels_least() {
        let quota = |milli| {
            let limits = Limits { cpu_milli: Some(milli), ..Limits::default() };
            json(&resources(&limits).expect("valid"))["cpu"].clone()
        };
        assert_eq!(quota(1500), serde_json::json!({"quota": 150_000, "period": 100_000}));
        assert_eq!(quota(1)["quota"], 1000);
    }

    #[test]
    fn memory_allows_as_much_swap_again_unless_told_otherwise() {
        let memory = |limits: Limits| json(&resources(&limits).expect("valid"))["memory"].clone();
        let limits = Limits { memory_bytes: Some(64), ..Limits::default() };
        assert_eq!(memory(limits.clone()), serde_json::json!({"limit": 64, "swap": 128}));
        let limits = Limits { memory_swap_bytes: Some(-1), memory_reservation_bytes: Some(32), ..limits };
        assert_eq!(memory(limits), serde_json::json!({"limit": 64, "swap": -1, "reservation": 32}));
    }

    #[test]
    fn changes_name_what_differs_and_undo_what_is_gone() {
        let old = Limits {
            memory_bytes: Some(64),
            cpu_shares: Some(512),
            cpuset_cpus: Some("0".to_owned()),
            pids: Some(10),
            blkio_weight: Some(300),
            ..Limits::default()
        };
        let new = Limits { memory_bytes: Some(64), pids: Some(20), ..Limits::default() };
        assert_eq!(
            json(&changes(&old, &new).expect("valid")),
            serde_json::json!({
                "cpu": {"shares": 1024, "cpus": ""},
                "pids": {"limit": 20},
                "blockIO": {"weight": 100},
            })
        );
        let none = json(&changes(&new, &Limits::default()).expect("valid"));
        assert_eq!(none, serde_json::json!({"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}}));
        assert_eq!(json(&changes(&old, &old).expect("valid")), serde_json::json!({}));
    }

    #[test]
    fn device_rate_of_what_is_no_block_device_is_refused() {
        let limits =
            Limits { device_read_bps: vec![DeviceRate { path: "/dev/null".into(), rate: 1 }], ..Limits::default() };
        let error = resources(&limits).expect_err("a character device").to_string();
        assert!(error.contains("/dev/null") && error.contains("no block device"), "{error}");
    }
}
