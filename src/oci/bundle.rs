//! A bundle: a folder with a config.json and, as a rule, the root file system.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::{OciError, Result};
use crate::runtime::read_spec;

/// What was read of a bundle.
pub struct Bundle {
    /// Absolute, without symlinks.
    pub folder: PathBuf,
    /// Absolute.
    pub rootfs: PathBuf,
    /// config.json as it is.
    pub config: Vec<u8>,
    pub spec: Spec,
    /// What is in it that has no effect here.
    pub warnings: Vec<String>,
}

impl Bundle {
    pub fn read(folder: &Path) -> Result<Self> {
        let folder = fs::canonicalize(folder).map_err(|error| OciError::file("bundle", folder, error))?;
        let path = folder.join("config.json");
        let config = read_whole(&path).map_err(|error| OciError::file("read", &path, error))?;
        let (spec, warnings) = parse(&config)?;
        let root = spec.root().as_ref().ok_or_else(|| OciError::Wish("config.json: root is missing".to_owned()))?;
        if root.path().as_os_str().is_empty() {
            return Err(OciError::Wish("config.json: root.path is empty".to_owned()));
        }
        let wished = folder.join(root.path());
        let rootfs = fs::canonicalize(&wished).map_err(|error| OciError::file("root.path", &wished, error))?;
        if !rootfs.is_dir() {
            return Err(OciError::Wish(format!("root.path {}: not a folder", wished.display())));
        }
        Ok(Self { folder, rootfs, config, spec, warnings })
    }
}

/// No config.json is larger; what is endless is not read to its end.
const LARGEST_BYTES: u64 = 32 << 20;

/// A file as it is. A fifo or a device in its place is refused, and not waited for.
fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(io::Error::other(format!("larger than {} MiB", LARGEST_BYTES >> 20)));
    }
    Ok(bytes)
}

/// A config.json and warnings about what of it has no effect.
pub fn parse(bytes: &[u8]) -> Result<(Spec, Vec<String>)> {
    let read = read_spec(bytes).map_err(|error| OciError::Wish(format!("config.json: {error}")))?;
    Ok((read.spec, read.warnings))
}
