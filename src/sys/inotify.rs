//! inotify(7): which names changed in which watched folder.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// A set of watched folders. Its descriptor is readable when something changed.
#[derive(Debug)]
pub struct Inotify(OwnedFd);

/// Which folder an event is about; the same folder added twice gives the same watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Watched(i32);

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A name appeared in a folder or replaced another (created, or renamed to).
    Appeared { folder: Watched, name: OsString },
    /// A name went out of a folder (removed, or renamed away).
    Vanished { folder: Watched, name: OsString },
    /// The folder itself is gone, and its watch with it.
    FolderGone { folder: Watched },
    /// The kernel's queue was full: anything may have changed.
    Overflow,
}

impl Inotify {
    pub fn new() -> io::Result<Self> {
        Ok(Self(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?))
    }

    /// Watches the names in a folder: appearing, being replaced and vanishing. Writing into files is not reported.
    pub fn add(&self, folder: &Path) -> io::Result<Watched> {
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::EXCL_UNLINK;
        Ok(Watched(inotify::add_watch(&self.0, folder, flags)?))
    }

    /// Makes the descriptor readable when a file was written to. [`read`](Self::read) gives no notice of it.
    pub fn add_file(&self, file: &Path) -> io::Result<Watched> {
        Ok(Watched(inotify::add_watch(&self.0, file, WatchFlags::MODIFY)?))
    }

    /// What happened since the last call; empty if nothing did. Never blocks.
    pub fn read(&self) -> io::Result<Vec<Notice>> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&self.0, &mut buffer);
        let mut notices = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => notices.extend(notice(&event)),
                Err(rustix::io::Errno::AGAIN) => return Ok(notices),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn notice(event: &inotify::Event<'_>) -> Option<Notice> {
    let folder = Watched(event.wd());
    let flags = event.events();
    if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
        return Some(Notice::Overflow);
    }
    if flags.intersects(ReadFlags::IGNORED) {
        return Some(Notice::FolderGone { folder });
    }
    let name = OsString::from_vec(event.file_name()?.to_bytes().to_vec());
    if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
        Some(Notice::Appeared { folder, name })
    } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        Some(Notice::Vanished { folder, name })
    } else {
        None
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inotify_reports_names_that_come_and_go() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).expect("mkdir");
        let inotify = Inotify::new().expect("inotify");
        let watched = inotify.add(&inner).expect("watch");
        assert_eq!(inotify.read().expect("read"), []);
        std::fs::write(inner.join("a"), b"x").expect("write");
        std::fs::rename(inner.join("a"), inner.join("b")).expect("rename");
        std::fs::remove_file(inner.join("b")).expect("remove");
        let appeared = |name: &str| Notice::Appeared { folder: watched, name: name.into() };
        let vanished = |name: &str| Notice::Vanished { folder: watched, name: name.into() };
        assert_eq!(inotify.read().expect("read"), [appeared("a"), vanished("a"), appeared("b"), vanished("b")]);
        std::fs::remove_dir(&inner).expect("rmdir");
        assert_eq!(inotify.read().expect("read"), [Notice::FolderGone { folder: watched }]);
    }
}
