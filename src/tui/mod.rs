//! The full-screen interface: key, action, update, effect, event. Drawing only reads.

pub mod svg;
pub mod theme;
pub mod widgets;
