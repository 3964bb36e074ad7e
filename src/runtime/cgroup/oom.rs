//! A notice for each time a container runs out of memory, while it runs.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{EventfdFlags, eventfd};

use super::counters::Format;
use super::{CgroupPlace, Subject, write_io};
use crate::sys::inotify::Inotify;

/// Its descriptor is readable after the kernel killed at the memory limit (and now and then without a reason).
#[derive(Debug)]
pub enum OomWatch {
    /// v1: the kernel counts up this eventfd(2) as long as it is open.
    Legacy(OwnedFd),
    /// v2: `memory.events` is reported as modified.
    Unified(Inotify),
}

impl CgroupPlace {
    /// None where no cgroup counts the container's memory.
    pub fn watch_oom(&self) -> io::Result<Option<OomWatch>> {
        let counters =
            self.first_with(Subject::Memory).map(|group| group.counters(Subject::Memory)).unwrap_or_default();
        let kills = counters.into_iter().find(|source| source.format == Format::OutOfMemoryKills);
        match kills {
            Some(source) if source.path.ends_with("memory.oom_control") => legacy(&source.path).map(Some),
            Some(source) => {
                let inotify = Inotify::new()?;
                inotify.add_file(&source.path)?;
                Ok(Some(OomWatch::Unified(inotify)))
            }
            None => Ok(None),
        }
    }
}

/// See the kernel's cgroup-v1/memory, section 9 and 10.
fn legacy(control: &Path) -> io::Result<OomWatch> {
    let notice = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let file = File::open(control)?;
    let line = format!("{} {}", notice.as_raw_fd(), file.as_raw_fd());
    write_io(&control.with_file_name("cgroup.event_control"), &line)?;
    Ok(OomWatch::Legacy(notice))
}

impl OomWatch {
    /// Takes what made the descriptor readable.
    pub fn clear(&self) {
        match self {
            Self::Legacy(notice) => drop(rustix::io::read(notice, &mut [0u8; 8])),
            Self::Unified(inotify) => drop(inotify.read()),
        }
    }
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Legacy(notice) => notice.as_fd(),
            Self::Unified(inotify) => inotify.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable(watch: &OomWatch) -> bool {
        let mut fds = [PollFd::new(watch, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).expect("poll") > 0
    }

    #[test]
    fn watch_on_v2_is_readable_once_for_each_change() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::write(folder.path().join("cgroup.controllers"), "memory\n").expect("file");
        std::fs::write(folder.path().join("memory.events"), "oom_kill 0\n").expect("file");
        let place = CgroupPlace { unified: Some(folder.path().to_owned()), ..CgroupPlace::default() };
        let watch = place.watch_oom().expect("watch").expect("there is one");
        assert!(!is_readable(&watch));
        std::fs::write(folder.path().join("memory.events"), "oom_kill 1\n").expect("file");
        assert!(is_readable(&watch));
        watch.clear();
        assert!(!is_readable(&watch));
    }

    #[test]
    fn watch_without_a_memory_controller_is_none() {
        assert!(CgroupPlace::default().watch_oom().expect("nothing to do").is_none());
    }
}
