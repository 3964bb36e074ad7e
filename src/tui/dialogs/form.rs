//! A form of a few rows: texts, paths that Tab completes, switches and choices, checked as they are typed.
//!
//! What a form is about, and what Enter comes to, is its [`About`]'s; the form knows rows only.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::About;
use super::form_sent::Preview;
use crate::tui::effect::Effect;
use crate::tui::field::Field;
use crate::tui::step::Step;
use crate::tui::theme::Role;

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
    /// One of many: letters go to the next that contains them.
    List {
        names: Vec<String>,
        chosen: usize,
        typed: String,
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

    pub fn list(label: &'static str, names: Vec<String>, help: &'static str) -> Self {
        Self { label, placeholder: "", help, input: Input::List { names, chosen: 0, typed: String::new() } }
    }
}

/// What is wrong with a row, by its place.
pub type Wrong = (usize, String);

/// The form.
#[derive(Clone, Debug)]
pub struct Form {
    pub about: About,
    pub(super) title: String,
    /// The verb on the button.
    pub(super) verb: &'static str,
    pub rows: Vec<Row>,
    pub(super) focus: usize,
    pub(super) problems: Vec<Wrong>,
    /// Files that the path being typed may become.
    pub(super) names: Vec<String>,
    /// What it comes to, told while it is filled in.
    pub notes: Vec<(String, Role)>,
    /// Something in it is not as it was opened.
    pub(super) touched: bool,
    /// It has been sent off, and what comes of it is waited for.
    pub(super) is_sent: bool,
    /// Why what was sent off was refused.
    pub(super) refusal: Vec<(String, Role)>,
    /// What happens when the files that it names have been looked at.
    pub(super) held: Vec<Step>,
    /// What is known of what it would remove.
    pub(super) preview: Preview,
}

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
            touched: false,
            is_sent: false,
            refusal: Vec::new(),
            held: Vec::new(),
            preview: Preview::None,
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
            Some(Input::Choice { chosen, .. } | Input::List { chosen, .. }) => *chosen,
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
        self.touched = true;
        self.looks_again();
        self.names.clear();
        self.refusal.clear();
        let focus = self.focus;
        self.problems.retain(|(row, _)| *row != focus);
        if !self.text(focus).is_empty() {
            let wrong = self.about.apply(self).err().unwrap_or_default();
            self.problems.extend(wrong.into_iter().filter(|(row, _)| *row == focus));
        }
        self.note();
    }

    fn note(&mut self) {
        if let Some(notes) = self.about.notes(self) {
            self.notes = notes;
        }
    }

    pub(super) fn apply(&mut self) -> Vec<Step> {
        if self.is_sent {
            return Vec::new();
        }
        match self.about.apply(self) {
            Ok(steps) => self.go_ahead(steps),
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
            Input::List { names, chosen, typed } => {
                let step = if back { names.len().saturating_sub(1) } else { 1 };
                *chosen = (*chosen + step) % names.len().max(1);
                typed.clear();
            }
            Input::Text(_) | Input::Path(_) => return Vec::new(),
        }
        self.changed()
    }

    /// Another choice: what was wrong may be right now.
    fn changed(&mut self) -> Vec<Step> {
        self.touched = true;
        self.problems.clear();
        self.refusal.clear();
        self.looks_again();
        self.note();
        self.about.changed(self)
    }

    /// Goes to the first name of a list that contains what is typed; a letter that fits none is not taken.
    fn jump(&mut self, letter: Option<char>) {
        let Input::List { names, chosen, typed } = &mut self.rows[self.focus].input else { return };
        let Some(letter) = letter else {
            typed.pop();
            return;
        };
        let wanted = format!("{typed}{}", letter.to_lowercase());
        let begins = names.iter().position(|name| name.to_lowercase().starts_with(&wanted));
        if let Some(at) = begins.or_else(|| names.iter().position(|name| name.to_lowercase().contains(&wanted))) {
            (*chosen, *typed) = (at, wanted);
            self.refusal.clear();
            self.note();
        }
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
                } else if let KeyCode::Char(letter) = key.code {
                    self.jump(Some(letter));
                } else if key.code == KeyCode::Backspace {
                    self.jump(None);
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

    /// A click on a row: it gets the keys; a switch changes at once, and of a list the next comes.
    pub fn click_field(&mut self, index: usize) -> Vec<Step> {
        self.focus = index.min(self.rows.len() - 1);
        match self.rows[self.focus].input {
            // Beside the words of a choice there is nothing to choose.
            Input::Choice { .. } => Vec::new(),
            _ => self.change(false),
        }
    }

    /// A click on a word of a choice chooses it.
    pub fn click_word(&mut self, index: usize, word: usize) -> Vec<Step> {
        self.focus = index.min(self.rows.len() - 1);
        match &mut self.rows[self.focus].input {
            Input::Choice { words, chosen } if *chosen != word && word < words.len() => *chosen = word,
            _ => return Vec::new(),
        }
        self.changed()
    }

    /// The wheel goes through the rows, as far as there are any.
    pub fn scroll(&mut self, lines: isize) {
        self.focus = self.focus.saturating_add_signed(lines.signum()).min(self.rows.len() - 1);
        self.names.clear();
    }
}
