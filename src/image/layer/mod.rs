//! One layer on its way from bytes to files: digest, inflate, diff digest and unpacking, each stage in a thread of its own.
//!
//! The receiving stage checks the blob's digest and writes the blob; [`mod@unpack`] writes the files. Nothing is renamed into
//! place here: that is for the store, when every digest was right.

mod archive;
mod attribute;
mod compare;
mod elsewhere;
mod gunzip;
mod inflate;
mod name;
mod owner;
mod pipe;
mod remove;
mod rules;
mod tree;
mod unpack;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::{ImageError, Result};
use crate::model::Digest;

pub(super) use attribute::is_kept;
pub(super) use compare::{Compared, compare_digesting, compare_task};
pub(super) use elsewhere::unpack_task;
pub use inflate::Compression;
use inflate::inflate_proved;
pub(super) use inflate::{Proof, inflate};
pub(super) use owner::is_opaque;
pub(super) use owner::{CAPABILITY_NOTE, OWNER_NOTE};
pub use owner::{IdMap, Owners};
pub(super) use pipe::{Chunk, Closed, PipeReader, PipeWriter, pipe};
pub(super) use remove::remove_tree;
pub(super) use rules::UnpackJob;
pub use rules::UnpackRules;
pub(super) use unpack::{Policy, Unpacked};

/// Bytes that are handed on at once between threads.
pub(super) const CHUNK_BYTES: usize = 128 << 10;

/// How far a layer is, and whether it is to stop: shared between its threads and whoever shows it.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    pub(super) received: AtomicU64,
    pub(super) unpacked: AtomicU64,
    stop: AtomicBool,
}

impl Gauge {
    /// Asks the threads to end at their next step.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(ImageError::Cancelled) } else { Ok(()) }
    }
}

/// Of the failures of stages, given in the order in which they explain each other, the one to tell: that a stage was told
/// to stop explains nothing, if another says why.
pub(super) fn first_cause(failures: impl IntoIterator<Item = Option<ImageError>>) -> Option<ImageError> {
    let all = failures.into_iter().flatten();
    let (told, own): (Vec<_>, Vec<_>) = all.partition(|error| matches!(error, ImageError::Cancelled));
    own.into_iter().chain(told).next()
}

/// A reader that digests what passes through it.
pub(super) struct Digesting<R> {
    inner: R,
    state: Sha256,
    pub(super) length: u64,
}

impl<R> Digesting<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, state: Sha256::new(), length: 0 }
    }

    pub(super) fn digest(self) -> Digest {
        self.into_parts().2
    }

    /// How many bytes passed through, what they went through, and their digest.
    pub(super) fn into_parts(self) -> (u64, R, Digest) {
        (self.length, self.inner, Digest::from_sha256(self.state.finalize().into()))
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.state.update(&buffer[..read]);
        self.length += read as u64;
        Ok(read)
    }
}

/// As [`Digesting`], for writers.
impl<W: io::Write> io::Write for Digesting<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.state.update(&buffer[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What a layer turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) diff_id: Digest,
    pub(super) unpacked: Unpacked,
}

/// Unpacks a plain archive and digests all of it, what follows the archive's end included.
pub(super) fn unpack_digesting(plain: impl Read, job: &UnpackJob, gauge: &Gauge) -> Result<Plain> {
    let mut plain = Digesting::new(plain);
    let unpacked = match job.owners {
        Owners::Mapped(_) => elsewhere::unpack_elsewhere(&mut plain, job, gauge)?,
        _ => unpack::unpack(&mut plain, job, gauge)?,
    };
    let mut rest = [0; 64 << 10];
    loop {
        gauge.check()?;
        // What follows the archive takes no room, but time.
        job.check_size(0, plain.length)?;
        match plain.read(&mut rest) {
            Ok(0) => return Ok(Plain { diff_id: plain.digest(), unpacked }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ImageError::layer(&job.layer, error)),
        }
    }
}

/// Digests a blob as it comes, writes it to `file` and hands it on: the receiving stage. It goes on digesting when the next
/// stage has given up, since a wrong digest says more than whatever that stumbled over.
pub(super) fn receive_stage(
    mut blob: PipeReader<Chunk>,
    mut file: Option<(File, PathBuf)>,
    mut out: Option<PipeWriter<Chunk>>,
    gauge: &Gauge,
) -> Result<Digest> {
    let mut state = Sha256::new();
    // A pipe that broke is for its writer to explain.
    while let Some(chunk) = blob.next().map_err(|Closed| ImageError::Cancelled)? {
        gauge.check()?;
        state.update(chunk.as_ref());
        if let Some((file, path)) = &mut file {
            file.write_all(chunk.as_ref()).map_err(|error| ImageError::io("cannot write", path, error))?;
        }
        gauge.received.fetch_add(chunk.as_ref().len() as u64, Ordering::Relaxed);
        if let Some(next) = &out
            && next.send(chunk) == Err(Closed)
        {
            out = None;
        }
    }
    if let Some(out) = out {
        out.end();
    }
    Ok(Digest::from_sha256(state.finalize().into()))
}

/// Reads `compressed`, opens it, and hands the plain archive on in chunks: the inflating stage.
pub(super) fn inflate_stage(
    compressed: impl Read + Send,
    out: PipeWriter<Vec<u8>>,
    layer: &str,
    proof: Proof,
) -> Result<()> {
    let mut plain = inflate_proved(compressed, proof).map_err(|error| ImageError::layer(layer, error))?;
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut filled = 0;
        while filled < CHUNK_BYTES {
            match plain.read(&mut chunk[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ImageError::layer(layer, error)),
            }
        }
        let last = filled < CHUNK_BYTES;
        chunk.truncate(filled);
        if filled > 0 && out.send(chunk) == Err(Closed) {
            return Ok(());
        }
        if last {
            out.end();
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
