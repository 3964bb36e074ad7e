//! A form of a few rows: texts, paths that Tab completes, switches and choices, checked as they are typed.
//!
//! What a form is about, and what Enter comes to, is its [`About`]'s; the form knows rows only.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use super::{About, buttons, window};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::effect::Effect;
use crate::tui::field::Field;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;

/// What stands in a row.
#[derive(Clone, Debug)]
pub enum Input {
    Text(Field),
    /// A file's path: Tab completes it.
    Path(Field),
    Switch(bool),
    Choice {
        words: &'static [&'static str],
        chosen: usize,
    },
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    pub label: &'static str,
    pub placeholder: &'static str,
    /// What to write there, in a sentence.
    pub help: &'static str,
    pub input: Input,
}

impl Row {
    pub fn text(label: &'static str, text: &str, placeholder: &'static str, help: &'static str) -> Self {
        Self { label, placeholder, help, input: Input::Text(Field::new(text)) }
    }

    pub fn path(label: &'static str, text: &str, help: &'static str) -> Self {
        Self { label, placeholder: "a file's path", help, input: Input::Path(Field::new(text)) }
    }

    pub fn switch(label: &'static str, on: bool, help: &'static str) -> Self {
        Self { label, placeholder: "", help, input: Input::Switch(on) }
    }

