//! Which network namespace a folder of the machine's state is for. Folders are named by the namespace's inode, which the kernel gives
//! to another one later; so each says in a file which one it is, and what another has left in it is thrown away.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{NetworkError, Result};
use crate::sys::byte_lock::ByteLock;
use crate::sys::file::{Lock, write_atomically};
use crate::sys::namespace::network_cookie;

const FILE: &str = "namespace";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// What is kept of containers; all of it holds for one namespace alone.
const STATE: [&str; 4] = ["links", "ports", "leases", "names"];
/// A folder that looks dead is kept so long: whoever makes a namespace may have no process in it for a while.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Sees to it that what is in `folder` is of the caller's network namespace. When it is the first of its namespace to come,
/// folders of namespaces that are gone are removed from `base`.
pub(super) fn settle(base: &Path, folder: &Path) -> Result<()> {
    let own = of_this_thread();
    let file = folder.join(FILE);
    if fs::read_to_string(&file).is_ok_and(|text| text == own) {
        return Ok(());
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| NetworkError::io("make", folder, error))?;
    let lock = folder.join("lock");
    let _lock = Lock::exclusive(&lock).map_err(|error| NetworkError::io("lock", &lock, error))?;
    match fs::read_to_string(&file) {
        Ok(text) if text == own => return Ok(()),
        Ok(_) => forget(folder)?,
        // An older teu says nothing. Where it has containers in networks, they have addresses.
        Err(error) if error.kind() == io::ErrorKind::NotFound && has_leases(folder) => {}
        Err(_) => forget(folder)?,
    }
    write_atomically(&file, own.as_bytes(), 0o600).map_err(|error| NetworkError::io("write", &file, error))?;
    sweep(base, folder);
    Ok(())
}

/// The boot, and the namespace's number in it, which no other gets. Before Linux 5.14 there is only the boot.
fn of_this_thread() -> String {
    let boot = fs::read_to_string(BOOT_ID).unwrap_or_default();
    let cookie = network_cookie().map(|cookie| cookie.to_string()).unwrap_or_default();
    format!("{} {cookie}", boot.trim())
}

fn forget(folder: &Path) -> Result<()> {
    for path in STATE.map(|name| folder.join(name)) {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(NetworkError::io("remove", &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether some container has an address by this folder: its monitor holds it.
fn has_leases(folder: &Path) -> bool {
    let files = fs::read_dir(folder.join("leases")).into_iter().flatten().flatten();
    files.map(|file| file.path()).any(|path| !matches!(ByteLock::first_held(&path, 0, 1 << 62), Ok(None)))
}

/// Removes folders of namespaces that nobody is in. What cannot be removed is tried again another time.
fn sweep(base: &Path, own: &Path) {
    let is_inode = |path: &Path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.bytes().all(|it| it.is_ascii_digit()))
    };
    let folders = fs::read_dir(base).into_iter().flatten().flatten().map(|entry| entry.path());
    let old: Vec<_> = folders.filter(|path| path != own && is_inode(path) && is_old(path)).collect();
    if old.is_empty() {
        return;
    }
    let lived_in = lived_in();
    for path in old {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if lived_in.contains(&name) || has_leases(&path) {
            continue;
        }
        // Out of the way first: whoever comes to such a namespace now finds a new folder, not half of this one.
        let gone = base.join(format!(".gone-{name}"));
        let _ = fs::rename(&path, &gone).and_then(|()| fs::remove_dir_all(&gone));
    }
}

fn is_old(folder: &Path) -> bool {
    let newest = [folder.join(FILE), folder.join("lock"), folder.to_owned()];
    let times = newest.iter().filter_map(|path| fs::metadata(path).ok()?.modified().ok());
    let now = SystemTime::now();
    times.max().is_some_and(|time| now.duration_since(time).is_ok_and(|age| age > PATIENCE))
}

/// The inodes of the network namespaces that processes are in.
fn lived_in() -> HashSet<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let inode = |process: fs::DirEntry| {
        let target = fs::read_link(process.path().join("ns/net")).ok()?;
        Some(target.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.to_owned())
    };
    processes.filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a namespace leaves it that had this folder's inode.
    fn left_behind(folder: &Path, identity: Option<&str>) {
        fs::create_dir_all(folder.join("ports")).expect("a folder");
        fs::create_dir_all(folder.join("leases")).expect("a folder");
        fs::write(folder.join("ports/x.json"), "[]").expect("a file");
        if let Some(identity) = identity {
            fs::write(folder.join(FILE), identity).expect("a file");
        }
    }

    #[test]
    fn state_of_another_namespace_is_thrown_away_and_the_own_is_kept() {
        let base = tempfile::tempdir().expect("a folder");
        let folder = base.path().join("4026531833");
        let boot = of_this_thread().split(' ').next().expect("a boot id").to_owned();
        for other in [Some("0000-00 1"), Some(&*format!("{boot} 18446744073709551615")), Some(""), None] {
            left_behind(&folder, other);
            if other.is_none() {
                fs::remove_file(folder.join(FILE)).expect("what the one before wrote");
            }
            settle(base.path(), &folder).expect("settle");
            assert!(!folder.join("ports").exists(), "{other:?}");
            left_behind(&folder, None);
            settle(base.path(), &folder).expect("settle");
            assert!(folder.join("ports/x.json").exists(), "its own, after {other:?}");
        }
        assert!(!of_this_thread().ends_with(' '), "Linux 5.14 and later: {}", of_this_thread());
    }

    #[test]
    fn state_of_an_older_teu_is_kept_while_somebody_has_an_address() {
        let base = tempfile::tempdir().expect("a folder");
        let folder = base.path().join("4026531833");
        left_behind(&folder, None);
        let lease = ByteLock::try_take(&folder.join("leases/teu0.4"), 7).expect("lock").expect("free");
        settle(base.path(), &folder).expect("settle");
        assert!(folder.join("ports/x.json").exists());
        drop(lease);
    }

    #[test]
    fn old_folders_of_namespaces_that_are_gone_are_removed() {
        let base = tempfile::tempdir().expect("a folder");
        let old = SystemTime::now() - PATIENCE * 2;
        let age = |folder: &Path| {
            for path in [folder.join(FILE), folder.to_owned()] {
                fs::File::open(path).and_then(|file| file.set_modified(old)).expect("another time");
            }
        };
        let own_inode = lived_in().into_iter().next().expect("this process's");
        let [dead, young, held, alive] = ["11", "12", "13", &own_inode].map(|name| base.path().join(name));
        for folder in [&dead, &young, &held, &alive] {
            left_behind(folder, Some("0000-00 1"));
        }
        fs::create_dir(base.path().join("hub")).expect("a folder");
        let lease = ByteLock::try_take(&held.join("leases/teu0.4"), 7).expect("lock").expect("free");
        [&dead, &held, &alive].into_iter().for_each(|folder| age(folder));
        settle(base.path(), &base.path().join("14")).expect("settle");
        let mut left: Vec<_> = fs::read_dir(base.path()).expect("list").flatten().map(|it| it.file_name()).collect();
        left.sort();
        let mut stay = ["12", "13", "14", &own_inode, "hub"].map(std::ffi::OsString::from);
        stay.sort();
        assert_eq!(left, stay);
        drop(lease);
    }
}
