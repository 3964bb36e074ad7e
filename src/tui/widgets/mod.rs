//! Widgets that know no container word: each draws what it is given in the colours of a theme.
//!
//! Text is made printable here, where it meets the screen, so that no caller can forget it. Widgets draw into the area
//! they are given and never outside of it, at any size.

pub mod bar;
pub mod chart;
pub mod fade;
pub mod terminal;
pub mod write;
