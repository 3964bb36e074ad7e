//! `push`: an image to a registry, with progress as it comes.

use tokio::sync::{mpsc, watch};

use super::{Engine, PushOptions, Result};
use crate::image;
use crate::model::{EventAction, PushEvent, Pushed, Reference};

impl Engine {
    /// Sends an image, or all tags of a repository, to its registry. Progress goes to `progress` (dropping its receiver does
    /// no harm); setting `cancel` to true ends it with kind `Cancelled`.
    pub async fn push(
        &self,
        reference: &Reference,
        options: &PushOptions,
        progress: mpsc::Sender<PushEvent>,
        cancel: watch::Receiver<bool>,
    ) -> Result<Vec<Pushed>> {
        let pushed = image::push(&self.0.store()?, &self.0.registries, reference, options, progress, cancel).await?;
        for tag in &pushed {
            self.0.tell_image(EventAction::Push, &tag.reference.familiar());
        }
        Ok(pushed)
    }
}
