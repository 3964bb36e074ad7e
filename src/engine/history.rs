//! `history`: how an image came to be.

use super::{Engine, Result};
use crate::model::{HistoryLine, ImageInspect};

impl Engine {
    /// An image, and the steps it was made in, the newest first.
    pub fn history(&self, image: &str) -> Result<(ImageInspect, Vec<HistoryLine>)> {
        let inspect = self.image_inspect(image)?;
        let lines = inspect.history.iter().rev().cloned().collect();
        Ok((inspect, lines))
    }
}
