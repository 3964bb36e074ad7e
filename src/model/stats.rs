//! Resource counters of a container and the rates made of two of them.

use serde::{Deserialize, Serialize};

use super::Limits;

/// Counters read at one moment. `None` where the kernel gives none (no cgroup delegated).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Nanoseconds on CLOCK_MONOTONIC when it was taken.
    pub taken_ns: u64,
    /// Nanoseconds of cpu time used since the start.
    pub cpu_ns: Option<u64>,
    /// Bytes in use without reclaimable page cache, as Docker counts (usage - inactive_file).
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Bytes received and sent over all interfaces but loopback; none with the host's network.
    pub net_received_bytes: Option<u64>,
    pub net_sent_bytes: Option<u64>,
    /// Each of these interfaces by itself, in the kernel's order; of very many only the first.
    pub interfaces: Vec<InterfaceCounters>,
    /// Bytes read from and written to block devices.
    pub disk_read_bytes: Option<u64>,
    pub disk_written_bytes: Option<u64>,
    /// Processes the kernel killed at the memory limit.
    pub oom_kills: Option<u64>,
    /// Times the memory limit was hit and nothing could be reclaimed, whether or not somebody was killed (v2 only).
    pub oom_events: Option<u64>,
    /// How much processes waited for cpu, memory and disk (PSI); none where the kernel does not say.
    pub cpu_pressure: Option<Pressure>,
    pub memory_pressure: Option<Pressure>,
    pub disk_pressure: Option<Pressure>,
    /// Periods of its cpu quota that passed while it wanted to run, how many of them it was throttled in, and how long.
    pub cpu_periods: Option<u64>,
    pub cpu_throttled_periods: Option<u64>,
    pub cpu_throttled_ns: Option<u64>,
    /// True when there is no cgroup and the figures come from /proc of the container's processes.
    pub from_proc: bool,
}

/// What one interface has moved since it was made, as the container sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceCounters {
    /// As the container calls it: `eth0`. A container may give it any name, so it is hostile text.
    pub name: String,
    pub received_bytes: u64,
    pub received_packets: u64,
    pub received_errors: u64,
    pub received_dropped: u64,
    pub sent_bytes: u64,
    pub sent_packets: u64,
    pub sent_errors: u64,
    pub sent_dropped: u64,
}

/// An interface's rates between two looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceRates {
    pub name: String,
    /// Bytes per second.
    pub received: f64,
    pub sent: f64,
    /// Packets per second.
    pub received_packets: f64,
    pub sent_packets: f64,
    /// Packets that were dropped or broken, both ways, per second.
    pub lost_packets: f64,
}

/// Pressure stall information of one resource: the time in which processes waited for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pressure {
    /// Percent of the last ten seconds (a moving average) in which at least one process waited.
    pub some_percent: f64,
    /// The same, in which all that had something to do waited.
    pub full_percent: f64,
    /// Microseconds since the start.
    pub some_us: u64,
    pub full_us: u64,
}

/// A sample with its rates: what lists and charts show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    pub sample: Sample,
    /// Percent of one core since the sample before: 250.0 is two cores and a half. None at the first sample.
    pub cpu_percent: Option<f64>,
    /// The memory limit in force, the machine's memory where there is none.
    pub memory_limit_bytes: u64,
    /// Percent of `memory_limit_bytes`.
    pub memory_percent: Option<f64>,
    /// Bytes per second since the sample before.
    pub net_received_rate: Option<f64>,
    pub net_sent_rate: Option<f64>,
    /// Of each interface that was there at both looks.
    #[serde(default)]
    pub interfaces: Vec<InterfaceRates>,
    pub disk_read_rate: Option<f64>,
    pub disk_written_rate: Option<f64>,
    /// Percent of the quota's periods since the sample before in which it was throttled.
    pub throttled_percent: Option<f64>,
}

impl Usage {
    /// The usage that `now` shows, with rates over the time since `before`.
    pub fn between(before: Option<&Sample>, now: &Sample, limits: &Limits, machine_memory_bytes: u64) -> Self {
        let seconds = before.map(|b| now.taken_ns.saturating_sub(b.taken_ns) as f64 / 1e9).filter(|s| *s > 0.0);
        let rate = |field: fn(&Sample) -> Option<u64>| {
            let (seconds, before) = (seconds?, before?);
            Some(field(now)?.saturating_sub(field(before)?) as f64 / seconds)
        };
        let memory_limit_bytes = limits.memory_bytes.unwrap_or(machine_memory_bytes).min(machine_memory_bytes);
        Self {
            sample: now.clone(),
            cpu_percent: rate(|s| s.cpu_ns).map(|ns_per_second| ns_per_second / 1e7),
            memory_limit_bytes,
            memory_percent: now.memory_bytes.map(|used| 100.0 * used as f64 / memory_limit_bytes.max(1) as f64),
            net_received_rate: rate(|s| s.net_received_bytes),
            net_sent_rate: rate(|s| s.net_sent_bytes),
            interfaces: interface_rates(before, now, seconds),
            disk_read_rate: rate(|s| s.disk_read_bytes),
            disk_written_rate: rate(|s| s.disk_written_bytes),
            throttled_percent: throttled(before, now),
        }
    }
}

