//! The first use of a volume: what the image has at the place where it is mounted is copied into it, once.
//!
//! One who is killed at it leaves a note in the volume that it is half filled, and the next who uses it does it over again.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use super::super::copy::extract::Extractor;
use super::super::copy::extraction;
use super::super::tree::protocol::{Ask, Ids, Kind, Mounts};
use super::super::tree::{Binds, Flow, Owner, Visit};
use super::super::{EngineError, Inner, Result};
use super::layers::{self, Whereabouts};
use crate::image::pack::{self, PackError, PackOptions};
use crate::model::{ContainerRecord, HOST_IMAGE, MountSource, VolumeName};
use crate::runtime::{Place, own_maps};
use crate::sys::file::enlarge_pipe;
use crate::sys::in_root::Folder;
use crate::volume::Filling;

/// A volume that is being filled.
struct Half<'a> {
    filling: &'a Filling,
    volume: &'a VolumeName,
    data: &'a Path,
}

impl Inner {
    /// Fills the container's volumes that nobody has used yet. Under the container's lock, before its command runs.
    pub(in crate::engine) fn fill_volumes(&self, record: &ContainerRecord) -> Result<()> {
        // What the host image has is the machine's: no volume begins with a copy of that.
        if record.image_id.is_none() && record.image == HOST_IMAGE {
            return Ok(());
        }
        for mount in &record.config.mounts {
            let MountSource::Volume { name: Some(name), copy: true, subpath: None, .. } = &mount.source else {
                continue;
            };
            let hold = self.shelf().hold(name).map_err(|error| self.named_nearest(error))?;
            // Memory begins empty.
            if hold.volume.memory().is_some() {
                continue;
            }
            let Some(filling) = hold.begin_filling()? else { continue };
            let data = self.shelf().data(&hold.volume)?;
            self.copy_from_image(record, &mount.target, &Half { filling: &filling, volume: name, data: &data })?;
            filling.settle()?;
        }
        Ok(())
    }

    fn copy_from_image(&self, record: &ContainerRecord, target: &Path, half: &Half<'_>) -> Result<()> {
        // An ordinary user may not be allowed to read all of a layer, and what was copied into the container counts, too.
        if !rustix::process::geteuid().is_root() || self.upper(&record.id).exists() {
            return self.copy_from_overlay(record, target, half);
        }
        let layers = self.lower_folders(record)?;
        match layers::find(&layers, target).map_err(EngineError::io("look into the layers for", target))? {
            Whereabouts::Nowhere => Ok(()),
            Whereabouts::In(folder, path) => self.copy_from_folder(&folder, &path, half),
            Whereabouts::Unclear => self.copy_from_overlay(record, target, half),
        }
    }

    fn copy_from_folder(&self, folder: &Folder, path: &Path, half: &Half<'_>) -> Result<()> {
        let (reader, writer) = io::pipe().map_err(EngineError::io("copy", path))?;
        enlarge_pipe(&writer);
        std::thread::scope(|scope| {
            let packing = scope.spawn(move || {
                let out = BufWriter::with_capacity(256 << 10, writer);
                let packed = pack::tree(folder, &PackOptions::default(), out);
                packed.and_then(|mut out| out.flush().map_err(PackError::Write))
            });
            let extracted = self.extract_half(reader, half);
            let packed = packing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match packed {
                // Who writes the files knows why he has stopped reading.
                Ok(()) | Err(PackError::Write(_)) => extracted,
                Err(PackError::Read { path: inner, source }) => Err(EngineError::io("read", &path.join(inner))(source)),
                Err(PackError::Refused { path: inner, reason }) => {
                    Err(EngineError::Invalid { what: format!("{}: {reason}", path.join(inner).display()) })
                }
            }
        })
    }

    fn copy_from_overlay(&self, record: &ContainerRecord, target: &Path, half: &Half<'_>) -> Result<()> {
        let place = Place::Stopped(Box::new(self.visit_request(record, Binds::Hidden)?));
        let mut visit = Visit::begin(&place, Flow::FromContainer, Owner::Container(&record.name), None)?;
        let found = visit.look(target.as_os_str().as_encoded_bytes(), true)?;
        if found.kind != Kind::Folder {
            return Ok(());
        }
        let pack = Ask::Pack { path: found.path, shown: b".".to_vec(), mounts: Mounts::Left };
        visit.read(pack, |archive| self.extract_half(archive, half))
    }

    fn extract_half(&self, archive: impl Read, half: &Half<'_>) -> Result<()> {
        half.filling.start()?;
        self.extract_whole(archive, half.volume, half.data, None)
    }

    /// Makes what is in the archive in a volume's folder, whose own owner and mode are those of the archive's first entry, or
    /// those of `like`: there are the folders that the archive has no entries for.
    pub(super) fn extract_whole(
        &self,
        archive: impl Read,
        volume: &VolumeName,
        data: &Path,
        like: Option<&Path>,
    ) -> Result<()> {
        if rustix::process::geteuid().is_root() {
            let open = |path: &Path| Folder::open(path).map_err(EngineError::io("open", path));
            let (folder, known) = (open(data)?, like.map(open).transpose()?);
            let extractor = Extractor::in_folder(&folder, Ids::Given).with_itself();
            let extractor = match &known {
                Some(known) => extractor.alike(known),
                None => Ok(extractor),
            };
            let extracted = extractor.and_then(|extractor| extractor.extract(archive));
            return extracted.map(drop).map_err(|error| extraction(error, like.unwrap_or(data)));
        }
        // With one id there is nobody to give files to.
        let owners = if own_maps().uids.len() < 2 { Ids::Root } else { Ids::Given };
        let mut visit = Visit::begin(&Place::Machine, Flow::ToContainer, Owner::Volume(volume.as_str()), None)?;
        let mut archive = archive;
        let like = like.map(Path::to_owned);
        visit.feed(&Ask::Fill { folder: data.to_owned(), owners, like }, |mut out| {
            let copied = io::copy(&mut archive, &mut out);
            copied.map(drop).map_err(EngineError::io("copy", Path::new("the archive")))
        })
    }
}
