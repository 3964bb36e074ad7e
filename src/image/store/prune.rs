//! `image prune`: dangling images, or all that no container is made of, and what broken-off pulls have left.

use std::collections::BTreeMap;

use super::gc::Sweep;
use super::users::InUse;
use super::{Row, Store};
use crate::image::Result;
use crate::model::{Digest, PruneFilter, Pruned, PrunedImage};

impl Store {
    /// Removes the images that `filter` names and nobody uses, then all garbage. What was fetched of broken-off pulls goes
    /// too, but for a pull that runs.
    pub fn prune(&self, filter: &PruneFilter) -> Result<Pruned> {
        let images = self.shrink_index(|index| {
            let rows: Vec<Row> = index.manifests.iter().filter_map(|row| self.row(row)).collect();
            let images = self.unused(&rows, filter, &self.in_use()?);
            let goes = |id: &Digest| images.iter().any(|image| image.id == *id);
            index.manifests.retain(|row| self.row(row).is_none_or(|row| !goes(&row.id)));
            Ok(images)
        })?;
        let freed = self.sweep(Sweep::WithPartial)?;
        Ok(Pruned { images, partial: freed.partial, freed_bytes: freed.bytes, ..Pruned::default() })
    }

    /// The images that a prune takes; an image with several tags stands here once.
    pub(super) fn unused(&self, rows: &[Row], filter: &PruneFilter, in_use: &InUse) -> Vec<PrunedImage> {
        let mut images: BTreeMap<&Digest, (PrunedImage, &Row)> = BTreeMap::new();
        for row in rows {
            let entry = images
                .entry(&row.id)
                .or_insert_with(|| (PrunedImage { id: row.id.clone(), references: Vec::new() }, row));
            entry.0.references.extend(row.summary.reference.clone());
        }
        let goes = |(image, row): &(PrunedImage, &Row)| {
            (filter.all || image.references.is_empty())
                && in_use.of_image(&image.id).is_none()
                && filter.passes(row.summary.created, &self.labels_for(filter, &row.id))
        };
        images.into_values().filter(goes).map(|(image, _)| image).collect()
    }

    /// The image's labels, if the filter asks for any: they are read from the configuration.
    fn labels_for(&self, filter: &PruneFilter, id: &Digest) -> BTreeMap<String, String> {
        match filter.labels.is_empty() {
            true => BTreeMap::new(),
            false => self.labels(id).unwrap_or_default(),
        }
    }

    /// The labels of an image by its id.
    pub fn labels(&self, id: &Digest) -> Result<BTreeMap<String, String>> {
        Ok(self.configuration(id)?.config.labels)
    }
}
