//! What a push asks of a registry: whether it has a blob, to take one over from another repository, to take one, to take a manifest.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Method, StatusCode};

use super::{Call, Registry};
use crate::image::manifest::ACCEPT as MANIFESTS;
use crate::image::{ImageError, Result};
use crate::model::Digest;

/// Bytes that are read of a file at once.
const READ_BYTES: u64 = 256 << 10;

/// A blob on its way to a registry.
pub(in crate::image) struct Upload<'a> {
    pub(in crate::image) digest: &'a Digest,
    pub(in crate::image) file: Arc<File>,
    pub(in crate::image) size: u64,
    /// Counts what has been sent.
    pub(in crate::image) sent: Arc<AtomicU64>,
    pub(in crate::image) what: &'a str,
}

impl Registry {
    /// Whether the repository has this blob.
    pub(in crate::image) async fn has_blob(&self, repository: &str, digest: &Digest, what: &str) -> Result<bool> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let call = Call { method: Method::HEAD, target: &path, headers: Vec::new(), body: None, what };
        match self.call(call).await {
            Ok(_) => Ok(true),
            Err(ImageError::NotInRegistry { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Asks for a blob of another repository to be taken over. If that is refused, the answer is where to upload it.
    pub(in crate::image) async fn mount(
        &self,
        repository: &str,
        from: Option<&str>,
        digest: &Digest,
        what: &str,
    ) -> Result<Option<String>> {
        let path = match from {
            Some(from) => format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}"),
            None => format!("/v2/{repository}/blobs/uploads/"),
        };
        let headers = vec![(CONTENT_LENGTH, "0".to_owned())];
        let answer = self.call(Call { method: Method::POST, target: &path, headers, body: None, what }).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(None);
        }
        self.location(answer.header(LOCATION), what).map(Some)
    }

    /// Sends the whole blob to `place`, where an upload has begun.
    pub(in crate::image) async fn put_blob(&self, place: &str, upload: &Upload<'_>) -> Result<()> {
        let separator = if place.contains('?') { '&' } else { '?' };
        let target = format!("{place}{separator}digest={}", upload.digest);
        let headers =
            vec![(CONTENT_LENGTH, upload.size.to_string()), (CONTENT_TYPE, "application/octet-stream".to_owned())];
        let body = || upload.body(0, upload.size);
        let call = Call { method: Method::PUT, target: &target, headers, body: Some(&body), what: upload.what };
        self.call(call).await.map(drop)
    }

    /// Puts a manifest or index under a tag or digest.
    pub(in crate::image) async fn put_manifest(
        &self,
        repository: &str,
        target: &str,
        media_type: &str,
        bytes: &[u8],
        what: &str,
    ) -> Result<()> {
        let path = format!("/v2/{repository}/manifests/{target}");
        let bytes = Bytes::copy_from_slice(bytes);
        let body = || Body::from(bytes.clone());
        let headers = vec![(CONTENT_TYPE, media_type.to_owned()), (ACCEPT, MANIFESTS.to_owned())];
        self.call(Call { method: Method::PUT, target: &path, headers, body: Some(&body), what }).await.map(drop)
    }

    /// An address as `Location` gives it: whole, or a path on this registry.
    fn location(&self, header: Option<&str>, what: &str) -> Result<String> {
        let valid = |text: &&str| text.starts_with('/') || text.starts_with("https://") || text.starts_with("http://");
        let location = header.filter(valid);
        let location =
            location.ok_or_else(|| ImageError::garbage(&self.name, what, "it names no place for an upload"))?;
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
                    return Ok::<_, std::io::Error>(None);
                }
                let read = move || {
                    let mut piece = vec![0; usize::try_from(length).expect("a small piece")];
                    file.read_exact_at(&mut piece, at).map(|()| piece)
                };
                let piece = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)??;
                sent.fetch_add(length, Ordering::Relaxed);
                Ok(Some((Bytes::from(piece), at + length)))
            }
        });
        Body::wrap_stream(pieces)
    }
}
