//! `volume export` and `volume import`: a volume's files as a tar archive, with owners, modes and attributes.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use super::super::save::Watched;
use super::super::tree::protocol::{Answer, Ask, Mounts};
use super::super::tree::{Flow, Owner, Visit};
use super::super::{Engine, EngineError, ImageError, Inner, Result};
use crate::model::{ErrorKind, EventAction, TransferGauge, Volume, VolumeName, VolumeWish};
use crate::runtime::{Place, remove_tree};
use crate::sys::in_root::{Folder, sync_file_system};
use crate::volume::{Hold, Incoming, VolumeError};

/// One block of zeros. There should be two, but not every program writes both.
const END_MARK_BYTES: u64 = 512;

impl Engine {
    /// Writes a tar archive of all of a volume's files. Containers may go on writing meanwhile.
    /// Blocks; `gauge` tells how far it is, and ends it.
    pub fn volume_export(&self, target: &str, out: impl Write, gauge: &TransferGauge) -> Result<()> {
        let engine = &self.0;
        let volume = engine.find_volume(target)?;
        let _hold = engine.shelf().hold(&volume.name).map_err(|error| engine.named_nearest(error))?;
        let data = engine.volume_data(&volume.name)?;
        let mut visit = Visit::begin(&Place::Machine, Flow::FromContainer, Owner::Volume(volume.name.as_str()), None)?;
        let path = data.as_os_str().as_encoded_bytes().to_vec();
        let mut out = Watched { inner: out, gauge };
        let exported = visit.read(Ask::Pack { path, shown: b".".to_vec(), mounts: Mounts::Left }, |mut archive| {
            let copied = io::copy(&mut archive, &mut out).and_then(|_| out.flush());
            copied.map_err(EngineError::io("write", Path::new("the archive")))
        });
        or_cancelled(exported, gauge)
    }

    /// Makes what is in a tar archive (plain, gzip or zstd) in a volume.
    ///
    /// A volume that is not there is made, and is there when all is in it or not at all. In one that is there files of the same
    /// names are replaced, others stay; all files come into it or none, whatever breaks off.
    pub fn volume_import(&self, target: &str, source: Box<dyn Read + Send>, gauge: &TransferGauge) -> Result<Volume> {
        let engine = &self.0;
        let name: VolumeName =
            target.parse().map_err(|error| EngineError::Invalid { what: format!("{target:?}: {error}") })?;
        engine.sweep_volumes();
        let plain = crate::image::inflated(source).map_err(EngineError::io("read", Path::new("the archive")))?;
        let mut archive = Ending { inner: Watched { inner: plain, gauge }, zeros: 0 };
        let imported = engine.import_into(&name, &mut archive);
        or_cancelled(imported, gauge)
    }
}

impl Inner {
    fn import_into(&self, name: &VolumeName, archive: &mut Ending<impl Read>) -> Result<Volume> {
        match self.shelf().hold(name) {
            Ok(hold) => {
                self.import_more(&hold, archive)?;
                Ok(hold.volume.clone())
            }
            Err(VolumeError::NoSuchVolume { .. }) => self.import_new(name, archive),
            Err(error) => Err(error.into()),
        }
    }

    /// All comes to lie beside the volume's files first: whatever is wrong with the archive, they stay what they are.
    fn import_more(&self, hold: &Hold, archive: &mut Ending<impl Read>) -> Result<()> {
        let name = &hold.volume.name;
        let data = self.shelf().data(&hold.volume)?;
        let incoming = hold.receive()?;
        self.land(&incoming, name, &data)?;
        let gathering = incoming.gathering();
        let clear = || remove_tree(&gathering).map_err(EngineError::io("remove", &gathering));
        clear()?;
        fs::create_dir(&gathering).map_err(EngineError::io("make the folder", &gathering))?;
        let gathered = self.extract_all(archive, name, &gathering, Some(&data));
        if let Err(error) = gathered.and_then(|()| persist(&gathering)).and_then(|()| Ok(incoming.commit()?)) {
            let _ = clear();
            return Err(error);
        }
        self.land(&incoming, name, &data)
    }

