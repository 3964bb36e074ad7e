//! Every screen and dialog, drawn from the sample data at a fixed time: for snapshots and pictures.

pub mod files;
mod images;
mod networks;
pub mod search;
pub mod volumes;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::{Action, PaneEnd, Problem, Told};
use super::app::App;
use super::effect::Effect;
use super::keymap::Chord;
use super::sample;
use super::shell::PaneId;
use super::transfer::{PullWish, PushWish, TransferId, Wish};
use super::update::update;
use super::view;
use crate::model::{
    ContainerConfig, ContainerInspect, ContainerRecord, ErrorKind, LayerProgress, LayerStage, Limits, LogEntry,
    LogStream, NetworkMode, PullEvent, PushEvent, PushProgress, PushStage, RestartPolicy, SeccompChoice, Signal, Size,
};

/// Presses keys, written as in the configuration and divided by blanks.
pub fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for key in keys.split(' ').filter(|key| !key.is_empty()) {
        let chord = Chord::parse(key).unwrap_or_else(|| panic!("{key} is no key"));
        effects.extend(update(app, Action::Key(KeyEvent::new(chord.code, chord.modifiers))));
        // As the loop does: what is on the screen is known before the next key.
        draw(app);
    }
    effects
}

/// Types text letter by letter.
pub fn type_text(app: &mut App, text: &str) -> Vec<Effect> {
    let key = |c| Action::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    text.chars().flat_map(|c| update(app, key(c))).collect()
}

pub fn tell(app: &mut App, told: Told) -> Vec<Effect> {
    update(app, Action::Told(Box::new(told)))
}

/// Draws as the loop does.
pub fn draw(app: &mut App) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, app.size.columns, app.size.rows));
    app.seen = view::draw(app, &mut buffer);
    buffer
}

pub fn problem() -> Problem {
    Problem {
        message: "cannot reach registry localhost:5000: connection refused (os error 111)".to_owned(),
        hint: Some("is it running? `teu doctor` looks at the network".to_owned()),
        kind: ErrorKind::Network,
    }
}

fn entry(second: i64, stream: LogStream, text: &str) -> LogEntry {
    LogEntry { time: sample::before(60 - second), stream, text: format!("{text}\n") }
}

pub fn log() -> Vec<LogEntry> {
    let mut log = vec![
        entry(0, LogStream::Stdout, "\x1b[32mINFO\x1b[0m  listening on 0.0.0.0:8080"),
        entry(1, LogStream::Stderr, "WARN  no certificate: falling back to plain http"),
    ];
    for second in 2..58 {
        let path = ["/", "/static/app.css", "/api/v1/containers?all=1&filter=name%3Dbrave_hopper", "/favicon.ico"];
        let path = path[usize::try_from(second).expect("positive") % 4];
        log.push(entry(second, LogStream::Stdout, &format!("127.0.0.1 GET {path} 200 {}µs", 120 + second * 7)));
    }
    log.push(entry(58, LogStream::Stderr, "ERROR upstream \x1b]0;pwned\x07 answered 502 — 漢字 stay whole, long lines wrap at the edge of the screen and go on below, as this one does when there is not enough room for it"));
    log
}

pub fn layers() -> Vec<LayerProgress> {
    let layer = |number: u8, stage, received: u64, total: u64, unpacked: u64| LayerProgress {
        digest: sample::digest(number),
        stage,
        received_bytes: received << 20,
        total_bytes: total << 20,
        unpacked_bytes: unpacked << 20,
    };
    vec![
        layer(1, LayerStage::Exists, 49, 49, 0),
        layer(2, LayerStage::Done, 24, 24, 71),
        layer(3, LayerStage::Unpacking, 62, 62, 130),
        layer(4, LayerStage::Downloading, 83, 212, 190),
        layer(5, LayerStage::Waiting, 0, 19, 0),
    ]
}

fn cancelled() -> Problem {
    Problem { message: "cancelled".to_owned(), hint: None, kind: ErrorKind::Cancelled }
}

fn sent_layers() -> Vec<PushProgress> {
    let layer = |number: u8, stage, sent: u64, total: u64| PushProgress {
        digest: sample::digest(number),
        stage,
        sent_bytes: sent << 20,
        total_bytes: total << 20,
    };
    vec![
        layer(1, PushStage::Exists, 0, 49),
        layer(12, PushStage::Mounted, 0, 31),
        layer(13, PushStage::Uploading, 7, 18),
        layer(14, PushStage::Checking, 0, 2),
    ]
}

