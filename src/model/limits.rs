//! Limits that a container's cgroup enforces, and how a wish changes them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::RestartPolicy;

/// Limits that a cgroup enforces. `None`, and an empty list, is no limit.
///
/// In a wish ([`UpdateRequest`], `CreateRequest`) `None` leaves a limit as it is, and zero, or an empty text, takes it away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    pub memory_bytes: Option<u64>,
    /// Memory and swap together, Docker's way of counting; -1 is swap without limit. None is twice the memory.
    pub memory_swap_bytes: Option<i64>,
    /// What the kernel leaves it when memory is short.
    pub memory_reservation_bytes: Option<u64>,
    /// Thousandths of one cpu: 1500 is `--cpus 1.5`. Never together with a quota.
    pub cpu_milli: Option<u64>,
    /// v1's weight, 2 to 262144; the kernel's own is 1024.
    pub cpu_shares: Option<u64>,
    /// Microseconds of cpu time in each period.
    pub cpu_quota_us: Option<u64>,
    pub cpu_period_us: Option<u64>,
    /// The kernel's list format: `0-2,4`.
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    pub pids: Option<u64>,
    /// 10 to 1000.
    pub blkio_weight: Option<u16>,
    pub device_read_bps: Vec<DeviceRate>,
    pub device_write_bps: Vec<DeviceRate>,
    pub device_read_iops: Vec<DeviceRate>,
    pub device_write_iops: Vec<DeviceRate>,
}

/// How much of a block device a container may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    /// The device's node on the host, such as `/dev/sda`.
    pub path: PathBuf,
    /// Bytes, or operations, per second.
    pub rate: u64,
}

/// What `update` changes: `None` leaves as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateRequest {
    pub limits: Limits,
    pub restart: Option<RestartPolicy>,
}

impl UpdateRequest {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Limits {
    /// The limit on memory and swap together in force: as much swap again as memory unless told otherwise, as Docker does.
    pub fn swap_bytes(&self) -> Option<i64> {
        let double = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(2);
        self.memory_swap_bytes.or(self.memory_bytes.map(double))
    }

    /// These limits with what `wish` changes of them. Quota and thousandths of cpus drive each other out.
    #[must_use]
    pub fn changed_by(&self, wish: &Self) -> Self {
        let text = |old: &Option<String>, new: &Option<String>| {
            new.clone().or_else(|| old.clone()).filter(|text| !text.is_empty())
        };
        let rates = |old: &Vec<DeviceRate>, new: &Vec<DeviceRate>| {
            let kept = old.iter().filter(|rate| new.iter().all(|other| other.path != rate.path));
            kept.chain(new).filter(|rate| rate.rate > 0).cloned().collect()
        };
        let own = |wished: bool, other: bool, old: Option<u64>| if other && !wished { None } else { old };
        let by_quota = wish.cpu_quota_us.is_some_and(|quota| quota > 0);
        let by_cpus = wish.cpu_milli.is_some_and(|milli| milli > 0);
        let removes_memory = wish.memory_bytes == Some(0);
        Self {
            memory_bytes: number(wish.memory_bytes, self.memory_bytes),
            // Swap has no meaning without a limit on memory.
            memory_swap_bytes: wish
                .memory_swap_bytes
                .or(self.memory_swap_bytes.filter(|_| !removes_memory))
                .filter(|bytes| *bytes != 0),
            memory_reservation_bytes: number(wish.memory_reservation_bytes, self.memory_reservation_bytes),
            cpu_milli: number(wish.cpu_milli, own(by_cpus, by_quota, self.cpu_milli)),
            cpu_shares: number(wish.cpu_shares, self.cpu_shares),
            cpu_quota_us: number(wish.cpu_quota_us, own(by_quota, by_cpus, self.cpu_quota_us)),
            cpu_period_us: number(wish.cpu_period_us, own(by_quota, by_cpus, self.cpu_period_us)),
            cpuset_cpus: text(&self.cpuset_cpus, &wish.cpuset_cpus),
            cpuset_mems: text(&self.cpuset_mems, &wish.cpuset_mems),
            pids: number(wish.pids, self.pids),
            blkio_weight: wish.blkio_weight.or(self.blkio_weight).filter(|weight| *weight != 0),
            device_read_bps: rates(&self.device_read_bps, &wish.device_read_bps),
            device_write_bps: rates(&self.device_write_bps, &wish.device_write_bps),
            device_read_iops: rates(&self.device_read_iops, &wish.device_read_iops),
            device_write_iops: rates(&self.device_write_iops, &wish.device_write_iops),
        }
    }
}

/// The wished number, else the old one; zero is none.
fn number(wished: Option<u64>, old: Option<u64>) -> Option<u64> {
    wished.or(old).filter(|number| *number != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wish_changes_what_it_names_and_zero_takes_away() {
        let old = Limits {
            memory_bytes: Some(100),
            memory_swap_bytes: Some(-1),
            pids: Some(5),
            cpuset_cpus: Some("0".to_owned()),
            ..Limits::default()
        };
        let wish = Limits { pids: Some(7), cpuset_cpus: Some(String::new()), ..Limits::default() };
        let new = old.changed_by(&wish);
        assert_eq!((new.memory_bytes, new.memory_swap_bytes), (Some(100), Some(-1)));
        assert_eq!((new.pids, new.cpuset_cpus.as_deref()), (Some(7), None));
        let none = new.changed_by(&Limits { memory_bytes: Some(0), pids: Some(0), ..Limits::default() });
        assert_eq!(none, Limits::default());
    }

    #[test]
    fn quota_and_cpus_drive_each_other_out() {
        let cpus = Limits { cpu_milli: Some(1500), ..Limits::default() };
        let quota = Limits { cpu_quota_us: Some(50_000), cpu_period_us: Some(200_000), ..Limits::default() };
        assert_eq!(cpus.changed_by(&quota), quota);
        assert_eq!(quota.changed_by(&cpus), cpus);
    }

    #[test]
    fn device_rates_are_kept_by_device() {
        let rate = |path: &str, rate| DeviceRate { path: path.into(), rate };
        let of = |rates: Vec<DeviceRate>| Limits { device_read_bps: rates, ..Limits::default() };
        let old = of(vec![rate("/dev/a", 1), rate("/dev/b", 2)]);
        let new = old.changed_by(&of(vec![rate("/dev/b", 3), rate("/dev/a", 0)]));
        assert_eq!(new, of(vec![rate("/dev/b", 3)]));
    }

    #[test]
    fn limits_of_an_older_teu_are_read() {
        let old: Limits = serde_json::from_str(r#"{"memory_bytes":1,"cpu_milli":null,"pids":2}"#).expect("readable");
        assert_eq!(old, Limits { memory_bytes: Some(1), pids: Some(2), ..Limits::default() });
    }
}
