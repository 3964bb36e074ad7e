//! `images`: all rows, newest first.

use super::Store;
use crate::image::Result;
use crate::model::ImageSummary;

impl Store {
    /// All images, one row per tag, newest first. One small file is read, however many images there are.
    pub fn list(&self) -> Result<Vec<ImageSummary>> {
        let mut rows: Vec<ImageSummary> = self.rows()?.into_iter().map(|row| row.summary).collect();
        rows.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.reference.cmp(&b.reference)));
        Ok(rows)
    }
}
