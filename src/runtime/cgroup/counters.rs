//! The formats of the kernel's counter files, read into a [`Sample`].

use std::path::PathBuf;

use crate::model::Sample;

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
    /// v2 `cpu.stat`: `usage_usec N`.
    CpuStat,
    /// One number, page cache included.
    MemoryBytes,
    /// v1 `memory.stat`: `total_inactive_file N` is subtracted, as Docker does. Read after [`Self::MemoryBytes`].
    MemoryStatLegacy,
    /// v2 `memory.stat`: `inactive_file N`.
    MemoryStat,
    /// v1 `memory.oom_control` and v2 `memory.events`: `oom_kill N`.
    OutOfMemoryKills,
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
            Self::CpuStat => sample.cpu_ns = keyed(text, "usage_usec ").map(|microseconds| microseconds * 1000),
            Self::MemoryBytes => sample.memory_bytes = number(text),
            Self::MemoryStatLegacy => without_cache(keyed(text, "total_inactive_file "), sample),
            Self::MemoryStat => without_cache(keyed(text, "inactive_file "), sample),
            Self::OutOfMemoryKills => sample.oom_kills = keyed(text, "oom_kill "),
            Self::Pids => sample.pids = number(text),
            Self::DiskLegacy => {
                sample.disk_read_bytes = Some(sum_lines(text, " Read "));
                sample.disk_written_bytes = Some(sum_lines(text, " Write "));
            }
            Self::Disk => {
                sample.disk_read_bytes = Some(sum_lines(text, " rbytes="));
                sample.disk_written_bytes = Some(sum_lines(text, " wbytes="));
            }
            Self::Network => {
                let (received, sent) = network(text);
                sample.net_received_bytes = Some(received);
                sample.net_sent_bytes = Some(sent);
            }
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

/// The sum over all lines of the number that follows `key`.
fn sum_lines(text: &str, key: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.split_once(key))
        .filter_map(|(_, rest)| rest.split(' ').next().and_then(number))
        .sum()
}

/// Bytes received and sent: the first and ninth figure after each interface's colon.
fn network(text: &str) -> (u64, u64) {
    let mut sums = (0, 0);
    for (name, figures) in text.lines().filter_map(|line| line.split_once(':')) {
        if name.trim() == "lo" {
            continue;
        }
        let mut figures = figures.split_ascii_whitespace().map(|figure| figure.parse::<u64>().unwrap_or(0));
        sums.0 += figures.next().unwrap_or(0);
        sums.1 += figures.nth(7).unwrap_or(0);
    }
    sums
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
    fn network_counts_all_but_loopback() {
        let text = "Inter-|   Receive |  Transmit\n face |bytes packets|bytes\n    lo: 99 1 0 0 0 0 0 0 99 1 0 0 0 0 0 0\n  eth0: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n  eth1:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0\n";
        let sample = read(&[(Format::Network, text)]);
        assert_eq!((sample.net_received_bytes, sample.net_sent_bytes), (Some(15), Some(26)));
    }

    #[test]
    fn garbage_fills_nothing() {
        let sample = read(&[(Format::CpuStat, "\u{fffd}"), (Format::MemoryBytes, "max"), (Format::Pids, "")]);
        assert_eq!(sample, Sample::default());
    }
}
