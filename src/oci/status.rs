//! What a container is doing, asked of the kernel each time: no file is trusted to be up to date.

use std::fmt;

use super::Result;
use super::folder::Folder;
use super::record::Record;

/// runtime.md's statuses, and runc's `paused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the container has a process.
    pub fn has_process(self) -> bool {
        matches!(self, Self::Created | Self::Running | Self::Paused)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The status of the container with this record in this folder.
pub fn of(folder: &Folder, record: &Record) -> Result<Status> {
    let Some(init) = record.init else {
        // A maker that was killed leaves nothing that runs: the process it made dies with it.
        return Ok(if record.maker.lives() { Status::Creating } else { Status::Stopped });
    };
    if !init.lives() {
        return Ok(Status::Stopped);
    }
    if record.place().is_frozen() {
        return Ok(Status::Paused);
    }
    let held = crate::runtime::is_held(&folder.path)?;
    Ok(if held {
        Status::Created
    } else if folder.was_started() {
        Status::Running
    } else if init.lives() {
        // Written down, but not yet left to itself by its maker.
        Status::Creating
    } else {
        Status::Stopped
    })
}
