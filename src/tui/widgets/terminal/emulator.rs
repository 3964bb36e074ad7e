//! The emulator: bytes in, a screen out. It answers what programs ask a terminal, and lets nothing through to ours.
//!
//! It refuses the clipboard (OSC 52), resizes that a program asks for, and titles that are not plain text.
//! Should the parser ever panic on some input, the screen starts anew and the program goes on.

use std::cell::Cell;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};

use vt100::{MouseProtocolEncoding, MouseProtocolMode, Screen};

use super::filter::Filter;
use super::flood;
use crate::model::{Size, printable_line};

/// Lines kept above the screen.
const SCROLLBACK_LINES: usize = 2_000;
/// Bytes of answers kept until they are fetched; a flood of questions gets no more than that.
const MAX_REPLY_BYTES: usize = 4_096;
const MAX_TITLE_CHARS: usize = 120;
/// Larger screens are clamped: 1,000 by 1,000 cells are 32 MB.
const MAX_SIDE: u16 = 1_000;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// True while a panic on this thread would be caught by an emulator: a panic hook then must not touch the terminal.
pub fn panic_is_contained() -> bool {
    CONTAINED.get()
}

/// What the program in the terminal asked keys, pastes and the mouse to be sent as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// DECCKM: arrows, Home and End are sent as `ESC O x`.
    pub application_cursor: bool,
    pub bracketed_paste: bool,
    pub mouse: MouseProtocolMode,
    pub mouse_encoding: MouseProtocolEncoding,
    /// Mode 1004: the program wants to know when it gains and loses the focus.
    pub focus_events: bool,
    pub alternate_screen: bool,
}

/// A terminal's screen and scrollback, fed with what a program writes.
pub struct Emulator {
    parser: vt100::Parser<Answers>,
    generation: u64,
    resets: u64,
    filter: Filter,
}

/// What the program caused besides drawing.
#[derive(Default)]
pub(super) struct Answers {
    reply: Vec<u8>,
    title: Option<String>,
    bell: bool,
    focus_events: bool,
    /// Foreground and background, told to programs that ask (OSC 10 and 11) to choose fitting colours.
    colors: Option<([u8; 3], [u8; 3])>,
}

impl Emulator {
    pub fn new(size: Size) -> Self {
        let (rows, columns) = sides(size);
        let parser = vt100::Parser::new_with_callbacks(rows, columns, SCROLLBACK_LINES, Answers::default());
        Self { parser, generation: 1, resets: 0, filter: Filter::default() }
    }

    /// Tells the colours of the ground that the terminal is drawn on.
    pub fn set_colors(&mut self, foreground: [u8; 3], background: [u8; 3]) {
        self.parser.callbacks_mut().colors = Some((foreground, background));
    }

    /// Takes what the program wrote. About 30 MB/s: keep it off the drawing thread.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.generation += 1;
            let bytes = self.filter.translate(bytes);
            self.contained(|parser| parser.process(&bytes));
        }
    }

    /// The end of `bytes` that would be seen or scrolled back to after all of them were fed.
    pub(super) fn seen<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let lines = SCROLLBACK_LINES + usize::from(self.size().rows);
        if self.filter.is_ground() { flood::seen(bytes, lines) } else { bytes }
    }

    /// Gives the screen a new size, between 2 and 1,000 cells a side.
    pub fn resize(&mut self, size: Size) {
        if size != self.size() {
            let (rows, columns) = sides(size);
            self.generation += 1;
            self.contained(|parser| parser.set_size(rows, columns));
        }
    }

    pub fn size(&self) -> Size {
        let (rows, columns) = self.screen().size();
        Size { columns: columns.get(), rows: rows.get() }
    }

    /// The number of changes so far: a picture of an equal generation is still right.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How often a panic of the parser was caught and the screen begun anew.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// Bytes that answer the program's questions, to be written to its input. Empties the store.
    pub fn take_reply(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.parser.callbacks_mut().reply)
    }

    /// Whether the bell rang since the last call.
    pub fn take_bell(&mut self) -> bool {
        std::mem::take(&mut self.parser.callbacks_mut().bell)
    }

    /// The window title that the program set, printable, at most 120 characters.
    pub fn title(&self) -> Option<&str> {
        self.parser.callbacks().title.as_deref()
    }

    pub fn modes(&self) -> Modes {
        let screen = self.screen();
        Modes {
            application_cursor: screen.application_cursor(),
            bracketed_paste: screen.bracketed_paste(),
            mouse: screen.mouse_protocol_mode(),
            mouse_encoding: screen.mouse_protocol_encoding(),
            focus_events: self.parser.callbacks().focus_events,
            alternate_screen: screen.alternate_screen(),
        }
    }

    /// Moves the view into the past by `lines`, back towards the present if negative.
    pub fn scroll_by(&mut self, lines: isize) {
        let offset = self.scrolled_back().saturating_add_signed(lines);
        self.scroll_to(offset);
    }

    /// Shows the screen `lines` above the present; 0 is the present.
    pub fn scroll_to(&mut self, lines: usize) {
        if lines != self.scrolled_back() {
            self.generation += 1;
            self.contained(|parser| parser.screen_mut().set_scrollback(lines));
        }
    }

    /// Lines between the view and the present.
    pub fn scrolled_back(&self) -> usize {
        self.screen().scrollback()
    }

    /// Lines kept above the screen.
    pub fn scrollback_length(&self) -> usize {
        self.screen().scrollback_len()
    }

    /// The cursor's column and row, none while it is hidden or scrolled out of view.
    pub fn cursor(&self) -> Option<(u16, u16)> {
        let screen = self.screen();
        if screen.hide_cursor() || screen.scrollback() > 0 {
            return None;
        }
        // After the last column was written the cursor rests beyond it until the next character wraps.
        let (row, column) = screen.cursor_position();
        Some((column.min(self.size().columns - 1), row))
    }

    /// The visible text, line feeds between lines, without trailing blanks.
    pub fn text(&self) -> String {
        self.screen().contents()
    }

    pub(super) fn screen(&self) -> &Screen {
        self.parser.screen()
    }

    pub(super) fn contained(&mut self, work: impl FnOnce(&mut vt100::Parser<Answers>)) {
        let before = CONTAINED.replace(true);
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut self.parser)));
        CONTAINED.set(before);
        if result.is_err() {
            self.resets += 1;
            let (rows, columns) = self.screen().size();
            let answers = std::mem::take(self.parser.callbacks_mut());
            self.parser = vt100::Parser::new_with_callbacks(rows, columns, SCROLLBACK_LINES, answers);
            self.filter = Filter::default();
        }
    }
}