/// Two pulls and a push, four seconds on their way.
pub fn transfers(app: &mut App) {
    for reference in ["alpine:3.20", "rust:1.90"] {
        let steps = app.transfers.start(Wish::Pull(PullWish::new(reference)));
        assert_eq!(steps.len(), 1);
    }
    app.transfers.start(Wish::Push(PushWish {
        reference: "localhost:5000/ml/train:v3".to_owned(),
        all_tags: false,
        tagged_from: None,
    }));
    let small = LayerProgress { stage: LayerStage::Unpacking, ..layers().swap_remove(1) };
    tell(app, Told::Transfer { id: TransferId(1), progress: PullEvent::Layers(vec![small]).into() });
    for second in 0..4i64 {
        let mut parts = layers();
        parts[3].received_bytes -= u64::try_from(3 - second).expect("positive") * (11 << 20);
        let event = if second == 0 { PullEvent::Layers(parts) } else { PullEvent::Layer(parts.swap_remove(3)) };
        tell(app, Told::Transfer { id: TransferId(2), progress: event.into() });
        let mut parts = sent_layers();
        parts[2].sent_bytes -= u64::try_from(3 - second).expect("positive") * (2 << 20);
        let event = if second == 0 { PushEvent::Layers(parts) } else { PushEvent::Layer(parts.swap_remove(2)) };
        tell(app, Told::Transfer { id: TransferId(3), progress: event.into() });
        app.transfers.look(sample::before(3 - second));
    }
    press(app, "5");
}

fn record() -> ContainerRecord {
    let summary = sample::containers().swap_remove(0);
    ContainerRecord {
        id: summary.id,
        name: summary.name,
        created: summary.created,
        image: summary.image,
        image_id: None,
        layers: Vec::new(),
        config: ContainerConfig {
            command: vec!["/bin/bash".to_owned(), "-c".to_owned(), "echo 'a b'; exec bash".to_owned()],
            env: ["PATH=/usr/local/bin:/usr/bin:/bin", "HOSTNAME=brave", "TERM=xterm-256color"]
                .map(str::to_owned)
                .to_vec(),
            workdir: "/".to_owned(),
            user: String::new(),
            hostname: "010101010101".to_owned(),
            tty: true,
            stdin_open: true,
            auto_remove: false,
            init: false,
            read_only: false,
            network: NetworkMode::None,
            networks: vec![],
            ports: vec![],
            exposed: vec![],
            publish_all: false,
            extra_hosts: vec![],
            dns: crate::model::DnsWish::default(),
            mounts: summary.mounts,
            cap_add: Vec::new(),
            cap_drop: vec!["CAP_NET_RAW".to_owned()],
            no_new_privileges: true,
            seccomp: SeccompChoice::Default,
            isolation: crate::model::Isolation::default(),
            limits: Limits {
                memory_bytes: Some(512 << 20),
                cpu_milli: Some(1500),
                pids: Some(100),
                ..Limits::default()
            },
            restart: RestartPolicy::No,
            rlimits: Vec::new(),
            stop_signal: Signal::TERM,
            stop_timeout_ms: 10_000,
            labels: [("org.example.team".to_owned(), "\u{1b}[7mplatform".to_owned())].into(),
            detach_keys: None,
        },
        id_range: None,
    }
}

pub fn inspected() -> ContainerInspect {
    ContainerInspect {
        record: record(),
        state: sample::running(4000),
        image_reference: None,
        log_path: "/var/lib/teu/containers/0101/container.log".into(),
        cgroup: Some("teu/0101".to_owned()),
        sessions: sample::sessions(),
        ports: vec![],
        networks: vec![],
        restarts: 0,
        volumes: std::collections::BTreeMap::new(),
        size_rw_bytes: Some(123_456),
    }
}

/// Opens two shells and lets something run in them.
fn two_shells(app: &mut App) {
    let containers = app.data.containers.clone().unwrap_or_default();
    let id = containers[0].id.clone();
    press(app, "home");
    app.containers.list.select(id.clone());
    let effects = press(app, "enter");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::ListSessions(_))));
    let effects = tell(app, Told::Sessions(id.clone(), sample::sessions()));
    let name = containers[0].name.clone();
    let mut number = 0;
    for effect in effects {
        if let Effect::Attach { pane, session, .. } = effect {
            let text = [
                "\x1b[1;32mroot@brave\x1b[0m:\x1b[1;34m/srv\x1b[0m# ls\r\n\x1b[1;34mapp\x1b[0m  \x1b[1;32mrun.sh\x1b[0m  site\r\n\x1b[1;32mroot@brave\x1b[0m:\x1b[1;34m/srv\x1b[0m# ./run.sh --漢字\r\n12:00 ready\r\n",
                "# top -bn1 | head -3\r\ntop - 21:00:00 up 1:06\r\nTasks:   4 total\r\n\x1b[7m%Cpu(s): 38.0 us\x1b[0m\r\n# ",
            ][number];
            number += 1;
            pane.terminal.feed(text.as_bytes(), || {});
            tell(app, Told::PaneLive { pane: pane.pane, id: id.clone(), name: name.clone(), session });
        }
    }
}

