//! The formats of the kernel's counter files, read into a [`Sample`].

use std::path::PathBuf;

use super::figures;
use crate::model::{InterfaceCounters, Pressure, Sample};

/// One counter file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub path: PathBuf,
    pub format: Format,
}

/// How a file reads, and which fields it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// v1 `cpuacct.usage`: one number.
    CpuNanoseconds,
    /// v2 `cpu.stat`: `usage_usec N`; with the controller also periods, and microseconds in `throttled_usec N`.
    CpuStat,
    /// One number, page cache included.
    MemoryBytes,
    /// v1 `memory.stat`: `total_inactive_file N` is subtracted, as Docker does. Read after [`Self::MemoryBytes`].
    MemoryStatLegacy,
    /// v2 `memory.stat`: `inactive_file N`.
    MemoryStat,
    /// v1 `memory.oom_control` and v2 `memory.events`: `oom_kill N`.
    OutOfMemoryKills,
    /// v1 `cpu.stat`: `nr_periods N`, `nr_throttled N`, and nanoseconds in `throttled_time N`.
    CpuThrottlingLegacy,
    CpuPressure,
    MemoryPressure,
    DiskPressure,
    Pids,
    /// v1 `8:0 Read N` lines.
    DiskLegacy,
    /// v2 `8:0 rbytes=N wbytes=N …` lines.
    Disk,
    /// `/proc/PID/net/dev`, loopback left out.
    Network,
}

impl Format {
    /// Fills what the text of a file says. A text that is not as expected leaves the fields as they are.
    pub fn read(self, text: &str, sample: &mut Sample) {
        match self {
            Self::CpuNanoseconds => sample.cpu_ns = number(text),
            Self::CpuStat => {
                let ns = |key| keyed(text, key).map(|microseconds| microseconds.saturating_mul(1000));
                sample.cpu_ns = ns("usage_usec ");
                throttling(text, ns("throttled_usec "), sample);
            }
            Self::MemoryBytes => sample.memory_bytes = number(text),
            Self::MemoryStatLegacy => without_cache(keyed(text, "total_inactive_file "), sample),
            Self::MemoryStat => without_cache(keyed(text, "inactive_file "), sample),
            Self::OutOfMemoryKills => {
                sample.oom_kills = keyed(text, "oom_kill ");
                sample.oom_events = keyed(text, "oom ");
            }
            Self::CpuThrottlingLegacy => throttling(text, keyed(text, "throttled_time "), sample),
            Self::CpuPressure => sample.cpu_pressure = pressure(text),
            Self::MemoryPressure => sample.memory_pressure = pressure(text),
            Self::DiskPressure => sample.disk_pressure = pressure(text),
            Self::Pids => sample.pids = number(text),
            Self::DiskLegacy => {
                sample.disk_read_bytes = Some(sum_lines(text, " Read "));
                sample.disk_written_bytes = Some(sum_lines(text, " Write "));
            }
            Self::Disk => {
                sample.disk_read_bytes = Some(sum_lines(text, " rbytes="));
                sample.disk_written_bytes = Some(sum_lines(text, " wbytes="));
            }
            Self::Network => network(text, sample),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number after a key at a line's beginning.
fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)).and_then(number)
}

fn without_cache(inactive: Option<u64>, sample: &mut Sample) {
    if let (Some(used), Some(inactive)) = (sample.memory_bytes, inactive) {
        sample.memory_bytes = Some(used.saturating_sub(inactive));
    }
}

/// Both versions count periods by the same names.
fn throttling(text: &str, throttled_ns: Option<u64>, sample: &mut Sample) {
    sample.cpu_periods = keyed(text, "nr_periods ");
    sample.cpu_throttled_periods = keyed(text, "nr_throttled ");
    sample.cpu_throttled_ns = throttled_ns;
}

fn pressure(text: &str) -> Option<Pressure> {
    let found = figures::pressure(text)?;
    Some(Pressure {
        some_percent: found.some.avg10,
        full_percent: found.full.avg10,
        some_us: found.some.total,
        full_us: found.full.total,
    })
}

/// The sum over all lines of the number that follows `key`.
fn sum_lines(text: &str, key: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.split_once(key))
        .filter_map(|(_, rest)| rest.split(' ').next().and_then(number))
        .sum()
}

/// Interfaces that are told one by one: a container that makes thousands does not fill everybody's memory.
const INTERFACES_MOST: usize = 32;

