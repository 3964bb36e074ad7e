//! The form for limits and restart policy of a container: shows what holds now and what is used, checked as it is typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;

use super::limits_wish::{Problem, Row, wish};
use super::{buttons, window};
use crate::model::{ContainerSummary, Id, Limits, Name, RestartPolicy};
use crate::tui::canvas::{Canvas, Target};
use crate::tui::data::Data;
use crate::tui::effect::{Effect, Verb};
use crate::tui::field::Field;
use crate::tui::figures;
use crate::tui::step::Step;
use crate::tui::theme::Role;

/// Cells of a label with its mark, and of a field.
const LABEL: u16 = 17;
const FIELD: u16 = 16;

/// A form about one container.
#[derive(Clone, Debug)]
pub struct LimitsForm {
    id: Id,
    name: Name,
    limits: Limits,
    restart: RestartPolicy,
    texts: [Field; Row::ALL.len()],
    focus: usize,
    problems: Vec<Problem>,
}

impl LimitsForm {
    pub fn new(container: &ContainerSummary) -> Self {
        let (limits, restart) = (container.limits.clone(), container.restart);
        Self {
            id: container.id.clone(),
            name: container.name.clone(),
            texts: Row::ALL.map(|row| Field::new(&row.text(&limits, restart))),
            limits,
            restart,
            focus: 0,
            problems: Vec::new(),
        }
    }

    fn texts(&self) -> [String; Row::ALL.len()] {
        std::array::from_fn(|index| self.texts[index].text())
    }

    pub fn paste(&mut self, text: &str) {
        self.texts[self.focus].paste(text);
        self.check();
    }

    fn check(&mut self) {
        self.problems = wish(&self.texts(), &self.limits, self.restart).err().unwrap_or_default();
    }

    fn apply(&mut self) -> Vec<Step> {
        match wish(&self.texts(), &self.limits, self.restart) {
            Ok(request) if request.is_empty() => vec![Step::CloseDialog],
            Ok(request) => {
                let verb = Verb::Update(Box::new(request));
                let effect = Effect::Verb { id: self.id.clone(), name: self.name.clone(), verb };
                vec![Step::CloseDialog, Step::Do(effect)]
            }
            Err(problems) => {
                if let Some(first) = problems.first() {
                    self.focus = first.row as usize;
                }
                self.problems = problems;
                Vec::new()
            }
        }
    }

    fn step(&mut self, rows: usize) {
        self.focus = (self.focus + rows) % Row::ALL.len();
    }

    pub fn key(&mut self, key: &KeyEvent) -> Vec<Step> {
        match key.code {
            KeyCode::Esc => return vec![Step::CloseDialog],
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return vec![Step::CloseDialog],
            KeyCode::Enter => return self.apply(),
            KeyCode::Tab | KeyCode::Down => self.step(1),
            KeyCode::BackTab | KeyCode::Up => self.step(Row::ALL.len() - 1),
            _ => {
                if self.texts[self.focus].key(key) {
                    self.check();
                }
            }
        }
        Vec::new()
    }

    pub fn click_button(&mut self, index: usize) -> Vec<Step> {
        if index == 1 { self.apply() } else { vec![Step::CloseDialog] }
    }

    pub fn click_field(&mut self, index: usize) -> Vec<Step> {
        self.focus = index.min(Row::ALL.len() - 1);
        Vec::new()
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        let inner = window(canvas, area, (74, 16), &format!("Limits of {}", self.name), Role::BorderFocused);
        for (index, row) in Row::ALL.into_iter().enumerate() {
            let y = inner.y + 1 + u16::try_from(index).unwrap_or(0);
            if y < inner.bottom() {
                self.draw_row(canvas, Rect { y, height: 1, ..inner }, (index, row), data);
            }
        }
        let here = self.problems.iter().find(|problem| problem.row == Row::ALL[self.focus]);
        let (text, role) = match here.or(self.problems.first()) {
            Some(problem) => (problem.text.as_str(), Role::Error),
            None => (Row::ALL[self.focus].help(), Role::Dim),
        };
        let y = inner.y + 11;
        if y < inner.bottom() {
            canvas.text(inner.x + 2, y, inner.width.saturating_sub(2), text, role);
        }
        let row = Rect { y: inner.bottom().saturating_sub(1), height: 1, ..inner };
        buttons(canvas, row, &["Cancel (esc)", "Apply (enter)"], Some(1));
    }

