//! `save` and `load`: images as one archive, to another machine and back.

use std::io::{Read, Write};

use super::{Engine, EngineError, Loaded, Result, SaveOptions};
use crate::image;
use crate::model::{EventAction, HOST_IMAGE, Reference, TransferGauge};

impl Engine {
    /// Writes images into one archive; see [`image::save`]. Blocks; `gauge` tells how far it is, and ends it.
    pub fn save(&self, images: &[String], options: &SaveOptions, out: impl Write, gauge: &TransferGauge) -> Result<()> {
        if images.iter().any(|image| image == HOST_IMAGE) {
            return Err(EngineError::HostImage { verb: "saved" });
        }
        image::save(&self.0.store()?, images, options, out, gauge)?;
        images.iter().for_each(|image| self.0.tell_image(EventAction::Save, image));
        Ok(())
    }

    /// Brings the images of an archive into the store; see [`image::load`]. Blocks; `gauge` tells how far it is, and ends it.
    pub fn load(&self, source: impl Read + Send, gauge: &TransferGauge) -> Result<Vec<Loaded>> {
        let loaded = image::load(&self.0.store()?, source, gauge)?;
        for one in &loaded {
            let label = one.reference.as_ref().map_or_else(|| one.id.to_string(), Reference::familiar);
            self.0.tell_image(EventAction::Load, &label);
        }
        Ok(loaded)
    }
}
