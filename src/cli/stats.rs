//! `stats` and `top`: what containers use, and their processes.

use std::time::{Duration, Instant};

use clap::Args;

use super::failure::{Failure, Outcome};
use super::format::{Column, Format, Row, render, show};
use super::output::Output;
use super::wording::{memory, size};
use crate::engine::{Engine, Process};
use crate::model::{ContainerSummary, Pressure, Timestamp, Usage, parse_duration_ms};

/// Show what containers use, again and again.
#[derive(Args, Clone, Debug)]
pub struct Stats {
    /// One table, and end: rates are over the 200 ms between two samples
    #[arg(long)]
    no_stream: bool,
    /// Time between two samples [default: 1s; with --no-stream 200ms]
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    interval: Option<Duration>,
    /// Show containers that do not run, too
    #[arg(short, long)]
    all: bool,
    /// Do not cut ids
    #[arg(long)]
    no_trunc: bool,
    /// json, a template such as {{.Name}}: {{.CPUPerc}}, or table and a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Only these
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Show the processes of a container.
#[derive(Args, Clone, Debug)]
pub struct Top {
    /// json, a template such as {{.Pid}}, or table and a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

const ONE_LOOK: Duration = Duration::from_millis(200);
const STREAM: Duration = Duration::from_secs(1);

const NONE: &str = "--";

const SHOWN: [Column; 8] = [
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
];
const ALL: [Column; 7] = [
    ("Container", "CONTAINER"),
    ("CPUPressure", "CPU PRESSURE"),
    ("MemPressure", "MEM PRESSURE"),
    ("IOPressure", "I/O PRESSURE"),
    ("Throttled", "THROTTLED %"),
    ("ThrottledTime", "THROTTLED TIME"),
    ("OOMKills", "OOM KILLS"),
];

const PROCESSES: [Column; 8] = [
    ("User", "UID"),
    ("Pid", "PID"),
    ("Parent", "PPID"),
    ("CpuPercent", "C"),
    ("Started", "STIME"),
    ("Terminal", "TTY"),
    ("Time", "TIME"),
    ("Command", "CMD"),
];
const PROCESSES_ALL: [Column; 2] = [("State", "STATE"), ("Memory", "MEMORY")];

fn interval(text: &str) -> Result<Duration, String> {
    match parse_duration_ms(text) {
        Ok(ms @ 10..=3_600_000) => Ok(Duration::from_millis(ms)),
        Ok(_) => Err("write something from 10ms to 1h".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub fn stats(engine: &Engine, wish: &Stats) -> Outcome {
    let format = wish.format.clone().unwrap_or_default();
    let mut out = Output::open();
    let mut sampler = engine.sampler();
    for target in &wish.containers {
        engine.find(target)?;
    }
    // The first look has no rates: those come with the second. Looks begin at even times and take the containers in
    // one order, so that a container's two samples are an interval apart however long a look takes.
    let mut began = Instant::now();
    sampler.sample()?;
    let between = wish.interval.unwrap_or(if wish.no_stream { ONE_LOOK } else { STREAM });
    let first = if wish.no_stream { between } else { between.min(ONE_LOOK) };
    std::thread::sleep(first.saturating_sub(began.elapsed()));
    loop {
        began = Instant::now();
        let usages = sampler.sample()?;
        let mut containers = engine.list(wish.all || !wish.containers.is_empty())?;
        if !wish.containers.is_empty() {
            containers.retain(|container| wish.containers.iter().any(|target| is_target(container, target)));
        }
        let usage = |container: &ContainerSummary| usages.iter().find(|(id, _)| *id == container.id).map(|(_, u)| u);
        let rows: Vec<Row> =
            containers.iter().map(|container| row(container, usage(container), wish.no_trunc)).collect();
        if wish.no_stream {
            show(&mut out, &format, &SHOWN, &ALL, &rows)?;
            return Ok(0);
        }
        frame(&mut out, &render(&format, &SHOWN, &ALL, &rows)?)?;
        std::thread::sleep(between.saturating_sub(began.elapsed()));
    }
}

/// One picture of a stream: over the one before on a terminal, behind it elsewhere.
fn frame(out: &mut Output, text: &str) -> Result<(), Failure> {
    if out.is_terminal() {
        // Home, then each line with what was behind it erased, then everything below: nothing flickers.
        out.trusted("\x1b[H")?;
        for line in text.lines() {
            out.text(line)?;
            out.trusted("\x1b[K\n")?;
        }
        out.trusted("\x1b[J")?;
    } else {
        out.text(text)?;
    }
    Ok(out.flush()?)
}

fn is_target(container: &ContainerSummary, target: &str) -> bool {
    container.name.as_str() == target || container.id.as_str().starts_with(target)
}

fn row(container: &ContainerSummary, usage: Option<&Usage>, whole: bool) -> Row {
    let id = if whole { container.id.as_str() } else { container.id.short() };
    let percent = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), |value| format!("{value:.2}%"));
    let pair = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (None, None) => format!("{NONE} / {NONE}"),
        (one, other) => format!("{} / {}", size(one.unwrap_or(0)), size(other.unwrap_or(0))),
    };
    let sample = usage.map(|usage| &usage.sample);
    let used = sample.and_then(|sample| sample.memory_bytes).map_or_else(|| NONE.to_owned(), memory);
    let limit = usage.map_or_else(|| NONE.to_owned(), |usage| memory(usage.memory_limit_bytes));
    Row::new([
        ("Container", id.to_owned()),
        ("ID", id.to_owned()),
        ("Name", container.name.to_string()),
        ("CPUPerc", percent(usage.and_then(|usage| usage.cpu_percent))),
        ("MemUsage", format!("{used} / {limit}")),
        ("MemPerc", percent(usage.and_then(|usage| usage.memory_percent))),
        ("NetIO", pair(sample.and_then(|s| s.net_received_bytes), sample.and_then(|s| s.net_sent_bytes))),
        ("BlockIO", pair(sample.and_then(|s| s.disk_read_bytes), sample.and_then(|s| s.disk_written_bytes))),
        ("PIDs", count(sample.and_then(|s| s.pids))),
        ("CPUPressure", pressure(sample.and_then(|s| s.cpu_pressure))),
        ("MemPressure", pressure(sample.and_then(|s| s.memory_pressure))),
        ("IOPressure", pressure(sample.and_then(|s| s.disk_pressure))),
        ("Throttled", percent(usage.and_then(|usage| usage.throttled_percent))),
        ("ThrottledTime", throttled_time(sample.and_then(|s| s.cpu_throttled_ns))),
        ("OOMKills", count(sample.and_then(|s| s.oom_kills))),
    ])
}

fn count(number: Option<u64>) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| number.to_string())
}

