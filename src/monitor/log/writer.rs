//! Writing a container's log while it runs: lines cut at 16 KiB, one write a batch, rotation by size.

use super::{PIECE_BYTES, line};
use crate::model::{LogStream, Timestamp};
use crate::monitor::LogOptions;
use crate::monitor::lines::rotated;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

/// The one writer of a log. It never fails its caller: what can't be written is counted, and writing tried again.
#[derive(Debug)]
pub struct LogWriter {
    options: LogOptions,
    /// None until the first line, or when opening failed.
    file: Option<File>,
    /// The current file's length.
    length: u64,
    /// The beginning of an unfinished line, for each stream.
    pending: [Vec<u8>; 2],
    lost_bytes: u64,
}

impl LogWriter {
    /// Continues the log where an earlier run of the container left it. Touches no file before there is something to write.
    pub fn new(options: LogOptions) -> Self {
        Self { options, file: None, length: 0, pending: [Vec::new(), Vec::new()], lost_bytes: 0 }
    }

    /// Bytes of log text that could not be written, because of a full disk for instance.
    pub fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }

    /// Takes what the container wrote: whole lines go to the file, an unfinished one waits for its end or for 16 KiB.
    pub fn write(&mut self, stream: LogStream, bytes: &[u8]) {
        let time = Timestamp::now().to_string();
        let pending = &mut self.pending[stream as usize];
        let mut batch = Vec::new();
        let mut ends = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = PIECE_BYTES - pending.len();
            let window = &rest[..rest.len().min(room)];
            let line_feed = window.iter().position(|&byte| byte == b'\n');
            let (piece, whole) = match line_feed {
                Some(at) => (&window[..=at], true),
                None => (window, window.len() == room),
            };
            rest = &rest[piece.len()..];
            if !whole {
                pending.extend_from_slice(piece);
            } else if pending.is_empty() {
                line::write(&mut batch, piece, stream, &time);
                ends.push(batch.len());
            } else {
                pending.extend_from_slice(piece);
                line::write(&mut batch, pending, stream, &time);
                ends.push(batch.len());
                pending.clear();
            }
        }
        if pending.is_empty() && pending.capacity() > 0 {
            *pending = Vec::new();
        }
        self.store(&batch, &ends);
    }

    /// Writes unfinished lines: the container's streams have ended.
    pub fn finish(&mut self) {
        let time = Timestamp::now().to_string();
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let pending = std::mem::take(&mut self.pending[stream as usize]);
            if !pending.is_empty() {
                let mut batch = Vec::new();
                line::write(&mut batch, &pending, stream, &time);
                let end = batch.len();
                self.store(&batch, &[end]);
            }
        }
    }

    /// Writes lines that end at `ends` in `batch`, in as few writes as the rotation allows.
    fn store(&mut self, batch: &[u8], ends: &[usize]) {
        let mut from = 0;
        let mut index = 0;
        while from < batch.len() {
            if self.file.is_none() && self.open().is_err() {
                self.lost_bytes += (batch.len() - from) as u64;
                return;
            }
            let room = usize::try_from(self.options.max_bytes.saturating_sub(self.length)).unwrap_or(usize::MAX);
            let fitting = ends[index..].iter().take_while(|&&end| end - from <= room).count();
            if fitting == 0 && self.length > 0 {
                self.rotate();
                continue;
            }
            // A line larger than a whole file gets a file of its own.
            index += fitting.max(1);
            let to = ends[index - 1];
            self.append(&batch[from..to]);
            from = to;
        }
    }

    fn append(&mut self, lines: &[u8]) {
        let Some(file) = &mut self.file else { return };
        match file.write_all(lines) {
            Ok(()) => self.length += lines.len() as u64,
            Err(_) => {
                // Take back the part of a line that a full disk let through, so that readers find whole lines only.
                let _ = file.set_len(self.length);
                self.lost_bytes += lines.len() as u64;
            }
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&self.options.path)?;
        self.length = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// `log.1` becomes `log.2` and so on, the oldest goes, and the next write makes a new file.
    fn rotate(&mut self) {
        self.file = None;
        self.length = 0;
        let oldest = self.options.files.max(1) - 1;
        if oldest == 0 {
            let _ = std::fs::remove_file(&self.options.path);
        }
        for number in (0..oldest).rev() {
            let _ = std::fs::rename(rotated(&self.options.path, number), rotated(&self.options.path, number + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn texts(path: &Path) -> Vec<String> {
        let content = std::fs::read(path).expect("log file");
        let lines = content.split_inclusive(|&byte| byte == b'\n');
        lines.map(|text| line::parse(text).expect("a log line").text).collect()
    }

    #[test]
    fn lines_are_joined_over_writes_and_unfinished_ones_written_at_the_end() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        let mut log = LogWriter::new(LogOptions::at(path.clone()));
        log.write(LogStream::Stdout, b"one\ntw");
        log.write(LogStream::Stderr, b"err\n");
        log.write(LogStream::Stdout, b"o\nthree");
        assert_eq!(texts(&path), ["one\n", "err\n", "two\n"]);
        log.finish();
        assert_eq!(texts(&path), ["one\n", "err\n", "two\n", "three"]);
    }

    #[test]
    fn line_of_ten_megabytes_is_cut_at_sixteen_kibibytes_and_memory_stays_small() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        let mut log = LogWriter::new(LogOptions { path: path.clone(), max_bytes: 100 << 20, files: 3 });
        for _ in 0..10 << 10 {
            log.write(LogStream::Stdout, &[b'x'; 1000]);
            assert!(log.pending[0].capacity() <= 2 * PIECE_BYTES);
        }
        log.write(LogStream::Stdout, b"\n");
        let texts = texts(&path);
        assert!(texts[..texts.len() - 1].iter().all(|text| text.len() == PIECE_BYTES));
        assert_eq!(texts.iter().map(String::len).sum::<usize>(), 10_240_001);
        assert!(texts.last().is_some_and(|text| text.ends_with('\n')));
    }

    #[test]
    fn rotation_keeps_the_given_number_of_files_and_every_line_whole() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        let mut log = LogWriter::new(LogOptions { path: path.clone(), max_bytes: 1000, files: 3 });
        for number in 0..100 {
            log.write(LogStream::Stdout, format!("line {number}\n").as_bytes());
        }
        log.write(LogStream::Stdout, &[b'y'; 5000]);
        log.write(LogStream::Stdout, b"\n");
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 3);
        assert!(texts(&rotated(&path, 2)).len() > 5);
        assert!(texts(&rotated(&path, 1)).iter().all(|text| text.starts_with("line")));
        assert_eq!(texts(&path)[0].len(), 5001);
    }

    #[test]
    fn log_that_cannot_be_written_is_counted_and_does_not_fail() {
        let mut log = LogWriter::new(LogOptions::at("/nonexistent/folder/log".into()));
        log.write(LogStream::Stdout, b"x\n");
        assert!(log.lost_bytes() > 0);
    }
}
