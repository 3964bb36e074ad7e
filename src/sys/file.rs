//! Files that are whole or not there: atomic replacement by rename, and locks that die with their holder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// Replaces `path` by `content`: a reader sees the old file or the new one, never a part.
///
/// Written as [`Pending`], so that a kill leaves nothing beside a new file, and next to never beside one that is replaced.
/// No fsync: who needs power-loss safety calls syncfs.
pub fn write_atomically(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    replace(path, content, mode, |_| Ok(()))
}

/// As [`write_atomically`], and the content is on the disk before it gets its name: a power cut leaves the old file or the new
/// one as well, on file systems too that write names before content.
pub fn write_durably(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    replace(path, content, mode, File::sync_all)
}

fn replace(path: &Path, content: &[u8], mode: u32, finish: fn(&File) -> io::Result<()>) -> io::Result<()> {
    let pending = Pending::of_mode(path, mode)?;
    let mut file = pending.file();
    file.write_all(content).and_then(|()| finish(file))?;
    pending.keep()
}

/// A file in `folder` that has no name: it is gone with its last descriptor, however its process ends.
pub fn nameless(folder: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::TMPFILE.bits() as i32;
    match OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(flags).open(folder) {
        // Not every file system has such files (open(2), O_TMPFILE).
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
            let path = temporary_beside(&folder.join("nameless"))?;
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            fs::remove_file(&path)?;
            Ok(file)
        }
        result => result,
    }
}

/// A file that gets its name when it is whole. Until then nobody sees it, and nothing of it is left by who dies.
#[derive(Debug)]
pub struct Pending {
    file: File,
    path: PathBuf,
    /// Where the file system has no files without names.
    temporary: Option<PathBuf>,
}

impl Pending {
    /// Mode 0600: what it will hold may be secret.
    pub fn new(path: &Path) -> io::Result<Self> {
        Self::of_mode(path, 0o600)
    }

    fn of_mode(path: &Path, mode: u32) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = rustix::fs::OFlags::TMPFILE.bits() as i32;
        match OpenOptions::new().read(true).write(true).mode(mode).custom_flags(flags).open(folder) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
                let temporary = temporary_beside(path)?;
                let file = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(&temporary)?;
                Ok(Self { file, path: path.to_owned(), temporary: Some(temporary) })
            }
            file => Ok(Self { file: file?, path: path.to_owned(), temporary: None }),
        }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it its name, in place of what had it.
    pub fn keep(mut self) -> io::Result<()> {
        if self.temporary.is_none() {
            let own = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.file));
            let flags = rustix::fs::AtFlags::SYMLINK_FOLLOW;
            let link = |name: &Path| rustix::fs::linkat(rustix::fs::CWD, &*own, rustix::fs::CWD, name, flags);
            match link(&self.path) {
                Err(rustix::io::Errno::EXIST) => {}
                linked => return Ok(linked?),
            }
            let temporary = temporary_beside(&self.path)?;
            link(&temporary)?;
            self.temporary = Some(temporary);
        }
        let temporary = self.temporary.as_ref().expect("it has been given one");
        fs::rename(temporary, &self.path)?;
        self.temporary = None;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Exchanges what two paths of one file system name, at once: neither is ever missing (renameat2(2), Linux 3.15).
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// A name in the same folder that no other process uses: `.NAME.RANDOM.tmp`.
pub fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::other("path has no file name"))?;
    let random = u64::from_ne_bytes(super::random::bytes()?);
    Ok(path.with_file_name(format!(".{}.{random:016x}.tmp", name.to_string_lossy())))
}

