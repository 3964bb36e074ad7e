//! Limits as cgroups take them, from a specification's resources or from plain [`Limits`].

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType, LinuxResources};

use super::Subject;
use crate::model::Limits;

/// The period that cpu quotas refer to, in microseconds: Docker's.
const CPU_PERIOD_US: u64 = 100_000;

/// What is to be written. `None` leaves the kernel's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::runtime) struct Wanted {
    pub memory_bytes: Option<i64>,
    /// Memory and swap together, v1's way of counting; v2 gets the difference.
    pub memory_and_swap_bytes: Option<i64>,
    pub cpu_quota_us: Option<i64>,
    pub cpu_period_us: Option<u64>,
    /// v1's weight, 2 to 262144.
    pub cpu_shares: Option<u64>,
    pub pids: Option<i64>,
    pub devices: Vec<DeviceRule>,
}

/// One line of v1's devices list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct DeviceRule {
    pub allow: bool,
    /// `TYPE MAJOR:MINOR ACCESS`, such as `c 1:3 rwm`.
    pub line: String,
}

impl Wanted {
    pub fn from_resources(resources: Option<&LinuxResources>) -> Self {
        let Some(resources) = resources else { return Self::default() };
        let memory = resources.memory().as_ref();
        let cpu = resources.cpu().as_ref();
        Self {
            memory_bytes: memory.and_then(|memory| memory.limit()),
            memory_and_swap_bytes: memory.and_then(|memory| memory.swap()),
            cpu_quota_us: cpu.and_then(|cpu| cpu.quota()),
            cpu_period_us: cpu.and_then(|cpu| cpu.period()),
            cpu_shares: cpu.and_then(|cpu| cpu.shares()),
            pids: resources.pids().as_ref().map(|pids| pids.limit()),
            devices: resources.devices().iter().flatten().map(device_rule).collect(),
        }
    }

    /// Whether anything of this subject is to be written.
    pub(super) fn concerns(&self, subject: Subject) -> bool {
        match subject {
            Subject::Memory => self.memory_bytes.is_some() || self.memory_and_swap_bytes.is_some(),
            Subject::Cpu => self.cpu_quota_us.is_some() || self.cpu_shares.is_some(),
            Subject::Pids => self.pids.is_some(),
            Subject::Devices => !self.devices.is_empty(),
            Subject::CpuUsage | Subject::Disk | Subject::Freezer | Subject::Kill => false,
        }
    }

    pub(super) fn cpu_period_us(&self) -> u64 {
        self.cpu_period_us.unwrap_or(CPU_PERIOD_US)
    }
}

impl From<&Limits> for Wanted {
    fn from(limits: &Limits) -> Self {
        let memory_bytes = limits.memory_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        Self {
            memory_bytes,
            // Docker's default: as much swap again as memory.
            memory_and_swap_bytes: memory_bytes.map(|bytes| bytes.saturating_mul(2)),
            cpu_quota_us: limits.cpu_milli.map(|milli| (milli * CPU_PERIOD_US / 1000).cast_signed().max(1000)),
            cpu_period_us: limits.cpu_milli.map(|_| CPU_PERIOD_US),
            cpu_shares: None,
            pids: limits.pids.map(|pids| i64::try_from(pids).unwrap_or(-1)),
            devices: Vec::new(),
        }
    }
}

fn device_rule(device: &LinuxDeviceCgroup) -> DeviceRule {
    let number = |number: Option<i64>| number.filter(|n| *n >= 0).map_or("*".to_owned(), |n| n.to_string());
    let kind = match device.typ() {
        Some(LinuxDeviceType::B) => "b",
        Some(LinuxDeviceType::C | LinuxDeviceType::U) => "c",
        _ => "a",
    };
    let access = device.access().as_deref().unwrap_or("rwm");
    DeviceRule {
        allow: device.allow(),
        line: format!("{kind} {}:{} {access}", number(device.major()), number(device.minor())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_of_one_and_a_half_cpus_is_quota_of_a_tenth_second() {
        let wanted = Wanted::from(&Limits { cpu_milli: Some(1500), ..Limits::default() });
        assert_eq!((wanted.cpu_quota_us, wanted.cpu_period_us()), (Some(150_000), 100_000));
    }

    #[test]
    fn wanted_of_tiny_cpu_share_is_the_kernels_minimum() {
        assert_eq!(
            Wanted::from(&Limits { cpu_milli: Some(1), ..Limits::default() }).cpu_quota_us,
            Some(1000),
            "the kernel refuses quotas below a millisecond"
        );
    }

    #[test]
    fn wanted_memory_allows_as_much_swap_again() {
        let wanted = Wanted::from(&Limits { memory_bytes: Some(64), ..Limits::default() });
        assert_eq!((wanted.memory_bytes, wanted.memory_and_swap_bytes), (Some(64), Some(128)));
    }
}
