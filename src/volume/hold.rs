//! A volume that does not go, and its first use: an image's content is put into it once, by one at a time.

use std::fs;
use std::path::{Path, PathBuf};

use super::shelf::{Content, Kept, RECORD, read, write};
use super::{Result, Shelf, VolumeError};
use crate::model::Volume;
use crate::sys::file::Lock;

/// While this lives the volume is not removed.
#[derive(Debug)]
pub struct Hold {
    _lock: Lock,
    path: PathBuf,
    pub volume: Volume,
}

/// The right to fill a volume. Dropped between [`Filling::start`] and [`Filling::settle`] the volume counts as half filled.
#[derive(Debug)]
pub struct Filling {
    _lock: Lock,
    path: PathBuf,
    volume: Volume,
}

impl Hold {
    pub(super) fn new(lock: Lock, path: PathBuf, volume: Volume) -> Self {
        Self { _lock: lock, path, volume }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that its files are in, if there is one.
    pub fn data(&self) -> PathBuf {
        self.volume.device().map_or_else(|| self.path.join("data"), PathBuf::from)
    }

    /// The right to put an image's content into it; none if that was done, or somebody has put files there himself.
    ///
    /// One who was killed at it leaves it half filled, and the next does it over again. Others wait for him who is at it.
    pub fn begin_filling(&self) -> Result<Option<Filling>> {
        let content = || read(&self.path, &self.volume.name).map(|kept| kept.content);
        if content()? == Content::Settled {
            return Ok(None);
        }
        let path = self.path.join("lock");
        let lock = Lock::exclusive(&path).map_err(VolumeError::io("lock", &path))?;
        self.clear_leftovers();
        let filling = Filling { _lock: lock, path: self.path.clone(), volume: self.volume.clone() };
        match content()? {
            Content::Settled => Ok(None),
            Content::Filling => Ok(Some(filling)),
            Content::Fresh => {
                let shelf = Shelf::at(self.path.parent().unwrap_or(Path::new("/")));
                let data = shelf.data(&self.volume)?;
                let mut entries = fs::read_dir(&data).map_err(VolumeError::io("list", &data))?;
                if entries.next().is_some() {
                    filling.settle()?;
                    return Ok(None);
                }
                Ok(Some(filling))
            }
        }
    }

    /// Waits until the volume is on the disk: from then on no power cut takes it away.
    pub fn persist(&self) -> Result<()> {
        let shelf = self.path.parent().unwrap_or(Path::new("/"));
        for path in [&self.path.join(RECORD), &self.path, shelf] {
            let synced = fs::File::open(path).and_then(|file| file.sync_all());
            synced.map_err(VolumeError::io("write to the disk", path))?;
        }
        Ok(())
    }

    /// What one who was killed while he wrote the record has left of it.
    fn clear_leftovers(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            if name.starts_with(b".volume.json.") && name.ends_with(b".tmp") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

impl Filling {
    /// Before the first file comes: from now on what is in it may be half of it.
    pub fn start(&self) -> Result<()> {
        self.put(Content::Filling)
    }

    /// The content is there, or there is none: it is never filled again.
    pub fn settle(&self) -> Result<()> {
        self.put(Content::Settled)
    }

    fn put(&self, content: Content) -> Result<()> {
        write(&self.path, &Kept { volume: self.volume.clone(), content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::VolumeWish;

    fn held(shelf: &Shelf) -> Hold {
        let wish = VolumeWish { name: Some("v".parse().expect("a name")), ..VolumeWish::default() };
        drop(shelf.ensure(&wish).expect("made"));
        shelf.hold(&"v".parse().expect("a name")).expect("held")
    }

    #[test]
    fn volume_is_filled_once_and_again_if_it_was_broken_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let shelf = Shelf::at(folder.path());
        let hold = held(&shelf);
        drop(hold.begin_filling().expect("look").expect("fresh"));
        let broken = hold.begin_filling().expect("look").expect("still fresh");
        broken.start().expect("started");
        fs::write(hold.data().join("half"), "x").expect("write");
        drop(broken);
        fs::write(folder.path().join("v/.volume.json.0.tmp"), "x").expect("write");
        let again = hold.begin_filling().expect("look").expect("half filled");
        assert!(!folder.path().join("v/.volume.json.0.tmp").exists());
        again.settle().expect("settled");
        drop(again);
        assert!(hold.begin_filling().expect("look").is_none());
        assert_eq!(shelf.find(&hold.volume.name).expect("found"), hold.volume);
    }

    #[test]
    fn volume_that_somebody_has_used_is_not_filled() {
        let folder = tempfile::tempdir().expect("a folder");
        let hold = held(&Shelf::at(folder.path()));
        fs::write(hold.data().join("mine"), "x").expect("write");
        assert!(hold.begin_filling().expect("look").is_none());
        fs::remove_file(hold.data().join("mine")).expect("remove");
        assert!(hold.begin_filling().expect("look").is_none(), "it was settled");
    }
}
