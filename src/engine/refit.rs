//! `update --mount-add` and `--mount-rm`: other mounts for a container that does not run.

use std::path::{Path, PathBuf};

use super::state::Life;
use super::{Engine, EngineError, Inner, Result, merge};
use crate::model::{ContainerRecord, EventAction, ImageConfig, Mount};

impl Engine {
    /// Takes away what is mounted at the paths of `remove` and gives the container the mounts of `add`: all of it or nothing.
    ///
    /// What a container sees is settled when it starts, so it must not run. Volumes stay, anonymous ones too: nobody uses them then.
    pub fn change_mounts(&self, target: &str, add: &[Mount], remove: &[PathBuf]) -> Result<()> {
        let engine = &self.0;
        let record = engine.find(target)?;
        let gone = || EngineError::NoSuchContainer { target: target.to_owned() };
        loop {
            let lock = engine.lock_container(&record.id)?.ok_or_else(gone)?;
            let old = engine.record(&record.id)?.ok_or_else(gone)?;
            match engine.life(&record.id)? {
                Life::Up(_) if engine.settled(&record.id)?.is_none() => {
                    return Err(EngineError::MountsSettled { name: old.name });
                }
                Life::Up(_) | Life::Starting => {
                    drop(lock);
                    engine.await_settled(&record)?;
                }
                Life::Dead => {
                    engine.settle(&record)?;
                }
                Life::Down => return engine.refit(&old, add, remove),
            }
        }
    }
}

impl Inner {
    fn refit(&self, old: &ContainerRecord, add: &[Mount], remove: &[PathBuf]) -> Result<()> {
        let mut new = old.clone();
        for path in remove {
            let path: PathBuf = path.components().collect();
            let before = new.config.mounts.len();
            new.config.mounts.retain(|mount| mount.target != path);
            if new.config.mounts.len() == before {
                return Err(EngineError::NotMounted { name: old.name.clone(), path });
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
        if let Err(error) = self.name_volumes(&mut claim).and_then(|()| self.write_record(&new)) {
            self.abandon_volumes(claim);
            return Err(error);
        }
        drop(claim);
        self.tell(EventAction::Update, &new, None);
        Ok(())
    }
}
