//! What one layer of an image did: the layer explorer's question.

use std::ffi::OsString;

use super::size::measure_inside;
use super::{Engine, EngineError, Result};
use crate::image::perform_inside;
use crate::model::{HOST_IMAGE, LayerContents};
use crate::runtime::run_in_own_namespace;

impl Engine {
    /// What layer `index` (0 is the lowest) of an image added, changed and removed. Reads the disk for each file of that
    /// layer: milliseconds for a small one, a second or two for hundreds of thousands of files. Call it off the drawing path.
    pub fn layer_contents(&self, image: &str, index: usize) -> Result<LayerContents> {
        if image == HOST_IMAGE {
            return Err(EngineError::HostImage { verb: "shown by layers" });
        }
        let store = self.0.store()?;
        let _hold = store.hold()?;
        let image = store.find(image)?;
        Ok(store.layer_contents(&image, index)?)
    }
}

/// The hidden verb `teu inside TASK …`: works on image files as root of a user namespace (single-threaded). Exit code for main.
pub fn inside_verb(arguments: &[OsString]) -> i32 {
    match measure_inside(arguments) {
        Some(code) => code,
        None => run_in_own_namespace(|| perform_inside(arguments)),
    }
}
