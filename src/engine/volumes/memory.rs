//! Volumes that are memory (`-o type=tmpfs`): nobody stays to keep it, so each container that runs gets its own, empty. Two at a
//! time would not see each other's files, so the second is refused.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::state::Life;
use super::super::{EngineError, Inner, Result};
use super::Damaged;
use crate::model::{ContainerConfig, ContainerRecord, MountSource, TmpfsMount, Volume, VolumeName};
use crate::volume::{Incoming, VolumeError};

impl Inner {
    /// The same with volumes that are memory as what they are.
    pub(in crate::engine) fn with_memory<'a>(&self, config: &'a ContainerConfig) -> Result<Cow<'a, ContainerConfig>> {
        let memory = self.memory_volumes(config)?;
        if memory.is_empty() {
            return Ok(Cow::Borrowed(config));
        }
        let mut config = config.clone();
        let mounts = std::mem::take(&mut config.mounts);
        for mount in mounts {
            let MountSource::Volume { name: Some(name), subpath, .. } = &mount.source else {
                config.mounts.push(mount);
                continue;
            };
            let Some(mut options) = memory.get(name).and_then(Volume::memory) else {
                config.mounts.push(mount);
                continue;
            };
            if subpath.is_some() {
                let what = format!("volume {name} is memory and begins empty: there is no volume-subpath in it");
                return Err(EngineError::Invalid { what });
            }
            options.extend(mount.read_only.then(|| "ro".to_owned()));
            config.isolation.tmpfs.push(TmpfsMount { target: mount.target, options });
        }
        Ok(Cow::Owned(config))
    }

    /// Refuses a container whose memory another has that runs. Nobody else gets it while the value is kept.
    pub(in crate::engine) fn claim_memory(&self, record: &ContainerRecord) -> Result<Vec<Incoming>> {
        let memory = self.memory_volumes(&record.config)?;
        if memory.is_empty() {
            return Ok(Vec::new());
        }
        let mut claims = Vec::new();
        // By name, so that two who want the same ones do not wait for each other.
        for name in memory.keys() {
            claims.push(self.shelf().hold(name).and_then(|hold| hold.receive())?);
        }
        let users = self.volume_users(Damaged::LeftOut)?;
        for name in memory.keys() {
            let others = users.get(name).into_iter().flatten().filter(|(id, _)| *id != record.id);
            for (id, container) in others {
                if matches!(self.life(id)?, Life::Up(_) | Life::Starting) {
                    let (volume, container) = (name.clone(), container.clone());
                    return Err(EngineError::MemoryInUse { volume, container });
                }
            }
        }
        Ok(claims)
    }

    fn memory_volumes(&self, config: &ContainerConfig) -> Result<BTreeMap<VolumeName, Volume>> {
        let mut found = BTreeMap::new();
        for name in config.mounts.iter().filter_map(|mount| mount.volume_name()) {
            match self.shelf().find(name) {
                Ok(volume) if volume.memory().is_some() => drop(found.insert(name.clone(), volume)),
                // Who needs its folder tells better.
                Ok(_) | Err(VolumeError::NoSuchVolume { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }
}
