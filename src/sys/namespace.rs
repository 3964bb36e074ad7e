//! Namespaces by descriptor: opened once, their kind verified, then joined.
#![allow(unsafe_code, reason = "NS_GET_NSTYPE and SO_NETNS_COOKIE have no safe wrapper")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FsWord, Mode, OFlags, fstatfs, openat};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// statfs's magic number of the file system that namespaces are files of (linux/magic.h).
const NSFS_MAGIC: FsWord = 0x6e73_6673;
/// `_IO(0xb7, 3)` of linux/nsfs.h (Linux 4.11): the kind, as a `CLONE_NEW…` flag.
const NS_GET_NSTYPE: libc::c_ulong = 0xb703;

/// An open namespace of a known kind.
#[derive(Debug)]
pub struct Namespace {
    file: OwnedFd,
    kind: LinkNameSpaceType,
}

impl Namespace {
    /// Opens the namespace at `path`, which must be of the kind that the `CLONE_NEW…` flag says.
    pub fn open(path: &Path, flag: i32) -> io::Result<Self> {
        // Not blocking: the path may turn out to be a FIFO.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(CWD, path, flags, Mode::empty())?;
        if fstatfs(&file)?.f_type != NSFS_MAGIC {
            return Err(io::Error::other("it is not a namespace"));
        }
        // SAFETY: this ioctl takes no argument and touches no memory.
        let found = unsafe { libc::ioctl(file.as_raw_fd(), NS_GET_NSTYPE as _) };
        if found == -1 {
            return Err(io::Error::last_os_error());
        }
        if found != flag {
            return Err(io::Error::other(format!("it is a {} namespace", name(found))));
        }
        let kind = kind(flag).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(Self { file, kind })
    }

    /// Makes this process a member (setns(2)); of a pid namespace, its children to come.
    pub fn join(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.file.as_fd(), Some(self.kind))?)
    }

    /// Whether the namespace file at `path` is this one.
    pub fn is(&self, path: &str) -> io::Result<bool> {
        let (own, other) = (rustix::fs::fstat(&self.file)?, rustix::fs::stat(path)?);
        Ok((own.st_dev, own.st_ino) == (other.st_dev, other.st_ino))
    }
}

/// The number of the calling thread's network namespace: until the next boot no other has it (socket(7) knows the option since
/// Linux 5.14; before, this is an error).
pub fn network_cookie() -> io::Result<u64> {
    /// Of asm-generic/socket.h.
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    let mut cookie = 0u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).expect("eight");
    let (place, length_place) = ((&raw mut cookie).cast(), &raw mut length);
    // SAFETY: both point to live variables of this function, and `length` says how many bytes `cookie` has.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_NETNS_COOKIE, place, length_place) };
    match result {
        0 => Ok(cookie),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The specification's word for a kind.
fn name(flag: i32) -> &'static str {
    match flag {
        libc::CLONE_NEWNS => "mount",
        libc::CLONE_NEWCGROUP => "cgroup",
        libc::CLONE_NEWUTS => "uts",
        libc::CLONE_NEWIPC => "ipc",
        libc::CLONE_NEWUSER => "user",
        libc::CLONE_NEWPID => "pid",
        libc::CLONE_NEWNET => "network",
        libc::CLONE_NEWTIME => "time",
        _ => "strange",
    }
}

fn kind(flag: i32) -> Option<LinkNameSpaceType> {
    Some(match flag {
        libc::CLONE_NEWNS => LinkNameSpaceType::Mount,
        libc::CLONE_NEWCGROUP => LinkNameSpaceType::ControlGroup,
        libc::CLONE_NEWUTS => LinkNameSpaceType::HostNameAndNISDomainName,
        libc::CLONE_NEWIPC => LinkNameSpaceType::InterProcessCommunication,
        libc::CLONE_NEWUSER => LinkNameSpaceType::User,
        libc::CLONE_NEWPID => LinkNameSpaceType::ProcessID,
        libc::CLONE_NEWNET => LinkNameSpaceType::Network,
        libc::CLONE_NEWTIME => LinkNameSpaceType::Time,
        _ => return None,
    })
}

/// Moves this process, which must have one thread, into a new time namespace whose clocks are off by `offsets`
/// (lines of /proc/PID/timens_offsets, time_namespaces(7)). Offsets can be set only while nobody is in it.
pub fn enter_new_time(offsets: &str) -> io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::from_bits_retain(libc::CLONE_NEWTIME))?;
    std::fs::write("/proc/self/timens_offsets", offsets)?;
    Namespace::open(Path::new("/proc/self/ns/time_for_children"), libc::CLONE_NEWTIME)?.join()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_of_another_kind_is_told_apart() {
        let network = Namespace::open(Path::new("/proc/self/ns/net"), libc::CLONE_NEWNET).expect("own network");
        assert!(network.is("/proc/self/ns/net").expect("stat") && !network.is("/proc/self/ns/uts").expect("stat"));
        let error = Namespace::open(Path::new("/proc/self/ns/uts"), libc::CLONE_NEWNET).expect_err("another kind");
        assert_eq!(error.to_string(), "it is a uts namespace");
    }

    #[test]
    fn plain_file_is_no_namespace() {
        let error = Namespace::open(Path::new("/proc/self/status"), libc::CLONE_NEWNET).expect_err("a file");
        assert_eq!(error.to_string(), "it is not a namespace");
    }
}
