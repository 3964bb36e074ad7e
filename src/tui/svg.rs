//! A picture of a frame as SVG: the cells of a buffer on an exact grid, in a window with a title.
//!
//! Every run of text carries its own position and length, so that a viewer's font can never shift a column. Box, block
//! and braille characters are drawn as shapes: fonts disagree on them most.

#[cfg(test)]
mod screenshots;
mod shapes;

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use super::theme::{blend, rgb_of};
use crate::model::printable_line;

/// Width and height of a cell, size of the font, and the baseline below a cell's top: in the picture's units.
const CELL: (f64, f64) = (8.4, 18.0);
const FONT_SIZE: f64 = 14.0;
const BASELINE: f64 = 13.4;
/// Room around the cells, and the height of the window's title bar.
const MARGIN: f64 = 12.0;
const BAR: f64 = 34.0;

const FONTS: &str =
    "'JetBrains Mono','Cascadia Mono','SF Mono',Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace";

/// Draws `buffer` as a window called `title`. The first cell's colours are those of the window.
pub fn render(buffer: &Buffer, title: &str) -> String {
    let area = buffer.area;
    let ground = buffer.content().first().map_or(DEFAULT_GROUND, |cell| paint(cell).1);
    let text = buffer.content().first().map_or(DEFAULT_TEXT, |cell| paint(cell).0);
    let width = f64::from(area.width) * CELL.0 + 2.0 * MARGIN;
    let height = f64::from(area.height) * CELL.1 + MARGIN + BAR;
    let mut svg = String::with_capacity(64 * 1024);
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.1}\" \
         height=\"{height:.1}\" font-family=\"{FONTS}\" font-size=\"{FONT_SIZE}\" xml:space=\"preserve\">"
    );
    let _ = writeln!(svg, "<title>{}</title>", escaped(title));
    window(&mut svg, width, height, title, ground, text);
    let _ = writeln!(svg, "<g transform=\"translate({MARGIN} {BAR})\">");
    for y in 0..area.height {
        let row: Vec<&Cell> = (0..area.width).map(|x| &buffer[(area.x + x, area.y + y)]).collect();
        grounds(&mut svg, &row, y, ground);
        glyphs(&mut svg, &row, y);
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

type Rgb = [u8; 3];
const DEFAULT_GROUND: Rgb = [0x10, 0x15, 0x1c];
const DEFAULT_TEXT: Rgb = [0xd6, 0xdd, 0xe6];

/// The foreground and background that a cell shows.
fn paint(cell: &Cell) -> (Rgb, Rgb) {
    let (mut fg, mut bg) = (rgb_of(cell.fg).unwrap_or(DEFAULT_TEXT), rgb_of(cell.bg).unwrap_or(DEFAULT_GROUND));
    if cell.modifier.contains(Modifier::REVERSED) {
        std::mem::swap(&mut fg, &mut bg);
    }
    if cell.modifier.contains(Modifier::DIM) {
        let rgb = |[r, g, b]: Rgb| Color::Rgb(r, g, b);
        fg = rgb_of(blend(rgb(fg), rgb(bg), 0.4)).unwrap_or(fg);
    }
    (fg, bg)
}

fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escaped(text: &str) -> String {
    let text = printable_line(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn window(svg: &mut String, width: f64, height: f64, title: &str, ground: Rgb, text: Rgb) {
    let rgb = |[r, g, b]: Rgb| Color::Rgb(r, g, b);
    let edge = hex(rgb_of(blend(rgb(ground), rgb(text), 0.22)).unwrap_or(text));
    let dim = hex(rgb_of(blend(rgb(ground), rgb(text), 0.6)).unwrap_or(text));
    let (ground, middle) = (hex(ground), width / 2.0);
    let _ = writeln!(
        svg,
        "<rect x=\"0.5\" y=\"0.5\" width=\"{:.1}\" height=\"{:.1}\" rx=\"9\" fill=\"{ground}\" stroke=\"{edge}\"/>",
        width - 1.0,
        height - 1.0
    );
    for (index, color) in ["#f2655c", "#f4bd4f", "#5fc454"].iter().enumerate() {
        let x = 20.0 + 20.0 * index as f64;
        let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"17\" r=\"6\" fill=\"{color}\"/>");
    }
    let _ = writeln!(
        svg,
        "<text x=\"{middle:.1}\" y=\"21.5\" text-anchor=\"middle\" fill=\"{dim}\" font-size=\"13\">{}</text>",
        escaped(title)
    );
}

/// Backgrounds other than the window's, joined where neighbours are equal.
fn grounds(svg: &mut String, row: &[&Cell], y: u16, ground: Rgb) {
    let mut x = 0;
    while x < row.len() {
        let color = paint(row[x]).1;
        let end = (x..row.len()).find(|end| paint(row[*end]).1 != color).unwrap_or(row.len());
        if color != ground {
            rectangle(svg, x as f64, f64::from(y), (end - x) as f64, 1.0, &hex(color));
        }
        x = end;
    }
}

/// A rectangle in cells.
fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, height: f64, fill: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{fill}\" shape-rendering=\"crispEdges\"/>",
        short(x * CELL.0),
        short(y * CELL.1),
        short(width * CELL.0),
        short(height * CELL.1)
    );
}

fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[derive(Clone, Copy, PartialEq)]
struct Look {
    fg: Rgb,
    modifier: Modifier,
}

fn look(cell: &Cell) -> Look {
    let seen = Modifier::BOLD | Modifier::ITALIC | Modifier::UNDERLINED | Modifier::CROSSED_OUT;
    Look { fg: paint(cell).0, modifier: cell.modifier & seen }
}

/// Text in runs of one look; shapes one by one.
fn glyphs(svg: &mut String, row: &[&Cell], y: u16) {
    let mut x = 0;
    while x < row.len() {
        let cell = row[x];
        let wide = cell.symbol().width().max(1);
        let shape = shapes::of(cell);
        if let Some(shape) = shape {
            // Equal neighbours are one shape: no seams, smaller files.
            let fill = paint(cell).0;
            let same = |other: &Cell| shapes::of(other) == Some(shape) || (shape.is_dots() && shapes::is_dots(other));
            let end = (x + 1..row.len()).find(|at| !shape.joins() || !same(row[*at]) || paint(row[*at]).0 != fill);
            let end = end.unwrap_or(row.len());
            let cells: Vec<_> = row[x..end].iter().filter_map(|cell| shapes::of(cell)).collect();
            shapes::draw(svg, (x as f64 * CELL.0, f64::from(y) * CELL.1), CELL, &hex(fill), &cells);
            x = end;
            continue;
        }
        // Wide characters stand alone; others run on while they look the same.
        let mut end = x + wide;
        while wide == 1 && end < row.len() && joins(row[end], look(cell)) {
            end += 1;
        }
        let end = end.min(row.len());
        let text: String = row[x..end].iter().step_by(wide).map(|cell| cell.symbol()).collect();
        run(svg, x, y, end - x, &text, look(cell));
        x = end;
    }
}

fn joins(cell: &Cell, wanted: Look) -> bool {
    cell.symbol().width() == 1 && shapes::of(cell).is_none() && look(cell) == wanted
}

fn run(svg: &mut String, x: usize, y: u16, columns: usize, text: &str, look: Look) {
    let underlined = look.modifier.intersects(Modifier::UNDERLINED | Modifier::CROSSED_OUT);
    let blank = |c: char| c == ' ';
    if text.chars().all(blank) && !underlined {
        return;
    }
    // Blanks at the ends need no ink.
    let (mut x, mut columns, mut text) = (x, columns, text);
    if !underlined {
        let trimmed = text.trim_start_matches(blank);
        x += text.len() - trimmed.len();
        columns -= text.len() - trimmed.len();
        text = trimmed.trim_end_matches(blank);
        columns -= trimmed.len() - text.len();
    }
    let mut style = String::new();
    for (modifier, attribute) in [
        (Modifier::BOLD, " font-weight=\"700\""),
        (Modifier::ITALIC, " font-style=\"italic\""),
        (Modifier::UNDERLINED, " text-decoration=\"underline\""),
        (Modifier::CROSSED_OUT, " text-decoration=\"line-through\""),
    ] {
        if look.modifier.contains(modifier) {
            style.push_str(attribute);
        }
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{style}>{}</text>",
        short(x as f64 * CELL.0),
        short(f64::from(y) * CELL.1 + BASELINE),
        short(columns as f64 * CELL.0),
        hex(look.fg),
        escaped(text)
    );
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn svg_of_hostile_cells_holds_no_markup_or_controls() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 30, 1));
        buffer[(0, 0)].set_symbol("\x1b");
        buffer.set_string(1, 0, "<script>&\"", Style::new());
        let svg = render(&buffer, "</title><x onload=\"1\">\x1b[2J");
        assert!(!svg.contains('\x1b') && !svg.contains("<script") && !svg.contains("<x "), "{svg}");
        assert!(svg.contains("&lt;script&gt;&amp;&quot;"), "{svg}");
    }

    #[test]
    fn svg_of_runs_keeps_the_grid() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        buffer.set_string(2, 1, "ab漢c", Style::new().add_modifier(Modifier::BOLD));
        let svg = render(&buffer, "t");
        for expected in [
            "<text x=\"16.8\" y=\"31.4\" textLength=\"16.8\" lengthAdjust=\"spacingAndGlyphs\" fill=\"#d6dde6\" font-weight=\"700\">ab<",
            "<text x=\"33.6\" y=\"31.4\" textLength=\"16.8\"",
            "<text x=\"50.4\" y=\"31.4\" textLength=\"8.4\"",
        ] {
            assert!(svg.contains(expected), "{expected}\n{svg}");
        }
    }

    #[test]
    fn svg_of_nothing_is_still_a_picture() {
        assert!(render(&Buffer::empty(Rect::new(0, 0, 0, 0)), "").ends_with("</svg>\n"));
    }
}
