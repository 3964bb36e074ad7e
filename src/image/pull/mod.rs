//! `pull`: fetches an image from a registry, its layers unpacked while they download.

mod fetch;
mod flow;
mod layer;
mod partial;
mod receive;
mod report;
mod write_back;

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, mpsc, watch};

use self::layer::LayerJob;
use self::report::Reporter;
use super::config::Configuration;
use super::manifest::{ACCEPT, Document, Manifest, choose, platforms};
use super::registry::{Registries, Registry};
use super::store::{DOCUMENT_MAX, Row, Session};
use super::{ImageError, Result, Store};
use crate::model::{Digest, ErrorKind, ImageSummary, Platform, PullEvent, Reference};

/// Layers in work at once: enough to hide one connection's pauses, few enough for a small memory.
const LAYERS_AT_ONCE: usize = 4;
/// Connections that a pull may have besides one for each of these.
const SPARE_CONNECTIONS: usize = 4;

/// How to pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullOptions {
    /// Which of a multi-platform image's to take; this machine's if none.
    pub platform: Option<Platform>,
}

/// Fetches an image and returns its row. Progress goes to `progress`; dropping its receiver does no harm.
///
/// Setting `cancel` to true, or dropping the future, ends it and leaves nothing behind but whole, verified blobs and layers,
/// and under `partial/` what the next pull goes on with.
pub async fn pull(
    store: &Store,
    registries: &Registries,
    reference: &Reference,
    options: &PullOptions,
    progress: mpsc::Sender<PullEvent>,
    cancel: watch::Receiver<bool>,
) -> Result<ImageSummary> {
    let registry = registries.open(reference.registry())?;
    let reporter = Arc::new(Reporter::new(progress, registry.notes().clone()));
    let (alive, mut all_ended) = mpsc::channel::<Infallible>(1);
    let result = {
        let pull = Pull {
            session: begin(store).await?,
            registry,
            reference,
            wanted: options.platform.clone().unwrap_or_else(Platform::native),
            reporter: &reporter,
            alive,
        };
        tokio::select! {
            biased;
            () = cancelled(cancel) => Err(ImageError::Cancelled),
            result = pull.run() => result,
            never = reporter.run() => match never {},
        }
    };
    // The threads end at their next step, each taking what it had half-made with it.
    reporter.stop_all();
    let ended = all_ended.recv().await;
    debug_assert!(ended.is_none(), "nobody can send the impossible");
    reporter.finish(result.is_ok()).await;
    if let Err(error) = &result
        && !matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Network)
    {
        // Whole layers wait for the next try only if it would find them useful: not on a full disk, not from a bad image.
        let (store, digests) = (store.clone(), reporter.digests());
        let clean = move || {
            digests.iter().try_for_each(|digest| partial::forget(&store, digest))?;
            store.gc()
        };
        let _ = in_thread(clean).await;
    }
    result
}

/// Ready when `true` was sent; a sender that is gone will never cancel.
pub(super) async fn cancelled(mut cancel: watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waiting for a garbage collection to end is done in a thread.
pub(super) async fn begin(store: &Store) -> Result<Session> {
    let store = store.clone();
    in_thread(move || store.begin()).await
}

/// Runs blocking work in a thread and carries its panic on.
async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ImageError::Cancelled),
    }
}

struct Pull<'a> {
    session: Session,
    registry: Registry,
    reference: &'a Reference,
    wanted: Platform,
    reporter: &'a Reporter,
    /// Held by every thread; the pull has ended when the last is dropped.
    alive: mpsc::Sender<Infallible>,
}

/// A manifest as it came.
struct Fetched {
    manifest: Manifest,
    bytes: Vec<u8>,
    digest: Digest,
    /// The index's digest where the reference led to one.
    asked: Option<Digest>,
}