    fn draw_row(&self, canvas: &mut Canvas, line: Rect, (index, row): (usize, Row), data: &Data) {
        canvas.hit(line, Target::Field(index));
        let focused = index == self.focus;
        let wrong = self.problems.iter().any(|problem| problem.row == row);
        let (mark, role) = match (wrong, focused) {
            (true, _) => ("✗", Role::Error),
            (false, true) => ("▸", Role::Accent),
            (false, false) => (" ", Role::Dim),
        };
        canvas.text(line.x, line.y, 1, mark, role);
        canvas.text(line.x + 2, line.y, LABEL - 3, row.label(), role);
        let place = Rect { x: line.x + LABEL, width: FIELD.min(line.width.saturating_sub(LABEL)), ..line };
        self.texts[index].draw(canvas, place, row.placeholder(), focused);
        let x = place.right() + 2;
        if let Some(used) = self.used(row, data) {
            canvas.text(x, line.y, line.right().saturating_sub(x), &used, Role::Dim);
        }
    }

    /// What is used now of what the row limits.
    fn used(&self, row: Row, data: &Data) -> Option<String> {
        let track = data.usage.get(&self.id)?;
        let sample = &track.latest.sample;
        match row {
            Row::Memory => sample.memory_bytes.map(|bytes| format!("{} used now", figures::bytes_long(bytes))),
            Row::Cpus => {
                let used = track.latest.cpu_percent.map(|percent| format!("{percent:.0} % of one core now"));
                let throttled = track.latest.throttled_percent.filter(|percent| *percent >= 0.05);
                throttled.map(|percent| format!("throttled in {percent:.0} % of periods")).or(used)
            }
            Row::Processes => sample.pids.map(|pids| format!("{pids} now")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UpdateRequest;
    use crate::tui::sample;

    fn form() -> LimitsForm {
        LimitsForm::new(&sample::containers()[0])
    }

    fn clear(form: &mut LimitsForm) {
        form.key(&KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    }

    fn wished(steps: Vec<Step>) -> UpdateRequest {
        match steps.into_iter().nth(1) {
            Some(Step::Do(Effect::Verb { verb: Verb::Update(request), .. })) => *request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn form_shows_what_holds_and_enter_without_a_change_only_closes() {
        let mut form = form();
        assert_eq!(form.texts()[..1], ["512m".to_owned()]);
        assert!(matches!(form.key(&KeyCode::Enter.into())[..], [Step::CloseDialog]));
    }

    #[test]
    fn only_what_was_changed_is_wished_and_an_empty_field_takes_a_limit_away() {
        let mut form = form();
        clear(&mut form);
        form.paste("1g");
        form.focus = Row::Processes as usize;
        clear(&mut form);
        form.focus = Row::Restart as usize;
        clear(&mut form);
        form.paste("on-failure:3");
        let request = wished(form.key(&KeyCode::Enter.into()));
        assert_eq!(request.limits, Limits { memory_bytes: Some(1 << 30), pids: Some(0), ..Limits::default() });
        assert_eq!(request.restart, Some(RestartPolicy::OnFailure { most: Some(3) }));
    }

    #[test]
    fn wrong_text_is_said_while_it_is_typed_and_enter_stays() {
        let mut form = form();
        form.key(&KeyCode::Char('x').into());
        assert_eq!(form.problems[0].row, Row::Memory);
        form.key(&KeyCode::Tab.into());
        assert!(form.key(&KeyCode::Enter.into()).is_empty());
        assert_eq!(form.focus, Row::Memory as usize);
        form.key(&KeyCode::Backspace.into());
        assert!(form.problems.is_empty());
    }
}
