//! How much a container has written: its writable layer, measured file by file.
//!
//! What does not run does not change, so its size is kept in `size.json` and measured once. It counts for as long as the container
//! ended when it says, and nobody mounted its layer since: a mount makes the kernel's working folder anew.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::record::{read, write};
use super::{EngineError, Inner, Result};
use crate::model::{ContainerState, Id, Timestamp};
use crate::runtime::run_in_own_namespace;
use crate::sys::file::Lock;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Measured {
    bytes: u64,
    finished: Timestamp,
    /// Seconds and nanoseconds when the working folder beside the layer was last changed.
    mounted: (i64, i64),
}

impl Inner {
    /// Bytes in a container's writable layer; none if they cannot be counted.
    pub(super) fn writable_bytes(&self, id: &Id, state: &ContainerState) -> Result<Option<u64>> {
        let upper = self.upper(id);
        let measure = || measure(&upper).map_err(EngineError::io("measure", &upper));
        let ContainerState::Exited(exit) = state else { return measure() };
        let (path, mounted) = (self.size_file(id), self.mounted(id));
        let is_now = |it: &Measured| it.finished == exit.finished && Some(it.mounted) == mounted;
        // A file that is damaged is only a memory that is lost.
        if let Some(known) = read::<Measured>(&path).ok().flatten().filter(is_now) {
            return Ok(Some(known.bytes));
        }
        // Somebody may write to it although it does not run (`teu cp`): then it is locked, and the figure is not kept.
        let lock = Lock::try_folder(&self.container(id));
        let bytes = measure()?;
        if let (Ok(Some(_lock)), Some(bytes), Some(mounted)) = (lock, bytes, mounted)
            && self.mounted(id) == Some(mounted)
        {
            let _ = write(&path, &Measured { bytes, finished: exit.finished, mounted });
        }
        Ok(bytes)
    }

    fn size_file(&self, id: &Id) -> PathBuf {
        self.container(id).join("size.json")
    }

    fn mounted(&self, id: &Id) -> Option<(i64, i64)> {
        let found = fs::symlink_metadata(self.work(id)).ok()?;
        Some((found.mtime(), found.mtime_nsec()))
    }
}

/// Folders of a rootless container's other users are closed to the user who runs it: then this program's hidden verb counts.
pub(super) fn measure(folder: &Path) -> io::Result<Option<u64>> {
    match bytes_below(folder)? {
        // The program that runs this room's own tests has no such verb.
        None if !cfg!(test) && !rustix::process::geteuid().is_root() => {
            let mut command = Command::new("/proc/self/exe");
            command.args(["inside", TASK]).arg(folder).stdin(Stdio::null()).stderr(Stdio::null());
            Ok(String::from_utf8_lossy(&command.output()?.stdout).trim().parse().ok())
        }
        counted => Ok(counted),
    }
}

/// The task of `teu inside` that counts.
const TASK: &str = "measure";

/// Does the task, if the words name it; then its exit code.
pub(super) fn measure_inside(words: &[OsString]) -> Option<i32> {
    let [task, folder] = words else { return None };
    if task != TASK {
        return None;
    }
    let count = || match bytes_below(folder.as_ref()) {
        Ok(Some(bytes)) => {
            use io::Write;
            // This process ends without its destructors.
            let mut out = io::stdout().lock();
            writeln!(out, "{bytes}").and_then(|()| out.flush()).map_err(|error| error.to_string())
        }
        Ok(None) => Err("a folder is closed".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    Some(run_in_own_namespace(count))
}

/// Bytes of the files below a folder, hard links counted once. None if a part of it cannot be read: a rootless container's other
/// users may close their folders to the user who runs it.
fn bytes_below(folder: &Path) -> io::Result<Option<u64>> {
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
