//! Everything known of a container or an image, as sections to read, or as JSON.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use crate::engine::NetworkInspect;
use crate::model::{ContainerInspect, ImageInspect};
use crate::tui::action::Problem;
use crate::tui::canvas::Canvas;
use crate::tui::commands::{Command, Scope};
use crate::tui::list_keys::draw_notice;
use crate::tui::step::{Page, Step};
use crate::tui::theme::Role;

use super::inspect_lines::{Line, of_container, of_image, of_json};
use super::inspect_network::{json as network_json, of_network};

/// The screen's state.
#[derive(Clone, Debug, Default)]
pub struct Inspect {
    page: Option<Page>,
    sections: Vec<Line>,
    json: Vec<Line>,
    problem: Option<Problem>,
    raw: bool,
    first: usize,
    filter: String,
    pub typing: bool,
}

impl Inspect {
    pub const SCOPES: &'static [Scope] = &[Scope::Inspect, Scope::Detail, Scope::List, Scope::Everywhere];
    pub const IMAGE_SCOPES: &'static [Scope] = &[Scope::Inspect, Scope::List, Scope::Everywhere];

    /// Forgets what another page showed.
    pub fn open(&mut self, page: &Page) {
        if self.page.as_ref() != Some(page) {
            *self = Self { page: Some(page.clone()), raw: self.raw, ..Self::default() };
        }
    }

    pub fn told_container(&mut self, page: &Page, result: Result<Box<ContainerInspect>, Problem>) {
        if self.page.as_ref() == Some(page) {
            self.take(result.map(|inspect| (of_container(&inspect), of_json(&container_json(&inspect)))));
        }
    }

    pub fn told_image(&mut self, page: &Page, result: Result<Box<ImageInspect>, Problem>) {
        if self.page.as_ref() == Some(page) {
            self.take(result.map(|inspect| (of_image(&inspect), of_json(&image_json(&inspect)))));
        }
    }

    /// A network as the list has it; none if it is gone.
    pub fn told_network(&mut self, page: &Page, network: Option<&NetworkInspect>) {
        if self.page.as_ref() == Some(page) {
            let gone = || Problem {
                message: "this network is gone".to_owned(),
                hint: None,
                kind: crate::model::ErrorKind::NotFound,
            };
            self.take(network.map(|it| (of_network(it), of_json(&network_json(it)))).ok_or_else(gone));
        }
    }

    fn take(&mut self, result: Result<(Vec<Line>, Vec<Line>), Problem>) {
        match result {
            Ok((sections, json)) => {
                (self.sections, self.json, self.problem) = (sections, json, None);
            }
            Err(problem) => self.problem = Some(problem),
        }
    }

    /// The lines that are shown; a section's title stays with the lines that match.
    fn shown(&self) -> Vec<&Line> {
        let lines = if self.raw { &self.json } else { &self.sections };
        let needle = self.filter.to_lowercase();
        if needle.is_empty() {
            return lines.iter().collect();
        }
        let mut shown: Vec<&Line> = Vec::new();
        let mut title: Option<&Line> = None;
        for line in lines {
            if line.is_title() {
                title = Some(line);
            } else if line.contains(&needle) {
                shown.extend(title.take());
                shown.push(line);
            }
        }
        shown
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
                let mut field = crate::tui::field::Field::new(&self.filter);
                field.key(key);
                self.filter = field.text();
                self.first = 0;
            }
        }
        true
    }

    pub fn scroll(&mut self, lines: isize, height: usize) {
        let end = self.shown().len().saturating_sub(height.max(1));
        self.first = self.first.saturating_add_signed(lines).min(end);
    }

    pub fn command(&mut self, command: Command, height: usize) -> Vec<Step> {
        let page = isize::try_from(height.max(2) - 1).unwrap_or(1);
        match command {
            Command::Raw => {
                self.raw = !self.raw;
                self.first = 0;
            }
            Command::Up => self.scroll(-1, height),
            Command::Down => self.scroll(1, height),
            Command::PageUp => self.scroll(-page, height),
            Command::PageDown => self.scroll(page, height),
            Command::Top => self.first = 0,
            Command::Bottom => self.scroll(isize::MAX, height),
            Command::Filter => self.typing = true,
            Command::Back if !self.filter.is_empty() => self.filter.clear(),
            Command::Back => return vec![Step::Back],
            _ => {}
        }
        Vec::new()
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let mut body = Rect { x: area.x + 2, width: area.width.saturating_sub(3), ..area };
        if (self.typing || !self.filter.is_empty()) && body.height > 2 {
            canvas.text(body.x, body.y, 2, "/", Role::Accent);
            let width = 40.min(body.width.saturating_sub(4));
            let field = crate::tui::field::Field::new(&self.filter);
            field.draw(canvas, Rect { x: body.x + 2, width, height: 1, ..body }, "show lines with …", self.typing);
            body = Rect { y: body.y + 2, height: body.height - 2, ..body };
        }
        canvas.seen.text_height = usize::from(body.height);
        if let Some(problem) = &self.problem {
            let hint = problem.hint.clone().unwrap_or_else(|| "Esc goes back.".to_owned());
            return draw_notice(canvas, body, &[&problem.message, "", &hint]);
        }
        let shown = self.shown();
        if shown.is_empty() {
            let text = if self.sections.is_empty() { "looking …" } else { "No line contains that." };
            return draw_notice(canvas, body, &[text]);
        }
        let height = usize::from(body.height);
        let first = self.first.min(shown.len().saturating_sub(height));
        for (line, y) in shown.iter().skip(first).zip(body.y..body.bottom()) {
            line.draw(canvas, Rect { y, height: 1, ..body }, &self.filter);
        }
        canvas.scrollbar(body, first, height, shown.len());
    }
}

fn container_json(inspect: &ContainerInspect) -> serde_json::Value {
    serde_json::json!({
        "record": inspect.record, "state": inspect.state, "image_reference": inspect.image_reference,
        "log_path": inspect.log_path, "cgroup": inspect.cgroup, "sessions": inspect.sessions,
        "size_rw_bytes": inspect.size_rw_bytes,
    })
}

fn image_json(inspect: &ImageInspect) -> serde_json::Value {
    serde_json::json!({
        "summary": inspect.summary, "config": inspect.config, "layers": inspect.layers, "history": inspect.history,
    })
}
