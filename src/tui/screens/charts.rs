//! The charts of one container: cpu, memory, network and disk over a minute or more.

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
        let two_columns = area.width >= 100;
        let four = two_columns && area.height >= 16 || area.height >= 28;
        let (columns, rows): (u16, u16) = match (two_columns, four) {
            (true, true) => (2, 2),
            (true, false) => (2, 1),
            (false, true) => (1, 4),
            (false, false) => (1, 2),
        };
        let (width, height) = ((area.width - (columns - 1) * 3) / columns, (area.height - (rows - 1)) / rows);
        let place = |index: u16| {
            let (column, row) = (index % columns, index / columns);
            Rect::new(area.x + column * (width + 3), area.y + row * (height + 1), width, height)
        };
        curves::cpu(canvas, place(0), track, span);
        curves::memory(canvas, place(1), track, container, span);
        if four {
            curves::network(canvas, place(2), track, container, span);
            curves::disk(canvas, place(3), track, span);
        }
    }
}
