//! Tables: columns that give way by priority when it is narrow, a header with the sorted column's arrow, and only the
//! rows that are seen.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Piece, Target};
use super::list::Sort;
use super::theme::Role;
use super::widgets::write;

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    /// The least cells it needs.
    pub min: u16,
    /// The most cells it takes when there is room; more than `min` makes it grow.
    pub max: u16,
    pub align: Align,
    /// 0 is always shown; of the others the highest give way first.
    pub priority: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// What stands in one cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub pieces: Vec<Piece>,
    /// Characters of the first piece that the filter matched.
    pub matched: Vec<usize>,
    /// What stands there in place of the pieces where they do not fit; the longest first.
    pub shorter: Vec<Piece>,
}

impl From<Piece> for Cell {
    fn from(piece: Piece) -> Self {
        Self { pieces: vec![piece], matched: Vec::new(), shorter: Vec::new() }
    }
}

/// Cells between two columns.
const GAP: u16 = 2;

/// The columns that fit into `width`: their index, place from the left, and width.
pub fn fit(columns: &[Column], width: u16) -> Vec<(usize, u16, u16)> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let need = |shown: &[usize]| -> u16 {
        let gaps = GAP * u16::try_from(shown.len().saturating_sub(1)).unwrap_or(0);
        shown.iter().map(|index| columns[*index].min).sum::<u16>() + gaps
    };
    while need(&shown) > width {
        let Some(least) = shown.iter().copied().max_by_key(|index| (columns[*index].priority, *index)) else { break };
        if columns[least].priority == 0 {
            break;
        }
        shown.retain(|index| *index != least);
    }
    let mut spare = width.saturating_sub(need(&shown));
    let mut widths: Vec<u16> = shown.iter().map(|index| columns[*index].min).collect();
    while spare > 0 {
        let mut grown = false;
        for (width, index) in widths.iter_mut().zip(&shown) {
            if spare > 0 && *width < columns[*index].max {
                *width += 1;
                spare -= 1;
                grown = true;
            }
        }
        if !grown {
            break;
        }
    }
    let mut x = 0;
    let mut placed = Vec::with_capacity(shown.len());
    for (index, cells) in shown.into_iter().zip(widths) {
        if x >= width {
            break;
        }
        placed.push((index, x, cells.min(width - x)));
        x += cells + GAP;
    }
    placed
}

/// What a table shows of a list.
pub struct Rows<'a> {
    pub columns: &'a [Column],
    pub sort: Sort,
    pub len: usize,
    pub first: usize,
    /// The selected row's place.
    pub selected: Option<usize>,
}

impl Rows<'_> {
    /// Draws header and rows; `cells` gives the cells of a row, one for each column. Remembers what a click hits.
    pub fn draw(&self, canvas: &mut Canvas, area: Rect, cells: impl Fn(&Canvas, usize) -> Vec<Cell>) {
        self.draw_marked(canvas, area, |_| false, cells);
    }

    /// As [`Rows::draw`], with a mark before those rows that `is_marked`.
    pub fn draw_marked(
        &self,
        canvas: &mut Canvas,
        area: Rect,
        is_marked: impl Fn(usize) -> bool,
        cells: impl Fn(&Canvas, usize) -> Vec<Cell>,
    ) {
        if area.height < 2 || area.width < 4 {
            return;
        }
        // One cell at the left for the selection's mark, one at the right for the scroll bar.
        let inner = Rect::new(area.x + 2, area.y, area.width - 4, area.height);
        let placed = fit(self.columns, inner.width);
        self.header(canvas, inner, &placed);
        let body = Rect::new(area.x, area.y + 1, area.width, area.height - 1);
        canvas.seen.list_height = usize::from(body.height);
        for line in 0..body.height {
            let row = self.first + usize::from(line);
            if row >= self.len {
                break;
            }
            let y = body.y + line;
            let whole = Rect::new(area.x, y, area.width, 1);
            canvas.hit(whole, Target::Row(row));
            if self.selected == Some(row) {
                canvas.ground(whole, Role::Selected);
                canvas.text(area.x, y, 1, "▌", Role::Accent);
            }
            if is_marked(row) {
                canvas.text(area.x + 1, y, 1, "◆", Role::Accent);
            }
            for ((index, x, width), cell) in placed.iter().copied().zip(select(cells(canvas, row), &placed)) {
                draw_cell(canvas, Rect::new(inner.x + x, y, width, 1), self.columns[index].align, &cell);
            }
        }
        canvas.scrollbar(body, self.first, usize::from(body.height), self.len);
    }

    fn header(&self, canvas: &mut Canvas, inner: Rect, placed: &[(usize, u16, u16)]) {
        for (index, x, width) in placed.iter().copied() {
            let column = &self.columns[index];
            let area = Rect::new(inner.x + x, inner.y, width, 1);
            let sorted = self.sort.column == index;
            let arrow = if self.sort.descending { "▾" } else { "▴" };
            let title = if sorted { format!("{}{arrow}", column.title) } else { column.title.to_owned() };
            let role = if sorted { Role::Accent } else { Role::Header };
            match column.align {
                Align::Left => {
                    // The arrow may use the gap behind the column.
                    canvas.text(area.x, area.y, width + GAP - 1, &title, role);
                }
                Align::Right => canvas.text_right(area.right(), area.y, width + GAP - 1, &title, role),
            }
            canvas.hit(Rect::new(area.x, area.y, width + 1, 1), Target::Column(index));
        }
    }
}

/// The cells of the columns that are shown.
fn select(mut cells: Vec<Cell>, placed: &[(usize, u16, u16)]) -> Vec<Cell> {
    placed.iter().map(|(index, _, _)| cells.get_mut(*index).map(std::mem::take).unwrap_or_default()).collect()
}

fn draw_cell(canvas: &mut Canvas, area: Rect, align: Align, cell: &Cell) {
    let used: u16 = cell.pieces.iter().map(|(text, _)| write::width(text)).fold(0, u16::saturating_add);
    if used > area.width && !cell.shorter.is_empty() {
        let fits = cell.shorter.iter().find(|(text, _)| write::width(text) <= area.width);
        let Some(piece) = fits.or(cell.shorter.last()) else { return };
        return draw_cell(canvas, area, align, &Cell::from(piece.clone()));
    }
    let mut x = if align == Align::Right { area.right() - used.min(area.width) } else { area.x };
    for (index, (text, style)) in cell.pieces.iter().enumerate() {
        let matched: &[usize] = if index == 0 { &cell.matched } else { &[] };
        x += canvas.matched((x, area.y), area.right() - x, text, *style, matched);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn column(min: u16, max: u16, priority: u8) -> Column {
        Column { title: "x", min, max, align: Align::Left, priority }
    }

    #[test]
    fn columns_of_least_worth_give_way_first() {
        let columns = [column(10, 20, 0), column(10, 10, 2), column(10, 10, 1)];
        assert_eq!(fit(&columns, 34), [(0, 0, 10), (1, 12, 10), (2, 24, 10)]);
        assert_eq!(fit(&columns, 33), [(0, 0, 20), (2, 22, 10)]);
        assert_eq!(fit(&columns, 21), [(0, 0, 20)]);
        assert_eq!(fit(&columns, 5), [(0, 0, 5)]);
        assert_eq!(fit(&columns, 0), []);
    }

    #[test]
    fn columns_share_what_is_spare() {
        assert_eq!(fit(&[column(5, 10, 0), column(5, 10, 0)], 16), [(0, 0, 7), (1, 9, 7)]);
    }
}
