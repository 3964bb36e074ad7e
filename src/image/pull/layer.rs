//! One layer of a pull: fetched, checked, inflated and unpacked at the same time, then moved into place.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::fetch::Fetch;
use super::partial::{BLOB_MAX, Blob};
use super::receive::{Piece, receive};
use super::report::{LayerGauge, Reporter};
use crate::image::layer::{
    Chunk, PipeReader, Plain, Policy, Proof, UnpackJob, first_cause, inflate_stage, pipe, unpack_digesting,
};
use crate::image::manifest::Part;
use crate::image::registry::Registry;
use crate::image::store::{Session, Stage};
use crate::image::{ImageError, Result};
use crate::model::{Digest, ErrorKind, LayerStage};
use crate::sys::file::Lock;

/// How often another teu's lock is tried.
const LOCK_POLL: Duration = Duration::from_millis(50);

pub(super) struct LayerJob<'a> {
    pub(super) registry: &'a Registry,
    pub(super) repository: &'a str,
    pub(super) session: &'a Session,
    pub(super) part: &'a Part,
    pub(super) diff_id: &'a Digest,
    pub(super) gauge: Arc<LayerGauge>,
    pub(super) reporter: &'a Reporter,
    pub(super) alive: &'a mpsc::Sender<Infallible>,
    /// Connections that the whole pull may have besides each layer's own.
    pub(super) spare: &'a Semaphore,
}

/// The threads of one layer. What each returns is read in the order in which errors explain each other.
struct Stages {
    receive: JoinHandle<Result<Digest>>,
    /// None where the layer's files are there already.
    unpack: Option<Unpacking>,
}

struct Unpacking {
    inflate: JoinHandle<Result<()>>,
    unpack: JoinHandle<Result<Plain>>,
}

