//! The order of a blob's bytes: what comes from several connections goes into the pipe as if it came from one.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Mutex;

use super::in_thread;
use super::partial::Blob;
use super::receive::Piece;
use crate::image::layer::{Chunk, Closed, PipeWriter};
use crate::image::{ImageError, Result};

pub(super) struct Flow {
    blob: Arc<Blob>,
    out: PipeWriter<Piece>,
    /// The first byte that is not in the pipe yet.
    next: Mutex<u64>,
}

impl Flow {
    pub(super) fn new(blob: Arc<Blob>, out: PipeWriter<Piece>) -> Self {
        Self { blob, out, next: Mutex::new(0) }
    }

    /// Takes bytes of one place: sends them if their turn has come, or writes them down until it has.
    pub(super) async fn take(&self, offset: u64, mut chunk: Bytes) -> Result<()> {
        let mut next = self.next.lock().await;
        self.send_kept(&mut next).await?;
        // A cell that somebody else went on with may overlap a little with what was sent.
        let known = next.saturating_sub(offset);
        if known >= chunk.len() as u64 {
            return Ok(());
        }
        // Less than a chunk's length.
        let chunk = chunk.split_off(known as usize);
        if offset + known == *next {
            let length = chunk.len() as u64;
            self.send(Piece::Fresh(Chunk::behind(chunk, 0))).await?;
            *next += length;
            return self.send_kept(&mut next).await;
        }
        drop(next);
        let blob = self.blob.clone();
        in_thread(move || blob.write(offset, &chunk)).await
    }

    /// Sends what is kept and due; the first byte that is not.
    pub(super) async fn catch_up(&self) -> Result<u64> {
        let mut next = self.next.lock().await;
        self.send_kept(&mut next).await?;
        Ok(*next)
    }

    async fn send_kept(&self, next: &mut u64) -> Result<()> {
        if *next < self.blob.size() {
            let length = self.blob.kept_from(*next);
            if length > 0 {
                self.send(Piece::Kept(length)).await?;
                *next += length;
            }
        }
        Ok(())
    }

    async fn send(&self, piece: Piece) -> Result<()> {
        self.out.send_async(piece).await.map_err(|Closed| ImageError::Cancelled)
    }

    /// Whether whoever reads waits for the network.
    pub(super) fn is_hungry(&self) -> bool {
        self.out.is_empty()
    }

    /// The first byte that is not sent; none while something is being sent.
    pub(super) fn position(&self) -> Option<u64> {
        self.next.try_lock().map(|next| *next).ok()
    }

    pub(super) async fn end(self) {
        self.out.end_async().await;
    }
}
