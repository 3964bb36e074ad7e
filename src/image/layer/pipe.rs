//! A bounded pipe between a layer's stages, which run in threads of their own. An end that was not said aloud is an error,
//! so that a stage that died never looks like the end of the data.

use std::io::{self, Read};

use tokio::sync::mpsc;

/// Chunks under way in one pipe: enough to keep both ends busy, little enough for many layers at once.
const CHUNKS: usize = 4;

/// Bytes as they came from somewhere, whatever type that gives them.
pub(in crate::image) struct Chunk {
    bytes: Box<dyn AsRef<[u8]> + Send>,
    from: usize,
}

impl Chunk {
    /// All of `bytes` behind the first `from`.
    pub(in crate::image) fn behind(bytes: impl AsRef<[u8]> + Send + 'static, from: usize) -> Self {
        Self { bytes: Box::new(bytes), from }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &(*self.bytes).as_ref()[self.from..]
    }
}

enum Message<T> {
    Chunk(T),
    End,
}

/// The end that is written to; dropping it without [`PipeWriter::end`] breaks the pipe.
pub(in crate::image) struct PipeWriter<T>(mpsc::Sender<Message<T>>);

/// The end that is read from.
pub(in crate::image) struct PipeReader<T> {
    receiver: mpsc::Receiver<Message<T>>,
    current: Option<T>,
    position: usize,
    ended: bool,
}

/// The other end is gone: whoever held it knows why.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::image) struct Closed;

pub(in crate::image) fn pipe<T>() -> (PipeWriter<T>, PipeReader<T>) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    (PipeWriter(sender), PipeReader { receiver, current: None, position: 0, ended: false })
}

impl<T> PipeWriter<T> {
    /// Waits for room, blocking the thread.
    pub(in crate::image) fn send(&self, chunk: T) -> Result<(), Closed> {
        self.0.blocking_send(Message::Chunk(chunk)).map_err(|_| Closed)
    }

    /// Waits for room in a task.
    pub(in crate::image) async fn send_async(&self, chunk: T) -> Result<(), Closed> {
        self.0.send(Message::Chunk(chunk)).await.map_err(|_| Closed)
    }

    /// Whether whoever reads waits for more.
    pub(in crate::image) fn is_empty(&self) -> bool {
        self.0.capacity() == self.0.max_capacity()
    }

    /// Says that all was sent.
    pub(in crate::image) fn end(self) {
        // A reader that is gone needs no end.
        let _ = self.0.blocking_send(Message::End);
    }

    /// As [`PipeWriter::end`], in a task.
    pub(in crate::image) async fn end_async(self) {
        let _ = self.0.send(Message::End).await;
    }
}

impl<T> PipeReader<T> {
    /// The next chunk; none at the end that was said.
    pub(in crate::image) fn next(&mut self) -> Result<Option<T>, Closed> {
        if self.ended {
            return Ok(None);
        }
        match self.receiver.blocking_recv() {
            Some(Message::Chunk(chunk)) => Ok(Some(chunk)),
            Some(Message::End) => {
                self.ended = true;
                Ok(None)
            }
            None => Err(Closed),
        }
    }
}

impl<T: AsRef<[u8]>> Read for PipeReader<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(chunk) = &self.current {
                let left = &chunk.as_ref()[self.position..];
                if !left.is_empty() {
                    let length = left.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&left[..length]);
                    self.position += length;
                    return Ok(length);
                }
            }
            self.position = 0;
            self.current =
                self.next().map_err(|Closed| io::Error::new(io::ErrorKind::BrokenPipe, "the data broke off"))?;
            if self.current.is_none() {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipe_carries_all_bytes_to_the_end() {
        let (writer, mut reader) = pipe::<Vec<u8>>();
        let thread = std::thread::spawn(move || {
            for byte in 0..100u8 {
                writer.send(vec![byte; 10]).expect("reader is there");
            }
            writer.end();
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).expect("whole");
        thread.join().expect("writer");
        assert_eq!(all.len(), 1000);
        assert_eq!(all[999], 99);
    }

    #[test]
    fn pipe_dropped_without_end_is_an_error() {
        let (writer, mut reader) = pipe::<Vec<u8>>();
        writer.send(vec![1]).expect("room");
        drop(writer);
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }
}
