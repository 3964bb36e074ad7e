//! What is known of a container or an image, put into sections of lines.

use ratatui::layout::Rect;

use crate::model::{ContainerInspect, ContainerState, ImageInspect, NetworkMode, SeccompChoice};
use crate::tui::canvas::Canvas;
use crate::tui::dialogs::join_words;
use crate::tui::figures;
use crate::tui::theme::Role;

/// One line on the screen.
#[derive(Clone, Debug)]
pub struct Line {
    kind: Kind,
    /// The key, a title, or a JSON line's indentation and name.
    label: String,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Title,
    Pair,
    Json,
    Blank,
}

/// Cells for keys.
const LABEL: u16 = 18;

impl Line {
    fn title(text: &str) -> Self {
        Self { kind: Kind::Title, label: text.to_owned(), value: String::new() }
    }

    pub fn pair(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { kind: Kind::Pair, label: label.into(), value: value.into() }
    }

    pub fn is_title(&self) -> bool {
        matches!(self.kind, Kind::Title | Kind::Blank)
    }

    /// Whether a text in lower case is in it.
    pub fn contains(&self, needle: &str) -> bool {
        self.label.to_lowercase().contains(needle) || self.value.to_lowercase().contains(needle)
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, needle: &str) {
        let marks = |text: &str| {
            let (lower, needle) = (text.to_lowercase(), needle.to_lowercase());
            let found = if needle.is_empty() { None } else { lower.find(&needle) };
            // Positions are of characters; lower case may change bytes, so only plain text is marked.
            found.filter(|_| text.is_ascii()).map_or_else(Vec::new, |at| (at..at + needle.len()).collect())
        };
        match self.kind {
            Kind::Blank => {}
            Kind::Title => {
                let used = canvas.text(area.x, area.y, area.width, &self.label, Role::Title);
                let rest = Rect { x: area.x + used + 1, width: area.width.saturating_sub(used + 3), ..area };
                canvas.rule(rest, Role::Border);
            }
            Kind::Pair => {
                let (dim, text) = (canvas.style(Role::Dim), canvas.style(Role::Text));
                let label = LABEL.min(area.width / 3);
                canvas.matched((area.x + 2, area.y), label, &self.label, dim, &marks(&self.label));
                let x = area.x + label + 3;
                let width = area.right().saturating_sub(x);
                canvas.matched((x, area.y), width, &self.value, text, &marks(&self.value));
            }
            Kind::Json => {
                let label = canvas.style(Role::Accent);
                let used = canvas.matched((area.x, area.y), area.width, &self.label, label, &marks(&self.label));
                let text = canvas.style(Role::Text);
                let width = area.width.saturating_sub(used);
                canvas.matched((area.x + used, area.y), width, &self.value, text, &marks(&self.value));
            }
        }
    }
}

/// Lines with a title before and a blank behind; nothing if there are none.
pub fn section(lines: &mut Vec<Line>, title: &str, content: Vec<Line>) {
    if content.is_empty() {
        return;
    }
    if !lines.is_empty() {
        lines.push(Line { kind: Kind::Blank, label: String::new(), value: String::new() });
    }
    lines.push(Line::title(title));
    lines.extend(content);
}

fn on_off(on: bool) -> &'static str {
    if on { "yes" } else { "no" }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "–".to_owned() } else { text.to_owned() }
}

fn assignments(entries: &[String]) -> Vec<Line> {
    let split = |entry: &String| entry.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    entries.iter().map(|entry| split(entry).map_or_else(|| Line::pair(entry, ""), |(k, v)| Line::pair(k, v))).collect()
}