/// Percent of the last ten seconds in which some, and in which all processes waited.
fn pressure(pressure: Option<Pressure>) -> String {
    match pressure {
        Some(pressure) => format!("{:.2}% / {:.2}%", pressure.some_percent, pressure.full_percent),
        None => format!("{NONE} / {NONE}"),
    }
}

fn throttled_time(nanoseconds: Option<u64>) -> String {
    nanoseconds.map_or_else(|| NONE.to_owned(), |ns| format!("{:.2}s", ns as f64 / 1e9))
}

pub fn top(engine: &Engine, wish: &Top) -> Outcome {
    let processes = engine.top(&wish.container)?;
    let now = Timestamp::now();
    let rows: Vec<Row> = processes.iter().map(|process| process_row(process, now)).collect();
    show(&mut Output::open(), &wish.format.clone().unwrap_or_default(), &PROCESSES, &PROCESSES_ALL, &rows)?;
    Ok(0)
}

fn process_row(process: &Process, now: Timestamp) -> Row {
    let age_ms = (now.as_nanoseconds() - process.started.as_nanoseconds()) / 1_000_000;
    let percent = u64::try_from(age_ms).ok().filter(|age| *age > 0).map_or(0, |age| process.cpu_ms * 100 / age);
    let seconds = process.cpu_ms / 1000;
    let day = now.0.as_second() - process.started.0.as_second() >= 86_400;
    let local = process.started.0.to_zoned(jiff::tz::TimeZone::system());
    Row::new([
        ("User", process.user.clone()),
        ("Pid", process.pid.to_string()),
        ("Parent", process.parent.to_string()),
        ("CpuPercent", percent.to_string()),
        ("Started", local.strftime(if day { "%b%d" } else { "%H:%M" }).to_string()),
        ("Terminal", terminal(process.terminal)),
        ("Time", format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)),
        ("Command", process.command.clone()),
        ("State", process.state.to_string()),
        ("Memory", memory(process.memory_bytes)),
    ])
}

