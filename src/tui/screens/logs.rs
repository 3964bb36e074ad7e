//! A container's output: following or still, searched, wrapped or cut, in bounded memory.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use super::log_lines::{LogLine, rows_of};
use crate::model::{Id, LogEntry};
use crate::tui::action::Problem;
use crate::tui::canvas::Canvas;
use crate::tui::commands::{Command, Scope};
use crate::tui::effect::Effect;
use crate::tui::field::Field;
use crate::tui::list_keys::draw_notice;
use crate::tui::step::Step;
use crate::tui::theme::Role;

/// Lines kept, and their bytes in all; the oldest go first.
const MOST_LINES: usize = 20_000;
const MOST_BYTES: usize = 4 << 20;

/// The screen's state, of one container at a time.
#[derive(Clone, Debug)]
pub struct Logs {
    /// Counts openings, so that late lines of an old one are known as such.
    view: u64,
    lines: VecDeque<LogLine>,
    bytes: usize,
    /// The line at the top of the screen while it does not follow.
    top: usize,
    follow: bool,
    timestamps: bool,
    wrap: bool,
    search: Field,
    pub typing: bool,
    /// The line of the hit that was gone to.
    hit: Option<usize>,
    ended: Option<Result<(), Problem>>,
    /// True when the last line still waits for its line feed.
    open_line: bool,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            view: 0,
            lines: VecDeque::new(),
            bytes: 0,
            top: 0,
            follow: true,
            timestamps: false,
            wrap: true,
            search: Field::default(),
            typing: false,
            hit: None,
            ended: None,
            open_line: false,
        }
    }
}

impl Logs {
    pub const SCOPES: &'static [Scope] = &[Scope::Logs, Scope::Detail, Scope::List, Scope::Everywhere];

    /// Opens another container's log, or the same anew.
    pub fn open(&mut self, id: &Id) -> Vec<Step> {
        let (view, timestamps, wrap) = (self.view + 1, self.timestamps, self.wrap);
        *self = Self { view, timestamps, wrap, ..Self::default() };
        vec![Step::Do(Effect::OpenLog { view, id: id.clone() })]
    }

    pub fn told(&mut self, view: u64, entries: Vec<LogEntry>) {
        if view != self.view {
            return;
        }
        for entry in entries {
            let complete = entry.text.ends_with('\n');
            match self.lines.back_mut() {
                Some(last) if self.open_line && last.stream == entry.stream => {
                    let before = last.text.len();
                    last.append(&entry);
                    self.bytes += last.text.len() - before;
                }
                _ => {
                    let line = LogLine::new(&entry);
                    self.bytes += line.text.len();
                    self.lines.push_back(line);
                }
            }
            self.open_line = !complete;
            while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES && self.lines.len() > 1 {
                if let Some(gone) = self.lines.pop_front() {
                    self.bytes -= gone.text.len();
                }
                self.top = self.top.saturating_sub(1);
                self.hit = self.hit.and_then(|hit| hit.checked_sub(1));
            }
        }
    }

    pub fn ended(&mut self, view: u64, result: Result<(), Problem>) {
        if view == self.view {
            self.ended = Some(result);
        }
    }

    /// A key while the search is typed; false if it is not.
    pub fn typed(&mut self, key: &KeyEvent, height: usize) -> bool {
        if !self.typing {
            return false;
        }
        match key.code {
            KeyCode::Enter => {
                self.typing = false;
                self.find(-1, height);
            }
            KeyCode::Esc => self.stop_search(),
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => self.stop_search(),
            _ => {
                self.search.key(key);
                self.hit = None;
            }
        }
        true
    }

    pub fn paste(&mut self, text: &str) {
        if self.typing {
            self.search.paste(text);
        }
    }

    fn stop_search(&mut self) {
        self.typing = false;
        self.search = Field::default();
        self.hit = None;
    }

