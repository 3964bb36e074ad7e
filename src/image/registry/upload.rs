//! What a push asks of a registry: whether it has a blob, to take one over from another repository, to take one, to take a manifest.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RANGE};
use reqwest::{Body, Method, StatusCode};

use super::call::CallBody;
use super::{Answer, Call, Registry};
use crate::image::{ImageError, Result};
use crate::model::Digest;

/// Bytes that are read of a file at once.
const READ_BYTES: u64 = 256 << 10;
/// Blobs up to this are sent in one request, larger ones in chunks.
const WHOLE_MAX: u64 = 1 << 20;
/// Bytes of a chunk: below what proxies before registries take at once.
const CHUNK: u64 = 32 << 20;
/// Times that an upload may break without the registry having more than before.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(200);

const OCTETS: &str = "application/octet-stream";
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const CHUNK_LEAST: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// A blob on its way to a registry.
pub(in crate::image) struct Upload<'a> {
    pub(in crate::image) repository: &'a str,
    /// Another repository of the registry that is thought to have it.
    pub(in crate::image) from: Option<&'a str>,
    pub(in crate::image) digest: &'a Digest,
    pub(in crate::image) file: Arc<File>,
    pub(in crate::image) size: u64,
    /// Counts what has been sent.
    pub(in crate::image) sent: Arc<AtomicU64>,
    pub(in crate::image) what: &'a str,
}

/// A manifest or index as it lies in the store.
#[derive(Clone)]
pub(in crate::image) struct StoredDocument {
    pub(in crate::image) digest: Digest,
    pub(in crate::image) media_type: String,
    pub(in crate::image) bytes: Vec<u8>,
}

/// How a blob came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum Taken {
    Sent,
    Mounted,
}

/// An upload that the registry has begun.
struct Session {
    /// Where the next request goes.
    place: String,
    chunk: u64,
}