impl InterfaceCounters {
    /// Packets that were dropped or broken, both ways.
    pub fn lost_packets(&self) -> u64 {
        [self.received_errors, self.received_dropped, self.sent_errors, self.sent_dropped]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    fn rates(&self, before: &Self, seconds: f64) -> InterfaceRates {
        let rate = |field: fn(&Self) -> u64| field(self).saturating_sub(field(before)) as f64 / seconds;
        InterfaceRates {
            name: self.name.clone(),
            received: rate(|it| it.received_bytes),
            sent: rate(|it| it.sent_bytes),
            received_packets: rate(|it| it.received_packets),
            sent_packets: rate(|it| it.sent_packets),
            lost_packets: rate(Self::lost_packets),
        }
    }
}

fn interface_rates(before: Option<&Sample>, now: &Sample, seconds: Option<f64>) -> Vec<InterfaceRates> {
    let (Some(before), Some(seconds)) = (before, seconds) else { return Vec::new() };
    let rates = |it: &InterfaceCounters| {
        let known = before.interfaces.iter().find(|known| known.name == it.name)?;
        Some(it.rates(known, seconds))
    };
    now.interfaces.iter().filter_map(rates).collect()
}

/// Zero where there is a quota and no period passed.
fn throttled(before: Option<&Sample>, now: &Sample) -> Option<f64> {
    let since = |field: fn(&Sample) -> Option<u64>| Some(field(now)?.saturating_sub(field(before?)?) as f64);
    let (periods, throttled) = (since(|s| s.cpu_periods)?, since(|s| s.cpu_throttled_periods)?);
    Some(if periods > 0.0 { (100.0 * throttled / periods).min(100.0) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_of_one_core_busy_is_hundred_percent() {
        let before = Sample { taken_ns: 0, cpu_ns: Some(0), ..Sample::default() };
        let now = Sample {
            taken_ns: 2_000_000_000,
            cpu_ns: Some(2_000_000_000),
            memory_bytes: Some(50),
            ..Sample::default()
        };
        let usage = Usage::between(Some(&before), &now, &Limits { memory_bytes: Some(200), ..Limits::default() }, 1000);
        assert_eq!(usage.cpu_percent, Some(100.0));
        assert_eq!(usage.memory_percent, Some(25.0));
        assert_eq!(usage.memory_limit_bytes, 200);
    }

    #[test]
    fn throttling_is_a_share_of_the_periods_that_passed() {
        let sample = |periods, throttled| Sample {
            cpu_periods: Some(periods),
            cpu_throttled_periods: Some(throttled),
            ..Sample::default()
        };
        let percent =
            |before: &Sample, now: &Sample| Usage::between(Some(before), now, &Limits::default(), 1).throttled_percent;
        assert_eq!(percent(&sample(10, 5), &sample(20, 10)), Some(50.0));
        assert_eq!(percent(&sample(10, 5), &sample(10, 5)), Some(0.0));
        assert_eq!(percent(&Sample::default(), &sample(10, 5)), None);
    }

    #[test]
    fn usage_of_first_sample_has_no_rates() {
        let usage = Usage::between(None, &Sample { cpu_ns: Some(1), ..Sample::default() }, &Limits::default(), 1000);
        assert_eq!(usage.cpu_percent, None);
        assert_eq!(usage.memory_limit_bytes, 1000);
    }

    #[test]
    fn rates_are_of_each_interface_that_was_there_before() {
        let interface = |name: &str, received_bytes, sent_packets, sent_dropped| InterfaceCounters {
            name: name.to_owned(),
            received_bytes,
            sent_packets,
            sent_dropped,
            ..InterfaceCounters::default()
        };
        let sample = |taken_ns, interfaces| Sample { taken_ns, interfaces, ..Sample::default() };
        let before = sample(0, vec![interface("eth0", 100, 10, 1), interface("gone0", 5, 0, 0)]);
        let now = sample(2_000_000_000, vec![interface("eth1", 7, 0, 0), interface("eth0", 300, 20, 5)]);
        let usage = Usage::between(Some(&before), &now, &Limits::default(), 1);
        let rates = InterfaceRates {
            name: "eth0".to_owned(),
            received: 100.0,
            sent_packets: 5.0,
            lost_packets: 2.0,
            ..InterfaceRates::default()
        };
        assert_eq!(usage.interfaces, [rates]);
        assert!(Usage::between(None, &now, &Limits::default(), 1).interfaces.is_empty());
    }

    #[test]
    fn usage_of_counter_that_went_back_is_zero() {
        let before = Sample { taken_ns: 0, cpu_ns: Some(9), ..Sample::default() };
        let now = Sample { taken_ns: 1_000_000_000, cpu_ns: Some(3), ..Sample::default() };
        assert_eq!(Usage::between(Some(&before), &now, &Limits::default(), 1).cpu_percent, Some(0.0));
    }
}
