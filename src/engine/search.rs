//! `search`: what registries have, and what they say of an image before it is pulled.

use tokio::sync::mpsc;

use super::{Engine, Result, SearchOptions, TagsWish};
use crate::image;
use crate::model::{DetailEvent, Reference, SearchEvent};

impl Engine {
    /// Asks registries at once; findings are sent as they come, a registry's failure too. Ends early when the receiver is dropped.
    pub async fn search(
        &self,
        question: &str,
        options: &SearchOptions,
        events: mpsc::Sender<SearchEvent>,
    ) -> Result<()> {
        Ok(image::search(&self.0.registries, question, options, events).await?)
    }

    /// Lists a repository's tags, a page at a time. Ends early when the receiver is dropped.
    pub async fn tags(&self, repository: &Reference, wish: &TagsWish, events: mpsc::Sender<DetailEvent>) -> Result<()> {
        Ok(image::tags(&self.0.registries, repository, wish, events).await?)
    }

    /// Tells an image's platforms and sizes without pulling it. Ends early when the receiver is dropped.
    pub async fn details(&self, reference: &Reference, events: mpsc::Sender<DetailEvent>) -> Result<()> {
        Ok(image::details(&self.0.registries, reference, None, events).await?)
    }
}
