//! Shells in panes: a tab for each container, its sessions side by side or above each other.
//!
//! While a shell has the keys, all but one go to it; that one is shown on the screen and takes the keys back.

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use super::panes::{Pane, PaneState, Tab, arrange};
use crate::model::{Id, SessionId, Size};
use crate::tui::action::PaneEnd;
use crate::tui::commands::{Command, Scope};
use crate::tui::effect::{Effect, PaneWish};
use crate::tui::shell::{PaneId, SharedTerminal};
use crate::tui::step::{Page, Step};
use crate::tui::widgets::terminal::{encode_focus, encode_key, encode_mouse, encode_paste};

/// Lines that one step of the wheel scrolls.
const WHEEL_LINES: isize = 3;

/// The screen's state.
#[derive(Clone, Debug, Default)]
pub struct Shells {
    pub(super) tabs: Vec<Tab>,
    pub(super) at: usize,
    /// True while the keys go to the shell in front.
    pub focused: bool,
    /// The container whose shells are to be opened when its sessions are known.
    pending: Option<Id>,
    next: u32,
    has_scrolled: bool,
    /// Where the panes are drawn, as of the last resize.
    area: Rect,
    /// Colours of the ground, for programs that ask: foreground, background.
    colors: Option<([u8; 3], [u8; 3])>,
}

impl Shells {
    pub const SCOPES: &'static [Scope] = &[Scope::Shells, Scope::Everywhere];
    pub const PANE_SCOPES: &'static [Scope] = &[Scope::Pane];

    /// Panes in all tabs.
    pub fn count(&self) -> usize {
        self.tabs.iter().map(|tab| tab.panes.len()).sum()
    }

    /// Whether keys go to a shell now.
    pub fn has_keys(&self) -> bool {
        self.focused && self.pane().is_some()
    }

    fn tab(&self) -> Option<&Tab> {
        self.tabs.get(self.at)
    }

    pub(super) fn pane(&self) -> Option<&Pane> {
        let tab = self.tab()?;
        tab.panes.get(tab.at)
    }

    fn pane_mut(&mut self) -> Option<&mut Pane> {
        let tab = self.tabs.get_mut(self.at)?;
        tab.panes.get_mut(tab.at)
    }

    fn find(&self, wanted: PaneId) -> Option<(usize, usize)> {
        self.tabs
            .iter()
            .enumerate()
            .find_map(|(tab, panes)| panes.panes.iter().position(|pane| pane.id == wanted).map(|pane| (tab, pane)))
    }

    /// Tells new terminals what colours they are drawn on.
    pub fn set_colors(&mut self, colors: Option<([u8; 3], [u8; 3])>) {
        self.colors = colors;
    }

    /// Goes to a container's shells if panes of it are open.
    pub fn go_to(&mut self, id: &Id) -> bool {
        let live = |tab: &Tab| tab.container.as_ref() == Some(id) && tab.panes.iter().any(|pane| !pane.has_ended());
        match self.tabs.iter().position(live) {
            Some(at) => {
                self.at = at;
                self.focused = true;
                true
            }
            None => false,
        }
    }

    /// Opens the container's shells as soon as its sessions are known.
    pub fn await_sessions(&mut self, id: &Id) -> Step {
        self.pending = Some(id.clone());
        Step::Do(Effect::ListSessions(id.clone()))
    }

    /// The awaited sessions are known: a pane for each that has a terminal, else a new shell.
    pub fn sessions(&mut self, id: &Id, name: &str, sessions: &[crate::model::SessionSummary]) -> Option<Vec<Step>> {
        if self.pending.as_ref() != Some(id) {
            return None;
        }
        self.pending = None;
        let mut steps = Vec::new();
        for session in sessions.iter().filter(|session| session.tty) {
            let wish = self.open(Some(id.clone()), name, &session.command.join(" "));
            steps.push(Step::Do(Effect::Attach { id: id.clone(), session: session.id, pane: wish }));
        }
        if steps.is_empty() {
            let wish = self.open(Some(id.clone()), name, "shell");
            steps.push(Step::Do(Effect::Exec { id: id.clone(), pane: wish }));
        }
        // The main process is the one to type in, as it was first.
        if let Some(tab) = self.tabs.get_mut(self.at) {
            tab.at = 0;
        }
        steps.push(Step::Show(Page::Shells));
        Some(steps)
    }

    pub fn forget_pending(&mut self) {
        self.pending = None;
    }

