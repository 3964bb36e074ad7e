//! Waiting for a file of a folder to grow or be rotated, stoppable from another thread.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::MonitorError;
use super::connection::Connection;
use super::protocol::Request;
use crate::model::Timestamp;

/// Why a wait returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Look again.
    Changed,
    /// Nothing more will be written: look a last time.
    Ended,
    /// Somebody wants the reader to stop at once.
    Stopped,
}

/// Watches the folder a file is in.
#[derive(Debug)]
pub struct Follower {
    watch: OwnedFd,
    stop: Arc<OwnedFd>,
    /// A connection that becomes readable when the container has ended.
    exit: Option<Connection>,
    exited: bool,
}

/// Ends a follow from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<OwnedFd>);

impl Stopper {
    /// Makes the reader's waiting `next`, and every later one that would wait, return `None`.
    pub fn stop(&self) {
        // An eventfd refuses a write only when its counter is full, and then it is readable already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

impl Follower {
    pub fn new(path: &Path) -> Result<Self, MonitorError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let watch =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(MonitorError::call("inotify_init1"))?;
        let changes = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE_SELF;
        inotify::add_watch(&watch, folder, changes | WatchFlags::ONLYDIR)
            .map_err(|error| MonitorError::file("watch", folder)(error.into()))?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(MonitorError::call("eventfd"))?;
        Ok(Self { watch, stop: Arc::new(stop), exit: None, exited: false })
    }

    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// From now on also waits for the end of the container with this run folder.
    pub fn until_exit_of(&mut self, run_folder: &Path) {
        self.exit = Connection::open(run_folder).and_then(|mut open| open.say(&Request::Wait).map(|()| open)).ok();
        self.exited = self.exit.is_none();
    }

    /// Waits for a change; not longer than until `deadline`, which counts as the end.
    pub fn wait(&mut self, deadline: Option<Timestamp>) -> Follow {
        if self.exited {
            return Follow::Ended;
        }
        loop {
            let left = deadline.map(|deadline| deadline.as_nanoseconds() - Timestamp::now().as_nanoseconds());
            if left.is_some_and(|left| left <= 0) {
                return Follow::Ended;
            }
            let timeout = left.map(|left| Timespec {
                tv_sec: i64::try_from(left / 1_000_000_000).unwrap_or(i64::MAX).min(86_400),
                tv_nsec: i64::try_from(left % 1_000_000_000).unwrap_or(0),
            });
            let mut fds = vec![PollFd::new(&self.watch, PollFlags::IN), PollFd::new(&self.stop, PollFlags::IN)];
            if let Some(exit) = &self.exit {
                fds.push(PollFd::from_borrowed_fd(exit.as_fd(), PollFlags::IN));
            }
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Follow::Ended,
            }
            let ready = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
            let (changed, stopped, told) = (ready(0), ready(1), ready(2));
            if stopped {
                return Follow::Stopped;
            }
            if told && self.container_ended() {
                self.exited = true;
                return Follow::Ended;
            }
            if changed {
                self.drain();
                return Follow::Changed;
            }
        }
    }

    /// Whether the monitor's message was the container's end (or its own), not just its hello.
    fn container_ended(&mut self) -> bool {
        let Some(exit) = &mut self.exit else { return true };
        loop {
            match exit.receive_now() {
                Ok(None) => return false,
                Ok(Some(0)) | Err(_) => return true,
                Ok(Some(_)) => {}
            }
            while let Ok(Some((_, payload))) = exit.buffered_frame() {
                if !matches!(super::protocol::parse_reply(payload), Ok(Some(super::protocol::Reply::Hello { .. }))) {
                    return true;
                }
            }
        }
    }

    fn drain(&self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(self.watch.as_fd(), &mut buffer);
        while events.next().is_ok() {}
    }
}
