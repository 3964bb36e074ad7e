//! The lowest layer of every image's root file system: empty mount points, made once and shared.
//!
//! Docker makes a layer with `/dev`, `/etc/hosts` and so on for each container. Here they stand below the image, so an
//! image that has them wins, one that has not gets them, and no start has to create files on disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys::file::temporary_beside;

const FOLDERS: [&str; 4] = ["dev", "etc", "proc", "sys"];
const FILES: [&str; 3] = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];
/// The name carries a version: another content gets another name.
const NAME: &str = "scaffold-1";
const EMPTY: &str = "empty";

/// The scaffold below `data_root`, made if it is missing. Pass it as the first (lowest) entry of `Rootfs::Overlay::lower`.
pub fn ensure(data_root: &Path) -> io::Result<PathBuf> {
    let folder = data_root.join(NAME);
    if folder.is_dir() {
        return Ok(folder);
    }
    let temporary = temporary_beside(&folder)?;
    let made = make(&temporary).and_then(|()| fs::rename(&temporary, &folder));
    if made.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    // Somebody else may have been quicker; theirs is as good.
    if folder.is_dir() { Ok(folder) } else { made.map(|()| folder) }
}

/// An empty folder below `data_root`: an image of one layer is laid over it, as overlayfs wants two.
pub fn empty(data_root: &Path) -> io::Result<PathBuf> {
    let folder = data_root.join(EMPTY);
    match make_folder(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(folder),
    }
}

fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    for name in FOLDERS {
        make_folder(&folder.join(name))?;
    }
    for name in FILES {
        let file: File = OpenOptions::new().write(true).create_new(true).mode(0o644).open(folder.join(name))?;
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// Mode 0755 whatever the umask is: the image's users look through these.
fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaffold_is_made_once_with_every_mount_point() {
        let data = tempfile::tempdir().expect("temporary folder");
        let folder = ensure(data.path()).expect("made");
        assert!(FOLDERS.iter().all(|name| folder.join(name).is_dir()));
        assert!(FILES.iter().all(|name| folder.join(name).is_file()));
        assert_eq!(ensure(data.path()).expect("found"), folder);
        assert_eq!(fs::read_dir(data.path()).expect("list").count(), 1, "no temporary is left");
    }
}
