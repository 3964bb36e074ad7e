//! `commit`: a container's changes become a layer, and with it an image.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::tree::protocol::Ask;
use super::tree::{Flow, Owner, Visit};
use super::{Engine, EngineError, Inner, Result};
use crate::image::{self, Commit};
use crate::model::{
    ContainerConfig, ContainerRecord, ContainerState, Digest, EventAction, HOST_IMAGE, ImageConfig, Reference,
};
use crate::runtime::Place;
use crate::sys::file::Lock;

/// What the new image is to be.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// Its name and tag. Without one it is found by its id only.
    pub reference: Option<Reference>,
    pub author: Option<String>,
    pub message: Option<String>,
    /// Dockerfile lines such as `CMD ["sh"]`.
    pub changes: Vec<String>,
    pub pause: Pause,
}

/// Whether the processes of a running container stand still while its files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pause {
    /// Where the container has a cgroup that can be frozen.
    #[default]
    IfPossible,
    /// Or it is not committed.
    Required,
    No,
}

/// What a commit made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub id: Digest,
    /// Why the container ran on meanwhile, if it was to be paused and could not.
    pub not_paused: Option<String>,
}

impl Engine {
    /// Makes an image of what a container has changed of its own image, whether it runs or not. `cancel` ends it early with
    /// kind `Cancelled` and nothing left; a container that was paused goes on in any case.
    pub fn commit(&self, target: &str, options: &CommitOptions, cancel: &AtomicBool) -> Result<Committed> {
        let engine = &self.0;
        let record = engine.find(target)?;
        let Some(base) = record.image_id.clone() else { return Err(EngineError::CommitHost { name: record.name }) };
        if let Some(reference) = options.reference.as_ref().filter(|it| it.familiar_repository() == HOST_IMAGE) {
            return Err(EngineError::Invalid {
                what: format!("{} is the built-in image's name", reference.familiar()),
            });
        }
        let image = engine.store()?.find(base.as_str())?;
        let hold = engine.hold_still(self, &record, options.pause)?;
        engine.prepare_writable_layer(&record)?;
        let upper = engine.upper(&record.id);
        let mut visit = Visit::begin(&Place::Machine, Flow::FromContainer, Owner::Container(&record.name), None)?;
        let failure: Mutex<Option<EngineError>> = Mutex::new(None);
        let wish = Commit {
            base: &base,
            reference: options.reference.as_ref(),
            author: options.author.as_deref(),
            message: options.message.as_deref(),
            created_by: &record.config.command.join(" "),
            config: image_config(&record.config, &image.config),
            changes: &options.changes,
        };
        let mut hold = Some(hold);
        let not_paused = hold.as_mut().and_then(|hold| hold.not_paused.take());
        let made = image::commit(&engine.store()?, wish, |out| {
            let packed = visit.read(Ask::Layer { upper: upper.clone() }, |data| copy(data, out, cancel));
            // It was removed meanwhile, so that what was read of it may not be all.
            let packed = packed.and_then(|()| match upper.exists() {
                true => Ok(()),
                false => Err(EngineError::NoSuchContainer { target: record.name.to_string() }),
            });
            // The rest needs the container no more.
            drop(hold.take());
            packed.map_err(|error| {
                *failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(error);
                io::ErrorKind::Other.into()
            })
        });
        let own = failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        let id = made.map_err(|error| match own {
            Some(own) if !own.is_of_the_archive() => own,
            _ => EngineError::from(error),
        })?;
        let label = options.reference.as_ref().map_or_else(|| id.to_string(), Reference::familiar);
        engine.tell(EventAction::Commit, &record, Some(label));
        Ok(Committed { id, not_paused })
    }
}

/// A container's writable layer as it stands, until this is dropped.
struct Hold<'a> {
    /// Paused by us.
    paused: Option<(&'a Engine, String)>,
    not_paused: Option<String>,
    _lock: Option<Lock>,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if let Some((engine, target)) = self.paused.take() {
            // It has ended, or somebody else was quicker.
            let _ = engine.unpause(&target);
        }
    }
}

impl Inner {
    /// Pauses a running container; keeps one that does not run from being started or removed.
    fn hold_still<'a>(&self, engine: &'a Engine, record: &ContainerRecord, pause: Pause) -> Result<Hold<'a>> {
        let mut hold = Hold { paused: None, not_paused: None, _lock: None };
        let gone = || EngineError::NoSuchContainer { target: record.name.to_string() };
        match self.state(record)?.ok_or_else(gone)? {
            ContainerState::Running { .. } if pause != Pause::No => match engine.pause(record.id.as_str()) {
                Ok(()) => hold.paused = Some((engine, record.id.to_string())),
                Err(error) if pause == Pause::Required => return Err(error),
                // It has just ended: nothing moves any more.
                Err(EngineError::NotRunning { .. }) => {}
                Err(error) => hold.not_paused = Some(error.to_string()),
            },
            ContainerState::Running { .. } | ContainerState::Paused { .. } | ContainerState::Restarting(_) => {}
            ContainerState::Created | ContainerState::Exited(_) => {
                hold._lock = Some(self.lock_container(&record.id)?.ok_or_else(gone)?);
            }
        }
        Ok(hold)
    }
}

fn copy(mut data: File, out: &mut dyn Write, cancel: &AtomicBool) -> Result<()> {
    let failed = |error| EngineError::io("write", std::path::Path::new("the layer"))(error);
    let mut buffer = vec![0; 256 << 10];
    loop {
        if cancel.load(Ordering::Relaxed) {
            return Err(EngineError::Image(image::ImageError::Cancelled));
        }
        match data.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => out.write_all(&buffer[..read]).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// The image's configuration with what the container was given laid over it, as Docker does; without what every container
/// gets anyhow.
fn image_config(container: &ContainerConfig, image: &ImageConfig) -> ImageConfig {
    let (entrypoint, command) = match container.command.strip_prefix(image.entrypoint.as_slice()) {
        Some(rest) if !image.entrypoint.is_empty() => (image.entrypoint.clone(), rest.to_vec()),
        _ => (Vec::new(), container.command.clone()),
    };
    let is_ours = |entry: &String| {
        let key = entry.split('=').next().unwrap_or_default();
        let added = [
            format!("HOSTNAME={}", container.hostname),
            "TERM=xterm".to_owned(),
            super::merge::DEFAULT_PATH.to_owned(),
        ];
        added.contains(entry) && !image.env.iter().any(|other| other.split('=').next() == Some(key))
    };
    ImageConfig {
        entrypoint,
        command,
        env: container.env.iter().filter(|entry| !is_ours(entry)).cloned().collect(),
        workdir: Some(container.workdir.clone()).filter(|workdir| workdir != "/" || image.workdir.is_some()),
        user: Some(container.user.clone()).filter(|user| !user.is_empty()),
        stop_signal: image.stop_signal.clone().filter(|text| text.parse() == Ok(container.stop_signal)).or_else(|| {
            (container.stop_signal != crate::model::Signal::TERM).then(|| container.stop_signal.to_string())
        }),
        labels: container.labels.clone(),
        volumes: image.volumes.clone(),
        exposed_ports: image.exposed_ports.clone(),
        healthcheck: image.healthcheck.clone(),
        on_build: image.on_build.clone(),
        shell: image.shell.clone(),
    }
}
