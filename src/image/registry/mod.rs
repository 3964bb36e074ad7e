//! A registry's HTTP interface (OCI distribution specification): requests with authorization, retries, and limits on what is
//! believed. `oci-client` is not used: it reads manifests without a limit, cannot resume a blob, and hides `Retry-After`.

mod auth;
mod upload;

use std::error::Error;
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, LINK, RANGE, RETRY_AFTER};
use reqwest::{Body, Client, Method, Response, StatusCode};
use serde_json::Value;
use tokio::sync::Mutex;

pub(super) use upload::Upload;

use super::{ImageError, Result};
use crate::model::{Reference, RegistrySettings, printable_line};

/// Waits before a request is made once more, after a closed connection or an answer of 500 and above.
const PAUSES_MS: [u64; 3] = [200, 500, 1200];
/// Longest `Retry-After` that is waited for; beyond, the user is told.
const PATIENCE_S: u64 = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest silence in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// All registries, as the settings say they are reached. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    settings: Arc<RegistrySettings>,
}

impl Registries {
    pub fn new(settings: RegistrySettings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    /// The registry that references call `name`.
    pub(super) fn open(&self, name: &str) -> Result<Registry> {
        let reference = format!("{name}/x").parse::<Reference>();
        let reference =
            reference.map_err(|error| ImageError::Reference { text: name.to_owned(), reason: error.to_string() })?;
        let insecure = self.settings.entry(name).is_some_and(|entry| entry.insecure);
        let base = match reference.registry() {
            "docker.io" => "https://registry-1.docker.io".to_owned(),
            name if reference.is_loopback_registry() || insecure => format!("http://{name}"),
            name => format!("https://{name}"),
        };
        self.at(reference.registry(), &base)
    }

    /// What answers like a registry at a base address.
    pub(super) fn at(&self, name: &str, base: &str) -> Result<Registry> {
        let base = base.trim_end_matches('/').to_owned();
        let client = client(&base).map_err(|error| connection(name, &error))?;
        Ok(Registry { name: name.to_owned(), base, client, authorization: Mutex::new(None) })
    }
}

/// A request, which may have to be made more than once.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// A path on this registry, or a whole address that it gave.
    pub(super) target: &'a str,
    pub(super) headers: Vec<(HeaderName, String)>,
    /// Makes the body, anew for each try.
    pub(super) body: Option<&'a (dyn Fn() -> Body + Send + Sync)>,
    /// What it is about, for errors.
    pub(super) what: &'a str,
}

impl Call<'_> {
    /// A repetition could do harm: the part of an upload that broke may have arrived.
    fn is_once(&self) -> bool {
        self.method == Method::PATCH
    }
}

/// The part of a blob that is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// The first byte.
    pub(super) offset: u64,
    /// The byte behind the last; the blob's end if none.
    pub(super) end: Option<u64>,
}

impl Span {
    fn header(self) -> Option<String> {
        match (self.offset, self.end) {
            (0, None) => None,
            (offset, None) => Some(format!("bytes={offset}-")),
            (offset, Some(end)) => Some(format!("bytes={offset}-{}", end.saturating_sub(1))),
        }
    }
}

/// A registry's answer to a request that succeeded; its body is yet to be read.
#[derive(Debug)]
pub(super) struct Answer {
    registry: String,
    response: Response,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next piece of the body; none at its end. An error is a connection that broke: asking anew may mend it.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.response.chunk().await.map_err(|error| connection(&self.registry, &error))
    }
}

/// One registry. Holds the token that its requests need, so it is never printed.
pub(super) struct Registry {
    /// As references name it: `docker.io`, `127.0.0.1:5000`.
    name: String,
    /// `https://registry-1.docker.io`, without a slash at the end.
    base: String,
    client: Client,
    authorization: Mutex<Option<auth::Authorization>>,
}

/// A document, whole.
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    /// The path of the next page, as the `Link` header gives it.
    pub(super) next: Option<String>,
}