fn sides(size: Size) -> (NonZeroU16, NonZeroU16) {
    // At least 2: a wide character in a column of 1 underflows in vt100 0.18.
    let side = |cells: u16| NonZeroU16::new(cells.clamp(2, MAX_SIDE)).unwrap_or(NonZeroU16::MIN);
    (side(size.rows), side(size.columns))
}

impl Answers {
    fn say(&mut self, answer: &str) {
        if self.reply.len() + answer.len() <= MAX_REPLY_BYTES {
            self.reply.extend_from_slice(answer.as_bytes());
        }
    }

    fn mode_state(&self, screen: &Screen, mode: u16) -> u8 {
        let known = match mode {
            1 => screen.application_cursor(),
            25 => !screen.hide_cursor(),
            1000 => screen.mouse_protocol_mode() == MouseProtocolMode::PressRelease,
            1002 => screen.mouse_protocol_mode() == MouseProtocolMode::ButtonMotion,
            1003 => screen.mouse_protocol_mode() == MouseProtocolMode::AnyMotion,
            1004 => self.focus_events,
            1006 => screen.mouse_protocol_encoding() == MouseProtocolEncoding::Sgr,
            1049 | 47 => screen.alternate_screen(),
            2004 => screen.bracketed_paste(),
            _ => return 0,
        };
        if known { 1 } else { 2 }
    }
}

impl vt100::Callbacks for Answers {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.bell = true;
    }

    fn visual_bell(&mut self, _: &mut Screen) {
        self.bell = true;
    }

    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        let short: String = String::from_utf8_lossy(title).chars().take(MAX_TITLE_CHARS).collect();
        self.title = (!short.is_empty()).then(|| printable_line(&short).into_owned());
    }

    /// Questions as xterm's control sequences document them (invisible-island.net/xterm/ctlseqs).
    fn unhandled_csi(&mut self, screen: &mut Screen, i1: Option<u8>, i2: Option<u8>, params: &[&[u16]], c: char) {
        let first = params.first().and_then(|param| param.first()).copied().unwrap_or(0);
        let (row, column) = screen.cursor_position();
        let (rows, columns) = screen.size();
        let (row, column) = (row + 1, (column + 1).min(columns.get()));
        match (i1, i2, c, first) {
            // DA1: a VT220 that shows colours. DA2, DA3, XTVERSION.
            (None, _, 'c', 0) => self.say("\x1b[?62;22c"),
            (Some(b'>'), _, 'c', 0) => self.say("\x1b[>1;10;0c"),
            (Some(b'>'), _, 'q', 0) => self.say("\x1bP>|teu\x1b\\"),
            (None, _, 'n', 5) => self.say("\x1b[0n"),
            (None, _, 'n', 6) => self.say(&format!("\x1b[{row};{column}R")),
            (Some(b'?'), _, 'n', 6) => self.say(&format!("\x1b[?{row};{column}R")),
            (None, _, 't', 18) => self.say(&format!("\x1b[8;{rows};{columns}t")),
            // DECRQM: is a mode set, reset or unknown?
            (Some(b'?'), Some(b'$'), 'p', mode) => {
                let state = self.mode_state(screen, mode);
                self.say(&format!("\x1b[?{mode};{state}$y"));
            }
            (Some(b'?'), _, 'h' | 'l', _) if params.iter().any(|param| *param == [1004]) => {
                self.focus_events = c == 'h';
            }
            _ => {}
        }
    }

    fn unhandled_osc(&mut self, _: &mut Screen, params: &[&[u8]]) {
        let Some((foreground, background)) = self.colors else { return };
        let (number, [r, g, b]) = match params {
            [b"10", b"?"] => (10, foreground),
            [b"11", b"?"] => (11, background),
            _ => return,
        };
        self.say(&format!("\x1b]{number};rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}\x1b\\"));
    }
}
