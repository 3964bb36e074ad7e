//! `rm`: the container's folders, its name, and with force its processes.

use std::fs;
use std::io;

use super::state::Life;
use super::volumes::Anonymous;
use super::{Engine, EngineError, Inner, Result};
use crate::model::{ContainerRecord, Digest, EventAction, Id, Signal};
use crate::monitor::State;
use crate::runtime::remove_tree;
use crate::sys::file::Lock;

/// Milliseconds that a killed container's monitor has to clean up before it counts as stuck.
pub(super) const PATIENCE_MS: u64 = 10_000;

impl Engine {
    /// Removes a container with its writable layer and log. A running one only with `force`, by SIGKILL.
    pub fn remove(&self, target: &str, force: bool) -> Result<()> {
        self.remove_and(target, force, Anonymous::Kept)
    }

    /// As [`Engine::remove`], with the anonymous volumes that no other container uses.
    pub fn remove_with_volumes(&self, target: &str, force: bool) -> Result<()> {
        self.remove_and(target, force, Anonymous::Removed)
    }

    fn remove_and(&self, target: &str, force: bool, volumes: Anonymous) -> Result<()> {
        let engine = &self.0;
        let record = match engine.find(target) {
            Err(EngineError::Damaged { .. }) if force => return engine.remove_damaged(&engine.id_of(target)?),
            other => other?,
        };
        loop {
            let running = engine.state(&record)?.is_some_and(|state| state.is_running());
            if running && !force {
                return Err(EngineError::RemoveRunning { name: record.name });
            }
            if running {
                engine.bring_down(&record)?;
            }
            // Gone by now: a container that was to be removed at its end, or another teu was quicker.
            let Some(lock) = engine.lock_container(&record.id)? else { return Ok(()) };
            match engine.life(&record.id)? {
                Life::Down => {
                    engine.remove_locked(&record, lock, volumes)?;
                    engine.free_layers(&record);
                    return Ok(());
                }
                Life::Dead => {
                    engine.settle(&record)?;
                }
                Life::Up(_) | Life::Starting => {
                    drop(lock);
                    engine.await_settled(&record)?;
                }
            }
        }
    }
}

impl Inner {
    /// Removes a container that does not run, under its lock, which moves with the folder.
    pub(super) fn remove_locked(&self, record: &ContainerRecord, lock: Lock, volumes: Anonymous) -> Result<()> {
        let (folder, removing) = (self.container(&record.id), self.removing(&record.id));
        // A rename may have been quicker than the lock.
        let name = self.record(&record.id)?.map_or_else(|| record.name.clone(), |current| current.name);
        self.mark_volumes(record, volumes)?;
        fs::rename(&folder, &removing).map_err(EngineError::io("rename", &folder))?;
        self.free_name(&name, &record.id)?;
        let released = self.release_volumes(record, &removing);
        remove_tree(&removing).map_err(EngineError::io("remove", &removing))?;
        self.free_ids(record)?;
        drop(lock);
        self.tell(EventAction::Destroy, record, None);
        released
    }

    /// The layers of a container whose image was removed by force go with it. What cannot be freed now is freed by a prune.
    fn free_layers(&self, record: &ContainerRecord) {
        let mounted = record.config.mounts.iter().filter_map(|mount| mount.image().map(|image| &image.id));
        let images: Vec<&Digest> = record.image_id.iter().chain(mounted).collect();
        if images.is_empty() {
            return;
        }
        let free = || -> Result<()> {
            let store = self.store()?;
            for image in images {
                if !store.has_image(image)? {
                    return Ok(store.gc().map(drop)?);
                }
            }
            Ok(())
        };
        let _ = free();
    }

    /// Removes a container that cannot be read. The next list sweeps its name.
    fn remove_damaged(&self, id: &Id) -> Result<()> {
        let Some(_lock) = self.lock_container(id)? else { return Ok(()) };
        let last = State::read(&self.life_folder(id)).ok().flatten();
        if matches!(self.life(id)?, Life::Up(_) | Life::Starting) {
            return Err(EngineError::Invalid { what: format!("container {} runs: kill it first", id.short()) });
        }
        self.bury(id, last.as_ref())?;
        let removing = self.removing(id);
        fs::rename(self.container(id), &removing).map_err(EngineError::io("rename", &self.container(id)))?;
        remove_tree(&removing).map_err(EngineError::io("remove", &removing))
    }

    /// Kills a running container and waits until it is down; kills its monitor too if that one does not answer.
    fn bring_down(&self, record: &ContainerRecord) -> Result<()> {
        match self.send_signal(record, Signal::KILL) {
            Ok(()) => self.tell(EventAction::Kill, record, Some(Signal::KILL.to_string())),
            Err(EngineError::NotRunning { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        match self.await_down(record, PATIENCE_MS)? {
            true => Ok(()),
            false => self.kill_monitor(record),
        }
    }

    /// The last resort for a monitor that does not come down: recovery does the rest of its work.
    fn kill_monitor(&self, record: &ContainerRecord) -> Result<()> {
        let Life::Up(state) = self.life(&record.id)? else { return Ok(()) };
        let pid = rustix::process::Pid::from_raw(state.monitor_pid);
        let killed = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        match killed {
            Some(Err(error)) if error != rustix::io::Errno::SRCH => {
                Err(EngineError::io("kill the monitor of", &self.life_folder(&record.id))(io::Error::from(error)))
            }
            // A process that the kernel is writing to a slow disk for dies when that is done.
            _ if self.await_down(record, PATIENCE_MS)? => Ok(()),
            _ => Err(EngineError::Stuck { name: record.name.clone(), waited_ms: 2 * PATIENCE_MS }),
        }
    }
}
