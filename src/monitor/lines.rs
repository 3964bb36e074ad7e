//! Lines of a file that is rotated (`path`, `path.1`, …) while it is read: forward, or the last n, in bounded memory.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A longer line is passed over: no writer of ours makes one.
const MAX_LINE_BYTES: usize = 1 << 20;
const BLOCK_BYTES: usize = 64 << 10;
/// Rotated files beyond this number are not looked for.
const MAX_FILES: u32 = 1000;

/// A line as it was found, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Whole(Vec<u8>),
    /// One of more than a MiB, dropped.
    TooLong,
}

/// A position in a rotated file.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    /// The file being read; none if there was none yet.
    file: Option<File>,
    buffer: Vec<u8>,
    used: usize,
    /// The line in progress is too long and being passed over.
    skipping: bool,
}

impl Lines {
    /// Stands at the beginning of the oldest file, or before the last `tail` lines.
    pub fn open(path: &Path, tail: Option<u64>) -> io::Result<Self> {
        let mut lines = Self { path: path.to_owned(), file: None, buffer: Vec::new(), used: 0, skipping: false };
        match tail {
            None => lines.file = lines.oldest()?,
            Some(count) => lines.seek_to_last(count)?,
        }
        Ok(lines)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next whole line; `None` at the end of what is there now (a line without its end waits for it).
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.buffered() {
                return Ok(Some(line));
            }
            if self.fill()? {
                continue;
            }
            if !self.move_on()? {
                return Ok(None);
            }
        }
    }

    fn buffered(&mut self) -> Option<Line> {
        let rest = &self.buffer[self.used..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            if rest.len() > MAX_LINE_BYTES {
                self.skipping = true;
                self.used = self.buffer.len();
            }
            return None;
        };
        let line = rest[..length].to_vec();
        self.used += length + 1;
        if std::mem::take(&mut self.skipping) || line.len() > MAX_LINE_BYTES {
            return Some(Line::TooLong);
        }
        Some(Line::Whole(line))
    }

    /// Reads a block more of the current file; false at its end.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        self.buffer.drain(..self.used);
        self.used = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + BLOCK_BYTES, 0);
        let read = file.read(&mut self.buffer[length..]);
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    /// At the end of the current file: goes to the next newer one if it was rotated away. False if there is none.
    fn move_on(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else {
            self.file = self.oldest()?;
            return Ok(self.file.is_some());
        };
        let number = self.number_of(file)?;
        let next = match number {
            Some(0) => return Ok(false),
            Some(number) => open(&rotated(&self.path, number - 1))?,
            None => self.oldest()?,
        };
        // In the moment of a rotation the newer file may not be there yet.
        let Some(next) = next else { return Ok(false) };
        // Older files are renamed before newer ones: if ours has not moved meanwhile, the one opened is the right one.
        if self.number_of(file)? != number {
            return Ok(true);
        }
        // What was written between the end seen and the rotation comes first.
        if self.fill()? {
            return Ok(true);
        }
        // A line cut off at a file's end will never be finished.
        self.buffer.clear();
        self.used = 0;
        self.skipping = false;
        self.file = Some(next);
        Ok(true)
    }

    /// How often the open file was rotated; `None` if it is gone.
    fn number_of(&self, file: &File) -> io::Result<Option<u32>> {
        let identity = identity(&file.metadata()?);
        let named = |(number, found): (u32, Metadata)| (self::identity(&found) == identity).then_some(number);
        Ok(self.numbers()?.into_iter().find_map(named))
    }

    /// The file that was rotated most often.
    fn oldest(&self) -> io::Result<Option<File>> {
        loop {
            let Some((number, _)) = self.numbers()?.pop() else { return Ok(None) };
            let Some(file) = open(&rotated(&self.path, number))? else { continue };
            // A rotation under way could have hidden older ones from the look above.
            if self.number_of(&file)? == self.numbers()?.pop().map(|(number, _)| number) {
                return Ok(Some(file));
            }
        }
    }

    /// The files there are, newest first. While one rotation is under way one number is free, so a single gap is no end.
    fn numbers(&self) -> io::Result<Vec<(u32, Metadata)>> {
        let mut found = Vec::new();
        let mut missing = 0;
        for number in 0..MAX_FILES {
            match std::fs::metadata(rotated(&self.path, number)) {
                Ok(metadata) => found.push((number, metadata)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing += 1,
                Err(error) => return Err(error),
            }
            if missing > 1 {
                break;
            }
        }
        Ok(found)
    }

    /// Walks back from the newest file's end over `count` line feeds, reading no more than needed.
    fn seek_to_last(&mut self, count: u64) -> io::Result<()> {
        let mut left = count;
        let mut previous = None;
        for (number, _) in self.numbers()? {
            let Some(file) = open(&rotated(&self.path, number))? else { continue };
            // A rotation since the last step brings the same file again under its next number.
            let identity = Some(identity(&file.metadata()?));
            if previous == identity {
                continue;
            }
            previous = identity;
            let (offset, passed) = last_lines(&file, left)?;
            left -= passed;
            io::Seek::seek(&mut &file, io::SeekFrom::Start(offset))?;
            self.file = Some(file);
            if offset > 0 || left == 0 {
                break;
            }
        }
        Ok(())
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Where the last `count` lines of `file` begin, and how many there are. An unfinished last line is not counted, but read.
fn last_lines(file: &File, count: u64) -> io::Result<(u64, u64)> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut end = file.metadata()?.len();
    let mut line_feeds = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES as u64);
        let part = &mut block[..usize::try_from(end - start).unwrap_or(BLOCK_BYTES)];
        file.read_exact_at(part, start)?;
        for (index, _) in part.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            if line_feeds == count {
                return Ok((start + index as u64 + 1, count));
            }
            line_feeds += 1;
        }
        end = start;
    }
    Ok((0, line_feeds))
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The path of a file that was rotated `number` times.
pub fn rotated(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}
