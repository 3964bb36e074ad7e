//! teu: containers in one terminal.

pub mod model;
pub mod sys;
