//! `save`, `load` and `export`: images and containers as one file, to another machine and back.

use std::io::{self, Read, Write};

use super::{Engine, EngineError, ImageError, Loaded, Result, SaveOptions};
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

    /// Writes a tar of all files of a container, running or not; `import` makes an image of it again.
    pub fn export(&self, target: &str, out: impl Write, gauge: &TransferGauge) -> Result<()> {
        let result = self.export_tree(target, &mut Watched { inner: out, gauge });
        match result {
            Err(_) if gauge.is_stopped() => Err(EngineError::Image(ImageError::Cancelled)),
            result => result,
        }
    }
}

/// Counts what passes, and ends when it is to.
pub(super) struct Watched<'a, T> {
    pub(super) inner: T,
    pub(super) gauge: &'a TransferGauge,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.gauge.is_stopped() {
            return Err(io::Error::other("cancelled"));
        }
        let read = self.inner.read(buffer)?;
        self.gauge.moved(read as u64);
        Ok(read)
    }
}

impl<W: Write> Write for Watched<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.gauge.is_stopped() {
            return Err(io::Error::other("cancelled"));
        }
        let written = self.inner.write(buffer)?;
        self.gauge.moved(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
