//! Bars: one gauge, and rows of progress with a label before and figures behind.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Widget;

use super::write;
use crate::tui::theme::{Role, Theme};

/// A bar of one row, filled to `ratio` (0 to 1) in half cells: a thin line that stacks well.
pub struct Gauge<'a> {
    pub theme: &'a Theme,
    pub ratio: f64,
    /// The colour of the filled part.
    pub role: Role,
}

impl Widget for Gauge<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let ratio = if self.ratio.is_finite() { self.ratio.clamp(0.0, 1.0) } else { 0.0 };
        let halves = (ratio * f64::from(area.width) * 2.0).round() as u32;
        // A little is more than nothing, and almost is not all.
        let least = u32::from(ratio > 0.0);
        let most = u32::from(area.width) * 2 - u32::from(ratio < 1.0 && area.width > 0);
        line(buffer, area, self.theme, self.role, 0..halves.clamp(least.min(most), most));
    }
}

/// A line across `area`, in the colour of `role` over the half cells `lit`, in the track's elsewhere.
fn line(buffer: &mut Buffer, area: Rect, theme: &Theme, role: Role, lit: std::ops::Range<u32>) {
    let area = Rect { height: area.height.min(1), ..area }.intersection(buffer.area);
    let (lit_style, track) = (theme.style(role), theme.style(Role::BarTrack));
    for column in 0..area.width {
        let left = u32::from(column) * 2;
        // Where light and track share a cell, the lit half is drawn: the gap is less seen than a wrong colour.
        let (symbol, style) = match (lit.contains(&left), lit.contains(&(left + 1))) {
            (true, true) => ("━", lit_style),
            (true, false) => ("╸", lit_style),
            (false, true) => ("╺", lit_style),
            (false, false) => ("─", track),
        };
        buffer[(area.x + column, area.y)].set_symbol(symbol).set_style(style);
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

/// Shorter bars show nothing worth their place.
const MIN_BAR: u16 = 8;

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
        if bar >= MIN_BAR {
            let place = Rect { x: area.x + 3 + label, width: bar, height: 1, ..area };
            let role = if row.work == Work::Failed { Role::Error } else { role };
            match row.work {
                Work::Busy(tick) => bouncing(buffer, place, self.theme, tick),
                work => Gauge { theme: self.theme, ratio: ratio(work), role }.render(place, buffer),
            }
        }
        let style = self.theme.style(if row.work == Work::Failed { Role::Error } else { Role::Dim });
        let start = area.width.saturating_sub(detail + 1);
        if start >= label + 3 {
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
    let halves = u64::from(area.width) * 2;
    let wide = (halves / 4).max(2).min(halves);
    let path = (halves - wide).max(1);
    let step = tick % (path * 2);
    let start = if step < path { step } else { path * 2 - step } as u32;
    line(buffer, area, theme, Role::Accent, start..start + wide as u32);
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
        let (label, detail) = (widest(|row| write::width(row.label)), widest(|row| write::width(row.detail)));
        // Figures say more than a bar, and a bar more than the rest of a long label.
        let detail = detail.min(area.width * 3 / 5);
        let beside = area.width.saturating_sub(detail + 4);
        let label = if beside > MIN_BAR + 8 { label.min(beside - MIN_BAR - 2) } else { label.min(beside) };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(buffer: &Buffer) -> String {
        let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..buffer.area.height).map(row).collect::<Vec<_>>().join("\n")
    }

    fn gauge(ratio: f64, width: u16) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 1));
        Gauge { theme: &Theme::default(), ratio, role: Role::Ok }.render(buffer.area, &mut buffer);
        text(&buffer)
    }

    #[test]
    fn gauge_is_full_only_at_the_whole_and_empty_only_at_nothing() {
        assert_eq!(gauge(0.0, 4), "────");
        assert_eq!(gauge(0.001, 4), "╸───");
        assert_eq!(gauge(0.5, 4), "━━──");
        assert_eq!(gauge(0.999, 4), "━━━╸");
        assert_eq!(gauge(1.0, 4), "━━━━");
        assert_eq!(gauge(f64::NAN, 2), "──");
        assert_eq!(gauge(7.0, 0), "");
    }

    fn rows() -> Vec<ProgressRow<'static>> {
        let row = |label, detail, work| ProgressRow { label, detail, work };
        vec![
            row("3f4ca61aafcd", "42.1 / 49.6 MB", Work::Running(0.84)),
            row("8e3ba11ec2a2", "unpacking", Work::Busy(4)),
            row("a2abf6c4d29d", "25.4 MB", Work::Done),
            row("b3a1bb2c4d5e", "wrong digest", Work::Failed),
            row("c9d8e7f6a5b4", "1.2 MB", Work::Waiting),
        ]
    }

    fn list(width: u16, height: u16) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        ProgressList { theme: &Theme::default(), rows: &rows() }.render(buffer.area, &mut buffer);
        text(&buffer)
    }

    #[test]
    fn progress_rows_show_label_bar_and_figures() {
        insta::assert_snapshot!(list(60, 5));
    }

    #[test]
    fn progress_rows_without_room_are_counted_and_narrow_ones_lose_their_bar() {
        insta::assert_snapshot!(list(26, 3));
        for (width, height) in [(0, 0), (1, 1), (3, 2), (10, 9), (300, 2)] {
            list(width, height);
        }
    }
}