    pub fn choice(label: &'static str, words: &'static [&'static str], chosen: usize, help: &'static str) -> Self {
        Self { label, placeholder: "", help, input: Input::Choice { words, chosen } }
    }
}

/// What is wrong with a row, by its place.
pub type Wrong = (usize, String);

/// The form.
#[derive(Clone, Debug)]
pub struct Form {
    pub about: About,
    title: String,
    /// The verb on the button.
    verb: &'static str,
    pub rows: Vec<Row>,
    focus: usize,
    problems: Vec<Wrong>,
    /// Files that the path being typed may become.
    names: Vec<String>,
    /// What it comes to, told while it is filled in.
    pub notes: Vec<(String, Role)>,
}

/// Cells of labels with their mark.
const LABEL: u16 = 15;
const WIDTH: u16 = 74;
/// Lines for the sentence below the rows, and for names or notes.
const SENTENCE_LINES: u16 = 2;
const NOTE_LINES: u16 = 4;

impl Form {
    pub fn new(about: About, title: impl Into<String>, verb: &'static str, rows: Vec<Row>) -> Self {
        Self {
            about,
            title: title.into(),
            verb,
            rows,
            focus: 0,
            problems: Vec::new(),
            names: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The text of a row, without blanks around it.
    pub fn text(&self, row: usize) -> String {
        match self.rows.get(row).map(|row| &row.input) {
            Some(Input::Text(field) | Input::Path(field)) => field.text().trim().to_owned(),
            _ => String::new(),
        }
    }

    pub fn is_on(&self, row: usize) -> bool {
        matches!(self.rows.get(row).map(|row| &row.input), Some(Input::Switch(true)))
    }

    pub fn chosen(&self, row: usize) -> usize {
        match self.rows.get(row).map(|row| &row.input) {
            Some(Input::Choice { chosen, .. }) => *chosen,
            _ => 0,
        }
    }

    fn field(&mut self) -> Option<&mut Field> {
        match &mut self.rows[self.focus].input {
            Input::Text(field) | Input::Path(field) => Some(field),
            _ => None,
        }
    }

    pub fn paste(&mut self, text: &str) {
        if let Some(field) = self.field() {
            field.paste(text);
            self.typed();
        }
    }

    /// What is wrong with the row that is typed in is said at once; with others only after Enter.
    fn typed(&mut self) {
        self.names.clear();
        let focus = self.focus;
        self.problems.retain(|(row, _)| *row != focus);
        if !self.text(focus).is_empty() {
            let wrong = self.about.apply(self).err().unwrap_or_default();
            self.problems.extend(wrong.into_iter().filter(|(row, _)| *row == focus));
        }
    }

    fn apply(&mut self) -> Vec<Step> {
        match self.about.apply(self) {
            Ok(steps) => std::iter::once(Step::CloseDialog).chain(steps).collect(),
            Err(problems) => {
                if let Some((first, _)) = problems.first() {
                    self.focus = *first;
                }
                self.problems = problems;
                Vec::new()
            }
        }
    }

    fn go(&mut self, rows: usize) {
        self.focus = (self.focus + rows) % self.rows.len();
        self.names.clear();
    }

    /// To the next choice of a row that is not typed in.
    fn change(&mut self, back: bool) -> Vec<Step> {
        match &mut self.rows[self.focus].input {
            Input::Switch(on) => *on = !*on,
            Input::Choice { words, chosen } => {
                let step = if back { words.len() - 1 } else { 1 };
                *chosen = (*chosen + step) % words.len();
            }
            Input::Text(_) | Input::Path(_) => return Vec::new(),
        }
        self.problems.clear();
        self.about.changed(self)
    }

    pub fn key(&mut self, key: &KeyEvent) -> Vec<Step> {
        match key.code {
            KeyCode::Esc => return vec![Step::CloseDialog],
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return vec![Step::CloseDialog],
            KeyCode::Enter => return self.apply(),
            KeyCode::Tab if matches!(self.rows[self.focus].input, Input::Path(_)) => {
                return vec![Step::Do(Effect::CompletePath { text: self.text(self.focus) })];
            }
            KeyCode::Tab | KeyCode::Down => self.go(1),
            KeyCode::BackTab | KeyCode::Up => self.go(self.rows.len() - 1),
            _ => {
                if let Some(field) = self.field() {
                    if field.key(key) {
                        self.typed();
                        return self.about.changed(self);
                    }
                } else if let KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right = key.code {
                    return self.change(key.code == KeyCode::Left);
                }
            }
        }
        Vec::new()
    }

    /// What a path can be completed to has been looked up.
    pub fn completed(&mut self, typed: &str, path: &str, names: Vec<String>) {
        if self.text(self.focus) != typed {
            return;
        }
        if let Input::Path(field) = &mut self.rows[self.focus].input {
            *field = Field::new(path);
            self.typed();
            self.names = names;
        }
    }

    pub fn click_button(&mut self, index: usize) -> Vec<Step> {
        if index == 1 { self.apply() } else { vec![Step::CloseDialog] }
    }

    /// A click on a row: it gets the keys; one that is not typed in changes at once.
    pub fn click_field(&mut self, index: usize) -> Vec<Step> {
        self.focus = index.min(self.rows.len() - 1);
        self.change(false)
    }

    fn has_notes(&self) -> bool {
        !self.notes.is_empty() || self.rows.iter().any(|row| matches!(row.input, Input::Path(_)))
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let rows = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
        let notes = if self.has_notes() { NOTE_LINES } else { 0 };
        let height = rows + SENTENCE_LINES + notes + 6;
        let title = crate::model::printable_line(&self.title).into_owned();
        let inner = window(canvas, area, (WIDTH, height), &title, Role::BorderFocused);
        for (index, y) in (0..self.rows.len()).zip(inner.y + 1..inner.bottom()) {
            self.draw_row(canvas, Rect { y, height: 1, ..inner }, index);
        }
        let here = self.problems.iter().find(|(row, _)| *row == self.focus);
        let (text, role) = match here.or(self.problems.first()) {
            Some((_, text)) => (text.as_str(), Role::Error),
            None => (self.rows[self.focus].help, Role::Dim),
        };
        let room = usize::from(inner.width.saturating_sub(3));
        let buttons_y = inner.bottom().saturating_sub(1);
        let top = inner.y + rows + 2;
        for (line, y) in wrap(text, room).iter().zip(top..buttons_y).take(usize::from(SENTENCE_LINES)) {
            canvas.text(inner.x + 2, y, inner.width.saturating_sub(2), line, role);
        }
        let mut lines: Vec<(String, Role)> = self.notes.clone();
        if !self.names.is_empty() {
            lines.extend(wrap(&self.names.join("  "), room).into_iter().map(|line| (line, Role::Info)));
        }
        for ((line, role), y) in lines.iter().take(usize::from(NOTE_LINES)).zip(top + SENTENCE_LINES..buttons_y) {
            canvas.text(inner.x + 2, y, inner.width.saturating_sub(2), line, *role);
        }
        let place = Rect { y: buttons_y, height: 1, ..inner };
        buttons(canvas, place, &["Cancel (esc)", &format!("{} (enter)", self.verb)], Some(1));
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
                let words = words.iter().enumerate().map(|(at, word)| format!("{} {word}", circle(at == *chosen)));
                let text = words.collect::<Vec<_>>().join("   ");
                canvas.text(place.x, place.y, place.width, &text, Role::Text);
            }
        }
    }
}
