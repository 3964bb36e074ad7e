//! Names: symlinks to ids. symlink(2) fails if the name is taken, so of many creators one wins.
//!
//! Every change is made under the lock of the names' folder. A link counts only if the container it points to exists and bears
//! that name in its record; others were left by a process that was killed, and give way.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use super::place::make_folder;
use super::{EngineError, Inner, Result};
use crate::model::{Id, Name};
use crate::sys::file::Lock;

impl Inner {
    /// The container that bears the name. One whose record is damaged still bears what points to it.
    pub(super) fn named(&self, name: &Name) -> Result<Option<Id>> {
        let Some(id) = self.linked(name)? else { return Ok(None) };
        match self.record(&id) {
            Ok(record) => Ok(record.filter(|record| record.name == *name).map(|_| id)),
            Err(EngineError::Damaged { .. }) => Ok(Some(id)),
            Err(error) => Err(error),
        }
    }

    /// Lets the name point to `id`, or fails with the container that has it.
    pub(super) fn take_name(&self, name: &Name, id: &Id) -> Result<()> {
        let _lock = self.lock_names()?;
        let link = self.name_link(name);
        match symlink(id.as_str(), &link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map_err(EngineError::io("make the link", &link)),
        }
        if let Some(holder) = self.linked(name)?
            // In this order: a container that is no longer being made has its record in place.
            && (self.is_being_made(&holder)? || self.named(name)?.is_some())
        {
            return Err(EngineError::NameTaken { name: name.clone(), id: holder.short().to_owned() });
        }
        fs::remove_file(&link).map_err(EngineError::io("remove the stale link", &link))?;
        symlink(id.as_str(), &link).map_err(EngineError::io("make the link", &link))
    }

    /// Frees the name if it points to `id`; otherwise it is somebody else's by now, and nothing happens.
    pub(super) fn free_name(&self, name: &Name, id: &Id) -> Result<()> {
        let _lock = self.lock_names()?;
        if self.linked(name)?.as_ref() != Some(id) {
            return Ok(());
        }
        let link = self.name_link(name);
        fs::remove_file(&link).map_err(EngineError::io("remove the link", &link))
    }

    /// Removes the link of a name that no container bears, left by a process that was killed.
    pub(super) fn sweep_name(&self, name: &Name) -> Result<()> {
        let Some(id) = self.linked(name)? else { return Ok(()) };
        // A rename links the new name before it writes the record: whoever holds the container's lock is at it.
        let lock = Lock::try_folder(&self.container(&id));
        if matches!(lock, Ok(None)) || self.is_being_made(&id)? || self.named(name)?.is_some() {
            return Ok(());
        }
        self.free_name(name, &id)
    }

    fn linked(&self, name: &Name) -> Result<Option<Id>> {
        let link = self.name_link(name);
        match fs::read_link(&link) {
            Ok(target) => Ok(target.to_str().and_then(|text| text.parse().ok())),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => Ok(None),
            Err(error) => Err(EngineError::io("read the link", &link)(error)),
        }
    }

    /// Whether another process is making this container now: it holds the lock of the folder that will be the container's.
    fn is_being_made(&self, id: &Id) -> Result<bool> {
        let folder = self.making(id);
        match Lock::try_folder(&folder) {
            Ok(lock) => Ok(lock.is_none()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(EngineError::io("lock", &folder)(error)),
        }
    }

    fn lock_names(&self) -> Result<Lock> {
        let folder = self.names();
        match Lock::folder(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_folder(&folder)?;
                Lock::folder(&folder)
            }
            other => other,
        }
        .map_err(EngineError::io("lock", &folder))
    }
}
