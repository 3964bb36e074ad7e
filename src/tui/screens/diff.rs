//! What a container has changed of its image's files.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::layers::rows::Cursor;
use crate::model::{Change, ChangeKind, Id};
use crate::tui::action::Problem;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{Command, Scope};
use crate::tui::effect::Effect;
use crate::tui::field::Field;
use crate::tui::list_keys::draw_notice;
use crate::tui::step::Step;
use crate::tui::theme::Role;

/// The screen's state, about one container.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    id: Option<Id>,
    changes: Vec<(ChangeKind, String)>,
    problem: Option<Problem>,
    known: bool,
    only: Option<ChangeKind>,
    filter: String,
    pub typing: bool,
    /// Those that are shown, by their place among all.
    rows: Vec<usize>,
    cursor: Cursor,
}

impl Diff {
    pub const SCOPES: &'static [Scope] = &[Scope::Diff, Scope::Detail, Scope::List, Scope::Everywhere];

    /// Forgets another container's; asks in any case, as files change.
    pub fn open(&mut self, id: &Id) -> Vec<Step> {
        if self.id.as_ref() != Some(id) {
            *self = Self { id: Some(id.clone()), ..Self::default() };
        }
        vec![Step::Do(Effect::Diff(id.clone()))]
    }

    pub fn told(&mut self, id: &Id, result: Result<Vec<Change>, Problem>) {
        if self.id.as_ref() != Some(id) {
            return;
        }
        self.known = true;
        match result {
            Ok(changes) => {
                let line = |change: Change| (change.kind, change.path.to_string_lossy().into_owned());
                self.changes = changes.into_iter().map(line).collect();
                self.problem = None;
            }
            Err(problem) => self.problem = Some(problem),
        }
        self.pick();
    }

    fn pick(&mut self) {
        let needle = self.filter.to_lowercase();
        let wanted = |(kind, path): &(ChangeKind, String)| {
            self.only.is_none_or(|only| only == *kind) && path.to_lowercase().contains(&needle)
        };
        let rows = self.changes.iter().enumerate().filter(|(_, change)| wanted(change)).map(|(at, _)| at).collect();
        self.rows = rows;
        self.cursor.go_to(self.cursor.index, self.rows.len());
    }

    pub fn typed(&mut self, key: &KeyEvent) -> bool {
        if !self.typing {
            return false;
        }
        match key.code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Up | KeyCode::Down | KeyCode::PageUp | KeyCode::PageDown => return false,
            _ => {
                let mut field = Field::new(&self.filter);
                field.key(key);
                self.filter = field.text();
            }
        }
        self.pick();
        true
    }

    pub fn command(&mut self, command: Command, height: usize) -> Vec<Step> {
        match command {
            Command::Back if !self.filter.is_empty() => {
                self.filter.clear();
                self.pick();
            }
            Command::Back => return vec![Step::Back],
            Command::Filter => self.typing = true,
            Command::DiffAgain => return self.id.iter().map(|id| Step::Do(Effect::Diff(id.clone()))).collect(),
            Command::DiffChanges => {
                self.only = match self.only {
                    None => Some(ChangeKind::Added),
                    Some(ChangeKind::Added) => Some(ChangeKind::Changed),
                    Some(ChangeKind::Changed) => Some(ChangeKind::Deleted),
                    Some(ChangeKind::Deleted) => None,
                };
                self.pick();
            }
            _ => self.cursor.command(command, self.rows.len(), height),
        }
        Vec::new()
    }

    pub fn click(&mut self, target: Target) -> Vec<Step> {
        if let Target::Row(row) = target {
            self.cursor.go_to(row, self.rows.len());
        }
        Vec::new()
    }

    pub fn wheel(&mut self, lines: isize) {
        let to = self.cursor.index.saturating_add_signed(lines);
        self.cursor.go_to(to, self.rows.len());
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        if let Some(problem) = &self.problem {
            let hint = problem.hint.clone().unwrap_or_else(|| "Esc goes back.".to_owned());
            return draw_notice(canvas, area, &[&problem.message, "", &hint]);
        }
        if !self.known {
            return draw_notice(canvas, area, &["reading its files …"]);
        }
        let count = |kind| self.changes.iter().filter(|(own, _)| *own == kind).count();
        let mut x = area.x + 2;
        for kind in [ChangeKind::Added, ChangeKind::Changed, ChangeKind::Deleted] {
            let (letter, word, role) = look(kind);
            let role = if self.only.is_none_or(|only| only == kind) { role } else { Role::Dim };
            let text = format!("{letter} {} {word}", count(kind));
            x += canvas.text(x, area.y, area.right().saturating_sub(x), &text, role) + 3;
        }
        let mut top = area.y + 2;
        if self.typing || !self.filter.is_empty() {
            canvas.text(area.x + 2, top, 2, "/", Role::Accent);
            let width = 40.min(area.width.saturating_sub(20));
            let place = Rect { x: area.x + 4, y: top, width, height: 1 };
            Field::new(&self.filter).draw(canvas, place, "letters of the path", self.typing);
            canvas.text(place.right() + 1, top, 14, &format!("{} shown", self.rows.len()), Role::Dim);
            top += 1;
        }
        let body = Rect { y: top, height: area.bottom().saturating_sub(top), ..area };
        let height = usize::from(body.height);
        canvas.seen.list_height = height;
        if self.rows.is_empty() {
            let line = match self.changes.is_empty() {
                true => "It has changed no file of its image.",
                false => "No changed path matches.",
            };
            return draw_notice(canvas, body, &[line]);
        }
        let first = self.cursor.first(self.rows.len(), height);
        for ((index, row), y) in self.rows.iter().enumerate().skip(first).zip(body.y..body.bottom()) {
            let line = Rect { y, height: 1, ..body };
            canvas.hit(line, Target::Row(index));
            if index == self.cursor.index {
                canvas.ground(line, Role::Selected);
                canvas.text(line.x, y, 1, "▌", Role::Accent);
            }
            let (kind, path) = &self.changes[*row];
            let (letter, _, role) = look(*kind);
            canvas.text(line.x + 2, y, 1, letter, role);
            canvas.text(line.x + 4, y, line.width.saturating_sub(6), path, role);
        }
        canvas.scrollbar(body, first, height, self.rows.len());
    }
}

/// Docker's letter, the word, and the colour.
fn look(kind: ChangeKind) -> (&'static str, &'static str, Role) {
    match kind {
        ChangeKind::Added => ("A", "added", Role::Ok),
        ChangeKind::Changed => ("C", "changed", Role::Text),
        ChangeKind::Deleted => ("D", "deleted", Role::Error),
    }
}
