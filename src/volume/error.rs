//! What can go wrong with volumes.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::{ErrorKind, VolumeName};

/// Why a volume cannot be made, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error("no such volume: {}", crate::model::printable_line(target))]
    NoSuchVolume { target: String },
    #[error("volume {name} is there already, with other options")]
    Different { name: VolumeName },
    #[error("a volume called {name} was made meanwhile")]
    Taken { name: VolumeName },
    #[error("{} is no folder of a volume's: something else was put there", path.display())]
    Foreign { path: PathBuf },
    #[error("volume {name} stands for {device}, which is no folder")]
    NoDevice { name: VolumeName, device: String },
    #[error("volume {name} is memory, and only while a container that uses it runs")]
    Memory { name: VolumeName },
    #[error("invalid volume option: {reason}")]
    Option { reason: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl VolumeError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchVolume { .. } => ErrorKind::NotFound,
            Self::Different { .. } | Self::Taken { .. } | Self::Memory { .. } => ErrorKind::Conflict,
            Self::Option { .. } | Self::NoDevice { .. } => ErrorKind::InvalidInput,
            Self::Foreign { .. } => ErrorKind::Corrupt,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            Self::Io { .. } => ErrorKind::Other,
        }
    }

    /// The command that helps.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchVolume { .. } => Some("`teu volume ls` lists all volumes".to_owned()),
            Self::Different { name } => {
                Some(format!("`teu volume inspect {name}` shows them, `teu volume rm {name}` removes it"))
            }
            Self::Memory { .. } => Some("`teu cp CONTAINER:/PATH .` copies out of one that runs".to_owned()),
            Self::Foreign { path } => Some(format!("look at it and move it away: mv {} ELSEWHERE", path.display())),
            Self::NoDevice { device, .. } => Some(format!("`mkdir -p {device}` makes it")),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("the disk is full: `teu volume prune`, `teu rm` and `teu rmi` free space".to_owned())
            }
            Self::Taken { .. } | Self::Option { .. } | Self::Io { .. } => None,
        }
    }
}