/// Behind each interface's colon eight figures of what was received, then eight of what was sent, each beginning with bytes,
/// packets, errors and drops (proc_pid_net(5)).
fn network(text: &str, sample: &mut Sample) {
    let (mut received, mut sent, mut interfaces) = (0u64, 0u64, Vec::new());
    for (name, figures) in text.lines().filter_map(|line| line.split_once(':')) {
        let name = name.trim();
        if name == "lo" {
            continue;
        }
        let figures: Vec<u64> = figures.split_ascii_whitespace().map(|figure| figure.parse().unwrap_or(0)).collect();
        let figure = |at: usize| figures.get(at).copied().unwrap_or(0);
        received = received.saturating_add(figure(0));
        sent = sent.saturating_add(figure(8));
        if interfaces.len() < INTERFACES_MOST {
            interfaces.push(InterfaceCounters {
                name: name.to_owned(),
                received_bytes: figure(0),
                received_packets: figure(1),
                received_errors: figure(2),
                received_dropped: figure(3),
                sent_bytes: figure(8),
                sent_packets: figure(9),
                sent_errors: figure(10),
                sent_dropped: figure(11),
            });
        }
    }
    (sample.net_received_bytes, sample.net_sent_bytes) = (Some(received), Some(sent));
    sample.interfaces = interfaces;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[(Format, &str)]) -> Sample {
        let mut sample = Sample::default();
        for (format, text) in texts {
            format.read(text, &mut sample);
        }
        sample
    }

    #[test]
    fn v1_files_fill_the_sample() {
        let sample = read(&[
            (Format::CpuNanoseconds, "123456789\n"),
            (Format::MemoryBytes, "5000\n"),
            (Format::MemoryStatLegacy, "inactive_file 7\ntotal_inactive_file 2000\n"),
            (Format::OutOfMemoryKills, "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            (Format::Pids, "4\n"),
            (Format::DiskLegacy, "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:16 Read 1\nTotal 31\n"),
        ]);
        assert_eq!(sample.cpu_ns, Some(123_456_789));
        assert_eq!(sample.memory_bytes, Some(3000));
        assert_eq!((sample.oom_kills, sample.pids), (Some(3), Some(4)));
        assert_eq!((sample.disk_read_bytes, sample.disk_written_bytes), (Some(11), Some(20)));
    }

    #[test]
    fn v2_files_fill_the_sample() {
        let sample = read(&[
            (Format::CpuStat, "usage_usec 1500\nuser_usec 1000\n"),
            (Format::MemoryBytes, "100\n"),
            (Format::MemoryStat, "anon 5\ninactive_file 400\n"),
            (Format::OutOfMemoryKills, "low 0\noom 9\noom_kill 2\noom_group_kill 0\n"),
            (Format::Disk, "8:0 rbytes=11 wbytes=22 rios=3 wios=4\n8:16 rbytes=1 wbytes=0 rios=1\n"),
        ]);
        assert_eq!(sample.cpu_ns, Some(1_500_000));
        assert_eq!(sample.memory_bytes, Some(0), "never below zero");
        assert_eq!(sample.oom_kills, Some(2));
        assert_eq!((sample.disk_read_bytes, sample.disk_written_bytes), (Some(12), Some(22)));
    }

    #[test]
    fn throttling_and_pressure_fill_the_sample() {
        let v1 = read(&[(Format::CpuThrottlingLegacy, "nr_periods 5\nnr_throttled 2\nthrottled_time 7000\n")]);
        let v2 = read(&[(Format::CpuStat, "usage_usec 1\nnr_periods 5\nnr_throttled 2\nthrottled_usec 7\n")]);
        for sample in [v1, v2] {
            let found = (sample.cpu_periods, sample.cpu_throttled_periods, sample.cpu_throttled_ns);
            assert_eq!(found, (Some(5), Some(2), Some(7000)));
        }
        let text = "some avg10=2.50 avg60=0.00 avg300=0.00 total=40\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=9\n";
        let sample = read(&[(Format::CpuPressure, text), (Format::MemoryPressure, text), (Format::DiskPressure, "")]);
        let pressure = Pressure { some_percent: 2.5, full_percent: 1.0, some_us: 40, full_us: 9 };
        assert_eq!((sample.cpu_pressure, sample.memory_pressure), (Some(pressure), Some(pressure)));
        assert_eq!(sample.disk_pressure, None);
    }

    #[test]
    fn network_counts_all_but_loopback_and_each_by_itself() {
        let text = "Inter-|   Receive |  Transmit\n face |bytes packets|bytes\n    lo: 99 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n  eth0: 10 1 2 3 0 0 0 0 20 4 5 6 0 0 0 0\n  eth1:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
        let sample = read(&[(Format::Network, text)]);
        assert_eq!((sample.net_received_bytes, sample.net_sent_bytes), (Some(15), Some(26)));
        let eth0 = &sample.interfaces[0];
        assert_eq!((eth0.name.as_str(), eth0.received_packets, eth0.sent_packets), ("eth0", 1, 4));
        assert_eq!((eth0.received_errors, eth0.received_dropped, eth0.sent_errors, eth0.sent_dropped), (2, 3, 5, 6));
        assert_eq!((sample.interfaces.len(), sample.interfaces[0].lost_packets()), (2, 16));
    }

    #[test]
    fn network_of_thousands_of_interfaces_is_summed_and_told_in_part() {
        let text: String = (0..500).map(|number| format!("d{number}: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n")).collect();
        let sample = read(&[(Format::Network, &text)]);
        assert_eq!((sample.net_received_bytes, sample.net_sent_bytes), (Some(500), Some(1000)));
        assert_eq!(sample.interfaces.len(), INTERFACES_MOST);
    }

    #[test]
    fn garbage_fills_nothing() {
        let sample = read(&[(Format::CpuStat, "\u{fffd}"), (Format::MemoryBytes, "max"), (Format::Pids, "")]);
        assert_eq!(sample, Sample::default());
    }
}
