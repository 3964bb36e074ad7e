//! The terminal, borrowed: given back as it was at every end, be it a quit, a signal or a panic.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use super::widgets::terminal::panic_is_contained;

/// True while the terminal is ours, so that it is given back once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Alternate screen; mouse buttons, drags and wheel in SGR form; bracketed paste; focus changes; no cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?1000h\x1b[?1002h\x1b[?1006h\x1b[?2004h\x1b[?1004h\x1b[?25l";
/// All of it undone, an unfinished synchronized update ended first.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[0m\x1b[?1004l\x1b[?2004l\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[?1049l\x1b[?25h";

/// Gives the terminal back when dropped.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Takes the terminal.
    pub fn take() -> io::Result<Self> {
        enter()?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // An emulator catches its own panics; the screen stays ours.
            if panic_is_contained() {
                return;
            }
            // Nobody draws behind a restored terminal: the lock is kept until the end.
            std::mem::forget(io::stdout().lock());
            let taken = leave();
            before(panic);
            if taken {
                // Without the thread that panicked the interface would be half dead, and the screen is given back.
                std::process::exit(101);
            }
        }));
        Ok(Self(()))
    }

    /// Gives the terminal back while `meanwhile` runs, and takes it again.
    pub fn lend(&mut self, meanwhile: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        leave();
        meanwhile()?;
        enter()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = io::stdout().lock();
    out.write_all(ENTER)?;
    out.flush()
}

/// Gives the terminal back if it is ours; true if it was. A terminal that is gone cannot be helped.
fn leave() -> bool {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return false;
    }
    let mut out = io::stdout();
    let _ = out.write_all(LEAVE).and_then(|()| out.flush());
    let _ = disable_raw_mode();
    true
}
