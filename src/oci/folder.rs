//! The state directory: a folder for each container with its record, a copy of its config.json, and what the runtime
//! room keeps there while the container waits to be started.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oci_spec::runtime::Spec;

use super::record::Record;
use super::{OciError, Result};
use crate::sys::file::{Lock, temporary_beside, write_atomically};

const RECORD: &str = "state.json";
const CONFIG: &str = "config.json";
/// Stands there from just before the container's command is let run.
const STARTED: &str = "started";
/// How names of things that are being made end.
const TEMPORARY: &str = ".tmp";
/// No creator takes longer between making its folder and writing the record into it.
const MAKING: Duration = Duration::from_secs(10);
/// Where root's containers are; on a tmpfs, so that a reboot forgets them as it ends them.
const DEFAULT_ROOT: &str = "/run/teu-oci";

/// The folder of `--root`.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

impl Root {
    pub fn new(wish: Option<PathBuf>) -> Result<Self> {
        let path = wish.map_or_else(default_root, Ok)?;
        let path = std::path::absolute(&path).map_err(|error| OciError::file("find", path, error))?;
        Ok(Self(path))
    }

    /// Makes a new container's folder, with its first record in it, in one step that others see.
    pub fn create(&self, record: &Record, config: &[u8]) -> Result<Folder> {
        let folder = self.folder(&record.id)?;
        let made = fs::DirBuilder::new().recursive(true).mode(0o711).create(&self.0);
        made.map_err(|error| OciError::file("make", &self.0, error))?;
        if folder.path.exists() {
            return Err(OciError::Exists(record.id.clone()));
        }
        let failed = |error| OciError::file("make", &folder.path, error);
        let temporary = temporary_beside(&folder.path).map_err(failed)?;
        fs::DirBuilder::new().mode(0o711).create(&temporary).map_err(failed)?;
        let young = Folder { id: record.id.clone(), path: temporary.clone() };
        let written = young.write(record).and_then(|()| young.write_config(config)).and_then(|()| {
            // Of two creators of one id one fails here: a folder is not renamed over one that holds something.
            fs::rename(&temporary, &folder.path).map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => OciError::Exists(record.id.clone()),
                _ => failed(error),
            })
        });
        if written.is_err() {
            let _ = fs::remove_dir_all(&temporary);
        }
        written.map(|()| folder)
    }

    /// The folder of a container that exists.
    pub fn open(&self, id: &str) -> Result<Folder> {
        let folder = self.folder(id)?;
        if folder.path.is_dir() { Ok(folder) } else { Err(OciError::Missing(id.to_owned())) }
    }

    /// Every container's folder, in the order of their ids.
    pub fn all(&self) -> Result<Vec<Folder>> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(OciError::file("list", &self.0, error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut folders: Vec<Folder> =
            names.filter(|name| !is_temporary(name)).filter_map(|name| self.open(&name).ok()).collect();
        folders.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(folders)
    }

    /// Removes what a creator of this id that was killed left before its container could be seen by others.
    pub fn sweep(&self, id: &str) {
        let prefix = format!(".{id}.");
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let random = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(TEMPORARY));
            // The ids `a` and `a.b` have the prefix `.a.` in common.
            if random.is_some_and(|random| !random.contains('.')) && was_left(&entry.path()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    fn folder(&self, id: &str) -> Result<Folder> {
        check_id(id)?;
        Ok(Folder { id: id.to_owned(), path: self.0.join(id) })
    }
}

/// One container's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    pub id: String,
    pub path: PathBuf,
}

impl Folder {
    /// Keeps other verbs that change the container waiting until it is dropped.
    ///
    /// A process that is cloned meanwhile would hold it as well, so none may be.
    pub fn lock(&self) -> Result<Lock> {
        Lock::folder(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OciError::Missing(self.id.clone()),
            _ => OciError::file("lock", &self.path, error),
        })
    }

    pub fn read(&self) -> Result<Record> {
        let path = self.path.join(RECORD);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| OciError::Json { path, source }),
            // The record is the last thing to go when a container is deleted, and its folder goes right after.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OciError::Missing(self.id.clone())),
            Err(error) => Err(OciError::file("read", path, error)),
        }
    }

    pub fn write(&self, record: &Record) -> Result<()> {
        let path = self.path.join(RECORD);
        let bytes = serde_json::to_vec(record).map_err(|source| OciError::Json { path: path.clone(), source })?;
        write_atomically(&path, &bytes, 0o600).map_err(|error| OciError::file("write", path, error))
    }

    /// The specification as it was when the container was created: later changes of the bundle's have no effect.
    pub fn spec(&self) -> Result<Spec> {
        let path = self.path.join(CONFIG);
        let bytes = fs::read(&path).map_err(|error| OciError::file("read", &path, error))?;
        super::bundle::parse(&bytes).map(|(spec, _)| spec)
    }

    /// Notes that the container's command is about to run.
    pub fn mark_started(&self) -> Result<()> {
        let path = self.path.join(STARTED);
        fs::File::create(&path).map(drop).map_err(|error| OciError::file("write", path, error))
    }

    pub fn was_started(&self) -> bool {
        self.path.join(STARTED).exists()
    }

    fn write_config(&self, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(CONFIG);
        fs::write(&path, bytes).map_err(|error| OciError::file("write", path, error))
    }

    /// Removes it with all it holds, the record last. Killed in the middle it leaves a container that can be deleted again.
    pub fn remove(&self) -> Result<()> {
        let failed = |error| OciError::file("remove", &self.path, error);
        for entry in fs::read_dir(&self.path).map_err(failed)?.flatten() {
            if entry.file_name() != RECORD {
                remove_entry(&entry.path()).map_err(failed)?;
            }
        }
        fs::remove_dir_all(&self.path).or_else(missing_is_fine).map_err(failed)
    }

    /// Removes what cannot be read as a container: a folder without a record.
    pub fn remove_blindly(&self) -> Result<()> {
        fs::remove_dir_all(&self.path)
            .or_else(missing_is_fine)
            .map_err(|error| OciError::file("remove", &self.path, error))
    }
}

