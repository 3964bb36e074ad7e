//! `volume export` and `volume import`: a volume's files as a tar archive, with owners, modes and attributes.

use std::io::{self, Read, Write};
use std::path::Path;

use super::super::save::Watched;
use super::super::tree::protocol::{Ask, Mounts};
use super::super::tree::{Flow, Owner, Visit};
use super::super::{Engine, EngineError, ImageError, Inner, Result};
use crate::model::{EventAction, TransferGauge, Volume, VolumeName, VolumeWish};
use crate::runtime::{Place, remove_tree};
use crate::volume::VolumeError;

impl Engine {
    /// Writes a tar archive of all of a volume's files. Containers may go on writing meanwhile.
    /// Blocks; `gauge` tells how far it is, and ends it.
    pub fn volume_export(&self, target: &str, out: impl Write, gauge: &TransferGauge) -> Result<()> {
        let engine = &self.0;
        let volume = engine.find_volume(target)?;
        let hold = engine.shelf().hold(&volume.name).map_err(|error| engine.named_nearest(error))?;
        let data = engine.shelf().data(&hold.volume)?;
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
    /// names are replaced, others stay; an archive that breaks off leaves what came before.
    pub fn volume_import(&self, target: &str, source: Box<dyn Read + Send>, gauge: &TransferGauge) -> Result<Volume> {
        let engine = &self.0;
        let name: VolumeName =
            target.parse().map_err(|error| EngineError::Invalid { what: format!("{target:?}: {error}") })?;
        engine.sweep_volumes();
        let plain = crate::image::inflated(source).map_err(EngineError::io("read", Path::new("the archive")))?;
        let archive = Watched { inner: plain, gauge };
        let imported = engine.import_into(&name, archive);
        or_cancelled(imported, gauge)
    }
}

impl Inner {
    fn import_into(&self, name: &VolumeName, archive: impl Read) -> Result<Volume> {
        match self.shelf().hold(name) {
            Ok(hold) => {
                let data = self.shelf().data(&hold.volume)?;
                // What comes now is its content, whatever an image would put there.
                hold.settle()?;
                self.extract_whole(archive, name, &data)?;
                Ok(hold.volume.clone())
            }
            Err(VolumeError::NoSuchVolume { .. }) => self.import_new(name, archive),
            Err(error) => Err(error.into()),
        }
    }

    fn import_new(&self, name: &VolumeName, archive: impl Read) -> Result<Volume> {
        let making = self.shelf().make(&VolumeWish { name: Some(name.clone()), ..VolumeWish::default() })?;
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

/// What was broken off on wish has not failed.
fn or_cancelled<T>(result: Result<T>, gauge: &TransferGauge) -> Result<T> {
    match result {
        Err(_) if gauge.is_stopped() => Err(EngineError::Image(ImageError::Cancelled)),
        result => result,
    }
}
