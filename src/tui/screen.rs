//! Two buffers and what differs between them: only that is written, and nothing when nothing differs.

use std::io::{self, Write};

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::app::App;
use super::view;
use crate::model::Size;

/// Begin and end of a synchronized update: terminals that know it show the frame as a whole.
const BEGIN: &[u8] = b"\x1b[?2026h\x1b[?25l";
const END: &[u8] = b"\x1b[?2026l";

/// What the terminal shows, and what it is to show next.
#[derive(Debug)]
pub struct Screen {
    shown: Buffer,
    next: Buffer,
    cursor: Option<Position>,
    /// True when what the terminal shows is not known.
    unknown: bool,
    bytes: Vec<u8>,
}

impl Screen {
    pub fn new(size: Size) -> Self {
        let area = Rect::new(0, 0, size.columns, size.rows);
        let (shown, next) = (Buffer::empty(area), Buffer::empty(area));
        Self { shown, next, cursor: None, unknown: true, bytes: Vec::new() }
    }

    /// Whatever the terminal shows now, the next frame is written whole.
    pub fn forget(&mut self) {
        self.unknown = true;
    }

    /// Draws the interface and writes what is new, if anything is; remembers in `app` what stands where.
    pub fn draw(&mut self, app: &mut App, out: &mut impl Write) -> io::Result<bool> {
        let area = Rect::new(0, 0, app.size.columns, app.size.rows);
        if self.next.area != area {
            self.next = Buffer::empty(area);
            self.shown = Buffer::empty(area);
            self.unknown = true;
        }
        app.seen = view::draw(app, &mut self.next);
        app.dirty = false;
        self.bytes.clear();
        self.bytes.extend_from_slice(BEGIN);
        let mut backend = CrosstermBackend::new(&mut self.bytes);
        if self.unknown {
            backend.clear()?;
            self.shown.reset();
        }
        let changes = self.shown.diff(&self.next);
        if changes.is_empty() && !self.unknown && app.seen.cursor == self.cursor {
            return Ok(false);
        }
        backend.draw(changes.into_iter())?;
        if let Some(position) = app.seen.cursor {
            backend.set_cursor_position(position)?;
            backend.show_cursor()?;
        }
        self.bytes.extend_from_slice(END);
        out.write_all(&self.bytes)?;
        out.flush()?;
        self.unknown = false;
        self.cursor = app.seen.cursor;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sample;

    #[test]
    fn frame_without_change_writes_nothing() {
        let mut app = sample::app(Size { columns: 100, rows: 30 });
        let mut screen = Screen::new(app.size);
        let mut out = Vec::new();
        screen.draw(&mut app, &mut out).expect("written to memory");
        assert!(out.starts_with(BEGIN) && out.ends_with(END));
        out.clear();
        screen.draw(&mut app, &mut out).expect("written to memory");
        assert!(out.is_empty());
        screen.forget();
        screen.draw(&mut app, &mut out).expect("written to memory");
        assert!(!out.is_empty());
    }
}