    /// Makes a pane in the container's tab, gives it the keys, and returns what a process is attached with.
    pub fn open(&mut self, container: Option<Id>, name: &str, title: &str) -> PaneWish {
        let same = |tab: &Tab| container.is_some() && tab.container == container;
        self.at = match self.tabs.iter().position(same) {
            Some(at) => at,
            None => {
                self.tabs.push(Tab::new(container, name));
                self.tabs.len() - 1
            }
        };
        let id = PaneId(self.next);
        self.next += 1;
        let size = Size { columns: self.area.width.max(2), rows: self.area.height.saturating_sub(1).max(2) };
        let terminal = SharedTerminal::new(size);
        if let Some((foreground, background)) = self.colors {
            terminal.emulator.lock().set_colors(foreground, background);
        }
        let tab = &mut self.tabs[self.at];
        // What has ended makes room for what begins.
        tab.panes.retain(|pane| !pane.has_ended());
        tab.panes.push(Pane::new(id, terminal.clone(), title, size));
        tab.at = tab.panes.len() - 1;
        tab.zoom = false;
        self.focused = true;
        // Panes that lived beside it are resized by the caller's `arrange`; this one begins with its right size.
        let size = self.size_of(id).unwrap_or(size);
        if let Some(pane) = self.pane_mut() {
            pane.resize(size);
        }
        PaneWish { pane: id, terminal, size }
    }

    fn size_of(&self, id: PaneId) -> Option<Size> {
        let placed = arrange(self.tab()?, self.panes_area());
        placed.into_iter().find(|(pane, _)| *pane == id).map(|(_, area)| inner_size(area))
    }

    /// Where panes are drawn: below the strip of tabs if there are several.
    fn panes_area(&self) -> Rect {
        let strip = u16::from(self.tabs.len() > 1).min(self.area.height);
        Rect { y: self.area.y + strip, height: self.area.height - strip, ..self.area }
    }

    /// Fits all shown panes to their places; to be called whenever the place or the panes have changed.
    pub fn fit(&mut self, area: Rect) -> Vec<Step> {
        self.area = area;
        let panes_area = self.panes_area();
        let Some(tab) = self.tabs.get_mut(self.at) else { return Vec::new() };
        let mut steps = Vec::new();
        for (id, place) in arrange(tab, panes_area) {
            let size = inner_size(place);
            if let Some(pane) = tab.panes.iter_mut().find(|pane| pane.id == id)
                && pane.resize(size)
            {
                steps.push(Step::Do(Effect::PaneResize { pane: id, size }));
            }
        }
        steps
    }

    /// The panes of the tab in front with their places.
    pub(super) fn placed(&self) -> Vec<(PaneId, Rect)> {
        self.tab().map_or_else(Vec::new, |tab| arrange(tab, self.panes_area()))
    }

    /// A pane's process lives and is attached to.
    pub fn live(&mut self, id: PaneId, container: &Id, name: &str, session: SessionId) {
        let Some((tab, pane)) = self.find(id) else { return };
        // A run began without knowing its container: another tab may be the container's by now.
        self.tabs[tab].container = Some(container.clone());
        self.tabs[tab].name = name.to_owned();
        self.tabs[tab].panes[pane].state = PaneState::Live(session);
    }

    pub fn output(&mut self, id: PaneId) {
        if let Some((tab, pane)) = self.find(id) {
            self.tabs[tab].panes[pane].terminal.seen();
        }
    }

    pub fn ended(&mut self, id: PaneId, end: PaneEnd) {
        if let Some((tab, pane)) = self.find(id) {
            self.tabs[tab].panes[pane].state = PaneState::Ended(end);
        }
    }

    /// The container of the tab in front.
    pub fn container(&self) -> Option<&Id> {
        self.tab()?.container.as_ref()
    }

    /// A key while a shell has the keys: it is the shell's.
    pub fn type_key(&mut self, key: &KeyEvent) -> Vec<Step> {
        let Some(pane) = self.pane_mut() else { return Vec::new() };
        if pane.has_ended() {
            let close = matches!(key.code, KeyCode::Enter | KeyCode::Esc | KeyCode::Char('q'));
            return if close { self.close() } else { Vec::new() };
        }
        let mut emulator = pane.terminal.emulator.lock();
        let bytes = encode_key(key, emulator.modes());
        let has_scrolled = emulator.scrolled_back() > 0;
        if has_scrolled {
            emulator.scroll_to(0);
        }
        drop(emulator);
        self.has_scrolled = has_scrolled;
        self.write(bytes)
    }

    /// Whether the last key brought the view back to the present.
    pub fn take_scrolled(&mut self) -> bool {
        std::mem::take(&mut self.has_scrolled)
    }

