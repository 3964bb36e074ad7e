//! `logs`: what a container has written.

use super::{Engine, LogQuery, LogReader, Result};

impl Engine {
    /// The container's output, rotated files included, oldest first. A follow ends when the container does.
    pub fn logs(&self, _target: &str, _query: &LogQuery) -> Result<LogReader> {
        todo!()
    }
}
