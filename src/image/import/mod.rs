//! `import`: an image of one layer, made of a tar or a folder.
//!
//! An archive that is compressed already is stored as it is; everything else is stored as gzip, which every registry and
//! engine reads. Each step runs in a thread of its own, so that reading, packing and unpacking go on at once.

pub(super) mod change;
pub(super) mod tee;
mod words;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use self::tee::Tee;
use super::config;
use super::layer::{
    CHUNK_BYTES, Chunk, Closed, Compression, Digesting, Gauge, PipeReader, Plain, Policy, Proof, UnpackJob,
    first_cause, inflate_stage, pipe, receive_stage, unpack_digesting,
};
use super::pack::{self, Owners, PackError, PackOptions};
use super::store::{Row, Stage};
use super::{ImageError, Result, Store};
use crate::model::{Digest, ImageConfig, ImageSummary, Platform, Reference, Timestamp, TransferGauge};
use crate::sys::in_root::Folder;

/// What errors call the layer: it has no digest yet.
const NAME: &str = "of the import";

/// What to make an image of.
pub enum ImportSource<'a> {
    /// A folder such as debootstrap makes. Hard links, owners and attributes are kept; device nodes and sockets left out.
    Folder(PathBuf),
    /// A tar archive, plain, gzip or zstd.
    Tar(Box<dyn Read + Send + 'a>),
}

impl ImportSource<'_> {
    /// `-` is stdin, a folder is a folder, everything else a tar archive.
    pub fn open(text: &str) -> Result<Self> {
        let path = Path::new(text);
        if text == "-" {
            return Ok(Self::Tar(Box::new(io::stdin())));
        }
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let file = File::open(path).map_err(|error| ImageError::io("cannot open", path, error))?;
        Ok(Self::Tar(Box::new(file)))
    }
}

/// What the image is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Without one the image is dangling, found by its id only.
    pub reference: Option<Reference>,
    /// Dockerfile lines such as `CMD ["/bin/sh"]`.
    pub changes: Vec<String>,
    /// For the image's history.
    pub message: String,
    /// This machine's, if none.
    pub platform: Option<Platform>,
}

/// Makes an image and returns its id. What `gauge` counts are the archive's bytes; nothing is left when it is stopped.
pub fn import(
    store: &Store,
    source: ImportSource<'_>,
    options: &ImportOptions,
    gauge: &TransferGauge,
) -> Result<Digest> {
    let result = make(store, source, options, gauge);
    if result.is_err() && gauge.is_stopped() {
        return Err(ImageError::Cancelled);
    }
    result
}

fn make(store: &Store, source: ImportSource<'_>, options: &ImportOptions, gauge: &TransferGauge) -> Result<Digest> {
    let reference = options.reference.as_ref();
    if let Some(reference) = reference
        && (reference.digest().is_some() || reference.tag().is_none())
    {
        let reason = "an import has no digest yet; give a name and a tag".to_owned();
        return Err(ImageError::Reference { text: reference.familiar(), reason });
    }
    let image_config = change::apply(ImageConfig::default(), &options.changes)?;
    let platform = options.platform.clone().unwrap_or_else(Platform::native);
    let session = store.begin()?;
    let stage = session.stage()?;
    let layer = match source {
        ImportSource::Tar(reader) => of_tar(Box::new(Watched { inner: reader, gauge }), &stage, store)?,
        ImportSource::Folder(path) => of_folder(&path, &stage, store, gauge)?,
    };
    stage.keep_blob(&layer.blob)?;
    stage.keep_layer(&layer.plain.diff_id, layer.plain.unpacked.bytes)?;

    let created = Timestamp::now();
    let configuration = config::document(&image_config, &platform, created, &layer.plain.diff_id, &options.message);
    let id = Digest::from_sha256(Sha256::digest(&configuration).into());
    let manifest = config::manifest(&id, configuration.len(), &layer.blob, layer.blob_bytes, layer.compression);
    let manifest_digest = Digest::from_sha256(Sha256::digest(&manifest).into());
    session.put_document(&id, &configuration)?;
    session.put_document(&manifest_digest, &manifest)?;
    session.publish(&Row {
        summary: ImageSummary {
            reference: reference.cloned(),
            id: Some(id.clone()),
            manifest: Some(manifest_digest.clone()),
            created: Some(created),
            size_bytes: Some(layer.plain.unpacked.bytes),
            platform,
            layers: 1,
            is_host: false,
        },
        id: id.clone(),
        manifest: manifest_digest,
        manifest_bytes: manifest.len() as u64,
        media_type: config::MANIFEST.to_owned(),
        asked: None,
    })?;
    Ok(id)
}

