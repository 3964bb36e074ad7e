//! `inspect`: everything known of one image.

use super::Store;
use super::find::named;
use crate::image::Result;
use crate::model::{HistoryLine, ImageInspect};

impl Store {
    /// Everything known of one image, named as for [`Store::find`].
    pub fn inspect(&self, text: &str) -> Result<ImageInspect> {
        let mut rows = self.rows()?;
        let place = named(&rows, text)?.place();
        let row = rows.swap_remove(place);
        let configuration = self.configuration(&row.id)?;
        let mut layers = configuration.diff_ids.iter();
        let history = configuration
            .history
            .into_iter()
            .map(|step| {
                let size_bytes = match step.empty_layer {
                    true => Some(0),
                    false => layers.next().and_then(|layer| self.layer_bytes(layer)),
                };
                HistoryLine { size_bytes, ..step }
            })
            .collect();
        Ok(ImageInspect { summary: row.summary, config: configuration.config, layers: configuration.diff_ids, history })
    }
}
