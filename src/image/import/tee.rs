//! One stream of bytes into two pipes: what is packed is unpacked as well.

use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::image::layer::{CHUNK_BYTES, PipeWriter};

/// A chunk that two threads read.
#[derive(Clone)]
pub(in crate::image) struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A writer into both pipes. Without [`Tee::end`] the readers find them broken.
pub(in crate::image) struct Tee {
    pipes: [PipeWriter<Shared>; 2],
    chunk: Vec<u8>,
}

impl Tee {
    pub(in crate::image) fn new(pipes: [PipeWriter<Shared>; 2]) -> Self {
        Self { pipes, chunk: Vec::with_capacity(CHUNK_BYTES) }
    }

    /// Copies all of `reader`. A reader of ours that is gone ends it without an error: that one says why.
    pub(in crate::image) fn copy(&mut self, reader: &mut dyn Read) -> io::Result<()> {
        match io::copy(reader, self) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map(|_| ()),
        }
    }

    pub(in crate::image) fn end(mut self) {
        // Who is gone needs no end.
        if self.flush().is_ok() {
            self.pipes.into_iter().for_each(PipeWriter::end);
        }
    }
}

impl Write for Tee {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = buffer.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&buffer[..length]);
        if self.chunk.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = Shared(Arc::new(std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES))));
        for pipe in &self.pipes {
            pipe.send(chunk.clone()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        Ok(())
    }
}
