//! Resources as systemd's properties (systemd.resource-control(5)). What it has no property for it leaves alone.

use oci_spec::runtime::LinuxResources;

use super::Version;
use super::message::{Properties, Value};
use crate::runtime::cgroup::unified::plan::weight;

const SECOND_US: i64 = 1_000_000;
const PERIOD_US: u64 = 100_000;

/// Those that the resources name.
pub(super) fn of(resources: &LinuxResources, version: Version) -> Properties {
    let mut properties = Properties::new();
    let bytes = |number: i64| Value::U64(u64::try_from(number).unwrap_or(u64::MAX));
    if let Some(memory) = resources.memory() {
        let limit = memory.limit().filter(|limit| *limit != 0);
        if let Some(limit) = limit {
            properties.push((if version == Version::Unified { "MemoryMax" } else { "MemoryLimit" }, bytes(limit)));
        }
        if let (Version::Unified, Some(both)) = (version, memory.swap().filter(|both| *both != 0)) {
            let alone = if both < 0 { both } else { (both - limit.unwrap_or(both).max(0)).max(0) };
            properties.push(("MemorySwapMax", bytes(alone)));
        }
        if let (Version::Unified, Some(low)) = (version, memory.reservation().filter(|low| *low != 0)) {
            properties.push(("MemoryLow", bytes(low.max(0))));
        }
    }
    if let Some(cpu) = resources.cpu() {
        if let Some(shares) = cpu.shares().filter(|shares| *shares != 0) {
            properties.push(match version {
                Version::Unified => ("CPUWeight", Value::U64(weight(shares))),
                Version::Legacy => ("CPUShares", Value::U64(shares)),
            });
        }
        let period = cpu.period().filter(|period| *period != 0);
        if let Some(period) = period {
            properties.push(("CPUQuotaPeriodUSec", Value::U64(period)));
        }
        if let Some(quota) = cpu.quota().filter(|quota| *quota != 0) {
            properties.push(("CPUQuotaPerSecUSec", bytes(per_second(quota, period.unwrap_or(PERIOD_US)))));
        }
        if version == Version::Unified {
            for (name, list) in [("AllowedCPUs", cpu.cpus()), ("AllowedMemoryNodes", cpu.mems())] {
                if let Some(bits) = list.as_deref().filter(|list| !list.is_empty()).and_then(bits) {
                    properties.push((name, Value::Bytes(bits)));
                }
            }
        }
    }
    if let Some(pids) = resources.pids() {
        properties.push(("TasksMax", if pids.limit() > 0 { bytes(pids.limit()) } else { Value::U64(u64::MAX) }));
    }
    properties
}

/// Microseconds in a second. systemd counts whole hundredths of a cpu: rounded up, as the kernel's file is exact.
fn per_second(quota_us: i64, period_us: u64) -> i64 {
    if quota_us < 0 {
        return -1;
    }
    let period_us = i64::try_from(period_us).unwrap_or(i64::MAX);
    let exact = quota_us.saturating_mul(SECOND_US) / period_us;
    exact.saturating_add(9999) / 10_000 * 10_000
}

/// `0-1,3` as a mask, the lowest first.
fn bits(list: &str) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        for number in first..=last {
            let byte = usize::from(number / 8);
            if bits.len() <= byte {
                bits.resize(byte + 1, 0);
            }
            bits[byte] |= 1 << (number % 8);
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resources() -> LinuxResources {
        serde_json::from_value(json!({
            "memory": {"limit": 100, "swap": 150, "reservation": 50},
            "cpu": {"shares": 1024, "quota": 33_333, "period": 50_000, "cpus": "0-1,9", "mems": "0"},
            "pids": {"limit": 7},
        }))
        .expect("resources")
    }

    #[test]
    fn resources_are_properties_of_v2() {
        let expected = vec![
            ("MemoryMax", Value::U64(100)),
            ("MemorySwapMax", Value::U64(50)),
            ("MemoryLow", Value::U64(50)),
            ("CPUWeight", Value::U64(100)),
            ("CPUQuotaPeriodUSec", Value::U64(50_000)),
            ("CPUQuotaPerSecUSec", Value::U64(670_000)),
            ("AllowedCPUs", Value::Bytes(vec![0b11, 0b10])),
            ("AllowedMemoryNodes", Value::Bytes(vec![1])),
            ("TasksMax", Value::U64(7)),
        ];
        assert_eq!(of(&resources(), Version::Unified), expected);
    }

    #[test]
    fn resources_are_properties_of_v1() {
        let names: Vec<&str> = of(&resources(), Version::Legacy).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["MemoryLimit", "CPUShares", "CPUQuotaPeriodUSec", "CPUQuotaPerSecUSec", "TasksMax"]);
    }

    #[test]
    fn no_limits_are_infinity() {
        let none = json!({"memory": {"limit": -1, "swap": -1}, "cpu": {"quota": -1}, "pids": {"limit": -1}});
        let none: LinuxResources = serde_json::from_value(none).expect("resources");
        assert!(of(&none, Version::Unified).iter().all(|(_, value)| *value == Value::U64(u64::MAX)));
    }
}
