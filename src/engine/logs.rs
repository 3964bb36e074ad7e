//! `logs`: what a container has written.

use super::{Engine, LogQuery, LogReader, Result};

impl Engine {
    /// The container's output, rotated files included, oldest first. A follow ends when the container does.
    pub fn logs(&self, target: &str, query: &LogQuery) -> Result<LogReader> {
        let record = self.0.find(target)?;
        // Settles a container whose monitor was killed: its log would be followed for ever otherwise.
        self.0.state(&record)?;
        let reader = LogReader::open(&self.0.log_file(&record.id), query)?;
        Ok(reader.until_exit_of(&self.0.life_folder(&record.id)))
    }
}
