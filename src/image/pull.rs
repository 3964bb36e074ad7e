//! `pull`: fetches an image from a registry, its layers unpacked while they download.

use tokio::sync::{mpsc, watch};

use super::{Result, Store};
use crate::model::{ImageSummary, Platform, PullEvent, Reference};

/// How to pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullOptions {
    /// Which of a multi-platform image's to take; this machine's if none.
    pub platform: Option<Platform>,
}

/// Fetches an image and returns its row. Progress goes to `progress`; dropping its receiver does no harm.
///
/// Setting `cancel` to true, or dropping the future, ends it and leaves nothing behind but whole, verified blobs and layers.
pub async fn pull(
    _store: &Store,
    _reference: &Reference,
    _options: &PullOptions,
    _progress: mpsc::Sender<PullEvent>,
    _cancel: watch::Receiver<bool>,
) -> Result<ImageSummary> {
    todo!()
}
