//! A one-column scrollbar with half-cell precision.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::theme::{Role, Theme};

/// Draws a bar for `visible` of `length` things of which the first shown is `offset`, into the area's first column.
pub fn vertical(buffer: &mut Buffer, area: Rect, theme: &Theme, length: usize, visible: usize, offset: usize) {
    let area = area.intersection(buffer.area);
    if area.is_empty() || length <= visible {
        return;
    }
    let halves = usize::from(area.height) * 2;
    let thumb = (halves * visible / length.max(1)).clamp(2, halves);
    let start = ((halves - thumb) * offset).div_ceil((length - visible).max(1)).min(halves - thumb);
    let covers = |half: usize| (start..start + thumb).contains(&half);
    for y in 0..area.height {
        let half = usize::from(y) * 2;
        let (symbol, role) = match (covers(half), covers(half + 1)) {
            (true, true) => ("┃", Role::Scrollbar),
            (true, false) => ("╿", Role::Scrollbar),
            (false, true) => ("╽", Role::Scrollbar),
            (false, false) => ("│", Role::Border),
        };
        let cell = &mut buffer[(area.x, area.y + y)];
        cell.set_symbol(symbol);
        cell.fg = theme.color(role);
    }
}
