//! Standard output: buffered, quiet when the reader has gone, and never a way for hostile text to a terminal.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use crate::model::printable;

/// Standard output for one command's answer.
pub struct Output {
    writer: BufWriter<StdoutLock<'static>>,
    is_terminal: bool,
}

impl Output {
    pub fn open() -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        Self { writer: BufWriter::with_capacity(32 << 10, stdout.lock()), is_terminal }
    }

    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes `text`; on a terminal nothing in it is obeyed.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        let shown = if self.is_terminal { printable(text) } else { text.into() };
        self.writer.write_all(shown.as_bytes())
    }

    /// Writes `text` and a line feed.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.text(text)?;
        self.writer.write_all(b"\n")
    }

    /// Writes bytes that need be no text. Not for terminals.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    /// Writes what teu itself made, escape sequences included.
    pub fn trusted(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(text.as_bytes())
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
