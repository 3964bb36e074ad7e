//! Files of the archive on their way into the store: staged while they are read, and unpacked by other threads meanwhile.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::known::Known;
use super::outer::{self, Sort, unreadable};
use super::shelf::{Content, Shelf};
use crate::image::layer::{
    CHUNK_BYTES, Compression, Digesting, Gauge, Plain, Policy, Proof, UnpackJob, first_cause, inflate_stage, pipe,
    unpack_digesting,
};
use crate::image::manifest::Part;
use crate::image::store::{DOCUMENT_MAX, Session, Stage};
use crate::image::{ImageError, Result, Store};
use crate::model::{Digest, TransferGauge};
use crate::sys::file::nameless;

/// Files up to this size stay in memory, and documents up to theirs, as long as all together are not too many.
const SMALL_BYTES: u64 = 64 << 10;
const KEPT_MAX: u64 = 48 << 20;
/// Files on disk: a hundred images of eighty layers.
const STAGED_MAX: usize = 8192;
const WORKERS_MAX: usize = 4;

/// A file of the archive on disk, with what became of it.
pub(super) struct Staged {
    stage: Stage,
    /// Of its bytes as they came.
    pub(super) digest: Digest,
    bytes: u64,
    /// None where the format is not known.
    compression: Option<Compression>,
    /// Where it is plain and to be packed; else it lies where the stage's blob does.
    raw: Option<File>,
    outcome: Mutex<Option<Result<Done>>>,
}

/// A file that is a layer.
#[derive(Clone)]
struct Done {
    diff_id: Digest,
    /// Bytes of the files, if they were unpacked.
    unpacked: Option<u64>,
    blob: Part,
}

/// A layer that can be moved into place.
pub(super) struct Ready {
    staged: Option<Arc<Staged>>,
    done: Done,
}

impl Ready {
    pub(super) fn part(&self) -> &Part {
        &self.done.blob
    }

    pub(super) fn keep(&self, store: &Store) -> Result<()> {
        let Some(staged) = &self.staged else { return Ok(()) };
        if !store.has_blob(&self.done.blob.digest) {
            staged.stage.keep_blob(&self.done.blob.digest)?;
        }
        match self.done.unpacked {
            Some(bytes) if !store.has_layer(&self.done.diff_id) => staged.stage.keep_layer(&self.done.diff_id, bytes),
            _ => Ok(()),
        }
    }
}

pub(super) struct Loader<'a> {
    session: &'a Session,
    known: &'a Known,
    gauge: &'a TransferGauge,
    stop: Gauge,
}

impl<'a> Loader<'a> {
    pub(super) fn new(session: &'a Session, known: &'a Known, gauge: &'a TransferGauge) -> Self {
        Self { session, known, gauge, stop: Gauge::default() }
    }

    fn store(&self) -> &Store {
        self.session.store()
    }