/// A container's sections.
pub fn of_container(inspect: &ContainerInspect) -> Vec<Line> {
    let record = &inspect.record;
    let config = &record.config;
    let mut lines = Vec::new();
    section(
        &mut lines,
        "Container",
        vec![
            Line::pair("Name", record.name.as_str()),
            Line::pair("Id", record.id.as_str()),
            Line::pair("Image", &record.image),
            Line::pair("Image id", record.image_id.as_ref().map_or("–", |id| id.as_str())),
            Line::pair("Created", figures::date(record.created)),
            Line::pair("Log", inspect.log_path.display().to_string()),
            Line::pair("Writable layer", inspect.size_rw_bytes.map_or_else(|| "–".to_owned(), figures::bytes_long)),
        ],
    );
    section(&mut lines, "State", state_lines(inspect));
    section(
        &mut lines,
        "Process",
        vec![
            Line::pair("Command", join_words(&config.command)),
            Line::pair("Working folder", &config.workdir),
            Line::pair("User", if config.user.is_empty() { "root" } else { &config.user }),
            Line::pair("Hostname", &config.hostname),
            Line::pair("Terminal", on_off(config.tty)),
            Line::pair("Stdin stays open", on_off(config.stdin_open)),
            Line::pair("Init", on_off(config.init)),
            Line::pair("Auto-remove", on_off(config.auto_remove)),
            Line::pair("Restart", restart(inspect)),
            Line::pair(
                "Stop",
                format!("{}, then SIGKILL after {} s", config.stop_signal, config.stop_timeout_ms as f64 / 1000.0),
            ),
        ],
    );
    let limits = &config.limits;
    let none = || "no limit".to_owned();
    section(&mut lines, "Limits", {
        let mut limit_lines = vec![
            Line::pair("Memory", limits.memory_bytes.map_or_else(none, figures::bytes_long)),
            Line::pair("CPUs", limits.cpu_milli.map_or_else(none, |milli| format!("{:.2}", milli as f64 / 1000.0))),
            Line::pair("Processes", limits.pids.map_or_else(none, |pids| pids.to_string())),
        ];
        let shown = ["memory", "cpus", "pids"];
        let more = super::details::limits(limits).into_iter().filter(|(name, _)| !shown.contains(name));
        limit_lines.extend(more.map(|(name, value)| Line::pair(capitalised(name), value)));
        limit_lines
            .extend([Line::pair("Cgroup", inspect.cgroup.as_deref().unwrap_or("none: figures come from /proc"))]);
        limit_lines.extend(
            config.rlimits.iter().map(|limit| Line::pair(&limit.name, format!("{} / {}", limit.soft, limit.hard))),
        );
        limit_lines
    });
    let seccomp = match &config.seccomp {
        SeccompChoice::Default => "default profile",
        SeccompChoice::Unconfined => "unconfined",
        SeccompChoice::Profile(_) => "own profile",
    };
    section(
        &mut lines,
        "Security",
        vec![
            Line::pair("Seccomp", seccomp),
            Line::pair("No new privileges", on_off(config.no_new_privileges)),
            Line::pair("Capabilities +", or_none(&config.cap_add.join(" "))),
            Line::pair("Capabilities -", or_none(&config.cap_drop.join(" "))),
            Line::pair("Read-only root", on_off(config.read_only)),
            Line::pair(
                "Network",
                match &config.network {
                    NetworkMode::None => "none: loopback only",
                    NetworkMode::Host => "the host's own",
                    NetworkMode::Networks => "its own networks",
                    NetworkMode::Container(_) => "another container's",
                },
            ),
        ],
    );
    let mounts = config.mounts.iter().map(|mount| {
        let mode = if mount.read_only { "  read-only" } else { "" };
        let text = format!("{} {}{mode}", mount.source.kind(), mount.source);
        Line::pair(mount.target.display().to_string(), text.replace("tmpfs tmpfs", "tmpfs"))
    });
    section(&mut lines, "Mounts", mounts.collect());
    let session = |session: &crate::model::SessionSummary| {
        let terminal = if session.tty { "  terminal" } else { "" };
        Line::pair(
            format!("{} · pid {}", session.id, session.pid),
            format!("{}{terminal}", join_words(&session.command)),
        )
    };
    section(&mut lines, "Sessions", inspect.sessions.iter().map(session).collect());
    section(&mut lines, "Environment", assignments(&config.env));
    section(&mut lines, "Labels", config.labels.iter().map(|(key, value)| Line::pair(key, value)).collect());
    section(&mut lines, "Layers", layers(&record.layers));
    lines
}

