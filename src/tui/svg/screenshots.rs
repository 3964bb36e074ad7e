//! The pictures in `screenshots/`: the program's own frames, made by its own keys from the sample data.
//!
//! A test compares them with the files. `TEU_UPDATE_SCREENSHOTS=1 cargo test --lib screenshots` writes them anew.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::model::{LayerProgress, LayerStage, LogEntry, LogStream, Name, PullEvent, SearchHit, SessionId, Size};
use crate::tui::action::{Action, Told};
use crate::tui::app::App;
use crate::tui::effect::{Effect, PaneWish};
use crate::tui::theme::{ColorDepth, Theme};
use crate::tui::{frames, sample, update, view};

const SIZE: Size = Size { columns: 112, rows: 34 };

/// An interface at work: keys in, wishes out.
struct Scene {
    app: App,
    wishes: Vec<Effect>,
}

impl Scene {
    fn new(theme: &str) -> Self {
        Self::sized(theme, SIZE)
    }

    fn sized(theme: &str, size: Size) -> Self {
        let mut app = sample::app(size);
        app.theme = Theme::built_in(theme, ColorDepth::True).expect("built in");
        app.tell_colors();
        let mut scene = Self { app, wishes: Vec::new() };
        scene.keys("down up");
        scene
    }

    fn act(&mut self, action: Action) {
        self.wishes.extend(update::update(&mut self.app, action));
        // Heights are known from the last drawing, so draw after each action as the program does.
        self.app.seen = view::draw(&self.app, &mut Buffer::empty(area(self.app.size)));
    }

    /// Presses keys by their names, divided by blanks; other words are typed letter by letter.
    fn keys(&mut self, keys: &str) {
        for key in keys.split(' ') {
            let code = match key {
                "enter" => KeyCode::Enter,
                "down" => KeyCode::Down,
                "up" => KeyCode::Up,
                "esc" => KeyCode::Esc,
                "f12" => KeyCode::F(12),
                word => {
                    for letter in word.chars() {
                        self.act(Action::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)));
                    }
                    continue;
                }
            };
            self.act(Action::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
    }

    fn told(&mut self, told: Told) {
        self.act(Action::Told(Box::new(told)));
    }

    /// The pane that was asked for last.
    fn pane(&self) -> PaneWish {
        let pane = self.wishes.iter().rev().find_map(|wish| match wish {
            Effect::Exec { pane, .. } | Effect::Attach { pane, .. } | Effect::StartInPane { pane, .. } => Some(pane),
            Effect::Run { pane, .. } => pane.as_ref(),
            _ => None,
        });
        pane.expect("a pane was asked for").clone()
    }

    fn frame(&self) -> Buffer {
        let mut buffer = Buffer::empty(area(self.app.size));
        let seen = view::draw(&self.app, &mut buffer);
        // The terminal's own cursor, as a block.
        if let Some(cell) = seen.cursor.and_then(|at| buffer.cell_mut(at)) {
            cell.modifier.toggle(Modifier::REVERSED);
        }
        buffer
    }
}

fn area(size: Size) -> Rect {
    Rect::new(0, 0, size.columns, size.rows)
}

fn containers(theme: &str) -> Buffer {
    Scene::new(theme).frame()
}

