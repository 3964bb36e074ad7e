//! The help: every command of the keymap, grouped by where it is understood, made of the table itself.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::window;
use crate::tui::canvas::Canvas;
use crate::tui::commands::{COMMANDS, Scope};
use crate::tui::keymap::{Chord, Keymap};
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::widgets::write;

/// The help, scrolled by some lines; what is understood here and now comes first.
#[derive(Clone, Debug)]
pub struct Help {
    scopes: Vec<Scope>,
    first: usize,
}

/// A line of the help.
enum Line {
    Title(&'static str),
    Key(String, &'static str),
    Blank,
}

const EVERY_SCOPE: &[Scope] = &[
    Scope::Containers,
    Scope::Images,
    Scope::Volumes,
    Scope::Layers,
    Scope::Usage,
    Scope::Search,
    Scope::SearchDetails,
    Scope::Transfers,
    Scope::Networks,
    Scope::Pane,
    Scope::Shells,
    Scope::Logs,
    Scope::Charts,
    Scope::Traffic,
    Scope::Inspect,
    Scope::Diff,
    Scope::Files,
    Scope::FileView,
    Scope::Detail,
    Scope::Marks,
    Scope::List,
    Scope::Everywhere,
];

impl Help {
    /// Help that begins with the scopes of the screen in front.
    pub fn new(here: &[Scope]) -> Self {
        let rest = EVERY_SCOPE.iter().filter(|scope| !here.contains(scope));
        Self { scopes: here.iter().chain(rest).copied().collect(), first: 0 }
    }

    pub fn scroll(&mut self, lines: isize) {
        let most = COMMANDS.len() + 2 * EVERY_SCOPE.len();
        self.first = self.first.saturating_add_signed(lines).min(most);
    }

    pub fn key(&mut self, key: &KeyEvent, keymap: &Keymap) -> Vec<Step> {
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::PageUp => self.scroll(-10),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll(10),
            KeyCode::Home | KeyCode::Char('g') => self.first = 0,
            KeyCode::End | KeyCode::Char('G') => self.scroll(isize::MAX),
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => return vec![Step::CloseDialog],
            _ => {
                use crate::tui::commands::Command;
                let known = keymap.find(&[Scope::Everywhere], Chord::of(key));
                if matches!(known, Some(Command::Help | Command::Quit)) {
                    return vec![Step::CloseDialog];
                }
            }
        }
        Vec::new()
    }

    fn lines(&self, keymap: &Keymap) -> Vec<Line> {
        let mut lines = Vec::new();
        for scope in &self.scopes {
            if !lines.is_empty() {
                lines.push(Line::Blank);
            }
            lines.push(Line::Title(scope.title()));
            for entry in COMMANDS.iter().filter(|entry| entry.scope == *scope) {
                lines.push(Line::Key(keymap.labels(entry.command), entry.help));
            }
        }
        lines
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, keymap: &Keymap) {
        let lines = self.lines(keymap);
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(4).min(area.height);
        let inner = window(canvas, area, (88, height), "Keys", Role::BorderFocused);
        let body = Rect { height: inner.height.saturating_sub(1), ..inner };
        let shown = usize::from(body.height);
        let first = self.first.min(lines.len().saturating_sub(shown));
        let widest = lines.iter().map(|line| if let Line::Key(keys, _) = line { write::width(keys) } else { 0 }).max();
        let keys = (widest.unwrap_or(0) + 4).min(body.width / 3);
        for (line, y) in lines.iter().skip(first).take(shown).zip(body.y..) {
            match line {
                Line::Blank => {}
                Line::Title(title) => {
                    canvas.text(body.x, y, body.width, title, Role::Title);
                }
                Line::Key(key, help) => {
                    canvas.text(body.x + 1, y, keys - 2, key, Role::Accent);
                    canvas.text(body.x + keys, y, body.width.saturating_sub(keys + 1), help, Role::Text);
                }
            }
        }
        canvas.scrollbar(Rect { x: body.x, width: body.width + 1, ..body }, first, shown, lines.len());
        let note = "↑↓ scrolls · esc closes · [keys] in config.toml changes them";
        canvas.text(inner.x, inner.bottom().saturating_sub(1), inner.width, note, Role::Dim);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_command_once() {
        let help = Help::new(&[Scope::Containers, Scope::List, Scope::Everywhere]);
        let lines = help.lines(&Keymap::default());
        let keys = lines.iter().filter(|line| matches!(line, Line::Key(..))).count();
        assert_eq!(keys, COMMANDS.len());
    }
}