impl Registry {
    /// Whether the repository has this blob.
    pub(in crate::image) async fn has_blob(&self, repository: &str, digest: &Digest, what: &str) -> Result<bool> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        match self.call(Call { method: Method::HEAD, target: &path, headers: Vec::new(), body: None, what }).await {
            Ok(_) => Ok(true),
            Err(ImageError::NotInRegistry { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives the registry a blob that it has not got in this repository.
    pub(in crate::image) async fn take(&self, upload: &Upload<'_>) -> Result<Taken> {
        let Some(session) = self.begin(upload, upload.from).await? else { return Ok(Taken::Mounted) };
        match upload.size <= WHOLE_MAX {
            true => self.send_whole(session, upload).await?,
            false => self.send_chunks(session, upload).await?,
        }
        upload.sent.store(upload.size, Ordering::Relaxed);
        Ok(Taken::Sent)
    }

    /// Puts a manifest or index under a tag or digest.
    pub(in crate::image) async fn put_manifest(
        &self,
        repository: &str,
        target: &str,
        document: &StoredDocument,
        what: &str,
    ) -> Result<()> {
        let path = format!("/v2/{repository}/manifests/{target}");
        let bytes = Bytes::copy_from_slice(&document.bytes);
        let (make, sent) = (|| Body::from(bytes.clone()), AtomicU64::new(0));
        let headers = vec![(CONTENT_TYPE, document.media_type.clone())];
        let body = Some(CallBody { make: &make, sent: &sent });
        let answer = self.call(Call { method: Method::PUT, target: &path, headers, body, what }).await?;
        match answer.header(CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok()) {
            Some(got) if got != document.digest => Err(ImageError::DigestMismatch {
                what: format!("{what} in registry {}", self.name()),
                expected: document.digest.clone(),
                got,
            }),
            _ => Ok(()),
        }
    }

    /// Begins an upload, unless the registry takes the blob over from the repository `from`: then there is none.
    async fn begin(&self, upload: &Upload<'_>, from: Option<&str>) -> Result<Option<Session>> {
        let path = format!("/v2/{}/blobs/uploads/", upload.repository);
        let path = match from {
            Some(from) => format!("{path}?mount={}&from={from}", upload.digest),
            None => path,
        };
        let headers = vec![(CONTENT_LENGTH, "0".to_owned())];
        let call = Call { method: Method::POST, target: &path, headers, body: None, what: upload.what };
        let answer = match self.call(call).await {
            // Not everybody may look into the other repository.
            Err(ImageError::Unauthorized { .. } | ImageError::NotInRegistry { .. } | ImageError::Status { .. })
                if from.is_some() =>
            {
                return Box::pin(self.begin(upload, None)).await;
            }
            answer => answer?,
        };
        if answer.status() == StatusCode::CREATED {
            return Ok(None);
        }
        let least = answer.header(CHUNK_LEAST).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Some(Session { place: self.place(&answer, upload.what)?, chunk: CHUNK.max(least) }))
    }

    async fn begin_anew(&self, upload: &Upload<'_>) -> Result<Session> {
        let session = self.begin(upload, None).await?;
        session.ok_or_else(|| ImageError::garbage(self.name(), upload.what, "it takes over what nobody asked it to"))
    }

    /// One request with all of the blob.
    async fn send_whole(&self, mut session: Session, upload: &Upload<'_>) -> Result<()> {
        let mut failures = 0;
        loop {
            let headers = vec![(CONTENT_LENGTH, upload.size.to_string()), (CONTENT_TYPE, OCTETS.to_owned())];
            let target = with_digest(&session.place, upload.digest);
            let error = match self.put(&target, headers, upload, 0..upload.size).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            failures += 1;
            if !is_passing(&error) || failures >= TRIES {
                return Err(error);
            }
            tokio::time::sleep(PAUSE * 2u32.pow(failures - 1)).await;
            // The answer may have been lost, not the blob.
            if self.has_blob(upload.repository, upload.digest, upload.what).await? {
                return Ok(());
            }
            session = self.begin_anew(upload).await?;
        }
    }

    /// Chunk by chunk; what breaks is taken up where the registry says it has got.
    async fn send_chunks(&self, mut session: Session, upload: &Upload<'_>) -> Result<()> {
        let (mut offset, mut failures, mut best) = (0, 0, 0);
        while offset < upload.size {
            let end = upload.size.min(offset + session.chunk);
            let error = match self.patch(&session, upload, offset..end).await {
                Ok(answer) => {
                    let received = received(&answer, end);
                    if received > end || received < offset {
                        let reason = format!("it says to have {received} bytes when {end} were sent");
                        return Err(ImageError::garbage(self.name(), upload.what, reason));
                    }
                    session.place = self.place(&answer, upload.what)?;
                    offset = received;
                    continue;
                }
                Err(error) => error,
            };
            if offset == 0 && knows_no_chunks(&error) {
                let session = self.begin_anew(upload).await?;
                return self.send_whole(session, upload).await;
            }
            // Too much at once for something on the way.
            if matches!(error, ImageError::Status { status: 413, .. }) && session.chunk > WHOLE_MAX {
                session = Session { chunk: session.chunk / 4, ..self.begin_anew(upload).await? };
                offset = 0;
                continue;
            }
            if offset > best {
                (best, failures) = (offset, 0);
            }
            failures += 1;
            if failures >= TRIES || !(is_passing(&error) || is_out_of_step(&error)) {
                return Err(error);
            }
            tokio::time::sleep(PAUSE * 2u32.pow(failures - 1)).await;
            offset = match self.state(&mut session, upload).await? {
                Some(received) => received,
                // It has forgotten the upload.
                None => {
                    session = Session { chunk: session.chunk, ..self.begin_anew(upload).await? };
                    0
                }
            };
            upload.sent.store(offset, Ordering::Relaxed);
        }
        self.complete(&session, upload).await
    }

    async fn complete(&self, session: &Session, upload: &Upload<'_>) -> Result<()> {
        let target = with_digest(&session.place, upload.digest);
        let headers = vec![(CONTENT_LENGTH, "0".to_owned()), (CONTENT_TYPE, OCTETS.to_owned())];
        let (method, what) = (Method::PUT, upload.what);
        match self.call(Call { method, target: &target, headers, body: None, what }).await {
            Ok(_) => Ok(()),
            // The first of several tries may have arrived.
            Err(error) => match self.has_blob(upload.repository, upload.digest, what).await {
                Ok(true) => Ok(()),
                _ => Err(error),
            },
        }
    }

    async fn patch(&self, session: &Session, upload: &Upload<'_>, part: std::ops::Range<u64>) -> Result<Answer> {
        let headers = vec![
            (CONTENT_LENGTH, (part.end - part.start).to_string()),
            (CONTENT_RANGE, format!("{}-{}", part.start, part.end - 1)),
            (CONTENT_TYPE, OCTETS.to_owned()),
        ];
        let make = || upload.body(part.start, part.end);
        let body = Some(CallBody { make: &make, sent: &upload.sent });
        let (method, target, what) = (Method::PATCH, session.place.as_str(), upload.what);
        self.call(Call { method, target, headers, body, what }).await
    }

    async fn put(
        &self,
        target: &str,
        headers: Vec<(HeaderName, String)>,
        upload: &Upload<'_>,
        part: std::ops::Range<u64>,
    ) -> Result<Answer> {
        let make = || upload.body(part.start, part.end);
        let body = Some(CallBody { make: &make, sent: &upload.sent });
        self.call(Call { method: Method::PUT, target, headers, body, what: upload.what }).await
    }

    /// How much the registry has of an upload that broke; none if it does not know it any more.
    async fn state(&self, session: &mut Session, upload: &Upload<'_>) -> Result<Option<u64>> {
        let target = session.place.clone();
        let call = Call { method: Method::GET, target: &target, headers: Vec::new(), body: None, what: upload.what };
        let answer = match self.call(call).await {
            Ok(answer) => answer,
            Err(ImageError::NotInRegistry { .. }) => return Ok(None),
            Err(error) if is_out_of_step(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if answer.header(LOCATION).is_some() {
            session.place = self.place(&answer, upload.what)?;
        }
        Ok(Some(received(&answer, 0)).filter(|received| *received <= upload.size))
    }

    /// An address as `Location` gives it: whole, or a path on this registry.
    fn place(&self, answer: &Answer, what: &str) -> Result<String> {
        let valid = |text: &&str| text.starts_with('/') || text.starts_with("https://") || text.starts_with("http://");
        let location = answer.header(LOCATION).filter(valid);
        let location =
            location.ok_or_else(|| ImageError::garbage(self.name(), what, "it names no place for an upload"))?;
        Ok(location.to_owned())
    }
}

impl Upload<'_> {
    /// The bytes from `offset` to `end`, read as they are sent.
    fn body(&self, offset: u64, end: u64) -> Body {
        let (file, sent) = (self.file.clone(), self.sent.clone());
        sent.store(offset, Ordering::Relaxed);
        let pieces = stream::try_unfold(offset, move |at| {
            let (file, sent) = (file.clone(), sent.clone());
            async move {
                let length = (end - at).min(READ_BYTES);
                if length == 0 {
                    return Ok::<_, io::Error>(None);
                }
                let read = move || {
                    let mut piece = vec![0; usize::try_from(length).expect("a small piece")];
                    file.read_exact_at(&mut piece, at).map(|()| piece)
                };
                let piece = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
                sent.fetch_add(length, Ordering::Relaxed);
                Ok(Some((Bytes::from(piece), at + length)))
            }
        });
        Body::wrap_stream(pieces)
    }
}

fn with_digest(place: &str, digest: &Digest) -> String {
    let separator = if place.contains('?') { '&' } else { '?' };
    format!("{place}{separator}digest={digest}")
}

/// The bytes that `Range: 0-N` says have come. `0-0` stands for none, as docker-registry writes it.
fn received(answer: &Answer, otherwise: u64) -> u64 {
    let last = answer.header(RANGE).and_then(|text| {
        let text = text.strip_prefix("bytes=").unwrap_or(text);
        text.strip_prefix("0-")?.parse::<u64>().ok()
    });
    match last {
        Some(0) => 0,
        Some(last) => last.saturating_add(1),
        None => otherwise,
    }
}

/// A failure that another try may not have.
fn is_passing(error: &ImageError) -> bool {
    match error {
        ImageError::Connection { .. } => true,
        ImageError::Status { status, .. } => *status >= 500 || *status == 408,
        _ => false,
    }
}

/// The registry has another part of the upload than we think.
fn is_out_of_step(error: &ImageError) -> bool {
    matches!(error, ImageError::NotInRegistry { .. } | ImageError::Status { status: 400 | 416, .. })
}

/// A registry that takes blobs only whole (the specification lets it).
fn knows_no_chunks(error: &ImageError) -> bool {
    matches!(error, ImageError::NotInRegistry { .. } | ImageError::Status { status: 400 | 405 | 411 | 415 | 501, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_added_to_an_address_with_and_without_a_query() {
        let digest = Digest::from_sha256([0; 32]);
        assert!(with_digest("/u", &digest).starts_with("/u?digest=sha256:00"));
        assert!(with_digest("/u?_state=x", &digest).starts_with("/u?_state=x&digest=sha256:00"));
    }
}
