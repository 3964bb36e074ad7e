//! The four charts of one container, each labelled with its unit: cpu, memory, network, disk.

use std::collections::VecDeque;

use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use crate::model::{ContainerSummary, NetworkMode};
use crate::tui::canvas::Canvas;
use crate::tui::data::Track;
use crate::tui::figures;
use crate::tui::theme::Role;
use crate::tui::widgets::chart::{Ceiling, Chart, Series};

/// Points of a history as (seconds ago, value), oldest first. Samples are a second apart.
fn points<T>(history: &VecDeque<T>, value: impl Fn(&T) -> f32) -> Vec<(f64, f64)> {
    let last = history.len().saturating_sub(1);
    history.iter().enumerate().map(|(index, sample)| ((last - index) as f64, f64::from(value(sample)))).collect()
}

/// A chart under a line that says what it shows, its unit, and the newest value.
fn titled(canvas: &mut Canvas, area: Rect, (title, unit, value): (&str, &str, &[(String, Role)]), chart: &Chart) {
    if area.height < 3 || area.width < 12 {
        return;
    }
    let role = chart.series.first().map_or(Role::Text, |series| series.role);
    let used = canvas.text(area.x, area.y, area.width, title, role);
    let room = area.width.saturating_sub(used + 1);
    let value_width = value.iter().map(|(text, _)| crate::tui::widgets::write::width(text)).sum::<u16>();
    if room > value_width + 4 {
        canvas.text(area.x + used + 1, area.y, room - value_width - 1, unit, Role::Dim);
    }
    let pieces: Vec<_> = value.iter().map(|(text, role)| canvas.piece(text.as_str(), *role)).collect();
    canvas.pieces(area.right().saturating_sub(value_width.min(room)), area.y, room, &pieces);
    let plot = Rect { y: area.y + 1, height: area.height - 1, ..area };
    Chart { theme: chart.theme, series: chart.series, format: chart.format, ..*chart }.render(plot, canvas.buffer);
}

/// CPU in percent of one core.
pub fn cpu(canvas: &mut Canvas, area: Rect, track: &Track, span_seconds: f64) {
    let series = [Series { name: "cpu", role: Role::ChartCpu, points: points(&track.cpu, |percent| *percent) }];
    let format = |value: f64| format!("{value:.0}%");
    let theme = canvas.theme;
    let chart =
        Chart { theme, series: &series, span_seconds, ceiling: Ceiling::Decimal(10.0), format: &format, filled: true };
    let value = format!("{} %", figures::percent(track.latest.cpu_percent));
    titled(canvas, area, ("CPU", "% of one core", &[(value, Role::Text)]), &chart);
}

/// Memory in percent of the limit, or of the machine's memory where there is none.
pub fn memory(canvas: &mut Canvas, area: Rect, track: &Track, container: &ContainerSummary, span_seconds: f64) {
    let limit = track.latest.memory_limit_bytes.max(1);
    let limited = container.limits.memory_bytes.is_some();
    let series = [Series { name: "memory", role: Role::ChartMemory, points: points(&track.memory, |bytes| *bytes) }];
    let percent = |value: f64| format!("{:.0}%", 100.0 * value / limit as f64);
    let plain = |value: f64| figures::bytes(value as u64);
    let theme = canvas.theme;
    let (ceiling, format): (Ceiling, &dyn Fn(f64) -> String) =
        if limited { (Ceiling::Fixed(limit as f64), &percent) } else { (Ceiling::Binary(1048576.0), &plain) };
    let chart = Chart { theme, series: &series, span_seconds, ceiling, format, filled: true };
    let used = track.latest.sample.memory_bytes.map_or_else(|| "–".to_owned(), figures::bytes_long);
    let value = format!("{used} · {} %", figures::percent(track.latest.memory_percent));
    let unit = if limited {
        format!("% of the limit, {}", figures::bytes_long(limit))
    } else {
        format!("no limit, {} here", figures::bytes_long(limit))
    };
    titled(canvas, area, ("Memory", &unit, &[(value, Role::Text)]), &chart);
}

/// Network in bytes a second, received and sent.
pub fn network(canvas: &mut Canvas, area: Rect, track: &Track, container: &ContainerSummary, span_seconds: f64) {
    let (received, sent) = (track.latest.net_received_rate, track.latest.net_sent_rate);
    let unit = match &container.network {
        NetworkMode::Host => "the host's own, not counted",
        NetworkMode::None | NetworkMode::Networks | NetworkMode::Container(_) => "bytes/s, received and sent",
    };
    two(
        canvas,
        area,
        ("Network", unit, Role::ChartNetwork, Role::Ok),
        ["↓", "↑"],
        &track.network,
        (received, sent),
        span_seconds,
    );
}

