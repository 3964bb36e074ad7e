//! A table that builds only the rows on the screen, drops columns where it is narrow, and knows what a click hits.

use std::borrow::Cow;
use std::cell::{Cell as Remembered, RefCell};

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::Widget;

use super::scrollbar;
use super::write;
use crate::tui::theme::{Role, Theme};

/// Where a cell's text stands in its column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    #[default]
    Left,
    Right,
}

/// One column: how wide it may be and how soon it goes when the screen is narrow.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    pub min: u16,
    pub max: u16,
    /// Columns with the greatest number are dropped first; those of 0 always stay.
    pub priority: u8,
    pub align: Align,
}

impl Column {
    /// A column of priority 0, aligned to the left.
    pub const fn new(title: &'static str, min: u16, max: u16) -> Self {
        Self { title, min, max, priority: 0, align: Align::Left }
    }

    pub const fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    pub const fn right(mut self) -> Self {
        self.align = Align::Right;
        self
    }
}

/// What stands in one cell.
#[derive(Clone, Debug, Default)]
pub struct Cell<'a> {
    pub text: Cow<'a, str>,
    /// Patched upon the row's style.
    pub style: Style,
    /// Indices of characters that a fuzzy search matched, ascending.
    pub matches: Vec<usize>,
}

impl<'a> Cell<'a> {
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    pub fn matches(mut self, matches: Vec<usize>) -> Self {
        self.matches = matches;
        self
    }
}

impl<'a, T: Into<Cow<'a, str>>> From<T> for Cell<'a> {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// The direction of a sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Ascending,
    Descending,
}

/// What stands under the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableHit {
    /// The header of the column with that index.
    Header(usize),
    /// The row with that index.
    Row(usize),
    /// The scrollbar: the row that this height of it stands for.
    Scrollbar(usize),
}

/// One column as drawn: its index, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub column: usize,
    pub x: u16,
    pub width: u16,
}

/// Selection, scroll position and sort of a table, and the geometry of its last frame.
#[derive(Debug, Default)]
pub struct TableState {
    selected: usize,
    offset: Remembered<usize>,
    rows: Remembered<Rect>,
    length: Remembered<usize>,
    bar: Remembered<bool>,
    placed: RefCell<Vec<Placed>>,
}

impl TableState {
    /// The index of the selected row, none in an empty table.
    pub fn selected(&self, length: usize) -> Option<usize> {
        (length > 0).then(|| self.selected.min(length - 1))
    }

    pub fn select(&mut self, row: usize) {
        self.selected = row;
    }

    /// Moves the selection by `rows`, staying within `length`.
    pub fn move_by(&mut self, rows: isize, length: usize) {
        let current = self.selected(length).unwrap_or(0);
        self.selected = current.saturating_add_signed(rows).min(length.saturating_sub(1));
    }

    /// Moves the selection by whole pages of the last frame's height.
    pub fn move_pages(&mut self, pages: isize, length: usize) {
        let page = isize::try_from(self.page()).unwrap_or(1);
        self.move_by(pages.saturating_mul(page), length);
    }

    pub fn first(&mut self) {
        self.selected = 0;
    }

    pub fn last(&mut self, length: usize) {
        self.selected = length.saturating_sub(1);
    }

    /// Rows that the last frame had room for, at least 1.
    pub fn page(&self) -> usize {
        usize::from(self.rows.get().height).max(1)
    }

    /// What the last frame showed at a place of the screen.
    pub fn hit(&self, at: Position) -> Option<TableHit> {
        let rows = self.rows.get();
        if at.y.checked_add(1) == Some(rows.y) && at.x < rows.right() {
            let placed = self.placed.borrow();
            let header = placed.iter().find(|p| (p.x..p.x.saturating_add(p.width).saturating_add(1)).contains(&at.x));
            return header.map(|placed| TableHit::Header(placed.column));
        }
        if !rows.contains(at) {
            return None;
        }
        let row = usize::from(at.y - rows.y);
        if self.bar.get() && at.x + 1 == rows.right() {
            let last = self.length.get().saturating_sub(1);
            return Some(TableHit::Scrollbar(row * last / usize::from(rows.height.max(2) - 1)));
        }
        let row = self.offset.get() + row;
        (row < self.length.get()).then_some(TableHit::Row(row))
    }

    /// The first visible row, moved as little as needed to show the selected one.
    fn scrolled(&self, length: usize, height: usize) -> usize {
        let Some(selected) = self.selected(length) else { return 0 };
        let offset = self.offset.get().min(length.saturating_sub(height));
        if selected < offset { selected } else { offset.max((selected + 1).saturating_sub(height)) }
    }
}

/// The widget: `cell(row, column)` is called for what is visible and nothing else.
pub struct Table<'a, F> {
    pub theme: &'a Theme,
    pub columns: &'a [Column],
    /// Rows there are.
    pub length: usize,
    pub state: &'a TableState,
    /// The column that rows are sorted by, marked in the header.
    pub sort: Option<(usize, Order)>,
    /// Whether keys go to this table.
    pub focused: bool,
    pub cell: F,
}

/// Space between two columns.
const GAP: u16 = 2;

