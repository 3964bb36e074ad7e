//! A rounded box with a title, a note at the right, and a hint below; brighter when keys go to it.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::write;
use crate::tui::theme::{Role, Theme};

/// The box. Empty texts are left out.
#[derive(Clone, Copy)]
pub struct Panel<'a> {
    pub theme: &'a Theme,
    pub title: &'a str,
    /// At the right end of the upper edge.
    pub note: &'a str,
    /// At the right end of the lower edge.
    pub footer: &'a str,
    pub focused: bool,
}

impl<'a> Panel<'a> {
    pub fn new(theme: &'a Theme, title: &'a str) -> Self {
        Self { theme, title, note: "", footer: "", focused: false }
    }

    pub fn note(mut self, note: &'a str) -> Self {
        self.note = note;
        self
    }

    pub fn footer(mut self, footer: &'a str) -> Self {
        self.footer = footer;
        self
    }

    pub fn focused(mut self, focused: bool) -> Self {
        self.focused = focused;
        self
    }

    /// The area inside of the box.
    pub fn inner(area: Rect) -> Rect {
        Rect {
            x: area.x.saturating_add(1),
            y: area.y.saturating_add(1),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(2),
        }
    }

    /// Draws the box and returns the area inside.
    pub fn draw(self, area: Rect, buffer: &mut Buffer) -> Rect {
        let inner = Self::inner(area);
        let area = area.intersection(buffer.area);
        if area.width < 2 || area.height < 2 {
            return inner;
        }
        let role = if self.focused { Role::BorderFocused } else { Role::Border };
        let border = self.theme.style(role);
        frame(buffer, area, border);
        let room = area.width.saturating_sub(4);
        let title_style = if self.focused {
            self.theme.style(Role::Title).patch(self.theme.style(Role::Accent))
        } else {
            self.theme.style(Role::Title)
        };
        let used = label(buffer, Position::new(area.x + 2, area.y), room, self.title, title_style);
        let dim = self.theme.style(Role::Dim);
        right_label(buffer, area.y, area, room.saturating_sub(used + 1), self.note, dim);
        right_label(buffer, area.bottom() - 1, area, room, self.footer, dim);
        inner
    }
}

/// ` text ` upon an edge; returns the columns taken.
fn label(buffer: &mut Buffer, at: Position, room: u16, text: &str, style: Style) -> u16 {
    if text.is_empty() || room < 3 {
        return 0;
    }
    write::text(buffer, at, 1, " ", style);
    let written = write::text(buffer, Position::new(at.x + 1, at.y), room - 2, text, style);
    write::text(buffer, Position::new(at.x + 1 + written, at.y), 1, " ", style);
    written + 2
}

fn right_label(buffer: &mut Buffer, y: u16, area: Rect, room: u16, text: &str, style: Style) {
    let wide = write::width(text) + 2;
    // A note is whole or absent: half of one says the wrong thing.
    if !text.is_empty() && wide <= room {
        label(buffer, Position::new(area.right() - 2 - wide, y), room, text, style);
    }
}

fn frame(buffer: &mut Buffer, area: Rect, style: Style) {
    let (right, bottom) = (area.right() - 1, area.bottom() - 1);
    let mut put = |x, y, symbol| {
        buffer[(x, y)].set_symbol(symbol).set_style(style);
    };
    for x in area.x + 1..right {
        put(x, area.y, "─");
        put(x, bottom, "─");
    }
    for y in area.y + 1..bottom {
        put(area.x, y, "│");
        put(right, y, "│");
    }
    for (x, y, symbol) in [(area.x, area.y, "╭"), (right, area.y, "╮"), (area.x, bottom, "╰"), (right, bottom, "╯")]
    {
        put(x, y, symbol);
    }
}