fn remove_entry(path: &Path) -> io::Result<()> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.or_else(missing_is_fine)
}

fn missing_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// As [`temporary_beside`] names what is being made.
fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(TEMPORARY)
}

/// Whether nobody makes this folder any more. Its record is the first thing in it.
fn was_left(folder: &Path) -> bool {
    let young = Folder { id: String::new(), path: folder.to_owned() };
    match young.read() {
        Ok(record) => !record.maker.lives(),
        Err(_) => fs::metadata(folder)
            .and_then(|found| found.modified())
            .is_ok_and(|then| then.elapsed().is_ok_and(|age| age > MAKING)),
    }
}

/// runc's rule. An id becomes a folder's name, so it must not lead anywhere else.
fn check_id(id: &str) -> Result<()> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte);
    let valid = !id.is_empty() && id.len() <= 1024 && id.bytes().all(sound) && id != "." && id != "..";
    if valid { Ok(()) } else { Err(OciError::InvalidId(id.to_owned())) }
}

/// Of root: a system folder. Of a user, or of root in a user namespace of his: his own run folder.
fn default_root() -> Result<PathBuf> {
    let run_folder = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    if rustix::process::geteuid().is_root() && (run_folder.is_none() || is_machines_root()) {
        return Ok(PathBuf::from(DEFAULT_ROOT));
    }
    run_folder.map(|folder| PathBuf::from(folder).join("teu-oci")).ok_or_else(|| {
        OciError::Wish("no folder for the containers' states: set XDG_RUNTIME_DIR, or give --root FOLDER".to_owned())
    })
}

/// Whether user 0 is the machine's root and not one of a user namespace.
fn is_machines_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let root = Root::new(Some(folder.path().join("root"))).expect("root");
        (folder, root)
    }

    #[test]
    fn ids_that_are_no_plain_names_are_refused() {
        let (_folder, root) = root();
        for id in ["", ".", "..", "a/b", "../x", "a b", "a\nb", "ä", "a\0", "/"] {
            assert!(matches!(root.open(id), Err(OciError::InvalidId(_))), "{id:?}");
        }
        for id in ["a", "A_b+c-d.e", "...", "-x", "0"] {
            assert!(matches!(root.open(id), Err(OciError::Missing(_))), "{id:?}");
        }
    }

    #[test]
    fn second_creation_of_an_id_is_refused_and_leaves_nothing() {
        let (_folder, root) = root();
        let record = Record::sample("x");
        let folder = root.create(&record, b"{}").expect("first");
        assert!(matches!(root.create(&record, b"{}"), Err(OciError::Exists(_))));
        assert_eq!(folder.read().expect("record"), record);
        assert_eq!(fs::read_dir(&root.0).expect("list").count(), 1);
        assert_eq!(root.all().expect("all").len(), 1);
        folder.remove().expect("remove");
        assert!(matches!(root.open("x"), Err(OciError::Missing(_))));
        assert!(root.all().expect("all").is_empty());
    }

    #[test]
    fn leftovers_of_killed_creators_are_swept_and_never_listed() {
        let (_folder, root) = root();
        let record = Record::sample("x");
        root.create(&record, b"{}").expect("create");
        let left = root.0.join(".x.0123.tmp");
        fs::create_dir(&left).expect("folder");
        fs::write(left.join(RECORD), serde_json::to_vec(&record).expect("json")).expect("write");
        let young = root.0.join(".x.4567.tmp");
        fs::create_dir(&young).expect("folder");
        let other = root.0.join(".x.y.0123.tmp");
        fs::create_dir(&other).expect("folder");
        let unborn = root.0.join(".x.89ab.tmp");
        fs::create_dir(&unborn).expect("folder");
        fs::write(unborn.join(".state.json.0.tmp"), "{").expect("write");
        let long_ago = std::time::SystemTime::now() - MAKING - Duration::from_secs(1);
        fs::File::open(&unborn).and_then(|folder| folder.set_modified(long_ago)).expect("touch");
        assert_eq!(root.all().expect("all").len(), 1);
        root.sweep("x");
        assert!(!left.exists() && !unborn.exists() && young.exists() && other.exists());
    }

    #[test]
    fn list_of_a_root_that_was_never_made_is_empty() {
        let (_folder, root) = root();
        assert!(root.all().expect("all").is_empty());
    }
}
