//! The contracts of monitor and image, until those rooms land: then this file goes and the names stay.
#![allow(dead_code, reason = "gone when monitor and image have landed")]

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use crate::model::{Digest, Event, ExitStatus, LogEntry, LogStream, Platform, Reference, Signal, Size, Timestamp};

/// What a client wants of an attachment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachOptions {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// Begin with the recent output.
    pub replay: bool,
    pub size: Option<Size>,
}

#[derive(Debug)]
pub struct Attachment(());

impl Attachment {
    pub fn split(self) -> (AttachReader, AttachWriter) {
        todo!()
    }
}

#[derive(Debug)]
pub struct AttachReader(());

impl AttachReader {
    /// Blocks for the next event; none when the monitor closed the line.
    pub fn next(&mut self) -> std::io::Result<Option<AttachEvent>> {
        todo!()
    }
}

impl AsFd for AttachReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        todo!()
    }
}

#[derive(Debug)]
pub struct AttachWriter(());

impl AttachWriter {
    pub fn write(&mut self, _bytes: &[u8]) -> std::io::Result<()> {
        todo!()
    }

    pub fn resize(&mut self, _size: Size) -> std::io::Result<()> {
        todo!()
    }

    pub fn close_stdin(&mut self) -> std::io::Result<()> {
        todo!()
    }

    pub fn signal(&mut self, _signal: Signal) -> std::io::Result<()> {
        todo!()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachEvent {
    Output { stream: LogStream, bytes: Vec<u8> },
    Replayed,
    Lagged { bytes: u64 },
    Exited(ExitStatus),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub tail: Option<usize>,
    pub follow: bool,
}

#[derive(Debug)]
pub struct LogReader(());

impl Iterator for LogReader {
    type Item = std::io::Result<LogEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub follow: bool,
}

#[derive(Debug)]
pub struct EventReader(());

impl Iterator for EventReader {
    type Item = std::io::Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}

pub enum ImportSource {
    Folder(PathBuf),
    Tar(Box<dyn Read + Send>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    Untagged(Reference),
    Deleted(Digest),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullOptions {
    pub platform: Option<Platform>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchOptions {
    pub registries: Vec<String>,
    pub limit: Option<usize>,
}
