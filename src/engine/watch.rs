//! Changes on disk, whoever makes them: inotify on the folders of containers, names, what runs, and images.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::{Engine, Result};

/// What has changed since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// A container was made, removed, renamed, or its state is another: list again.
    pub containers: bool,
    /// An image came, went or got a tag: list again.
    pub images: bool,
}

/// A watch on what any teu process does. Its descriptor becomes readable when something changed.
#[derive(Debug)]
pub struct Watch {}

impl Watch {
    /// Blocks until something changes, gathers what follows within some milliseconds, and returns it all in one.
    /// With a time-out, `None` when nothing changed in that time.
    pub fn next(&mut self, _timeout: Option<Duration>) -> Result<Option<Changes>> {
        todo!()
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        todo!()
    }
}

impl Engine {
    /// Starts watching now: what changes after this call is reported by [`Watch::next`].
    pub fn watch(&self) -> Result<Watch> {
        todo!()
    }
}
