//! A question before something ends or is destroyed. What destroys is never what Enter does by itself.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::{buttons, window};
use crate::tui::canvas::Canvas;
use crate::tui::effect::Effect;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;

/// A question with two answers.
#[derive(Clone, Debug)]
pub struct Confirm {
    title: String,
    text: String,
    /// The verb on the button that does it.
    yes: String,
    effect: Effect,
    /// 0 is the button that leaves all as it is.
    focus: usize,
    grave: bool,
}

impl Confirm {
    /// A question whose answer loses something for ever: Enter alone cancels.
    pub fn grave(title: impl Into<String>, text: impl Into<String>, yes: impl Into<String>, effect: Effect) -> Self {
        Self { title: title.into(), text: text.into(), yes: yes.into(), effect, focus: 0, grave: true }
    }

    /// A question whose answer can be made good again: Enter alone goes on.
    pub fn light(title: impl Into<String>, text: impl Into<String>, yes: impl Into<String>, effect: Effect) -> Self {
        Self { title: title.into(), text: text.into(), yes: yes.into(), effect, focus: 1, grave: false }
    }

    pub fn key(&mut self, key: &KeyEvent) -> Vec<Step> {
        match key.code {
            KeyCode::Left | KeyCode::Right | KeyCode::Tab | KeyCode::BackTab | KeyCode::Char('h' | 'l') => {
                self.focus = 1 - self.focus;
                Vec::new()
            }
            KeyCode::Enter => self.click(self.focus),
            KeyCode::Char('y') => self.click(1),
            KeyCode::Esc | KeyCode::Char('n' | 'q') => self.click(0),
            KeyCode::Char('c') if key.modifiers.contains(crossterm::event::KeyModifiers::CONTROL) => self.click(0),
            _ => Vec::new(),
        }
    }

    pub fn click(&mut self, button: usize) -> Vec<Step> {
        match button {
            1 => vec![Step::CloseDialog, Step::Do(self.effect.clone())],
            _ => vec![Step::CloseDialog],
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let width = area.width.min(56);
        let lines = wrap(&self.text, usize::from(width.saturating_sub(6)));
        let height = u16::try_from(lines.len()).unwrap_or(1) + 6;
        let border = if self.grave { Role::Error } else { Role::BorderFocused };
        let inner = window(canvas, area, (width, height), &self.title, border);
        for (line, y) in lines.iter().zip(inner.y + 1..) {
            canvas.text(inner.x + 1, y, inner.width.saturating_sub(1), line, Role::Text);
        }
        let row = Rect { y: inner.bottom().saturating_sub(2), height: 1, ..inner };
        let yes = format!("{} (y)", self.yes);
        buttons(canvas, row, &["Cancel (esc)", &yes], Some(self.focus));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter() -> KeyEvent {
        KeyCode::Enter.into()
    }

    #[test]
    fn grave_question_is_not_answered_by_enter_alone() {
        let mut dialog = Confirm::grave("t", "x", "Remove", Effect::ListImages);
        assert!(matches!(dialog.key(&enter())[..], [Step::CloseDialog]));
        dialog.key(&KeyCode::Tab.into());
        assert!(matches!(dialog.key(&enter())[..], [Step::CloseDialog, Step::Do(Effect::ListImages)]));
        assert!(matches!(dialog.key(&KeyCode::Char('y').into())[..], [Step::CloseDialog, Step::Do(_)]));
    }
}
