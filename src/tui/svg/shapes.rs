//! Characters that pictures draw as shapes: boxes, blocks, braille, marks. Fonts disagree on these, shapes meet exactly.

use std::fmt::Write;

use ratatui::buffer::Cell;

/// A character's shape in its cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// Box lines: the weights (0 to 2) up, right, down, left of the middle, and whether the corner is round.
    Lines { arms: [u8; 4], round: bool },
    /// Dashes across the middle of the cell.
    Dashes { count: u8, vertical: bool },
    /// A part of the cell in eighths: left, top, right, bottom.
    Block { left: u8, top: u8, right: u8, bottom: u8 },
    /// The 2×4 dots of a braille character, as bits.
    Dots(u8),
    /// A round mark: its radius in hundredths of the cell's width, and whether it is filled.
    Disc { radius: u8, filled: bool },
}

/// The shape of a cell's text, none for those left to the font.
pub(super) fn of(cell: &Cell) -> Option<Shape> {
    let mut chars = cell.symbol().chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => shape(c),
        _ => None,
    }
}

/// Whether a cell's text is a braille character.
pub(super) fn is_dots(cell: &Cell) -> bool {
    of(cell).is_some_and(Shape::is_dots)
}

/// Draws cells side by side that [`Shape::joins`] allows to be one, or a single one, from `at` on.
pub(super) fn draw(svg: &mut String, at: (f64, f64), (width, height): (f64, f64), color: &str, cells: &[Shape]) {
    match cells {
        [Shape::Dots(_), ..] => dots(svg, at, (width, height), cells, color),
        [Shape::Dashes { count, vertical: false }, ..] => {
            // One cell's dashes, repeated: only their number grows.
            let dash = width / f64::from(*count) / 2.0;
            let y = at.1 + height / 2.0;
            let extra = format!(" stroke-dasharray=\"{dash:.2}\" stroke-dashoffset=\"{:.2}\"", dash / -2.0);
            line(svg, (at.0, y), (at.0 + width * cells.len() as f64, y), 1.2, color, &extra);
        }
        [first, ..] => first.draw(svg, at, (width * cells.len() as f64, height), color),
        [] => {}
    }
}

fn shape(c: char) -> Option<Shape> {
    let lines = |up, right, down, left| Some(Shape::Lines { arms: [up, right, down, left], round: false });
    let round = |up, right, down, left| Some(Shape::Lines { arms: [up, right, down, left], round: true });
    let block = |left, top, right, bottom| Some(Shape::Block { left, top, right, bottom });
    match c {
        '─' => lines(0, 1, 0, 1),
        '━' => lines(0, 2, 0, 2),
        '│' => lines(1, 0, 1, 0),
        '┃' => lines(2, 0, 2, 0),
        '╿' => lines(2, 0, 1, 0),
        '╽' => lines(1, 0, 2, 0),
        '┌' => lines(0, 1, 1, 0),
        '┐' => lines(0, 0, 1, 1),
        '└' => lines(1, 1, 0, 0),
        '┘' => lines(1, 0, 0, 1),
        '├' => lines(1, 1, 1, 0),
        '┤' => lines(1, 0, 1, 1),
        '┬' => lines(0, 1, 1, 1),
        '┴' => lines(1, 1, 0, 1),
        '┼' => lines(1, 1, 1, 1),
        '╭' => round(0, 1, 1, 0),
        '╮' => round(0, 0, 1, 1),
        '╰' => round(1, 1, 0, 0),
        '╯' => round(1, 0, 0, 1),
        '╴' => lines(0, 0, 0, 1),
        '╵' => lines(1, 0, 0, 0),
        '╶' => lines(0, 1, 0, 0),
        '╷' => lines(0, 0, 1, 0),
        '╸' => lines(0, 0, 0, 2),
        '╹' => lines(2, 0, 0, 0),
        '╺' => lines(0, 2, 0, 0),
        '╻' => lines(0, 0, 2, 0),
        '┄' => Some(Shape::Dashes { count: 3, vertical: false }),
        '┈' => Some(Shape::Dashes { count: 4, vertical: false }),
        '┆' => Some(Shape::Dashes { count: 3, vertical: true }),
        '┊' => Some(Shape::Dashes { count: 4, vertical: true }),
        '█' => block(0, 0, 8, 8),
        '▀' => block(0, 0, 8, 4),
        '▄' => block(0, 4, 8, 8),
        '▌' => block(0, 0, 4, 8),
        '▐' => block(4, 0, 8, 8),
        '▔' => block(0, 0, 8, 1),
        '▕' => block(7, 0, 8, 8),
        '▁'..='▇' => block(0, 8 - (c as u32 - '▁' as u32 + 1) as u8, 8, 8),
        '▉'..='▏' => block(0, 0, 8 - (c as u32 - '█' as u32) as u8, 8),
        '\u{2800}'..='\u{28ff}' => Some(Shape::Dots((c as u32 - 0x2800) as u8)),
        '●' => Some(Shape::Disc { radius: 44, filled: true }),
        '○' => Some(Shape::Disc { radius: 42, filled: false }),
        '•' => Some(Shape::Disc { radius: 28, filled: true }),
        '·' => Some(Shape::Disc { radius: 14, filled: true }),
        _ => None,
    }
}

impl Shape {
    pub(super) fn is_dots(self) -> bool {
        matches!(self, Self::Dots(_))
    }

