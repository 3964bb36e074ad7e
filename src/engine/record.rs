//! Small JSON files: a container's record and its exit status.

use std::fs::File;
use std::io::{self, Read};
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
    let parsed = match File::open(path) {
        Ok(file) => with_content(file, |bytes| serde_json::from_slice(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    let value = parsed.map_err(EngineError::io("read", path))?;
    value.map(Some).map_err(|error| EngineError::Damaged { path: path.to_owned(), why: error.to_string() })
}

/// Hands a regular file's content to `parse`. A small file costs one read(2): one that fills less than was asked for is at its end.
/// A list reads a thousand of these files.
fn with_content<T>(mut file: File, parse: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
    let mut buffer = [0; 8 << 10];
    let count = file.read(&mut buffer)?;
    if count < buffer.len() {
        return Ok(parse(&buffer[..count]));
    }
    let mut all = buffer.to_vec();
    file.read_to_end(&mut all)?;
    Ok(parse(&all))
}

/// Replaces a JSON file as a whole.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec(value).expect("plain data with text keys is always JSON");
    write_atomically(path, &bytes, 0o600).map_err(EngineError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_gives_small_and_large_values_whole() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("value");
        assert_eq!(read::<String>(&path).expect("missing"), None);
        for length in [0, 100, (8 << 10) - 2, (8 << 10) - 1, 100_000] {
            let value = "x".repeat(length);
            write(&path, &value).expect("write");
            assert_eq!(read(&path).expect("read"), Some(value), "{length}");
        }
    }
}