/// Which columns fit into `width`, and where: least widths first, then the rest shared out in proportion to what each
/// column may still grow.
pub fn place(columns: &[Column], width: u16) -> Vec<Placed> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let needed = |kept: &[usize]| {
        kept.iter().map(|i| u32::from(columns[*i].min) + u32::from(GAP)).sum::<u32>().saturating_sub(u32::from(GAP))
    };
    while needed(&kept) > u32::from(width) {
        // The last of the least important: stable, so that columns vanish from right to left.
        let Some(at) = (0..kept.len()).max_by_key(|at| columns[kept[*at]].priority) else { break };
        if columns[kept[at]].priority == 0 {
            break;
        }
        kept.remove(at);
    }
    let free = u32::from(width).saturating_sub(needed(&kept));
    let room = |i: usize| u32::from(columns[i].max.saturating_sub(columns[i].min));
    let wanted: u32 = kept.iter().map(|i| room(*i)).sum();
    let (mut x, mut given, mut passed) = (0u32, 0, 0);
    let mut placed = Vec::with_capacity(kept.len());
    for i in kept {
        passed += room(i);
        // Shares are cut from the running total, so that rounding never loses a column.
        let share = if wanted <= free { passed } else { free * passed / wanted.max(1) } - given;
        given += share;
        let end = u32::from(width).min(x + u32::from(columns[i].min) + share);
        if end > x {
            placed.push(Placed { column: i, x: x as u16, width: (end - x) as u16 });
        }
        x = end + u32::from(GAP);
    }
    placed
}

impl<'a, F: Fn(usize, usize) -> Cell<'a>> Widget for Table<'_, F> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let area = area.intersection(buffer.area);
        let rows = Rect { y: area.y.saturating_add(1), height: area.height.saturating_sub(1), ..area };
        let state = self.state;
        let height = usize::from(rows.height);
        let overflows = self.length > height && area.width > 4;
        state.offset.set(state.scrolled(self.length, height));
        state.rows.set(rows);
        state.length.set(self.length);
        state.bar.set(overflows);
        // One column of air on both sides, so that the selection's bar is wider than its text.
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        let mut placed = place(self.columns, inner.width);
        placed.iter_mut().for_each(|placed| placed.x += inner.x);
        if !area.is_empty() {
            self.header(buffer, area.y, &placed);
            self.rows(buffer, rows, &placed);
        }
        if overflows && height > 0 {
            let bar = Rect { x: rows.right() - 1, width: 1, ..rows };
            scrollbar::vertical(buffer, bar, self.theme, self.length, height, state.offset.get());
        }
        state.placed.replace(placed);
    }
}

impl<'a, F: Fn(usize, usize) -> Cell<'a>> Table<'_, F> {
    fn header(&self, buffer: &mut Buffer, y: u16, placed: &[Placed]) {
        for placed in placed {
            let column = self.columns[placed.column];
            let at = Position::new(placed.x, y);
            let sorted = self.sort.filter(|(sorted, _)| *sorted == placed.column);
            let style = self.theme.style(Role::Header);
            let Some((_, order)) = sorted else {
                aligned(buffer, at, placed.width, column.align, &Cell::new(column.title), style, style);
                continue;
            };
            let arrow = if order == Order::Ascending { "▲" } else { "▼" };
            let title = Cell::new(format!("{}{arrow}", column.title));
            // The arrow stands in the gap where the title alone fills its column.
            let wide = placed.width.max(write::width(&title.text).min(placed.width + 1));
            let style = style.patch(self.theme.style(Role::Accent));
            aligned(buffer, at, wide, column.align, &title, style, style);
        }
    }

    fn rows(&self, buffer: &mut Buffer, rows: Rect, placed: &[Placed]) {
        let selected = self.state.selected(self.length);
        let first = self.state.offset.get();
        let matched = self.theme.style(Role::Matched);
        for (row, y) in (first..self.length).zip(rows.top()..rows.bottom()) {
            let is_selected = selected == Some(row);
            let ground = match (is_selected, self.focused) {
                (true, true) => self.theme.style(Role::Selected),
                (true, false) => self.theme.style(Role::SelectedInactive),
                _ => self.theme.style(Role::Text),
            };
            if is_selected {
                buffer.set_style(Rect { y, height: 1, ..rows }, ground);
                if self.focused {
                    write::text(buffer, Position::new(rows.x, y), 1, "▌", self.theme.style(Role::Accent));
                }
            }
            for placed in placed {
                let cell = (self.cell)(row, placed.column);
                let mut style = ground.patch(cell.style);
                if let Some(bg) = ground.bg {
                    style.bg = Some(bg);
                }
                let align = self.columns[placed.column].align;
                aligned(buffer, Position::new(placed.x, y), placed.width, align, &cell, style, matched);
            }
        }
    }
}

fn aligned(buffer: &mut Buffer, at: Position, width: u16, align: Align, cell: &Cell<'_>, style: Style, matched: Style) {
    let free = if align == Align::Right { width.saturating_sub(write::width(&cell.text)) } else { 0 };
    let at = Position::new(at.x + free, at.y);
    write::highlighted(buffer, at, width - free, &cell.text, style, &cell.matches, matched);
}
