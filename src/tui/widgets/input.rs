//! A line of text that is typed: cursor by grapheme, words, undo, history, paste.

use std::borrow::Cow;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Span;
use ratatui::widgets::Widget;

use super::write;
use crate::model::printable_line;
use crate::tui::theme::{Role, Theme};

const MAX_UNDO: usize = 100;
/// Longer pastes are cut: no field needs more.
const MAX_BYTES: usize = 16 * 1024;

/// The text, its cursor, and what can be undone and recalled.
#[derive(Clone, Debug, Default)]
pub struct TextInput {
    text: String,
    /// Byte offset, always on a grapheme's boundary.
    cursor: usize,
    undo: Vec<(String, usize)>,
    redo: Vec<(String, usize)>,
    history: Vec<String>,
    recalled: Option<usize>,
}

impl TextInput {
    pub fn new(text: impl Into<String>) -> Self {
        let mut input = Self::default();
        input.set(text);
        input
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Replaces the text and puts the cursor at its end.
    pub fn set(&mut self, text: impl Into<String>) {
        self.text = cleaned(&text.into(), MAX_BYTES);
        self.cursor = self.text.len();
        self.undo.clear();
        self.redo.clear();
    }

    /// Empties the line; undo brings it back.
    pub fn clear(&mut self) {
        self.replace(0, self.text.len(), "");
    }

    /// Keeps the text for the up key and empties the line; returns it.
    pub fn submit(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        if !text.is_empty() && self.history.last() != Some(&text) {
            self.history.push(text.clone());
        }
        self.recalled = None;
        self.set("");
        text
    }

    /// Inserts pasted or typed text at the cursor; line feeds become blanks, controls are dropped.
    pub fn insert(&mut self, text: &str) {
        let room = MAX_BYTES.saturating_sub(self.text.len());
        let clean = cleaned(text, room);
        if !clean.is_empty() {
            self.replace(self.cursor, self.cursor, &clean);
        }
    }

    /// Obeys an editing key (readline's and the usual ones). False for keys that are not this line's business.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(c) if control => return self.control(c),
            KeyCode::Char('b') if alt => self.cursor = self.word_left(),
            KeyCode::Char('f') if alt => self.cursor = self.word_right(),
            KeyCode::Char('d') if alt => self.replace(self.cursor, self.word_right(), ""),
            KeyCode::Char(_) if alt => return false,
            KeyCode::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace if alt || control => self.replace(self.word_left(), self.cursor, ""),
            KeyCode::Backspace => self.replace(self.left(), self.cursor, ""),
            KeyCode::Delete => self.replace(self.cursor, self.right(), ""),
            KeyCode::Left => self.cursor = if control || alt { self.word_left() } else { self.left() },
            KeyCode::Right => self.cursor = if control || alt { self.word_right() } else { self.right() },
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            KeyCode::Up => return self.recall(-1),
            KeyCode::Down => return self.recall(1),
            _ => return false,
        }
        true
    }

    fn control(&mut self, c: char) -> bool {
        match c {
            'a' => self.cursor = 0,
            'e' => self.cursor = self.text.len(),
            'b' => self.cursor = self.left(),
            'f' => self.cursor = self.right(),
            'h' => self.replace(self.left(), self.cursor, ""),
            'd' => self.replace(self.cursor, self.right(), ""),
            'w' => self.replace(self.word_left(), self.cursor, ""),
            'u' => self.replace(0, self.cursor, ""),
            'k' => self.replace(self.cursor, self.text.len(), ""),
            'z' | '_' => self.undo(),
            'y' => self.redo(),
            _ => return false,
        }
        true
    }

    fn recall(&mut self, step: isize) -> bool {
        if self.history.is_empty() {
            return false;
        }
        let end = self.history.len();
        let wanted = self.recalled.unwrap_or(end).saturating_add_signed(step).min(end);
        self.recalled = (wanted < end).then_some(wanted);
        self.set(self.history.get(wanted).cloned().unwrap_or_default());
        true
    }

    fn replace(&mut self, start: usize, end: usize, with: &str) {
        if start == end && with.is_empty() {
            return;
        }
        self.undo.push((self.text.clone(), self.cursor));
        if self.undo.len() > MAX_UNDO {
            self.undo.remove(0);
        }
        self.redo.clear();
        self.text.replace_range(start..end, with);
        self.cursor = start + with.len();
    }

    fn undo(&mut self) {
        if let Some((text, cursor)) = self.undo.pop() {
            self.redo.push((std::mem::replace(&mut self.text, text), self.cursor));
            self.cursor = cursor;
        }
    }

    fn redo(&mut self) {
        if let Some((text, cursor)) = self.redo.pop() {
            self.undo.push((std::mem::replace(&mut self.text, text), self.cursor));
            self.cursor = cursor;
        }
    }

    fn left(&self) -> usize {
        graphemes(&self.text[..self.cursor]).last().map_or(0, |last| self.cursor - last.len())
    }

    fn right(&self) -> usize {
        graphemes(&self.text[self.cursor..]).next().map_or(self.cursor, |next| self.cursor + next.len())
    }

    fn word_left(&self) -> usize {
        let before = self.text[..self.cursor].trim_end_matches(|c: char| !c.is_alphanumeric());
        before.trim_end_matches(char::is_alphanumeric).len()
    }

    fn word_right(&self) -> usize {
        let after = self.text[self.cursor..].trim_start_matches(|c: char| !c.is_alphanumeric());
        self.text.len() - after.trim_start_matches(char::is_alphanumeric).len()
    }
}