/// A layer in its stage.
pub(super) struct Imported {
    pub(super) blob: Digest,
    pub(super) blob_bytes: u64,
    pub(super) compression: Compression,
    pub(super) plain: Plain,
}

fn of_tar(mut reader: Box<dyn Read + Send + '_>, stage: &Stage, store: &Store) -> Result<Imported> {
    let unreadable = |error| ImageError::io("cannot read", Path::new("the archive"), error);
    let mut beginning = vec![0; CHUNK_BYTES];
    let read = fill(&mut reader, &mut beginning).map_err(unreadable)?;
    beginning.truncate(read);
    if read == 0 {
        return Err(ImageError::layer(NAME, "the archive is empty"));
    }
    match Compression::of(&beginning).map_err(|reason| ImageError::layer(NAME, reason))? {
        Compression::Plain => {
            let archive = io::Cursor::new(beginning).chain(reader);
            of_plain(stage, store, (NAME, Policy::Import), move |mut tee| {
                let mut archive = archive;
                tee.copy(&mut archive).map_err(unreadable)?;
                tee.end();
                Ok(())
            })
        }
        compression => of_compressed(beginning, reader, compression, stage, store),
    }
}

/// Of mount points and the store, which may lie in it, only the empty folder is taken.
fn of_folder(path: &Path, stage: &Stage, store: &Store, gauge: &TransferGauge) -> Result<Imported> {
    let failure = |path: &Path, error| ImageError::io("cannot read", path, error);
    let root = Folder::open(path).map_err(|error| failure(path, error))?;
    let own = store.folder();
    let own = Folder::open(own).and_then(|it| it.stat()).map_err(|error| failure(own, error))?;
    let owners = match rustix::process::geteuid().is_root() {
        true => Owners::Kept,
        // As they are in that user's containers.
        false => Owners::OwnIsRoot,
    };
    let without = Some((own.st_dev, own.st_ino));
    let options = PackOptions { leave_mounts: true, without, owners, ..PackOptions::default() };
    of_plain(stage, store, (NAME, Policy::Layer), |tee| {
        match pack::tree(&root, &options, Watched { inner: tee, gauge }) {
            Ok(watched) => {
                watched.inner.end();
                Ok(())
            }
            Err(PackError::Read { path: inner, source }) => {
                let inner = inner.strip_prefix("/").or_else(|_| inner.strip_prefix(".")).unwrap_or(&inner);
                Err(failure(&path.join(inner), source))
            }
            // The readers of what is written are gone: they say why.
            Err(PackError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Err(ImageError::Cancelled),
            Err(error) => Err(ImageError::layer(NAME, error)),
        }
    })
}

/// Counts what passes, and ends when it is to.
struct Watched<'a, T> {
    inner: T,
    gauge: &'a TransferGauge,
}

impl<T> Watched<'_, T> {
    fn count(&self, bytes: usize) -> io::Result<usize> {
        self.gauge.moved(bytes as u64);
        if self.gauge.is_stopped() { Err(io::Error::other("cancelled")) } else { Ok(bytes) }
    }
}

impl<T: Read> Read for Watched<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count(read)
    }
}

