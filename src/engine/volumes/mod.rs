//! `volume …`: the volumes that containers keep data in. A container that is recorded uses the volumes that its record names,
//! whether it runs or not.

mod archive;
mod claim;
mod fill;
mod layers;
mod leave;
mod memory;
mod nearest;

use std::collections::HashMap;
use std::path::PathBuf;

use super::place::{Entry, names_in};
use super::{Engine, EngineError, Inner, Result, size};
use crate::model::{
    ContainerRecord, Event, EventAction, EventSubject, Id, Name, Pruned, Timestamp, Volume, VolumeFilter, VolumeName,
    VolumeSummary, VolumeWish,
};
use crate::runtime::remove_tree;
use crate::volume::{Shelf, VolumeError};

pub(super) use claim::Claim;
pub(super) use leave::{Anonymous, Leaving};

/// Containers by the volumes that they use.
pub(super) type VolumeUsers = HashMap<VolumeName, Vec<(Id, Name)>>;

/// What a record that cannot be read, and so hides which volumes its container uses, is to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damaged {
    Refused,
    LeftOut,
}

impl Engine {
    /// Makes a volume. One of that name that is there already is as good, unless the wish has other options.
    pub fn volume_create(&self, wish: &VolumeWish) -> Result<Volume> {
        self.0.sweep_volumes();
        let (hold, made) = self.0.shelf().ensure(wish)?;
        if made {
            hold.persist()?;
            self.0.tell_volume(EventAction::Create, &hold.volume.name);
        }
        Ok(hold.volume.clone())
    }

    /// All volumes by name, and who uses them.
    pub fn volumes(&self) -> Result<Vec<VolumeSummary>> {
        self.0.sweep_volumes();
        let users = self.0.volume_users(Damaged::LeftOut)?;
        let volumes = self.0.shelf().all()?;
        Ok(volumes.into_iter().map(|volume| self.0.volume_summary(volume, &users)).collect())
    }

    /// As [`Engine::volumes`], with the bytes in them, which walks through all their files.
    pub fn volumes_measured(&self) -> Result<Vec<VolumeSummary>> {
        self.volumes()?.into_iter().map(|it| self.0.measured(it)).collect()
    }

    /// Everything known of a volume, its size included.
    pub fn volume_inspect(&self, target: &str) -> Result<VolumeSummary> {
        let volume = self.0.find_volume(target)?;
        let users = self.0.volume_users(Damaged::LeftOut)?;
        self.0.measured(self.0.volume_summary(volume, &users))
    }

    /// Removes a volume with all its files. Refused while a container uses it, running or not. With `force` it is fine if there is none.
    pub fn volume_remove(&self, target: &str, force: bool) -> Result<()> {
        let removed = self.0.find_volume(target).and_then(|volume| self.0.remove_volume(&volume.name, None));
        match removed {
            Err(EngineError::NoSuchVolume { .. }) if force => Ok(()),
            removed => removed,
        }
    }