/// `text` on one line and without controls, at most `room` bytes.
fn cleaned(text: &str, room: usize) -> String {
    let mut clean = String::new();
    for c in text.trim_end_matches(['\r', '\n']).chars() {
        let c = if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
        let plain = matches!(printable_line(c.encode_utf8(&mut [0; 4])), Cow::Borrowed(_));
        if plain && clean.len() + c.len_utf8() <= room {
            clean.push(c);
        }
    }
    clean
}

/// Pieces of `text` that the cursor steps over as one. The text holds no controls: they would be skipped here.
fn graphemes(text: &str) -> impl Iterator<Item = &str> {
    let span = Span::raw(text);
    let lengths: Vec<usize> = span.styled_graphemes(Style::new()).map(|g| g.symbol.len()).collect();
    lengths.into_iter().scan(0, move |start, length| {
        let piece = text.get(*start..*start + length)?;
        *start += length;
        Some(piece)
    })
}

/// The line on the screen, scrolled sideways so that the cursor is always seen.
pub struct InputView<'a> {
    pub theme: &'a Theme,
    pub input: &'a TextInput,
    /// Shown while the line is empty.
    pub placeholder: &'a str,
    pub focused: bool,
}

impl InputView<'_> {
    /// Bytes at the start of the text that are scrolled out at this width.
    fn hidden(&self, columns: u16) -> usize {
        let text = &self.input.text[..self.input.cursor];
        let mut start = 0;
        let mut used = write::width(text);
        for grapheme in graphemes(text) {
            if used < columns {
                break;
            }
            used -= write::width(grapheme);
            start += grapheme.len();
        }
        start
    }

    /// Where the terminal's cursor belongs.
    pub fn cursor(&self, area: Rect) -> Option<Position> {
        if !self.focused || area.is_empty() {
            return None;
        }
        let shown = &self.input.text[self.hidden(area.width)..self.input.cursor];
        Some(Position::new(area.x + write::width(shown).min(area.width - 1), area.y))
    }
}

impl Widget for InputView<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let line = Rect { height: area.height.min(1), ..area }.intersection(buffer.area);
        let style = self.theme.style(Role::Input);
        write::fill(buffer, line, style);
        if self.input.is_empty() {
            let style = style.patch(self.theme.style(Role::Placeholder));
            write::text(buffer, area.as_position(), area.width, self.placeholder, style);
            return;
        }
        let start = self.hidden(area.width);
        write::text(buffer, area.as_position(), area.width, &self.input.text[start..], style);
        if start > 0 {
            write::text(buffer, area.as_position(), 1, "…", style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(input: &mut TextInput, keys: &[(KeyCode, KeyModifiers)]) {
        for (code, modifiers) in keys {
            input.key(&KeyEvent::new(*code, *modifiers));
        }
    }

    #[test]
    fn input_moves_and_deletes_by_grapheme() {
        let mut input = TextInput::new("ae\u{301}漢👍🏽");
        press(&mut input, &[(KeyCode::Backspace, KeyModifiers::NONE)]);
        assert_eq!(input.text(), "ae\u{301}漢");
        press(&mut input, &[(KeyCode::Left, KeyModifiers::NONE); 2]);
        press(&mut input, &[(KeyCode::Delete, KeyModifiers::NONE)]);
        assert_eq!(input.text(), "a漢");
    }

    #[test]
    fn input_deletes_words_and_undoes() {
        let mut input = TextInput::new("sleep 10 --flag");
        press(&mut input, &[(KeyCode::Char('w'), KeyModifiers::CONTROL)]);
        assert_eq!(input.text(), "sleep 10 --");
        press(&mut input, &[(KeyCode::Char('u'), KeyModifiers::CONTROL)]);
        assert!(input.is_empty());
        press(&mut input, &[(KeyCode::Char('z'), KeyModifiers::CONTROL); 2]);
        assert_eq!(input.text(), "sleep 10 --flag");
        press(&mut input, &[(KeyCode::Char('y'), KeyModifiers::CONTROL)]);
        assert_eq!(input.text(), "sleep 10 --");
    }

    #[test]
    fn input_of_pasted_controls_keeps_only_text() {
        let mut input = TextInput::default();
        input.insert("a\x1b[31m\nb\tc\u{202e}\r\n");
        assert_eq!(input.text(), "a[31m b c");
        input.insert(&"x".repeat(100_000));
        assert_eq!(input.text().len(), MAX_BYTES);
    }

    #[test]
    fn input_recalls_what_was_submitted() {
        let mut input = TextInput::new("one");
        assert_eq!(input.submit(), "one");
        input.insert("two");
        input.submit();
        press(&mut input, &[(KeyCode::Up, KeyModifiers::NONE); 3]);
        assert_eq!(input.text(), "one");
        press(&mut input, &[(KeyCode::Down, KeyModifiers::NONE); 5]);
        assert_eq!(input.text(), "");
    }

    #[test]
    fn input_leaves_foreign_keys_alone() {
        let mut input = TextInput::default();
        for code in [KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::F(1), KeyCode::Up] {
            assert!(!input.key(&KeyEvent::new(code, KeyModifiers::NONE)), "{code:?}");
        }
        assert!(!input.key(&KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }

    #[test]
    fn input_view_keeps_the_cursor_in_sight() {
        let theme = Theme::default();
        let input = TextInput::new("0123456789漢");
        let view = InputView { theme: &theme, input: &input, placeholder: "", focused: true };
        let area = Rect::new(3, 1, 6, 1);
        assert_eq!(view.cursor(area), Some(Position::new(8, 1)));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 3));
        view.render(area, &mut buffer);
        let line: String = (3..9).map(|x| buffer[(x, 1)].symbol()).collect();
        assert_eq!(line, "…89漢  ");
    }
}