    /// Whether equal cells side by side may be drawn as one.
    pub(super) fn joins(self) -> bool {
        match self {
            Self::Lines { arms: [up, right, down, left], round } => {
                !round && up == 0 && down == 0 && right == left && right > 0
            }
            Self::Dashes { vertical, .. } => !vertical,
            Self::Block { left, right, .. } => left == 0 && right == 8,
            Self::Dots(_) => true,
            Self::Disc { .. } => false,
        }
    }

    /// Draws the shape into the cell whose upper left corner is `at`.
    fn draw(self, svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), color: &str) {
        let (middle_x, middle_y) = (x + width / 2.0, y + height / 2.0);
        match self {
            Self::Lines { arms, round } => lines(svg, (x, y), (width, height), arms, round, color),
            Self::Dashes { count, .. } => {
                let dash = height / f64::from(count) / 2.0;
                let extra = format!(" stroke-dasharray=\"{dash:.2}\" stroke-dashoffset=\"{:.2}\"", dash / -2.0);
                line(svg, (middle_x, y), (middle_x, y + height), 1.2, color, &extra);
            }
            Self::Block { left, top, right, bottom } => {
                let part = |eighths: u8, whole: f64| whole * f64::from(eighths) / 8.0;
                let _ = writeln!(
                    svg,
                    "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{:.2}\" fill=\"{color}\" \
                     shape-rendering=\"crispEdges\"/>",
                    x + part(left, width),
                    y + part(top, height),
                    part(right - left, width),
                    part(bottom - top, height)
                );
            }
            Self::Dots(_) => dots(svg, (x, y), (width, height), &[self], color),
            Self::Disc { radius, filled } => {
                let radius = width * f64::from(radius) / 100.0;
                let paint = if filled {
                    format!("fill=\"{color}\"")
                } else {
                    format!("fill=\"none\" stroke=\"{color}\" stroke-width=\"1.2\"")
                };
                let _ = writeln!(svg, "<circle cx=\"{middle_x:.2}\" cy=\"{middle_y:.2}\" r=\"{radius:.2}\" {paint}/>");
            }
        }
    }
}

fn lines(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), arms: [u8; 4], round: bool, color: &str) {
    let (middle_x, middle_y) = (x + width / 2.0, y + height / 2.0);
    let ends = [(middle_x, y), (x + width, middle_y), (middle_x, y + height), (x, middle_y)];
    if round {
        let open: Vec<(f64, f64)> = (0..4).filter(|arm| arms[*arm] > 0).map(|arm| ends[arm]).collect();
        if let [(from_x, from_y), (to_x, to_y)] = open[..] {
            let _ = writeln!(
                svg,
                "<path d=\"M{from_x:.2} {from_y:.2}Q{middle_x:.2} {middle_y:.2} {to_x:.2} {to_y:.2}\" fill=\"none\" \
                 stroke=\"{color}\" stroke-width=\"1.2\"/>"
            );
        }
        return;
    }
    if arms[0] == arms[2] && arms[1] == arms[3] && (arms[0] == 0 || arms[1] == 0) {
        // Straight through: one line, and a little over the edge, so that neighbours meet without a seam.
        let (from, to, over) =
            if arms[0] > 0 { (ends[0], ends[2], (0.0, 0.3)) } else { (ends[3], ends[1], (0.0, 0.0)) };
        let stroke = if arms[0].max(arms[1]) == 2 { 2.6 } else { 1.2 };
        return line(svg, (from.0, from.1 - over.1), (to.0, to.1 + over.1), stroke, color, "");
    }
    for (arm, end) in ends.into_iter().enumerate().filter(|(arm, _)| arms[*arm] > 0) {
        line(svg, (middle_x, middle_y), end, if arms[arm] == 2 { 2.6 } else { 1.2 }, color, "");
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), width: f64, color: &str, extra: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.2}\" y1=\"{:.2}\" x2=\"{:.2}\" y2=\"{:.2}\" stroke=\"{color}\" stroke-width=\"{width}\"{extra}/>",
        from.0, from.1, to.0, to.1
    );
}

fn dots(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), cells: &[Shape], color: &str) {
    const PLACES: [(u8, u8); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    let mut path = String::new();
    for (cell, x) in cells.iter().zip((0..).map(|cell| x + width * f64::from(cell))) {
        let Shape::Dots(bits) = cell else { continue };
        for (_, (column, row)) in PLACES.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0) {
            let left = x + width * (f64::from(*column) * 2.0 + 1.0) / 4.0;
            let top = y + height * (f64::from(*row) * 2.0 + 1.0) / 8.0;
            let _ = write!(path, "M{left:.1} {top:.2}h0");
        }
    }
    if !path.is_empty() {
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" stroke=\"{color}\" stroke-width=\"2.6\" stroke-linecap=\"round\" fill=\"none\"/>"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_of_partial_blocks_counts_eighths() {
        assert_eq!(shape('▏'), Some(Shape::Block { left: 0, top: 0, right: 1, bottom: 8 }));
        assert_eq!(shape('▉'), Some(Shape::Block { left: 0, top: 0, right: 7, bottom: 8 }));
        assert_eq!(shape('▁'), Some(Shape::Block { left: 0, top: 7, right: 8, bottom: 8 }));
        assert_eq!(shape('▇'), Some(Shape::Block { left: 0, top: 1, right: 8, bottom: 8 }));
        assert_eq!(shape('a'), None);
    }
}
