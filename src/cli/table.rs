//! Columns as Docker's tables have them: at least ten cells wide, three apart, the last one free.

use unicode_width::UnicodeWidthStr;

use crate::model::printable_line;

const LEAST_WIDTH: usize = 10;
const GAP: usize = 3;

/// Lays out rows, the heading among them, each line ending with a line feed. Cells are made printable here.
pub fn layout(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| printable_line(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            // As in Go's tabwriter, a row's last cell ends no column and so widens none.
            let cells = rows.iter().filter(|row| column + 1 < row.len()).map(|row| row[column].width() + GAP);
            cells.max().unwrap_or(0).max(LEAST_WIDTH)
        })
        .collect();
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < row.len() {
                text.extend(std::iter::repeat_n(' ', widths[column].saturating_sub(cell.width())));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[&[&str]]) -> Vec<Vec<String>> {
        text.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn layout_of_docker_ps_heading_equals_dockers() {
        let heading = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];
        assert_eq!(
            layout(&rows(&[&heading])),
            "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n"
        );
    }

    #[test]
    fn layout_widens_a_column_for_its_longest_cell() {
        let text = layout(&rows(&[&["A", "B"], &["a long cell here", "x"], &["漢字漢字漢字", "y"]]));
        assert_eq!(text, "A                  B\na long cell here   x\n漢字漢字漢字       y\n");
    }

    #[test]
    fn layout_of_hostile_cells_shows_no_escape() {
        assert_eq!(layout(&rows(&[&["\u{1b}[2J\n", "x\ty"]])), "␛[2J␊     x␉y\n");
    }
}
