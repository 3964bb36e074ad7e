//! One line of a log as it is kept, and the rows it takes on the screen.

use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthChar;

use crate::model::{LogEntry, LogStream, Timestamp, printable_line};
use crate::tui::canvas::Canvas;
use crate::tui::theme::Role;

/// Bytes of one line that are kept; a line of 10 MB is not worth the memory.
const LONGEST: usize = 16 * 1024;
/// Rows that one wrapped line takes at most.
const MOST_ROWS: usize = 200;
const TAB: usize = 8;

/// A line: printable, without its end, with tabs made blanks and colours left out.
#[derive(Clone, Debug)]
pub struct LogLine {
    pub time: Timestamp,
    pub stream: LogStream,
    pub text: String,
    /// Bytes that were left out.
    left_out: usize,
}

impl LogLine {
    pub fn new(entry: &LogEntry) -> Self {
        let mut line = Self { time: entry.time, stream: entry.stream, text: String::new(), left_out: 0 };
        line.append(entry);
        line
    }

    /// Adds a further piece of the same line.
    pub fn append(&mut self, entry: &LogEntry) {
        let text = entry.text.trim_end_matches(['\n', '\r']);
        let room = LONGEST.saturating_sub(self.text.len());
        let mut cut = text.len().min(room);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        self.left_out += text.len() - cut;
        self.text.push_str(&clean(&text[..cut]));
    }

    /// Whether a text in lower case is in it.
    pub fn hits(&self, needle: &str) -> bool {
        self.text.to_lowercase().contains(needle)
    }
}

/// The usual sequences left out, tabs widened, the rest made printable: logs of programs that colour stay readable.
fn clean(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut column = 0;
    while let Some(character) = rest.chars().next() {
        // Readline returns to the line's beginning before its output.
        if column == 0 && character == '\r' {
            rest = &rest[1..];
            continue;
        }
        if let Some(behind) = usual_sequence(rest) {
            rest = behind;
            continue;
        }
        rest = &rest[character.len_utf8()..];
        if character == '\t' {
            let blanks = TAB - column % TAB;
            plain.extend(std::iter::repeat_n(' ', blanks));
            column += blanks;
        } else {
            plain.push(character);
            column += character.width().unwrap_or(1);
        }
    }
    printable_line(&plain).into_owned()
}

/// What comes behind a sequence at the beginning of `text` that shells write into every line: colours (`ESC [ … m`),
/// modes (`ESC [ ? … h` or `l`), erasing to the line's end (`ESC [ K`). Others are shown.
fn usual_sequence(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\x1b[")?;
    let (rest, is_mode) = rest.strip_prefix('?').map_or((rest, false), |rest| (rest, true));
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    let ends: &[char] = if is_mode { &['h', 'l'] } else { &['m', 'K'] };
    rest[end..].strip_prefix(ends)
}

/// A row on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    time: Option<String>,
    text: String,
    note: String,
    is_error: bool,
}

/// The rows of a line in `width` cells.
pub fn rows_of(line: &LogLine, timestamps: bool, wrap: bool, width: usize) -> Vec<Row> {
    let time = timestamps.then(|| line.time.0.strftime("%H:%M:%S%.3f ").to_string());
    let width = width.saturating_sub(time.as_ref().map_or(0, String::len)).max(4);
    let row = |text: String, first: bool| Row {
        time: time.as_ref().map(|time| if first { time.clone() } else { " ".repeat(time.len()) }),
        text,
        note: String::new(),
        is_error: line.stream == LogStream::Stderr,
    };
    let mut rows = Vec::new();
    if wrap {
        let (mut text, mut used) = (String::new(), 0);
        for character in line.text.chars() {
            let cells = character.width().unwrap_or(0);
            if used + cells > width {
                rows.push(row(std::mem::take(&mut text), rows.is_empty()));
                used = 0;
                if rows.len() == MOST_ROWS {
                    break;
                }
            }
            text.push(character);
            used += cells;
        }
        if rows.len() < MOST_ROWS && (!text.is_empty() || rows.is_empty()) {
            rows.push(row(text, rows.is_empty()));
        }
    } else {
        rows.push(row(line.text.clone(), true));
    }
    if line.left_out > 0
        && let Some(last) = rows.last_mut()
    {
        last.note = format!(" … {} more in this line", crate::tui::figures::bytes_long(line.left_out as u64));
        if !wrap || last.text.len() + last.note.len() > width {
            let note = std::mem::take(&mut last.note);
            rows.push(Row { note, ..row(String::new(), false) });
        }
    }
    rows
}

impl Row {
    /// Draws it on one line, with what was searched for (in lower case) marked.
    pub fn draw(&self, canvas: &mut Canvas, area: Rect, needle: &str) {
        let mut x = area.x;
        if let Some(time) = &self.time {
            x += canvas.text(x, area.y, area.width, time, Role::Dim);
        }
        let style: Style = canvas.style(if self.is_error { Role::Warn } else { Role::Text });
        let width = area.right().saturating_sub(x);
        let used = canvas.styled(x, area.y, width, &self.text, style);
        if !needle.is_empty() {
            mark(canvas, Rect { x, width, ..area }, &self.text, needle);
        }
        canvas.text(x + used, area.y, width.saturating_sub(used), &self.note, Role::Dim);
    }
}

fn mark(canvas: &mut Canvas, area: Rect, text: &str, needle: &str) {
    let style = canvas.style(Role::Found);
    let characters: Vec<char> = text.chars().collect();
    let lower: Vec<char> = characters.iter().map(|c| c.to_lowercase().next().unwrap_or(*c)).collect();
    let needle: Vec<char> = needle.chars().collect();
    let cells = |characters: &[char]| characters.iter().map(|c| c.width().unwrap_or(0)).sum::<usize>();
    let mut at = 0;
    while at + needle.len() <= lower.len() {
        if lower[at..at + needle.len()] == needle[..] {
            let (before, inside) = (cells(&characters[..at]), cells(&characters[at..at + needle.len()]));
            let (x, width) = (u16::try_from(before).unwrap_or(u16::MAX), u16::try_from(inside).unwrap_or(u16::MAX));
            canvas.tint(Rect { x: area.x.saturating_add(x), width, ..area }.intersection(area), style);
            at += needle.len();
        } else {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine::new(&LogEntry { time: Timestamp::EPOCH, stream: LogStream::Stdout, text: text.to_owned() })
    }

    #[test]
    fn log_line_drops_colours_and_shows_other_sequences() {
        assert_eq!(line("\x1b[1;31mred\x1b[0m\tx\x1b[2J\r\n").text, "red     x␛[2J");
        assert_eq!(line("\x1b[?2004l\r\x1b[Kplain\n").text, "plain");
        assert_eq!(line("\x1b[31\x1b]0;x\x07").text, "␛[31␛]0;x␇");
    }

    #[test]
    fn log_line_of_ten_megabytes_is_cut_and_says_so() {
        let line = line(&"x".repeat(10 << 20));
        assert_eq!(line.text.len(), LONGEST);
        let rows = rows_of(&line, false, true, 80);
        assert!(rows.len() <= MOST_ROWS + 1);
        assert!(rows.last().expect("rows").note.contains("more in this line"));
    }

    #[test]
    fn rows_wrap_wide_characters_whole() {
        let rows = rows_of(&line("漢字漢字漢"), false, true, 5);
        assert_eq!(rows.iter().map(|row| row.text.as_str()).collect::<Vec<_>>(), ["漢字", "漢字", "漢"]);
        assert_eq!(rows_of(&line(""), false, true, 5).len(), 1);
    }
}
