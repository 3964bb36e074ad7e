//! What a form waits for after Enter: that it is done, that the files it names are as they have to be, or what a prune
//! would take. Until then, and when it is refused, the form stays with all that was typed.

use super::form::{Form, Input};
use crate::tui::action::Problem;
use crate::tui::effect::Effect;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::transfer::Wish;

/// What is known of what a form would remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preview {
    /// It removes nothing.
    None,
    /// That is being found out; Enter has been pressed meanwhile, or not.
    Looking {
        entered: bool,
    },
    Nothing,
    Something,
    /// It could not be found out.
    Failed,
}

impl Form {
    /// A form that removes what is found out while it is open.
    pub fn looking(mut self) -> Self {
        self.preview = Preview::Looking { entered: false };
        self.notes = vec![("looking what is unused …".to_owned(), Role::Dim)];
        self
    }

    /// Something in it is another: what it would remove may be another, too.
    pub(super) fn looks_again(&mut self) {
        if self.preview != Preview::None {
            self.preview = Preview::Looking { entered: false };
        }
    }

    /// What it would remove has been found out. An Enter that was too early counts now.
    pub(super) fn previewed(&mut self, preview: Preview, notes: Vec<(String, Role)>) -> Vec<Step> {
        let entered = self.preview == Preview::Looking { entered: true };
        (self.preview, self.notes) = (preview, notes);
        if entered { self.apply() } else { Vec::new() }
    }

    /// Enter, and all that stands in the form is right.
    pub(super) fn go_ahead(&mut self, steps: Vec<Step>) -> Vec<Step> {
        match self.preview {
            Preview::None => {}
            Preview::Something => return steps,
            Preview::Nothing => {
                self.problems = vec![(self.focus, "there is nothing to remove".to_owned())];
                return Vec::new();
            }
            Preview::Looking { .. } => {
                self.preview = Preview::Looking { entered: true };
                return Vec::new();
            }
            Preview::Failed => {
                self.preview = Preview::Looking { entered: true };
                return self.about.changed(self);
            }
        }
        if let Some(wish) = steps.iter().find_map(files_of) {
            self.send();
            self.held = steps;
            return vec![Step::Do(Effect::LookAtFiles(Box::new(wish)))];
        }
        if self.about.waits() {
            self.send();
            return steps;
        }
        std::iter::once(Step::CloseDialog).chain(steps).collect()
    }

    /// It is sent off: what comes of it is waited for.
    pub fn send(&mut self) {
        self.is_sent = true;
        self.problems.clear();
        self.refusal.clear();
    }

    /// Whether something was typed or chosen in it.
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// Whether what comes of it is waited for.
    pub fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// What it was sent off for was refused: it stays, with the reason, at the row that this is about.
    pub fn refused(&mut self, problem: &Problem) {
        self.is_sent = false;
        self.held.clear();
        self.refusal = vec![(problem.message.clone(), Role::Error)];
        self.refusal.extend(problem.hint.iter().map(|hint| (hint.clone(), Role::Text)));
        if let Some(row) = self.named_in(&problem.message) {
            self.focus = row;
            self.problems = vec![(row, String::new())];
        }
    }

    /// The files that it names have been looked at.
    pub fn looked(&mut self, about: &Wish, result: &Result<(), Problem>) -> Vec<Step> {
        if !self.is_sent || self.held.iter().find_map(files_of).as_ref() != Some(about) {
            return Vec::new();
        }
        match result {
            Ok(()) => std::iter::once(Step::CloseDialog).chain(std::mem::take(&mut self.held)).collect(),
            Err(problem) => {
                self.refused(problem);
                Vec::new()
            }
        }
    }

    /// The row of which the most stands in a message.
    fn named_in(&self, message: &str) -> Option<usize> {
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let stands = |word: &str| {
            message.match_indices(word).any(|(at, _)| {
                let (before, behind) = (&message[..at], &message[at + word.len()..]);
                !(word.starts_with(inside) && before.ends_with(inside) || behind.starts_with(inside))
            })
        };
        let longest = |(index, row): (usize, &super::form::Row)| {
            let text = match &row.input {
                // The message has the path in full.
                Input::Path(field) => field.text().trim().trim_start_matches('~').to_owned(),
                Input::Text(field) => field.text(),
                _ => String::new(),
            };
            let length = text.split([' ', ',']).filter(|word| !word.is_empty() && stands(word)).map(str::len).max();
            length.map(|length| (length, std::cmp::Reverse(index)))
        };
        self.rows.iter().enumerate().filter_map(longest).max().map(|(_, row)| row.0)
    }
}

/// What is said in place of what it would remove.
pub fn failed(problem: &Problem) -> Vec<(String, Role)> {
    let hint = problem.hint.iter().map(|hint| (hint.clone(), Role::Text));
    std::iter::once((problem.message.clone(), Role::Error)).chain(hint).collect()
}

/// What a step moves from or to a file of this machine.
fn files_of(step: &Step) -> Option<Wish> {
    match step {
        Step::Transfer(Wish::Pull(_) | Wish::Push(_) | Wish::Commit(_)) => None,
        Step::Transfer(wish) => Some(wish.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::About;
    use super::super::form::Row;
    use super::*;
    use crate::model::ErrorKind;

    fn refused(rows: &[&str], message: &str) -> Vec<usize> {
        let row =
            |text: &&str| if text.contains("tar") { Row::path("x", text, "") } else { Row::text("x", text, "", "") };
        let rows = rows.iter().map(row).collect();
        let mut form = Form::new(About::Load, "t", "Do", rows);
        form.refused(&Problem { message: message.to_owned(), hint: None, kind: ErrorKind::Conflict });
        form.problems.iter().map(|(row, _)| *row).collect()
    }

    #[test]
    fn refusal_marks_the_row_that_it_names() {
        let rows = ["lan", "10.5.0.0/24 fd05::/64", ""];
        assert_eq!(refused(&rows, "a network called lan exists already"), [0]);
        assert_eq!(refused(&rows, "10.5.0.0/24 overlaps with 10.5.0.0/16 of lan"), [1]);
        assert_eq!(refused(&rows, "10.5.0.0/24x of lane is no land"), [] as [usize; 0]);
        assert_eq!(refused(&["~/x.tar"], "cannot open /home/ada/x.tar: no such file"), [0]);
    }
}
