//! Signals read as data (signalfd(2)) by a single-threaded event loop.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The blocked signals of a process, readable as a descriptor.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals of these numbers for the calling thread and collects them. Call it while there is one thread only.
    pub fn block(numbers: &[i32]) -> io::Result<Self> {
        let mut set = SigSet::empty();
        for &number in numbers {
            set.add(Signal::try_from(number)?);
        }
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// The number of the next waiting signal, not blocking.
    pub fn next(&self) -> io::Result<Option<i32>> {
        Ok(self.0.read_signal()?.map(|info| info.ssi_signo.cast_signed()))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_signal_is_read_not_delivered() {
        // In a thread of its own: the mask is per thread, and a signal sent by tgkill(2) reaches only this one.
        std::thread::spawn(|| {
            let signals = Signals::block(&[nix::libc::SIGUSR2]).expect("block");
            assert_eq!(signals.next().expect("read"), None);
            nix::sys::signal::raise(Signal::SIGUSR2).expect("raise");
            assert_eq!(signals.next().expect("read"), Some(nix::libc::SIGUSR2));
        })
        .join()
        .expect("thread");
    }
}
