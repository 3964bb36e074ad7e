//! One line of text asked for: a container's new name.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::window;
use crate::model::{Id, Name};
use crate::tui::canvas::Canvas;
use crate::tui::effect::{Effect, Verb};
use crate::tui::field::Field;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;

/// Asks for another name of a container.
#[derive(Clone, Debug)]
pub struct Prompt {
    id: Id,
    name: Name,
    field: Field,
    error: Option<String>,
}

impl Prompt {
    pub fn rename(id: Id, name: Name) -> Self {
        Self { field: Field::new(name.as_str()), id, name, error: None }
    }

    pub fn paste(&mut self, text: &str) {
        self.field.paste(text);
    }

    pub fn key(&mut self, key: &KeyEvent) -> Vec<Step> {
        match key.code {
            KeyCode::Esc => return vec![Step::CloseDialog],
            KeyCode::Char('c') if key.modifiers.contains(crossterm::event::KeyModifiers::CONTROL) => {
                return vec![Step::CloseDialog];
            }
            KeyCode::Enter => match self.field.text().trim().parse::<Name>() {
                Ok(name) if name == self.name => return vec![Step::CloseDialog],
                Ok(name) => {
                    let verb = Verb::Rename(name);
                    let effect = Effect::Verb { id: self.id.clone(), name: self.name.clone(), verb };
                    return vec![Step::CloseDialog, Step::Do(effect)];
                }
                Err(error) => self.error = Some(error.to_string()),
            },
            _ => {
                if self.field.key(key) {
                    self.error = None;
                }
            }
        }
        Vec::new()
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let inner = window(canvas, area, (56, 7), &format!("Rename {}", self.name), Role::BorderFocused);
        self.field.draw(canvas, Rect { y: inner.y + 1, height: 1, ..inner }, "name", true);
        let (text, role) = match &self.error {
            Some(error) => (error.as_str(), Role::Error),
            None => ("enter renames   esc cancels", Role::Dim),
        };
        for (line, y) in wrap(text, usize::from(inner.width)).iter().zip(inner.y + 3..inner.bottom()) {
            canvas.text(inner.x, y, inner.width, line, role);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_with_bad_name_says_why_and_stays() {
        let mut prompt = Prompt::rename(Id::from_bytes([1; 32]), "old_name".parse().expect("valid"));
        prompt.key(&KeyCode::Char('/').into());
        assert!(prompt.key(&KeyCode::Enter.into()).is_empty());
        assert!(prompt.error.is_some());
        prompt.key(&KeyCode::Backspace.into());
        prompt.key(&KeyCode::Char('2').into());
        assert!(matches!(prompt.key(&KeyCode::Enter.into())[..], [Step::CloseDialog, Step::Do(Effect::Verb { .. })]));
    }
}
