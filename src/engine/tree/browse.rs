//! Walking through the files of a container or a volume: folders page by page, parts of files. One visitor serves a whole
//! session, or a single question.

use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use super::protocol::{Answer, Ask};
use super::{Flow, Visit};
use crate::engine::{Engine, EngineError, Inner, Result};
use crate::model::{ErrorKind, FileEntry, FilePage, FilePart, FilePlace, Id, Timestamp, printable_line};

/// How long one answer may take: a FUSE file system in a container may never give one.
const PATIENCE: Duration = Duration::from_secs(20);
/// Entries that are asked for at once.
const PAGE: u64 = 10_000;

/// A visit that goes on from question to question. It ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    visit: Visit,
    place: FilePlace,
    /// What the place was when the visit began.
    found: Found,
}

/// What tells a place from another that has its name later.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Container(Id, Option<i32>),
    Volume(Timestamp),
}

impl Engine {
    /// Goes to the files of a place. A container that does not run cannot be started while the browser lives: see
    /// [`Browser::keeps_from_starting`].
    pub fn browse(&self, place: &FilePlace) -> Result<Browser> {
        let found = self.0.find_place(place)?;
        let visit = self.0.visit_place(place, Flow::FromContainer)?;
        visit.line.set_patience(PATIENCE).map_err(EngineError::io("speak with", visit.name().as_ref()))?;
        Ok(Browser { visit, place: place.clone(), found })
    }

    /// Whether a browser still shows what there is: a container that has ended or was started since has another root.
    pub fn is_current(&self, browser: &Browser) -> bool {
        self.0.find_place(&browser.place).is_ok_and(|found| found == browser.found)
    }

    /// Everything in a folder, ordered by the names' bytes.
    pub fn list_folder(&self, place: &FilePlace, path: &OsStr) -> Result<Vec<FileEntry>> {
        let mut browser = self.browse(place)?;
        let mut page = browser.list(path, 0, PAGE)?;
        let mut entries = std::mem::take(&mut page.entries);
        let mut asked = PAGE;
        while asked < page.total {
            let more = browser.list(path, asked, PAGE)?.entries;
            entries.extend(more);
            asked += PAGE;
        }
        Ok(entries)
    }

    /// A part of a regular file; less where it ends before.
    pub fn read_file(&self, place: &FilePlace, path: &OsStr, range: Range<u64>) -> Result<Vec<u8>> {
        let mut browser = self.browse(place)?;
        let mut bytes = Vec::new();
        while range.start + (bytes.len() as u64) < range.end {
            let at = range.start + bytes.len() as u64;
            let part = browser.read(path, at, range.end - at)?;
            if part.bytes.is_empty() {
                break;
            }
            bytes.extend(part.bytes);
        }
        Ok(bytes)
    }
}

impl Inner {
    fn find_place(&self, place: &FilePlace) -> Result<Found> {
        match place {
            FilePlace::Container(target) => {
                let record = self.find(target)?;
                let pid = self.state(&record)?.and_then(|state| state.pid());
                Ok(Found::Container(record.id, pid))
            }
            FilePlace::Volume(name) => Ok(Found::Volume(self.find_volume(name)?.created)),
        }
    }
}

impl Browser {
    /// Of the names in a folder at most so many, from one on. The first page (`from` 0) looks anew.
    pub fn list(&mut self, path: &OsStr, from: u64, most: u64) -> Result<FilePage> {
        let ask = Ask::List { path: path.as_bytes().to_vec(), from, most };
        match self.visit.ask(&ask).map_err(|error| about(path, error))? {
            Answer::Page(page) => Ok(page),
            _ => Err(self.visit.broken()),
        }
    }

    /// A part of a regular file of at most 4 MiB.
    pub fn read(&mut self, path: &OsStr, offset: u64, most: u64) -> Result<FilePart> {
        let ask = Ask::Read { path: path.as_bytes().to_vec(), offset, most };
        match self.visit.ask(&ask).map_err(|error| about(path, error))? {
            Answer::Part { path, size_bytes, count } => {
                let bytes = self.visit.line.hear_bytes(count).map_err(|_| self.visit.broken())?;
                Ok(FilePart { path: OsStringExt::from_vec(path), size_bytes, offset, bytes })
            }
            _ => Err(self.visit.broken()),
        }
    }

    /// Whether a container waits with its start until this is dropped: then it should be dropped soon.
    pub fn keeps_from_starting(&self) -> bool {
        self.visit.lock.is_some()
    }
}

/// Says which path it is about.
fn about(path: &OsStr, error: EngineError) -> EngineError {
    match error {
        EngineError::Files { name, message, kind } => {
            let path = printable_line(&path.to_string_lossy()).into_owned();
            let message = if kind == ErrorKind::NotFound { "there is no such file".to_owned() } else { message };
            EngineError::Files { name, message: format!("{path}: {message}"), kind }
        }
        other => other,
    }
}
