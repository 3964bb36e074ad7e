//! The machine as a whole: what its containers' figures are compared with.

use std::fs;

use super::{Engine, EngineError, Result};

/// Totals of the machine at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Machine {
    /// Processors online.
    pub cpus: u32,
    pub memory_bytes: u64,
    /// Memory that is not available to new programs without swapping (MemTotal - MemAvailable, proc_meminfo(5)).
    pub memory_used_bytes: u64,
    /// Nanoseconds all processors together have been busy since boot, steal time left out. Two looks make a rate.
    pub cpu_busy_ns: u64,
    /// The load average over one minute.
    pub load: f64,
}

impl Engine {
    /// A look at the machine: three small files of /proc, some tens of microseconds.
    pub fn machine(&self) -> Result<Machine> {
        Machine::now()
    }
}

impl Machine {
    pub(super) fn now() -> Result<Self> {
        let read = |path: &'static str| fs::read_to_string(path).map_err(EngineError::io("read", path.as_ref()));
        let (memory_bytes, available) = memory(&read("/proc/meminfo")?);
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let (busy_ticks, cpus) = processors(&read("/proc/stat")?);
        Ok(Self {
            cpus,
            memory_bytes,
            memory_used_bytes: memory_bytes.saturating_sub(available),
            cpu_busy_ns: busy_ticks.saturating_mul(1_000_000_000 / ticks_per_second.max(1)),
            load: read("/proc/loadavg")?.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0),
        })
    }
}

/// Bytes of memory in all, and available.
fn memory(meminfo: &str) -> (u64, u64) {
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    (field("MemTotal"), field("MemAvailable"))
}

/// Busy ticks of all processors (user, nice, system, irq, softirq; proc_stat(5)), and how many there are.
fn processors(stat: &str) -> (u64, u32) {
    let mut busy = 0;
    let mut count = 0;
    for line in stat.lines().take_while(|line| line.starts_with("cpu")) {
        let mut fields = line.split_ascii_whitespace();
        if fields.next() != Some("cpu") {
            count += 1;
            continue;
        }
        let ticks: Vec<u64> = fields.map(|field| field.parse().unwrap_or(0)).collect();
        busy = [0, 1, 2, 5, 6].iter().filter_map(|index| ticks.get(*index)).sum();
    }
    (busy, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(memory("MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable:   40 kB\n"), (102_400, 40_960));
        assert_eq!(memory(""), (0, 0));
    }

    #[test]
    fn processors_sum_leaves_idle_and_steal_out() {
        assert_eq!(processors("cpu  1 2 3 100 50 4 5 900 7 0\ncpu0 1 2\ncpu1 1 2\nintr 5\ncpu9\n"), (15, 2));
    }
}
