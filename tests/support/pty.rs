//! A program in a real pseudo-terminal, its screen parsed by vt100.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use super::process::{self, Running};

pub const WAIT: Duration = Duration::from_secs(40);

/// Columns and rows of most tests.
pub const USUAL: (u16, u16) = (120, 40);

pub mod key {
    //! What a terminal sends for keys.
    pub const ENTER: &str = "\r";
    pub const ESCAPE: &str = "\u{1b}";
    pub const TAB: &str = "\t";
    pub const UP: &str = "\u{1b}[A";
    pub const DOWN: &str = "\u{1b}[B";
    pub const CTRL_C: &str = "\u{3}";
    pub const CTRL_D: &str = "\u{4}";
    pub const CTRL_P: &str = "\u{10}";
    pub const CTRL_Q: &str = "\u{11}";
    pub const CTRL_Z: &str = "\u{1a}";
    pub const F1: &str = "\u{1b}OP";
    /// Leaves a shell's pane for the lists.
    pub const F12: &str = "\u{1b}[24~";
}

/// What the program has drawn so far.
struct Seen {
    parser: vt100::Parser,
    /// Every byte the program wrote.
    raw: Vec<u8>,
    last: Instant,
}

struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    stop: AtomicBool,
}

pub struct Pty {
    line: String,
    pub running: Running,
    master: Option<Arc<OwnedFd>>,
    /// Kept open so that the terminal's settings can be read after the program ended.
    slave: Option<OwnedFd>,
    before: Termios,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

fn cells(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("a terminal has cells")
}

impl Pty {
    /// Starts a command as the leader of a session whose terminal has `size` (columns, rows).
    #[track_caller]
    pub fn spawn(command: &Command, size: (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("openpt");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("TIOCGPTPEER");
        set_size(&master, size);
        let before = tcgetattr(&slave).expect("tcgetattr");
        let end = || Stdio::from(slave.try_clone().expect("dup"));
        // setsid --ctty makes its stdin the session's terminal, then executes the command in the same process.
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg(command.get_program()).args(command.get_args()).env_clear();
        leader.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        leader.stdin(end()).stdout(end()).stderr(end());
        if let Some(folder) = command.get_current_dir() {
            leader.current_dir(folder);
        }
        let line = process::line_of(&leader);
        let child = leader.spawn().unwrap_or_else(|e| panic!("start {line}: {e}"));
        let parser = vt100::Parser::new(cells(size.1), cells(size.0), 10_000);
        let seen = Mutex::new(Seen { parser, raw: Vec::new(), last: Instant::now() });
        let shared = Arc::new(Shared { seen, changed: Condvar::new(), stop: AtomicBool::new(false) });
        let master = Arc::new(master);
        let reader = {
            let (master, shared) = (master.clone(), shared.clone());
            std::thread::spawn(move || read_screen(&master, &shared))
        };
        Self {
            line,
            running: Running { child },
            master: Some(master),
            slave: Some(slave),
            before,
            shared,
            reader: Some(reader),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The screen as text, a line a row, without blanks at the ends of rows.
    pub fn screen(&self) -> String {
        let seen = self.seen();
        let columns = seen.parser.screen().size().1.get();
        let rows: Vec<String> = seen.parser.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n")
    }

    /// Looks at the emulator's screen, for cells, colours and modes.
    pub fn with_screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.seen().parser.screen())
    }

    /// Every byte written so far, as text.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen().raw).into_owned()
    }

    pub fn raw_length(&self) -> usize {
        self.seen().raw.len()
    }

    /// Types text. After Escape it pauses as a person does: what follows at once would make it Alt and a key.
    pub fn send(&self, text: &str) {
        self.send_bytes(text.as_bytes());
        if text == key::ESCAPE {
            std::thread::sleep(Duration::from_millis(150));
        }
    }

    pub fn send_bytes(&self, bytes: &[u8]) {
        let master = self.master.as_ref().expect("the terminal is not hung up");
        let mut file = File::from(master.try_clone().expect("dup"));
        file.write_all(bytes).unwrap_or_else(|e| panic!("write to the terminal of {}: {e}{self}", self.line));
    }

    pub fn resize(&self, size: (u16, u16)) {
        // The emulator first: what the program draws for the new size must find it.
        self.seen().parser.set_size(cells(size.1), cells(size.0));
        set_size(self.master.as_ref().expect("the terminal is not hung up"), size);
    }