impl LayerJob<'_> {
    pub(super) async fn run(self) -> Result<()> {
        if self.part.media_type.ends_with("+encrypted") {
            return Err(ImageError::layer(self.part.digest.short(), "it is encrypted"));
        }
        if self.part.size > BLOB_MAX {
            let reason = format!("a blob of {} bytes is not believed", self.part.size);
            return Err(ImageError::layer(self.part.digest.short(), reason));
        }
        let lock = Arc::new(self.lock().await?);
        let store = self.session.store();
        let (has_blob, has_layer) = (store.has_blob(&self.part.digest), store.has_layer(self.diff_id));
        if has_blob && has_layer {
            self.gauge.enter(LayerStage::Exists);
            return Ok(());
        }
        // A blob of a wrong length is as good as none.
        let stored = || Blob::stored(store.blob_path(&self.part.digest), self.part.size, &lock).ok();
        let blob = Arc::new(match has_blob.then(stored).flatten() {
            Some(blob) => blob,
            None => Blob::begin(store, &self.part.digest, self.part.size, &lock)?,
        });
        let (mut result, is_patched) = self.bring(&blob, !has_layer).await;
        if is_patched && matches!(&result, Err(ImageError::DigestMismatch { .. })) {
            let layer = self.part.digest.short();
            self.reporter.note(format!("layer {layer} did not fit together from its parts; fetching it in one piece"));
            self.gauge.begin_anew();
            let blob = Arc::new(Blob::begin(store, &self.part.digest, self.part.size, &lock)?);
            result = self.bring(&blob, !has_layer).await.0;
        }
        result?;
        self.gauge.enter(LayerStage::Done);
        Ok(())
    }

    /// Fetches what is missing of the blob, and unpacks the layer if it is not there; whether it came in several pieces.
    async fn bring(&self, blob: &Arc<Blob>, unpack: bool) -> (Result<()>, bool) {
        self.gauge.enter(LayerStage::Downloading);
        let fetch = Fetch::new(self.registry, self.repository, self.part, blob, self.spare);
        let result = self.bring_with(&fetch, blob, unpack).await;
        if result.as_ref().is_err_and(|error| !leaves_something(error)) {
            blob.discard();
        }
        (result, fetch.is_patched())
    }

    async fn bring_with(&self, fetch: &Fetch<'_>, blob: &Arc<Blob>, unpack: bool) -> Result<()> {
        let stage = Arc::new(self.session.stage()?);
        let (sender, pieces) = pipe();
        let stages = self.start(pieces, blob, unpack, &stage)?;
        let brought = fetch.run(sender).await;
        let plain = self.join(brought, stages).await?;
        blob.keep(&self.session.store().blob_path(&self.part.digest))?;
        if let Some(plain) = plain {
            stage.keep_layer(self.diff_id, plain.unpacked.bytes)?;
        }
        Ok(())
    }

    /// Waits while another teu, or another layer of this image, fetches the same blob.
    async fn lock(&self) -> Result<Lock> {
        let mut told = false;
        loop {
            if let Some(lock) = self.session.store().try_lock_blob(&self.part.digest)? {
                return Ok(lock);
            }
            if !told {
                told = true;
                self.reporter.note(format!("waiting for another pull of layer {}", self.part.digest.short()));
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }

    /// Starts the threads: each ends when its pipe does, and holds the stage so that what it writes is deleted after it.
    fn start(&self, pieces: PipeReader<Piece>, blob: &Arc<Blob>, unpack: bool, stage: &Arc<Stage>) -> Result<Stages> {
        let layer = self.part.digest.short().to_owned();
        let mut compressed_out = None;
        let unpack = match unpack {
            true => {
                let root = stage.files()?;
                let (out, compressed) = pipe();
                compressed_out = Some(out);
                Some(self.start_unpacking(compressed, root, layer, stage))
            }
            false => None,
        };
        let (gauge, blob) = (self.gauge.clone(), blob.clone());
        let expected = self.part.digest.clone();
        let unpacks = unpack.is_some();
        let receive = self.spawn(stage, move || {
            let got = receive(pieces, &blob, compressed_out, &gauge.gauge)?;
            if unpacks && got == expected {
                gauge.enter(LayerStage::Unpacking);
            }
            Ok(got)
        });
        Ok(Stages { receive, unpack })
    }

    fn start_unpacking(
        &self,
        compressed: PipeReader<Chunk>,
        root: PathBuf,
        layer: String,
        stage: &Arc<Stage>,
    ) -> Unpacking {
        let (out, plain) = pipe();
        let job = UnpackJob::new(self.session.store().rules(), root, &layer, Policy::Layer).compressed(self.part.size);
        let gauge = self.gauge.clone();
        let inflate = self.spawn(stage, move || inflate_stage(compressed, out, &layer, Proof::Digest));
        let unpack = self.spawn(stage, move || {
            let result = unpack_digesting(plain, &job, &gauge.gauge);
            // A bad archive is worth receiving to its end, for the digest's sake; a full disk is not.
            if result.as_ref().is_err_and(|error| error.kind() != ErrorKind::Corrupt) {
                gauge.gauge.stop();
            }
            result
        });
        Unpacking { inflate, unpack }
    }

    fn spawn<T: Send + 'static>(
        &self,
        stage: &Arc<Stage>,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        let (stage, alive) = (stage.clone(), self.alive.clone());
        tokio::task::spawn_blocking(move || {
            let result = work();
            // The half-made files first, then the sign that this thread is done.
            drop(stage);
            drop(alive);
            result
        })
    }

    /// Ends the threads and finds out what happened: of several failures the one that explains the others.
    async fn join(&self, brought: Result<()>, stages: Stages) -> Result<Option<Plain>> {
        let received = joined(stages.receive).await;
        let (inflated, unpacked) = match stages.unpack {
            Some(it) => (joined(it.inflate).await, Some(joined(it.unpack).await)),
            None => (Ok(()), None),
        };
        let (plain, unpack_failure) = match unpacked {
            Some(Ok(plain)) => (Some(plain), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        let wrong = |got: &&Digest| **got != self.part.digest;
        let mismatch = received.as_ref().ok().filter(wrong).map(|got| ImageError::DigestMismatch {
            what: format!("layer {} of {}", self.part.digest.short(), self.repository),
            expected: self.part.digest.clone(),
            got: got.clone(),
        });
        if let Some(error) = first_cause([brought.err(), mismatch, received.err(), inflated.err(), unpack_failure]) {
            return Err(error);
        }
        if let Some(plain) = &plain
            && plain.diff_id != *self.diff_id
        {
            return Err(ImageError::DigestMismatch {
                what: format!("content of layer {} of {}", self.part.digest.short(), self.repository),
                expected: self.diff_id.clone(),
                got: plain.diff_id.clone(),
            });
        }
        Ok(plain)
    }
}

/// Whether the next pull can go on with what this failure leaves of a blob.
fn leaves_something(error: &ImageError) -> bool {
    let kinds = [ErrorKind::Network, ErrorKind::Cancelled, ErrorKind::Permission, ErrorKind::NotFound];
    kinds.contains(&error.kind()) && !matches!(error, ImageError::Garbage { .. })
}

async fn joined<T>(handle: JoinHandle<Result<T>>) -> Result<T> {
    match handle.await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ImageError::Cancelled),
    }
}
