//! Files on their way into a volume that is there: gathered beside its own, and moved in when all have come. One who is killed
//! before leaves the volume as it was; one who is killed while they are moved leaves the rest to the next who looks.

use std::fs;
use std::path::{Path, PathBuf};

use super::shelf::{Content, Kept, write};
use super::{Hold, Result, Shelf, VolumeError};
use crate::model::{Volume, VolumeName};
use crate::sys::file::Lock;

/// What has not all come yet.
const INCOMING: &str = "incoming";
/// What has, and is to be moved.
const LANDING: &str = "landing";

/// The right to put files into a volume: one at a time has it, and nobody fills it from an image meanwhile.
#[derive(Debug)]
pub struct Incoming {
    _lock: Lock,
    path: PathBuf,
    volume: Volume,
}

impl Hold {
    /// Waits for others who are at it.
    pub fn receive(&self) -> Result<Incoming> {
        let path = self.path().join("lock");
        let lock = Lock::exclusive(&path).map_err(VolumeError::io("lock", &path))?;
        Ok(Incoming { _lock: lock, path: self.path().to_owned(), volume: self.volume.clone() })
    }

    /// None while somebody else is at it.
    pub fn try_receive(&self) -> Result<Option<Incoming>> {
        let path = self.path().join("lock");
        let lock = Lock::try_exclusive(&path).map_err(VolumeError::io("lock", &path))?;
        Ok(lock.map(|lock| Incoming { _lock: lock, path: self.path().to_owned(), volume: self.volume.clone() }))
    }
}

impl Shelf {
    /// Whether somebody who was killed has left files that are to be moved into a volume, or is moving them now.
    pub fn is_landing(&self, name: &VolumeName) -> bool {
        self.place(name).join(LANDING).exists()
    }

    /// Volumes that somebody puts files into, or was killed at that.
    pub fn interrupted(&self) -> Result<Vec<Hold>> {
        let names = self.names()?.into_iter().filter_map(|name| name.parse::<VolumeName>().ok());
        let has_any = |name: &VolumeName| [INCOMING, LANDING].iter().any(|kind| self.place(name).join(kind).exists());
        Ok(names.filter(has_any).filter_map(|name| self.hold(&name).ok()).collect())
    }
}

impl Incoming {
    /// Where files are gathered. What is there was left by one who was killed.
    pub fn gathering(&self) -> PathBuf {
        self.path.join(INCOMING)
    }

    /// What has all come and is to be moved, if there is such.
    pub fn landing(&self) -> Option<PathBuf> {
        Some(self.path.join(LANDING)).filter(|path| path.exists())
    }

    /// All have come, and are on the disk: from now on they belong to the volume, and no image's content comes on top.
    pub fn commit(&self) -> Result<PathBuf> {
        let (gathering, landing) = (self.gathering(), self.path.join(LANDING));
        write(&self.path, &Kept { volume: self.volume.clone(), content: Content::Settled })?;
        fs::rename(&gathering, &landing).map_err(VolumeError::io("rename", &gathering))?;
        self.persist()?;
        Ok(landing)
    }

    /// Waits until names that were given or taken are on the disk.
    pub fn persist(&self) -> Result<()> {
        let synced = |path: &Path| fs::File::open(path).and_then(|folder| folder.sync_all());
        synced(&self.path).map_err(VolumeError::io("write to the disk", &self.path))
    }
}
