//! Bars: one gauge, and rows of progress with a label before and figures behind.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::Widget;

use super::write;
use crate::tui::theme::{Role, Theme};

const EIGHTHS: [&str; 9] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/// A bar of one row, filled to `ratio` (0 to 1) in eighths of a cell.
pub struct Gauge<'a> {
    pub theme: &'a Theme,
    pub ratio: f64,
    /// The colour of the filled part.
    pub role: Role,
}

impl Widget for Gauge<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        let style = self.theme.style(Role::BarEmpty).patch(Style::new().fg(self.theme.color(self.role)));
        let ratio = if self.ratio.is_finite() { self.ratio.clamp(0.0, 1.0) } else { 0.0 };
        let eighths = (ratio * f64::from(area.width) * 8.0).round() as usize;
        for column in 0..area.width {
            let filled = eighths.saturating_sub(usize::from(column) * 8).min(8);
            for y in area.top()..area.bottom() {
                buffer[(area.x + column, y)].set_symbol(EIGHTHS[filled]).set_style(style);
            }
        }
    }
}

/// How one piece of work stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    Waiting,
    /// 0 to 1.
    Running(f64),
    /// Running, nobody knows how far; the number turns the picture.
    Busy(u64),
    Done,
    Failed,
}

/// One row: what it is, how it stands, and figures.
#[derive(Clone, Debug)]
pub struct ProgressRow<'a> {
    pub label: &'a str,
    pub detail: &'a str,
    pub work: Work,
}

/// Rows of bars beneath each other. Those that do not fit are counted in the last line.
pub struct ProgressList<'a> {
    pub theme: &'a Theme,
    pub rows: &'a [ProgressRow<'a>],
}

impl ProgressList<'_> {
    fn row(&self, row: &ProgressRow<'_>, area: Rect, [label, detail]: [u16; 2], buffer: &mut Buffer) {
        let (mark, role) = match row.work {
            Work::Waiting => ("·", Role::Dim),
            Work::Running(_) | Work::Busy(_) => ("↓", Role::Accent),
            Work::Done => ("✓", Role::Ok),
            Work::Failed => ("✗", Role::Error),
        };
        let at = |x: u16| Position::new(area.x + x, area.y);
        write::text(buffer, at(0), area.width.min(1), mark, self.theme.style(role));
        let text = if row.work == Work::Waiting { Role::Dim } else { Role::Text };
        write::text(buffer, at(2), label.min(area.width.saturating_sub(2)), row.label, self.theme.style(text));
        let bar = area.width.saturating_sub(label + detail + 6);
        if bar >= 4 {
            let place = Rect { x: area.x + 3 + label, width: bar, height: 1, ..area };
            let role = if row.work == Work::Failed { Role::Error } else { role };
            match row.work {
                Work::Busy(tick) => bouncing(buffer, place, self.theme, tick),
                work => Gauge { theme: self.theme, ratio: ratio(work), role }.render(place, buffer),
            }
        }
        let style = self.theme.style(if row.work == Work::Failed { Role::Error } else { Role::Dim });
        let start = area.width.saturating_sub(detail + 1);
        if start > label + 3 {
            write::text(buffer, at(start), detail, row.detail, style);
        }
    }
}

fn ratio(work: Work) -> f64 {
    match work {
        Work::Running(ratio) => ratio,
        Work::Done => 1.0,
        Work::Waiting | Work::Busy(_) | Work::Failed => 0.0,
    }
}

fn bouncing(buffer: &mut Buffer, area: Rect, theme: &Theme, tick: u64) {
    let area = area.intersection(buffer.area);
    let wide = (area.width / 4).max(1);
    let path = u64::from(area.width.saturating_sub(wide)).max(1);
    let step = tick % (path * 2);
    let start = if step < path { step } else { path * 2 - step } as u16;
    let style = theme.style(Role::BarEmpty).patch(Style::new().fg(theme.color(Role::Accent)));
    for x in 0..area.width {
        let symbol = if (start..start + wide).contains(&x) { "█" } else { " " };
        buffer[(area.x + x, area.y)].set_symbol(symbol).set_style(style);
    }
}

impl Widget for ProgressList<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        let shown = if self.rows.len() > usize::from(area.height) {
            usize::from(area.height).saturating_sub(1)
        } else {
            self.rows.len()
        };
        let widest = |text: fn(&ProgressRow<'_>) -> u16| self.rows.iter().map(text).max().unwrap_or(0);
        let label = widest(|row| write::width(row.label)).min(area.width / 3);
        let detail = widest(|row| write::width(row.detail)).min(area.width * 2 / 5);
        for (row, y) in self.rows.iter().take(shown).zip(area.top()..area.bottom()) {
            self.row(row, Rect { y, height: 1, ..area }, [label, detail], buffer);
        }
        if shown < self.rows.len() && area.height > 0 {
            let done = self.rows.iter().filter(|row| row.work == Work::Done).count();
            let rest = format!("{} more, {done} of {} done", self.rows.len() - shown, self.rows.len());
            let at = Position::new(area.x.saturating_add(2), area.bottom() - 1);
            write::text(buffer, at, area.width.saturating_sub(2), &rest, self.theme.style(Role::Dim));
        }
    }
}
