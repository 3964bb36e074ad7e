//! Sending a signal to exactly the process that a pidfd means.
#![allow(unsafe_code, reason = "pidfd_send_signal(2) with real-time signals has no safe binding")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Sends the signal of this number, real-time ones included. `NotFound` if the process is gone.
pub fn send(pidfd: impl AsFd, number: i32) -> io::Result<()> {
    let fd = pidfd.as_fd().as_raw_fd();
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: plain integers and a null siginfo_t, which the kernel then fills in itself (pidfd_send_signal(2)).
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, no_info, 0) };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(if error.raw_os_error() == Some(libc::ESRCH) { io::ErrorKind::NotFound.into() } else { error })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn real_time_signal_reaches_the_process_of_the_pidfd() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = rustix::process::Pid::from_child(&child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).expect("pidfd");
        send(&pidfd, 40).expect("send");
        assert_eq!(child.wait().expect("wait").signal(), Some(40));
        assert_eq!(send(&pidfd, 15).expect_err("gone").kind(), io::ErrorKind::NotFound);
    }
}