/// An exclusive or shared flock(2) on a file, released when this value and every duplicate of its descriptor are gone.
#[derive(Debug)]
pub struct Lock(File);

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Lock {
    /// Waits for the exclusive lock. The file is made if it is missing (mode 0600) and never removed.
    pub fn exclusive(path: &Path) -> io::Result<Self> {
        Self::take(path, FlockOperation::LockExclusive).map(|lock| lock.expect("a waiting flock returns with the lock"))
    }

    /// Waits for a shared lock.
    pub fn shared(path: &Path) -> io::Result<Self> {
        Self::take(path, FlockOperation::LockShared).map(|lock| lock.expect("a waiting flock returns with the lock"))
    }

    /// The exclusive lock, or `None` if somebody holds it now.
    pub fn try_exclusive(path: &Path) -> io::Result<Option<Self>> {
        Self::take(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// As [`Lock::try_exclusive`], but who only looks ([`Lock::is_held`]) is no holder: that lasts microseconds, unless the machine is so
    /// busy that the one who looks is put aside in the middle. A lock that stays held for `patience` is held.
    pub fn exclusive_within(path: &Path, patience: Duration) -> io::Result<Option<Self>> {
        let end = Instant::now() + patience;
        loop {
            match Self::try_exclusive(path)? {
                None if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
                lock => return Ok(lock),
            }
        }
    }

    /// Whether somebody holds the lock of an existing file; a missing file is held by nobody.
    pub fn is_held(path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the exclusive lock on a folder that exists, which costs no file.
    ///
    /// `NotFound` if there is no folder of that name, or no more once the lock is had: it may have been removed or renamed
    /// by the holder before.
    pub fn folder(path: &Path) -> io::Result<Self> {
        Self::take_folder(path, FlockOperation::LockExclusive)
            .map(|lock| lock.expect("a waiting flock returns with the lock"))
    }

    /// As [`Lock::folder`], shared with others who take it so.
    pub fn folder_shared(path: &Path) -> io::Result<Self> {
        Self::take_folder(path, FlockOperation::LockShared)
            .map(|lock| lock.expect("a waiting flock returns with the lock"))
    }

    /// As [`Lock::folder`], or `None` if somebody holds it now.
    pub fn try_folder(path: &Path) -> io::Result<Option<Self>> {
        Self::take_folder(path, FlockOperation::NonBlockingLockExclusive)
    }

    /// Waits for a shared lock on a file that exists; `NotFound` as with [`Lock::folder`].
    pub fn existing_shared(path: &Path) -> io::Result<Self> {
        Self::take_existing(path, rustix::fs::OFlags::NOFOLLOW, FlockOperation::LockShared)
            .map(|lock| lock.expect("a waiting flock returns with the lock"))
    }

    /// The exclusive lock on a file that exists, or `None` if somebody holds it now; `NotFound` as with [`Lock::folder`].
    pub fn try_existing(path: &Path) -> io::Result<Option<Self>> {
        Self::take_existing(path, rustix::fs::OFlags::NOFOLLOW, FlockOperation::NonBlockingLockExclusive)
    }

    fn take_folder(path: &Path, operation: FlockOperation) -> io::Result<Option<Self>> {
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW;
        Self::take_existing(path, flags, operation)
    }

    fn take_existing(path: &Path, flags: rustix::fs::OFlags, operation: FlockOperation) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
        let Some(lock) = Self::flock(file, operation)? else { return Ok(None) };
        let (held, named) = (lock.0.metadata()?, fs::symlink_metadata(path)?);
        if (held.dev(), held.ino()) == (named.dev(), named.ino()) {
            Ok(Some(lock))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn take(path: &Path, operation: FlockOperation) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        Self::flock(file, operation)
    }

    fn flock(file: File, operation: FlockOperation) -> io::Result<Option<Self>> {
        loop {
            match flock(&file, operation) {
                Ok(()) => return Ok(Some(Self(file))),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Lets a pipe hold as much as an ordinary user may: fewer changes between the two ends.
pub fn enlarge_pipe(pipe: impl AsFd) {
    // The kernel's usual limit; where it is lower the pipe keeps its size.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_atomically_replaces_and_leaves_no_temporary() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("state");
        write_atomically(&path, b"one", 0o600).expect("first");
        write_atomically(&path, b"two", 0o600).expect("second");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 1);
    }

    #[test]
    fn pending_file_is_seen_when_it_is_kept_and_replaces() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("archive");
        fs::write(&path, b"old").expect("old");
        let dropped = Pending::new(&path).expect("pending");
        dropped.file().write_all(b"half").expect("write");
        drop(dropped);
        let pending = Pending::new(&path).expect("pending");
        pending.file().write_all(b"new").expect("write");
        assert_eq!(fs::read(&path).expect("read"), b"old");
        pending.keep().expect("keep");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 1);
    }

    #[test]
    fn exchange_swaps_a_folder_and_a_file() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::create_dir(&one).expect("mkdir");
        fs::write(&other, "x").expect("write");
        exchange(&one, &other).expect("exchanged");
        assert!(one.is_file() && other.is_dir());
        assert!(exchange(&one, &folder.path().join("none")).is_err());
    }

    /// A lock is let go at once, but a process that another test has just forked holds it as well until it executes its program.
    fn becomes(free: impl Fn() -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !free() {
            assert!(std::time::Instant::now() < end, "still held");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn lock_held_is_seen_and_refused_until_dropped() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("lock");
        assert!(!Lock::is_held(&path).expect("missing file"));
        let lock = Lock::exclusive(&path).expect("lock");
        assert!(Lock::is_held(&path).expect("held"));
        assert!(Lock::try_exclusive(&path).expect("try").is_none());
        drop(lock);
        becomes(|| !Lock::is_held(&path).expect("a look"));
        assert!(Lock::try_exclusive(&path).expect("try").is_some());
    }

    #[test]
    fn lock_that_somebody_looks_at_for_long_is_had_all_the_same() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("lock");
        drop(Lock::exclusive(&path).expect("a file"));
        let look = File::open(&path).expect("open");
        flock(&look, FlockOperation::NonBlockingLockShared).expect("as `is_held` does");
        assert!(Lock::exclusive_within(&path, Duration::from_millis(5)).expect("try").is_none());
        let put_aside = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(look);
        });
        assert!(Lock::exclusive_within(&path, Duration::from_secs(60)).expect("try").is_some());
        put_aside.join().expect("the thread");
    }

    #[test]
    fn lock_of_folder_that_was_renamed_is_not_found() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::create_dir(&old).expect("mkdir");
        let lock = Lock::folder(&old).expect("lock");
        assert!(Lock::try_folder(&old).expect("try").is_none());
        fs::rename(&old, &new).expect("rename");
        assert!(Lock::try_folder(&new).expect("the lock moves with the folder").is_none());
        assert_eq!(Lock::try_folder(&old).expect_err("gone").kind(), io::ErrorKind::NotFound);
        drop(lock);
        becomes(|| Lock::try_folder(&new).expect("try").is_some());
    }
}
