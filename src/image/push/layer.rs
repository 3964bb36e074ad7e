//! One blob of a push: asked for, taken over from another repository, or sent.

use std::fs::File;
use std::sync::Arc;

use super::report::LayerGauge;
use crate::image::manifest::Part;
use crate::image::registry::{Registry, Taken, Upload};
use crate::image::{ImageError, Result, Store};
use crate::model::PushStage;

pub(super) struct LayerJob<'a> {
    pub(super) registry: &'a Registry,
    pub(super) repository: &'a str,
    pub(super) store: &'a Store,
    pub(super) part: &'a Part,
    pub(super) gauge: Arc<LayerGauge>,
    /// Another repository of the registry that is thought to have it.
    pub(super) from: Option<&'a str>,
}

impl LayerJob<'_> {
    pub(super) async fn run(self) -> Result<()> {
        let digest = &self.part.digest;
        let what = format!("layer {} of {}", digest.short(), self.repository);
        self.gauge.enter(PushStage::Checking);
        if self.registry.has_blob(self.repository, digest, &what).await? {
            self.gauge.enter(PushStage::Exists);
            return Ok(());
        }
        let path = self.store.blob_path(digest);
        let file = File::open(&path).map_err(|error| ImageError::io("cannot read", &path, error))?;
        self.gauge.enter(PushStage::Uploading);
        let (file, sent) = (Arc::new(file), self.gauge.sent.clone());
        let (repository, from, size) = (self.repository, self.from, self.part.size);
        let upload = Upload { repository, from, digest, file, size, sent, what: &what };
        self.gauge.enter(match self.registry.take(&upload).await? {
            Taken::Sent => PushStage::Done,
            Taken::Mounted => PushStage::Mounted,
        });
        Ok(())
    }
}