    /// Moves what has all come into the volume's files. Who is killed at it leaves the rest to the next who uses the volume.
    pub(super) fn land(&self, incoming: &Incoming, name: &VolumeName, data: &Path) -> Result<()> {
        let Some(landing) = incoming.landing() else { return Ok(()) };
        match self.move_in(&landing, name, data) {
            Ok(()) => {}
            // It does not fit to what is there: nothing was moved.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let _ = remove_tree(&landing);
                return Err(error);
            }
            // They do not lie on one file system, or something is mounted among them.
            Err(_) => self.copy_in(&landing, name, data).map_err(|error| EngineError::HalfImported {
                volume: name.clone(),
                rest: landing.clone(),
                reason: error.to_string(),
            })?,
        }
        remove_tree(&landing).map_err(EngineError::io("remove", &landing))?;
        Ok(incoming.persist()?)
    }

    fn move_in(&self, landing: &Path, name: &VolumeName, data: &Path) -> Result<()> {
        let mut visit = Visit::begin(&Place::Machine, Flow::FromContainer, Owner::Volume(name.as_str()), None)?;
        match visit.ask(&Ask::Land { from: landing.to_owned(), into: data.to_owned() })? {
            Answer::Done => Ok(()),
            _ => Err(visit.broken()),
        }
    }

    fn copy_in(&self, landing: &Path, name: &VolumeName, data: &Path) -> Result<()> {
        let mut visit = Visit::begin(&Place::Machine, Flow::FromContainer, Owner::Volume(name.as_str()), None)?;
        let path = landing.as_os_str().as_encoded_bytes().to_vec();
        let pack = Ask::Pack { path, shown: b".".to_vec(), mounts: Mounts::Left };
        visit.read(pack, |archive| self.extract_whole(archive, name, data, None))?;
        persist(data)
    }

    fn extract_all(
        &self,
        archive: &mut Ending<impl Read>,
        name: &VolumeName,
        data: &Path,
        like: Option<&Path>,
    ) -> Result<()> {
        self.extract_whole(&mut *archive, name, data, like)?;
        match archive.has_end_mark() {
            true => Ok(()),
            false => {
                Err(EngineError::Invalid { what: "the archive is cut short, or no tar: it has no end mark".to_owned() })
            }
        }
    }

    fn import_new(&self, name: &VolumeName, archive: &mut Ending<impl Read>) -> Result<Volume> {
        let making = self.shelf().make(&VolumeWish { name: Some(name.clone()), ..VolumeWish::default() })?;
        let filled = self.extract_all(archive, name, &making.data(), None);
        let filled = filled.and_then(|()| Ok(making.settle()?)).and_then(|()| persist(making.path()));
        if let Err(error) = filled {
            // Whoever's files are in it by now.
            let _ = remove_tree(making.path());
            return Err(error);
        }
        let path = making.path().to_owned();
        let Some(hold) = making.finish()? else {
            let _ = remove_tree(&path);
            return Err(VolumeError::Taken { name: name.clone() }.into());
        };
        hold.persist()?;
        self.tell_volume(EventAction::Create, name);
        Ok(hold.volume.clone())
    }
}

/// Waits until all files that were made in a folder are on the disk.
fn persist(folder: &Path) -> Result<()> {
    // The folder itself may be closed to this user by now; what it is in is teu's own.
    let opened = Folder::open(folder).or_else(|_| Folder::open(folder.parent().unwrap_or(folder)));
    let synced = opened.and_then(sync_file_system);
    synced.map_err(EngineError::io("write to the disk", folder))
}

/// Knows whether what was read ends as a tar does: half of a volume is not to pass for all of it.
struct Ending<R> {
    inner: R,
    /// How many of the last bytes were zeros.
    zeros: u64,
}

impl<R> Ending<R> {
    fn has_end_mark(&self) -> bool {
        self.zeros >= END_MARK_BYTES
    }
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match buffer[..read].iter().rposition(|byte| *byte != 0) {
            Some(last) => self.zeros = (read - 1 - last) as u64,
            None => self.zeros += read as u64,
        }
        Ok(read)
    }
}

/// What was broken off on wish has not failed.
fn or_cancelled<T>(result: Result<T>, gauge: &TransferGauge) -> Result<T> {
    match result {
        Err(_) if gauge.is_stopped() => Err(EngineError::Image(ImageError::Cancelled)),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_mark_is_a_block_of_zeros_at_the_very_end() {
        for (bytes, marked) in [
            (vec![], false),
            (vec![0; 511], false),
            (vec![0; 1024], true),
            ([vec![7; 512], vec![0; 512]].concat(), true),
            ([vec![0; 1024], vec![7]].concat(), false),
        ] {
            let mut ending = Ending { inner: bytes.as_slice(), zeros: 0 };
            let mut small = [0; 100];
            while ending.read(&mut small).expect("memory") > 0 {}
            assert_eq!(ending.has_end_mark(), marked, "{} bytes", bytes.len());
        }
    }
}