fn search() -> Buffer {
    let mut scene = Scene::new("dark");
    scene.keys("3 debian");
    let number = scene.wishes.iter().rev().find_map(|wish| match wish {
        Effect::Search { search, .. } => Some(*search),
        _ => None,
    });
    let hit = |name: &str, stars: Option<u64>, official, score, description: &str| SearchHit {
        name: name.to_owned(),
        registry: name
            .split_once('/')
            .filter(|(host, _)| host.contains(':'))
            .map_or("docker.io", |(host, _)| host)
            .to_owned(),
        description: description.to_owned(),
        stars,
        official,
        score,
        pulls: None,
    };
    let hits = vec![
        hit(
            "debian",
            Some(5_213),
            true,
            900,
            "Debian is a Linux distribution that's composed entirely of free and open-source software.",
        ),
        hit("localhost:5000/base/debian", None, false, 800, ""),
        hit("localhost:5000/team/debian-ml", None, false, 790, ""),
        hit("ubuntu/debian-tools", Some(14), false, 500, "Packaging tools"),
        hit("balenalib/raspberrypi3-debian", Some(27), false, 480, "Base image of Debian for the Raspberry Pi 3"),
        hit("armhf/debian", Some(31), false, 470, "Debian for 32-bit ARM"),
        hit("corpusops/debian-bare", Some(1), false, 300, "minimal with a few more tools"),
    ];
    let search = number.expect("a search was asked for");
    scene.told(Told::Found { search, events: sample::found(hits) });
    scene.told(Told::SearchEnd { search, result: Ok(()) });
    scene.keys("down p");
    let layer = |number: u8, stage, received: u64, total: u64, unpacked: u64| LayerProgress {
        digest: sample::digest(number),
        stage,
        received_bytes: received << 10,
        total_bytes: total << 10,
        unpacked_bytes: unpacked << 10,
    };
    let layers = vec![
        layer(0x3f, LayerStage::Done, 49_610, 49_610, 124_000),
        layer(0x8e, LayerStage::Unpacking, 25_400, 25_400, 31_000),
        layer(0xa2, LayerStage::Downloading, 42_180, 67_900, 0),
        layer(0xb3, LayerStage::Downloading, 3_120, 18_700, 0),
        layer(0xc9, LayerStage::Waiting, 0, 1_240, 0),
        layer(0xd4, LayerStage::Exists, 310, 310, 0),
    ];
    let id = scene.wishes.iter().rev().find_map(|wish| match wish {
        Effect::Transfer { id, .. } => Some(*id),
        _ => None,
    });
    let progress = PullEvent::Layers(layers).into();
    scene.told(Told::Transfer { id: id.expect("a pull was asked for"), progress });
    scene.frame()
}

fn run_form() -> Buffer {
    let mut scene = Scene::new("dark");
    scene.keys("2 enter");
    let name: Name = "brisk_lovelace".parse().expect("a name");
    scene.told(Told::FormFilled {
        image: "host".to_owned(),
        name,
        command: vec!["/bin/bash".to_owned()],
        network: "bridge".to_owned(),
    });
    scene.frame()
}

const FIRST_SHELL: &str = "\x1b[1;32mroot@brave_hopper\x1b[m:\x1b[1;34m~\x1b[m# free -h\r\n\
\x20              total        used        free      shared  buff/cache   available\r\n\
Mem:            23Gi       4.9Gi        16Gi       1.1Mi       2.6Gi        18Gi\r\n\
Swap:             0B          0B          0B\r\n\
\x1b[1;32mroot@brave_hopper\x1b[m:\x1b[1;34m~\x1b[m# ls --color /srv/site\r\n\
\x1b[1;34massets\x1b[m  \x1b[1;32mbuild.sh\x1b[m  \x1b[1;36mcurrent\x1b[m  index.html  \x1b[1;31mrelease.tar.zst\x1b[m\r\n\
\x1b[1;32mroot@brave_hopper\x1b[m:\x1b[1;34m~\x1b[m# ./build.sh --watch\r\n\
\x1b[2m[21:00:01]\x1b[m reading 214 pages\r\n\
\x1b[2m[21:00:01]\x1b[m \x1b[33mwarning\x1b[m: posts/draft.md has no title\r\n\
\x1b[2m[21:00:02]\x1b[m \x1b[32mdone\x1b[m in 312 ms, ünïcode included\r\n\
\x1b[2m[21:00:02]\x1b[m watching for changes … ";

const SECOND_SHELL: &str = "\x1b[?1049h\x1b[H\x1b[1mtop - 21:00:00 up 9 days\x1b[m, load 1.25, 0.98, 0.76\r\n\
Tasks:   3 total,   1 running,   2 sleeping\r\n\
%Cpu(s): \x1b[1m18.2\x1b[m us,  \x1b[1m4.8\x1b[m sy, \x1b[1m77.0\x1b[m id\r\n\r\n\
\x1b[7m  PID USER   PR  NI  RES S %CPU COMMAND       \x1b[m\r\n\
\x1b[1m   41 root   20   0  86M R 37.9 node          \x1b[m\r\n\
\x20   1 root   20   0   4M S  0.0 bash\r\n\
\x20  57 root   20   0   3M S  0.0 top\r\n";

fn shells(theme: &str) -> Buffer {
    let mut scene = Scene::new(theme);
    let id = scene.app.containers.selected(&scene.app.data).expect("a container").id.clone();
    let name: Name = "brave_hopper".parse().expect("a name");
    for (number, output) in [(0, FIRST_SHELL), (1, SECOND_SHELL)] {
        if number == 0 {
            scene.keys("e");
        } else {
            scene.keys("f12 n");
        }
        let wish = scene.pane();
        let live = Told::PaneLive { pane: wish.pane, id: id.clone(), name: name.clone(), session: SessionId(number) };
        scene.told(live);
        wish.terminal.emulator.feed(output.as_bytes());
        scene.told(Told::PaneOutput(wish.pane));
    }
    scene.frame()
}

