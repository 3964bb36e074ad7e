//! `images`, `rmi`, `import`: the image store, with the host image before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use oci_spec::runtime::LinuxIdMapping;

use super::users::Containers;
use super::{Engine, EngineError, ImportOptions, ImportSource, Inner, Removed, Result};
use crate::image::{self, IdMap, Owners, RemoveMode, Store, UnpackRules};
use crate::model::{
    Digest, EventAction, HOST_IMAGE, ImageConfig, ImageInspect, ImageSummary, Platform, Reference, TransferGauge,
};
use crate::runtime::{self, IdMaps};

impl Engine {
    /// All images: the host image first, then the store's, one row per tag, newest first.
    pub fn images(&self) -> Result<Vec<ImageSummary>> {
        let mut images = vec![host()];
        images.extend(self.0.store()?.list()?);
        Ok(images)
    }

    /// Everything known of an image, by reference, id, the beginning of an id, or `host`.
    pub fn image_inspect(&self, image: &str) -> Result<ImageInspect> {
        if image != HOST_IMAGE {
            return Ok(self.0.store()?.inspect(image)?);
        }
        let config = ImageConfig { command: vec![super::suggest::shell()], ..ImageConfig::default() };
        Ok(ImageInspect {
            summary: host(),
            tags: Vec::new(),
            digests: Vec::new(),
            document: serde_json::Value::Null,
            config,
            layers: Vec::new(),
            history: Vec::new(),
        })
    }

    /// Gives an image another name; an image that had that name loses it.
    pub fn image_tag(&self, image: &str, reference: &Reference) -> Result<()> {
        if image == HOST_IMAGE {
            return Err(EngineError::HostImage { verb: "tagged" });
        }
        if reference.familiar_repository() == HOST_IMAGE {
            return Err(EngineError::HostImage { verb: "replaced" });
        }
        self.0.store()?.tag(image, reference)?;
        self.0.tell_image(EventAction::Tag, &reference.familiar());
        Ok(())
    }

    /// The labels of an image by its id.
    pub fn image_labels(&self, id: &Digest) -> Result<BTreeMap<String, String>> {
        Ok(self.0.store()?.labels(id)?)
    }

    /// Removes a tag, and the image with its last tag. Refused while a container is made of it. With `force` that is no
    /// hindrance, as a container keeps its layers; only what a container runs on stays, without its name.
    pub fn image_remove(&self, image: &str, force: bool) -> Result<Vec<Removed>> {
        if image == HOST_IMAGE {
            return Err(EngineError::HostImage { verb: "removed" });
        }
        let mode = if force { RemoveMode::Force } else { RemoveMode::Careful };
        let removed = self.0.store()?.remove(image, mode)?;
        for what in &removed {
            match what {
                Removed::Untagged(reference) => self.0.tell_image(EventAction::Untag, &reference.familiar()),
                Removed::Deleted(id) => self.0.tell_image(EventAction::Delete, id.as_str()),
            }
        }
        Ok(removed)
    }

    /// Makes an image of one layer of a tar or a folder; returns its id. Blocks; `gauge` tells how far it is, and ends it.
    pub fn import(&self, source: ImportSource<'_>, options: &ImportOptions, gauge: &TransferGauge) -> Result<Digest> {
        let reference = options.reference.as_ref();
        if reference.is_some_and(|reference| reference.familiar_repository() == HOST_IMAGE) {
            return Err(EngineError::HostImage { verb: "replaced" });
        }
        let id = image::import(&self.0.store()?, source, options, gauge)?;
        let label = reference.map_or_else(|| id.to_string(), Reference::familiar);
        self.0.tell_image(EventAction::Import, &label);
        Ok(id)
    }
}

impl Inner {
    pub(super) fn store(&self) -> Result<Store> {
        let rules = UnpackRules { limits: self.unpack, owners: own_owners };
        let users = Arc::new(Containers::of(self));
        Ok(Store::open(&self.images_folder())?.with_rules(rules).used_by(users))
    }
}

/// How this process keeps owners. This room's tests run in a program that has not got the verbs for mapped ones.
fn own_owners() -> Owners {
    let owners = Owners::of_this_process();
    if owners == Owners::Real || cfg!(test) {
        return owners;
    }
    let IdMaps { uids, gids } = runtime::own_maps();
    let ranges = |map: &[LinuxIdMapping]| map.iter().map(|it| (it.container_id(), it.host_id(), it.size())).collect();
    if uids.len() > 1 && gids.len() > 1 {
        Owners::Mapped(IdMap { uids: ranges(&uids), gids: ranges(&gids) })
    } else {
        owners
    }
}

fn host() -> ImageSummary {
    ImageSummary {
        reference: None,
        id: None,
        manifest: None,
        created: None,
        size_bytes: None,
        platform: Platform::native(),
        layers: 0,
        is_host: true,
    }
}
