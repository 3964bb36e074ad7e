//! Figures as Markdown: medians, and how many times teu's own.

use std::time::Duration;

use crate::peers::Contender;
use crate::place::Place;

/// The middle of some durations, in milliseconds.
pub fn median(times: &[Duration]) -> f64 {
    let mut sorted: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// What all but one in a hundred of some durations stay below, in milliseconds.
pub fn ninety_ninth(times: &[Duration]) -> f64 {
    let mut sorted: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// The longest of some durations, in milliseconds.
pub fn worst(times: &[Duration]) -> f64 {
    times.iter().map(|time| time.as_secs_f64() * 1e3).fold(f64::NAN, f64::max)
}

pub fn machine(place: &Place) {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"');
    let today = teu::model::Timestamp::now().to_string();
    println!(
        "{name}, kernel {}, {cpus} cores; data on {}, run state on a tmpfs; {}.",
        kernel.trim(),
        place.disk_kind(),
        &today[..10]
    );
    println!("Milliseconds, medians of interleaved runs; in brackets how many times teu's own.\n");
}

pub fn versions(contenders: &[Contender]) {
    let named: Vec<String> = contenders.iter().map(|c| c.version.clone()).collect();
    println!("{}\n", named.join(", "));
}

/// One line of a table: what was measured, and a figure or none for each contender.
pub struct Row {
    pub what: String,
    pub figures: Vec<Option<f64>>,
}

/// Prints a table whose first contender is teu.
pub fn table(title: &str, names: &[&str], rows: &[Row]) {
    println!("| {title} | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    for row in rows {
        let own = row.figures.first().copied().flatten();
        let cells: Vec<String> =
            row.figures.iter().enumerate().map(|(index, figure)| cell(*figure, own, index)).collect();
        println!("| {} | {} |", row.what, cells.join(" | "));
    }
    println!();
}

fn cell(figure: Option<f64>, own: Option<f64>, index: usize) -> String {
    match (figure, own) {
        (Some(figure), _) if index == 0 => format!("**{}**", number(figure)),
        (Some(figure), Some(own)) => format!("{} ({})", number(figure), times(figure / own)),
        (Some(figure), None) => number(figure),
        (None, _) => String::new(),
    }
}

pub fn number(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn times(ratio: f64) -> String {
    if ratio >= 10.0 { format!("{ratio:.0}×") } else { format!("{ratio:.1}×") }
}
