//! A blob's bytes from the registry into a pipe; a connection that breaks is taken up where it broke.

use std::time::Duration;

use reqwest::StatusCode;

use crate::image::layer::{Chunk, Closed, PipeWriter};
use crate::image::manifest::Part;
use crate::image::registry::{Answer, Registry, Span};
use crate::image::{ImageError, Result};

/// Times a connection may break without one more byte having come.
const TRIES: u32 = 4;

/// Fetches one blob: `part.size` bytes and not one more.
pub(super) struct Fetch<'a> {
    pub(super) registry: &'a Registry,
    pub(super) repository: &'a str,
    pub(super) part: &'a Part,
}

impl Fetch<'_> {
    /// Sends the blob's bytes into the pipe. A pipe closed at its other end is `Cancelled`: whoever closed it knows why.
    pub(super) async fn run(&self, out: PipeWriter<Chunk>) -> Result<()> {
        let (mut received, mut skip, mut failures) = (0u64, 0u64, 0u32);
        let mut response = self.open(0).await?;
        loop {
            let broke = loop {
                let chunk = match response.chunk().await {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                };
                let length = chunk.len() as u64;
                let passed = skip.min(length);
                skip -= passed;
                if passed == length {
                    continue;
                }
                received += length - passed;
                failures = 0;
                if received > self.part.size {
                    let reason = format!("it is longer than the {} bytes of the manifest", self.part.size);
                    return Err(ImageError::garbage(self.registry.name(), &self.what(), reason));
                }
                let passed = usize::try_from(passed).expect("less than a chunk's length");
                if out.send_async(Chunk::behind(chunk, passed)).await == Err(Closed) {
                    return Err(ImageError::Cancelled);
                }
            };
            if received == self.part.size {
                out.end_async().await;
                return Ok(());
            }
            failures += 1;
            if failures >= TRIES {
                return Err(match broke {
                    Some(error) => error,
                    None => self.short(received),
                });
            }
            tokio::time::sleep(Duration::from_millis(200) * 2u32.pow(failures - 1)).await;
            response = self.open(received).await?;
            // A registry that knows no ranges begins anew: what we have is passed over.
            skip = if response.status() == StatusCode::PARTIAL_CONTENT { 0 } else { received };
        }
    }

    async fn open(&self, offset: u64) -> Result<Answer> {
        let path = format!("/v2/{}/blobs/{}", self.repository, self.part.digest);
        self.registry.get(&path, "*/*", &self.what(), Span { offset, end: None }).await
    }

    fn what(&self) -> String {
        format!("layer {} of {}", self.part.digest.short(), self.repository)
    }

    fn short(&self, received: u64) -> ImageError {
        let reason =
            format!("it closes the connection after {received} of {} bytes of {}", self.part.size, self.what());
        ImageError::Connection { registry: self.registry.name().to_owned(), reason }
    }
}
