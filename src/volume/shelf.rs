//! The folder that volumes stand in: made, found, listed, taken away.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::{Hold, Result, VolumeError, options};
use crate::model::{ANONYMOUS_LABEL, Timestamp, Volume, VolumeName, VolumeWish};
use crate::sys::file::{Lock, write_atomically, write_durably};
use crate::sys::random;

/// A volume's folder while it is being made, with random digits behind.
const MAKING: &str = ".making-";
/// A volume's folder while it is being removed.
const REMOVING: &str = ".removing-";
pub(super) const RECORD: &str = "volume.json";
const DATA: &str = "data";
/// A record is a few labels; what is longer was not written by teu.
const RECORD_MAX: u64 = 1 << 20;

/// All volumes of one data folder.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

/// What `volume.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub volume: Volume,
    #[serde(default)]
    pub content: Content,
}

/// Whether an image's content was ever put into a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Content {
    /// It was made, and used by nobody yet.
    Fresh,
    /// Somebody is at it, or was killed at it.
    Filling,
    #[default]
    Settled,
}

/// A volume that has no name yet. Dropped before it gets one it is removed again.
#[derive(Debug)]
pub struct Making {
    lock: Option<Lock>,
    path: PathBuf,
    place: PathBuf,
    volume: Volume,
}

/// A volume that nobody finds any more. The caller removes the folder, whosever files are in it, before this is dropped.
#[derive(Debug)]
pub struct Doomed {
    _lock: Lock,
    pub path: PathBuf,
}

/// A volume under its lock, which nobody else holds.
#[derive(Debug)]
pub struct Alone {
    lock: Lock,
    path: PathBuf,
    shelf: PathBuf,
    pub volume: Volume,
}

