//! `push`: an image to a registry. What the registry has is not sent again; what another of its repositories has, it takes from there.

mod layer;
mod report;

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{mpsc, watch};

use self::layer::LayerJob;
use self::report::Reporter;
use super::manifest::{Manifest, Part};
use super::registry::{Registries, Registry};
use super::store::Row;
use super::{ImageError, Result, Store};
use crate::model::{PushEvent, Pushed, Reference};

/// Layers in work at once.
const LAYERS_AT_ONCE: usize = 4;

/// How to push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// Every tag that the repository has here, whatever the reference's own.
    pub all_tags: bool,
}

/// Sends an image to the registry that `reference` names, and returns what the registry now has. Progress goes to `progress`;
/// dropping its receiver does no harm.
///
/// Setting `cancel` to true, or dropping the future, ends it; what the registry has taken by then stays there.
pub async fn push(
    store: &Store,
    registries: &Registries,
    reference: &Reference,
    options: &PushOptions,
    progress: mpsc::Sender<PushEvent>,
    cancel: watch::Receiver<bool>,
) -> Result<Vec<Pushed>> {
    let registry = registries.open(reference.registry())?;
    let reporter = Reporter::new(progress, registry.notes().clone());
    let rows = store.rows()?;
    let push = Push { store, registry, repository: reference.repository(), rows: &rows, reporter: &reporter };
    let result = tokio::select! {
        biased;
        () = super::pull::cancelled(cancel) => Err(ImageError::Cancelled),
        result = push.run(reference, options) => result,
        never = reporter.run() => match never {},
    };
    reporter.finish(result.is_ok()).await;
    result
}

struct Push<'a> {
    store: &'a Store,
    registry: Registry,
    repository: &'a str,
    rows: &'a [Row],
    reporter: &'a Reporter,
}

impl Push<'_> {
    async fn run(&self, reference: &Reference, options: &PushOptions) -> Result<Vec<Pushed>> {
        let is_same = |other: &&Row| match &other.summary.reference {
            Some(own) if options.all_tags => own.familiar_repository() == reference.familiar_repository(),
            own => own.as_ref() == Some(reference),
        };
        let rows: Vec<&Row> = self.rows.iter().filter(is_same).collect();
        if rows.is_empty() {
            return Err(ImageError::NotFound { text: reference.familiar() });
        }
        let mut pushed = Vec::new();
        for row in rows {
            let reference = row.summary.reference.clone().expect("chosen by its reference");
            pushed.push(self.one(row, reference).await?);
        }
        Ok(pushed)
    }

    async fn one(&self, row: &Row, reference: Reference) -> Result<Pushed> {
        let bytes = self.store.read_document(&row.manifest)?;
        let what = format!("manifest {}", row.manifest.short());
        let manifest = Manifest::parse(&bytes).map_err(|reason| ImageError::store(what, reason))?;
        self.blobs(&manifest).await?;
        let tag = reference.tag().unwrap_or("latest");
        let what = reference.familiar();
        self.registry.put_manifest(self.repository, tag, (&row.media_type, &bytes), &what).await?;
        Ok(Pushed { digest: row.manifest.clone(), size_bytes: bytes.len() as u64, reference })
    }

    async fn blobs(&self, manifest: &Manifest) -> Result<()> {
        self.reporter.layers(&manifest.layers);
        let config = [(&manifest.config, Arc::default())];
        let layers = manifest.layers.iter().enumerate().map(|(place, part)| (part, self.reporter.gauge(place)));
        // Collected first: a stream of borrowing closures keeps the future from being `Send`.
        let jobs: Vec<_> = layers.chain(config).map(|(part, gauge)| self.job(part, gauge).run()).collect();
        stream::iter(jobs).buffer_unordered(LAYERS_AT_ONCE).try_collect::<()>().await
    }

    fn job<'a>(&'a self, part: &'a Part, gauge: Arc<report::LayerGauge>) -> LayerJob<'a> {
        LayerJob { registry: &self.registry, repository: self.repository, store: self.store, part, gauge, from: None }
    }
}
