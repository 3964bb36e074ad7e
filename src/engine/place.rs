//! Where things lie in the two folders: the only file that spells their names.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{EngineError, Inner, Result};
use crate::model::{Id, Name};

/// A container's folder while it is being made, before it is renamed to its id.
const MAKING: &str = ".making-";
/// A container's folder while it is being removed.
const REMOVING: &str = ".removing-";

/// What a name in the containers' folder stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Container(Id),
    /// Half made or half removed: somebody is at it, or was killed.
    Unfinished(Id),
    Foreign,
}

impl Entry {
    pub(super) fn of(name: &str) -> Self {
        let unfinished = name.strip_prefix(MAKING).or_else(|| name.strip_prefix(REMOVING));
        match (unfinished, unfinished.unwrap_or(name).parse()) {
            (None, Ok(id)) => Self::Container(id),
            (Some(_), Ok(id)) => Self::Unfinished(id),
            _ => Self::Foreign,
        }
    }
}

impl Entry {
    /// Whether it is the name of a container's folder while it is being made.
    pub(super) fn is_being_made(name: &str) -> bool {
        name.starts_with(MAKING)
    }

    /// The names of a container's folder while it is made or removed.
    pub(super) fn unfinished_names(id: &Id) -> [String; 2] {
        [format!("{MAKING}{id}"), format!("{REMOVING}{id}")]
    }
}

impl Inner {
    pub(super) fn containers(&self) -> PathBuf {
        self.folders.data.join("containers")
    }

    pub(super) fn container(&self, id: &Id) -> PathBuf {
        self.containers().join(id.as_str())
    }

    pub(super) fn making(&self, id: &Id) -> PathBuf {
        self.containers().join(format!("{MAKING}{id}"))
    }

    pub(super) fn removing(&self, id: &Id) -> PathBuf {
        self.containers().join(format!("{REMOVING}{id}"))
    }

    pub(super) fn record_file(&self, id: &Id) -> PathBuf {
        self.container(id).join("record.json")
    }

    pub(super) fn exit_file(&self, id: &Id) -> PathBuf {
        self.container(id).join("exit.json")
    }

    pub(super) fn upper(&self, id: &Id) -> PathBuf {
        self.container(id).join("upper")
    }

    pub(super) fn work(&self, id: &Id) -> PathBuf {
        self.container(id).join("work")
    }

    /// Nodes of the devices that are shown inside.
    pub(super) fn devices(&self, id: &Id) -> PathBuf {
        self.container(id).join("devices")
    }

    pub(super) fn log_file(&self, id: &Id) -> PathBuf {
        self.container(id).join("container.log")
    }

    pub(super) fn names(&self) -> PathBuf {
        self.folders.data.join("names")
    }

    pub(super) fn name_link(&self, name: &Name) -> PathBuf {
        self.names().join(name.as_str())
    }

    pub(super) fn volumes_folder(&self) -> PathBuf {
        self.folders.data.join("volumes")
    }

    pub(super) fn images_folder(&self) -> PathBuf {
        self.folders.data.join("image")
    }

    /// The parent of all run folders.
    pub(super) fn lives(&self) -> PathBuf {
        self.folders.run.join("containers")
    }

    pub(super) fn life_folder(&self, id: &Id) -> PathBuf {
        self.lives().join(id.as_str())
    }

    pub(super) fn monitor_lock(&self, id: &Id) -> PathBuf {
        self.life_folder(id).join("monitor.lock")
    }

    /// Holds the boot's id after which the leases of ids were recalled.
    pub(super) fn leases_recalled(&self) -> PathBuf {
        self.folders.run.join("ids-recalled")
    }

    pub(super) fn events_file(&self) -> PathBuf {
        self.folders.run.join("events.jsonl")
    }
}

/// Makes a folder for its owner only; one that is there is fine, and a missing parent is made too.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(path)
            .map_err(EngineError::io("make the folder", path)),
        Err(error) => Err(EngineError::io("make the folder", path)(error)),
    }
}

/// The names in a folder; none if it is missing.
pub(super) fn names_in(path: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(EngineError::io("list", path)(error)),
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
    names.filter_map(io::Result::transpose).collect::<io::Result<_>>().map_err(EngineError::io("list", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_of_names_tells_finished_from_unfinished() {
        let id = Id::from_bytes([7; 32]);
        assert_eq!(Entry::of(id.as_str()), Entry::Container(id.clone()));
        assert_eq!(Entry::of(&format!(".removing-{id}")), Entry::Unfinished(id.clone()));
        assert_eq!(Entry::of(&format!(".making-{id}")), Entry::Unfinished(id));
        assert_eq!(Entry::of("lost+found"), Entry::Foreign);
    }
}
