//! The selected container's details beside or below the list: its curves and its facts.

use ratatui::layout::Rect;

use super::containers::state_role;
use super::curves;
use crate::model::{ContainerState, ContainerSummary, Limits, Mount, MountSource, NetworkMode, RestartPolicy};
use crate::tui::canvas::Canvas;
use crate::tui::data::{Data, Track};
use crate::tui::figures;
use crate::tui::ports;
use crate::tui::theme::Role;

/// Seconds that the small charts show.
const SPAN_SECONDS: f64 = 60.0;

/// Lines below which a curve says nothing.
const LEAST_CURVE: u16 = 5;

/// Lines of a list's header and its filter.
const HEAD: usize = 2;
/// The least lines of details below a list that leaves them free, and the most there and in a window of 80 by 24.
const LEAST: u16 = 7;
const BELOW: u16 = 12;
const USUAL: u16 = 10;

/// A list of so many rows, and the place of the selected row's details if there is room: beside when it is wide, below
/// when it is high or the rows are few.
pub fn split(area: Rect, rows: usize) -> (Rect, Option<Rect>) {
    if area.width >= 120 && area.height >= 14 {
        let side = (area.width * 2 / 5).clamp(48, 84);
        let table = Rect { width: area.width - side, ..area };
        return (table, Some(Rect { x: table.right(), width: side, ..area }));
    }
    if area.height >= 26 {
        return below(area, BELOW);
    }
    let free = usize::from(area.height).saturating_sub(rows + HEAD);
    match u16::try_from(free).unwrap_or(u16::MAX) {
        LEAST.. => below(area, u16::try_from(free).unwrap_or(BELOW).min(BELOW)),
        _ => (area, None),
    }
}

/// As [`split`], but always in a window of 80 by 24: who uses a thing is half of what there is to know of it.
pub fn split_early(area: Rect, rows: usize) -> (Rect, Option<Rect>) {
    let (table, side) = split(area, rows);
    if side.is_some() || area.width < 80 || area.height < 18 { (table, side) } else { below(area, USUAL) }
}

fn below(area: Rect, height: u16) -> (Rect, Option<Rect>) {
    let table = Rect { height: area.height - height, ..area };
    (table, Some(Rect { y: table.bottom(), height, ..area }))
}

/// Draws the line between a list and its details; returns the place for the details.
pub fn inner(canvas: &mut Canvas, area: Rect, side: Rect) -> Rect {
    if side.y == area.y {
        canvas.upright(side.x, side.y, side.bottom(), Role::Border);
        Rect { x: side.x + 2, width: side.width.saturating_sub(3), ..side }
    } else {
        canvas.rule(Rect { height: 1, ..side }, Role::Border);
        Rect { x: side.x + 2, y: side.y + 1, width: side.width.saturating_sub(4), height: side.height - 1 }
    }
}

