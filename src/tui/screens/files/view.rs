//! A file that is read: as text or as bytes, scrolled, searched, in parts if it is large. Nothing of it is ever written.

use std::ffi::OsString;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use super::draw::cut_front;
use super::hunt::Hunt;
use super::text::{self, Line};
use crate::model::{FilePart, printable_line};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::Command;
use crate::tui::field::Field;
use crate::tui::figures;
use crate::tui::list_keys::draw_notice;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::toast::Toast;
use crate::tui::widgets::write;

/// How much of a file is kept at a time.
pub const PART_BYTES: u64 = 4 << 20;

/// The file, and how it is looked at.
#[derive(Clone, Debug)]
pub struct View {
    pub path: OsString,
    /// Of the whole file; 0 for what the kernel makes.
    pub size_bytes: u64,
    /// Where the part that is here begins.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    lines: Vec<Line>,
    hex: bool,
    wrap: bool,
    /// The first line on the screen.
    pub(super) top: usize,
    /// The first byte on the screen, when bytes are shown.
    pub(super) top_byte: usize,
    pub(super) search: Field,
    pub typing: bool,
    /// Where the hit that was gone to begins.
    hit: Option<usize>,
    pub(super) missed: bool,
    /// The search goes on in other parts.
    pub(super) hunt: Option<Hunt>,
}

impl View {
    pub fn new(part: FilePart) -> Self {
        let hex = text::is_binary(&part.bytes);
        let mut view = Self {
            path: part.path.clone(),
            size_bytes: 0,
            offset: 0,
            bytes: Vec::new(),
            lines: Vec::new(),
            hex,
            wrap: true,
            top: 0,
            top_byte: 0,
            search: Field::default(),
            typing: false,
            hit: None,
            missed: false,
            hunt: None,
        };
        view.told(part);
        view
    }

    /// Another part of it.
    pub fn told(&mut self, part: FilePart) {
        self.size_bytes = part.size_bytes.max(part.offset + part.bytes.len() as u64);
        self.offset = part.offset;
        self.lines = text::lines(&part.bytes);
        (self.top, self.top_byte, self.hit, self.missed) = (0, 0, None, false);
        let mut part = part;
        self.bytes = std::mem::take(&mut part.bytes);
        self.hunt_in(&part);
    }

    fn is_last(&self) -> bool {
        (self.bytes.len() as u64) < PART_BYTES || self.offset + self.bytes.len() as u64 >= self.size_bytes
    }

    fn is_whole(&self) -> bool {
        self.offset == 0 && self.is_last()
    }