    /// Goes to the next hit in a direction, round at the ends.
    fn find(&mut self, step: isize, height: usize) {
        let needle = self.needle();
        let count = self.lines.len();
        if needle.is_empty() || count == 0 {
            return;
        }
        let wrap = |index: isize| usize::try_from(index.rem_euclid(count.cast_signed())).unwrap_or(0);
        let start = match self.hit {
            Some(hit) => wrap(hit.cast_signed() + step),
            None if step < 0 => count - 1,
            None => self.top.min(count - 1),
        };
        let mut order = (0..count.cast_signed()).map(|distance| wrap(start.cast_signed() + distance * step));
        self.hit = order.find(|index| self.lines[*index].hits(&needle)).or(self.hit);
        if let Some(hit) = self.hit {
            self.follow = false;
            self.top = hit.saturating_sub(height / 2);
        }
    }

    fn needle(&self) -> String {
        self.search.text().to_lowercase()
    }

    /// Scrolls by lines; the end follows again.
    fn scroll(&mut self, lines: isize, height: usize) {
        let end = self.lines.len().saturating_sub(height.max(1));
        if self.follow {
            if lines >= 0 {
                return;
            }
            self.top = end;
            self.follow = false;
        }
        self.top = self.top.saturating_add_signed(lines);
        if self.top >= end {
            self.top = end;
            self.follow = lines > 0;
        }
    }

    pub fn wheel(&mut self, lines: isize, height: usize) {
        self.scroll(lines, height);
    }

