//! `volume export` and `volume import`: a volume's files as a tar archive, with owners, modes and attributes.

use std::io::{self, Read, Write};
use std::path::Path;

use super::super::copy::{CopyMeter, Metered};
use super::super::tree::protocol::{Ask, Mounts};
use super::super::tree::{Flow, Owner, Visit};
use super::super::{Engine, EngineError, Inner, Result};
use crate::model::{EventAction, Volume, VolumeName, VolumeWish};
use crate::runtime::{Place, remove_tree};
use crate::volume::{Shelf, VolumeError};

impl Engine {
    /// Writes a tar archive of all of a volume's files. Containers may go on writing meanwhile.
    pub fn volume_export(&self, target: &str, out: &mut dyn Write, meter: &CopyMeter) -> Result<()> {
        let engine = &self.0;
        let volume = engine.find_volume(target)?;
        let hold = engine.shelf().hold(&volume.name).map_err(|error| engine.named_nearest(error))?;
        let data = engine.shelf().data(&hold.volume)?;
        let mut visit = Visit::begin(&Place::Machine, Flow::FromContainer, Owner::Volume(volume.name.as_str()), None)?;
        let path = data.as_os_str().as_encoded_bytes().to_vec();
        visit.read(Ask::Pack { path, shown: b".".to_vec(), mounts: Mounts::Left }, |archive| {
            let copied = io::copy(&mut Metered { inner: archive, meter }, out).and_then(|_| out.flush());
            copied.map_err(EngineError::io("write", Path::new("the archive")))
        })
    }

    /// Makes what is in a tar archive (plain, gzip or zstd) in a volume.
    ///
    /// A volume that is not there is made, and is there when all is in it or not at all. In one that is there files of the same
    /// names are replaced, others stay; an archive that breaks off leaves what came before.
    pub fn volume_import(&self, target: &str, source: Box<dyn Read + Send>, meter: &CopyMeter) -> Result<Volume> {
        let engine = &self.0;
        let name: VolumeName =
            target.parse().map_err(|error| EngineError::Invalid { what: format!("{target:?}: {error}") })?;
        engine.sweep_volumes();
        let plain = crate::image::inflated(source).map_err(EngineError::io("read", Path::new("the archive")))?;
        let archive = Metered { inner: plain, meter };
        match engine.shelf().hold(&name) {
            Ok(hold) => {
                let data = engine.shelf().data(&hold.volume)?;
                // What comes now is its content, whatever an image would put there.
                hold.settle()?;
                engine.extract_whole(archive, &name, &data)?;
                Ok(hold.volume.clone())
            }
            Err(VolumeError::NoSuchVolume { .. }) => engine.import_new(&name, archive),
            Err(error) => Err(error.into()),
        }
    }
}

impl Inner {
    fn import_new(&self, name: &VolumeName, archive: impl Read) -> Result<Volume> {
        let shelf: Shelf = self.shelf();
        let making = shelf.make(&VolumeWish { name: Some(name.clone()), ..VolumeWish::default() })?;
        let filled = self.extract_whole(archive, name, &making.data()).and_then(|()| Ok(making.settle()?));
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
        self.tell_volume(EventAction::Create, name);
        Ok(hold.volume.clone())
    }
}
