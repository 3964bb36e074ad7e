//! What can be wrong with the configuration.

use std::path::PathBuf;

use crate::model::ErrorKind;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{}, line {line}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("{} is not a folder that only you can enter: {why}", path.display())]
    UnsafeFolder { path: PathBuf, why: &'static str },
    #[error("no home folder is known, so there is no place for teu's files")]
    NoHome,
}

impl ConfigError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            Self::Io { .. } | Self::NoHome => ErrorKind::Other,
            Self::Syntax { .. } => ErrorKind::InvalidInput,
            Self::UnsafeFolder { .. } => ErrorKind::Permission,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnsafeFolder { path, .. } => {
                Some(format!("remove {} or choose another folder with --runroot or TEU_RUNROOT", path.display()))
            }
            Self::NoHome => Some("set HOME, or choose the folders with --root and --runroot".to_owned()),
            Self::Io { .. } | Self::Syntax { .. } => None,
        }
    }
}
