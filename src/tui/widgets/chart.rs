//! A chart over time in braille dots: an area or lines, with labelled axes. And a sparkline as text.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Color;
use ratatui::widgets::Widget;

use super::write;
use crate::tui::theme::{Role, Theme, blend};

/// One curve: points as (seconds ago, value), oldest first.
#[derive(Clone, Debug)]
pub struct Series<'a> {
    pub name: &'a str,
    pub role: Role,
    pub points: Vec<(f64, f64)>,
}

/// How far up the axis goes.
#[derive(Clone, Copy, Debug)]
pub enum Ceiling {
    /// Exactly this value.
    Fixed(f64),
    /// A round value over all points, at least this one. Decimal: 1, 2, 5, 10 …
    Decimal(f64),
    /// As `Decimal`, in powers of two: for bytes.
    Binary(f64),
}

/// The chart. The first series is filled down to the axis when `filled`.
pub struct Chart<'a> {
    pub theme: &'a Theme,
    pub series: &'a [Series<'a>],
    /// Seconds from the left edge to now.
    pub span_seconds: f64,
    pub ceiling: Ceiling,
    /// A value with its unit, for the axis.
    pub format: &'a dyn Fn(f64) -> String,
    pub filled: bool,
}

/// A hole between two points longer than this many seconds is shown as a hole.
const MAX_HOLE_SECONDS: f64 = 10.0;
/// Bits of a braille cell's dots by column and row (Unicode 8.0, chapter 21.1).
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

impl Chart<'_> {
    /// The value at the top of the axis.
    pub fn top(&self) -> f64 {
        let values = self.series.iter().flat_map(|series| &series.points).filter(|point| point.0 <= self.span_seconds);
        let greatest = values.map(|point| point.1).fold(0.0, f64::max);
        match self.ceiling {
            Ceiling::Fixed(value) => value.max(f64::MIN_POSITIVE),
            Ceiling::Decimal(least) => round_up(greatest.max(least)),
            Ceiling::Binary(least) => 2f64.powf(greatest.max(least).max(1.0).log2().ceil()),
        }
    }

    fn axis(&self, area: Rect, top: f64, buffer: &mut Buffer) -> Rect {
        let labels = [(self.format)(top), (self.format)(top / 2.0), (self.format)(0.0)];
        let wide = labels.iter().map(|label| write::width(label)).max().unwrap_or(0);
        // Axes give way where there is hardly room for the curve.
        let (left, below) = (if area.width >= wide + 14 { wide + 1 } else { 0 }, u16::from(area.height >= 4));
        let plot = Rect { x: area.x + left, width: area.width - left, height: area.height - below, ..area };
        let dim = self.theme.style(Role::Dim);
        if left > 0 {
            for (label, y) in labels.iter().zip([plot.y, plot.y + plot.height / 2, plot.bottom() - 1]) {
                let is_middle = y != plot.y && y != plot.bottom() - 1;
                if !is_middle || plot.height >= 6 {
                    write::text_right(buffer, Position::new(area.x, y), wide, label, dim);
                }
            }
        }
        if below > 0 {
            let (y, span) = (plot.bottom(), self.span_seconds);
            let middle = format!("-{}", seconds(span / 2.0));
            write::text(buffer, Position::new(plot.x, y), plot.width, &format!("-{}", seconds(span)), dim);
            if plot.width >= 30 {
                let at = Position::new(plot.x + plot.width / 2 - write::width(&middle) / 2, y);
                write::text(buffer, at, 8, &middle, dim);
            }
            if plot.width >= 12 {
                write::text_right(buffer, Position::new(plot.x, y), plot.width, "now", dim);
            }
        }
        plot
    }

    fn grid(&self, plot: Rect, buffer: &mut Buffer) {
        let style = self.theme.style(Role::ChartGrid);
        let lines = if plot.height >= 6 { vec![plot.y, plot.y + plot.height / 2] } else { vec![plot.y] };
        for y in lines {
            for x in plot.left()..plot.right() {
                buffer[(x, y)].set_symbol("┈").set_style(style);
            }
        }
    }

    fn curve(&self, series: &Series<'_>, filled: bool, top: f64, plot: Rect, buffer: &mut Buffer) {
        let (columns, rows) = (usize::from(plot.width) * 2, usize::from(plot.height) * 4);
        // The dot row of each dot column, counted from below; none where nothing was measured.
        let heights: Vec<Option<usize>> = (0..columns)
            .map(|column| {
                let age = self.span_seconds * (columns - 1 - column) as f64 / (columns - 1).max(1) as f64;
                let value = value_at(&series.points, age)?;
                Some(((value / top).clamp(0.0, 1.0) * (rows - 1) as f64).round() as usize)
            })
            .collect();
        let color = self.theme.color(series.role);
        let ground = self.theme.style(Role::Background).bg;
        for x in 0..plot.width {
            for y in 0..plot.height {
                let (bits, line) = dots(&heights, usize::from(x) * 2, rows - 1 - usize::from(y) * 4, filled);
                if bits != 0 {
                    let cell = &mut buffer[(plot.x + x, plot.y + y)];
                    let depth = f64::from(y) / f64::from(plot.height.max(1));
                    cell.reset_symbol_with(bits, !filled);
                    // A cell has one colour: the more of its dots are the line's, the brighter.
                    let share = f64::from(line.count_ones()) / f64::from(bits.count_ones());
                    cell.fg = faded(color, ground, (0.45 + 0.25 * depth) * (1.0 - share).powi(2));
                    cell.modifier = self.theme.style(series.role).add_modifier;
                }
            }
        }
    }
}

