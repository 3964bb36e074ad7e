//! The palette: find what can be done here by typing some letters of it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use super::window;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::{COMMANDS, Entry, Scope};
use crate::tui::field::Field;
use crate::tui::filter::{Filter, Matched, matcher};
use crate::tui::keymap::Keymap;
use crate::tui::step::Step;
use crate::tui::theme::Role;

/// The commands of some scopes, narrowed by what has been typed.
#[derive(Clone, Debug)]
pub struct Palette {
    scopes: Vec<Scope>,
    field: Field,
    selected: usize,
}

/// Rows shown at most.
const ROWS: u16 = 12;

impl Palette {
    pub fn new(scopes: &[Scope]) -> Self {
        Self { scopes: scopes.to_vec(), field: Field::default(), selected: 0 }
    }

    fn found(&self) -> Vec<(&'static Entry, Matched)> {
        let (filter, matcher) = (Filter { text: self.field.text() }, matcher());
        let here = COMMANDS.iter().filter(|entry| self.scopes.contains(&entry.scope));
        let mut found: Vec<_> =
            here.filter_map(|entry| Some((entry, filter.matches(&matcher, &text(entry))?))).collect();
        found.sort_by_key(|(_, matched)| std::cmp::Reverse(matched.score));
        found
    }

    pub fn paste(&mut self, text: &str) {
        self.field.paste(text);
        self.selected = 0;
    }

    pub fn go(&mut self, rows: isize) {
        let last = self.found().len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(rows).min(last);
    }

    pub fn click(&mut self, row: usize) -> Vec<Step> {
        self.selected = row;
        self.run()
    }

    fn run(&self) -> Vec<Step> {
        let mut steps = vec![Step::CloseDialog];
        steps.extend(self.found().get(self.selected).map(|(entry, _)| Step::Command(entry.command)));
        steps
    }

    pub fn key(&mut self, key: &KeyEvent) -> Vec<Step> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return vec![Step::CloseDialog],
            KeyCode::Char('c') if control => return vec![Step::CloseDialog],
            KeyCode::Enter => return self.run(),
            KeyCode::Up => self.go(-1),
            KeyCode::Down | KeyCode::Tab => self.go(1),
            KeyCode::Char('p') if control => self.go(-1),
            KeyCode::Char('n') if control => self.go(1),
            KeyCode::PageUp => self.go(-10),
            KeyCode::PageDown => self.go(10),
            _ => {
                if self.field.key(key) {
                    self.selected = 0;
                }
            }
        }
        Vec::new()
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, keymap: &Keymap) {
        let found = self.found();
        let inner = window(canvas, area, (68, ROWS + 4), "Commands", Role::BorderFocused);
        self.field.draw(canvas, Rect { height: 1, ..inner }, "type some letters", true);
        let rows = usize::from(inner.height.saturating_sub(2));
        let first = (self.selected + 1).saturating_sub(rows);
        for ((index, (entry, matched)), y) in found.iter().enumerate().skip(first).take(rows).zip(inner.y + 2..) {
            let line = Rect { y, height: 1, ..inner };
            canvas.hit(line, Target::Row(index));
            if index == self.selected {
                canvas.ground(line, Role::Selected);
            }
            let key = keymap.label(entry.command).unwrap_or_default();
            let style = canvas.style(Role::Text);
            canvas.matched((line.x + 1, y), line.width.saturating_sub(12), &text(entry), style, &matched.positions);
            canvas.text_right(line.right() - 1, y, 10, &key, Role::Accent);
        }
        if found.is_empty() {
            canvas.text(inner.x + 1, inner.y + 2, inner.width, "nothing here is called that", Role::Dim);
        }
    }
}

/// What is searched and shown of a command.
fn text(entry: &Entry) -> String {
    format!("{}: {}", entry.name, entry.help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::commands::Command;

    #[test]
    fn palette_runs_the_best_match() {
        let mut palette = Palette::new(&[Scope::Containers, Scope::Everywhere]);
        palette.paste("restart");
        assert!(matches!(
            palette.key(&KeyCode::Enter.into())[..],
            [Step::CloseDialog, Step::Command(Command::Restart)]
        ));
        palette.paste("zzzzqq");
        assert!(matches!(palette.key(&KeyCode::Enter.into())[..], [Step::CloseDialog]));
    }
}
