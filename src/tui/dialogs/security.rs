//! What keeps a container apart from the machine, as the kernel tells it, with a verdict on each fact.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::window;
use crate::model::{Id, SecurityFinding, SecurityReport, SecurityVerdict};
use crate::tui::action::Problem;
use crate::tui::canvas::Canvas;
use crate::tui::effect::Effect;
use crate::tui::list_keys::draw_notice;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::widgets::write;

const WIDTH: u16 = 100;
/// Cells for a finding's subject.
const SUBJECT: u16 = 18;

/// The panel of one container, scrolled by some lines.
#[derive(Clone, Debug)]
pub struct Security {
    id: Id,
    name: String,
    report: Option<Result<Box<SecurityReport>, Problem>>,
    first: usize,
}

/// A line on the screen.
struct Line {
    mark: &'static str,
    subject: String,
    text: String,
    role: Role,
}

impl Security {
    /// The panel, and the question to the kernel.
    pub fn open(id: Id, name: String) -> (Self, Effect) {
        let panel = Self { id: id.clone(), name, report: None, first: 0 };
        (panel, Effect::Security(id))
    }

    pub fn told(&mut self, id: &Id, result: Result<Box<SecurityReport>, Problem>) {
        if self.id == *id {
            self.report = Some(result);
        }
    }

    pub fn scroll(&mut self, lines: isize) {
        self.first = self.first.saturating_add_signed(lines).min(self.lines(WIDTH).len());
    }

    pub fn key(&mut self, key: &KeyEvent) -> Vec<Step> {
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::PageUp => self.scroll(-10),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll(10),
            KeyCode::Home | KeyCode::Char('g') => self.first = 0,
            KeyCode::End | KeyCode::Char('G') => self.scroll(isize::MAX),
            KeyCode::Char('r') => return vec![Step::Do(Effect::Security(self.id.clone()))],
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'S') => return vec![Step::CloseDialog],
            _ => {}
        }
        Vec::new()
    }

    fn lines(&self, width: u16) -> Vec<Line> {
        let Some(Ok(report)) = &self.report else { return Vec::new() };
        let room = usize::from(width.saturating_sub(SUBJECT + 2)).max(10);
        report.findings.iter().flat_map(|finding| lines_of(finding, room)).collect()
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let inside = WIDTH.min(area.width).saturating_sub(4);
        let lines = self.lines(inside.saturating_sub(1));
        let height = u16::try_from(lines.len().max(4)).unwrap_or(u16::MAX).saturating_add(4).min(area.height);
        let title = format!("Security of {}", self.name);
        let inner = window(canvas, area, (WIDTH, height), &title, Role::BorderFocused);
        let body = Rect { height: inner.height.saturating_sub(1), ..inner };
        match &self.report {
            None => draw_notice(canvas, body, &["asking the kernel …"]),
            Some(Err(problem)) => {
                draw_notice(canvas, body, &[&problem.message, problem.hint.as_deref().unwrap_or_default()]);
            }
            Some(Ok(_)) => Self::draw_lines(canvas, body, &lines, self.first),
        }
        let note = "↑↓ scrolls · r asks again · esc closes";
        canvas.text(inner.x, inner.bottom().saturating_sub(1), inner.width, note, Role::Dim);
    }

    fn draw_lines(canvas: &mut Canvas, body: Rect, lines: &[Line], first: usize) {
        let shown = usize::from(body.height);
        let first = first.min(lines.len().saturating_sub(shown));
        for (line, y) in lines.iter().skip(first).zip(body.y..body.bottom()) {
            canvas.text(body.x, y, 1, line.mark, line.role);
            canvas.text(body.x + 2, y, SUBJECT - 1, &line.subject, Role::Header);
            let x = body.x + 2 + SUBJECT;
            let role = if line.mark.is_empty() { line.role } else { Role::Text };
            canvas.text(x, y, body.right().saturating_sub(x + 1), &line.text, role);
        }
        canvas.scrollbar(Rect { width: body.width + 1, ..body }, first, shown, lines.len());
    }
}

/// The fact, wrapped; and below it, unless it is as by default, why not.
fn lines_of(finding: &SecurityFinding, room: usize) -> Vec<Line> {
    let (mark, role) = match finding.verdict {
        SecurityVerdict::Default => ("✓", Role::Ok),
        SecurityVerdict::Tightened(_) => ("+", Role::Info),
        SecurityVerdict::Opened(_) => ("!", Role::Warn),
        SecurityVerdict::Weaker(_) => ("✗", Role::Error),
    };
    let mut lines: Vec<Line> = wrapped(&finding.finding, room)
        .into_iter()
        .map(|text| Line { mark: "", subject: String::new(), text, role: Role::Text })
        .collect();
    lines[0] = Line { mark, subject: finding.subject.clone(), text: std::mem::take(&mut lines[0].text), role };
    if finding.verdict != SecurityVerdict::Default {
        lines.push(Line { mark: "", subject: String::new(), text: finding.verdict.to_string(), role });
    }
    lines
}

/// Words on lines of at most `room` cells; at least one line.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            line.push_str(word);
        } else if usize::from(write::width(line)) + 1 + usize::from(write::width(word)) <= room {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_at_the_room_there_is() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("", 7), [""]);
    }

    #[test]
    fn verdict_stands_below_what_is_not_default() {
        let finding = |verdict| SecurityFinding { subject: "seccomp".into(), finding: "off".into(), verdict };
        assert_eq!(lines_of(&finding(SecurityVerdict::Default), 40).len(), 1);
        let opened = lines_of(&finding(SecurityVerdict::Opened("--privileged".into())), 40);
        assert_eq!(opened[1].text, "opened by --privileged");
    }
}
