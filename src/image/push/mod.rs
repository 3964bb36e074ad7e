//! `push`: an image to a registry. What the registry has is not sent again; what another of its repositories has, it takes from there.

mod layer;
mod plan;
mod report;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{mpsc, watch};

use self::layer::LayerJob;
use self::plan::{Image, Plan};
use self::report::{LayerGauge, Reporter};
use super::manifest::Part;
use super::registry::{Registries, Registry};
use super::store::Session;
use super::{ImageError, Result, Store};
use crate::model::{Digest, PushEvent, PushStage, Pushed, Reference};

/// Blobs in work at once.
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
    let whole = async {
        // Held to the end, so that nothing of the image is collected as garbage meanwhile.
        let session = super::pull::begin(store).await?;
        let plans = plan::plans(session.store(), reference, options)?;
        let repository = reference.repository();
        let there = Mutex::new(HashSet::new());
        let push = Push { session, registry, repository, reporter: &reporter, there };
        let mut pushed = Vec::new();
        for plan in plans {
            pushed.push(push.one(plan).await?);
        }
        Ok(pushed)
    };
    let result = tokio::select! {
        biased;
        () = super::pull::cancelled(cancel) => Err(ImageError::Cancelled),
        result = whole => result,
        never = reporter.run() => match never {},
    };
    reporter.finish(result.is_ok()).await;
    result
}

struct Push<'a> {
    session: Session,
    registry: Registry,
    repository: &'a str,
    reporter: &'a Reporter,
    /// Blobs that the repository is known to have.
    there: Mutex<HashSet<Digest>>,
}

impl Push<'_> {
    /// One tag: all blobs, then the manifests of them, then what the tag names.
    async fn one(&self, plan: Plan) -> Result<Pushed> {
        let layers: Vec<&Part> = plan.images.iter().flat_map(Image::layers).collect();
        self.reporter.layers(&layers);
        let gauges: Vec<Arc<LayerGauge>> = (0..layers.len()).map(|place| self.reporter.gauge(place)).collect();
        let configs = plan.images.iter().map(|image| (&image.manifest.config, Arc::default()));
        let mut seen = HashSet::new();
        let (first, again): (Vec<_>, Vec<_>) =
            layers.into_iter().zip(gauges).chain(configs).partition(|(part, _)| seen.insert(part.digest.clone()));
        // Collected first: a stream of borrowing closures keeps the future from being `Send`.
        let jobs: Vec<_> = first.into_iter().map(|(part, gauge)| self.blob(&plan, part, gauge)).collect();
        stream::iter(jobs).buffer_unordered(LAYERS_AT_ONCE).try_collect::<()>().await?;
        again.iter().for_each(|(_, gauge)| gauge.enter(PushStage::Exists));
        let what = plan.reference.familiar();
        for child in plan.images.iter().filter(|image| image.document.digest != plan.document.digest) {
            let document = &child.document;
            self.registry.put_manifest(self.repository, document.digest.as_str(), document, &what).await?;
        }
        let tag = plan.reference.tag().unwrap_or("latest");
        self.registry.put_manifest(self.repository, tag, &plan.document, &what).await?;
        let size_bytes = plan.document.bytes.len() as u64;
        Ok(Pushed { digest: plan.document.digest, size_bytes, reference: plan.reference })
    }

    async fn blob(&self, plan: &Plan, part: &Part, gauge: Arc<LayerGauge>) -> Result<()> {
        if self.there().contains(&part.digest) {
            gauge.enter(PushStage::Exists);
            return Ok(());
        }
        let job = LayerJob {
            registry: &self.registry,
            repository: self.repository,
            store: self.session.store(),
            part,
            gauge,
            from: plan.sources.get(&part.digest).map(String::as_str),
        };
        job.run().await?;
        self.there().insert(part.digest.clone());
        Ok(())
    }

    fn there(&self) -> std::sync::MutexGuard<'_, HashSet<Digest>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
