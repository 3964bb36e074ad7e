//! Reading a container's log back, rotated files included, oldest first.

use std::path::Path;

use super::line;
use crate::model::{LogEntry, Timestamp};
use crate::monitor::MonitorError;
use crate::monitor::follow::{Follow, Follower, Stopper};
use crate::monitor::lines::{Line, Lines};

/// Which entries of a log are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Nothing older.
    pub since: Option<Timestamp>,
    /// Nothing newer.
    pub until: Option<Timestamp>,
    /// Only so many of the last entries; `since` and `until` apply to these.
    pub tail: Option<u64>,
    /// Wait for more at the end.
    pub follow: bool,
}

/// The entries of a log, one at a time. Blocks in `next` only when following.
///
/// A line that is no log entry comes as an error of the kind `Corrupt`; the iteration goes on after it.
#[derive(Debug)]
pub struct LogReader {
    lines: Lines,
    query: LogQuery,
    follower: Option<Follower>,
    done: bool,
}

impl LogReader {
    /// Opens the log at `path`; one that does not exist (yet) is empty.
    pub fn open(path: &Path, query: &LogQuery) -> Result<Self, MonitorError> {
        // First the watch, then the look: what is written in between is not missed.
        let follower = if query.follow { Some(Follower::new(path)?) } else { None };
        let lines = Lines::open(path, query.tail).map_err(MonitorError::file("read", path))?;
        Ok(Self { lines, query: *query, follower, done: false })
    }

    /// A follow ends, after the last entry, when the container with this run folder has ended; at once if it does not run.
    pub fn until_exit_of(mut self, run_folder: &Path) -> Self {
        if let Some(follower) = &mut self.follower {
            follower.until_exit_of(run_folder);
        }
        self
    }

    /// Ends a follow from another thread; none if this reader does not follow.
    pub fn stopper(&self) -> Option<Stopper> {
        self.follower.as_ref().map(Follower::stopper)
    }

    fn advance(&mut self) -> Result<Option<LogEntry>, MonitorError> {
        while !self.done {
            match self.lines.next().map_err(MonitorError::file("read", self.lines.path()))? {
                Some(Line::Whole(bytes)) => {
                    let Some(entry) = line::parse(&bytes) else { return Err(self.garbage()) };
                    if self.query.until.is_some_and(|until| entry.time > until) {
                        self.done = true;
                    } else if self.query.since.is_none_or(|since| entry.time >= since) {
                        return Ok(Some(entry));
                    }
                }
                Some(Line::TooLong) => return Err(self.garbage()),
                None => match self.follower.as_mut().map(|follower| follower.wait(self.query.until)) {
                    Some(Follow::Changed) => {}
                    Some(Follow::Ended) => self.follower = None,
                    Some(Follow::Stopped) | None => self.done = true,
                },
            }
        }
        Ok(None)
    }

    fn garbage(&self) -> MonitorError {
        MonitorError::Garbage { path: self.lines.path().to_owned() }
    }
}

impl Iterator for LogReader {
    type Item = Result<LogEntry, MonitorError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;
    use crate::model::{ErrorKind, LogStream};
    use crate::monitor::LogOptions;
    use crate::monitor::log::LogWriter;

    fn written(path: &Path, lines: u32, max_bytes: u64) -> LogWriter {
        let mut log = LogWriter::new(LogOptions { path: path.to_owned(), max_bytes, files: 100 });
        for number in 0..lines {
            log.write(LogStream::Stdout, format!("{number}\n").as_bytes());
        }
        log
    }

    fn read(path: &Path, query: LogQuery) -> Vec<String> {
        LogReader::open(path, &query).expect("open").map(|entry| entry.expect("entry").text.trim().to_owned()).collect()
    }

    #[test]
    fn log_over_several_files_reads_in_order_and_tails_exactly() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        drop(written(&path, 200, 1000));
        let all: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        assert_eq!(read(&path, LogQuery::default()), all);
        for tail in [0, 1, 2, 10, 50, 199, 200, 1000] {
            let expected = &all[200 - tail.min(200)..];
            assert_eq!(
                read(&path, LogQuery { tail: Some(tail as u64), ..LogQuery::default() }),
                expected,
                "tail {tail}"
            );
        }
    }

    #[test]
    fn missing_log_is_empty_and_since_and_until_bound_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        assert!(read(&path, LogQuery { tail: Some(5), ..LogQuery::default() }).is_empty());
        let mut log = written(&path, 3, 1 << 20);
        std::thread::sleep(Duration::from_millis(2));
        let middle = Timestamp::now();
        std::thread::sleep(Duration::from_millis(2));
        log.write(LogStream::Stdout, b"late\n");
        assert_eq!(read(&path, LogQuery { since: Some(middle), ..LogQuery::default() }), ["late"]);
        assert_eq!(read(&path, LogQuery { until: Some(middle), ..LogQuery::default() }), ["0", "1", "2"]);
    }

    #[test]
    fn garbage_lines_are_reported_one_by_one_and_the_rest_is_read() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        drop(written(&path, 1, 1 << 20));
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("open");
        file.write_all(b"\xff\x00garbage\n").expect("write");
        file.write_all(&vec![b'x'; 10 << 20]).expect("write");
        file.write_all(b"\n").expect("write");
        drop(written(&path, 1, 100 << 20));
        let found: Vec<_> = LogReader::open(&path, &LogQuery::default()).expect("open").collect();
        let kinds: Vec<_> = found.iter().map(|entry| entry.as_ref().err().map(MonitorError::kind)).collect();
        assert_eq!(kinds, [None, Some(ErrorKind::Corrupt), Some(ErrorKind::Corrupt), None]);
    }

    #[test]
    fn follow_sees_every_line_across_rotations_and_stops_when_told() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        let reader = LogReader::open(&path, &LogQuery { follow: true, ..LogQuery::default() }).expect("open");
        let stopper = reader.stopper().expect("a follow can be stopped");
        let (sender, lines) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            for entry in reader {
                sender.send(entry.expect("entry").text).expect("the test receives");
            }
        });
        drop(written(&path, 300, 1000));
        for number in 0..300 {
            assert_eq!(lines.recv_timeout(Duration::from_secs(10)).expect("a line"), format!("{number}\n"));
        }
        stopper.stop();
        thread.join().expect("the reader ended");
    }
}
