//! How a form is drawn: its rows, a sentence to the one that has the keys, notes, buttons.

use ratatui::layout::Rect;

use super::form::{Form, Input};
use super::form_sent::Preview;
use super::{buttons, window};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::theme::Role;
use crate::tui::toast::wrap;

/// Cells of labels with their mark.
const LABEL: u16 = 15;
const WIDTH: u16 = 74;
/// Lines for the sentence below the rows, and for names or notes.
const SENTENCE_LINES: u16 = 2;
const NOTE_LINES: u16 = 4;
/// As many where there is room and something to say.
const MOST_NOTE_LINES: u16 = 12;
/// Rows that are shown however low the terminal is; the others are scrolled to.
const LEAST_ROWS: u16 = 3;

impl Form {
    fn has_notes(&self) -> bool {
        let path = self.rows.iter().any(|row| matches!(row.input, Input::Path(_)));
        path || !self.notes.is_empty() || self.about.waits() || self.preview != Preview::None
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let rows = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
        let wide = usize::from(WIDTH.min(area.width).saturating_sub(7));
        let many = u16::try_from(self.lines(wide).len()).unwrap_or(u16::MAX).min(MOST_NOTE_LINES);
        let notes = if self.has_notes() { NOTE_LINES.max(many) } else { 0 };
        let height = rows.saturating_add(SENTENCE_LINES + notes + 6);
        let title = crate::model::printable_line(&self.title).into_owned();
        let inner = window(canvas, area, (WIDTH, height), &title, Role::BorderFocused);
        let least = LEAST_ROWS.max(inner.height.saturating_sub(SENTENCE_LINES + NOTE_LINES + 4));
        let shown = inner.height.saturating_sub(SENTENCE_LINES + notes + 4).max(least).min(rows);
        let first = self.focus.saturating_sub(usize::from(shown) - 1).min(self.rows.len() - usize::from(shown));
        let list = Rect { y: inner.y + 1, height: shown, ..inner };
        for (index, y) in (first..self.rows.len()).zip(list.y..list.bottom().min(inner.bottom())) {
            self.draw_row(canvas, Rect { y, height: 1, ..inner }, index);
        }
        canvas.scrollbar(Rect { width: list.width + 1, ..list }, first, usize::from(shown), self.rows.len());
        let here = self.problems.iter().find(|(row, _)| *row == self.focus);
        let (text, role) = match here.or(self.problems.first()).filter(|(_, text)| !text.is_empty()) {
            Some((_, text)) => (text.as_str(), Role::Error),
            None => (self.rows[self.focus].help, Role::Dim),
        };
        let room = usize::from(inner.width.saturating_sub(3));
        let buttons_y = inner.bottom().saturating_sub(1);
        let top = list.bottom() + 1;
        for (line, y) in wrap(text, room).iter().zip(top..buttons_y).take(usize::from(SENTENCE_LINES)) {
            canvas.text(inner.x + 2, y, inner.width.saturating_sub(2), line, role);
        }
        let lines = self.lines(room);
        let places = top + SENTENCE_LINES..buttons_y.min(top + SENTENCE_LINES + notes);
        for (index, ((line, role), y)) in lines.iter().zip(places.clone()).enumerate() {
            if index + 1 == places.len() && lines.len() > places.len() {
                let more = format!("and {} lines more", lines.len() - index);
                canvas.text(inner.x + 2, y, inner.width.saturating_sub(2), &more, Role::Dim);
            } else {
                canvas.text(inner.x + 2, y, inner.width.saturating_sub(2), line, *role);
            }
        }
        let place = Rect { y: buttons_y, height: 1, ..inner };
        if self.preview == Preview::Nothing {
            return buttons(canvas, place, &["Close (esc)"], None);
        }
        buttons(canvas, place, &["Cancel (esc)", &format!("{} (enter)", self.verb)], Some(1));
    }

    /// What stands below: why it was refused, else what it comes to, and what a path may become.
    fn lines(&self, room: usize) -> Vec<(String, Role)> {
        if self.is_sent {
            return vec![("under way …".to_owned(), Role::Dim)];
        }
        if !self.refusal.is_empty() {
            return wrapped(&self.refusal, room);
        }
        let mut lines = wrapped(&self.notes, room);
        if !self.names.is_empty() {
            lines.extend(wrap(&self.names.join("  "), room).into_iter().map(|line| (line, Role::Info)));
        }
        lines
    }

    fn draw_row(&self, canvas: &mut Canvas, line: Rect, index: usize) {
        let row = &self.rows[index];
        canvas.hit(line, Target::Field(index));
        let focused = index == self.focus;
        let wrong = self.problems.iter().any(|(at, _)| *at == index);
        let (mark, role) = match (wrong, focused) {
            (true, _) => ("✗", Role::Error),
            (false, true) => ("▸", Role::Accent),
            (false, false) => (" ", Role::Dim),
        };
        canvas.text(line.x, line.y, 1, mark, role);
        canvas.text(line.x + 2, line.y, LABEL - 3, row.label, role);
        let place = Rect { x: line.x + LABEL, width: line.width.saturating_sub(LABEL + 1), ..line };
        let circle = |on: bool| if on { "◉" } else { "○" };
        match &row.input {
            Input::Text(field) | Input::Path(field) => field.draw(canvas, place, row.placeholder, focused),
            Input::Switch(on) => {
                let text = format!("{} {}", circle(*on), if *on { "yes" } else { "no" });
                canvas.text(place.x, place.y, place.width, &text, Role::Text);
            }
            Input::Choice { words, chosen } => {
                let mut x = place.x;
                for (at, word) in words.iter().enumerate() {
                    let room = place.right().saturating_sub(x);
                    let text = format!("{} {word}", circle(at == *chosen));
                    let used = canvas.text(x, place.y, room, &text, Role::Text);
                    canvas.hit(Rect { x, width: used, ..place }, Target::Word { field: index, word: at });
                    x += used + 3;
                }
            }
            Input::List { names, chosen, typed } => draw_list(canvas, place, names, *chosen, typed),
        }
    }
}

fn wrapped(lines: &[(String, Role)], room: usize) -> Vec<(String, Role)> {
    lines.iter().flat_map(|(text, role)| wrap(text, room).into_iter().map(|line| (line, *role))).collect()
}

/// The chosen name between arrows, what is typed to find it, and those that come next as far as there is room.
fn draw_list(canvas: &mut Canvas, place: Rect, names: &[String], chosen: usize, typed: &str) {
    let Some(name) = names.get(chosen) else { return };
    let mut x = place.x;
    let room = |x: u16| place.right().saturating_sub(x);
    if names.len() > 1 {
        x += canvas.text(x, place.y, room(x), "◂ ", Role::Key);
    }
    let count = format!("  {} of {}", chosen + 1, names.len());
    let width = room(x).saturating_sub(crate::tui::widgets::write::width(&count) + 2);
    x += canvas.text(x, place.y, width, name, Role::Accent);
    if names.len() > 1 {
        x += canvas.text(x, place.y, room(x), " ▸", Role::Key);
        x += canvas.text(x, place.y, room(x), &count, Role::Dim);
        if !typed.is_empty() {
            canvas.text(x, place.y, room(x), &format!("  with {typed}"), Role::Info);
        }
    }
}
