//! `update`: other limits, another restart policy, for a container that runs or not.

use super::state::Life;
use super::{Engine, EngineError, Inner, Result, limits};
use crate::model::{ContainerRecord, EventAction, RestartPolicy, UpdateRequest};
use crate::monitor::MonitorError;

impl Engine {
    /// Changes what `wish` names and leaves the rest; a zero takes a limit away.
    ///
    /// Of a running container the kernel's limits change at once, all of them or, when it refuses one, none. The record keeps
    /// them for later starts.
    pub fn update(&self, target: &str, wish: &UpdateRequest) -> Result<()> {
        let engine = &self.0;
        let record = engine.find(target)?;
        let gone = || EngineError::NoSuchContainer { target: target.to_owned() };
        loop {
            let lock = engine.lock_container(&record.id)?.ok_or_else(gone)?;
            let old = engine.record(&record.id)?.ok_or_else(gone)?;
            let new = changed(&old, wish)?;
            match engine.life(&record.id)? {
                Life::Up(_) if engine.settled(&record.id)?.is_none() => return engine.update_running(&old, &new),
                Life::Up(_) | Life::Starting => {
                    drop(lock);
                    engine.await_settled(&record)?;
                }
                Life::Dead => {
                    engine.settle(&record)?;
                }
                Life::Down => {
                    engine.write_record(&new)?;
                    engine.tell(EventAction::Update, &new, None);
                    return Ok(());
                }
            }
        }
    }
}

/// The record with the wish in it, or what is wrong with that.
fn changed(old: &ContainerRecord, wish: &UpdateRequest) -> Result<ContainerRecord> {
    if wish.is_empty() {
        return Err(EngineError::Invalid { what: "nothing to update: name a limit or a restart policy".to_owned() });
    }
    let mut new = old.clone();
    new.config.limits = limits::changed(&old.config.limits, &wish.limits, super::create::cpus())?;
    if let Some(policy) = wish.restart {
        limits::check_restart(policy, old.config.auto_remove)?;
        new.config.restart = policy;
    }
    Ok(new)
}

impl Inner {
    fn update_running(&self, old: &ContainerRecord, new: &ContainerRecord) -> Result<()> {
        self.change_running(new)?;
        if let Err(error) = self.write_record(new) {
            // What is in force must be what is recorded. The first failure is the one to report.
            let _ = self.change_running(old);
            return Err(error);
        }
        self.tell(EventAction::Update, new, None);
        Ok(())
    }

    fn change_running(&self, record: &ContainerRecord) -> Result<()> {
        let config = &record.config;
        let again = match config.restart {
            RestartPolicy::No => None,
            _ => Some(self.monitor_request(record, None)?.start),
        };
        match self.client(record)?.change(&config.limits, config.restart, again) {
            Err(MonitorError::NotRunning | MonitorError::Gone) => {
                Err(EngineError::NotRunning { name: record.name.clone() })
            }
            other => Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::trial::{Trial, wish};
    use crate::model::{ErrorKind, Limits, RestartPolicy, UpdateRequest};

    fn limits(limits: Limits) -> UpdateRequest {
        UpdateRequest { limits, restart: None }
    }

    #[test]
    fn update_of_a_stopped_container_changes_its_record_and_tells_so() {
        let trial = Trial::new();
        trial.container("one");
        let memory = limits(Limits { memory_bytes: Some(64 << 20), pids: Some(5), ..Limits::default() });
        trial.engine.update("one", &memory).expect("update");
        let policy = UpdateRequest { restart: Some(RestartPolicy::Always), ..UpdateRequest::default() };
        trial.engine.update("one", &policy).expect("update");
        trial.engine.update("one", &limits(Limits { pids: Some(0), ..Limits::default() })).expect("update");
        let config = trial.engine.find("one").expect("find").config;
        assert_eq!(config.limits, Limits { memory_bytes: Some(64 << 20), ..Limits::default() });
        assert_eq!(config.restart, RestartPolicy::Always);
        let events = std::fs::read_to_string(trial.engine.0.events_file()).expect("events");
        assert_eq!(events.matches("\"update\"").count(), 3, "{events}");
    }

    #[test]
    fn wrong_update_changes_nothing() {
        let trial = Trial::new();
        let record = trial.container("one");
        let small = limits(Limits { pids: Some(5), memory_bytes: Some(1 << 20), ..Limits::default() });
        for wrong in [small, UpdateRequest::default()] {
            assert_eq!(trial.engine.update("one", &wrong).expect_err("wrong").kind(), ErrorKind::InvalidInput);
        }
        // Fine alone, but not with what is there.
        let memory = limits(Limits { memory_bytes: Some(64 << 20), ..Limits::default() });
        trial.engine.update("one", &memory).expect("update");
        let swap = limits(Limits { memory_swap_bytes: Some(32 << 20), ..Limits::default() });
        assert!(trial.engine.update("one", &swap).expect_err("less than memory").to_string().contains("--memory-swap"));
        let now = trial.engine.find("one").expect("find");
        assert_eq!(now.config.limits.memory_swap_bytes, None);
        assert_eq!(now.id, record.id);
        assert_eq!(trial.engine.update("two", &memory).expect_err("none").kind(), ErrorKind::NotFound);
    }

    #[test]
    fn container_to_be_removed_takes_no_restart_policy() {
        let trial = Trial::new();
        let mut request = wish("one");
        request.auto_remove = true;
        trial.engine.create(&request).expect("create");
        let policy = UpdateRequest { restart: Some(RestartPolicy::Always), ..UpdateRequest::default() };
        assert_eq!(trial.engine.update("one", &policy).expect_err("--rm").kind(), ErrorKind::InvalidInput);
        request.restart = RestartPolicy::Always;
        request.name = None;
        assert_eq!(trial.engine.create(&request).expect_err("--rm").kind(), ErrorKind::InvalidInput);
    }
}
