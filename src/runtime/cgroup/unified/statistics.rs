//! v2's counter files as [`Statistics`].

use std::path::Path;

use super::super::Subject;
use super::super::figures::{number, pressure, table};
use super::super::legacy::statistics::pids;
use super::super::statistics::{CpuUsage, DiskEntry, HugePages, MemoryEntry, Pressure, Rdma, Statistics, Throttling};

/// Fills what the group `folder` counts of one subject.
pub(super) fn fill(subject: Subject, folder: &Path, statistics: &mut Statistics) {
    match subject {
        Subject::Cpu => statistics.cpu.throttling = throttling(folder),
        Subject::CpuUsage => {
            let stat = table(folder, "cpu.stat");
            let ns = |name: &str| stat.get(name).copied().unwrap_or(0).saturating_mul(1000);
            let (total, user, kernel) = (ns("usage_usec"), ns("user_usec"), ns("system_usec"));
            statistics.cpu.usage = CpuUsage { total, user, kernel, ..CpuUsage::default() };
        }
        Subject::Memory => memory(folder, statistics),
        Subject::Pids => statistics.pids = pids(folder),
        Subject::Disk => disk(folder, statistics),
        Subject::HugePages => huge_pages(folder, statistics),
        Subject::Rdma => rdma(folder, statistics),
        _ => {}
    }
}

/// How long the group's processes waited; in hybrid set-ups too, where v1 counts the rest.
pub(in super::super) fn fill_pressure(folder: &Path, statistics: &mut Statistics) {
    let read = |file: &str| -> Option<Pressure> { pressure(&std::fs::read_to_string(folder.join(file)).ok()?) };
    statistics.cpu.psi = read("cpu.pressure");
    statistics.memory.psi = read("memory.pressure");
    statistics.blkio.psi = read("io.pressure");
}

fn throttling(folder: &Path) -> Throttling {
    let stat = table(folder, "cpu.stat");
    let figure = |name: &str| stat.get(name).copied().unwrap_or(0);
    Throttling {
        periods: figure("nr_periods"),
        throttled_periods: figure("nr_throttled"),
        throttled_time: figure("throttled_usec").saturating_mul(1000),
    }
}

fn memory(folder: &Path, statistics: &mut Statistics) {
    let memory = &mut statistics.memory;
    let events = table(folder, "memory.events");
    memory.usage = MemoryEntry {
        limit: number(folder, "memory.max").unwrap_or(0),
        usage: number(folder, "memory.current").unwrap_or(0),
        // Linux 5.19.
        max: number(folder, "memory.peak").unwrap_or(0),
        failcnt: events.get("max").copied().unwrap_or(0),
    };
    // Readers know v1's way of counting memory and swap together.
    memory.swap = MemoryEntry {
        limit: number(folder, "memory.swap.max").map_or(0, |limit| limit.saturating_add(memory.usage.limit)),
        usage: number(folder, "memory.swap.current").map_or(0, |usage| usage.saturating_add(memory.usage.usage)),
        ..MemoryEntry::default()
    };
    memory.raw = table(folder, "memory.stat");
    memory.cache = memory.raw.get("file").copied().unwrap_or(0);
}

/// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`
fn disk(folder: &Path, statistics: &mut Statistics) {
    let text = std::fs::read_to_string(folder.join("io.stat")).unwrap_or_default();
    for line in text.lines() {
        let mut words = line.split(' ');
        let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else { continue };
        let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else { continue };
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let Ok(value) = value.parse() else { continue };
            let entry = |op: &str| DiskEntry { major, minor, op: op.to_owned(), value };
            let disk = &mut statistics.blkio;
            match name {
                "rbytes" => disk.io_service_bytes_recursive.push(entry("Read")),
                "wbytes" => disk.io_service_bytes_recursive.push(entry("Write")),
                "dbytes" => disk.io_service_bytes_recursive.push(entry("Discard")),
                "rios" => disk.io_serviced_recursive.push(entry("Read")),
                "wios" => disk.io_serviced_recursive.push(entry("Write")),
                "dios" => disk.io_serviced_recursive.push(entry("Discard")),
                _ => {}
            }
        }
    }
}

