//! The names that a container has which shares another's network: those in the other's files, as they are when it starts.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::{EngineError, Inner, Result};
use crate::model::{ContainerRecord, NetworkMode};
use crate::runtime::NameFiles;
use crate::sys::in_root::Folder;

/// The other container may have written anything into its files.
const LARGEST_BYTES: u64 = 64 << 10;

impl Inner {
    /// What the container's own files of names are to say beside what its networks add.
    pub(super) fn name_files(&self, record: &ContainerRecord) -> Result<NameFiles> {
        let plain = NameFiles { hosts: record.config.extra_hosts.clone(), ..NameFiles::default() };
        let NetworkMode::Container(target) = &record.config.network else { return Ok(plain) };
        let other = self.find(target)?;
        let pid = self.state(&other)?.and_then(|state| state.pid());
        let pid = pid.ok_or_else(|| EngineError::NotRunning { name: other.name.clone() })?;
        // A container of the host image has the machine's files.
        let read = |name: &str| read(pid, name).ok();
        // Those that every container has are written again.
        let own = |line: &&str| !line.ends_with("\tlocalhost") && !line.contains("ip6-");
        let hosts = read("hosts").map(|text| text.lines().filter(own).map(str::to_owned).collect());
        let hosts = hosts.unwrap_or_default();
        Ok(NameFiles { hosts, resolver: read("resolv.conf"), ..plain })
    }
}

/// A file of another container's /etc, looked up inside its root.
fn read(pid: i32, name: &str) -> io::Result<String> {
    let root = Folder::open(&PathBuf::from(format!("/proc/{pid}/root/")))?;
    let file: File = root.resolve("etc".as_ref())?.read_file(name.as_ref())?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut text = String::new();
    file.take(LARGEST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
