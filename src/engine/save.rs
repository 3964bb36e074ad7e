//! `save` and `load`: images as one archive, to another machine and back.

use std::io::Write;

use super::{Engine, EngineError, Result, SaveOptions};
use crate::image;
use crate::model::{HOST_IMAGE, TransferGauge};

impl Engine {
    /// Writes images into one archive; see [`image::save`]. Blocks; `gauge` tells how far it is, and ends it.
    pub fn save(&self, images: &[String], options: &SaveOptions, out: impl Write, gauge: &TransferGauge) -> Result<()> {
        if images.iter().any(|image| image == HOST_IMAGE) {
            return Err(EngineError::HostImage { verb: "saved" });
        }
        Ok(image::save(&self.0.store()?, images, options, out, gauge)?)
    }
}