/// One scene: its name and what makes it of the sample.
type Scene = (&'static str, fn(&mut App));

const SCENES: &[Scene] = &[
    ("containers", |_| {}),
    ("containers-sorted", |app| {
        press(app, "o");
    }),
    ("containers-filter", |app| {
        press(app, "/");
        type_text(app, "rust");
    }),
    ("containers-busy", |app| {
        press(app, "s enter");
    }),
    ("containers-loading", |app| {
        app.data = Default::default();
    }),
    ("containers-empty", |app| {
        tell(app, Told::Containers(Vec::new()));
    }),
    ("containers-none-running", |app| {
        let down = sample::containers().split_off(4);
        tell(app, Told::Containers(down));
        press(app, "a esc");
    }),
    ("containers-error", |app| {
        tell(app, Told::Problem(problem()));
    }),
    ("images", |app| {
        press(app, "2");
    }),
    ("images-only-host", |app| {
        tell(app, Told::Images(sample::images().drain(..1).collect()));
        press(app, "2");
    }),
    ("images-error", |app| {
        press(app, "2");
        tell(app, Told::ImagesDone(Err(problem())));
    }),
    ("transfers", transfers),
    ("transfers-ended", |app| {
        transfers(app);
        tell(app, Told::TransferEnd { id: TransferId(3), result: Err(problem()), took_ms: 5_200 });
        tell(app, Told::TransferEnd { id: TransferId(1), result: Ok(String::new()), took_ms: 2_300 });
        tell(app, Told::TransferEnd { id: TransferId(2), result: Err(cancelled()), took_ms: 9_000 });
        press(app, "esc 5");
    }),
    ("transfers-empty", |app| {
        press(app, "5");
    }),
    ("logs", |app| {
        press(app, "l");
        tell(app, Told::Log { view: 1, entries: log() });
    }),
    ("logs-find", |app| {
        press(app, "l");
        tell(app, Told::Log { view: 1, entries: log() });
        press(app, "t /");
        type_text(app, "app.css");
        press(app, "enter N");
    }),
    ("logs-empty", |app| {
        press(app, "l");
        tell(app, Told::LogEnd { view: 1, result: Ok(()) });
    }),
    ("logs-error", |app| {
        press(app, "l");
        tell(app, Told::LogEnd { view: 1, result: Err(problem()) });
    }),
    ("charts", |app| {
        press(app, "c");
    }),
    ("charts-stopped", |app| {
        press(app, "end c");
    }),
    ("inspect", |app| {
        press(app, "i");
        let inspect = inspected();
        tell(app, Told::Inspected { id: inspect.record.id.clone(), result: Ok(Box::new(inspect)) });
    }),
    ("inspect-json", |app| {
        press(app, "i");
        let inspect = inspected();
        tell(app, Told::Inspected { id: inspect.record.id.clone(), result: Ok(Box::new(inspect)) });
        press(app, "v");
    }),
    ("inspect-error", |app| {
        press(app, "i");
        tell(app, Told::Inspected { id: sample::id(1), result: Err(problem()) });
    }),
    ("inspect-image", |app| {
        press(app, "2 down i");
        let image = "alpine:3.20".to_owned();
        tell(app, Told::ImageInspected { image, result: Ok(Box::new(sample::image_inspect())) });
    }),
    ("shells", two_shells),
    ("shells-left", |app| {
        two_shells(app);
        press(app, "f12");
    }),
    ("shells-empty", |app| {
        press(app, "4");
    }),
    ("shells-ended", |app| {
        two_shells(app);
        let crate::model::ContainerState::Exited(status) = sample::exited(3, crate::model::ExitReason::Exit) else {
            return;
        };
        tell(app, Told::PaneEnded { pane: PaneId(0), end: PaneEnd::Exited(status) });
    }),
    ("shells-failed", |app| {
        press(app, "2 enter enter");
        tell(app, Told::Ran { pane: Some(PaneId(0)), result: Err(problem()) });
    }),
    ("run-form", |app| {
        press(app, "2 enter");
        let told = Told::FormFilled {
            image: "host".to_owned(),
            name: "brave_hopper".parse().expect("a name"),
            command: vec!["/bin/bash".to_owned()],
            network: "bridge".to_owned(),
        };
        tell(app, told);
    }),
    ("run-form-error", |app| {
        press(app, "2 enter down down");
        type_text(app, "lots");
        press(app, "down down down");
        type_text(app, "not-a-volume");
        press(app, "enter");
    }),
    ("limits", |app| {
        press(app, "u");
    }),
    ("security", |app| {
        press(app, "S");
        tell(app, Told::Security { id: sample::id(1), result: Ok(Box::new(sample::security())) });
    }),
    ("security-error", |app| {
        press(app, "S");
        tell(app, Told::Security { id: sample::id(1), result: Err(problem()) });
    }),
    ("limits-error", |app| {
        press(app, "u down down down");
        type_text(app, "x");
        press(app, "down down down down down");
        type_text(app, "sometimes");
        press(app, "enter");
    }),
    ("containers-restarting", |app| {
        let mut containers = sample::containers();
        containers[0].state = sample::restarting(1, 2);
        containers[0].restart = RestartPolicy::OnFailure { most: Some(5) };
        tell(app, Told::Containers(containers));
    }),
    ("confirm-remove", |app| {
        press(app, "d");
    }),
    ("rename", |app| {
        press(app, "n");
        type_text(app, "/");
        press(app, "enter");
    }),
    ("help", |app| {
        press(app, "?");
    }),
    ("palette", |app| {
        press(app, ":");
        type_text(app, "rest");
    }),
];

/// All scenes at a size.
pub fn frames(size: Size) -> Vec<(&'static str, Buffer)> {
    let draw_scene = |(name, make): &Scene| {
        let mut app = sample::app(size);
        draw(&mut app);
        make(&mut app);
        (*name, draw(&mut app))
    };
    SCENES
        .iter()
        .chain(images::SCENES)
        .chain(files::SCENES)
        .chain(search::SCENES)
        .chain(networks::SCENES)
        .chain(volumes::SCENES)
        .map(draw_scene)
        .collect()
}

/// The buffer's text, with colours left out.
pub fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in area.left()..area.right() {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = unicode_width::UnicodeWidthStr::width(symbol).max(1);
            }
            skip -= 1;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(size: Size) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.bind(|| {
            for (name, buffer) in frames(size) {
                insta::assert_snapshot!(format!("{name}-{}x{}", size.columns, size.rows), text(&buffer));
            }
        });
    }

    #[test]
    fn scenes_at_ordinary_size() {
        check(Size { columns: 100, rows: 30 });
    }

    #[test]
    fn scenes_at_the_least_size() {
        check(Size { columns: 60, rows: 20 });
    }

    fn check_some(size: Size, wanted: &[&str]) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("snapshots");
        settings.set_prepend_module_to_snapshot(false);
        for (name, buffer) in frames(size).iter().filter(|(name, _)| wanted.contains(name)) {
            let name = format!("{name}-{}x{}", size.columns, size.rows);
            settings.bind(|| insta::assert_snapshot!(name, text(buffer)));
        }
    }

    #[test]
    fn scenes_in_the_window_that_most_terminals_open_with() {
        let wanted = ["containers", "images", "networks", "network-create", "volumes", "wires", "traffic", "files"];
        check_some(Size { columns: 80, rows: 24 }, &wanted);
    }

    #[test]
    fn scenes_at_large_size() {
        let wanted = [
            "containers",
            "charts",
            "shells",
            "help",
            "search-pull",
            "search-details",
            "transfers",
            "layers",
            "images-details",
            "usage",
            "files",
            "file-bytes",
            "networks",
            "traffic",
            "wires",
            "volumes",
        ];
        check_some(Size { columns: 180, rows: 44 }, &wanted);
    }

    #[test]
    fn scenes_at_any_size_draw_without_panic_and_no_control_character() {
        for (columns, rows) in [(10, 5), (1, 1), (0, 0), (60, 19), (59, 20), (61, 21), (300, 20), (60, 100), (120, 26)]
        {
            for (name, buffer) in frames(Size { columns, rows }) {
                let hostile = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
                let clean = buffer.content.iter().all(|cell| !cell.symbol().chars().any(hostile));
                assert!(clean, "{name} at {columns}x{rows}");
            }
        }
    }

    #[test]
    fn too_small_terminal_says_so() {
        let mut app = sample::app(Size { columns: 40, rows: 10 });
        insta::with_settings!({snapshot_path => "snapshots", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("too-small-40x10", text(&draw(&mut app)));
        });
    }
}
