//! clone3(2) without a shared address space: a fork that also makes namespaces and a pidfd.
#![allow(unsafe_code, reason = "clone3 has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Namespaces to make, and where the new process belongs.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneOptions<'a> {
    /// `CLONE_NEW…` flags, and `CLONE_PARENT` if wanted; nothing else.
    pub flags: u64,
    /// A v2 cgroup folder to be born in.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// Which side of the fork this is.
#[derive(Debug)]
pub enum Cloned {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// clone_args of linux/sched.h, version 2 (Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Namespaces and CLONE_PARENT: the flags that leave memory, files and signal handlers unshared.
const PERMITTED: u64 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWTIME
    | libc::CLONE_PARENT) as u64;

/// CLONE_INTO_CGROUP of linux/sched.h (Linux 5.7), which does not fit libc's int.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Forks. The caller must have a single thread: in the child only the calling thread exists, and a lock that another
/// one held would stay locked. That is checked, and refused with EBUSY.
pub fn clone3(options: &CloneOptions<'_>) -> io::Result<Cloned> {
    if options.flags & !PERMITTED != 0 {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    if thread_count()? != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    let mut pidfd: i32 = -1;
    let mut arguments = CloneArgs {
        flags: options.flags | libc::CLONE_PIDFD as u64,
        pidfd: &raw mut pidfd as u64,
        // With CLONE_PARENT the kernel takes the caller's own exit signal and demands 0 here.
        exit_signal: if options.flags & libc::CLONE_PARENT as u64 == 0 { libc::SIGCHLD as u64 } else { 0 },
        ..CloneArgs::default()
    };
    if let Some(cgroup) = options.cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: the arguments are a valid clone_args of the given size and pidfd outlives the call. Without CLONE_VM the
    // child has its own copy of memory, and being single-threaded (checked above) no lock is held by a lost thread.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<CloneArgs>()) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: clone3 succeeded with CLONE_PIDFD, so pidfd is a new descriptor that nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent { pid: pid as i32, pidfd })
        }
    }
}

/// Threads of this process: the hard links of /proc/self/task are 2 and one for each.
fn thread_count() -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata("/proc/self/task") {
        Ok(folder) => Ok(folder.nlink().saturating_sub(2)),
        // No /proc: a stage that has already joined a container's mount namespace, itself a single-threaded fork.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(1),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clone3_from_a_threaded_process_is_refused() {
        // The test harness itself runs tests on threads.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let error = clone3(&CloneOptions::default()).expect_err("threads exist");
                assert_eq!(error.raw_os_error(), Some(libc::EBUSY));
            });
        });
    }

    #[test]
    fn clone3_with_shared_memory_is_refused() {
        let options = CloneOptions { flags: libc::CLONE_VM as u64, cgroup: None };
        assert_eq!(clone3(&options).expect_err("flag").raw_os_error(), Some(libc::EINVAL));
    }
}
