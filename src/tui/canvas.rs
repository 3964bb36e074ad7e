//! What screens draw on: a buffer with the theme's roles, and a note of what was drawn where, for the mouse.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::commands::Command;
use super::shell::PaneId;
use super::theme::{Role, Theme};
use super::transfer::TransferId;
use super::widgets::write;

/// What a click on some part of the screen is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A row of the list in front, by its place among the shown.
    Row(usize),
    /// A row of what stands beside the list.
    Side(usize),
    /// A row of a second list beside it.
    Choice(usize),
    /// A column's header.
    Column(usize),
    /// What a key would do: tabs, hints, buttons of screens.
    Command(Command),
    /// A shell; the area is its terminal.
    Pane(PaneId),
    /// The shells of one container.
    ShellTab(usize),
    /// Ends a transfer.
    Cancel(TransferId),
    /// A field of the dialog in front.
    Field(usize),
    /// One of the words to choose from in a field of the dialog in front.
    Word { field: usize, word: usize },
    /// The details of what is selected.
    Details,
    /// A button of the dialog in front.
    Button(usize),
    /// Something in a dialog that does nothing, so that a click does not reach what lies below.
    Nothing,
}

/// What the last drawing put where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    hits: Vec<(Rect, Target)>,
    /// Rows that the list in front had room for.
    pub list_height: usize,
    /// Lines that the text in front had room for.
    pub text_height: usize,
    /// Where the terminal's cursor belongs; none hides it.
    pub cursor: Option<Position>,
    /// Where the dialog in front is.
    pub dialog: Option<Rect>,
}

impl Seen {
    /// For the next drawing: heights stay as they were until something says otherwise.
    pub fn begin_anew(&self) -> Self {
        Self { list_height: self.list_height, text_height: self.text_height, ..Self::default() }
    }

    pub fn in_dialog(&self, column: u16, row: u16) -> bool {
        self.dialog.is_some_and(|area| area.contains(Position::new(column, row)))
    }

    /// What lies at a place: the last drawn wins, with its area.
    pub fn at(&self, column: u16, row: u16) -> Option<(Rect, Target)> {
        let place = Position::new(column, row);
        self.hits.iter().rev().find(|(area, _)| area.contains(place)).copied()
    }
}

/// A buffer to draw on, with the theme.
pub struct Canvas<'a> {
    pub buffer: &'a mut Buffer,
    pub theme: &'a Theme,
    pub seen: &'a mut Seen,
}

/// A piece of a line: its text and its look.
pub type Piece = (String, Style);

impl Canvas<'_> {
    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// A piece of a line in a role.
    pub fn piece(&self, text: impl Into<String>, role: Role) -> Piece {
        (text.into(), self.theme.style(role))
    }

    /// Remembers what a click in `area` means.
    pub fn hit(&mut self, area: Rect, target: Target) {
        let area = area.intersection(self.buffer.area);
        if !area.is_empty() {
            self.seen.hits.push((area, target));
        }
    }

    /// Paints the ground of an area and empties it.
    pub fn ground(&mut self, area: Rect, role: Role) {
        let style = self.style(role);
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                let cell = &mut self.buffer[(x, y)];
                cell.reset();
                cell.set_style(style);
            }
        }
    }

    /// Lays a style over what is there.
    pub fn tint(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    /// Writes `text` on one line of at most `width` cells, with `…` where it is cut. Returns the cells used.
    pub fn text(&mut self, x: u16, y: u16, width: u16, text: &str, role: Role) -> u16 {
        self.styled(x, y, width, text, self.theme.style(role))
    }

    /// As [`Canvas::text`], in any style. Text is made printable on its way.
    pub fn styled(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        write::text(self.buffer, Position::new(x, y), width, text, style)
    }

    /// Writes `text` so that it ends before `right`.
    pub fn text_right(&mut self, right: u16, y: u16, width: u16, text: &str, role: Role) {
        let x = right.saturating_sub(width);
        write::text_right(self.buffer, Position::new(x, y), right - x, text, self.theme.style(role));
    }

    /// Writes `text` in the middle of `area`'s first line.
    pub fn text_centered(&mut self, area: Rect, text: &str, role: Role) {
        write::text_centered(self.buffer, Position::new(area.x, area.y), area.width, text, self.theme.style(role));
    }

    /// Writes text with some of its characters (by position, ascending) in the role of matches.
    pub fn matched(&mut self, at: (u16, u16), width: u16, text: &str, style: Style, positions: &[usize]) -> u16 {
        let marked = self.theme.style(Role::Matched);
        write::highlighted(self.buffer, Position::new(at.0, at.1), width, text, style, positions, marked)
    }

    /// Writes pieces one behind the other. Returns the cells used.
    pub fn pieces(&mut self, x: u16, y: u16, width: u16, pieces: &[Piece]) -> u16 {
        let mut used = 0;
        for (text, style) in pieces {
            if used >= width {
                break;
            }
            used += self.styled(x + used, y, width - used, text, *style);
        }
        used
    }

    /// A line from left to right.
    pub fn rule(&mut self, area: Rect, role: Role) {
        for x in area.left()..area.right() {
            self.text(x, area.y, 1, "─", role);
        }
    }

    /// A line from top to bottom.
    pub fn upright(&mut self, x: u16, top: u16, bottom: u16, role: Role) {
        for y in top..bottom {
            self.text(x, y, 1, "│", role);
        }
    }

    /// A rounded frame with a title in its upper edge; returns what is inside.
    pub fn frame(&mut self, area: Rect, title: &str, border: Role) -> Rect {
        let area = area.intersection(self.buffer.area);
        if area.width < 2 || area.height < 2 {
            return Rect::default();
        }
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        for x in area.left() + 1..right {
            self.text(x, area.y, 1, "─", border);
            self.text(x, bottom, 1, "─", border);
        }
        self.upright(area.x, area.y + 1, bottom, border);
        self.upright(right, area.y + 1, bottom, border);
        for (x, y, corner) in [(area.x, area.y, "╭"), (right, area.y, "╮"), (area.x, bottom, "╰"), (right, bottom, "╯")]
        {
            self.text(x, y, 1, corner, border);
        }
        if !title.is_empty() && area.width > 6 {
            let used = self.text(area.x + 3, area.y, area.width - 6, title, Role::Title);
            self.text(area.x + 2, area.y, 1, " ", border);
            self.text(area.x + 3 + used, area.y, 1, " ", border);
        }
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    }

    /// A bar at the right edge that shows which part of something long is seen. Nothing if all of it is.
    pub fn scrollbar(&mut self, area: Rect, first: usize, shown: usize, all: usize) {
        if all <= shown || area.height < 3 {
            return;
        }
        let height = usize::from(area.height);
        let length = (height * shown / all).clamp(1, height);
        let top = (height - length) * first.min(all - shown) / (all - shown);
        for y in 0..length {
            let y = area.y + u16::try_from(top + y).unwrap_or(0);
            self.text(area.right() - 1, y, 1, "▐", Role::Scrollbar);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canvas_outside_the_buffer_draws_nothing() {
        let theme = Theme::default();
        let mut seen = Seen::default();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 2));
        let mut canvas = Canvas { buffer: &mut buffer, theme: &theme, seen: &mut seen };
        assert_eq!(canvas.text(9, 0, 5, "x", Role::Text), 0);
        assert_eq!(canvas.text(0, 9, 5, "x", Role::Text), 0);
        canvas.frame(Rect::new(3, 1, 9, 9), "title", Role::Border);
        canvas.scrollbar(Rect::new(0, 0, 1, 2), 0, 1, 100);
    }
}