    pub fn paste(&mut self, text: &str) -> Vec<Step> {
        let Some(pane) = self.pane().filter(|pane| !pane.has_ended()) else { return Vec::new() };
        let modes = pane.terminal.emulator.lock().modes();
        self.write(encode_paste(text, modes))
    }

    fn write(&self, bytes: Vec<u8>) -> Vec<Step> {
        match self.pane() {
            Some(pane) if !bytes.is_empty() && !pane.has_ended() => {
                vec![Step::Do(Effect::PaneWrite { pane: pane.id, bytes })]
            }
            _ => Vec::new(),
        }
    }

    /// Takes the keys from the shell, or gives them back; the program is told if it asked.
    pub fn set_focus(&mut self, focused: bool) -> Vec<Step> {
        if self.focused == focused {
            return Vec::new();
        }
        self.focused = focused;
        let Some(pane) = self.pane() else { return Vec::new() };
        let modes = pane.terminal.emulator.lock().modes();
        self.write(encode_focus(focused, modes).to_vec())
    }

    /// The window gained or lost the focus: so did the program that has the keys.
    pub fn window_focus(&self, gained: bool) -> Vec<Step> {
        let Some(pane) = self.pane().filter(|_| self.focused) else { return Vec::new() };
        let modes = pane.terminal.emulator.lock().modes();
        self.write(encode_focus(gained, modes).to_vec())
    }

    /// The mouse in a pane's terminal.
    pub fn mouse(&mut self, id: PaneId, area: Rect, event: &MouseEvent) -> Vec<Step> {
        let Some((tab, index)) = self.find(id) else { return Vec::new() };
        let mut steps = Vec::new();
        if matches!(event.kind, MouseEventKind::Down(MouseButton::Left)) {
            self.at = tab;
            self.tabs[tab].at = index;
            steps.extend(self.set_focus(true));
        }
        let pane = &self.tabs[tab].panes[index];
        let mut emulator = pane.terminal.emulator.lock();
        let bytes = encode_mouse(event, area, emulator.modes());
        let lines = match event.kind {
            MouseEventKind::ScrollUp => WHEEL_LINES,
            MouseEventKind::ScrollDown => -WHEEL_LINES,
            _ => 0,
        };
        if bytes.is_empty() && lines != 0 {
            emulator.scroll_by(lines);
        }
        drop(emulator);
        if !bytes.is_empty() && !pane.has_ended() {
            steps.push(Step::Do(Effect::PaneWrite { pane: id, bytes }));
        }
        steps
    }

    pub fn show_tab(&mut self, index: usize) {
        self.at = index.min(self.tabs.len().saturating_sub(1));
    }

    fn step_tab(&mut self, step: isize) {
        let count = self.tabs.len().max(1).cast_signed();
        self.at = usize::try_from((self.at.cast_signed() + step).rem_euclid(count)).unwrap_or(0);
    }

    /// To the next pane; behind the last comes the next tab's first.
    fn step_pane(&mut self, step: isize) {
        let Some(tab) = self.tabs.get_mut(self.at) else { return };
        let to = tab.at.cast_signed() + step;
        if (0..tab.panes.len().cast_signed()).contains(&to) {
            tab.at = to.unsigned_abs();
            return;
        }
        self.step_tab(step);
        if let Some(tab) = self.tabs.get_mut(self.at) {
            tab.at = if step > 0 { 0 } else { tab.panes.len().saturating_sub(1) };
        }
    }

    /// Closes the pane in front. What runs in it runs on.
    fn close(&mut self) -> Vec<Step> {
        let Some(tab) = self.tabs.get_mut(self.at) else { return Vec::new() };
        if tab.panes.is_empty() {
            return Vec::new();
        }
        let pane = tab.panes.remove(tab.at.min(tab.panes.len() - 1));
        tab.at = tab.at.min(tab.panes.len().saturating_sub(1));
        tab.zoom &= tab.panes.len() > 1;
        let mut steps = vec![Step::Do(Effect::PaneClose { pane: pane.id })];
        if tab.panes.is_empty() {
            self.tabs.remove(self.at);
            self.at = self.at.min(self.tabs.len().saturating_sub(1));
            self.focused = false;
            if self.tabs.is_empty() {
                steps.push(Step::Show(Page::Containers));
            }
        }
        steps
    }

    fn scroll(&mut self, lines: isize) {
        if let Some(pane) = self.pane() {
            pane.terminal.emulator.lock().scroll_by(lines);
        }
    }

