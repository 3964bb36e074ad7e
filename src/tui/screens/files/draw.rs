//! The file browser on the screen: the path and what is in the folder, or the file that is read.

use ratatui::layout::Rect;

use super::order::{COLUMNS, Item, MODE, MODIFIED, NAME, OWNER, SIZE};
use super::{Files, MOST_ENTRIES};
use crate::model::{FileSort, printable_line};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::Command;
use crate::tui::field::Field;
use crate::tui::figures;
use crate::tui::list_keys::draw_notice;
use crate::tui::table::{Cell, Rows};
use crate::tui::theme::Role;
use crate::tui::widgets::write;

impl Files {
    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        if let Some(view) = &self.view {
            return view.draw(canvas, area);
        }
        if let Some(problem) = &self.problem {
            let hint = problem.hint.clone().unwrap_or_else(|| "r looks again, Esc goes back.".to_owned());
            return draw_notice(canvas, area, &[&problem.message, "", &hint]);
        }
        self.draw_path(canvas, Rect { height: 1, ..area });
        let area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        let table = self.draw_filter(canvas, area);
        canvas.seen.list_height = usize::from(table.height.saturating_sub(1));
        if self.rows.is_empty() {
            let lines: &[&str] = match (self.whole, self.items.is_empty()) {
                (false, _) => &["looking …"],
                (true, true) => &["This folder is empty.", "", "i copies something into it."],
                (true, false) if self.filter.is_empty() => &["Everything in it is hidden.", "", ". shows it."],
                (true, false) => &["Nothing matches the filter.", "", "Esc clears it."],
            };
            return draw_notice(canvas, table, lines);
        }
        let first = self.cursor.first(self.rows.len(), usize::from(table.height.saturating_sub(1)));
        let selected = Some(self.cursor.index);
        let rows = Rows { columns: &COLUMNS, sort: self.sort, len: self.rows.len(), first, selected };
        rows.draw_marked(
            canvas,
            table,
            |row| self.marks.contains(&self.items[self.rows[row]].entry.name),
            |canvas, row| cells(canvas, &self.items[self.rows[row]], &self.filter),
        );
    }

    /// Where one is, and how much is there.
    fn draw_path(&self, canvas: &mut Canvas, line: Rect) {
        let sums = self.sums();
        let room = line.width.saturating_sub(write::width(&sums) + 7);
        let path = printable_line(&self.path.to_string_lossy()).into_owned();
        canvas.text(line.x + 2, line.y, room, &cut_front(&path, room), Role::Title);
        canvas.text_right(line.right().saturating_sub(2), line.y, line.width / 2 + 10, &sums, Role::Dim);
    }

    fn sums(&self) -> String {
        let folders = self.items.iter().filter(|item| item.entry.is_folder()).count();
        let files = self.items.len() - folders;
        let bytes: u64 = self.items.iter().map(|item| item.entry.bytes).sum();
        let count = |count: usize, word: &str| match count {
            1 => format!("1 {word}"),
            count => format!("{} {word}s", figures::thousands(count as u64)),
        };
        let all = format!("{}, {}, {}", count(folders, "folder"), count(files, "file"), figures::bytes_long(bytes));
        if self.total > MOST_ENTRIES && self.whole {
            return format!(
                "only the first {} of {} are listed",
                figures::thousands(MOST_ENTRIES),
                figures::thousands(self.total)
            );
        }
        match self.whole {
            true => all,
            false => {
                let (here, all) = (figures::thousands(self.items.len() as u64), figures::thousands(self.total));
                format!("reading {here} of {all} …")
            }
        }
    }

    fn draw_filter(&self, canvas: &mut Canvas, area: Rect) -> Rect {
        if !self.typing && self.filter.is_empty() {
            return area;
        }
        let line = Rect { height: 1.min(area.height), ..area };
        canvas.hit(line, Target::Command(Command::Filter));
        canvas.text(line.x + 2, line.y, 2, "/", Role::Accent);
        let width = area.width.saturating_sub(18).min(48);
        let place = Rect { x: line.x + 4, width, ..line };
        Field::new(&self.filter).draw(canvas, place, "letters of the name", self.typing);
        canvas.text(line.x + 5 + width, line.y, 12, &format!("{} found", self.rows.len()), Role::Dim);
        Rect { y: area.y + line.height, height: area.height - line.height, ..area }
    }
}

/// The end of a text with `…` before it, if the whole does not fit.
pub fn cut_front(text: &str, room: u16) -> String {
    if write::width(text) <= room {
        return text.to_owned();
    }
    let starts = text.char_indices().map(|(at, _)| at);
    let fits = |at: &usize| write::width(&text[*at..]) < room;
    let at = starts.into_iter().find(fits).unwrap_or(text.len());
    format!("…{}", &text[at..])
}

fn cells(canvas: &Canvas, item: &Item, filter: &str) -> Vec<Cell> {
    let entry = &item.entry;
    let cell = |text: String, role: Role| Cell::from(canvas.piece(text, role));
    let mut cells = vec![Cell::default(); COLUMNS.len()];
    let is_program = entry.sort == FileSort::Regular && entry.mode & 0o111 > 0;
    let role = match (entry.sort, entry.leads_to) {
        (_, FileSort::Absent) => Role::Error,
        (_, FileSort::Folder) => Role::Accent,
        (FileSort::Special, _) => Role::Warn,
        _ if is_program => Role::Ok,
        _ => Role::Text,
    };
    cells[NAME] = cell(item.text.clone(), role);
    cells[NAME].matched = matched(&item.lower, filter);
    match (&entry.target, entry.sort) {
        (Some(target), _) => {
            let slash = if entry.is_folder() { "/" } else { "" };
            let text = format!("{slash} → {}", printable_line(&target.to_string_lossy()));
            cells[NAME].pieces.push(canvas.piece(text, Role::Dim));
        }
        (None, FileSort::Folder) => cells[NAME].pieces.push(canvas.piece("/", Role::Dim)),
        _ => {}
    }
    cells[SIZE] = match entry.sort {
        FileSort::Regular => cell(figures::bytes(entry.bytes), Role::Text),
        _ => cell("–".to_owned(), Role::Dim),
    };
    cells[MODE] = cell(figures::mode(entry.sort, entry.mode), Role::Dim);
    cells[OWNER] = cell(format!("{}:{}", entry.uid, entry.gid), Role::Dim);
    let time = entry.modified.map_or_else(|| "–".to_owned(), |time| time.0.strftime("%Y-%m-%d %H:%M").to_string());
    cells[MODIFIED] = cell(time, Role::Dim);
    cells
}

/// The characters of a name that the filter is about.
fn matched(lower: &str, filter: &str) -> Vec<usize> {
    let needle = filter.to_lowercase();
    match lower.find(&needle) {
        Some(at) if !needle.is_empty() => {
            let first = lower[..at].chars().count();
            (first..first + needle.chars().count()).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_lose_their_beginning() {
        assert_eq!(cut_front("/usr/share", 10), "/usr/share");
        assert_eq!(cut_front("/usr/share/nginx", 10), "…are/nginx");
        assert_eq!(cut_front("/漢字/漢字", 6), "…/漢字");
        assert_eq!(cut_front("/x", 0), "…");
    }
}
