//! Waiting for many descriptors at once (epoll(7)), level-triggered, each known by a number of the caller's.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// What to wait for on a descriptor. Errors and hang-ups are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    pub readable: bool,
    pub writable: bool,
}

impl Interest {
    pub const NONE: Self = Self { readable: false, writable: false };
    pub const READ: Self = Self { readable: true, writable: false };
    pub const WRITE: Self = Self { readable: false, writable: true };

    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, self.readable);
        flags.set(epoll::EventFlags::OUT, self.writable);
        flags
    }
}

/// What happened on the descriptor that was added as `token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    pub token: u64,
    pub readable: bool,
    pub writable: bool,
    /// The other side closed, or an error is to be fetched by the next read or write.
    pub hang_up: bool,
}

/// As many events as one wait returns at most.
const BATCH: usize = 32;

impl Epoll {
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.0, fd, epoll::EventData::new_u64(token), interest.flags())?)
    }

    pub fn change(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.0, fd, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Forgets a descriptor. Needed before it is closed if a duplicate of it may live on.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }

    /// Waits until something is ready or the time is over, and puts what is ready into `ready`. `None` waits for ever.
    pub fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let timeout = timeout.map(|left| Timespec {
            tv_sec: left.as_secs().min(86_400).cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut buffer = [MaybeUninit::<epoll::Event>::uninit(); BATCH];
        let events = match epoll::wait(&self.0, &mut buffer, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        ready.extend(events.iter().map(|event| {
            let flags = event.flags;
            Ready {
                token: event.data.u64(),
                readable: flags.contains(epoll::EventFlags::IN),
                writable: flags.contains(epoll::EventFlags::OUT),
                hang_up: flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR),
            }
        }));
        Ok(())
    }
}

/// Readable when something in it is ready: sets can be members of others.
impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_reports_readable_and_hang_up_by_token_and_keeps_quiet_otherwise() {
        let epoll = Epoll::new().expect("epoll");
        let (one, other) = crate::sys::socket::pair().expect("pair");
        epoll.add(&one, 7, Interest::READ).expect("add");
        let mut ready = Vec::new();
        epoll.wait(&mut ready, Some(Duration::ZERO)).expect("wait");
        assert!(ready.is_empty());
        crate::sys::socket::send_all(&other, b"x").expect("send");
        epoll.wait(&mut ready, None).expect("wait");
        assert_eq!(ready, [Ready { token: 7, readable: true, writable: false, hang_up: false }]);
        epoll.change(&one, 7, Interest::NONE).expect("change");
        epoll.wait(&mut ready, Some(Duration::ZERO)).expect("wait");
        assert!(ready.is_empty());
        drop(other);
        epoll.wait(&mut ready, None).expect("wait");
        assert!(ready[0].hang_up);
        epoll.remove(&one).expect("remove");
    }
}
