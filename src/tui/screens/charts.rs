//! The charts of one container over a minute or more: cpu, memory, network, disk, pressure, throttling.

use ratatui::layout::Rect;

use super::curves;
use crate::model::Id;
use crate::tui::canvas::Canvas;
use crate::tui::commands::{Command, Scope};
use crate::tui::data::{Data, HISTORY};
use crate::tui::list_keys::draw_notice;
use crate::tui::step::Step;

/// The screen's state.
#[derive(Clone, Debug, Default)]
pub struct Charts {
    /// All that is known instead of one minute.
    long: bool,
}

impl Charts {
    pub const SCOPES: &'static [Scope] = &[Scope::Charts, Scope::Detail, Scope::Everywhere];

    pub fn command(&mut self, command: Command) -> Vec<Step> {
        if command == Command::Window {
            self.long = !self.long;
        }
        Vec::new()
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data, id: &Id) {
        let air = u16::from(area.height >= 24);
        let width = area.width.saturating_sub(4);
        let area = Rect { x: area.x + 2, y: area.y + air, width, height: area.height - air };
        let Some(container) = data.container(id) else {
            return draw_notice(canvas, area, &["This container is gone.", "", "Esc goes back."]);
        };
        if !container.state.is_running() {
            let lines =
                ["It is not running, so there is nothing to measure.", "", "Esc goes back; s in the list starts it."];
            return draw_notice(canvas, area, &lines);
        }
        let Some(track) = data.usage.get(id) else {
            return draw_notice(canvas, area, &["measuring …"]);
        };
        let span = if self.long { HISTORY as f64 } else { 60.0 };
        let (columns, rows) = grid(area);
        let (width, height) = ((area.width - (columns - 1) * 3) / columns, (area.height - (rows - 1)) / rows);
        let place = |index: u16| {
            let (column, row) = (index % columns, index / columns);
            Rect::new(area.x + column * (width + 3), area.y + row * (height + 1), width, height)
        };
        curves::cpu(canvas, place(0), track, span);
        curves::memory(canvas, place(1), track, container, span);
        if columns * rows >= 4 {
            curves::network(canvas, place(2), track, container, span);
            curves::disk(canvas, place(3), track, span);
        }
        if columns * rows >= 6 {
            curves::pressure(canvas, place(4), track, span);
            curves::throttling(canvas, place(5), track, span);
        }
    }
}

/// Columns and rows of charts that a place has room for: six charts, four, or two.
fn grid(area: Rect) -> (u16, u16) {
    match (area.width >= 100, area.height) {
        (true, 23..) => (2, 3),
        (true, 16..) => (2, 2),
        (true, _) => (2, 1),
        (false, 42..) => (1, 6),
        (false, 28..) => (1, 4),
        (false, _) => (1, 2),
    }
}