impl Pull<'_> {
    async fn run(&self) -> Result<ImageSummary> {
        let fetched = self.manifest().await?;
        let manifest = &fetched.manifest;
        let (config_bytes, config) = self.configuration(manifest).await?;
        self.reporter.layers(&manifest.layers);
        let spare = Semaphore::new(SPARE_CONNECTIONS);
        let jobs = manifest.layers.iter().zip(&config.diff_ids).enumerate().map(|(place, (part, diff_id))| LayerJob {
            registry: &self.registry,
            repository: self.reference.repository(),
            session: &self.session,
            part,
            diff_id,
            gauge: self.reporter.gauge(place),
            reporter: self.reporter,
            alive: &self.alive,
            spare: &spare,
        });
        // Collected first: a stream of borrowing closures keeps the future from being `Send`.
        let jobs: Vec<_> = jobs.map(LayerJob::run).collect();
        let all = stream::iter(jobs).buffer_unordered(LAYERS_AT_ONCE).try_collect::<()>();
        tokio::select! {
            biased;
            done = all => done?,
            never = write_back::run(self.session.store(), self.reporter) => match never {},
        }
        self.session.put_document(&manifest.config.digest, &config_bytes)?;
        self.session.put_document(&fetched.digest, &fetched.bytes)?;
        let row = self.row(&fetched, &config);
        let session = self.session.clone();
        let summary = row.summary.clone();
        in_thread(move || session.publish(&row)).await?;
        Ok(summary)
    }

    /// Follows the reference to the one manifest that is for this platform.
    async fn manifest(&self) -> Result<Fetched> {
        let tag = self.reference.tag().unwrap_or("latest").to_owned();
        let target = self.reference.digest().map_or(tag, ToString::to_string);
        let (bytes, digest) = self.document("manifests", &target, self.reference.digest()).await?;
        let what = self.what();
        let garbage = |reason: String| ImageError::garbage(self.registry.name(), &what, reason);
        let choices = match Document::parse(&bytes).map_err(garbage)? {
            Document::Image(manifest) => return Ok(Fetched { manifest, bytes, digest, asked: None }),
            Document::Index(choices) => choices,
        };
        let Some(choice) = choose(&choices, &self.wanted) else {
            return Err(ImageError::PlatformMissing {
                reference: self.reference.familiar(),
                wanted: self.wanted.clone(),
                available: platforms(&choices),
            });
        };
        let (bytes, chosen) = self.document("manifests", choice.digest.as_str(), Some(&choice.digest)).await?;
        let manifest = Manifest::parse(&bytes).map_err(garbage)?;
        Ok(Fetched { manifest, bytes, digest: chosen, asked: Some(digest) })
    }

    async fn configuration(&self, manifest: &Manifest) -> Result<(Vec<u8>, Configuration)> {
        let digest = &manifest.config.digest;
        let bytes = match self.session.store().read_document(digest) {
            Ok(bytes) if digest_of(&bytes) == *digest => bytes,
            _ => self.document("blobs", digest.as_str(), Some(digest)).await?.0,
        };
        let what = format!("configuration of {}", self.reference.familiar());
        let garbage = |reason: String| ImageError::garbage(self.registry.name(), &what, reason);
        let config = Configuration::parse(&bytes).map_err(garbage)?;
        if config.diff_ids.len() != manifest.layers.len() {
            let (own, other) = (config.diff_ids.len(), manifest.layers.len());
            return Err(garbage(format!("it names {own} layers, the manifest {other}")));
        }
        if config.platform.os != self.wanted.os || config.platform.architecture != self.wanted.architecture {
            self.reporter.note(format!("this image is made for {}, not for {}", config.platform, self.wanted));
        }
        Ok((bytes, config))
    }

    /// A manifest or configuration, its digest checked where it is known before.
    async fn document(&self, folder: &str, target: &str, expected: Option<&Digest>) -> Result<(Vec<u8>, Digest)> {
        let path = format!("/v2/{}/{folder}/{target}", self.reference.repository());
        let accept = if folder == "manifests" { ACCEPT } else { "*/*" };
        let bytes = self.registry.document(&path, accept, &self.what(), DOCUMENT_MAX).await?.bytes;
        let got = digest_of(&bytes);
        match expected {
            Some(expected) if *expected != got => {
                let what =
                    format!("{} of {}", if folder == "manifests" { "manifest" } else { "configuration" }, self.what());
                Err(ImageError::DigestMismatch { what, expected: expected.clone(), got })
            }
            _ => Ok((bytes, got)),
        }
    }

    fn what(&self) -> String {
        self.reference.familiar()
    }

    fn row(&self, fetched: &Fetched, config: &Configuration) -> Row {
        let store = self.session.store();
        let sizes: Option<Vec<u64>> = config.diff_ids.iter().map(|layer| store.layer_bytes(layer)).collect();
        let id = fetched.manifest.config.digest.clone();
        Row {
            summary: ImageSummary {
                reference: Some(self.reference.clone()),
                id: Some(id.clone()),
                manifest: Some(fetched.digest.clone()),
                created: config.created,
                size_bytes: sizes.map(|sizes| sizes.iter().sum()),
                platform: config.platform.clone(),
                layers: config.diff_ids.len(),
                is_host: false,
            },
            id,
            manifest: fetched.digest.clone(),
            manifest_bytes: fetched.bytes.len() as u64,
            media_type: fetched.manifest.media_type(),
            asked: Some(fetched.asked.as_ref().unwrap_or(&fetched.digest).clone()),
        }
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::digest(bytes).into())
}
