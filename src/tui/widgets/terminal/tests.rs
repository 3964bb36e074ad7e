//! What programs do to a terminal, and what must never happen to ours.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier};
use ratatui::widgets::Widget;

use super::*;
use crate::model::Size;
use crate::tui::theme::{Role, Theme};

fn emulator(columns: u16, rows: u16, bytes: &[u8]) -> Emulator {
    let mut emulator = Emulator::new(Size { columns, rows });
    emulator.feed(bytes);
    emulator
}

fn drawn(emulator: &Emulator, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    TerminalView { theme: &Theme::default(), emulator }.render(area, &mut buffer);
    buffer
}

fn row(buffer: &Buffer, y: u16) -> String {
    (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned()
}

#[test]
fn emulator_draws_text_colours_and_attributes() {
    let theme = Theme::default();
    let emulator = emulator(20, 3, b"a\x1b[1;3;4;7;31mb\x1b[0;38;2;1;2;3;48;5;200mc\x1b[m\r\nd");
    let buffer = drawn(&emulator, 20, 3);
    assert_eq!(row(&buffer, 0), "abc");
    assert_eq!(row(&buffer, 1), "d");
    assert_eq!(buffer[(0, 0)].fg, theme.color(Role::Background));
    assert_eq!(buffer[(1, 0)].fg, theme.indexed(1));
    let all = Modifier::BOLD | Modifier::ITALIC | Modifier::UNDERLINED | Modifier::REVERSED;
    assert_eq!(buffer[(1, 0)].modifier, all);
    assert_eq!(buffer[(2, 0)].fg, Color::Rgb(1, 2, 3));
    assert_eq!(buffer[(2, 0)].bg, Color::Indexed(200));
    let view = TerminalView { theme: &theme, emulator: &emulator };
    assert_eq!(view.cursor(Rect::new(5, 5, 20, 3)), Some(Position::new(6, 6)));
}

#[test]
fn emulator_wide_characters_take_two_cells_and_are_never_cut() {
    let emulator = emulator(10, 1, "漢字x".as_bytes());
    let buffer = drawn(&emulator, 10, 1);
    assert_eq!((buffer[(0, 0)].symbol(), buffer[(2, 0)].symbol(), buffer[(4, 0)].symbol()), ("漢", "字", "x"));
    assert_eq!(row(&drawn(&emulator, 3, 1), 0), "漢");
}

#[test]
fn emulator_draws_the_lines_of_programs_without_utf8() {
    let emulator = emulator(10, 4, b"\x1b(0lqqk\x1b(B\r\nx\x1b[s12\x1b[uab\x1bDc\x1bEd");
    let buffer = drawn(&emulator, 10, 4);
    assert_eq!([0, 1, 2, 3].map(|y| row(&buffer, y)), ["┌──┐", "xab", "   c", "d"]);
}

#[test]
fn emulator_drops_joiners_and_directions() {
    let emulator = emulator(20, 1, "a\u{202e}b\u{200d}c e\u{301}".as_bytes());
    assert_eq!(row(&drawn(&emulator, 20, 1), 0), "abc e\u{301}");
}

#[test]
fn emulator_answers_what_programs_ask() {
    for (question, answer) in [
        ("\x1b[c", "\x1b[?62;22c"),
        ("\x1b[0c", "\x1b[?62;22c"),
        ("\x1b[>c", "\x1b[>1;10;0c"),
        ("\x1b[5n", "\x1b[0n"),
        ("ab\r\ncd\x1b[6n", "\x1b[2;3R"),
        ("\x1b[99;99H\x1b[?6n", "\x1b[?5;20R"),
        ("\x1b[18t", "\x1b[8;5;20t"),
        ("\x1b[?2004h\x1b[?2004$p", "\x1b[?2004;1$y"),
        ("\x1b[?25$p", "\x1b[?25;1$y"),
        ("\x1b[?1049$p", "\x1b[?1049;2$y"),
        ("\x1b[?2026$p", "\x1b[?2026;0$y"),
        ("\x1b]11;?\x07", "\x1b]11;rgb:1010/1515/1c1c\x1b\\"),
        ("\x1b]52;c;?\x07", ""),
        ("\x1b[8;1;1t", ""),
        ("plain", ""),
    ] {
        let mut emulator = Emulator::new(Size { columns: 20, rows: 5 });
        emulator.set_colors([0xd6, 0xdd, 0xe6], [0x10, 0x15, 0x1c]);
        emulator.feed(question.as_bytes());
        assert_eq!(String::from_utf8_lossy(&emulator.take_reply()), answer, "{question:?}");
        assert_eq!(emulator.size(), Size { columns: 20, rows: 5 });
        assert!(emulator.take_reply().is_empty());
    }
}

#[test]
fn emulator_flooded_with_questions_keeps_its_answers_bounded() {
    let mut emulator = emulator(20, 5, "\x1b[c".repeat(100_000).as_bytes());
    assert!(emulator.take_reply().len() <= 4_096);
}

#[test]
fn emulator_title_and_bell_are_reported_and_the_title_is_plain() {
    let mut emulator = emulator(20, 5, "\x07\x1b]2;vim \u{202e}x\u{9b}\x07".as_bytes());
    assert_eq!(emulator.title(), Some("vim \u{fffd}x\u{fffd}"));
    assert!(emulator.take_bell());
    assert!(!emulator.take_bell());
    emulator.feed(format!("\x1b]0;{}\x07", "t".repeat(1_000)).as_bytes());
    assert_eq!(emulator.title().map(str::len), Some(120));
}

#[test]
fn emulator_modes_follow_the_program() {
    let mut emulator = emulator(20, 5, b"\x1b[?1h\x1b[?2004h\x1b[?1002h\x1b[?1006h\x1b[?1004h\x1b[?1049h");
    let modes = emulator.modes();
    assert!(modes.application_cursor && modes.bracketed_paste && modes.focus_events && modes.alternate_screen);
    assert_eq!(modes.mouse, vt100::MouseProtocolMode::ButtonMotion);
    assert_eq!(modes.mouse_encoding, vt100::MouseProtocolEncoding::Sgr);
    emulator.feed(b"\x1b[?1l\x1b[?2004l\x1b[?1002l\x1b[?1006l\x1b[?1004l\x1b[?1049l");
    assert_eq!(emulator.modes(), Modes::default());
}

#[test]
fn emulator_scrollback_is_bounded_and_shown() {
    let lines: String = (0..3_000).map(|line| format!("line {line}\r\n")).collect();
    let mut emulator = emulator(20, 5, lines.as_bytes());
    assert_eq!(emulator.scrollback_length(), 2_000);
    emulator.scroll_by(10);
    assert_eq!(emulator.scrolled_back(), 10);
    assert_eq!(emulator.cursor(), None);
    assert_eq!(row(&drawn(&emulator, 20, 5), 0), "line 2986");
    emulator.scroll_by(isize::MAX);
    assert_eq!(emulator.scrolled_back(), 2_000);
    emulator.scroll_by(isize::MIN);
    assert_eq!(emulator.scrolled_back(), 0);
    assert_eq!(row(&drawn(&emulator, 20, 5), 0), "line 2996");
}

#[test]
fn emulator_generation_changes_with_the_screen_only() {
    let mut emulator = emulator(20, 5, b"x");
    let generation = emulator.generation();
    emulator.feed(b"");
    emulator.resize(Size { columns: 20, rows: 5 });
    emulator.scroll_to(0);
    assert_eq!(emulator.generation(), generation);
    emulator.feed(b"y");
    assert_ne!(emulator.generation(), generation);
}

/// A small generator of its own, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

#[test]
fn emulator_survives_random_bytes_and_wild_resizes() {
    let pieces: [&[u8]; 16] = [
        b"\x1b[",
        b"\x1b]0;",
        b"\x07",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
        "漢字".as_bytes(),
        "👍🏽\u{fe0f}".as_bytes(),
        b"\r\n",
        b"\x1b7",
        b"\x1b8",
        b"\x1bM",
        b"\x1b[999;999H",
        b"\x1b[2;5r",
        b"\x1b[3J",
        b"\x1b[65535b",
        "e\u{301}\u{301}".as_bytes(),
    ];
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut emulator = Emulator::new(Size { columns: 80, rows: 24 });
        for _ in 0..120 {
            match random.next(8) {
                0 => {
                    let size = Size { columns: random.next(300) as u16, rows: random.next(100) as u16 };
                    emulator.resize(size);
                }
                1 => emulator.scroll_by(random.next(100) as isize - 50),
                2..5 => emulator.feed(pieces[random.next(16) as usize]),
                5 => {
                    let letter = b"ABCDEFGHJKLMPSTXdfhlmnrt@`"[random.next(26) as usize] as char;
                    emulator.feed(format!("\x1b[{};{}{letter}", random.next(200), random.next(70_000)).as_bytes());
                }
                _ => {
                    let bytes: Vec<u8> = (0..random.next(200)).map(|_| random.next(256) as u8).collect();
                    emulator.feed(&bytes);
                }
            }
            let (width, height) = (random.next(120) as u16, random.next(40) as u16);
            let buffer = drawn(&emulator, width, height);
            let cursor = emulator.cursor();
            let size = emulator.size();
            assert!(cursor.is_none_or(|(column, row)| column < size.columns && row < size.rows), "seed {seed}");
            let hostile = |cell: &ratatui::buffer::Cell| cell.symbol().chars().any(char::is_control);
            assert!(!buffer.content().iter().any(hostile), "seed {seed}");
        }
    }
}

