//! A registry's answer: its body, at a pace that is worth waiting for, and what it says of a failure.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, LINK};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::endpoint::Endpoint;
use super::pace::Pace;
use crate::image::{ImageError, Result};
use crate::model::printable_line;

/// The most that is read of a failure's explanation.
const MESSAGE_MAX: u64 = 64 << 10;
/// Characters of it that are shown.
const MESSAGE_SHOWN: usize = 200;

/// A registry's answer to a request that succeeded; its body is yet to be read.
pub(in crate::image) struct Answer {
    endpoint: Arc<Endpoint>,
    response: Response,
    pace: Pace,
}

impl Answer {
    pub(super) fn new(endpoint: &Arc<Endpoint>, response: Response) -> Self {
        let pace = Pace::new(endpoint.timeout());
        Self { endpoint: endpoint.clone(), response, pace }
    }

    pub(in crate::image) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(in crate::image) fn header(&self, name: HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next piece of the body; none at its end.
    ///
    /// A broken or silent connection is [`ImageError::Connection`], which asking anew may mend. A registry that sends, but too
    /// slowly to ever come to an end, is [`ImageError::TooSlow`]: that is final.
    pub(in crate::image) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let start = Instant::now();
        let chunk = tokio::time::timeout(self.pace.left(), self.response.chunk()).await;
        match chunk {
            Ok(Ok(chunk)) => {
                self.pace.count(start.elapsed(), chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
                Ok(chunk)
            }
            Ok(Err(error)) => Err(connection(self.endpoint.name(), &error)),
            Err(_) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> ImageError {
        let registry = self.endpoint.name().to_owned();
        // After a mirror there is somebody else to ask.
        if self.endpoint.is_mirror() {
            self.endpoint.set_down();
        }
        match self.pace.is_silent() || self.endpoint.is_mirror() {
            true => silence(&registry, self.pace.window()),
            false => ImageError::TooSlow { registry, seconds: self.pace.window().as_secs() },
        }
    }

    /// The whole body; none if it is longer than `limit`.
    pub(super) async fn bytes(&mut self, limit: u64) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }

    /// What it says of a failure: the specification's JSON, or the beginning of whatever it sent, made printable.
    pub(super) async fn message(mut self) -> String {
        let kind = self.header(CONTENT_TYPE).unwrap_or_default();
        let json = kind.starts_with("application/json");
        let bytes = self.bytes(MESSAGE_MAX).await.ok().flatten().unwrap_or_default();
        let said = serde_json::from_slice::<Value>(&bytes).ok();
        let said = said.as_ref().and_then(|it| it.pointer("/errors/0/message").or_else(|| it.get("message"))?.as_str());
        let text = match said {
            Some(said) => said.to_owned(),
            None if json => String::new(),
            None => String::from_utf8_lossy(&bytes).trim().to_owned(),
        };
        let short: String = text.chars().take(MESSAGE_SHOWN).collect();
        printable_line(&short).into_owned()
    }

    /// The path in `Link: </v2/_catalog?last=x&n=100>; rel="next"`, or in a whole address; another host's is not followed.
    pub(super) fn next_page(&self) -> Option<String> {
        let (target, rest) = self.header(LINK)?.trim().strip_prefix('<')?.split_once('>')?;
        let next = self.url().join(target).ok().filter(|next| next.origin() == self.url().origin())?;
        let query = next.query().map(|query| format!("?{query}")).unwrap_or_default();
        rest.contains("next").then(|| format!("{}{query}", next.path()))
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub(super) fn url(&self) -> &reqwest::Url {
        self.response.url()
    }
}

/// Nobody listens, or with a certificate we do not trust: that stays so.
pub(super) fn is_final(error: &reqwest::Error) -> bool {
    let deepest = deepest(error);
    let refused =
        deepest.downcast_ref::<std::io::Error>().is_some_and(|it| it.kind() == std::io::ErrorKind::ConnectionRefused);
    refused || deepest.is::<rustls::Error>() || error.is_redirect() || error.is_builder()
}

fn deepest<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// What broke, in the words of the innermost error: the outer ones only say that a request failed.
pub(super) fn connection(registry: &str, error: &reqwest::Error) -> ImageError {
    let reason = match error.is_timeout() {
        true => "it does not answer in time".to_owned(),
        false => deepest(error).to_string(),
    };
    ImageError::Connection { registry: registry.to_owned(), reason: printable_line(&reason).into_owned() }
}

pub(super) fn silence(registry: &str, timeout: Duration) -> ImageError {
    let reason = format!("it was silent for {} s", timeout.as_secs());
    ImageError::Connection { registry: registry.to_owned(), reason }
}