/// One interface in bytes a second, received and sent, with where it leads.
pub fn interface(canvas: &mut Canvas, area: Rect, track: &Track, (name, place): (&str, &str), span_seconds: f64) {
    let rates = track.latest.interfaces.iter().find(|rates| rates.name == name);
    let newest = (rates.map(|rates| rates.received), rates.map(|rates| rates.sent));
    let nothing = VecDeque::new();
    let history = track.interfaces.get(name).unwrap_or(&nothing);
    let name = crate::model::printable_line(name);
    two(canvas, area, (&name, place, Role::ChartNetwork, Role::Ok), ["↓", "↑"], history, newest, span_seconds);
}

/// Disk in bytes a second, read and written.
pub fn disk(canvas: &mut Canvas, area: Rect, track: &Track, span_seconds: f64) {
    let newest = (track.latest.disk_read_rate, track.latest.disk_written_rate);
    two(
        canvas,
        area,
        ("Disk", "bytes/s, read and written", Role::ChartDisk, Role::Warn),
        ["r", "w"],
        &track.disk,
        newest,
        span_seconds,
    );
}

/// Pressure (PSI) in percent of the time in which something waited.
pub fn pressure(canvas: &mut Canvas, area: Rect, track: &Track, span_seconds: f64) {
    let kinds = [("cpu", Role::ChartCpu), ("memory", Role::ChartMemory), ("disk", Role::ChartDisk)];
    let series: Vec<Series> = kinds
        .iter()
        .enumerate()
        .map(|(at, (name, role))| Series { name, role: *role, points: points(&track.pressure, |all| all[at]) })
        .collect();
    let format = |value: f64| format!("{value:.0}%");
    let theme = canvas.theme;
    let ceiling = Ceiling::Decimal(10.0);
    let chart = Chart { theme, series: &series, span_seconds, ceiling, format: &format, filled: false };
    let newest = track.pressure.back();
    let value: Vec<(String, Role)> = match newest {
        Some(all) => kinds
            .iter()
            .zip(all)
            .map(|((name, role), percent)| (format!("  {name} {}", figures::percent(Some(f64::from(*percent)))), *role))
            .collect(),
        None => vec![("the kernel does not say".to_owned(), Role::Dim)],
    };
    titled(canvas, area, ("Pressure", "% of the time something waited", &value), &chart);
}

/// Throttling in percent of the quota's periods, and how often the memory limit killed.
pub fn throttling(canvas: &mut Canvas, area: Rect, track: &Track, span_seconds: f64) {
    let series = [Series { name: "throttled", role: Role::Warn, points: points(&track.throttled, |percent| *percent) }];
    let format = |value: f64| format!("{value:.0}%");
    let theme = canvas.theme;
    let ceiling = Ceiling::Fixed(100.0);
    let chart = Chart { theme, series: &series, span_seconds, ceiling, format: &format, filled: true };
    let mut value = match track.throttled.back() {
        Some(percent) => vec![(format!("{} %", figures::percent(Some(f64::from(*percent)))), Role::Text)],
        None => vec![("no limit on cpus".to_owned(), Role::Dim)],
    };
    if let Some(kills) = track.latest.sample.oom_kills.filter(|kills| *kills > 0) {
        value.push((format!("  {}", figures::killed(kills)), Role::Error));
    }
    titled(canvas, area, ("Throttled", "% of periods", &value), &chart);
}

fn two(
    canvas: &mut Canvas,
    area: Rect,
    (title, unit, first, second): (&str, &str, Role, Role),
    names: [&str; 2],
    history: &VecDeque<(f32, f32)>,
    newest: (Option<f64>, Option<f64>),
    span_seconds: f64,
) {
    let series = [
        Series { name: "in", role: first, points: points(history, |pair| pair.0) },
        Series { name: "out", role: second, points: points(history, |pair| pair.1) },
    ];
    let format = |value: f64| figures::bytes(value as u64);
    let theme = canvas.theme;
    let chart = Chart {
        theme,
        series: &series,
        span_seconds,
        ceiling: Ceiling::Binary(1024.0),
        format: &format,
        filled: false,
    };
    let value = [
        (format!("{} {}", names[0], figures::rate(newest.0)), first),
        (format!("  {} {}", names[1], figures::rate(newest.1)), second),
    ];
    titled(canvas, area, (title, unit, &value), &chart);
}