/// Draws what there is room for.
pub fn draw(canvas: &mut Canvas, area: Rect, data: &Data, container: &ContainerSummary) {
    if area.height < 4 || area.width < 20 {
        return;
    }
    let role = state_role(&container.state);
    let mut x = area.x + canvas.text(area.x, area.y, 2, figures::state_glyph(&container.state), role) + 1;
    x += canvas.text(x, area.y, area.right().saturating_sub(x), container.name.as_str(), Role::Title) + 2;
    let words = figures::state_words(&container.state);
    canvas.text(x, area.y, area.right().saturating_sub(x), &words, role);
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let track = data.usage.get(&container.id).filter(|_| container.state.is_running());
    let beside = body.height < 16;
    let facts = match track {
        Some(track) if beside && body.width >= 70 => {
            let half = (body.width - 2) / 2;
            let low = (body.height - 1) / 2;
            if low >= LEAST_CURVE {
                curves::cpu(canvas, Rect { width: half, height: low, ..body }, track, SPAN_SECONDS);
                let place = Rect { y: body.y + low + 1, width: half, height: low, ..body };
                curves::memory(canvas, place, track, container, SPAN_SECONDS);
            } else {
                curves::cpu(canvas, Rect { width: half, ..body }, track, SPAN_SECONDS);
            }
            // Its name stands to the left of the first fact.
            Rect { x: body.x + half + 2, width: half, y: area.y, height: area.height }
        }
        Some(track) if !beside => {
            let each = ((body.height - 2) / 4).clamp(5, 9);
            let mut place = Rect { y: body.y + 1, height: each, ..body };
            curves::cpu(canvas, place, track, SPAN_SECONDS);
            place.y += each + 1;
            curves::memory(canvas, place, track, container, SPAN_SECONDS);
            let top = place.bottom() + 1;
            Rect { y: top, height: body.bottom().saturating_sub(top), ..body }
        }
        _ if beside => body,
        _ => Rect { y: body.y + 1, height: body.height - 1, ..body },
    };
    let lines = lines(data, container);
    let room = usize::from(facts.height);
    for (index, ((label, value), y)) in lines.iter().zip(facts.y..facts.bottom()).enumerate() {
        if index + 1 == room && lines.len() > room {
            let more = format!("{} more lines: i tells all", lines.len() - index);
            canvas.text(facts.x + 11, y, facts.width.saturating_sub(11), &more, Role::Dim);
            break;
        }
        canvas.text(facts.x, y, 10, label, Role::Dim);
        canvas.text(facts.x + 11, y, facts.width.saturating_sub(11), value, Role::Text);
    }
}

fn lines(data: &Data, container: &ContainerSummary) -> Vec<(&'static str, String)> {
    let mut lines = vec![("image", container.image.clone()), ("command", container.command.join(" "))];
    if let ContainerState::Restarting(status) | ContainerState::Exited(status) = &container.state {
        lines.push(("ended", figures::ago(status.finished, data.now())));
        lines.extend(status.message.clone().map(|message| ("because", message)));
    }
    lines.extend(reach(container));
    lines.extend(container.mounts.iter().map(|mount| (mount_word(&mount.source), mount_line(mount))));
    let limits: Vec<String> = limits(&container.limits).iter().map(|(name, value)| format!("{name} {value}")).collect();
    lines.push(("limits", if limits.is_empty() { "none".to_owned() } else { limits.join(", ") }));
    if container.restart != RestartPolicy::No {
        lines.push(("restart", container.restart.to_string()));
    }
    for session in data.sessions.get(&container.id).into_iter().flatten() {
        let since = figures::duration(session.started.seconds_until(data.now()));
        lines.push(("session", format!("{}  {}  {since}", session.id, session.command.join(" "))));
    }
    if let Some(track) = data.usage.get(&container.id).filter(|_| container.state.is_running()) {
        let sample = &track.latest.sample;
        let bytes = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), figures::bytes_long);
        lines.push((
            "disk",
            format!("{} read, {} written", bytes(sample.disk_read_bytes), bytes(sample.disk_written_bytes)),
        ));
        if container.network != NetworkMode::Host {
            let (received, sent) = (bytes(sample.net_received_bytes), bytes(sample.net_sent_bytes));
            lines.push(("traffic", format!("{received} received, {sent} sent")));
        }
        lines.extend(pressure(track));
        if let Some(kills) = sample.oom_kills.filter(|kills| *kills > 0) {
            lines.push(("memory", format!("{} at its limit", figures::killed(kills))));
        }
        if sample.from_proc {
            lines.push(("figures", "from /proc: no cgroup was given to this user".to_owned()));
        }
    }
    lines.push(("id", container.id.short().to_owned()));
    lines.push(("created", figures::ago(container.created, data.now())));
    if let ContainerState::Running { pid, started } | ContainerState::Paused { pid, started } = &container.state {
        lines.push(("started", figures::ago(*started, data.now())));
        lines.push(("pid", pid.to_string()));
    }
    lines
}

