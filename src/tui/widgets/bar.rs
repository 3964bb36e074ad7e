//! A bar: how much of something is done.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

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
}
