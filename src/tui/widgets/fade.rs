//! What lies behind a dialog: drawn back towards the ground, so that the dialog alone is bright.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::tui::theme::{Role, Theme, blend};

/// Share of the ground mixed into every colour.
const SHARE: f64 = 0.55;

/// Draws everything in `area` back.
pub fn fade(buffer: &mut Buffer, area: Rect, theme: &Theme) {
    let area = area.intersection(buffer.area);
    let ground = theme.style(Role::Background).bg;
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            let cell = &mut buffer[(x, y)];
            match ground {
                Some(ground @ Color::Rgb(..)) => {
                    cell.fg = blend(cell.fg, ground, SHARE);
                    cell.bg = blend(cell.bg, ground, SHARE);
                }
                // Few colours: the attribute must do.
                _ => cell.modifier = cell.modifier.difference(Modifier::BOLD).union(Modifier::DIM),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;
    use crate::tui::theme::ColorDepth;

    #[test]
    fn fade_moves_colours_towards_the_ground_or_dims() {
        let area = Rect::new(0, 0, 1, 1);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::default();
        buffer.set_style(area, Style::new().fg(Color::Rgb(255, 255, 255)).bg(Color::Rgb(255, 255, 255)));
        fade(&mut buffer, Rect::new(0, 0, 9, 9), &theme);
        assert_eq!(buffer[(0, 0)].fg, Color::Rgb(124, 126, 130));
        let sixteen = Theme::built_in("sixteen", ColorDepth::Sixteen).expect("built in");
        fade(&mut buffer, area, &sixteen);
        assert_eq!(buffer[(0, 0)].modifier, Modifier::DIM);
    }
}
