//! The event file: one JSON line for each thing that happened, appended by every teu process, rotated by size.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::MonitorError;
use super::follow::{Follow, Follower, Stopper};
use super::lines::{Line, Lines, rotated};
use crate::model::{Event, Timestamp};
use crate::sys::file::Lock;

/// The file that grows beyond this becomes `PATH.1`, and the `PATH.1` of before goes.
const MAX_BYTES: u64 = 4 << 20;

/// Appends one event. Safe to call from many processes at once: a line is one write to a file opened for appending.
pub fn append_event(path: &Path, event: &Event) -> Result<(), MonitorError> {
    let mut line = serde_json::to_vec(event).map_err(|error| MonitorError::file("write", path)(error.into()))?;
    line.push(b'\n');
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let mut file = file.map_err(MonitorError::file("open", path))?;
    file.write_all(&line).map_err(MonitorError::file("write", path))?;
    if file.metadata().is_ok_and(|metadata| metadata.len() > MAX_BYTES) {
        rotate(path).map_err(MonitorError::file("rotate", path))?;
    }
    Ok(())
}

/// Rotates once however many processes see the file too large at the same moment.
fn rotate(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let _lock = Lock::folder(folder)?;
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > MAX_BYTES => std::fs::rename(path, rotated(path, 1)),
        // Another process was quicker, and nothing has happened since.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        looked => looked.map(drop),
    }
}

/// Which events are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// Nothing older. Without it only events that happen from now on are given, as Docker does.
    pub since: Option<Timestamp>,
    /// Nothing newer; a follow ends then.
    pub until: Option<Timestamp>,
    /// Wait for more at the end.
    pub follow: bool,
}

/// Events, oldest first. Blocks in `next` only when following.
///
/// A line that is no event comes as an error of the kind `Corrupt`; the iteration goes on after it.
#[derive(Debug)]
pub struct EventReader {
    lines: Lines,
    query: EventQuery,
    follower: Option<Follower>,
    done: bool,
}

impl EventReader {
    /// Opens the event file; its folder must exist, the file need not.
    pub fn open(path: &Path, query: &EventQuery) -> Result<Self, MonitorError> {
        let follower = if query.follow { Some(Follower::new(path)?) } else { None };
        let tail = if query.since.is_none() && query.follow { Some(0) } else { None };
        let lines = Lines::open(path, tail).map_err(MonitorError::file("read", path))?;
        Ok(Self { lines, query: *query, follower, done: false })
    }

    /// Ends a follow from another thread; none if this reader does not follow.
    pub fn stopper(&self) -> Option<Stopper> {
        self.follower.as_ref().map(Follower::stopper)
    }

    fn advance(&mut self) -> Result<Option<Event>, MonitorError> {
        while !self.done {
            match self.lines.next().map_err(MonitorError::file("read", self.lines.path()))? {
                Some(Line::Whole(bytes)) => {
                    let Ok(event) = serde_json::from_slice::<Event>(&bytes) else { return Err(self.garbage()) };
                    let late = self.query.until.is_some_and(|until| event.time > until);
                    if !late && self.query.since.is_none_or(|since| event.time >= since) {
                        return Ok(Some(event));
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

impl Iterator for EventReader {
    type Item = Result<Event, MonitorError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{EventAction, EventSubject};

    fn event(number: usize) -> Event {
        Event {
            time: Timestamp::now(),
            subject: EventSubject::Container,
            action: EventAction::Start,
            id: number.to_string(),
            name: "brave_hopper".to_owned(),
            exit_code: None,
            detail: Some("x".repeat(100)),
            attributes: Default::default(),
        }
    }

    #[test]
    fn events_of_many_writers_are_all_read_in_whole_lines() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("events.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..250 {
                        append_event(path, &event(writer * 1000 + number)).expect("append");
                    }
                });
            }
        });
        let events = EventReader::open(&path, &EventQuery::default()).expect("open");
        assert_eq!(events.map(|event| event.expect("event").id).collect::<std::collections::BTreeSet<_>>().len(), 1000);
    }

    #[test]
    fn event_file_too_large_is_rotated_and_both_files_are_read() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("events.jsonl");
        append_event(&path, &event(1)).expect("append");
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(&b"x\n".repeat(2 << 20)))
            .expect("fill");
        append_event(&path, &event(2)).expect("append");
        append_event(&path, &event(3)).expect("append");
        assert!(rotated(&path, 1).exists());
        let events = EventReader::open(&path, &EventQuery::default()).expect("open");
        assert_eq!(events.filter_map(Result::ok).map(|event| event.id).collect::<Vec<_>>(), ["1", "2", "3"]);
    }

    #[test]
    fn rotation_that_another_process_has_just_done_is_no_failure() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("events.jsonl");
        rotate(&path).expect("the file is gone already");
        append_event(&path, &event(1)).expect("append");
        rotate(&path).expect("a new one is there already");
        assert!(path.exists() && !rotated(&path, 1).exists());
    }

    #[test]
    fn follow_without_since_gives_only_what_happens_from_now_on() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("events.jsonl");
        append_event(&path, &event(1)).expect("append");
        let mut events = EventReader::open(&path, &EventQuery { follow: true, ..EventQuery::default() }).expect("open");
        let stopper = events.stopper().expect("a follow can be stopped");
        let thread = std::thread::spawn(move || {
            let first = events.next().map(|event| event.expect("event").id);
            (first, events.next().is_none())
        });
        std::thread::sleep(Duration::from_millis(50));
        append_event(&path, &event(2)).expect("append");
        std::thread::sleep(Duration::from_millis(50));
        stopper.stop();
        assert_eq!(thread.join().expect("thread"), (Some("2".to_owned()), true));
    }
}