    /// Reads the whole archive. What looks like a layer is unpacked meanwhile; whether it is one turns out later.
    pub(super) fn read(&self, source: impl Read + Send) -> Result<Shelf> {
        let (jobs, queue) = mpsc::channel::<Arc<Staged>>();
        let queue = Mutex::new(queue);
        let workers = thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
        let mut shelf = Shelf::default();
        let mut reading = Reading { loader: self, jobs, kept_bytes: 0, staged: 0 };
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(staged) = next(&queue) {
                        *staged.outcome() = Some(self.process(&staged));
                        self.gauge.layer_done();
                    }
                });
            }
            let limits = self.store().rules().limits;
            let result = outer::each(source, &limits, self.gauge, |name, sort, size, content| match sort {
                Sort::Link(target) => shelf.link(name.to_owned(), target),
                Sort::File => {
                    let content = reading.file(name, size, content)?;
                    shelf.put(name.to_owned(), content)
                }
            });
            if result.is_err() {
                self.stop.stop();
            }
            drop(reading);
            result
        })?;
        Ok(shelf)
    }

    /// The file that an image calls its layer, as what it turned out to be.
    pub(super) fn layer(&self, shelf: &Shelf, name: &str, blob: Option<&Digest>, diff_id: &Digest) -> Result<Ready> {
        let content = shelf.find(name);
        let Some(content) = content else {
            // Archives of what the other side has already leave it out.
            return match blob.map(|blob| (blob, self.known.diff_id_of(blob))) {
                Some((blob, Some(own))) if own == diff_id && self.is_stored(blob) => self.stored(blob, diff_id),
                _ => Err(ImageError::archive(format!("the layer {name} is not in it"))),
            };
        };
        if let Some(expected) = blob.filter(|expected| *expected != content.digest()) {
            let (what, got) = (format!("layer {name} of the archive"), content.digest().clone());
            return Err(ImageError::DigestMismatch { what, expected: expected.clone(), got });
        }
        let staged = match content {
            Content::Stored { blob } => {
                let own = self.known.diff_id_of(blob).ok_or_else(|| ImageError::archive("the store changed"))?;
                self.check(name, diff_id, own)?;
                return self.stored(blob, diff_id);
            }
            Content::Staged(staged) => staged.clone(),
            Content::Kept(bytes, _) => {
                let staged = Arc::new(self.stage(name, bytes, &mut io::empty(), bytes.len() as u64)?);
                *staged.outcome() = Some(self.process(&staged));
                staged
            }
        };
        let done = staged.done()?;
        self.check(name, diff_id, &done.diff_id)?;
        Ok(Ready { staged: Some(staged), done })
    }

    fn check(&self, name: &str, expected: &Digest, got: &Digest) -> Result<()> {
        if expected == got {
            return Ok(());
        }
        let what = format!("content of layer {name} of the archive");
        Err(ImageError::DigestMismatch { what, expected: expected.clone(), got: got.clone() })
    }

    /// Whether the store has the blob and the layer that it unpacks to.
    fn is_stored(&self, blob: &Digest) -> bool {
        let layer = self.known.diff_id_of(blob);
        self.store().has_blob(blob) && layer.is_some_and(|layer| self.store().has_layer(layer))
    }

    fn stored(&self, blob: &Digest, diff_id: &Digest) -> Result<Ready> {
        let known = self.known.blob_of(diff_id).cloned();
        let blob = known.ok_or_else(|| ImageError::store(format!("blob {}", blob.short()), "its file is missing"))?;
        Ok(Ready { staged: None, done: Done { diff_id: diff_id.clone(), unpacked: None, blob } })
    }

    /// Writes a file to disk that begins so.
    fn stage(&self, name: &str, beginning: &[u8], rest: &mut dyn Read, size: u64) -> Result<Staged> {
        let stage = self.session.stage()?;
        let compression = Compression::of(beginning).ok();
        let path = stage.blob();
        let unwritable = |error| ImageError::io("cannot write", &path, error);
        // Blobs of a layout are what its manifests say; the others are Docker's plain layers, which are packed.
        let is_packed = compression == Some(Compression::Plain) && !name.starts_with("blobs/");
        let mut file = match is_packed {
            true => nameless(&self.store().folder().join("partial")),
            false => File::options().read(true).write(true).create_new(true).open(&path),
        }
        .map_err(unwritable)?;
        let mut state = Sha256::new();
        let mut bytes = 0;
        let mut content = io::Cursor::new(beginning).chain(rest);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            self.stop.check()?;
            let read = match content.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(&error)),
            };
            state.update(&chunk[..read]);
            file.write_all(&chunk[..read]).map_err(unwritable)?;
            bytes += read as u64;
        }
        if bytes != size {
            return Err(ImageError::archive(format!("{name}: it is cut short")));
        }
        let digest = Digest::from_sha256(state.finalize().into());
        let raw = is_packed.then_some(file);
        Ok(Staged { stage, digest, bytes, compression, raw, outcome: Mutex::default() })
    }

    /// Unpacks a file, unless the store has what is in it, and packs it where it is plain.
    fn process(&self, staged: &Staged) -> Result<Done> {
        let store = self.store();
        let plain = staged.compression == Some(Compression::Plain);
        let known = if plain { Some(&staged.digest) } else { self.known.diff_id_of(&staged.digest) };
        let there = known.filter(|diff_id| store.has_layer(diff_id));
        let media_type = staged.compression.unwrap_or(Compression::Plain).media_type().to_owned();
        let own = Part { media_type, digest: staged.digest.clone(), size: staged.bytes };
        let blob = there.and_then(|diff_id| self.known.blob_of(diff_id)).filter(|_| staged.raw.is_some());
        let (unpacked, blob) = thread::scope(|scope| {
            let packing = match (blob, &staged.raw) {
                (Some(blob), _) => Err(blob.clone()),
                (None, None) => Err(own),
                (None, Some(raw)) => Ok(scope.spawn(|| self.pack(raw, staged))),
            };
            let unpacked = match there {
                Some(_) => None,
                None => Some(self.unpack(staged, plain)),
            };
            let packed = match packing {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(blob) => Ok(blob),
            };
            (unpacked.transpose(), packed)
        });
        let (unpacked, blob) = (unpacked?, blob?);
        let diff_id = match (&unpacked, there) {
            (Some(plain), _) => plain.diff_id.clone(),
            (None, Some(diff_id)) => diff_id.clone(),
            (None, None) => unreachable!("what is not there was unpacked"),
        };
        Ok(Done { diff_id, unpacked: unpacked.map(|plain| plain.unpacked.bytes), blob })
    }

    fn unpack(&self, staged: &Staged, plain: bool) -> Result<Plain> {
        let layer = staged.digest.short().to_owned();
        let root = staged.stage.files()?;
        let job = UnpackJob::new(self.store().rules(), root, &layer, Policy::Layer).compressed(staged.bytes);
        let content = self.content(staged)?;
        if plain {
            return unpack_digesting(io::BufReader::with_capacity(CHUNK_BYTES, content), &job, &self.stop);
        }
        let (out, inflated) = pipe();
        let (inflating, unpacked) = thread::scope(|scope| {
            let inflating = scope.spawn(|| inflate_stage(content, out, &layer, Proof::Checksum));
            let unpacked = unpack_digesting(inflated, &job, &self.stop);
            (inflating.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), unpacked)
        });
        match (inflating, unpacked) {
            (Ok(()), Ok(plain)) => Ok(plain),
            (inflating, unpacked) => {
                Err(first_cause([inflating.err(), unpacked.err()]).unwrap_or(ImageError::Cancelled))
            }
        }
    }

    /// As `import` does it: gzip, fast.
    fn pack(&self, raw: &File, staged: &Staged) -> Result<Part> {
        let path = staged.stage.blob();
        let unwritable = |error| ImageError::io("cannot write", &path, error);
        let file = File::options().write(true).create(true).truncate(true).open(&path).map_err(unwritable)?;
        let mut encoder = GzEncoder::new(Digesting::new(file), flate2::Compression::fast());
        let mut content = io::BufReader::with_capacity(CHUNK_BYTES, At { file: raw, at: 0, gauge: self.gauge });
        io::copy(&mut content, &mut encoder).map_err(unwritable)?;
        let (size, _, digest) = encoder.finish().map_err(unwritable)?.into_parts();
        Ok(Part { media_type: Compression::Gzip.media_type().to_owned(), digest, size })
    }

    fn content<'s>(&'s self, staged: &'s Staged) -> Result<Box<dyn Read + Send + 's>> {
        if let Some(raw) = &staged.raw {
            return Ok(Box::new(At { file: raw, at: 0, gauge: self.gauge }));
        }
        let path = staged.stage.blob();
        let file = File::open(&path).map_err(|error| ImageError::io("cannot read", &path, error))?;
        Ok(Box::new(At { file, at: 0, gauge: self.gauge }))
    }
}

