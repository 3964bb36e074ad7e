//! `ps`: all containers with their states, newest first.

use std::collections::HashSet;

use super::place::{Entry, names_in};
use super::state::Hint;
use super::{Engine, EngineError, Inner, Result};
use crate::model::{
    ContainerRecord, ContainerState, ContainerSummary, ExitReason, ExitStatus, Id, Name, NetworkMode, RestartPolicy,
    Timestamp,
};

impl Engine {
    /// Containers, newest first: those that run or are paused, and with `all` the others too.
    ///
    /// Finds containers whose monitor was killed and cleans up after them on the way; with `all` also what killed creates, renames
    /// and removes have left.
    pub fn list(&self, all: bool) -> Result<Vec<ContainerSummary>> {
        let lives = self.0.ids_of_lives()?;
        let mut list = if all { self.0.list_all(&lives)? } else { self.0.list_running(&lives)? };
        list.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(list)
    }
}

impl Engine {
    /// Containers that a restart policy wants to run and that do not, because no monitor outlives a reboot (or kill -9): those
    /// with `unless-stopped` that ended so, and those with `always` however they ended. Oldest first.
    pub fn lost(&self) -> Result<Vec<ContainerSummary>> {
        let mut lost = self.list(true)?;
        lost.retain(|container| match (&container.state, container.restart) {
            (ContainerState::Exited(_), RestartPolicy::Always) => true,
            (ContainerState::Exited(exit), RestartPolicy::UnlessStopped) => exit.reason == ExitReason::MonitorDied,
            _ => false,
        });
        lost.reverse();
        Ok(lost)
    }
}

impl Inner {
    fn list_all(&self, lives: &HashSet<Id>) -> Result<Vec<ContainerSummary>> {
        let mut list = Vec::new();
        let mut names = HashSet::new();
        for entry in names_in(&self.containers())? {
            match Entry::of(&entry) {
                Entry::Container(id) => {
                    let Some(record) = self.sound_record(&id)? else { continue };
                    names.insert(record.name.clone());
                    let state = self.state_or_why(&record, Hint { runs: lives.contains(&id) });
                    list.extend(state.map(|state| self.connected_summary(record, state)));
                }
                Entry::Unfinished(_) => self.sweep_unfinished(&entry)?,
                Entry::Foreign => {}
            }
        }
        self.sweep_names(&names)?;
        let seen: HashSet<&Id> = list.iter().map(|summary| &summary.id).collect();
        lives.iter().filter(|id| !seen.contains(id)).try_for_each(|id| self.sweep_life(id))?;
        Ok(list)
    }

    /// What runs has a run folder: no other container is looked at, however many there are.
    fn list_running(&self, lives: &HashSet<Id>) -> Result<Vec<ContainerSummary>> {
        let mut list = Vec::new();
        for id in lives {
            match self.sound_record(id)? {
                Some(record) => {
                    let state = self.state_or_why(&record, Hint { runs: true }).filter(ContainerState::is_running);
                    list.extend(state.map(|state| self.connected_summary(record, state)));
                }
                None => self.sweep_life(id)?,
            }
        }
        Ok(list)
    }

    /// With what a running one publishes and is connected to. A file that cannot be read does not hide the container.
    fn connected_summary(&self, record: ContainerRecord, state: ContainerState) -> ContainerSummary {
        let mut summary = summary(record, state);
        if summary.network == NetworkMode::Networks && summary.state.is_running() {
            let connected = self.connected(&summary.id).unwrap_or_default();
            (summary.ports, summary.networks) = (connected.ports, connected.endpoints);
        }
        summary
    }

    /// Ids of all containers with a run folder.
    pub(super) fn ids_of_lives(&self) -> Result<HashSet<Id>> {
        Ok(names_in(&self.lives())?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// As [`Inner::record`], but a damaged one (a power cut can leave an empty file) does not hide all others: every verb on that
    /// container says so, and a removal by force works.
    fn sound_record(&self, id: &Id) -> Result<Option<ContainerRecord>> {
        match self.record(id) {
            Err(EngineError::Damaged { .. }) => Ok(None),
            other => other,
        }
    }

    /// A list must not fail for one container that cannot be mended: that one is shown with the reason.
    fn state_or_why(&self, record: &ContainerRecord, hint: Hint) -> Option<ContainerState> {
        self.state_given(record, hint).unwrap_or_else(|error| {
            Some(ContainerState::Exited(ExitStatus {
                code: 255,
                reason: ExitReason::MonitorDied,
                finished: Timestamp::now(),
                started: None,
                message: Some(error.to_string()),
                restarts: 0,
            }))
        })
    }

    fn sweep_names(&self, borne: &HashSet<Name>) -> Result<()> {
        let linked = names_in(&self.names())?;
        let stale = linked.iter().filter_map(|name| name.parse().ok()).filter(|name| !borne.contains(name));
        stale.into_iter().try_for_each(|name| self.sweep_name(&name))
    }
}

/// A container as lists show it.
pub(super) fn summary(record: ContainerRecord, state: ContainerState) -> ContainerSummary {
    ContainerSummary {
        id: record.id,
        name: record.name,
        image: record.image,
        image_id: record.image_id,
        command: record.config.command,
        created: record.created,
        state,
        tty: record.config.tty,
        network: record.config.network,
        ports: Vec::new(),
        exposed: record.config.exposed,
        networks: Vec::new(),
        limits: record.config.limits,
        restart: record.config.restart,
        labels: record.config.labels,
        mounts: record.config.mounts,
    }
}
