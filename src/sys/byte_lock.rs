//! Locks on single bytes of a file (open file description locks, fcntl(2), Linux 3.15): thousands in one file, each gone with the
//! last duplicate of the descriptor that holds it, however its process ended.
#![allow(unsafe_code, reason = "open file description locks have no safe wrapper")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A held lock on one byte.
#[derive(Debug)]
pub struct ByteLock {
    _file: File,
    at: u64,
}

impl ByteLock {
    /// The lock on byte `at` of a file that is made if it is missing (mode 0600), or none if somebody holds it. The byte need
    /// not exist.
    pub fn try_take(path: &Path, at: u64) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match fcntl(&file, libc::F_OFD_SETLK, libc::F_WRLCK, at, 1) {
            Ok(_) => Ok(Some(Self { _file: file, at })),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The first byte from `from` up to `to` that nobody holds; it may be taken at any moment. A missing file is held by nobody.
    pub fn first_free(path: &Path, from: u64, to: u64) -> io::Result<Option<u64>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((from <= to).then_some(from)),
            Err(error) => return Err(error),
        };
        for at in from..=to {
            if fcntl(&file, libc::F_OFD_GETLK, libc::F_WRLCK, at, 1)?.is_none() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// The first byte from `from` up to `to` that somebody holds.
    pub fn first_held(path: &Path, from: u64, to: u64) -> io::Result<Option<u64>> {
        if from > to {
            return Ok(None);
        }
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        // The kernel tells of some lock in the way, not of the first: what is before that one is looked at again.
        let (mut found, mut length) = (None, to - from + 1);
        while length > 0
            && let Some(start) = fcntl(&file, libc::F_OFD_GETLK, libc::F_WRLCK, from, length)?
        {
            found = Some(start.max(from));
            length = start.saturating_sub(from);
        }
        Ok(found)
    }

    /// Which byte it is.
    pub fn at(&self) -> u64 {
        self.at
    }
}

/// For F_OFD_GETLK: where a lock begins that is in the way.
fn fcntl(file: &File, command: i32, kind: i32, from: u64, length: u64) -> io::Result<Option<u64>> {
    let number = |value: u64| libc::off_t::try_from(value).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    // SAFETY: an all-zero flock is valid (integers); l_pid has to be 0 for these commands.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = number(from)?;
    lock.l_len = number(length)?;
    // SAFETY: both commands read and write one struct flock, which lock is and stays during the call.
    if unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let free = i32::from(lock.l_type) == libc::F_UNLCK;
    Ok((!free).then_some(lock.l_start.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_is_held_once_and_free_again_when_its_holder_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("leases");
        let free = |from, to| ByteLock::first_free(&path, from, to).expect("look");
        assert_eq!(free(2, 5), Some(2), "a missing file is held by nobody");
        let take = |at| ByteLock::try_take(&path, at).expect("a lock");
        let (two, three) = (take(2).expect("free"), take(3).expect("free"));
        assert!(take(2).is_none());
        assert_eq!((two.at(), free(2, 5), free(2, 3)), (2, Some(4), None));
        drop(two);
        assert_eq!((free(2, 5), free(3, 3)), (Some(2), None));
        drop(three);
        assert_eq!(free(3, 3), Some(3));
        assert_eq!(free(5, 4), None);
        let (seven, six) = (take(7).expect("free"), take(6).expect("free"));
        let held = ByteLock::first_held(&path, 4, 9).expect("look");
        assert_eq!((held, ByteLock::first_held(&path, 8, 9).expect("look")), (Some(6), None));
        drop((six, seven));
        // As far as an IPv6 subnet of 62 bits of hosts reaches.
        assert!(take((1 << 62) + 1).is_some());
    }
}