    /// Where the part after this, or before it, begins.
    pub fn other_part(&self, next: bool) -> Result<u64, &'static str> {
        match (next, self.is_last(), self.offset) {
            (true, true, _) => Err("this is the end of the file"),
            (true, false, offset) => Ok(offset + PART_BYTES),
            (false, _, 0) => Err("this is the beginning of the file"),
            (false, _, offset) => Ok(offset.saturating_sub(PART_BYTES)),
        }
    }

    pub fn typed(&mut self, key: &KeyEvent, height: usize) -> bool {
        if !self.typing {
            return false;
        }
        match key.code {
            KeyCode::Enter => {
                self.typing = false;
                self.find(false, height);
            }
            KeyCode::Esc => drop(self.stop_search()),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => drop(self.stop_search()),
            _ => {
                self.search.key(key);
                self.missed = false;
            }
        }
        true
    }

    pub fn paste(&mut self, text: &str) {
        if self.typing {
            self.search.paste(text);
        }
    }

    /// False if nothing was searched for.
    pub fn stop_search(&mut self) -> bool {
        let was = self.typing || !self.search.is_empty();
        (self.typing, self.search, self.hit, self.missed) = (false, Field::default(), None, false);
        self.hunt = None;
        was
    }

    /// To the next hit, or the one before; the first time from what is on the screen.
    fn find(&mut self, back: bool, height: usize) {
        let here = if self.hex { self.top_byte } else { self.lines.get(self.top).map_or(0, |line| line.bytes.start) };
        let from = match (self.hit, back) {
            (Some(hit), false) => hit + 1,
            (Some(hit), true) => hit,
            (None, _) => here,
        };
        self.hunt = None;
        self.find_from(from, back, height);
    }

    /// To the first hit from a byte of this part on, or before it; else the search goes on in other parts.
    pub(super) fn find_from(&mut self, from: usize, back: bool, height: usize) {
        let needle = text::needle(&self.search.text());
        let mut found = text::find(&self.bytes, &needle, from, back);
        if found.is_none() && self.is_whole() {
            // Round at the ends.
            found = text::find(&self.bytes, &needle, if back { self.bytes.len() } else { 0 }, back);
        }
        let goes_on = found.is_none() && self.goes_on(back, height);
        self.missed = found.is_none() && !goes_on && !needle.is_empty();
        let Some(hit) = found else { return };
        self.hunt = None;
        self.hit = Some(hit);
        let line = self.line_at(hit);
        self.top = line.saturating_sub(height / 3);
        // A multiple of every row's length.
        self.top_byte = (hit & !63).saturating_sub(64);
    }

    /// The line that a byte is in.
    fn line_at(&self, byte: usize) -> usize {
        self.lines.partition_point(|line| line.bytes.start <= byte).saturating_sub(1)
    }

    pub fn command(&mut self, command: Command, height: usize, columns: u16) -> Vec<Step> {
        let page = isize::try_from(height.max(2) - 1).unwrap_or(1);
        match command {
            Command::Up => self.scroll(-1, height, columns),
            Command::Down => self.scroll(1, height, columns),
            Command::PageUp => self.scroll(-page, height, columns),
            Command::PageDown => self.scroll(page, height, columns),
            Command::Top => self.scroll(isize::MIN, height, columns),
            Command::Bottom => self.scroll(isize::MAX, height, columns),
            Command::FileHex => self.turn_hex(),
            Command::FileWrap => {
                self.wrap = !self.wrap;
                self.scroll(0, height, columns);
            }
            Command::FileFind | Command::Filter => self.typing = true,
            Command::FileFindNext => self.find(false, height),
            Command::FileFindPrevious => self.find(true, height),
            _ => {}
        }
        if self.missed && matches!(command, Command::FileFindNext | Command::FileFindPrevious) {
            let text = match (self.is_whole(), command) {
                (true, _) => "it is not in this file",
                (false, Command::FileFindNext) => "it is not further on in this file",
                (false, _) => "it is not before this in this file",
            };
            return vec![Step::Toast(Toast::good(text))];
        }
        Vec::new()
    }

    /// From text to bytes and back, at the same place.
    fn turn_hex(&mut self) {
        if self.hex {
            self.top = self.line_at(self.top_byte);
        } else {
            self.top_byte = self.lines.get(self.top).map_or(0, |line| line.bytes.start) & !63;
        }
        self.hex = !self.hex;
    }

    pub fn scroll(&mut self, lines: isize, height: usize, columns: u16) {
        if self.hex {
            let per = per_row(columns);
            let rows = self.bytes.len().div_ceil(per);
            let row = (self.top_byte / per).saturating_add_signed(lines).min(rows.saturating_sub(height));
            self.top_byte = row * per;
        } else {
            let last = self.last_top(height, columns);
            self.top = self.top.saturating_add_signed(lines).min(last);
        }
    }

    /// The first line of the last full screen.
    fn last_top(&self, height: usize, columns: u16) -> usize {
        let width = usize::from(columns.saturating_sub(self.gutter() + 3)).max(1);
        let mut rows = 0;
        for (index, line) in self.lines.iter().enumerate().rev() {
            rows += if self.wrap { wrapped(&self.shown(line), width).len() } else { 1 };
            if rows > height {
                return (index + 1).min(self.lines.len() - 1);
            }
        }
        0
    }

    fn shown(&self, line: &Line) -> String {
        text::shown(&self.bytes[line.bytes.clone()])
    }

    /// Cells of the lines' numbers, which are known in the first part only.
    fn gutter(&self) -> u16 {
        match self.lines.iter().rev().find_map(|line| line.number) {
            Some(last) if self.offset == 0 => u16::try_from(last.to_string().len().max(2)).unwrap_or(0) + 2,
            _ => 0,
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        self.draw_status(canvas, Rect { height: 1, ..area });
        let mut body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        if self.typing || !self.search.is_empty() {
            self.draw_search(canvas, Rect { height: 1.min(body.height), ..body });
            body = Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body };
        }
        canvas.seen.text_height = usize::from(body.height);
        match (self.bytes.is_empty(), self.hex) {
            (true, _) => draw_notice(canvas, body, &["This file is empty."]),
            (false, true) => self.draw_hex(canvas, body),
            (false, false) => self.draw_text(canvas, body),
        }
    }

    fn draw_status(&self, canvas: &mut Canvas, line: Rect) {
        let mut facts = vec![figures::bytes_long(self.size_bytes)];
        if !self.is_whole() {
            // A search may have brought a part that begins between two others.
            let part = (self.offset + PART_BYTES / 2) / PART_BYTES + 1;
            let parts = self.size_bytes.div_ceil(PART_BYTES).max(part);
            facts.push(format!("part {part} of {parts}"));
        } else if !self.hex {
            let lines = self.lines.iter().filter(|line| line.number.is_some()).count();
            facts.push(if lines == 1 {
                "1 line".to_owned()
            } else {
                format!("{} lines", figures::thousands(lines as u64))
            });
        }
        facts.push(if self.hex { "bytes" } else { "text" }.to_owned());
        let facts = facts.join(" · ");
        let room = line.width.saturating_sub(write::width(&facts) + 7);
        let path = printable_line(&self.path.to_string_lossy()).into_owned();
        canvas.text(line.x + 2, line.y, room, &cut_front(&path, room), Role::Title);
        canvas.text_right(line.right().saturating_sub(2), line.y, line.width, &facts, Role::Dim);
    }

    fn draw_search(&self, canvas: &mut Canvas, line: Rect) {
        canvas.hit(line, Target::Command(Command::FileFind));
        canvas.text(line.x + 2, line.y, 2, "/", Role::Accent);
        let width = line.width.saturating_sub(26).min(48);
        let placeholder = if self.hex { "text, or bytes such as 0x7f45" } else { "text to find" };
        self.search.draw(canvas, Rect { x: line.x + 4, width, ..line }, placeholder, self.typing);
        if let Some(place) = self.hunting() {
            canvas.text(line.x + 6 + width, line.y, line.width.saturating_sub(width + 7), &place, Role::Dim);
        } else if self.missed {
            canvas.text(line.x + 6 + width, line.y, line.width.saturating_sub(width + 7), "not found", Role::Warn);
        }
    }

    fn draw_text(&self, canvas: &mut Canvas, body: Rect) {
        let gutter = self.gutter();
        let width = body.width.saturating_sub(gutter + 3);
        let needle = self.search.text().to_lowercase();
        let hit = self.hit.map(|hit| self.line_at(hit));
        let (mut y, mut shown) = (body.y, 0);
        for (index, line) in self.lines.iter().enumerate().skip(self.top) {
            if y >= body.bottom() {
                break;
            }
            shown += 1;
            let text = self.shown(line);
            let rows = if self.wrap { wrapped(&text, usize::from(width)) } else { vec![text] };
            for (row, text) in rows.iter().enumerate().take(usize::from(body.bottom() - y)) {
                if hit == Some(index) {
                    canvas.ground(Rect { y, height: 1, ..body }, Role::Selected);
                }
                if let Some(number) = line.number.filter(|_| row == 0 && gutter > 0) {
                    canvas.text_right(body.x + gutter, y, gutter - 1, &number.to_string(), Role::Dim);
                }
                let style = canvas.style(Role::Text);
                canvas.matched((body.x + gutter + 1, y), width, text, style, &positions(text, &needle));
                y += 1;
            }
        }
        canvas.scrollbar(body, self.top, shown, self.lines.len());
    }

    fn draw_hex(&self, canvas: &mut Canvas, body: Rect) {
        let per = per_row(body.width);
        let digits = if self.size_bytes > u64::from(u32::MAX) { 12 } else { 8 };
        let length = text::needle(&self.search.text()).len();
        let is_hit = |at: usize| self.hit.is_some_and(|hit| (hit..hit + length).contains(&at));
        let ascii_at = body.x + 2 + digits + 2 + u16::try_from(per * 3 + per / 8).unwrap_or(0) + 1;
        let rows = self.bytes.chunks(per).enumerate().skip(self.top_byte / per);
        for ((row, chunk), y) in rows.zip(body.y..body.bottom()) {
            let offset = self.offset + (row * per) as u64;
            canvas.text(body.x + 2, y, digits, &format!("{offset:0width$x}", width = usize::from(digits)), Role::Dim);
            for (at, byte) in chunk.iter().enumerate() {
                let x = body.x + 4 + digits + u16::try_from(at * 3 + at / 8).unwrap_or(0);
                let (sign, role) = match byte {
                    b' '..=b'~' => (char::from(*byte), Role::Text),
                    0 => ('·', Role::Dim),
                    _ => ('.', Role::Info),
                };
                let role = if is_hit(row * per + at) { Role::Matched } else { role };
                canvas.text(x, y, 2, &format!("{byte:02x}"), role);
                canvas.text(ascii_at + u16::try_from(at).unwrap_or(0), y, 1, &sign.to_string(), role);
            }
        }
        canvas.scrollbar(body, self.top_byte / per, usize::from(body.height), self.bytes.len().div_ceil(per));
    }
}

/// Bytes on one row of so many cells.
fn per_row(columns: u16) -> usize {
    match columns {
        0..80 => 8,
        80..152 => 16,
        _ => 32,
    }
}

/// The pieces of a text that fit into `width` cells; at least one.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    use unicode_width::UnicodeWidthChar;
    let mut rows = vec![String::new()];
    let mut used = 0;
    for character in text.chars() {
        let cells = character.width().unwrap_or(0);
        if used + cells > width && used > 0 {
            rows.push(String::new());
            used = 0;
        }
        used += cells;
        if let Some(row) = rows.last_mut() {
            row.push(character);
        }
    }
    rows
}

/// The characters of every hit in a row.
fn positions(text: &str, needle: &str) -> Vec<usize> {
    // With other letters' lower case, places would not be those of the text.
    let lower = text.to_lowercase();
    if needle.is_empty() || lower.chars().count() != text.chars().count() {
        return Vec::new();
    }
    let length = needle.chars().count();
    let starts = lower.match_indices(needle).map(|(at, _)| lower[..at].chars().count());
    starts.flat_map(|first| first..first + length).collect()
}