    /// Waits until the screen satisfies `condition`.
    #[track_caller]
    pub fn wait_until(&self, what: &str, limit: Duration, condition: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return screen;
            }
            let left = limit.checked_sub(start.elapsed());
            let left = left.unwrap_or_else(|| panic!("{what}: not within {limit:?}{self}"));
            let seen = self.seen();
            drop(self.shared.changed.wait_timeout(seen, left.min(Duration::from_millis(50))));
        }
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(&format!("{text:?} on the screen"), WAIT, |screen| screen.contains(text))
    }

    #[track_caller]
    pub fn wait_gone(&self, text: &str) -> String {
        self.wait_until(&format!("{text:?} gone from the screen"), WAIT, |screen| !screen.contains(text))
    }

    /// Waits until nothing has been drawn for `quiet`.
    pub fn settle(&self, quiet: Duration) {
        let start = Instant::now();
        while self.seen().last.elapsed() < quiet && start.elapsed() < WAIT {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the program has ended, and gives its code.
    #[track_caller]
    pub fn wait_exit(&mut self) -> i32 {
        let code = self.running.wait(WAIT);
        std::thread::sleep(Duration::from_millis(30));
        code.unwrap_or_else(|| panic!("{} has not ended within {WAIT:?}{self}", self.line))
    }

    /// The terminal is as it was before: settings, main screen, cursor, no mouse, no paste brackets, no key modes.
    #[track_caller]
    pub fn assert_restored(&self) {
        let now = tcgetattr(self.slave.as_ref().expect("the terminal is not hung up")).expect("tcgetattr");
        let settings = |t: &Termios| {
            (t.input_modes, t.output_modes, t.control_modes, t.local_modes, format!("{:?}", t.special_codes))
        };
        assert_eq!(settings(&now), settings(&self.before), "terminal settings were not restored{self}");
        self.with_screen(|screen| {
            assert!(!screen.alternate_screen(), "the alternate screen was not left{self_line}", self_line = self.line);
            assert!(!screen.hide_cursor(), "the cursor stays hidden: {}", self.line);
            assert!(!screen.bracketed_paste(), "bracketed paste stays on: {}", self.line);
            assert!(!screen.application_cursor(), "application cursor keys stay on: {}", self.line);
            assert!(!screen.application_keypad(), "the application keypad stays on: {}", self.line);
            assert_eq!(
                screen.mouse_protocol_mode(),
                vt100::MouseProtocolMode::None,
                "the mouse stays on: {}",
                self.line
            );
        });
        let raw = self.raw();
        let balanced = |on: &str, off: &str| raw.matches(on).count() == 0 || raw.rfind(off) > raw.rfind(on);
        for (on, off) in
            [("\u{1b}[?2026h", "\u{1b}[?2026l"), ("\u{1b}[?1004h", "\u{1b}[?1004l"), ("\u{1b}[>1u", "\u{1b}[<1u")]
        {
            assert!(balanced(on, off), "{on:?} is not undone by {off:?}: {}", self.line);
        }
    }

    /// Closes the terminal as a lost connection does.
    pub fn hang_up(&mut self) {
        self.stop_reader();
        self.slave = None;
        self.master = None;
    }

    fn stop_reader(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl std::fmt::Display for Pty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\n--- screen of {}\n{}\n---", self.line, self.screen())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.stop_reader();
    }
}

fn set_size(terminal: &OwnedFd, (columns, rows): (u16, u16)) {
    tcsetwinsize(terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("TIOCSWINSZ");
}

fn read_screen(master: &Arc<OwnedFd>, shared: &Shared) {
    let mut file = File::from(master.try_clone().expect("dup"));
    let mut buffer = vec![0; 65_536];
    while !shared.stop.load(Ordering::Relaxed) {
        let timeout = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let ready = poll(&mut [PollFd::new(master, PollFlags::IN)], Some(&timeout));
        if !matches!(ready, Ok(1)) {
            continue;
        }
        let Ok(length @ 1..) = file.read(&mut buffer) else { return };
        let mut seen = shared.seen.lock().unwrap_or_else(|e| e.into_inner());
        seen.parser.process(&buffer[..length]);
        seen.raw.extend_from_slice(&buffer[..length]);
        seen.last = Instant::now();
        let replies = replies(&buffer[..length], seen.parser.screen().cursor_position());
        drop(seen);
        shared.changed.notify_all();
        let _ = file.write_all(replies.as_bytes());
    }
}

/// What a terminal answers when it is asked where its cursor is or what it is.
fn replies(asked: &[u8], (row, column): (u16, u16)) -> String {
    let asked = String::from_utf8_lossy(asked);
    let mut replies = String::new();
    for _ in asked.matches("\u{1b}[6n") {
        replies.push_str(&format!("\u{1b}[{};{}R", row + 1, column + 1));
    }
    for _ in asked.matches("\u{1b}[c") {
        replies.push_str("\u{1b}[?62;22c");
    }
    replies
}
