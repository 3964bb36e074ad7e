//! Tabs and panes of the shells: where each stands, and how it is drawn.

use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::shells::Shells;
use crate::model::{ExitReason, Id, SessionId, Size};
use crate::tui::action::PaneEnd;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::list_keys::draw_notice;
use crate::tui::shell::{PaneId, SharedTerminal};
use crate::tui::theme::Role;
use crate::tui::widgets::terminal::TerminalView;

/// The shells of one container.
#[derive(Clone, Debug)]
pub struct Tab {
    /// None until a run has made it.
    pub container: Option<Id>,
    pub name: String,
    pub panes: Vec<Pane>,
    pub at: usize,
    pub zoom: bool,
    /// One above the other instead of side by side.
    pub stacked: bool,
}

/// One shell.
#[derive(Clone, Debug)]
pub struct Pane {
    pub id: PaneId,
    pub terminal: SharedTerminal,
    pub title: String,
    pub state: PaneState,
    pub size: Size,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaneState {
    Opening,
    Live(SessionId),
    Ended(PaneEnd),
}

impl Tab {
    pub fn new(container: Option<Id>, name: &str) -> Self {
        Self { container, name: name.to_owned(), panes: Vec::new(), at: 0, zoom: false, stacked: false }
    }
}

impl Pane {
    pub fn new(id: PaneId, terminal: SharedTerminal, title: &str, size: Size) -> Self {
        Self { id, terminal, title: title.to_owned(), state: PaneState::Opening, size }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.state, PaneState::Ended(_))
    }

    /// Gives its terminal another size; false if it had that.
    pub fn resize(&mut self, size: Size) -> bool {
        if self.size == size {
            return false;
        }
        self.size = size;
        self.terminal.emulator.lock().resize(size);
        true
    }
}

/// Where the panes of a tab stand: equal parts with a line between those side by side. Zoomed, one has all.
pub fn arrange(tab: &Tab, area: Rect) -> Vec<(PaneId, Rect)> {
    let count = u16::try_from(tab.panes.len()).unwrap_or(u16::MAX);
    if tab.zoom || count == 1 {
        return tab.panes.get(tab.at).map(|pane| (pane.id, area)).into_iter().collect();
    }
    let mut placed = Vec::new();
    for (index, pane) in (0..count).zip(&tab.panes) {
        let place = if tab.stacked {
            let (top, bottom) = (area.height * index / count, area.height * (index + 1) / count);
            Rect { y: area.y + top, height: bottom - top, ..area }
        } else {
            let width = (area.width + 1).saturating_sub(count);
            let (left, right) = (width * index / count, width * (index + 1) / count);
            Rect { x: area.x + left + index, width: right - left, ..area }
        };
        placed.push((pane.id, place.intersection(area)));
    }
    placed
}

impl Shells {
    pub fn draw(&self, canvas: &mut Canvas, area: Rect) {
        if self.tabs.is_empty() {
            let lines = [
                "No shells are open.",
                "",
                "Press 1, then Enter on a container opens its shell;",
                "2, then Enter on an image starts a new one.",
            ];
            return draw_notice(canvas, area, &lines);
        }
        if self.tabs.len() > 1 {
            self.draw_strip(canvas, Rect { height: 1, ..area });
        }
        let front = self.pane().map(|pane| pane.id);
        for (id, place) in self.placed() {
            let Some(pane) = self.tabs[self.at].panes.iter().find(|pane| pane.id == id) else { continue };
            if place.x > area.x && !self.tabs[self.at].stacked {
                canvas.upright(place.x - 1, place.y, place.bottom(), Role::Border);
            }
            self.draw_pane(canvas, place, pane, front == Some(id));
        }
    }

    fn draw_strip(&self, canvas: &mut Canvas, area: Rect) {
        let mut x = area.x + 1;
        for (index, tab) in self.tabs.iter().enumerate() {
            let role = if index == self.at { Role::Title } else { Role::Dim };
            let mark = if index == self.at { "▸ " } else { "  " };
            let begin = x;
            x += canvas.text(x, area.y, 2, mark, Role::Accent);
            x += canvas.text(x, area.y, area.right().saturating_sub(x).min(26), &tab.name, role);
            if tab.panes.len() > 1 {
                x +=
                    canvas.text(x, area.y, area.right().saturating_sub(x), &format!(" {}", tab.panes.len()), Role::Dim);
            }
            x += 2;
            canvas.hit(Rect { x: begin, width: x.saturating_sub(begin), ..area }, Target::ShellTab(index));
            if x >= area.right() {
                break;
            }
        }
    }

