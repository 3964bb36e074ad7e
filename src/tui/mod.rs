//! The full-screen interface: key, action, update, effect, event. Drawing only reads.
//!
//! `run` owns the terminal. One loop waits for keys and for what the engine tells, hands both to `update::update`,
//! performs the effects that come back on other threads, and draws once, at most sixty times a second.

mod action;
mod app;
mod canvas;
mod commands;
mod data;
mod dialogs;
mod effect;
mod field;
mod figures;
mod filter;
#[cfg(test)]
mod frames;
mod guard;
mod header;
mod keymap;
mod list;
mod list_keys;
mod network_deed;
mod perform;
mod ports;
mod run;
#[cfg(test)]
mod sample;
mod screen;
mod screens;
mod shell;
mod step;
pub mod svg;
mod table;
pub mod theme;
mod toast;
mod told;
mod transfer;
mod update;
mod view;
mod volume_deed;
pub mod widgets;

use crate::model::ErrorKind;

pub use run::run;

/// Why the interface cannot run.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error("the interface needs a terminal for both input and output")]
    NoTerminal,
    #[error("cannot {action}: {source}")]
    Io { action: &'static str, source: std::io::Error },
}

impl TuiError {
    fn io(action: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { action, source }
    }

    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoTerminal => ErrorKind::InvalidInput,
            Self::Io { .. } => ErrorKind::Other,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTerminal => Some("`teu --help` lists the commands that need none".to_owned()),
            Self::Io { .. } => None,
        }
    }
}
