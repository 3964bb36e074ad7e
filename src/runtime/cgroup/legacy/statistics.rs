//! v1's counter files as [`Statistics`].

use std::path::Path;

use super::super::Subject;
use super::super::figures::{list, number, table};
use super::super::statistics::{CpuUsage, Cpuset, DiskEntry, HugePages, MemoryEntry, Pids, Statistics, Throttling};

/// Fills what the group `folder` counts of one subject.
pub(super) fn fill(subject: Subject, folder: &Path, statistics: &mut Statistics) {
    match subject {
        Subject::Cpu => statistics.cpu.throttling = throttling(folder),
        Subject::CpuUsage => statistics.cpu.usage = cpu_usage(folder),
        Subject::Cpuset => statistics.cpuset = cpuset(folder),
        Subject::Memory => memory(folder, statistics),
        Subject::Pids => statistics.pids = pids(folder),
        Subject::Disk => disk(folder, statistics),
        Subject::HugePages => huge_pages(folder, statistics),
        _ => {}
    }
}

fn throttling(folder: &Path) -> Throttling {
    let stat = table(folder, "cpu.stat");
    let figure = |name: &str| stat.get(name).copied().unwrap_or(0);
    Throttling {
        periods: figure("nr_periods"),
        throttled_periods: figure("nr_throttled"),
        throttled_time: figure("throttled_time"),
    }
}

fn cpu_usage(folder: &Path) -> CpuUsage {
    let stat = table(folder, "cpuacct.stat");
    let ns_per_tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let ticks = |name: &str| stat.get(name).copied().unwrap_or(0) * ns_per_tick;
    let mut usage = CpuUsage {
        total: number(folder, "cpuacct.usage").unwrap_or(0),
        kernel: ticks("system"),
        user: ticks("user"),
        ..CpuUsage::default()
    };
    let text = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    usage.percpu = text("cpuacct.usage_percpu").split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect();
    // `cpu user system` and a line for each cpu (Linux 4.6).
    for line in text("cpuacct.usage_all").lines().skip(1) {
        let mut figures = line.split_ascii_whitespace().skip(1).map(|figure| figure.parse().unwrap_or(0));
        usage.percpu_user.push(figures.next().unwrap_or(0));
        usage.percpu_kernel.push(figures.next().unwrap_or(0));
    }
    usage
}

fn cpuset(folder: &Path) -> Cpuset {
    let figure = |name: &str| number(folder, &format!("cpuset.{name}")).unwrap_or(0);
    let level = std::fs::read_to_string(folder.join("cpuset.sched_relax_domain_level")).unwrap_or_default();
    Cpuset {
        cpus: list(folder, "cpuset.cpus"),
        cpu_exclusive: figure("cpu_exclusive"),
        mems: list(folder, "cpuset.mems"),
        mem_hardwall: figure("mem_hardwall"),
        mem_exclusive: figure("mem_exclusive"),
        memory_migrate: figure("memory_migrate"),
        memory_spread_page: figure("memory_spread_page"),
        memory_spread_slab: figure("memory_spread_slab"),
        memory_pressure: figure("memory_pressure"),
        sched_load_balance: figure("sched_load_balance"),
        sched_relax_domain_level: level.trim().parse().unwrap_or(0),
    }
}

fn memory(folder: &Path, statistics: &mut Statistics) {
    let entry = |kind: &str| {
        let figure = |what: &str| number(folder, &format!("memory{kind}.{what}")).unwrap_or(0);
        MemoryEntry {
            limit: figure("limit_in_bytes"),
            usage: figure("usage_in_bytes"),
            max: figure("max_usage_in_bytes"),
            failcnt: figure("failcnt"),
        }
    };
    let memory = &mut statistics.memory;
    memory.usage = entry("");
    memory.swap = entry(".memsw");
    memory.kernel = entry(".kmem");
    memory.kernel_tcp = entry(".kmem.tcp");
    memory.raw = table(folder, "memory.stat");
    memory.cache = memory.raw.get("cache").copied().unwrap_or(0);
}

/// v1 and v2 have the same files.
pub(in super::super) fn pids(folder: &Path) -> Pids {
    Pids {
        current: number(folder, "pids.current").unwrap_or(0),
        limit: number(folder, "pids.max").filter(|limit| *limit != u64::MAX).unwrap_or(0),
    }
}

fn disk(folder: &Path, statistics: &mut Statistics) {
    let entries = |file: &str| -> Vec<DiskEntry> {
        let text = std::fs::read_to_string(folder.join(format!("blkio.{file}"))).unwrap_or_default();
        text.lines().filter_map(disk_entry).collect()
    };
    // What BFQ schedules it counts itself, with times; all else counts in the throttling layer.
    let counted = |file: &str| match entries(&format!("bfq.{file}_recursive")) {
        found if found.is_empty() => entries(&format!("throttle.{file}_recursive")),
        found => found,
    };
    let disk = &mut statistics.blkio;
    disk.io_service_bytes_recursive = counted("io_service_bytes");
    disk.io_serviced_recursive = counted("io_serviced");
    disk.io_queued_recursive = entries("bfq.io_queued_recursive");
    disk.io_service_time_recursive = entries("bfq.io_service_time_recursive");
    disk.io_wait_time_recursive = entries("bfq.io_wait_time_recursive");
    disk.io_merged_recursive = entries("bfq.io_merged_recursive");
    disk.io_time_recursive = entries("bfq.time_recursive");
    disk.sectors_recursive = entries("bfq.sectors_recursive");
}

