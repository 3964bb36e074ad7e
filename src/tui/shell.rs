//! What the interface and a reader's thread share of a shell in a pane: its number and its terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::widgets::terminal::SharedEmulator;
use crate::model::Size;

/// Names a pane as long as the interface runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PaneId(pub u32);

/// A terminal that a thread feeds and the interface draws.
#[derive(Clone)]
pub struct SharedTerminal {
    pub emulator: SharedEmulator,
    /// Set when somebody has been told of a change that has not been drawn yet.
    told: Arc<AtomicBool>,
}

impl SharedTerminal {
    pub fn new(size: Size) -> Self {
        Self { emulator: SharedEmulator::new(size), told: Arc::default() }
    }

    /// For the reader's thread: feeds output, then calls `tell` unless a change is known already and not yet drawn.
    /// Returns what the terminal answers to questions in the output.
    pub fn feed(&self, bytes: &[u8], tell: impl FnOnce()) -> Vec<u8> {
        let answers = self.emulator.feed(bytes);
        if !self.told.swap(true, Ordering::SeqCst) {
            tell();
        }
        answers
    }

    /// To be called before drawing: the next change is worth telling again.
    pub fn seen(&self) {
        self.told.store(false, Ordering::SeqCst);
    }
}

impl PartialEq for SharedTerminal {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.told, &other.told)
    }
}

impl std::fmt::Debug for SharedTerminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedTerminal")
    }
}