/// The restart policy, and how often it was needed.
fn restart(inspect: &ContainerInspect) -> String {
    match (inspect.record.config.restart, inspect.restarts) {
        (policy, 0) => policy.to_string(),
        (policy, 1) => format!("{policy}, once so far"),
        (policy, restarts) => format!("{policy}, {restarts} times so far"),
    }
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(name.len().min(1));
    first.to_uppercase() + rest
}

fn state_lines(inspect: &ContainerInspect) -> Vec<Line> {
    let mut lines = vec![Line::pair("State", figures::state_words(&inspect.state))];
    match &inspect.state {
        ContainerState::Running { pid, started } | ContainerState::Paused { pid, started } => {
            lines.push(Line::pair("Pid", pid.to_string()));
            lines.push(Line::pair("Started", figures::date(*started)));
        }
        ContainerState::Restarting(status) | ContainerState::Exited(status) => {
            lines.push(Line::pair("Exit code", status.code.to_string()));
            lines.extend(status.started.map(|time| Line::pair("Started", figures::date(time))));
            lines.push(Line::pair("Ended", figures::date(status.finished)));
            lines.extend(status.message.as_ref().map(|message| Line::pair("Because", message)));
        }
        ContainerState::Created => {}
    }
    lines
}

fn layers(layers: &[crate::model::Digest]) -> Vec<Line> {
    layers.iter().enumerate().map(|(index, layer)| Line::pair((index + 1).to_string(), layer.as_str())).collect()
}

/// An image's sections.
pub fn of_image(inspect: &ImageInspect) -> Vec<Line> {
    let (summary, config) = (&inspect.summary, &inspect.config);
    let mut lines = Vec::new();
    section(
        &mut lines,
        "Image",
        vec![
            Line::pair("Name", summary.label()),
            Line::pair("Id", summary.id.as_ref().map_or("–", |id| id.as_str())),
            Line::pair("Manifest", summary.manifest.as_ref().map_or("–", |digest| digest.as_str())),
            Line::pair("Platform", summary.platform.to_string()),
            Line::pair("Created", summary.created.map_or_else(|| "–".to_owned(), figures::date)),
            Line::pair("Size", summary.size_bytes.map_or_else(|| "–".to_owned(), figures::bytes_long)),
        ],
    );
    section(
        &mut lines,
        "Starts with",
        vec![
            Line::pair("Entry point", or_none(&join_words(&config.entrypoint))),
            Line::pair("Command", or_none(&join_words(&config.command))),
            Line::pair("Working folder", config.workdir.as_deref().unwrap_or("/")),
            Line::pair("User", config.user.as_deref().unwrap_or("root")),
            Line::pair("Stop signal", config.stop_signal.as_deref().unwrap_or("SIGTERM")),
            Line::pair("Ports", or_none(&config.exposed_ports.join(" "))),
            Line::pair("Volumes", or_none(&config.volumes.join(" "))),
        ],
    );
    section(&mut lines, "Environment", assignments(&config.env));
    section(&mut lines, "Labels", config.labels.iter().map(|(key, value)| Line::pair(key, value)).collect());
    let history = inspect.history.iter().enumerate().map(|(index, step)| {
        let size = step.size_bytes.filter(|_| !step.empty_layer).map_or_else(|| "–".to_owned(), figures::bytes);
        let by = if step.created_by.is_empty() { &step.comment } else { &step.created_by };
        Line::pair(format!("{:>2}  {size:>6}", index + 1), by)
    });
    section(&mut lines, "History", history.collect());
    section(&mut lines, "Layers", layers(&inspect.layers));
    lines
}

/// JSON as lines, names apart from values.
pub fn of_json(value: &serde_json::Value) -> Vec<Line> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let split = |line: &str| {
        let named = line.trim_start().starts_with('"').then(|| line.find("\": ")).flatten();
        let (label, value) = named.map_or(("", line), |at| line.split_at(at + 2));
        Line { kind: Kind::Json, label: label.to_owned(), value: value.to_owned() }
    };
    text.lines().map(split).collect()
}