fn charts() -> Buffer {
    let mut scene = Scene::new("dark");
    scene.keys("c");
    scene.frame()
}

fn logs() -> Buffer {
    let mut scene = Scene::new("dark");
    scene.keys("down l");
    let view = scene.wishes.iter().rev().find_map(|wish| match wish {
        Effect::OpenLog { view, .. } => Some(*view),
        _ => None,
    });
    let paths = ["/", "/assets/site.css", "/api/orders?limit=50", "/favicon.ico", "/api/orders/7731", "/health"];
    let entries = (0..60i64).map(|line| {
        let path = paths[(line * 7 % 6) as usize];
        let (stream, text) = match line % 11 {
            4 => (LogStream::Stderr, format!("[warn] upstream took {} ms for {path}\n", 900 + line * 13)),
            9 => (
                LogStream::Stderr,
                "[error] connect() failed (111: Connection refused) while connecting to upstream\n".to_owned(),
            ),
            _ => (
                LogStream::Stdout,
                format!("10.0.3.{} \"GET {path} HTTP/1.1\" 200 {}\n", 10 + line % 40, 512 + line * 97),
            ),
        };
        LogEntry { time: sample::before(120 - line * 2), stream, text }
    });
    scene.told(Told::Log { view: view.expect("a log was asked for"), entries: entries.collect() });
    scene.keys("/ upstream enter");
    scene.frame()
}

fn confirm() -> Buffer {
    let mut scene = Scene::new("dark");
    scene.keys("down d");
    scene.frame()
}

fn help() -> Buffer {
    let mut scene = Scene::new("dark");
    scene.keys("?");
    scene.frame()
}

fn narrow() -> Buffer {
    Scene::sized("dark", Size { columns: 60, rows: 20 }).frame()
}

/// One of the scenes that the snapshot tests draw.
fn scene(wanted: &str, size: Size) -> Buffer {
    let scenes = frames::frames(size);
    scenes.into_iter().find(|(name, _)| *name == wanted).expect("a scene of that name").1
}

/// Every picture: its file's name and how it is made.
fn pictures() -> Vec<(&'static str, Buffer)> {
    vec![
        ("containers", containers("dark")),
        ("containers-light", containers("light")),
        ("containers-high-contrast", containers("high-contrast")),
        ("images", scene("images-details", Size { columns: 132, rows: 34 })),
        ("volumes", scene("volumes", Size { columns: 132, rows: 30 })),
        ("files", scene("files", SIZE)),
        ("file-bytes", scene("file-bytes", SIZE)),
        ("layers", scene("layers-filter", Size { columns: 132, rows: 34 })),
        ("transfers", scene("transfers", SIZE)),
        ("usage", scene("usage", SIZE)),
        ("search", search()),
        ("search-details", scene("search-details", SIZE)),
        ("run-form", run_form()),
        ("shells", shells("dark")),
        ("shells-light", shells("light")),
        ("charts", charts()),
        ("limits", scene("limits", SIZE)),
        ("security", scene("security", SIZE)),
        ("logs", logs()),
        ("inspect", scene("inspect", SIZE)),
        ("palette", scene("palette", SIZE)),
        ("networks", scene("networks", SIZE)),
        ("wires", scene("wires", SIZE)),
        ("traffic", scene("traffic", SIZE)),
        ("wide", scene("containers", Size { columns: 180, rows: 44 })),
        ("confirm", confirm()),
        ("help", help()),
        ("narrow", narrow()),
    ]
}

#[test]
fn screenshots_are_those_of_the_program() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("screenshots");
    let update = std::env::var_os("TEU_UPDATE_SCREENSHOTS").is_some();
    let mut stale = Vec::new();
    for (name, frame) in pictures() {
        let svg = super::render(&frame, "teu");
        let path = folder.join(format!("{name}.svg"));
        if std::fs::read_to_string(&path).is_ok_and(|known| known == svg) {
            continue;
        }
        if update {
            std::fs::write(&path, svg).expect("the folder screenshots can be written");
        } else {
            stale.push(name);
        }
    }
    let mend = "TEU_UPDATE_SCREENSHOTS=1 cargo test --lib screenshots";
    assert!(stale.is_empty(), "pictures that are no longer what the program draws: {stale:?}; run `{mend}`");
}