impl Shelf {
    /// The folder is made with the first volume.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// All volumes by name. What else was put into the folder is not among them.
    pub fn all(&self) -> Result<Vec<Volume>> {
        let mut all = Vec::new();
        for name in self.names()?.iter().filter_map(|name| name.parse().ok()) {
            match self.kept(&name) {
                Ok(kept) => all.push(kept.volume),
                // Removed this moment, or none of ours.
                Err(VolumeError::NoSuchVolume { .. } | VolumeError::Foreign { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    pub fn find(&self, name: &VolumeName) -> Result<Volume> {
        Ok(self.kept(name)?.volume)
    }

    /// The folder that a volume's files are in.
    pub fn data(&self, volume: &Volume) -> Result<PathBuf> {
        if volume.memory().is_some() {
            return Err(VolumeError::Memory { name: volume.name.clone() });
        }
        if let Some(device) = volume.device() {
            let missing = || VolumeError::NoDevice { name: volume.name.clone(), device: device.to_owned() };
            return fs::canonicalize(device).ok().filter(|path| path.is_dir()).ok_or_else(missing);
        }
        let path = self.mountpoint(volume);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => Ok(path),
            Ok(_) => Err(VolumeError::Foreign { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => no_such(volume.name.as_str()),
            Err(error) => Err(VolumeError::io("look at", &path)(error)),
        }
    }

    /// As [`Shelf::data`], whether there is such a folder or not.
    pub fn mountpoint(&self, volume: &Volume) -> PathBuf {
        volume.device().map_or_else(|| self.place(&volume.name).join(DATA), PathBuf::from)
    }

    /// The volume, held: it does not go before the hold is dropped.
    pub fn hold(&self, name: &VolumeName) -> Result<Hold> {
        let lock = self.lock(name, Lock::folder_shared)?;
        let volume = self.kept(name)?.volume;
        Ok(Hold::new(lock, self.place(name), volume))
    }

    /// The volume under its lock, once nobody holds it.
    pub fn alone(&self, name: &VolumeName) -> Result<Alone> {
        let lock = self.lock(name, Lock::folder)?;
        let volume = self.kept(name)?.volume;
        Ok(Alone { lock, path: self.place(name), shelf: self.folder.clone(), volume })
    }

    /// Finds the volume of the wish's name or makes it; true if it was made. Without a name it is a new anonymous one.
    pub fn ensure(&self, wish: &VolumeWish) -> Result<(Hold, bool)> {
        options::check(&wish.options)?;
        let Some(name) = &wish.name else {
            return Ok((self.make(wish)?.finish()?.expect("a random name is free"), true));
        };
        loop {
            match self.hold(name) {
                Ok(hold) if !wish.options.is_empty() && hold.volume.options != wish.options => {
                    return Err(VolumeError::Different { name: name.clone() });
                }
                Ok(hold) => return Ok((hold, false)),
                Err(VolumeError::NoSuchVolume { .. }) => {}
                Err(error) => return Err(error),
            }
            if let Some(hold) = self.make(wish)?.finish()? {
                return Ok((hold, true));
            }
        }
    }

    /// Begins a volume that nobody sees yet.
    pub fn make(&self, wish: &VolumeWish) -> Result<Making> {
        options::check(&wish.options)?;
        let random = || random::bytes().map_err(VolumeError::io("make a random name in", &self.folder));
        let (name, anonymous) = match &wish.name {
            Some(name) => (name.clone(), false),
            None => (VolumeName::anonymous(random()?), true),
        };
        let mut labels = wish.labels.clone();
        if anonymous {
            labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
        }
        let volume = Volume { name, created: Timestamp::now(), labels, options: wish.options.clone(), anonymous };
        let path = self.temporary(MAKING)?;
        let lock = self.make_locked(&path)?;
        let making = Making { lock: Some(lock), place: self.place(&volume.name), path, volume };
        let data = making.path.join(DATA);
        let made = fs::create_dir(&data).and_then(|()| fs::set_permissions(&data, fs::Permissions::from_mode(0o755)));
        made.map_err(VolumeError::io("make the folder", &data))?;
        let kept = Kept { volume: making.volume.clone(), content: Content::Fresh };
        let record = making.path.join(RECORD);
        let bytes = serde_json::to_vec(&kept).expect("plain data with text keys is always JSON");
        let written = || {
            let mut file = File::create_new(&record)?;
            file.write_all(&bytes)?;
            // Without its options a volume would be another one after a power cut; one that has none loses nothing.
            if making.volume.is_plain() { Ok(()) } else { file.sync_all() }
        };
        written().map_err(VolumeError::io("write", &record))?;
        Ok(making)
    }

    /// What killed processes have left half made or half removed, for the caller to remove.
    pub fn unfinished(&self) -> Result<Vec<Doomed>> {
        let names = self.names()?;
        let left = names.iter().filter(|name| name.starts_with(MAKING) || name.starts_with(REMOVING));
        let paths = left.map(|name| self.folder.join(name));
        Ok(paths
            .filter_map(|path| match Lock::try_folder(&path) {
                Ok(Some(lock)) => Some(Doomed { _lock: lock, path }),
                // Somebody is at it, or it is gone by now.
                Ok(None) | Err(_) => None,
            })
            .collect())
    }

    fn make_locked(&self, path: &Path) -> Result<Lock> {
        loop {
            match DirBuilder::new().mode(0o700).create(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let made = DirBuilder::new().mode(0o700).recursive(true).create(&self.folder);
                    made.map_err(VolumeError::io("make the folder", &self.folder))?;
                    continue;
                }
                made => made.map_err(VolumeError::io("make the folder", path))?,
            }
            match Lock::folder(path) {
                // Another teu took it for a leftover before it was locked.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                lock => return lock.map_err(VolumeError::io("lock", path)),
            }
        }
    }

    fn lock(&self, name: &VolumeName, take: fn(&Path) -> io::Result<Lock>) -> Result<Lock> {
        let path = self.place(name);
        match take(&path) {
            Ok(lock) => Ok(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => no_such(name.as_str()),
            // A link (ELOOP), or no folder at all.
            Err(error) if is_foreign(&error) => Err(VolumeError::Foreign { path }),
            Err(error) => Err(VolumeError::io("lock", &path)(error)),
        }
    }

    /// The record of a volume. One that is damaged (a power cut can leave it empty) costs the labels, never the data.
    fn kept(&self, name: &VolumeName) -> Result<Kept> {
        let folder = self.place(name);
        match fs::symlink_metadata(&folder) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(VolumeError::Foreign { path: folder }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return no_such(name.as_str()),
            Err(error) => return Err(VolumeError::io("look at", &folder)(error)),
        }
        read(&folder, name)
    }

    pub(super) fn names(&self) -> Result<Vec<String>> {
        let failed = || VolumeError::io("list", &self.folder);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed())?,
        };
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect::<io::Result<_>>().map_err(failed())
    }

    pub(super) fn place(&self, name: &VolumeName) -> PathBuf {
        self.folder.join(name.as_str())
    }

    fn temporary(&self, kind: &str) -> Result<PathBuf> {
        temporary(&self.folder, kind)
    }
}

impl Making {
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// Where its files go.
    pub fn data(&self) -> PathBuf {
        self.path.join(DATA)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it is what it is to hold: no image's content comes on top.
    pub fn settle(&self) -> Result<()> {
        write(&self.path, &Kept { volume: self.volume.clone(), content: Content::Settled })
    }

    /// Gives it its name. None if another has that name by now.
    pub fn finish(mut self) -> Result<Option<Hold>> {
        match fs::rename(&self.path, &self.place) {
            Ok(()) => {
                let lock = self.lock.take().expect("held until now");
                Ok(Some(Hold::new(lock, self.place.clone(), self.volume.clone())))
            }
            // No volume's folder is ever empty.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) if is_foreign(&error) => Err(VolumeError::Foreign { path: self.place.clone() }),
            Err(error) => Err(VolumeError::io("name", &self.path)(error)),
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // What cannot be removed now is swept by the next who looks.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Alone {
    /// Takes it out of sight.
    pub fn doom(self) -> Result<Doomed> {
        let path = temporary(&self.shelf, REMOVING)?;
        fs::rename(&self.path, &path).map_err(VolumeError::io("rename", &self.path))?;
        Ok(Doomed { _lock: self.lock, path })
    }
}

fn temporary(shelf: &Path, kind: &str) -> Result<PathBuf> {
    let random = u64::from_ne_bytes(random::bytes().map_err(VolumeError::io("make a random name in", shelf))?);
    Ok(shelf.join(format!("{kind}{random:016x}")))
}

fn no_such<T>(target: &str) -> Result<T> {
    Err(VolumeError::NoSuchVolume { target: target.to_owned() })
}

fn is_foreign(error: &io::Error) -> bool {
    // ELOOP: O_NOFOLLOW met a link.
    error.kind() == io::ErrorKind::NotADirectory || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

pub(super) fn read(folder: &Path, name: &VolumeName) -> Result<Kept> {
    let path = folder.join(RECORD);
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut bytes = Vec::new();
    let read = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(&path);
    match read.and_then(|file| file.take(RECORD_MAX).read_to_end(&mut bytes)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(VolumeError::io("read", &path)(error));
        }
        Err(_) | Ok(_) => {}
    }
    let nothing_known = || Kept {
        volume: Volume {
            name: name.clone(),
            created: Timestamp::EPOCH,
            labels: Default::default(),
            options: Default::default(),
            anonymous: false,
        },
        content: Content::Settled,
    };
    let mut kept = serde_json::from_slice::<Kept>(&bytes).unwrap_or_else(|_| nothing_known());
    kept.volume.name = name.clone();
    Ok(kept)
}

pub(super) fn write(folder: &Path, kept: &Kept) -> Result<()> {
    let path = folder.join(RECORD);
    let bytes = serde_json::to_vec(kept).expect("plain data with text keys is always JSON");
    let write = if kept.volume.is_plain() { write_atomically } else { write_durably };
    write(&path, &bytes, 0o600).map_err(VolumeError::io("write", &path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn shelf() -> (tempfile::TempDir, Shelf) {
        let folder = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::at(&folder.path().join("volumes"));
        (folder, shelf)
    }

    fn wish(name: &str) -> VolumeWish {
        VolumeWish { name: Some(name.parse().expect("a name")), ..VolumeWish::default() }
    }

    fn name(text: &str) -> VolumeName {
        text.parse().expect("a name")
    }

    #[test]
    fn volumes_are_made_once_found_and_removed() {
        let (_folder, shelf) = shelf();
        assert!(shelf.all().expect("none").is_empty());
        let labels = [("a".to_owned(), "b".to_owned())].into();
        let (hold, made) = shelf.ensure(&VolumeWish { labels, ..wish("db") }).expect("made");
        assert!(made && hold.data().is_dir());
        drop(hold);
        let (hold, made) = shelf.ensure(&wish("db")).expect("found");
        assert!(!made && hold.volume.labels["a"] == "b");
        drop(hold);
        let (anonymous, _) = shelf.ensure(&VolumeWish::default()).expect("made");
        assert!(anonymous.volume.anonymous && anonymous.volume.name.as_str().len() == 64);
        drop(anonymous);
        assert_eq!(shelf.all().expect("two").len(), 2);
        let doomed = shelf.alone(&name("db")).expect("alone").doom().expect("doomed");
        assert!(matches!(shelf.find(&name("db")), Err(VolumeError::NoSuchVolume { .. })));
        assert!(shelf.unfinished().expect("look").is_empty(), "somebody is at it");
        let path = doomed.path.clone();
        drop(doomed);
        let left = shelf.unfinished().expect("look");
        assert_eq!(left.iter().map(|it| it.path.clone()).collect::<Vec<_>>(), [path]);
    }

    #[test]
    fn volume_that_is_held_is_not_had_alone() {
        let (_folder, shelf) = shelf();
        let (hold, _) = shelf.ensure(&wish("v")).expect("made");
        drop(hold);
        let (one, two) = (shelf.hold(&name("v")).expect("shared"), shelf.hold(&name("v")).expect("shared"));
        let waiting = std::thread::spawn({
            let shelf = shelf.clone();
            move || shelf.alone(&name("v")).map(drop)
        });
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert!(!waiting.is_finished());
        drop((one, two));
        waiting.join().expect("thread").expect("alone");
    }

    #[test]
    fn making_that_is_dropped_leaves_nothing() {
        let (folder, shelf) = shelf();
        let making = shelf.make(&wish("v")).expect("making");
        assert!(shelf.all().expect("none yet").is_empty());
        drop(making);
        assert_eq!(fs::read_dir(folder.path().join("volumes")).expect("list").count(), 0);
        let (one, two) = (shelf.make(&wish("v")).expect("making"), shelf.make(&wish("v")).expect("making"));
        assert!(one.finish().expect("named").is_some());
        assert!(two.finish().expect("late").is_none());
        assert_eq!(fs::read_dir(folder.path().join("volumes")).expect("list").count(), 1);
    }

    #[test]
    fn links_and_files_in_the_folder_are_no_volumes() {
        let (folder, shelf) = shelf();
        let outside = folder.path().join("outside");
        fs::create_dir_all(outside.join("data")).expect("folder");
        drop(shelf.ensure(&wish("real")).expect("made"));
        let volumes = folder.path().join("volumes");
        symlink(&outside, volumes.join("link")).expect("symlink");
        fs::write(volumes.join("file"), "x").expect("file");
        symlink(&outside, volumes.join(".making-0")).expect("symlink");
        assert_eq!(shelf.all().expect("all").len(), 1);
        for planted in ["link", "file"] {
            for error in [
                shelf.find(&name(planted)).map(drop).expect_err(planted),
                shelf.hold(&name(planted)).map(drop).expect_err(planted),
                shelf.alone(&name(planted)).map(drop).expect_err(planted),
                shelf.ensure(&wish(planted)).map(drop).expect_err(planted),
            ] {
                assert!(matches!(error, VolumeError::Foreign { .. }), "{planted}: {error}");
            }
        }
        assert!(shelf.unfinished().expect("look").is_empty());
        fs::remove_dir(volumes.join("real/data")).expect("remove");
        symlink(&outside, volumes.join("real/data")).expect("symlink");
        let real = shelf.find(&name("real")).expect("found");
        assert!(matches!(shelf.data(&real), Err(VolumeError::Foreign { .. })));
    }

    #[test]
    fn damaged_record_costs_the_labels_and_not_the_data() {
        let (folder, shelf) = shelf();
        drop(shelf.ensure(&wish("v")).expect("made"));
        for damage in ["", "{", "{\"name\":\"../x\"}"] {
            fs::write(folder.path().join("volumes/v/volume.json"), damage).expect("write");
            let volume = shelf.find(&name("v")).expect("found");
            assert_eq!(volume.name.as_str(), "v");
            assert!(shelf.data(&volume).expect("data").is_dir());
            assert!(shelf.hold(&name("v")).expect("held").begin_filling().expect("look").is_none());
        }
    }
}
