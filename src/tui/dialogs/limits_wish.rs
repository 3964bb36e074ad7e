//! From the limits form's texts to a wish for an update, or what is wrong with each text.

use crate::model::{Limits, RestartPolicy, UpdateRequest, parse_bytes, parse_cpus};

/// The form's rows, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    Memory,
    Swap,
    Reservation,
    Cpus,
    Shares,
    CpuSet,
    Processes,
    Disk,
    Restart,
}

/// What is wrong with a field, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub row: Row,
    pub text: String,
}

/// The least limit a process can start with; Docker's too.
const LEAST_MEMORY: u64 = 6 << 20;
/// The period that a quota is told in cpus of, in microseconds.
const PERIOD_US: u64 = 100_000;

impl Row {
    pub const ALL: [Self; 9] = [
        Self::Memory,
        Self::Swap,
        Self::Reservation,
        Self::Cpus,
        Self::Shares,
        Self::CpuSet,
        Self::Processes,
        Self::Disk,
        Self::Restart,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Memory => "Memory",
            Self::Swap => "With swap",
            Self::Reservation => "Reserved",
            Self::Cpus => "CPUs",
            Self::Shares => "CPU weight",
            Self::CpuSet => "On cpus",
            Self::Processes => "Processes",
            Self::Disk => "Disk weight",
            Self::Restart => "Restart",
        }
    }

    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Memory | Self::Cpus | Self::Processes => "no limit",
            Self::Swap => "twice the memory",
            Self::Reservation => "none",
            Self::Shares => "1024",
            Self::CpuSet => "any",
            Self::Disk => "100",
            Self::Restart => "no",
        }
    }

    pub fn help(self) -> &'static str {
        match self {
            Self::Memory => "such as 512m; beyond it the kernel kills a process",
            Self::Swap => "memory and swap together, such as 1g; -1 is no limit on swap",
            Self::Reservation => "left to it when the machine is short of memory",
            Self::Cpus => "such as 1.5; beyond it the processes are throttled",
            Self::Shares => "2 to 262144: its share when the cpus are busy",
            Self::CpuSet => "the cpus it may run on, such as 0-2,4",
            Self::Processes => "processes and threads together",
            Self::Disk => "10 to 1000: its share when the disk is busy",
            Self::Restart => "no, on-failure, on-failure:3, always or unless-stopped",
        }
    }

    /// What stands in the field for what holds now.
    pub fn text(self, limits: &Limits, restart: RestartPolicy) -> String {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let text = match self {
            Self::Memory => limits.memory_bytes.map(size),
            Self::Swap => limits.memory_swap_bytes.map(|bytes| u64::try_from(bytes).map_or("-1".to_owned(), size)),
            Self::Reservation => limits.memory_reservation_bytes.map(size),
            Self::Cpus => milli(limits).map(|milli| (milli as f64 / 1000.0).to_string()),
            Self::Shares => number(limits.cpu_shares),
            Self::CpuSet => limits.cpuset_cpus.clone(),
            Self::Processes => number(limits.pids),
            Self::Disk => number(limits.blkio_weight.map(u64::from)),
            Self::Restart => (restart != RestartPolicy::No).then(|| restart.to_string()),
        };
        text.unwrap_or_default()
    }
}

/// The limit on cpus, also where it was given as a quota.
fn milli(limits: &Limits) -> Option<u64> {
    let quota = |quota: u64| quota * 1000 / limits.cpu_period_us.unwrap_or(PERIOD_US).max(1);
    limits.cpu_milli.or(limits.cpu_quota_us.map(quota))
}

/// Bytes as they are typed: `512m`.
fn size(bytes: u64) -> String {
    let units = [(30, "g"), (20, "m"), (10, "k")];
    match units.into_iter().find(|(shift, _)| bytes > 0 && bytes.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => format!("{bytes}b"),
    }
}

/// Reads the whole form. A text as it was leaves its limit alone, an empty one takes it away.
pub fn wish(
    texts: &[String; Row::ALL.len()],
    limits: &Limits,
    restart: RestartPolicy,
) -> Result<UpdateRequest, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut request = UpdateRequest::default();
    for row in Row::ALL {
        let text = texts[row as usize].trim();
        if text != row.text(limits, restart)
            && let Err(text) = read(row, text, &mut request)
        {
            problems.push(Problem { row, text });
        }
    }
    if problems.is_empty() {
        problems.extend(together(&limits.changed_by(&request.limits)));
    }
    if problems.is_empty() { Ok(request) } else { Err(problems) }
}

fn read(row: Row, text: &str, request: &mut UpdateRequest) -> Result<(), String> {
    let limits = &mut request.limits;
    match row {
        Row::Memory => limits.memory_bytes = Some(bytes(text)?),
        Row::Swap if text == "-1" => limits.memory_swap_bytes = Some(-1),
        Row::Swap => limits.memory_swap_bytes = Some(i64::try_from(bytes(text)?).unwrap_or(i64::MAX)),
        Row::Reservation => limits.memory_reservation_bytes = Some(bytes(text)?),
        Row::Cpus if is_none(text) => (limits.cpu_milli, limits.cpu_quota_us) = (Some(0), Some(0)),
        Row::Cpus => limits.cpu_milli = Some(parse_cpus(text).map_err(|error| error.to_string())?),
        Row::Shares => limits.cpu_shares = Some(number(text, 2, 262_144)?),
        Row::CpuSet if !text.is_empty() && !text.chars().all(|c| c.is_ascii_digit() || "-,".contains(c)) => {
            return Err("numbers and ranges with commas between, such as 0-2,4".to_owned());
        }
        Row::CpuSet => limits.cpuset_cpus = Some(text.to_owned()),
        Row::Processes => limits.pids = Some(number(text, 1, 4_194_304)?),
        Row::Disk => limits.blkio_weight = Some(u16::try_from(number(text, 10, 1000)?).unwrap_or(0)),
        Row::Restart => {
            request.restart = Some(text.parse().map_err(|error: crate::model::ParseRestartError| error.to_string())?);
        }
    }
    Ok(())
}

