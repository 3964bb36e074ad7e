//! Layers in another compression than the store has them in. They lie in files without names, which no crash leaves behind.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use flate2::write::GzEncoder;

use super::{ArchiveFormat, SaveOptions};
use crate::image::layer::{Compression, Digesting, inflate};
use crate::image::manifest::Part;
use crate::image::{ImageError, Result, Store};
use crate::model::{Digest, TransferGauge};
use crate::sys::file::nameless;

/// What `zstd` itself takes when it is not told.
const ZSTD_LEVEL: i32 = 3;
const CHUNK_BYTES: usize = 128 << 10;

/// A layer that was compressed anew.
pub(super) struct Repacked {
    pub(super) part: Part,
    pub(super) file: File,
}

/// Compresses anew what has to be, on all processors. By the digests of the store's blobs.
pub(super) fn repack<'a>(
    store: &Store,
    layers: impl Iterator<Item = &'a Part>,
    options: &SaveOptions,
    gauge: &TransferGauge,
) -> Result<HashMap<Digest, Repacked>> {
    let mut jobs = Vec::new();
    for digest in layers.map(|part| &part.digest).collect::<BTreeSet<_>>() {
        let has = compression(&store.blob_path(digest))?;
        // Docker before 23 cannot read zstd.
        let readable =
            if has == Compression::Zstd && options.format == ArchiveFormat::Docker { Compression::Gzip } else { has };
        let wanted = options.layers.unwrap_or(readable);
        if wanted != has {
            jobs.push((digest.clone(), wanted));
        }
    }
    let threads = thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let jobs = Mutex::new(jobs);
    let work = || -> Result<Vec<(Digest, Repacked)>> {
        let mut done = Vec::new();
        loop {
            let Some((digest, wanted)) = jobs.lock().unwrap_or_else(|error| error.into_inner()).pop() else {
                return Ok(done);
            };
            let repacked = one(store, &digest, wanted, gauge)?;
            done.push((digest, repacked));
        }
    };
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let results: Result<Vec<_>> = results.into_iter().collect();
    Ok(results?.into_iter().flatten().collect())
}

/// How a blob is compressed, whatever its manifest calls it.
fn compression(path: &Path) -> Result<Compression> {
    let unreadable = |error| ImageError::io("cannot read", path, error);
    let mut beginning = Vec::new();
    File::open(path).map_err(unreadable)?.take(8).read_to_end(&mut beginning).map_err(unreadable)?;
    Ok(Compression::of(&beginning).unwrap_or(Compression::Plain))
}

fn one(store: &Store, digest: &Digest, wanted: Compression, gauge: &TransferGauge) -> Result<Repacked> {
    let path = store.blob_path(digest);
    let unreadable = |error| ImageError::io("cannot read", &path, error);
    let folder = store.folder().join("partial");
    let unwritable = |error| ImageError::io("cannot write", &folder, error);
    let mut plain = inflate(File::open(&path).map_err(unreadable)?).map_err(unreadable)?;
    let out = Digesting::new(nameless(&folder).map_err(unwritable)?);
    let written = match wanted {
        Compression::Plain => copy(&mut plain, out, gauge, digest, &folder)?,
        Compression::Gzip => {
            let encoder = GzEncoder::new(out, flate2::Compression::fast());
            copy(&mut plain, encoder, gauge, digest, &folder)?.finish().map_err(unwritable)?
        }
        Compression::Zstd => {
            let encoder = zstd::Encoder::new(out, ZSTD_LEVEL).map_err(unwritable)?;
            copy(&mut plain, encoder, gauge, digest, &folder)?.finish().map_err(unwritable)?
        }
    };
    let (size, file, digest) = written.into_parts();
    Ok(Repacked { part: Part { media_type: wanted.media_type().to_owned(), digest, size }, file })
}

fn copy<W: Write>(
    plain: &mut dyn Read,
    mut out: W,
    gauge: &TransferGauge,
    digest: &Digest,
    folder: &Path,
) -> Result<W> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        if gauge.is_stopped() {
            return Err(ImageError::Cancelled);
        }
        match plain.read(&mut chunk) {
            Ok(0) => return Ok(out),
            Ok(read) => {
                out.write_all(&chunk[..read]).map_err(|error| ImageError::io("cannot write", folder, error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ImageError::store(format!("layer {}", digest.short()), error)),
        }
    }
}