    fn draw_pane(&self, canvas: &mut Canvas, place: Rect, pane: &Pane, front: bool) {
        if place.height < 2 || place.width == 0 {
            return;
        }
        let tab = &self.tabs[self.at];
        let typing = front && self.focused;
        let title = Rect { height: 1, ..place };
        let terminal = Rect { y: place.y + 1, height: place.height - 1, ..place };
        canvas.rule(title, if typing { Role::BorderFocused } else { Role::Border });
        let mut emulator = pane.terminal.emulator.lock();
        let own = emulator.title().map(str::to_owned).filter(|title| !title.is_empty());
        let text = own.unwrap_or_else(|| pane.title.clone());
        let mut x = place.x + 1;
        let room = |x: u16| place.right().saturating_sub(x + 1);
        let (glyph, role) = match &pane.state {
            PaneState::Opening => ("◌", Role::Warn),
            PaneState::Live(_) => ("●", Role::Ok),
            PaneState::Ended(_) => ("■", Role::Dim),
        };
        x += canvas.text(x, place.y, room(x), &format!(" {glyph} "), role);
        let name = if typing { Role::Title } else { Role::Text };
        x += canvas.text(x, place.y, room(x), &tab.name, name);
        x += canvas.text(x, place.y, room(x), &format!("  {text} "), Role::Dim);
        let mut notes = Vec::new();
        if tab.zoom {
            notes.push(format!("zoomed, {} more", tab.panes.len() - 1));
        }
        if emulator.scrolled_back() > 0 {
            notes.push(format!("↑ {} lines back", emulator.scrolled_back()));
        }
        if !notes.is_empty() {
            let text = format!(" {} ", notes.join(" · "));
            canvas.text_right(place.right() - 1, place.y, room(x), &text, Role::Warn);
        }
        emulator_view(canvas, terminal, &mut emulator, typing && !pane.has_ended());
        drop(emulator);
        if !front || !self.focused {
            // A shell without the keys steps back a little, so that the one with them is plain to see.
            let _ = front;
        }
        canvas.hit(terminal, Target::Pane(pane.id));
        if let PaneState::Ended(end) = &pane.state {
            draw_end(canvas, terminal, end);
        }
    }
}

fn emulator_view(
    canvas: &mut Canvas,
    area: Rect,
    emulator: &mut crate::tui::widgets::terminal::Emulator,
    has_cursor: bool,
) {
    let view = TerminalView { theme: canvas.theme, emulator };
    if has_cursor {
        canvas.seen.cursor = view.cursor(area);
    }
    view.render(area, canvas.buffer);
}

/// Says over the last lines why nothing more will come, and what to do.
fn draw_end(canvas: &mut Canvas, area: Rect, end: &PaneEnd) {
    let (text, hint, role) = match end {
        PaneEnd::Exited(status) => {
            let why = match status.reason {
                ExitReason::Exit => format!("ended with exit code {}", status.code),
                ExitReason::Signal => format!("ended by signal {}", status.code.saturating_sub(128)),
                ExitReason::OutOfMemory => "ended: out of memory".to_owned(),
                ExitReason::StartFailed => "could not be started".to_owned(),
                ExitReason::MonitorDied => "ended: its monitor was killed".to_owned(),
            };
            (why, status.message.clone(), if status.code == 0 { Role::Ok } else { Role::Warn })
        }
        PaneEnd::Lost(why) => (
            format!("the line to it broke: {why}"),
            Some("close it and open the container again".to_owned()),
            Role::Warn,
        ),
        PaneEnd::Failed(problem) => (problem.message.clone(), problem.hint.clone(), Role::Error),
    };
    let width = usize::from(area.width.saturating_sub(4));
    let mut lines: Vec<(String, Role)> =
        crate::tui::toast::wrap(&text, width).into_iter().map(|line| (line, role)).collect();
    for hint in hint.iter() {
        lines.extend(crate::tui::toast::wrap(&format!("→ {hint}"), width).into_iter().map(|line| (line, Role::Text)));
    }
    lines.push(("Enter closes the pane".to_owned(), Role::Dim));
    let height = u16::try_from(lines.len()).unwrap_or(1).min(area.height);
    let place = Rect { y: area.bottom() - height, height, ..area };
    canvas.ground(place, Role::Surface);
    for ((line, role), y) in lines.iter().zip(place.y..place.bottom()) {
        canvas.text(place.x + 2, y, place.width.saturating_sub(3), line, *role);
    }
}