#[test]
fn emulator_whose_parser_panics_starts_anew() {
    let mut emulator = emulator(20, 5, b"text");
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    emulator.contained(|_| {
        assert!(panic_is_contained());
        panic!("as the parser might")
    });
    std::panic::set_hook(hook);
    assert!(!panic_is_contained());
    assert_eq!((emulator.resets(), emulator.text().as_str()), (1, ""));
    emulator.feed(b"on");
    assert_eq!(emulator.text(), "on");
}

#[test]
fn shared_emulator_lets_others_in_while_it_is_flooded() {
    let shared = SharedEmulator::new(Size { columns: 80, rows: 24 });
    let feeder = {
        let shared = shared.clone();
        std::thread::spawn(move || shared.feed(&b"a line of output\r\n".repeat(100_000)))
    };
    let mut turns = 0;
    while !feeder.is_finished() {
        let _ = shared.lock().text();
        turns += 1;
    }
    assert!(feeder.join().is_ok_and(|reply| reply.is_empty()));
    assert!(turns > 5, "{turns}");
}

#[test]
fn shared_emulator_that_skips_shows_the_same_as_one_that_parses_all() {
    let size = Size { columns: 30, rows: 8 };
    let mut random = Random(7);
    let shared = SharedEmulator::new(size);
    let mut plain = Emulator::new(size);
    for round in 0..12 {
        let lines = 1 + random.next(6_000);
        let mut flood: String = (0..lines).map(|line| format!("{round} line {line} 漢\r\n")).collect();
        flood.push_str(["", "\x1b[", "\x1b[3;7r", "\x1b[?1049h", "\x1b[1;31m", "half"][random.next(6) as usize]);
        shared.feed(flood.as_bytes());
        plain.feed(flood.as_bytes());
        let mut shared = shared.lock();
        for back in [0, 5, 1_990] {
            shared.scroll_to(back);
            plain.scroll_to(back);
            assert_eq!(drawn(&shared, 30, 8), drawn(&plain, 30, 8), "round {round}, {back} back");
        }
        shared.scroll_to(round);
        plain.scroll_to(round);
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers, modes: Modes) -> String {
    String::from_utf8_lossy(&encode_key(&KeyEvent::new(code, modifiers), modes)).escape_debug().to_string()
}

#[test]
fn keys_are_encoded_as_xterm_does() {
    const NONE: KeyModifiers = KeyModifiers::NONE;
    const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
    const ALT: KeyModifiers = KeyModifiers::ALT;
    const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
    for (code, modifiers, expected) in [
        (KeyCode::Char('a'), NONE, "a"),
        (KeyCode::Char('é'), NONE, "é"),
        (KeyCode::Char('c'), CONTROL, "\\u{3}"),
        (KeyCode::Char('C'), CONTROL | SHIFT, "\\u{3}"),
        (KeyCode::Char(' '), CONTROL, "\\0"),
        (KeyCode::Char('\\'), CONTROL, "\\u{1c}"),
        (KeyCode::Char('x'), ALT, "\\u{1b}x"),
        (KeyCode::Char('x'), ALT | CONTROL, "\\u{1b}\\u{18}"),
        (KeyCode::Enter, NONE, "\\r"),
        (KeyCode::Enter, ALT, "\\u{1b}\\r"),
        (KeyCode::Tab, NONE, "\\t"),
        (KeyCode::BackTab, SHIFT, "\\u{1b}[Z"),
        (KeyCode::Backspace, NONE, "\\u{7f}"),
        (KeyCode::Backspace, CONTROL, "\\u{8}"),
        (KeyCode::Esc, NONE, "\\u{1b}"),
        (KeyCode::Up, NONE, "\\u{1b}[A"),
        (KeyCode::Right, CONTROL, "\\u{1b}[1;5C"),
        (KeyCode::Left, SHIFT | ALT, "\\u{1b}[1;4D"),
        (KeyCode::Home, NONE, "\\u{1b}[H"),
        (KeyCode::Delete, NONE, "\\u{1b}[3~"),
        (KeyCode::PageUp, SHIFT, "\\u{1b}[5;2~"),
        (KeyCode::F(1), NONE, "\\u{1b}OP"),
        (KeyCode::F(4), CONTROL, "\\u{1b}[1;5S"),
        (KeyCode::F(5), NONE, "\\u{1b}[15~"),
        (KeyCode::F(12), SHIFT, "\\u{1b}[24;2~"),
        (KeyCode::F(24), NONE, ""),
        (KeyCode::CapsLock, NONE, ""),
    ] {
        assert_eq!(key(code, modifiers, Modes::default()), expected, "{code:?} {modifiers:?}");
    }
    let application = Modes { application_cursor: true, ..Modes::default() };
    assert_eq!(key(KeyCode::Up, NONE, application), "\\u{1b}OA");
    assert_eq!(key(KeyCode::Up, CONTROL, application), "\\u{1b}[1;5A");
}

#[test]
fn pastes_cannot_end_their_own_brackets() {
    let modes = Modes { bracketed_paste: true, ..Modes::default() };
    assert_eq!(encode_paste("a\r\nb\n\tc\x1b[201~d", modes), b"\x1b[200~a\rb\r\tc[201~d\x1b[201~");
    assert_eq!(encode_paste("a\nb\x03", Modes::default()), b"a\rb");
}

fn mouse(kind: MouseEventKind, column: u16, row: u16, modes: Modes) -> Vec<u8> {
    let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    encode_mouse(&event, Rect::new(10, 5, 300, 20), modes)
}

#[test]
fn mouse_events_are_encoded_as_asked() {
    let left = MouseEventKind::Down(MouseButton::Left);
    let sgr = Modes {
        mouse: vt100::MouseProtocolMode::PressRelease,
        mouse_encoding: vt100::MouseProtocolEncoding::Sgr,
        ..Modes::default()
    };
    assert_eq!(mouse(left, 10, 5, sgr), b"\x1b[<0;1;1M");
    assert_eq!(mouse(MouseEventKind::Up(MouseButton::Right), 12, 6, sgr), b"\x1b[<2;3;2m");
    assert_eq!(mouse(MouseEventKind::ScrollDown, 12, 6, sgr), b"\x1b[<65;3;2M");
    assert!(mouse(MouseEventKind::Drag(MouseButton::Left), 12, 6, sgr).is_empty());
    assert!(mouse(left, 9, 5, sgr).is_empty());
    let x10 = Modes { mouse: vt100::MouseProtocolMode::Press, ..Modes::default() };
    assert_eq!(mouse(left, 10, 5, x10), b"\x1b[M !!");
    assert!(mouse(MouseEventKind::Up(MouseButton::Left), 10, 5, x10).is_empty());
    assert!(mouse(left, 300, 5, x10).is_empty());
    assert!(mouse(left, 10, 5, Modes::default()).is_empty());
    let alternate = Modes { alternate_screen: true, ..Modes::default() };
    assert_eq!(mouse(MouseEventKind::ScrollUp, 10, 5, alternate), b"\x1b[A\x1b[A\x1b[A");
}

#[test]
fn focus_is_told_only_to_those_who_asked() {
    let modes = Modes { focus_events: true, ..Modes::default() };
    assert_eq!((encode_focus(true, modes), encode_focus(false, modes)), (&b"\x1b[I"[..], &b"\x1b[O"[..]));
    assert!(encode_focus(true, Modes::default()).is_empty());
}