/// The dots of one cell, whose left dot column is `column` and whose uppermost dot row, counted from below, is `top`;
/// and those of them that are the line's own.
fn dots(heights: &[Option<usize>], column: usize, top: usize, filled: bool) -> (u8, u8) {
    let (mut bits, mut on_line) = (0, 0);
    for (column, sides) in (column..).zip(DOTS) {
        let Some(height) = heights[column] else { continue };
        // Up to the neighbour's height, so that steep lines have no holes.
        let before = column.checked_sub(1).and_then(|before| heights[before]).unwrap_or(height);
        let line = if before < height { before + 1..=height } else { height..=before.max(height + 1) - 1 };
        for (dot, bit) in sides.into_iter().enumerate() {
            let row = top - dot;
            let is_line = line.contains(&row);
            if is_line || (filled && row < height) {
                bits |= bit;
            }
            on_line |= if is_line { bit } else { 0 };
        }
    }
    (bits, on_line)
}

/// A cell's dots: joined with what stands there already when lines cross.
trait Braille {
    fn reset_symbol_with(&mut self, bits: u8, join: bool);
}

impl Braille for ratatui::buffer::Cell {
    fn reset_symbol_with(&mut self, bits: u8, join: bool) {
        let there = self.symbol().chars().next().map_or(0, u32::from).wrapping_sub(0x2800);
        let there = if join && there < 0x100 { there } else { 0 };
        self.set_char(char::from_u32(0x2800 + (there | u32::from(bits))).unwrap_or(' '));
    }
}

/// A colour softened towards the ground.
fn faded(color: Color, ground: Option<Color>, share: f64) -> Color {
    ground.map_or(color, |ground| blend(color, ground, share))
}

impl Widget for Chart<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        if area.width < 2 || area.height == 0 {
            return;
        }
        let top = self.top();
        let plot = self.axis(area, top, buffer);
        self.grid(plot, buffer);
        for (index, series) in self.series.iter().enumerate() {
            self.curve(series, self.filled && index == 0, top, plot, buffer);
        }
    }
}

/// The value `age` seconds ago, between the points around it.
fn value_at(points: &[(f64, f64)], age: f64) -> Option<f64> {
    let after = points.partition_point(|point| point.0 > age);
    let (older, newer) = (after.checked_sub(1).map(|index| points[index]), points.get(after));
    match (older, newer) {
        (Some(older), Some(newer)) if older.0 - newer.0 <= MAX_HOLE_SECONDS => {
            let share = (older.0 - age) / (older.0 - newer.0).max(f64::MIN_POSITIVE);
            Some(older.1 + (newer.1 - older.1) * share)
        }
        // Just past the newest point: it still holds until the next one comes.
        (Some(older), None) if older.0 - age <= MAX_HOLE_SECONDS / 2.0 => Some(older.1),
        (None, Some(newer)) if age == newer.0 => Some(newer.1),
        _ => None,
    }
}

fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|step| step * power).find(|step| *step >= value * 0.999_999).unwrap_or(value)
}

fn seconds(span: f64) -> String {
    match span {
        span if span >= 120.0 => format!("{:.0}m", span / 60.0),
        span => format!("{span:.0}s"),
    }
}

/// A line of braille bars, two values a character, the newest at the right end; `columns` characters.
pub fn sparkline(values: &[f64], ceiling: f64, columns: u16) -> String {
    let wanted = usize::from(columns) * 2;
    let mut levels = vec![0; wanted.saturating_sub(values.len())];
    let newest = &values[values.len().saturating_sub(wanted)..];
    levels.extend(newest.iter().map(|value| {
        let share = (value / ceiling.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        // A little is more than nothing.
        if *value > 0.0 { ((share * 4.0).ceil() as usize).max(1) } else { 0 }
    }));
    let bits = |side: usize, level: usize| (4 - level..4).map(|dot| u32::from(DOTS[side][dot])).sum::<u32>();
    levels
        .chunks(2)
        .filter_map(|pair| char::from_u32(0x2800 + bits(0, pair[0]) + pair.get(1).map_or(0, |level| bits(1, *level))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(value: f64) -> String {
        format!("{value:.0} %")
    }

    fn drawn(points: Vec<(f64, f64)>, ceiling: Ceiling, filled: bool, (width, height): (u16, u16)) -> String {
        let theme = Theme::default();
        let series = [Series { name: "cpu", role: Role::ChartCpu, points }];
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        let format = &percent;
        Chart { theme: &theme, series: &series, span_seconds: 60.0, ceiling, format, filled }.render(area, &mut buffer);
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(row).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn chart_of_a_ramp_has_labelled_axes() {
        let ramp = (0..=60).rev().map(|age| (f64::from(age), f64::from(60 - age))).collect();
        insta::assert_snapshot!(drawn(ramp, Ceiling::Decimal(10.0), true, (40, 8)));
    }

    #[test]
    fn chart_with_a_hole_leaves_it_empty() {
        let points = vec![(60.0, 5.0), (50.0, 5.0), (20.0, 5.0), (0.0, 5.0)];
        insta::assert_snapshot!(drawn(points, Ceiling::Fixed(10.0), false, (34, 6)));
    }

    #[test]
    fn chart_without_points_or_room_draws_what_it_can() {
        insta::assert_snapshot!(drawn(Vec::new(), Ceiling::Decimal(1.0), true, (20, 4)));
        for size in [(0, 0), (1, 1), (2, 1), (3, 9), (9, 2), (200, 60)] {
            drawn(vec![(60.0, 1.0), (0.0, 1e12)], Ceiling::Binary(1.0), true, size);
            drawn(vec![(1.0, f64::NAN), (0.0, f64::INFINITY)], Ceiling::Decimal(0.0), false, size);
        }
    }

    #[test]
    fn chart_ceilings_are_round() {
        for (value, expected) in [(0.3, 0.5), (1.0, 1.0), (42.0, 50.0), (73.0, 100.0), (101.0, 200.0), (230.0, 250.0)] {
            assert!((round_up(value) - expected).abs() < 1e-9, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn sparkline_puts_the_newest_at_the_right_end() {
        assert_eq!(sparkline(&[0.0, 1.0, 50.0, 100.0], 100.0, 4), "\u{2800}\u{2800}⢀⣼");
        assert_eq!(sparkline(&[1.0; 9], 1.0, 2), "⣿⣿");
        assert_eq!(sparkline(&[], 0.0, 2), "\u{2800}\u{2800}");
        assert_eq!(sparkline(&[1.0], 1.0, 0), "");
    }
}
