//! What a container's mounts show: looked up when it is created, and anew whenever it is started or visited.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{EngineError, Inner, Result};
use crate::image::StoreHold;
use crate::model::{ContainerRecord, Mount, MountSource, PinnedImage, VolumeName};
use crate::runtime::{Origin, Seen, Shows, scaffold};

/// What mounts show at this moment.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Paths of the machine by targets.
    pub sources: BTreeMap<PathBuf, PathBuf>,
    pub origins: Vec<Origin>,
    /// Keeps what was looked at from going: another file could get its number while the container starts.
    pub held: Vec<OwnedFd>,
}

/// Whether folders may be made on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Those that a mount says may be made.
    Made,
    Refused,
}

impl Inner {
    /// Makes sure that what a new container's binds show is there, and that the images it sees stay what they are.
    ///
    /// What is made stays even if a later step fails, as with Docker. The images are safe for as long as the hold lives.
    pub(super) fn settle_mounts(&self, mounts: &mut [Mount]) -> Result<Option<StoreHold>> {
        let mut hold = None;
        for mount in mounts {
            match &mut mount.source {
                MountSource::Bind { path, create, .. } => ensure(path, *create)?,
                MountSource::Image { reference, pinned, .. } if pinned.is_none() => {
                    let store = self.store()?;
                    if hold.is_none() {
                        hold = Some(store.hold()?);
                    }
                    let stored = store.find(reference).map_err(|error| match EngineError::from(error) {
                        EngineError::NoSuchImage { image } => EngineError::NoImageToMount { image },
                        other => other,
                    })?;
                    *pinned = Some(PinnedImage { id: stored.id, layers: stored.layers });
                }
                _ => {}
            }
        }
        Ok(hold)
    }

    /// Looks up what `mounts` show.
    pub(super) fn shown(&self, mounts: &[Mount], missing: Missing) -> Result<Shown> {
        let mut shown = Shown::default();
        for mount in mounts {
            let (path, shows) = match &mount.source {
                MountSource::Bind { path, create, .. } => {
                    if missing == Missing::Made {
                        ensure(path, *create)?;
                    }
                    (path.clone(), Shows::Source { seen: Some(look(path, &mut shown.held)?) })
                }
                MountSource::Volume { name: Some(name), subpath, .. } => {
                    let data = self.volume_data(name)?;
                    let shows = match subpath {
                        Some(path) => Shows::Below { path: path.clone() },
                        None => Shows::Source { seen: Some(look(&data, &mut shown.held)?) },
                    };
                    (data, shows)
                }
                MountSource::Image { subpath, pinned: Some(image), .. } => {
                    let lower = self.layers_of(image)?;
                    let top = lower.last().cloned().unwrap_or_default();
                    (top, Shows::Layers { lower, path: subpath.clone() })
                }
                MountSource::Volume { name: None, .. } | MountSource::Image { pinned: None, .. } => {
                    let what = format!("the mount on {} was never settled", mount.target.display());
                    return Err(EngineError::Invalid { what });
                }
                MountSource::Tmpfs { .. } => continue,
            };
            shown.origins.push(Origin { target: mount.target.clone(), source: path.clone(), shows });
            shown.sources.insert(mount.target.clone(), path);
        }
        Ok(shown)
    }

    fn layers_of(&self, image: &PinnedImage) -> Result<Vec<PathBuf>> {
        let store = self.store()?;
        let data = &self.folders.data;
        let empty = || scaffold::empty(data).map_err(EngineError::io("make a folder in", data));
        let layers = image.layers.iter().map(|layer| store.layer_path(layer));
        let mut lower: Vec<PathBuf> = if image.layers.len() < 2 { vec![empty()?] } else { Vec::new() };
        lower.extend(layers);
        Ok(lower)
    }

    /// Where the files of a container's volumes are, for those that are there.
    pub(super) fn volume_folders(&self, record: &ContainerRecord) -> BTreeMap<VolumeName, PathBuf> {
        let names = record.config.mounts.iter().filter_map(Mount::volume_name);
        names.filter_map(|name| Some((name.clone(), self.volume_data(name).ok()?))).collect()
    }
}

/// A source that is missing becomes a folder, if it may; a link to nowhere is nothing that is missing.
fn ensure(path: &Path, create: bool) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
            fs::create_dir_all(path).map_err(EngineError::io("make the bind mount's source", path))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing_source(path)),
        _ => Ok(()),
    }
}

fn missing_source(path: &Path) -> EngineError {
    EngineError::NoBindSource { path: path.to_owned() }
}

/// Which file or folder is there now: the runtime mounts this one and no other.
fn look(path: &Path, held: &mut Vec<OwnedFd>) -> Result<Seen> {
    let (seen, place) = Seen::at(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => missing_source(path),
        _ => EngineError::io("look at the bind mount's source", path)(error),
    })?;
    held.push(place);
    Ok(seen)
}
