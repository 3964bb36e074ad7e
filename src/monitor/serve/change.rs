//! Limits and restart policy of the running container: changed as a whole or not at all.

use std::io;

use super::event_loop::Monitor;
use super::verbs::refuse;
use crate::model::{ErrorKind, Limits, RestartPolicy};
use crate::monitor::MonitorError;
use crate::runtime::{self, RuntimeError, StartRequest};

/// What is to be different from now on.
#[derive(Debug)]
pub struct Change {
    pub limits: Limits,
    pub restart: RestartPolicy,
    /// What to start it with the next time; none where it is not to be started again.
    pub again: Option<Box<StartRequest>>,
}

impl Monitor {
    /// Brings everything to what `wanted` says. After an error everything is as it was.
    pub(super) fn change(&mut self, wanted: Change) -> Result<(), MonitorError> {
        if self.is_over() {
            return Err(MonitorError::NotRunning);
        }
        if self.container.restarts.policy == RestartPolicy::No
            && wanted.restart != RestartPolicy::No
            && wanted.again.is_none()
        {
            return Err(refuse(ErrorKind::InvalidInput, "a restart policy needs to know what to start"));
        }
        let old = self.container.limits.clone();
        if !self.rests() {
            self.set_limits(&old, &wanted.limits)?;
        }
        let kept = match (&wanted.again, wanted.restart) {
            (_, RestartPolicy::No) => self.container.forget_again(),
            (Some(again), _) => self.container.keep_again(again),
            (None, _) => Ok(()),
        };
        if let Err(error) = kept {
            if !self.rests() {
                self.take_back(&wanted.limits, &old);
            }
            return Err(MonitorError::file("write what to start again in", &self.container.run_folder)(error));
        }
        self.container.limits = wanted.limits;
        self.container.restarts.policy = wanted.restart;
        self.watch_memory();
        // It only tells; what holds is in the kernel and in the record.
        let _ = self.container.write_state(self.log.lost_bytes());
        Ok(())
    }

    fn set_limits(&self, old: &Limits, new: &Limits) -> Result<(), MonitorError> {
        let changes = runtime::changes(old, new).map_err(|error| refusal(&error))?;
        if changes == runtime::changes(old, old).map_err(|error| refusal(&error))? {
            return Ok(());
        }
        self.check_room(old, new)?;
        // What the kernel took before it refused, the update itself has undone.
        self.container.cgroup.update(&changes).map_err(|error| refusal(&error))?;
        let held = self.container.cgroup.limits_in_force();
        match differs(new, &held) {
            None => Ok(()),
            Some(what) => {
                self.take_back(new, old);
                Err(refuse(ErrorKind::Other, &format!("the kernel took {what} instead; nothing was changed")))
            }
        }
    }

    /// A limit below what is in use would make the kernel kill (v2) or refuse (v1).
    fn check_room(&self, old: &Limits, new: &Limits) -> Result<(), MonitorError> {
        let Some(limit) = new.memory_bytes.filter(|limit| old.memory_bytes.is_none_or(|old| *limit < old)) else {
            return Ok(());
        };
        match self.container.cgroup.sample().memory_bytes {
            Some(used) if used > limit => Err(refuse(
                ErrorKind::Conflict,
                &format!(
                    "the memory limit of {} is below the {} the container uses now; nothing was changed",
                    mebibytes(limit),
                    mebibytes(used)
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Undoes a change that was done.
    fn take_back(&self, new: &Limits, old: &Limits) {
        if let Ok(back) = runtime::changes(new, old) {
            let _ = self.container.cgroup.update(&back);
        }
    }
}

/// What the kernel holds otherwise than it was told. It counts memory in whole pages.
fn differs(wanted: &Limits, held: &Limits) -> Option<String> {
    let page = rustix::param::page_size() as u64;
    if let Some(memory) = wanted.memory_bytes
        && held.memory_bytes != Some(memory - memory % page)
    {
        return Some(format!("a memory limit of {}", held.memory_bytes.map_or("none".to_owned(), mebibytes)));
    }
    if wanted.pids.is_some() && held.pids != wanted.pids {
        return Some(format!("a limit of {} processes", held.pids.map_or("no".to_owned(), |pids| pids.to_string())));
    }
    if wanted.cpu_quota_us.is_some() && held.cpu_quota_us != wanted.cpu_quota_us {
        return Some("another cpu quota".to_owned());
    }
    None
}

fn refusal(error: &RuntimeError) -> MonitorError {
    let busy = |source: &io::Error| source.raw_os_error() == Some(libc::EBUSY);
    let why = match error {
        RuntimeError::Cgroup { path, source } if busy(source) && path.to_string_lossy().contains("memory") => {
            format!("the container uses more memory than that, and the kernel cannot take it away ({error})")
        }
        other => other.to_string(),
    };
    MonitorError::Refused { kind: error.kind(), message: format!("{why}; nothing was changed") }
}

/// `12.5 MiB`.
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_holds_may_differ_by_a_part_of_a_page_only() {
        let memory = |bytes| Limits { memory_bytes: Some(bytes), ..Limits::default() };
        assert_eq!(differs(&memory((64 << 20) + 5), &memory(64 << 20)), None);
        assert!(differs(&memory(64 << 20), &memory(128 << 20)).is_some_and(|what| what.contains("128.0 MiB")));
        assert!(differs(&memory(64 << 20), &Limits::default()).is_some());
        let pids = Limits { pids: Some(5), ..Limits::default() };
        assert!(differs(&pids, &Limits::default()).is_some() && differs(&pids, &pids).is_none());
        assert_eq!(differs(&Limits::default(), &pids), None, "what is not asked for may be anything");
    }
}
