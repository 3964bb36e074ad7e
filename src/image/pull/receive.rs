//! The receiving stage of a pull: digests a blob in its order, writes what is new of it, and hands it on to be inflated.

use crate::image::layer::{CHUNK_BYTES, Chunk, Closed, Gauge, PipeReader, PipeWriter};
use crate::image::{ImageError, Result};
use crate::model::Digest;

use std::sync::atomic::Ordering;

use sha2::{Digest as _, Sha256};

use super::partial::Blob;

/// The next bytes of a blob.
pub(super) enum Piece {
    /// As they came from the registry, not written yet.
    Fresh(Chunk),
    /// So many that are in the blob's file.
    Kept(u64),
}

/// Goes on digesting when the next stage has given up, since a wrong digest says more than whatever that stumbled over.
pub(super) fn receive(
    mut pieces: PipeReader<Piece>,
    blob: &Blob,
    out: Option<PipeWriter<Chunk>>,
    gauge: &Gauge,
) -> Result<Digest> {
    let mut hand_on = HandOn { state: Sha256::new(), out, gauge };
    let mut position = 0;
    // A pipe that broke is for its writer to explain.
    while let Some(piece) = pieces.next().map_err(|Closed| ImageError::Cancelled)? {
        match piece {
            Piece::Fresh(chunk) => {
                blob.write(position, chunk.as_ref())?;
                position += chunk.as_ref().len() as u64;
                hand_on.take(chunk)?;
            }
            Piece::Kept(length) => {
                let end = position + length;
                while position < end {
                    let mut bytes = vec![0; CHUNK_BYTES.min(usize::try_from(end - position).unwrap_or(CHUNK_BYTES))];
                    blob.read(position, &mut bytes)?;
                    position += bytes.len() as u64;
                    hand_on.take(Chunk::behind(bytes, 0))?;
                }
            }
        }
    }
    Ok(hand_on.end())
}

struct HandOn<'a> {
    state: Sha256,
    out: Option<PipeWriter<Chunk>>,
    gauge: &'a Gauge,
}

impl HandOn<'_> {
    fn take(&mut self, chunk: Chunk) -> Result<()> {
        self.gauge.check()?;
        self.state.update(chunk.as_ref());
        self.gauge.received.fetch_add(chunk.as_ref().len() as u64, Ordering::Relaxed);
        if let Some(out) = &self.out
            && out.send(chunk) == Err(Closed)
        {
            self.out = None;
        }
        Ok(())
    }

    fn end(self) -> Digest {
        if let Some(out) = self.out {
            out.end();
        }
        Digest::from_sha256(self.state.finalize().into())
    }
}
