//! Writing text into a buffer: cut to width with an ellipsis, made printable, by display width.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

use crate::model::printable_line;

/// Columns that `text` takes on the screen when it is written by this module.
pub fn width(text: &str) -> u16 {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()) {
        return u16::try_from(text.len()).unwrap_or(u16::MAX);
    }
    let columns =
        Span::raw(printable_line(text)).styled_graphemes(Style::new()).map(|g| g.symbol.width()).sum::<usize>();
    u16::try_from(columns).unwrap_or(u16::MAX)
}

/// Writes `text` from `x` on, at most `columns` wide; what does not fit ends in `…`. Returns the columns written.
pub fn text(buffer: &mut Buffer, at: Position, columns: u16, text: &str, style: Style) -> u16 {
    highlighted(buffer, at, columns, text, style, &[], style)
}

/// As [`text`], aligned to the right end of the columns.
pub fn text_right(buffer: &mut Buffer, at: Position, columns: u16, content: &str, style: Style) -> u16 {
    let free = columns.saturating_sub(width(content));
    text(buffer, Position::new(at.x.saturating_add(free), at.y), columns - free, content, style)
}

/// As [`text`], centred in the columns.
pub fn text_centered(buffer: &mut Buffer, at: Position, columns: u16, content: &str, style: Style) -> u16 {
    let free = columns.saturating_sub(width(content)) / 2;
    text(buffer, Position::new(at.x.saturating_add(free), at.y), columns - free, content, style)
}

/// As [`text`], with the characters whose indices are in `marks` (ascending) in the style `marked`.
pub fn highlighted(
    buffer: &mut Buffer,
    at: Position,
    columns: u16,
    text: &str,
    style: Style,
    marks: &[usize],
    marked: Style,
) -> u16 {
    let columns = visible_columns(buffer.area, at, columns);
    if columns == 0 {
        return 0;
    }
    let fits = width(text) <= columns;
    let room = if fits { columns } else { columns - 1 };
    let printable = printable_line(text);
    let (mut x, mut index) = (0, 0);
    let mut marks = marks.iter().peekable();
    for grapheme in Span::raw(printable.as_ref()).styled_graphemes(Style::new()) {
        let wide = u16::try_from(grapheme.symbol.width()).unwrap_or(u16::MAX);
        if wide > room - x {
            break;
        }
        let chars = index..index + grapheme.symbol.chars().count();
        while marks.peek().is_some_and(|mark| **mark < chars.start) {
            marks.next();
        }
        let style = if marks.peek().is_some_and(|mark| chars.contains(mark)) { style.patch(marked) } else { style };
        index = chars.end;
        if wide == 0 {
            continue;
        }
        put(buffer, at.x + x, at.y, grapheme.symbol, wide, style);
        x += wide;
    }
    if !fits {
        put(buffer, at.x + x, at.y, "…", 1, style);
        x += 1;
    }
    x
}

/// Paints the whole of an area with a style and blanks.
pub fn fill(buffer: &mut Buffer, area: Rect, style: Style) {
    let area = area.intersection(buffer.area);
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            let cell = &mut buffer[(x, y)];
            cell.reset();
            cell.set_style(style);
        }
    }
}

fn visible_columns(area: Rect, at: Position, columns: u16) -> u16 {
    if area.contains(at) { columns.min(area.right() - at.x) } else { 0 }
}

fn put(buffer: &mut Buffer, x: u16, y: u16, symbol: &str, wide: u16, style: Style) {
    buffer[(x, y)].set_symbol(symbol).set_style(style);
    for x in x + 1..x + wide {
        // As ratatui does: the second half of a wide character is an empty cell of the same style.
        let cell = &mut buffer[(x, y)];
        cell.reset();
        cell.set_style(style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(columns: u16, content: &str) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        text(&mut buffer, Position::ORIGIN, columns, content, Style::new());
        (0..12).map(|x| buffer[(x, 0)].symbol().to_owned()).collect::<String>().trim_end().to_owned()
    }

    #[test]
    fn text_too_long_ends_in_an_ellipsis() {
        assert_eq!(line(5, "abcdef"), "abcd…");
        assert_eq!(line(6, "abcdef"), "abcdef");
        assert_eq!(line(1, "abcdef"), "…");
        assert_eq!(line(0, "abcdef"), "");
        assert_eq!(line(99, "abcdefghijklmnop"), "abcdefghijk…");
    }

    #[test]
    fn text_never_cuts_a_wide_character_in_half() {
        assert_eq!(line(4, "漢字漢"), "漢 …");
        assert_eq!(line(5, "漢字漢"), "漢 字 …");
        assert_eq!(line(6, "漢字漢"), "漢 字 漢");
    }

    #[test]
    fn text_with_escape_sequences_is_shown_not_obeyed() {
        assert_eq!(line(12, "a\x1b[2Jb\n"), "a␛[2Jb␊");
        assert_eq!(width("a\x1b[2Jb\n"), 7);
    }

    #[test]
    fn text_outside_of_the_buffer_is_not_written() {
        let mut buffer = Buffer::empty(Rect::new(2, 2, 3, 1));
        for (x, y) in [(0, 2), (2, 0), (5, 2), (u16::MAX, u16::MAX)] {
            assert_eq!(text(&mut buffer, Position::new(x, y), 9, "abc", Style::new()), 0);
        }
        assert_eq!(text_right(&mut buffer, Position::new(2, 2), 3, "ab", Style::new()), 2);
        assert_eq!(buffer[(3, 2)].symbol(), "a");
    }
}