    pub fn command(&mut self, command: Command) -> Vec<Step> {
        let page = self.pane().map_or(10, |pane| usize::from(pane.size.rows.max(2)) - 1).cast_signed();
        match command {
            Command::LeavePane => return self.set_focus(false),
            Command::EnterPane => {
                return match self.pane() {
                    Some(pane) if pane.has_ended() => self.close(),
                    Some(_) => self.set_focus(true),
                    None => vec![Step::Show(Page::Containers)],
                };
            }
            Command::PaneNew => {
                return match self.container() {
                    Some(id) => vec![Step::NewShell(id.clone())],
                    None => vec![Step::Show(Page::Containers)],
                };
            }
            Command::PaneClose => return self.close(),
            Command::PaneNext => self.step_pane(1),
            Command::PanePrevious => self.step_pane(-1),
            Command::PaneTabNext => self.step_tab(1),
            Command::PaneTabPrevious => self.step_tab(-1),
            Command::PaneScrollUp => self.scroll(1),
            Command::PaneScrollDown => self.scroll(-1),
            Command::PanePageUp => self.scroll(page),
            Command::PanePageDown => self.scroll(-page),
            Command::PaneBottom => self.scroll(isize::MIN / 2),
            Command::PaneZoom | Command::PaneSplit => {
                if let Some(tab) = self.tabs.get_mut(self.at) {
                    match command {
                        Command::PaneZoom => tab.zoom = !tab.zoom && tab.panes.len() > 1,
                        _ => (tab.stacked, tab.zoom) = (!tab.stacked, false),
                    }
                }
            }
            _ => {}
        }
        Vec::new()
    }
}

/// The terminal's size in a pane's place: one line is its title.
fn inner_size(area: Rect) -> Size {
    Size { columns: area.width.max(2), rows: area.height.saturating_sub(1).max(2) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sample;

    fn shells() -> Shells {
        let mut shells = Shells::default();
        shells.fit(Rect::new(0, 2, 81, 21));
        shells
    }

    #[test]
    fn second_shell_of_a_container_stands_beside_the_first() {
        let mut shells = shells();
        let first = shells.open(Some(sample::id(1)), "one", "sh");
        assert_eq!(first.size, Size { columns: 81, rows: 20 });
        let second = shells.open(Some(sample::id(1)), "one", "sh");
        assert_eq!(second.size, Size { columns: 40, rows: 20 });
        let steps = shells.fit(Rect::new(0, 2, 81, 21));
        assert!(matches!(&steps[..], [Step::Do(Effect::PaneResize { pane: PaneId(0), .. })]));
        assert!(shells.fit(Rect::new(0, 2, 81, 21)).is_empty());
    }

    #[test]
    fn known_sessions_are_attached_to_and_none_is_a_new_shell() {
        let mut shells = shells();
        shells.await_sessions(&sample::id(1));
        let sessions = sample::sessions();
        let steps = shells.sessions(&sample::id(1), "one", &sessions).expect("awaited");
        assert_eq!(steps.iter().filter(|step| matches!(step, Step::Do(Effect::Attach { .. }))).count(), 2);
        assert!(shells.sessions(&sample::id(1), "one", &sessions).is_none());
        shells.await_sessions(&sample::id(2));
        let steps = shells.sessions(&sample::id(2), "two", &[]).expect("awaited");
        assert!(matches!(steps[0], Step::Do(Effect::Exec { .. })));
    }

    #[test]
    fn new_shell_takes_the_place_of_those_that_ended() {
        let mut shells = shells();
        let wish = shells.open(Some(sample::id(1)), "one", "sh");
        shells.ended(wish.pane, PaneEnd::Lost("gone".to_owned()));
        assert!(!shells.go_to(&sample::id(1)));
        shells.open(Some(sample::id(1)), "one", "sh");
        assert_eq!(shells.count(), 1);
    }

    #[test]
    fn keys_of_an_ended_shell_go_nowhere_and_enter_closes() {
        let mut shells = shells();
        let wish = shells.open(Some(sample::id(1)), "one", "sh");
        assert_eq!(shells.type_key(&KeyCode::Char('x').into()).len(), 1);
        shells.ended(wish.pane, PaneEnd::Lost("gone".to_owned()));
        assert!(shells.type_key(&KeyCode::Char('x').into()).is_empty());
        let steps = shells.type_key(&KeyCode::Enter.into());
        assert!(matches!(steps[..], [Step::Do(Effect::PaneClose { .. }), Step::Show(Page::Containers)]));
        assert!(shells.tabs.is_empty());
    }
}
