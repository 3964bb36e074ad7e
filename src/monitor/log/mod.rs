//! A container's log: json-file lines as Docker writes them, rotated by size, read back by time, from the tail, or followed.

mod line;
mod reader;
mod writer;

pub use reader::{LogQuery, LogReader};
pub(super) use writer::LogWriter;

/// A piece of a line is cut here, as Docker does; the log entry then has no line feed.
pub const PIECE_BYTES: usize = 16 << 10;