impl Registry {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A document of at most `limit_bytes`, asked for anew when the connection breaks.
    pub(super) async fn document(&self, path: &str, accept: &str, what: &str, limit_bytes: u64) -> Result<Document> {
        let mut pauses = PAUSES_MS.iter();
        loop {
            let response = self.get(path, accept, what, Span::default()).await?.response;
            let next = next_page(&response);
            match body(response, limit_bytes).await {
                Ok(Some(bytes)) => return Ok(Document { bytes, next }),
                Ok(None) => {
                    return Err(ImageError::garbage(
                        &self.name,
                        what,
                        format!("it is longer than {limit_bytes} bytes"),
                    ));
                }
                Err(error) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(Duration::from_millis(*pause)).await,
                    None => return Err(connection(&self.name, &error)),
                },
            }
        }
    }

    /// Asks for `path`, or a part of it: a registry that knows no ranges answers with the whole and status 200, not 206.
    pub(super) async fn get(&self, path: &str, accept: &str, what: &str, span: Span) -> Result<Answer> {
        let mut headers = vec![(ACCEPT, accept.to_owned())];
        headers.extend(span.header().map(|range| (RANGE, range)));
        self.call(Call { method: Method::GET, target: path, headers, body: None, what }).await
    }

    /// Makes a request, with authorization and as often as is sensible. Any answer but a success is an error.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answer> {
        let mut pauses = PAUSES_MS.iter();
        let mut authenticated = false;
        loop {
            let response = match self.send(&call).await {
                Ok(response) => response,
                Err(error) => match pauses.next() {
                    Some(pause) if !is_final(&error) && !call.is_once() => {
                        tokio::time::sleep(Duration::from_millis(*pause)).await;
                        continue;
                    }
                    _ => return Err(connection(&self.name, &error)),
                },
            };
            let status = response.status();
            if status.is_success() {
                return Ok(Answer { registry: self.name.clone(), response });
            }
            let retry_after_s = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            if status == StatusCode::UNAUTHORIZED && !authenticated {
                authenticated = true;
                if let Some(authorization) = auth::answer(self, response.headers(), call.what).await? {
                    *self.authorization.lock().await = Some(authorization);
                    continue;
                }
            }
            let pause_ms = match status {
                StatusCode::TOO_MANY_REQUESTS => retry_after_s.filter(|s| *s <= PATIENCE_S).map(|s: u64| s * 1000),
                _ if status.is_server_error() && !call.is_once() => Some(0),
                _ => None,
            };
            match (pause_ms, pauses.next()) {
                (Some(asked), Some(pause)) => tokio::time::sleep(Duration::from_millis(asked.max(*pause))).await,
                _ => return Err(self.refusal(response, call.what, retry_after_s).await),
            }
        }
    }

    async fn send(&self, call: &Call<'_>) -> reqwest::Result<Response> {
        let own = call.target.starts_with('/');
        let url = if own { format!("{}{}", self.base, call.target) } else { call.target.to_owned() };
        let mut request = self.client.request(call.method.clone(), &url);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(body) = &call.body {
            request = request.body(body());
        }
        // What another host is asked carries no credentials of this one.
        let own = own || url.strip_prefix(&self.base).is_some_and(|rest| rest.starts_with('/'));
        if own && let Some(authorization) = &*self.authorization.lock().await {
            request = authorization.put(request);
        }
        request.send().await
    }

    async fn refusal(&self, response: Response, what: &str, retry_after_s: Option<u64>) -> ImageError {
        let (registry, what) = (self.name.clone(), what.to_owned());
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ImageError::Unauthorized { registry, what },
            StatusCode::NOT_FOUND => ImageError::NotInRegistry { registry, what },
            StatusCode::TOO_MANY_REQUESTS => ImageError::TooManyRequests { registry, retry_after_s },
            status => {
                let message = message(response).await;
                ImageError::Status { registry, status: status.as_u16(), what, message }
            }
        }
    }
}

/// The certificates are loaded only where https is spoken: a machine without any can still use its loopback registry.
fn client(base: &str) -> reqwest::Result<Client> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error only says that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let builder = Client::builder()
        .user_agent(concat!("teu/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT);
    match base.starts_with("http://") {
        true => {
            let roots = rustls::RootCertStore::empty();
            let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            builder.tls_backend_preconfigured(tls).no_proxy().build()
        }
        false => builder.https_only(true).build(),
    }
}

/// At most `limit` bytes of a body; none if it is longer.
async fn body(mut response: Response, limit: u64) -> reqwest::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

/// What a registry says of its failure: the specification's JSON, or the beginning of whatever it sent, made printable.
async fn message(response: Response) -> String {
    let json =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    let bytes = body(response, 64 << 10).await.ok().flatten().unwrap_or_default();
    let said = serde_json::from_slice::<Value>(&bytes).ok();
    let said = said.as_ref().and_then(|it| it.pointer("/errors/0/message").or_else(|| it.get("message"))?.as_str());
    let text = match said {
        Some(said) => said.to_owned(),
        None if json => "no reason given".to_owned(),
        None => String::from_utf8_lossy(&bytes).trim().to_owned(),
    };
    let short: String = text.chars().take(200).collect();
    if short.is_empty() { "no reason given".to_owned() } else { printable_line(&short).into_owned() }
}

/// The path in `Link: </v2/_catalog?last=x&n=100>; rel="next"`; another host's is not followed.
fn next_page(response: &Response) -> Option<String> {
    let link = response.headers().get(LINK)?.to_str().ok()?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    (rest.contains("next") && target.starts_with('/') && !target.starts_with("//")).then(|| target.to_owned())
}

/// Nobody listens, or with a certificate we do not trust: that stays so.
fn is_final(error: &reqwest::Error) -> bool {
    let deepest = deepest(error);
    let refused =
        deepest.downcast_ref::<std::io::Error>().is_some_and(|it| it.kind() == std::io::ErrorKind::ConnectionRefused);
    refused || deepest.is::<rustls::Error>()
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
