//! Tells of processes that the kernel kills at the memory limit while the container goes on.

use std::time::{Duration, Instant};

use super::event_loop::Monitor;
use super::registration::Registration;
use super::token::Token;
use crate::model::EventAction;
use crate::runtime::cgroup::OomWatch;
use crate::sys::epoll::{Epoll, Interest};

/// v1 gives notice before it kills, and counts afterwards.
const COUNTED_AFTER: Duration = Duration::from_millis(50);

/// The watch on the container's memory, if it has a limit.
#[derive(Debug, Default)]
pub struct MemoryWatch {
    watch: Option<OomWatch>,
    registration: Registration,
    /// When the kernel's count is to be looked at.
    pub look_at: Option<Instant>,
}

impl MemoryWatch {
    pub fn register(&mut self, epoll: &Epoll) -> std::io::Result<()> {
        match &self.watch {
            Some(watch) => self.registration.set(epoll, watch, Token::Memory.into(), Interest::READ),
            None => Ok(()),
        }
    }
}

impl Monitor {
    /// Watches the memory of the container as it is limited and runs now. Without a watch kills are told at its end.
    pub(super) fn watch_memory(&mut self) {
        let limited = self.container.limits.memory_bytes.is_some() && self.container.state.pid().is_some();
        if limited != self.memory.watch.is_some() {
            let watch = if limited { self.container.cgroup.watch_oom().ok().flatten() } else { None };
            // What was killed before anybody watched is found by one look.
            let look_at = watch.is_some().then(|| Instant::now() + COUNTED_AFTER);
            self.memory = MemoryWatch { watch, look_at, ..MemoryWatch::default() };
        }
    }

    /// The memory of this run is no more.
    pub(super) fn forget_memory(&mut self) {
        self.memory = MemoryWatch::default();
    }

    pub(super) fn take_memory_notice(&mut self) {
        if let Some(watch) = &self.memory.watch {
            watch.clear();
            self.memory.look_at = Some(Instant::now() + COUNTED_AFTER);
        }
    }

    pub(super) fn look_at_memory(&mut self) {
        let kills = self.container.cgroup.sample().oom_kills.unwrap_or(0);
        if kills > self.container.oom_kills_told {
            self.container.oom_kills_told = kills;
            self.container.event(EventAction::Oom, None, None);
        }
    }
}
