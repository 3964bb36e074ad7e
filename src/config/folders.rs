//! Where teu keeps its files: the data folder and the run folder, made if missing and checked.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::ConfigError;

/// The two folders everything lives in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Durable: containers, names, images.
    pub data: PathBuf,
    /// Gone after a reboot: what is running now, and the events.
    pub run: PathBuf,
}

/// What the choice of folders depends on.
struct Surroundings {
    uid: u32,
    root: Option<PathBuf>,
    runroot: Option<PathBuf>,
    runtime_folder: Option<PathBuf>,
    user_data: Option<PathBuf>,
}

impl Folders {
    /// The folders by flag, else by TEU_ROOT and TEU_RUNROOT, else `/var/lib/teu` and `/run/teu` for root and the
    /// user's own data and runtime folders for anybody else.
    ///
    /// Both are made, closed to others (0700). Without XDG_RUNTIME_DIR a user's run folder is `/tmp/teu-UID`; that one must
    /// be a real folder owned by the user and closed to others, or it is refused: anybody may have made it.
    pub fn resolve(root: Option<&Path>, runroot: Option<&Path>) -> Result<Self, ConfigError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let uid = rustix::process::geteuid().as_raw();
        let folders = Self::choose(Surroundings {
            uid,
            root: root.map(Path::to_owned).or_else(|| variable("TEU_ROOT")),
            runroot: runroot.map(Path::to_owned).or_else(|| variable("TEU_RUNROOT")),
            runtime_folder: variable("XDG_RUNTIME_DIR").filter(|folder| is_owned_folder(folder, uid)),
            user_data: directories::ProjectDirs::from("", "", "teu").map(|project| project.data_dir().to_owned()),
        })?;
        let folders = Self { data: absolute(folders.data)?, run: absolute(folders.run)? };
        make(&folders.data)?;
        make(&folders.run)?;
        if folders.run == temporary_run_folder(uid) {
            check_private(&folders.run, uid)?;
        }
        Ok(folders)
    }

    fn choose(from: Surroundings) -> Result<Self, ConfigError> {
        let data = match from.root {
            Some(root) => root,
            None if from.uid == 0 => PathBuf::from("/var/lib/teu"),
            None => from.user_data.ok_or(ConfigError::NoHome)?,
        };
        let run = match (from.runroot, from.runtime_folder) {
            (Some(runroot), _) => runroot,
            (None, _) if from.uid == 0 => PathBuf::from("/run/teu"),
            (None, Some(folder)) => folder.join("teu"),
            (None, None) => temporary_run_folder(from.uid),
        };
        Ok(Self { data, run })
    }
}

fn temporary_run_folder(uid: u32) -> PathBuf {
    PathBuf::from(format!("/tmp/teu-{uid}"))
}

fn absolute(path: PathBuf) -> Result<PathBuf, ConfigError> {
    std::path::absolute(&path).map_err(|source| ConfigError::Io { action: "resolve", path, source })
}

fn is_owned_folder(path: &Path, uid: u32) -> bool {
    path.is_absolute() && fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == uid)
}

/// Makes the folder and its parents; the folder itself only for its owner.
fn make(path: &Path) -> Result<(), ConfigError> {
    let error = |source| ConfigError::Io { action: "make the folder", path: path.to_owned(), source };
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(error)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(error(source)),
        _ => Ok(()),
    }
}

fn check_private(path: &Path, uid: u32) -> Result<(), ConfigError> {
    let refuse = |why| Err(ConfigError::UnsafeFolder { path: path.to_owned(), why });
    let found = fs::symlink_metadata(path).map_err(|source| ConfigError::Io {
        action: "look at",
        path: path.to_owned(),
        source,
    })?;
    if !found.is_dir() {
        return refuse("it is a link or a file");
    }
    if found.uid() != uid {
        return refuse("it belongs to another user");
    }
    if found.mode() & 0o077 != 0 {
        return refuse("others may enter it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn surroundings(uid: u32) -> Surroundings {
        Surroundings {
            uid,
            root: None,
            runroot: None,
            runtime_folder: Some(PathBuf::from("/run/user/7")),
            user_data: Some(PathBuf::from("/home/u/.local/share/teu")),
        }
    }

    #[test]
    fn folders_of_root_are_the_systems() {
        let folders = Folders::choose(surroundings(0)).expect("chosen");
        assert_eq!((folders.data, folders.run), ("/var/lib/teu".into(), "/run/teu".into()));
    }

    #[test]
    fn folders_of_a_user_are_the_users() {
        let folders = Folders::choose(surroundings(7)).expect("chosen");
        assert_eq!((folders.data, folders.run), ("/home/u/.local/share/teu".into(), "/run/user/7/teu".into()));
        let folders = Folders::choose(Surroundings { runtime_folder: None, ..surroundings(7) }).expect("chosen");
        assert_eq!(folders.run, PathBuf::from("/tmp/teu-7"));
    }

    #[test]
    fn folders_given_win() {
        let given = Surroundings { root: Some("/a".into()), runroot: Some("/b".into()), ..surroundings(7) };
        let folders = Folders::choose(given).expect("chosen");
        assert_eq!((folders.data, folders.run), ("/a".into(), "/b".into()));
    }

    #[test]
    fn run_folder_open_to_others_or_linked_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let uid = rustix::process::geteuid().as_raw();
        let path = folder.path().join("run");
        make(&path).expect("made");
        check_private(&path, uid).expect("private");
        assert!(check_private(&path, uid + 1).is_err(), "another's");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        assert!(check_private(&path, uid).is_err(), "open");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("symlink");
        assert!(check_private(&link, uid).is_err(), "link");
    }
}