fn huge_pages(folder: &Path, statistics: &mut Statistics) {
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let size = name.strip_prefix("hugetlb.").and_then(|rest| rest.strip_suffix(".current"));
        let Some(size) = size.filter(|size| !size.contains('.')) else { continue };
        let events = table(folder, &format!("hugetlb.{size}.events"));
        let usage = number(folder, &name).unwrap_or(0);
        let pages = HugePages { usage, max: 0, failcnt: events.get("max").copied().unwrap_or(0) };
        statistics.hugetlb.insert(size.to_owned(), pages);
    }
}

/// `mlx4_0 hca_handle=2 hca_object=max` in `rdma.current` and `rdma.max`, on v1 as on v2.
pub(in super::super) fn rdma(folder: &Path, statistics: &mut Statistics) {
    let rows = |file: &str| -> Vec<(String, u64, u64)> {
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        let figure = |text: &str| text.parse().unwrap_or(u64::MAX);
        let row = |line: &str| {
            let mut words = line.split(' ');
            let name = words.next()?.to_owned();
            let handles = words.next()?.strip_prefix("hca_handle=").map(figure)?;
            let objects = words.next()?.strip_prefix("hca_object=").map(figure)?;
            Some((name, handles, objects))
        };
        text.lines().filter_map(row).collect()
    };
    for (name, handles, objects) in rows("rdma.current") {
        let device = Rdma { hca_handles: handles, hca_objects: objects, ..Rdma::default() };
        statistics.rdma.insert(name, device);
    }
    for (name, handles, objects) in rows("rdma.max") {
        let device = statistics.rdma.entry(name).or_default();
        device.hca_handles_limit = Some(handles).filter(|limit| *limit != u64::MAX);
        device.hca_objects_limit = Some(objects).filter(|limit| *limit != u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn v2_files_become_runcs_words() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let files = [
            ("cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 9\nnr_throttled 4\nthrottled_usec 7\n"),
            ("memory.current", "100\n"),
            ("memory.max", "1000\n"),
            ("memory.peak", "200\n"),
            ("memory.swap.current", "10\n"),
            ("memory.swap.max", "max\n"),
            ("memory.events", "low 0\nhigh 0\nmax 6\noom 1\noom_kill 1\n"),
            ("memory.stat", "anon 60\nfile 40\n"),
            ("pids.current", "2\n"),
            ("pids.max", "50\n"),
            ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
            ("hugetlb.2MB.current", "2097152\n"),
            ("hugetlb.2MB.events", "max 3\n"),
            ("rdma.current", "mlx4_0 hca_handle=2 hca_object=20\n"),
            ("rdma.max", "mlx4_0 hca_handle=max hca_object=50\n"),
            (
                "cpu.pressure",
                "some avg10=1.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
            ),
        ];
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("file");
        }
        let mut statistics = Statistics::default();
        for subject in [
            Subject::Cpu,
            Subject::CpuUsage,
            Subject::Memory,
            Subject::Pids,
            Subject::Disk,
            Subject::HugePages,
            Subject::Rdma,
        ] {
            fill(subject, folder.path(), &mut statistics);
        }
        fill_pressure(folder.path(), &mut statistics);
        let value = serde_json::to_value(statistics).expect("json");
        assert_eq!(value["cpu"]["usage"], json!({"total": 5000, "kernel": 2000, "user": 3000}));
        assert_eq!(value["cpu"]["throttling"], json!({"periods": 9, "throttledPeriods": 4, "throttledTime": 7000}));
        assert_eq!(value["memory"]["usage"], json!({"limit": 1000, "usage": 100, "max": 200, "failcnt": 6}));
        assert_eq!(value["memory"]["swap"], json!({"limit": u64::MAX, "usage": 110, "failcnt": 0}));
        assert_eq!(value["memory"]["cache"], 40);
        assert_eq!(value["pids"], json!({"current": 2, "limit": 50}));
        assert_eq!(value["blkio"]["ioServiceBytesRecursive"][1], json!({"major": 8, "op": "Write", "value": 2}));
        assert_eq!(value["blkio"]["ioServicedRecursive"][0], json!({"major": 8, "op": "Read", "value": 3}));
        assert_eq!(value["hugetlb"], json!({"2MB": {"usage": 2_097_152, "failcnt": 3}}));
        assert_eq!(value["rdma"], json!({"mlx4_0": {"hca_handles": 2, "hca_objects": 20, "hca_objects_limit": 50}}));
        assert_eq!(value["cpu"]["psi"]["some"], json!({"avg10": 1.0, "avg60": 0.0, "avg300": 0.0, "total": 5}));
        assert_eq!(value["memory"].get("psi"), None, "a kernel that does not count");
    }
}
