//! `update`: other limits, another restart policy, other ports, for a container that runs or not; other mounts for one that does
//! not.

use std::path::PathBuf;

use super::connect::{Force, Runs};
use super::state::Life;
use super::{Engine, EngineError, Inner, Result, limits};
use crate::model::{ContainerRecord, EventAction, Mount, PortWish, PublishedPort, RestartPolicy, UpdateRequest};
use crate::monitor::MonitorError;

/// Everything that may be different of a container: all of it is done, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Alteration {
    pub limits: UpdateRequest,
    /// Ports to publish further, and those to publish no longer, which may leave out address and port of the machine.
    pub publish: Vec<PortWish>,
    pub withdraw: Vec<PortWish>,
    /// Mounts to add, and paths to take mounts away from.
    pub mount: Vec<Mount>,
    pub unmount: Vec<PathBuf>,
}

impl Alteration {
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty() && !self.republishes() && !self.refits()
    }

    fn republishes(&self) -> bool {
        !self.publish.is_empty() || !self.withdraw.is_empty()
    }

    fn refits(&self) -> bool {
        !self.mount.is_empty() || !self.unmount.is_empty()
    }
}

impl Engine {
    /// Changes what `wish` names and leaves the rest; a zero takes a limit away.
    ///
    /// Of a running container the kernel's limits change at once, all of them or, when it refuses one, none. The record keeps
    /// them for later starts.
    pub fn update(&self, target: &str, wish: &UpdateRequest) -> Result<()> {
        self.alter(target, &Alteration { limits: wish.clone(), ..Alteration::default() }).map(drop)
    }

    /// Publishes further ports of a container and withdraws others: at once where it runs, and for each later start. Returns
    /// what is published then, if it runs.
    pub fn publish(&self, target: &str, add: &[PortWish], remove: &[PortWish]) -> Result<Vec<PublishedPort>> {
        let (publish, withdraw) = (add.to_vec(), remove.to_vec());
        self.alter(target, &Alteration { publish, withdraw, ..Alteration::default() })
    }

    /// Takes away what is mounted at the paths of `remove` and gives the container the mounts of `add`.
    ///
    /// What a container sees is settled when it starts, so it must not run. Volumes stay, anonymous ones too: nobody uses them then.
    pub fn change_mounts(&self, target: &str, add: &[Mount], remove: &[PathBuf]) -> Result<()> {
        let (mount, unmount) = (add.to_vec(), remove.to_vec());
        self.alter(target, &Alteration { mount, unmount, ..Alteration::default() }).map(drop)
    }

    /// Limits, restart policy, ports and mounts of a container in one step, at once where it runs and for each later start: what
    /// is refused leaves everything as it was. Returns the ports that are published then, if it runs.
    pub fn alter(&self, target: &str, wish: &Alteration) -> Result<Vec<PublishedPort>> {
        if wish.is_empty() {
            return Err(EngineError::Invalid {
                what: "nothing to update: name a limit or a restart policy".to_owned(),
            });
        }
        let engine = &self.0;
        engine.settled_and_locked(target, &|old, runs| match runs {
            true => engine.alter_running(old, wish),
            false => engine.alter_stopped(old, wish).map(|()| Vec::new()),
        })
    }
}

/// The record with the wish in it, or what is wrong with that.
fn changed(old: &ContainerRecord, wish: &UpdateRequest) -> Result<ContainerRecord> {
    if wish.is_empty() {
        return Ok(old.clone());
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
    /// Does something under a container's lock once it runs, or does not: given its record and which of both.
    pub(super) fn settled_and_locked<T>(
        &self,
        target: &str,
        act: &dyn Fn(&ContainerRecord, bool) -> Result<T>,
    ) -> Result<T> {
        let record = self.find(target)?;
        let gone = || EngineError::NoSuchContainer { target: target.to_owned() };
        loop {
            let lock = self.lock_container(&record.id)?.ok_or_else(gone)?;
            let now = self.record(&record.id)?.ok_or_else(gone)?;
            match self.life(&record.id)? {
                Life::Up(_) if self.settled(&record.id)?.is_none() => return act(&now, true),
                Life::Up(_) | Life::Starting => {
                    drop(lock);
                    self.await_settled(&record)?;
                }
                Life::Dead => {
                    self.settle(&record)?;
                }
                Life::Down => return act(&now, false),
            }
        }
    }

    /// Whatever can be seen to be wrong is refused first; ports come last, since they alone cannot be had back for certain.
    fn alter_running(&self, old: &ContainerRecord, wish: &Alteration) -> Result<Vec<PublishedPort>> {
        if wish.refits() {
            return Err(EngineError::MountsSettled { name: old.name.clone() });
        }
        let new = changed(old, &wish.limits)?;
        if !wish.republishes() {
            self.update_running(old, &new)?;
            return Ok(self.connected(&old.id)?.ports);
        }
        let decision = self.republished(&new, Runs::Yes, &wish.publish, &wish.withdraw)?;
        if wish.limits.is_empty() {
            return Ok(self.rewire_running(old, decision, Force::No)?.ports);
        }
        self.change_running(&new)?;
        let done = self.rewire_running(old, decision, Force::No);
        // The first failure is the one to report.
        Ok(done.inspect_err(|_| drop(self.change_running(old)))?.ports)
    }

    /// Mounts come last: volumes may be made for them.
    fn alter_stopped(&self, old: &ContainerRecord, wish: &Alteration) -> Result<()> {
        let mut new = changed(old, &wish.limits)?;
        if wish.republishes() {
            (new, _) = self.republished(&new, Runs::No, &wish.publish, &wish.withdraw)?;
        }
        match wish.refits() {
            true => self.refit(&mut new, &wish.mount, &wish.unmount)?,
            false => self.write_record(&new)?,
        }
        self.tell(EventAction::Update, &new, None);
        Ok(())
    }

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
            _ => Some(self.monitor_request(record, None)?.0.start),
        };
        match self.ask_monitor(record, |client| client.change(&config.limits, config.restart, again)) {
            Err(EngineError::Monitor(MonitorError::Older { .. })) => {
                Err(EngineError::OldMonitor { name: record.name.clone() })
            }
            other => other,
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
    fn monitor_of_an_older_teu_changes_nothing_and_the_cure_is_named() {
        let trial = Trial::new();
        let mut request = wish("one");
        request.network = Some(crate::model::NetworkMode::Networks);
        request.networks.push(crate::model::EndpointWish::default());
        trial.engine.create(&request).expect("create");
        let record = trial.engine.find("one").expect("find");
        trial.pretend_running(&record);
        let _lock = trial.hold_monitor_lock(&record);
        trial.pretend_old_monitor(&record);
        let port = crate::model::PortWish {
            protocol: crate::model::Protocol::Tcp,
            host: None,
            host_port: Some(8080),
            container_port: 80,
        };
        let memory = limits(Limits { memory_bytes: Some(64 << 20), ..Limits::default() });
        let refusals = [trial.engine.publish("one", &[port], &[]).map(drop), trial.engine.update("one", &memory)];
        for refusal in refusals {
            let error = refusal.expect_err("it does not know how");
            assert_eq!(error.kind(), ErrorKind::Conflict);
            let told = format!("{error}; {}", error.hint().expect("a cure"));
            assert!(told.contains("older teu") && told.contains("teu restart one"), "{told}");
        }
        assert_eq!(trial.engine.find("one").expect("find"), record, "the record is as it was");
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
