//! `pull` and `search`: registries, with progress as it comes.

use tokio::sync::{mpsc, watch};

use super::{Engine, PullOptions, Result, SearchOptions};
use crate::model::{ImageSummary, PullEvent, Reference, SearchHit};

impl Engine {
    /// Fetches an image. Progress goes to `progress` (dropping its receiver does no harm); setting `cancel` to true ends it with
    /// kind `Cancelled` and nothing left behind but verified blobs.
    pub async fn pull(
        &self,
        _reference: &Reference,
        _options: &PullOptions,
        _progress: mpsc::Sender<PullEvent>,
        _cancel: watch::Receiver<bool>,
    ) -> Result<ImageSummary> {
        todo!()
    }

    /// Asks registries; findings are sent as they come. Ends early when the receiver is dropped.
    pub async fn search(&self, _query: &str, _options: &SearchOptions, _hits: mpsc::Sender<SearchHit>) -> Result<()> {
        todo!()
    }
}