    /// Removes volumes that no container uses: anonymous ones, or by the filter all of them.
    pub fn volume_prune(&self, filter: &VolumeFilter) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for summary in self.prunable_volumes(filter, &[])? {
            match self.0.remove_volume(&summary.volume.name, None) {
                Ok(()) => {
                    pruned.freed_bytes += summary.size_bytes.unwrap_or(0);
                    pruned.volumes.push(summary.volume.name);
                }
                // Somebody uses it by now, or was quicker.
                Err(EngineError::VolumeInUse { .. } | EngineError::NoSuchVolume { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.0.tell_volumes_pruned(pruned.freed_bytes);
        Ok(pruned)
    }

    /// What [`Engine::volume_prune`] would remove and free.
    pub fn volume_prune_preview(&self, filter: &VolumeFilter) -> Result<Pruned> {
        self.volume_prune_preview_without(filter, &[])
    }

    /// The same once the containers `gone` are no more.
    pub(super) fn volume_prune_preview_without(&self, filter: &VolumeFilter, gone: &[Id]) -> Result<Pruned> {
        let mut preview = Pruned::default();
        for summary in self.prunable_volumes(filter, gone)? {
            preview.freed_bytes += summary.size_bytes.unwrap_or(0);
            preview.volumes.push(summary.volume.name);
        }
        Ok(preview)
    }

    fn prunable_volumes(&self, filter: &VolumeFilter, gone: &[Id]) -> Result<Vec<VolumeSummary>> {
        self.0.sweep_volumes();
        let users = self.0.volume_users(Damaged::Refused)?;
        let is_free =
            |volume: &Volume| users.get(&volume.name).is_none_or(|users| users.iter().all(|(id, _)| gone.contains(id)));
        let volumes = self.0.shelf().all()?.into_iter().filter(|volume| filter.passes(volume) && is_free(volume));
        volumes.map(|volume| self.0.measured(self.0.volume_summary(volume, &users))).collect()
    }
}

impl Inner {
    pub(super) fn shelf(&self) -> Shelf {
        Shelf::at(&self.volumes_folder())
    }

    /// The folder that a volume's files are in.
    pub(super) fn volume_data(&self, name: &VolumeName) -> Result<PathBuf> {
        let shelf = self.shelf();
        let data = shelf.find(name).and_then(|volume| shelf.data(&volume));
        let data = data.map_err(|error| self.named_nearest(error))?;
        if shelf.is_landing(name) {
            let hold = shelf.hold(name).map_err(|error| self.named_nearest(error))?;
            self.land(&hold.receive()?, name, &data)?;
        }
        Ok(data)
    }

    pub(super) fn find_volume(&self, target: &str) -> Result<Volume> {
        let none = || VolumeError::NoSuchVolume { target: target.to_owned() };
        let found = target.parse().map_err(|_| none()).and_then(|name| self.shelf().find(&name));
        found.map_err(|error| self.named_nearest(error))
    }

    /// Which containers use which volumes. Those that are just being made hold theirs instead.
    pub(super) fn volume_users(&self, damaged: Damaged) -> Result<VolumeUsers> {
        let mut users = VolumeUsers::new();
        for entry in names_in(&self.containers())? {
            let Entry::Container(id) = Entry::of(&entry) else { continue };
            let record = match self.record(&id) {
                Err(_) if damaged == Damaged::LeftOut => continue,
                // None: it has just been removed.
                record => record?,
            };
            let Some(record) = record else { continue };
            for name in volumes_of(&record) {
                let known = users.entry(name.clone()).or_default();
                if known.iter().all(|(id, _)| *id != record.id) {
                    known.push((record.id.clone(), record.name.clone()));
                }
            }
        }
        Ok(users)
    }

    /// Removes a volume that nobody uses; a container that is about to go does not count.
    pub(super) fn remove_volume(&self, name: &VolumeName, leaver: Option<&Id>) -> Result<()> {
        let alone = self.shelf().alone(name).map_err(|error| self.named_nearest(error))?;
        let users = self.volume_users(Damaged::Refused)?.remove(name).unwrap_or_default();
        if let Some((_, container)) = users.into_iter().find(|(id, _)| leaver != Some(id)) {
            return Err(EngineError::VolumeInUse { volume: name.clone(), container });
        }
        let doomed = alone.doom()?;
        remove_tree(&doomed.path).map_err(EngineError::io("remove", &doomed.path))?;
        drop(doomed);
        self.tell_volume(EventAction::Destroy, name);
        Ok(())
    }

    /// Removes what killed processes have left. What cannot be removed now waits for the next look.
    pub(super) fn sweep_volumes(&self) {
        for doomed in self.shelf().unfinished().unwrap_or_default() {
            let _ = remove_tree(&doomed.path);
        }
        for hold in self.shelf().interrupted().unwrap_or_default() {
            // Who is at it needs nobody else.
            let Ok(Some(incoming)) = hold.try_receive() else { continue };
            let name = &hold.volume.name;
            let _ = self.shelf().data(&hold.volume).map(|data| self.land(&incoming, name, &data));
            let _ = remove_tree(&incoming.gathering());
        }
    }

    fn volume_summary(&self, volume: Volume, users: &VolumeUsers) -> VolumeSummary {
        VolumeSummary {
            mountpoint: self.shelf().mountpoint(&volume),
            users: users.get(&volume.name).cloned().unwrap_or_default(),
            size_bytes: None,
            volume,
        }
    }

    /// A folder of the machine, or memory, that a volume stands for is not teu's to count.
    fn measured(&self, summary: VolumeSummary) -> Result<VolumeSummary> {
        if summary.volume.device().is_some() || summary.volume.memory().is_some() {
            return Ok(summary);
        }
        let path = &summary.mountpoint;
        let size_bytes = size::measure(path).map_err(EngineError::io("measure", path))?;
        Ok(VolumeSummary { size_bytes, ..summary })
    }

    pub(super) fn tell_volume(&self, action: EventAction, name: &VolumeName) {
        self.tell_event(Event::of_volume(action, name));
    }

    fn tell_volumes_pruned(&self, freed_bytes: u64) {
        self.tell_event(Event {
            time: Timestamp::now(),
            subject: EventSubject::Volume,
            action: EventAction::Prune,
            id: String::new(),
            name: String::new(),
            exit_code: None,
            detail: None,
            attributes: [("reclaimed".to_owned(), freed_bytes.to_string())].into(),
        });
    }
}

/// The volumes that a container uses.
pub(super) fn volumes_of(record: &ContainerRecord) -> impl Iterator<Item = &VolumeName> {
    record.config.mounts.iter().filter_map(|mount| mount.volume_name())
}
