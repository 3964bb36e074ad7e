//! Small JSON files: a container's record and its exit status.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{EngineError, Inner, Result};
use crate::model::{ContainerRecord, ExitStatus, Id};
use crate::sys::file::write_atomically;

impl Inner {
    /// The record of a container; none if there is no such container (any more).
    pub(super) fn record(&self, id: &Id) -> Result<Option<ContainerRecord>> {
        read(&self.record_file(id))
    }

    pub(super) fn write_record(&self, record: &ContainerRecord) -> Result<()> {
        write(&self.record_file(&record.id), record)
    }

    /// How the container ended last; none if it has not run or runs again.
    pub(super) fn exit(&self, id: &Id) -> Result<Option<ExitStatus>> {
        read(&self.exit_file(id))
    }

    pub(super) fn write_exit(&self, id: &Id, status: &ExitStatus) -> Result<()> {
        write(&self.exit_file(id), status)
    }
}

/// The value in a JSON file; none if there is no such file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(EngineError::io("read", path)(error)),
    };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|error| EngineError::Damaged { path: path.to_owned(), why: error.to_string() })
}

/// Replaces a JSON file as a whole.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec(value).expect("plain data with text keys is always JSON");
    write_atomically(path, &bytes, 0o600).map_err(EngineError::io("write", path))
}
