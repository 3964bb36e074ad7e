//! A question before something ends or is destroyed. What destroys is never what Enter does by itself.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::{buttons, window};
use crate::tui::action::Problem;
use crate::tui::canvas::Canvas;
use crate::tui::effect::Effect;
use crate::tui::figures;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;

/// One of the answers that do something.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The verb on the button.
    pub verb: String,
    pub key: char,
    pub effect: Effect,
}

/// A question with an answer that leaves all as it is, and one or more that do not.
#[derive(Clone, Debug)]
pub struct Confirm {
    title: String,
    text: String,
    /// What it frees, once that is known.
    note: String,
    answers: Vec<Answer>,
    /// 0 is the button that leaves all as it is.
    focus: usize,
    grave: bool,
    /// It lies over the form that asks it.
    of_form: bool,
}

impl Confirm {
    fn new(title: impl Into<String>, text: impl Into<String>, answers: Vec<Answer>) -> Self {
        Self {
            title: title.into(),
            text: text.into(),
            note: String::new(),
            answers,
            focus: 0,
            grave: false,
            of_form: false,
        }
    }

    /// A question whose answer loses something for ever: Enter alone cancels.
    pub fn grave(title: impl Into<String>, text: impl Into<String>, yes: impl Into<String>, effect: Effect) -> Self {
        let mut question = Self::new(title, text, vec![Answer { verb: yes.into(), key: 'y', effect }]);
        question.grave = true;
        question
    }

    /// A question whose answer can be made good again: Enter alone goes on.
    pub fn light(title: impl Into<String>, text: impl Into<String>, yes: impl Into<String>, effect: Effect) -> Self {
        let mut question = Self::new(title, text, vec![Answer { verb: yes.into(), key: 'y', effect }]);
        question.focus = 1;
        question
    }

    /// A question that has to be answered by choosing.
    pub fn choice(title: impl Into<String>, text: impl Into<String>, answers: Vec<Answer>) -> Self {
        Self::new(title, text, answers)
    }

    /// Asked by the form below, which waits for what comes of the answer.
    pub fn of_form(mut self) -> Self {
        self.of_form = true;
        self
    }

    /// What removing images frees has been found out.
    pub fn would_free(&mut self, images: &[String], result: &Result<u64, Problem>) {
        let is_this =
            |answer: &Answer| matches!(&answer.effect, Effect::RemoveImages { images: own, .. } if own == images);
        if self.answers.iter().any(is_this) {
            self.note = match result {
                Ok(0) => "It frees nothing: other names or images have all of it.".to_owned(),
                Ok(bytes) => format!("It frees {}.", figures::bytes_long(*bytes)),
                Err(problem) => problem.message.clone(),
            };
        }
    }

    pub fn key(&mut self, key: &KeyEvent) -> Vec<Step> {
        let all = self.answers.len() + 1;
        match key.code {
            KeyCode::Left | KeyCode::BackTab | KeyCode::Char('h') => {
                self.focus = (self.focus + all - 1) % all;
                Vec::new()
            }
            KeyCode::Right | KeyCode::Tab | KeyCode::Char('l') => {
                self.focus = (self.focus + 1) % all;
                Vec::new()
            }
            KeyCode::Enter => self.click(self.focus),
            KeyCode::Esc | KeyCode::Char('n' | 'q') => self.click(0),
            KeyCode::Char('c') if key.modifiers.contains(crossterm::event::KeyModifiers::CONTROL) => self.click(0),
            KeyCode::Char(letter) => match self.answers.iter().position(|answer| answer.key == letter) {
                Some(answer) => self.click(answer + 1),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    pub fn click(&mut self, button: usize) -> Vec<Step> {
        match button.checked_sub(1).and_then(|answer| self.answers.get(answer)) {
            Some(answer) if self.of_form => {
                vec![Step::CloseDialog, Step::FormSent, Step::Do(answer.effect.clone())]
            }
            Some(answer) => vec![Step::CloseDialog, Step::Do(answer.effect.clone())],
            None => vec![Step::CloseDialog],
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let width = area.width.min(56);
        let room = usize::from(width.saturating_sub(6));
        let mut lines: Vec<(String, Role)> =
            wrap(&self.text, room).into_iter().map(|line| (line, Role::Text)).collect();
        if !self.note.is_empty() {
            lines.extend(wrap(&self.note, room).into_iter().map(|line| (line, Role::Accent)));
        }
        let height = u16::try_from(lines.len()).unwrap_or(1) + 6;
        let border = if self.grave { Role::Error } else { Role::BorderFocused };
        let inner = window(canvas, area, (width, height), &self.title, border);
        for ((line, role), y) in lines.iter().zip(inner.y + 1..) {
            canvas.text(inner.x + 1, y, inner.width.saturating_sub(1), line, *role);
        }
        let row = Rect { y: inner.bottom().saturating_sub(2), height: 1, ..inner };
        let mut labels = vec!["Cancel (esc)".to_owned()];
        labels.extend(self.answers.iter().map(|answer| format!("{} ({})", answer.verb, answer.key)));
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        buttons(canvas, row, &labels, Some(self.focus));
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

    #[test]
    fn choice_has_a_key_for_each_answer_and_cancels_by_enter_alone() {
        let answer = |verb: &str, key, effect| Answer { verb: verb.to_owned(), key, effect };
        let answers = vec![answer("Start", 's', Effect::ListImages), answer("Stop", 't', Effect::ListContainers)];
        let mut dialog = Confirm::choice("t", "x", answers);
        assert!(matches!(dialog.key(&enter())[..], [Step::CloseDialog]));
        assert!(matches!(
            dialog.key(&KeyCode::Char('t').into())[..],
            [Step::CloseDialog, Step::Do(Effect::ListContainers)]
        ));
        assert!(dialog.key(&KeyCode::Char('y').into()).is_empty());
    }

    #[test]
    fn what_removing_frees_is_told_to_its_own_question() {
        let images = vec!["a".to_owned()];
        let effect = Effect::RemoveImages { images: images.clone(), force: false };
        let mut dialog = Confirm::grave("t", "x", "Remove", effect);
        dialog.would_free(&["b".to_owned()], &Ok(7));
        assert!(dialog.note.is_empty());
        dialog.would_free(&images, &Ok(2048));
        assert_eq!(dialog.note, "It frees 2.0 KiB.");
    }
}
