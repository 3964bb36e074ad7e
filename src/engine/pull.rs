//! `pull`: an image from a registry, with progress as it comes.

use tokio::sync::{mpsc, watch};

use super::{Engine, PullOptions, Result};
use crate::image;
use crate::model::{EventAction, ImageSummary, PullEvent, Reference};

impl Engine {
    /// Fetches an image. Progress goes to `progress` (dropping its receiver does no harm); setting `cancel` to true ends it with
    /// kind `Cancelled` and nothing left behind but verified blobs.
    pub async fn pull(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: mpsc::Sender<PullEvent>,
        cancel: watch::Receiver<bool>,
    ) -> Result<ImageSummary> {
        let image = image::pull(&self.0.store()?, &self.0.registries, reference, options, progress, cancel).await?;
        self.0.tell_image(EventAction::Pull, &reference.familiar());
        Ok(image)
    }

    /// The names of all that a repository has tags for, as its registry lists them.
    pub async fn repository_tags(&self, repository: &Reference) -> Result<Vec<Reference>> {
        let tags = image::tag_names(&self.0.registries, repository).await?;
        Ok(tags.iter().filter_map(|tag| repository.tagged(tag).ok()).collect())
    }
}