/// Its networks and the ports that it publishes.
fn reach(container: &ContainerSummary) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    lines.extend(container.networks.iter().map(|endpoint| {
        let addresses: Vec<String> = endpoint.addresses.iter().map(ToString::to_string).collect();
        ("network", format!("{}  {}  {}", endpoint.network_name, addresses.join("  "), endpoint.link))
    }));
    lines.extend(ports::lines(&container.ports).into_iter().map(|port| ("port", port)));
    let unconnected = (
        "network",
        match &container.network {
            NetworkMode::None => "none: loopback only".to_owned(),
            NetworkMode::Host => "the host's own".to_owned(),
            NetworkMode::Networks => "its own networks".to_owned(),
            NetworkMode::Container(_) => "another container's".to_owned(),
        },
    );
    lines.extend(container.networks.is_empty().then_some(unconnected));
    lines
}

fn mount_word(source: &MountSource) -> &'static str {
    match source {
        MountSource::Bind { .. } => "mount",
        other => other.kind(),
    }
}

/// `site → /srv/site  read-only`; where it is in the container comes first where the source says nothing.
pub fn mount_line(mount: &Mount) -> String {
    let source = match &mount.source {
        MountSource::Volume { name: Some(name), anonymous: true, .. } => {
            format!("{} anonymous", name.as_str().chars().take(12).collect::<String>())
        }
        MountSource::Tmpfs { size_bytes, .. } => match size_bytes {
            Some(bytes) => format!("at most {}", figures::bytes_long(*bytes)),
            None => "in memory".to_owned(),
        },
        other => other.to_string(),
    };
    let mode = if mount.read_only { " (read-only)" } else { "" };
    format!("{source} → {}{mode}", mount.target.display())
}

/// How much it waits, where the kernel says, and how much it is held back.
fn pressure(track: &Track) -> Option<(&'static str, String)> {
    let percent = |value: f32| figures::percent(Some(f64::from(value)));
    let waits = track.pressure.back().map(|[cpu, memory, disk]| {
        format!("cpu {} %, memory {} %, disk {} %", percent(*cpu), percent(*memory), percent(*disk))
    });
    let throttled = track.throttled.back().map(|value| format!("throttled {} %", percent(*value)));
    let parts: Vec<String> = waits.into_iter().chain(throttled).collect();
    (!parts.is_empty()).then(|| ("pressure", parts.join(", ")))
}

/// What is limited, each with its value, in words.
pub fn limits(limits: &Limits) -> Vec<(&'static str, String)> {
    let swap = |bytes: i64| u64::try_from(bytes).map_or_else(|_| "no limit".to_owned(), figures::bytes_long);
    let quota = |quota: u64| format!("{quota} µs in {}", limits.cpu_period_us.unwrap_or(100_000));
    let devices =
        [&limits.device_read_bps, &limits.device_write_bps, &limits.device_read_iops, &limits.device_write_iops];
    let devices = devices.into_iter().flatten().count();
    [
        ("memory", limits.memory_bytes.map(figures::bytes_long)),
        ("with swap", limits.memory_swap_bytes.map(swap)),
        ("reserved", limits.memory_reservation_bytes.map(figures::bytes_long)),
        ("cpus", limits.cpu_milli.map(|milli| format!("{:.2}", milli as f64 / 1000.0))),
        ("cpu quota", limits.cpu_quota_us.map(quota)),
        ("cpu weight", limits.cpu_shares.map(|shares| shares.to_string())),
        ("on cpus", limits.cpuset_cpus.clone()),
        ("on nodes", limits.cpuset_mems.clone()),
        ("pids", limits.pids.map(|pids| pids.to_string())),
        ("disk weight", limits.blkio_weight.map(|weight| weight.to_string())),
        ("disk rates", (devices > 0).then(|| devices.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}
