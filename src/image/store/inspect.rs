//! `inspect`: everything known of one image.

use super::find::named;
use super::{Row, Store};
use crate::image::Result;
use crate::model::{HistoryLine, ImageInspect, Reference};

impl Store {
    /// Everything known of one image, named as for [`Store::find`].
    pub fn inspect(&self, text: &str) -> Result<ImageInspect> {
        let mut rows = self.rows()?;
        let place = named(&rows, text)?.place();
        let same = rows.iter().filter(|row| row.id == rows[place].id);
        let sorted = |names: &mut dyn Iterator<Item = Reference>| {
            let mut names: Vec<Reference> = names.collect();
            names.sort();
            names.dedup();
            names
        };
        let tags =
            sorted(&mut same.clone().filter_map(|row| row.summary.reference.clone()).filter(|it| it.tag().is_some()));
        let digests = sorted(&mut same.filter_map(Row::repository_digest));
        let row = rows.swap_remove(place);
        let document = self.read_document(&row.id)?;
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
        Ok(ImageInspect {
            summary: row.summary,
            tags,
            digests,
            document: serde_json::from_slice(&document).unwrap_or_default(),
            config: configuration.config,
            layers: configuration.diff_ids,
            history,
        })
    }
}
