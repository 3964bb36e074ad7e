//! One line of a container's log.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Which stream a log line came from. A terminal has only `Stdout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// One entry of the log, as the container wrote it: hostile bytes, made lossy UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub time: Timestamp,
    pub stream: LogStream,
    /// The text, with its line feed where the line was complete.
    pub text: String,
}