fn is_none(text: &str) -> bool {
    text.is_empty() || text == "0"
}

fn bytes(text: &str) -> Result<u64, String> {
    match text {
        text if is_none(text) => Ok(0),
        text => match parse_bytes(text).map_err(|error| error.to_string())? {
            few if few < LEAST_MEMORY => Err("at least 6m".to_owned()),
            bytes => Ok(bytes),
        },
    }
}

fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    if is_none(text) {
        return Ok(0);
    }
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("a whole number from {least} to {most}"))
}

/// What does not fit together although each text is right.
fn together(limits: &Limits) -> Option<Problem> {
    let memory = limits.memory_bytes;
    let swap = limits.memory_swap_bytes.and_then(|bytes| u64::try_from(bytes).ok());
    let (row, text) = match (memory, swap, limits.memory_reservation_bytes) {
        (None, Some(_), _) => (Row::Swap, "it needs a limit on memory as well"),
        (Some(memory), Some(swap), _) if swap < memory => (Row::Swap, "memory and swap together: not less than memory"),
        (Some(memory), _, Some(reserved)) if reserved > memory => (Row::Reservation, "not more than the memory"),
        _ => return None,
    };
    Some(Problem { row, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(changes: &[(Row, &str)], limits: &Limits) -> [String; Row::ALL.len()] {
        let mut texts = Row::ALL.map(|row| row.text(limits, RestartPolicy::No));
        for (row, text) in changes {
            texts[*row as usize] = (*text).to_owned();
        }
        texts
    }

    fn wished(changes: &[(Row, &str)], limits: &Limits) -> Result<UpdateRequest, Vec<Problem>> {
        wish(&texts(changes, limits), limits, RestartPolicy::No)
    }

    #[test]
    fn every_row_is_read() {
        let request = wished(
            &[
                (Row::Memory, "64m"),
                (Row::Swap, "-1"),
                (Row::Reservation, "32m"),
                (Row::Cpus, "0.5"),
                (Row::Shares, "512"),
                (Row::CpuSet, "0-1"),
                (Row::Processes, "20"),
                (Row::Disk, "300"),
                (Row::Restart, "always"),
            ],
            &Limits::default(),
        )
        .expect("all right");
        let limits = Limits {
            memory_bytes: Some(64 << 20),
            memory_swap_bytes: Some(-1),
            memory_reservation_bytes: Some(32 << 20),
            cpu_milli: Some(500),
            cpu_shares: Some(512),
            cpuset_cpus: Some("0-1".to_owned()),
            pids: Some(20),
            blkio_weight: Some(300),
            ..Limits::default()
        };
        assert_eq!(request, UpdateRequest { limits: limits.clone(), restart: Some(RestartPolicy::Always) });
        // What holds is written as it is read: then nothing is a change.
        assert!(wished(&[], &limits).expect("as it is").is_empty());
        let none: Vec<(Row, &str)> = Row::ALL.into_iter().map(|row| (row, "")).collect();
        let request = wish(&texts(&none, &limits), &limits, RestartPolicy::Always).expect("none");
        assert_eq!(limits.changed_by(&request.limits), Limits::default());
        assert_eq!(request.restart, Some(RestartPolicy::No));
    }

    #[test]
    fn quota_is_shown_as_cpus_and_left_alone() {
        let limits = Limits { cpu_quota_us: Some(20_000), cpu_period_us: Some(50_000), ..Limits::default() };
        assert_eq!(Row::Cpus.text(&limits, RestartPolicy::No), "0.4");
        assert!(wished(&[], &limits).expect("as it is").is_empty());
        let none = wished(&[(Row::Cpus, "")], &limits).expect("none");
        assert_eq!(limits.changed_by(&none.limits).cpu_quota_us, None);
    }

    #[test]
    fn everything_wrong_is_said_at_its_row() {
        let limits = Limits { memory_bytes: Some(64 << 20), ..Limits::default() };
        for (row, text) in [
            (Row::Memory, "5m"),
            (Row::Memory, "lots"),
            (Row::Swap, "63m"),
            (Row::Reservation, "65m"),
            (Row::Cpus, "-1"),
            (Row::Shares, "1"),
            (Row::CpuSet, "all"),
            (Row::Processes, "many"),
            (Row::Disk, "5"),
            (Row::Restart, "sometimes"),
        ] {
            let problems = wished(&[(row, text)], &limits).expect_err(text);
            assert_eq!(problems.iter().map(|problem| problem.row).collect::<Vec<_>>(), [row], "{text}");
        }
    }
}