impl<T: Write> Write for Watched<'_, T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.count(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Packs and unpacks what `produce` writes, at the same time.
pub(super) fn of_plain(
    stage: &Stage,
    store: &Store,
    (name, policy): (&str, Policy),
    produce: impl FnOnce(Tee) -> Result<()> + Send,
) -> Result<Imported> {
    let job = UnpackJob::new(store.rules(), stage.files()?, name, policy);
    let (to_pack, pack) = pipe();
    let (to_unpack, unpack) = pipe();
    let (produced, packed, plain) = thread::scope(|scope| {
        let produced = scope.spawn(|| produce(Tee::new([to_pack, to_unpack])));
        let packed = scope.spawn(|| compress(pack, &stage.blob()));
        let plain = scope.spawn(|| unpack_digesting(unpack, &job, &Gauge::default()));
        (join(produced), join(packed), join(plain))
    });
    let (blob, pack_failure) = split(packed);
    let (plain, unpack_failure) = split(plain);
    match (blob, plain) {
        (Some((blob, blob_bytes)), Some(plain)) if produced.is_ok() => {
            Ok(Imported { blob, blob_bytes, compression: Compression::Gzip, plain })
        }
        _ => Err(first_cause([produced.err(), pack_failure, unpack_failure]).unwrap_or(ImageError::Cancelled)),
    }
}

fn of_compressed(
    beginning: Vec<u8>,
    mut reader: Box<dyn Read + Send + '_>,
    compression: Compression,
    stage: &Stage,
    store: &Store,
) -> Result<Imported> {
    let (job, path) = (UnpackJob::new(store.rules(), stage.files()?, NAME, Policy::Import), stage.blob());
    let file = File::create(&path).map_err(|error| ImageError::io("cannot make", &path, error))?;
    let (to_receive, receive) = pipe();
    let (to_inflate, inflate) = pipe();
    let (to_unpack, unpack) = pipe();
    let gauge = Gauge::default();
    let (read, received, inflated, plain) = thread::scope(|scope| {
        let read = scope.spawn(move || -> Result<()> {
            let mut chunk = beginning;
            while !chunk.is_empty() {
                if to_receive.send(Chunk::behind(chunk, 0)) == Err(Closed) {
                    return Err(ImageError::Cancelled);
                }
                chunk = vec![0; CHUNK_BYTES];
                let read = fill(&mut reader, &mut chunk);
                let read = read.map_err(|error| ImageError::io("cannot read", Path::new("the archive"), error))?;
                chunk.truncate(read);
            }
            to_receive.end();
            Ok(())
        });
        let received = scope.spawn(|| receive_stage(receive, Some((file, path.clone())), Some(to_inflate), &gauge));
        let inflated = scope.spawn(|| inflate_stage(inflate, to_unpack, NAME, Proof::Checksum));
        let plain = scope.spawn(|| {
            let plain = unpack_digesting(unpack, &job, &gauge);
            if plain.is_err() {
                gauge.stop();
            }
            plain
        });
        (join(read), join(received), join(inflated), join(plain))
    });
    let (blob, receive_failure) = split(received);
    let (plain, unpack_failure) = split(plain);
    if let Some(error) = first_cause([read.err(), receive_failure, inflated.err(), unpack_failure]) {
        return Err(error);
    }
    let (Some(blob), Some(plain)) = (blob, plain) else { return Err(ImageError::Cancelled) };
    let blob_bytes = std::fs::metadata(&path).map_err(|error| ImageError::io("cannot read", &path, error))?.len();
    Ok(Imported { blob, blob_bytes, compression, plain })
}

fn split<T>(result: Result<T>) -> (Option<T>, Option<ImageError>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    }
}

/// The packing stage: gzip, fast, for it is done once and read seldom.
fn compress(mut plain: PipeReader<tee::Shared>, path: &Path) -> Result<(Digest, u64)> {
    let failure = |error| ImageError::io("cannot write", path, error);
    let file = Digesting::new(File::create(path).map_err(failure)?);
    let mut encoder = GzEncoder::new(file, flate2::Compression::fast());
    while let Some(chunk) = plain.next().map_err(|Closed| ImageError::Cancelled)? {
        io::Write::write_all(&mut encoder, chunk.as_ref()).map_err(failure)?;
    }
    let written = encoder.finish().map_err(failure)?;
    let length = written.length;
    Ok((written.digest(), length))
}

/// Reads until `buffer` is full or the end is there.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn join<T>(handle: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
