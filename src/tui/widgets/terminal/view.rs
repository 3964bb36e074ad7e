//! The picture of an emulator's screen, cell for cell, in the theme's colours.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use super::Emulator;
use crate::model::printable_line;
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::write;

/// Draws the visible screen from its upper left corner; what does not fit is cut.
pub struct TerminalView<'a> {
    pub theme: &'a Theme,
    pub emulator: &'a Emulator,
}

impl TerminalView<'_> {
    /// Where the terminal's own cursor belongs when this view has the focus.
    pub fn cursor(&self, area: Rect) -> Option<Position> {
        let (column, row) = self.emulator.cursor()?;
        (column < area.width && row < area.height).then(|| Position::new(area.x + column, area.y + row))
    }
}

impl Widget for TerminalView<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        let ground = self.theme.style(Role::Background);
        write::fill(buffer, area, ground);
        let screen = self.emulator.screen();
        let size = self.emulator.size();
        for row in 0..size.rows.min(area.height) {
            for column in 0..size.columns.min(area.width) {
                // Cells of a scrollback row end where its text ended.
                let Some(source) = screen.cell(row, column) else { break };
                if source.is_wide_continuation() {
                    continue;
                }
                let target = &mut buffer[(area.x + column, area.y + row)];
                target.set_style(style_of(source, ground, self.theme));
                if source.has_contents() {
                    let room = if source.is_wide() { 2 } else { 1 };
                    let fits = column + room <= area.width;
                    set_symbol(target, if fits { source.contents() } else { " " }, usize::from(room));
                }
            }
        }
    }
}

/// Sets a cell's text to what surely takes `room` columns and holds nothing that a terminal could obey.
fn set_symbol(target: &mut ratatui::buffer::Cell, contents: &str, room: usize) {
    if let [byte] = contents.as_bytes() {
        if !byte.is_ascii_control() {
            target.set_char(char::from(*byte));
        }
        return;
    }
    // Joiners and directions are dropped: terminals disagree on what they do to neighbours.
    let mut buffer = [0; 4];
    let safe: String = contents
        .chars()
        .filter(|c| matches!(printable_line(c.encode_utf8(&mut buffer)), std::borrow::Cow::Borrowed(_)))
        .collect();
    if safe.width() == room {
        target.set_symbol(&safe);
        return;
    }
    let base: String = safe.chars().take(1).collect();
    target.set_symbol(if base.width() == room { &base } else { ["\u{fffd}", "\u{fffd} "][room.clamp(1, 2) - 1] });
}

fn style_of(source: &vt100::Cell, ground: Style, theme: &Theme) -> Style {
    let color = |color, default: Option<Color>| match color {
        vt100::Color::Default => default.unwrap_or(Color::Reset),
        vt100::Color::Idx(index) => theme.indexed(index),
        vt100::Color::Rgb(r, g, b) => crate::tui::theme::nearest(Color::Rgb(r, g, b), theme.depth()),
    };
    let mut style = Style::new().fg(color(source.fgcolor(), ground.fg)).bg(color(source.bgcolor(), ground.bg));
    for (set, modifier) in [
        (source.bold(), Modifier::BOLD),
        (source.dim(), Modifier::DIM),
        (source.italic(), Modifier::ITALIC),
        (source.underline(), Modifier::UNDERLINED),
        (source.inverse(), Modifier::REVERSED),
    ] {
        if set {
            style = style.add_modifier(modifier);
        }
    }
    style
}