/// `8:0 Read 4096`, or `8:0 4096` in files without operations. The last line, `Total 4096`, is none.
fn disk_entry(line: &str) -> Option<DiskEntry> {
    let mut words = line.split(' ');
    let (major, minor) = words.next()?.split_once(':')?;
    let (op, value) = match (words.next()?, words.next()) {
        (op, Some(value)) => (op, value),
        (value, None) => ("", value),
    };
    Some(DiskEntry {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        op: op.to_owned(),
        value: value.parse().ok()?,
    })
}

fn huge_pages(folder: &Path, statistics: &mut Statistics) {
    for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let size = name.strip_prefix("hugetlb.").and_then(|rest| rest.strip_suffix(".usage_in_bytes"));
        let Some(size) = size.filter(|size| !size.contains('.')) else { continue };
        let figure = |what: &str| number(folder, &format!("hugetlb.{size}.{what}")).unwrap_or(0);
        let pages = HugePages {
            usage: figure("usage_in_bytes"),
            max: figure("max_usage_in_bytes"),
            failcnt: figure("failcnt"),
        };
        statistics.hugetlb.insert(size.to_owned(), pages);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn filled(files: &[(&str, &str)]) -> serde_json::Value {
        let folder = tempfile::tempdir().expect("temporary folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("file");
        }
        let mut statistics = Statistics::default();
        for subject in [
            Subject::Cpu,
            Subject::CpuUsage,
            Subject::Cpuset,
            Subject::Memory,
            Subject::Pids,
            Subject::Disk,
            Subject::HugePages,
        ] {
            fill(subject, folder.path(), &mut statistics);
        }
        serde_json::to_value(statistics).expect("json")
    }

    #[test]
    fn v1_files_become_runcs_words() {
        let value = filled(&[
            ("cpu.stat", "nr_periods 4\nnr_throttled 2\nthrottled_time 900\n"),
            ("cpuacct.usage", "100\n"),
            ("cpuacct.stat", "user 3\nsystem 1\n"),
            ("cpuacct.usage_percpu", "60 40 \n"),
            ("cpuacct.usage_all", "cpu user system\n0 50 10\n1 30 10\n"),
            ("memory.usage_in_bytes", "5000\n"),
            ("memory.max_usage_in_bytes", "6000\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory.failcnt", "1\n"),
            ("memory.memsw.usage_in_bytes", "5001\n"),
            ("memory.stat", "cache 40\nrss 4960\n"),
            ("pids.current", "3\n"),
            ("pids.max", "max\n"),
            ("blkio.throttle.io_service_bytes_recursive", "8:0 Read 10\n8:0 Total 10\nTotal 10\n"),
            ("hugetlb.2MB.usage_in_bytes", "4194304\n"),
            ("hugetlb.2MB.rsvd.usage_in_bytes", "1\n"),
            ("hugetlb.2MB.failcnt", "1\n"),
            ("cpuset.cpus", "0-1\n"),
            ("cpuset.sched_relax_domain_level", "-1\n"),
        ]);
        assert_eq!(value["cpu"]["throttling"], json!({"periods": 4, "throttledPeriods": 2, "throttledTime": 900}));
        let usage = json!({"total": 100, "percpu": [60, 40], "percpu_user": [50, 30], "percpu_kernel": [10, 10],
            "kernel": 10_000_000, "user": 30_000_000});
        assert_eq!(value["cpu"]["usage"], usage);
        let memory = json!({"limit": 9_223_372_036_854_771_712_u64, "usage": 5000, "max": 6000, "failcnt": 1});
        assert_eq!(value["memory"]["usage"], memory);
        assert_eq!(value["memory"]["swap"]["usage"], 5001);
        assert_eq!(value["memory"]["cache"], 40);
        assert_eq!(value["memory"]["raw"], json!({"cache": 40, "rss": 4960}));
        assert_eq!(value["pids"], json!({"current": 3}));
        let expected = json!([{"major": 8, "op": "Read", "value": 10}, {"major": 8, "op": "Total", "value": 10}]);
        assert_eq!(value["blkio"]["ioServiceBytesRecursive"], expected);
        assert_eq!(value["hugetlb"], json!({"2MB": {"usage": 4_194_304, "failcnt": 1}}));
        assert_eq!(value["cpuset"]["cpus"], json!([0, 1]));
        assert_eq!(value["cpuset"]["sched_relax_domain_level"], -1);
    }
}
