//! `images`: all rows, newest first.

use super::Store;
use crate::image::Result;
use crate::model::{Digest, ImageSummary};

impl Store {
    /// Whether there is an image of this id, whatever its names.
    pub fn has_image(&self, id: &Digest) -> Result<bool> {
        Ok(self.rows()?.iter().any(|row| row.id == *id))
    }

    /// All images, one row per tag, newest first. One small file is read, however many images there are.
    pub fn list(&self) -> Result<Vec<ImageSummary>> {
        let mut rows: Vec<ImageSummary> = self.rows()?.into_iter().map(|row| row.summary).collect();
        rows.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.reference.cmp(&b.reference)));
        Ok(rows)
    }
}
