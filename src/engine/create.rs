//! `create`: validates a wish, merges it with the image's configuration, and records the container.
//!
//! First everything is checked, then acted, and undone in reverse if an act fails. The folder gets its id's name last, so nobody sees a
//! container that is half made.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::ids::can_lease;
use super::list::summary;
use super::merge::{Surroundings, merge};
use super::place::make_folder;
use super::volumes::{Anonymous, Claim};
use super::{Engine, EngineError, Inner, Result};
use crate::image::StoreHold;
use crate::model::{
    ContainerRecord, ContainerState, ContainerSummary, CreateRequest, Digest, EventAction, HOST_IMAGE, Id, ImageConfig,
    Name, Timestamp, UserNamespaceMode,
};
use crate::sys::file::Lock;

/// How often a generated name may turn out to be taken before the id's beginning is put behind it.
const NAME_TRIES: usize = 10;

/// What a container is made of.
struct Basis {
    image: String,
    image_id: Option<Digest>,
    layers: Vec<Digest>,
    config: ImageConfig,
    /// Keeps the image from being removed until the container is recorded.
    _hold: Option<StoreHold>,
}

/// What a container gets beside its record.
#[derive(Clone, Copy)]
struct Wishes {
    /// The user has given its name.
    name: bool,
    /// It needs ids of its own.
    ids: bool,
}

impl Engine {
    /// Records a new container. The image must be there: otherwise [`EngineError::NoSuchImage`], and the face may pull.
    ///
    /// A missing name is generated; a taken one is an error; a missing folder of a bind mount is made, as Docker does.
    pub fn create(&self, request: &CreateRequest) -> Result<ContainerSummary> {
        let (record, _lock) = self.0.create(request)?;
        Ok(summary(record, ContainerState::Created))
    }
}

impl Inner {
    /// The new container and its lock, which was held before anybody could see it.
    pub(super) fn create(&self, request: &CreateRequest) -> Result<(ContainerRecord, Lock)> {
        let id = new_id()?;
        let basis = self.basis(&request.image)?;
        let request = &self.with_networks(request)?;
        let mut config = merge(request, &basis.config, &surroundings(&id))?;
        self.check_ways_in(&config, &config.ports)?;
        let _images = self.settle_mounts(&mut config.mounts)?;
        let mut claim = self.claim_volumes(&mut config, &basis.config, &request.volumes_from)?;
        let needs_ids = config.isolation.user_namespace == UserNamespaceMode::Private && can_lease();
        let mut record = ContainerRecord {
            name: match &request.name {
                Some(name) => name.clone(),
                None => self.random_name()?,
            },
            created: Timestamp::now(),
            image: basis.image,
            image_id: basis.image_id,
            layers: basis.layers,
            config,
            id_range: None,
            id,
        };
        let making = self.making(&record.id);
        let lock = self.make_container_folder(&making)?;
        let wishes = Wishes { name: request.name.is_some(), ids: needs_ids };
        if let Err(error) = self.settle_new(&mut record, &making, wishes, &mut claim) {
            // The first failure is the one to report.
            let _ = self.free_ids(&record);
            let _ = fs::remove_dir_all(&making);
            self.abandon_volumes(claim);
            return Err(error);
        }
        drop(claim);
        self.tell(EventAction::Create, &record, None);
        if let Err(error) = self.fill_volumes(&record) {
            let _ = self.remove_locked(&record, lock, Anonymous::Removed);
            return Err(error);
        }
        Ok((record, lock))
    }

    /// The acts that others see: ids, name, folder.
    fn settle_new(&self, record: &mut ContainerRecord, making: &Path, wishes: Wishes, claim: &mut Claim) -> Result<()> {
        if wishes.ids {
            record.id_range = Some(self.lease_ids(&record.id)?);
        }
        self.settle_name(record, wishes.name)?;
        let moved = write_new_record(making, record)
            .and_then(|()| self.name_volumes(claim))
            .and_then(|()| fs::rename(making, self.container(&record.id)).map_err(EngineError::io("rename", making)));
        moved.inspect_err(|_| drop(self.free_name(&record.name, &record.id)))
    }

    fn basis(&self, image: &str) -> Result<Basis> {
        if image == HOST_IMAGE {
            let config = ImageConfig { command: vec![super::suggest::shell()], ..ImageConfig::default() };
            return Ok(Basis { image: image.to_owned(), image_id: None, layers: Vec::new(), config, _hold: None });
        }
        let store = self.store()?;
        let hold = store.hold()?;
        let stored = store.find(image)?;
        Ok(Basis {
            image: stored.reference.map_or_else(|| image.to_owned(), |reference| reference.familiar()),
            image_id: Some(stored.id),
            layers: stored.layers,
            config: stored.config,
            _hold: Some(hold),
        })
    }

    fn make_container_folder(&self, making: &Path) -> Result<Lock> {
        loop {
            match fs::DirBuilder::new().mode(0o700).create(making) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make_folder(&self.containers())?;
                    continue;
                }
                other => other.map_err(EngineError::io("make the folder", making))?,
            }
            match Lock::folder(making) {
                // Another teu took it for a leftover before it was locked.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other.map_err(EngineError::io("lock", making)),
            }
        }
    }

    fn settle_name(&self, record: &mut ContainerRecord, given: bool) -> Result<()> {
        if given {
            return self.take_name(&record.name, &record.id);
        }
        for _ in 0..NAME_TRIES {
            match self.take_name(&record.name, &record.id) {
                Err(EngineError::NameTaken { .. }) => record.name = self.random_name()?,
                other => return other,
            }
        }
        record.name = numbered(&record.name, &record.id);
        self.take_name(&record.name, &record.id)
    }
}

fn numbered(name: &Name, id: &Id) -> Name {
    format!("{name}_{}", id.short()).parse().expect("a generated name and twelve digits are a name")
}

fn new_id() -> Result<Id> {
    let bytes = crate::sys::random::bytes().map_err(EngineError::io("read random bytes from", "getrandom".as_ref()))?;
    Ok(Id::from_bytes(bytes))
}

/// Processors online.
pub(super) fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX))
}

fn surroundings(id: &Id) -> Surroundings {
    Surroundings {
        default_hostname: id.short().to_owned(),
        machine_hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        user_namespaces: can_lease() || !rustix::process::geteuid().is_root(),
        cpus: cpus(),
    }
}

fn write_new_record(folder: &Path, record: &ContainerRecord) -> Result<()> {
    let path = folder.join("record.json");
    let bytes = serde_json::to_vec(record).expect("plain data with text keys is always JSON");
    fs::write(&path, bytes).map_err(EngineError::io("write", &path))
}
