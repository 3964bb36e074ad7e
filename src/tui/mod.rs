//! The full-screen interface: key, action, update, effect, event. Drawing only reads.
//!
//! `run` owns the terminal. One loop waits for keys and for what the engine tells, hands both to [`update::update`],
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
mod keymap;
mod list;
mod list_keys;
#[cfg(test)]
mod sample;
mod screens;
mod shell;
mod step;
pub mod svg;
mod table;
pub mod theme;
mod toast;
mod told;
mod update;
mod view;
pub mod widgets;
