//! `update --mount-add` and `--mount-rm`: other mounts for a container that does not run.

use std::path::{Path, PathBuf};

use super::{EngineError, Inner, Result, merge};
use crate::model::{ContainerRecord, ImageConfig, Mount};

impl Inner {
    /// Changes the mounts of a container that does not run, under its lock, and writes the record: all of it or nothing.
    pub(super) fn refit(&self, new: &mut ContainerRecord, add: &[Mount], remove: &[PathBuf]) -> Result<()> {
        for path in remove {
            let path: PathBuf = path.components().collect();
            let before = new.config.mounts.len();
            new.config.mounts.retain(|mount| mount.target != path);
            if new.config.mounts.len() == before {
                return Err(EngineError::NotMounted { name: new.name.clone(), path });
            }
        }
        new.config.mounts.extend(add.iter().cloned());
        new.config.mounts = merge::mounts(&new.config.mounts)?;
        let memory = &new.config.isolation.tmpfs;
        let twice = |mount: &&Mount| memory.iter().any(|memory| Path::new(&memory.target) == mount.target);
        if let Some(mount) = new.config.mounts.iter().find(twice) {
            let what = format!("duplicate mount point: {} is in memory (--tmpfs)", mount.target.display());
            return Err(EngineError::Invalid { what });
        }
        let _images = self.settle_mounts(&mut new.config.mounts)?;
        let mut claim = self.claim_volumes(&mut new.config, &ImageConfig::default(), &[])?;
        if let Err(error) = self.name_volumes(&mut claim).and_then(|()| self.write_record(new)) {
            self.abandon_volumes(claim);
            return Err(error);
        }
        Ok(())
    }
}
