//! A container goes, and the anonymous volumes that were made for it go with it: always with `--rm`, with `rm -v` on wish.
//!
//! The volumes go before the container's folder does. So whoever finds the rest of a removal that was broken off finds its record
//! there too, and does what is left.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::place::Entry;
use super::super::{Engine, EngineError, EngineOptions, Inner, Result, record};
use crate::model::{ContainerRecord, Id, MountSource};

/// Says in a container's folder that its anonymous volumes go with it.
const MARK: &str = "with-volumes";

/// What becomes of the anonymous volumes of a container that is removed. With `--rm` they go in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Anonymous {
    Kept,
    Removed,
}

/// What the monitor of a container with `--rm` needs to know to let the anonymous volumes go.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Leaving {
    data: PathBuf,
    run: PathBuf,
    id: Id,
}

impl Leaving {
    /// None where nothing has to go.
    pub(in crate::engine) fn of(engine: &Inner, record: &ContainerRecord) -> Option<Self> {
        let leaves = record.config.auto_remove && has_anonymous(record);
        let folders = &engine.folders;
        leaves.then(|| Self { data: folders.data.clone(), run: folders.run.clone(), id: record.id.clone() })
    }

    /// In the monitor, whose container is about to be removed. What fails here is left for the next prune.
    pub(in crate::engine) fn leave(plan: serde_json::Value) {
        let Ok(Self { data, run, id }) = serde_json::from_value(plan) else { return };
        let options = EngineOptions { root: Some(data), runroot: Some(run), ..EngineOptions::default() };
        let Ok(engine) = Engine::open(options) else { return };
        if let Ok(Some(record)) = engine.0.record(&id) {
            let _ = engine.0.remove_anonymous_volumes(&record);
        }
    }
}

impl Inner {
    /// Before the container's folder is taken out of sight.
    pub(in crate::engine) fn mark_volumes(&self, record: &ContainerRecord, volumes: Anonymous) -> Result<()> {
        if volumes == Anonymous::Kept || record.config.auto_remove || !has_anonymous(record) {
            return Ok(());
        }
        let mark = self.container(&record.id).join(MARK);
        fs::write(&mark, b"").map_err(EngineError::io("write", &mark))
    }

    /// When it is out of sight as `folder`: removes the volumes that are to go with it. Others' are spared.
    pub(in crate::engine) fn release_volumes(&self, record: &ContainerRecord, folder: &Path) -> Result<()> {
        match record.config.auto_remove || folder.join(MARK).exists() {
            true => self.remove_anonymous_volumes(record),
            false => Ok(()),
        }
    }

    /// What a container that was never finished, or whose removal was broken off, has left of volumes.
    pub(in crate::engine) fn sweep_volumes_of(&self, folder: &Path, name: &str) -> Result<()> {
        // Without a record there are no volumes yet, or none any more.
        let Ok(Some(record)) = record::read::<ContainerRecord>(&folder.join("record.json")) else { return Ok(()) };
        match Entry::is_being_made(name) {
            true => self.remove_anonymous_volumes(&record),
            false => self.release_volumes(&record, folder),
        }
    }

    fn remove_anonymous_volumes(&self, record: &ContainerRecord) -> Result<()> {
        let mut failed = Ok(());
        for mount in &record.config.mounts {
            let MountSource::Volume { name: Some(name), anonymous: true, .. } = &mount.source else { continue };
            match self.remove_volume(name, Some(&record.id)) {
                Ok(()) | Err(EngineError::VolumeInUse { .. } | EngineError::NoSuchVolume { .. }) => {}
                // The others go nevertheless.
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed
    }
}

fn has_anonymous(record: &ContainerRecord) -> bool {
    record.config.mounts.iter().any(|mount| matches!(mount.source, MountSource::Volume { anonymous: true, .. }))
}