    /// `height` is how many lines the last drawing had room for.
    pub fn command(&mut self, command: Command, height: usize) -> Vec<Step> {
        let page = isize::try_from(height.max(2) - 1).unwrap_or(1);
        match command {
            Command::Up => self.scroll(-1, height),
            Command::Down => self.scroll(1, height),
            Command::PageUp => self.scroll(-page, height),
            Command::PageDown => self.scroll(page, height),
            Command::Top => {
                self.follow = false;
                self.top = 0;
            }
            Command::Bottom => self.follow = true,
            Command::Follow => {
                self.follow = !self.follow;
                if !self.follow {
                    self.top = self.lines.len().saturating_sub(height);
                }
            }
            Command::Timestamps => self.timestamps = !self.timestamps,
            Command::Wrap => self.wrap = !self.wrap,
            Command::Find | Command::Filter => {
                self.typing = true;
                self.hit = None;
            }
            Command::FindNext => self.find(1, height),
            Command::FindPrevious => self.find(-1, height),
            Command::Back if !self.search.is_empty() => self.stop_search(),
            Command::Back => return vec![Step::Do(Effect::CloseLog), Step::Back],
            _ => {}
        }
        Vec::new()
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        if area.height < 3 {
            return;
        }
        let status = Rect { height: 1, ..area };
        self.draw_status(canvas, status);
        let body = Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height - 1 };
        canvas.seen.text_height = usize::from(body.height);
        if self.lines.is_empty() {
            let lines: &[&str] = match &self.ended {
                None => &["waiting for output …"],
                Some(Ok(())) => &["It has written nothing."],
                Some(Err(_)) => &["The log cannot be read."],
            };
            return draw_notice(canvas, body, lines);
        }
        let width = usize::from(body.width.saturating_sub(1));
        let height = usize::from(body.height);
        let needle = self.needle();
        // The last page is always full.
        let last = self.first_to_follow(width, height);
        let first = if self.follow { last } else { self.top.min(last) };
        let mut rows = Vec::new();
        let mut index = first;
        while rows.len() < height && index < self.lines.len() {
            for row in rows_of(&self.lines[index], self.timestamps, self.wrap, width) {
                rows.push((index, row));
            }
            index += 1;
        }
        // While following, the newest row is at the bottom.
        let skip = if first == last { rows.len().saturating_sub(height) } else { 0 };
        for ((index, row), y) in rows.iter().skip(skip).take(height).zip(body.y..) {
            if self.hit == Some(*index) {
                canvas.ground(Rect { y, height: 1, ..body }, Role::Selected);
            }
            row.draw(canvas, Rect { y, height: 1, ..body }, &needle);
        }
        canvas.scrollbar(body, first, index.saturating_sub(first), self.lines.len());
    }

    /// The line to begin with so that the newest is the last on the screen.
    fn first_to_follow(&self, width: usize, height: usize) -> usize {
        let mut rows = 0;
        for (index, line) in self.lines.iter().enumerate().rev() {
            rows += rows_of(line, self.timestamps, self.wrap, width).len();
            if rows >= height {
                return index;
            }
        }
        0
    }

    fn draw_status(&self, canvas: &mut Canvas, area: Rect) {
        let mut x = area.x + 2;
        if self.typing || !self.search.is_empty() {
            canvas.text(x, area.y, 2, "/", Role::Accent);
            let width = 32.min(area.width / 2);
            self.search.draw(canvas, Rect { x: x + 2, width, ..area }, "text to find", self.typing);
            x += width + 4;
            let needle = self.needle();
            if !needle.is_empty() {
                let hits = self.lines.iter().filter(|line| line.hits(&needle)).count();
                x += canvas.text(x, area.y, 20, &format!("{hits} lines"), Role::Dim) + 2;
            }
        }
        let state = match (&self.ended, self.follow) {
            (Some(Err(problem)), _) => (format!("✗ {}", problem.message), Role::Error),
            (Some(Ok(())), _) => ("■ ended".to_owned(), Role::Dim),
            (None, true) => ("● following".to_owned(), Role::Ok),
            (None, false) => ("‖ still".to_owned(), Role::Paused),
        };
        x += canvas.text(x, area.y, area.right().saturating_sub(x), &state.0, state.1) + 2;
        let count = format!("{} lines{}", self.lines.len(), if self.wrap { "" } else { " · cut" });
        canvas.text(x, area.y, area.right().saturating_sub(x), &count, Role::Dim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LogStream, Timestamp};

    fn entry(text: &str) -> LogEntry {
        LogEntry { time: Timestamp::EPOCH, stream: LogStream::Stdout, text: text.to_owned() }
    }

    fn logs(count: usize) -> Logs {
        let mut logs = Logs::default();
        logs.told(0, (0..count).map(|n| entry(&format!("line {n}\n"))).collect());
        logs
    }

    #[test]
    fn memory_of_a_flood_is_bounded() {
        let mut logs = Logs::default();
        let long = format!("{}\n", "x".repeat(100_000));
        for _ in 0..200 {
            logs.told(0, vec![entry(&long)]);
        }
        assert!(logs.bytes <= MOST_BYTES);
        let mut logs = self::logs(MOST_LINES + 5);
        assert_eq!(logs.lines.len(), MOST_LINES);
        logs.told(9, vec![entry("of another view\n")]);
        assert_eq!(logs.lines.len(), MOST_LINES);
    }

    #[test]
    fn pieces_of_one_line_are_joined() {
        let mut logs = Logs::default();
        logs.told(0, vec![entry("half "), entry("a line\n"), entry("next\n")]);
        assert_eq!(logs.lines.len(), 2);
        assert_eq!(logs.lines[0].text, "half a line");
    }

    #[test]
    fn search_goes_up_from_the_newest_and_round() {
        let mut logs = logs(30);
        logs.search = Field::new("LINE 1");
        logs.typing = true;
        logs.typed(&KeyCode::Enter.into(), 10);
        assert_eq!(logs.hit, Some(19));
        logs.command(Command::FindPrevious, 10);
        assert_eq!(logs.hit, Some(18));
        logs.command(Command::FindNext, 10);
        logs.command(Command::FindNext, 10);
        assert_eq!(logs.hit, Some(1));
        assert!(!logs.follow);
    }

    #[test]
    fn scrolling_to_the_end_follows_again() {
        let mut logs = logs(30);
        logs.command(Command::Up, 10);
        assert!(!logs.follow);
        assert_eq!(logs.top, 19);
        logs.command(Command::Down, 10);
        assert!(logs.follow);
    }
}