impl Staged {
    fn outcome(&self) -> MutexGuard<'_, Option<Result<Done>>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of it; why it could not be unpacked is told once.
    fn done(&self) -> Result<Done> {
        let mut outcome = self.outcome();
        match outcome.as_ref() {
            Some(Ok(done)) => Ok(done.clone()),
            Some(Err(_)) => match outcome.take() {
                Some(Err(error)) => Err(error),
                _ => unreachable!("it was an error under the same lock"),
            },
            None => Err(ImageError::archive("a layer of it could not be unpacked")),
        }
    }
}

fn next(queue: &Mutex<mpsc::Receiver<Arc<Staged>>>) -> Option<Arc<Staged>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// The archive being read.
struct Reading<'l, 'a> {
    loader: &'l Loader<'a>,
    jobs: mpsc::Sender<Arc<Staged>>,
    kept_bytes: u64,
    staged: usize,
}

impl Reading<'_, '_> {
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<Content> {
        let digest = name.strip_prefix("blobs/sha256/").and_then(|hex| format!("sha256:{hex}").parse::<Digest>().ok());
        if let Some(blob) = digest.filter(|blob| self.loader.is_stored(blob)) {
            return Ok(Content::Stored { blob });
        }
        let mut beginning = Vec::new();
        content.take(SMALL_BYTES).read_to_end(&mut beginning).map_err(|error| unreadable(&error))?;
        let is_document =
            beginning.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|it| b"{[".contains(it));
        let most = if is_document { DOCUMENT_MAX } else { SMALL_BYTES };
        if size <= most && self.kept_bytes + size <= KEPT_MAX {
            content.take(size).read_to_end(&mut beginning).map_err(|error| unreadable(&error))?;
            if beginning.len() as u64 != size {
                return Err(ImageError::archive(format!("{name}: it is cut short")));
            }
            self.kept_bytes += size;
            let digest = super::digest_of(&beginning);
            return Ok(Content::Kept(Arc::new(beginning), digest));
        }
        self.staged += 1;
        if self.staged > STAGED_MAX {
            let what = format!("it has more than {STAGED_MAX} large files; a root file system is for `teu import`");
            return Err(ImageError::archive(what));
        }
        let staged = Arc::new(self.loader.stage(name, &beginning, content, size)?);
        self.loader.gauge.layer_found();
        // The workers end after this sender only.
        let _ = self.jobs.send(staged.clone());
        Ok(Content::Staged(staged))
    }
}

/// A reader of a file from a place of its own, which ends when the load is to.
struct At<'a, F> {
    file: F,
    at: u64,
    gauge: &'a TransferGauge,
}

trait ReadAt {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, at)
    }
}

impl ReadAt for &File {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        FileExt::read_at(*self, buffer, at)
    }
}

impl<F: ReadAt> Read for At<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.gauge.is_stopped() {
            return Err(io::Error::other("cancelled"));
        }
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
