//! A bundle: a folder with a config.json and, as a rule, the root file system.

use std::fs;
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
        let config = fs::read(&path).map_err(|error| OciError::file("read", &path, error))?;
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

/// A config.json and warnings about what of it has no effect.
pub fn parse(bytes: &[u8]) -> Result<(Spec, Vec<String>)> {
    let read = read_spec(bytes).map_err(|error| OciError::Wish(format!("config.json: {error}")))?;
    Ok((read.spec, read.warnings))
}
