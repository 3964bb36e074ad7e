//! What all lists have in common for keys and drawing: moving, the filter line, sorting, the notice of an empty list.

use std::cmp::Ordering;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use super::canvas::{Canvas, Target};
use super::commands::Command;
use super::field::Field;
use super::filter::{Matched, matcher};
use super::list::{List, Move};
use super::table::Column;
use super::theme::Role;

/// A list's columns, and those of them that are best begun with the greatest.
pub struct Columns<'a>(pub &'a [Column], pub &'a [usize]);

/// The things that pass a list's filter, in its order, each with where it matched.
pub fn pick<'a, T, K: Clone + PartialEq>(
    things: impl Iterator<Item = &'a T>,
    list: &List<K>,
    text: impl Fn(&T) -> String,
    order: impl Fn(&T, &T) -> Ordering,
) -> Vec<(&'a T, Matched)> {
    let matcher = matcher();
    let mut picked: Vec<(&T, Matched)> =
        things.filter_map(|thing| Some((thing, list.filter.matches(&matcher, &text(thing))?))).collect();
    picked.sort_by(|(a, _), (b, _)| order(a, b));
    picked
}

/// A click on a row or a column's head. True when it was on the row that was selected already: that opens it.
pub fn click<K: Clone + PartialEq>(list: &mut List<K>, target: Target, keys: &[K], columns: Columns) -> bool {
    match target {
        Target::Row(row) => {
            let again = list.selected(keys).is_some_and(|(index, _)| index == row);
            list.go(keys, Move::To(row));
            again
        }
        Target::Column(column) => {
            list.sort.click(column, columns.1.contains(&column));
            false
        }
        _ => false,
    }
}

/// Does what every list does with a command; false for commands that are not about lists.
pub fn command<K: Clone + PartialEq>(list: &mut List<K>, command: Command, keys: &[K], columns: Columns) -> bool {
    match command {
        Command::Up => list.go(keys, Move::By(-1)),
        Command::Down => list.go(keys, Move::By(1)),
        Command::PageUp => list.go(keys, Move::Pages(-1)),
        Command::PageDown => list.go(keys, Move::Pages(1)),
        Command::Top => list.go(keys, Move::First),
        Command::Bottom => list.go(keys, Move::Last),
        Command::Filter => list.filtering = true,
        Command::SortNext | Command::SortPrevious => {
            let step = if command == Command::SortNext { 1 } else { -1 };
            // Columns without a title stand for the one before them.
            loop {
                list.sort.step(columns.0.len(), step);
                if columns.0.get(list.sort.column).is_none_or(|column| !column.title.is_empty()) {
                    break;
                }
            }
            list.sort.descending = columns.1.contains(&list.sort.column);
        }
        Command::SortReverse => list.sort.descending = !list.sort.descending,
        Command::Mark => list.toggle_mark(keys),
        Command::MarkInvert => list.invert_marks(keys),
        Command::MarkAll => list.mark_all(keys),
        Command::Back if list.clear_marks() => {}
        Command::Back if !list.filter.is_empty() => list.filter.text.clear(),
        _ => return false,
    }
    true
}

/// A key while the filter is typed: letters go into it, Enter keeps it, Esc drops it. False if it is not being typed, or
/// for keys that move in the list.
pub fn typed<K: Clone + PartialEq>(list: &mut List<K>, key: &KeyEvent) -> bool {
    if !list.filtering {
        return false;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Enter => list.filtering = false,
        KeyCode::Esc => {
            list.filtering = false;
            list.filter.text.clear();
        }
        KeyCode::Char('c') if control => {
            list.filtering = false;
            list.filter.text.clear();
        }
        KeyCode::Backspace if list.filter.text.is_empty() => list.filtering = false,
        KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown => return false,
        _ => {
            let mut field = Field::new(&list.filter.text);
            field.key(key);
            list.filter.text = field.text();
        }
    }
    true
}

/// Draws the filter above a list while there is one; returns what is left for the list.
pub fn draw_filter<K: Clone + PartialEq>(canvas: &mut Canvas, area: Rect, list: &List<K>, found: usize) -> Rect {
    if !list.filtering && list.filter.is_empty() {
        return area;
    }
    let line = Rect { height: 1.min(area.height), ..area };
    canvas.hit(line, Target::Command(Command::Filter));
    canvas.text(line.x + 2, line.y, 2, "/", Role::Accent);
    let count = format!("{found} found");
    let width = area.width.saturating_sub(18).min(48);
    Field::new(&list.filter.text).draw(
        canvas,
        Rect { x: line.x + 4, width, ..line },
        "letters of what is looked for",
        list.filtering,
    );
    canvas.text(line.x + 5 + width, line.y, 12, &count, Role::Dim);
    Rect { y: area.y + line.height, height: area.height - line.height, ..area }
}

/// Lines in the middle of an empty list; the first is what is so, the others are what to do.
pub fn draw_notice(canvas: &mut Canvas, area: Rect, lines: &[&str]) {
    let height = u16::try_from(lines.len()).unwrap_or(0);
    let top = area.y + area.height.saturating_sub(height) / 3;
    for (index, (line, y)) in lines.iter().zip(top..area.bottom()).enumerate() {
        let role = if index == 0 { Role::Title } else { Role::Dim };
        canvas.text_centered(Rect { y, height: 1, ..area }, line, role);
    }
}
