//! `inspect`: everything known of one container.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::state::Life;
use super::{Engine, EngineError, Inner, Result};
use crate::model::{ContainerInspect, ContainerRecord, ContainerState, HOST_IMAGE};

impl Engine {
    /// Everything known of a container.
    pub fn inspect(&self, target: &str) -> Result<ContainerInspect> {
        let record = self.0.find(target)?;
        self.0.inspect(record)
    }

    /// As [`Engine::inspect`], with the bytes in the writable layer counted, which walks through all of it.
    pub fn inspect_with_size(&self, target: &str) -> Result<ContainerInspect> {
        let record = self.0.find(target)?;
        let upper = self.0.upper(&record.id);
        let size_rw_bytes = bytes_below(&upper).map_err(EngineError::io("measure", &upper))?;
        Ok(ContainerInspect { size_rw_bytes, ..self.0.inspect(record)? })
    }
}

impl Inner {
    fn inspect(&self, record: ContainerRecord) -> Result<ContainerInspect> {
        let gone = || EngineError::NoSuchContainer { target: record.name.to_string() };
        let state = self.state(&record)?.ok_or_else(gone)?;
        let (cgroup, restarts) = match (self.life(&record.id)?, &state) {
            (_, ContainerState::Exited(exit)) => (None, exit.restarts),
            (Life::Up(up), _) => (up.cgroup.path().map(|path| path.to_string()), up.restarts),
            _ => (None, 0),
        };
        Ok(ContainerInspect {
            image_reference: if record.image == HOST_IMAGE { None } else { record.image.parse().ok() },
            log_path: self.log_file(&record.id),
            sessions: if state.is_running() { self.sessions(&record)? } else { Vec::new() },
            state,
            cgroup,
            size_rw_bytes: None,
            restarts,
            record,
        })
    }
}

/// Bytes of the files below a folder, hard links counted once. None if a part of it cannot be read: a rootless container's other
/// users may close their folders to the user who runs it.
pub(super) fn bytes_below(folder: &Path) -> io::Result<Option<u64>> {
    let mut seen = HashSet::new();
    let mut bytes = 0;
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(found) if found.is_dir() => waiting.push(entry.path()),
                Ok(found) if found.is_file() && (found.nlink() == 1 || seen.insert((found.dev(), found.ino()))) => {
                    bytes += found.len();
                }
                Ok(_) => {}
                // It was removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_below_counts_hard_links_once_and_links_not() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).expect("mkdir");
        fs::write(inner.join("one"), [0; 100]).expect("write");
        fs::hard_link(inner.join("one"), folder.path().join("two")).expect("link");
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("three")).expect("symlink");
        assert_eq!(bytes_below(folder.path()).expect("walk"), Some(100));
        assert_eq!(bytes_below(&folder.path().join("none")).expect("missing"), Some(0));
    }
}