/// As ps(1) writes the device number of proc_pid_stat(5): pseudo terminals have the majors 136 to 143.
fn terminal(device: i32) -> String {
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    match major {
        136..=143 => format!("pts/{}", minor + (major - 136) * 256),
        4 => format!("tty{minor}"),
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{ContainerState, Id, Limits, NetworkMode, Sample};

    fn container() -> ContainerSummary {
        ContainerSummary {
            id: Id::from_bytes([7; 32]),
            name: "web".parse().expect("name"),
            image: "host".to_owned(),
            image_id: None,
            command: vec!["sh".to_owned()],
            created: Timestamp::EPOCH,
            state: ContainerState::Running { pid: 1, started: Timestamp::EPOCH },
            tty: false,
            network: NetworkMode::None,
            ports: vec![],
            exposed: vec![],
            networks: vec![],
            limits: Limits::default(),
            restart: crate::model::RestartPolicy::No,
            labels: BTreeMap::new(),
            mounts: Vec::new(),
        }
    }

    #[test]
    fn stats_table_has_dockers_columns() {
        let sample = Sample {
            memory_bytes: Some(3 << 20),
            pids: Some(4),
            net_received_bytes: Some(1500),
            net_sent_bytes: Some(0),
            ..Sample::default()
        };
        let mut usage = Usage::between(None, &sample, &Limits::default(), 16 << 30);
        usage.cpu_percent = Some(12.345);
        let rows = [row(&container(), Some(&usage), false), row(&container(), None, false)];
        insta::assert_snapshot!(render(&Format::Table, &SHOWN, &ALL, &rows).expect("renders"));
    }

    #[test]
    fn top_table_has_ps_columns() {
        let process = Process {
            pid: 42,
            parent: 1,
            uid: 0,
            user: "root".to_owned(),
            cpu_ms: 3_723_000,
            started: Timestamp(jiff::Timestamp::from_second(0).expect("in range")),
            memory_bytes: 1 << 20,
            state: 'S',
            terminal: (136 << 8) | 3,
            command: "sleep \u{1b}[2J".to_owned(),
        };
        let now = Timestamp(jiff::Timestamp::from_second(86_400 * 3).expect("in range"));
        let rows = [process_row(&process, now)];
        let text = render(&Format::Table, &PROCESSES, &PROCESSES_ALL, &rows).expect("renders");
        let cells: Vec<&str> = text.lines().nth(1).expect("row").split_whitespace().collect();
        assert_eq!(
            (cells[..4].to_vec(), cells[5..].to_vec()),
            (vec!["root", "42", "1", "1"], vec!["pts/3", "01:02:03", "sleep", "␛[2J"])
        );
    }

    #[test]
    fn intervals_have_bounds() {
        assert_eq!(interval("250ms"), Ok(Duration::from_millis(250)));
        assert!(interval("1ms").is_err() && interval("2h").is_err() && interval("x").is_err());
    }
}
