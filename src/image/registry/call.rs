//! One request, made as often as is sensible: by another way, with authorization, after a pause, of a mirror or the registry itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderName;
use reqwest::{Body, Method, Response, StatusCode};

use super::answer::{connection, is_final, silence};
use super::auth::Authorization;
use super::door::Door;
use super::endpoint::Endpoint;
use super::rate::{RateLimit, retry_after};
use super::{Answer, Registry, auth};
use crate::image::{ImageError, Result};

/// Waits before a request is made once more, after a closed connection or an answer of 500 and above.
pub(super) const PAUSES: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_millis(1200)];
/// Longest `Retry-After` that is waited for, and the longest of all waits together; beyond, the user is told.
const PATIENCE: Duration = Duration::from_secs(90);
/// A 401 is answered so often: the token may expire on its way.
const AUTHORIZATIONS_MAX: u32 = 2;

/// A request, which may have to be made more than once.
pub(in crate::image) struct Call<'a> {
    pub(in crate::image) method: Method,
    /// A path on this registry, or a whole address that it gave.
    pub(in crate::image) target: &'a str,
    pub(in crate::image) headers: Vec<(HeaderName, String)>,
    pub(in crate::image) body: Option<CallBody<'a>>,
    /// What it is about, for errors.
    pub(in crate::image) what: &'a str,
}

/// A request's body.
pub(in crate::image) struct CallBody<'a> {
    /// Makes it, anew for each try.
    pub(in crate::image) make: &'a (dyn Fn() -> Body + Send + Sync),
    /// Counts what was sent: while it moves, no answer is no silence.
    pub(in crate::image) sent: &'a AtomicU64,
}

impl Call<'_> {
    /// A repetition could do harm: the part of an upload that broke may have arrived.
    fn is_once(&self) -> bool {
        self.method == Method::PATCH
    }

    fn is_reading(&self) -> bool {
        self.method == Method::GET
    }

    /// Mirrors have a registry's content. What it has to be asked by a push is asked of itself (HEAD).
    fn may_be_mirrored(&self) -> bool {
        self.is_reading() && repository(self.target).is_some()
    }

    /// What an authorization is good for: reading or writing one repository.
    fn scope(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let access = if matches!(self.method, Method::GET | Method::HEAD) { "pull" } else { "push" };
        format!("{}:{access}", repository(self.target).unwrap_or(path))
    }

    async fn pause(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// `team/tools` of `/v2/team/tools/blobs/…`.
fn repository(target: &str) -> Option<&str> {
    let (_, path) = target.split('?').next()?.split_once("/v2/")?;
    let end = ["/manifests/", "/blobs/", "/tags/"].iter().filter_map(|kind| path.rfind(kind)).max()?;
    path.get(..end)
}

/// Why there was no answer.
enum Broken {
    Http(reqwest::Error),
    Silent,
    /// An address that is none.
    Address,
}

impl Broken {
    fn is_final(&self) -> bool {
        match self {
            Self::Http(error) => is_final(error),
            // One wait that long is enough.
            Self::Silent | Self::Address => true,
        }
    }

    fn told(&self, endpoint: &Endpoint, door: &Door) -> ImageError {
        match self {
            Self::Http(error) => match connection(endpoint.name(), error) {
                // A server that misses a certificate says so after the handshake (TLS 1.3), where nobody listens any more.
                ImageError::Connection { registry, reason }
                    if door.is_safe() && endpoint.certificates().lack_identity() =>
                {
                    let reason = match error.is_connect() || error.is_timeout() {
                        true => reason,
                        false => format!("{reason}; perhaps it wants a client certificate"),
                    };
                    ImageError::Connection { registry, reason }
                }
                error => error,
            },
            Self::Silent => silence(endpoint.name(), endpoint.timeout()),
            Self::Address => ImageError::garbage(endpoint.name(), "an address", "it sends us to none"),
        }
    }
}

impl Registry {
    /// Makes a request, with authorization and as often as is sensible. Any answer but a success is an error.
    pub(in crate::image) async fn call(&self, call: Call<'_>) -> Result<Answer> {
        if call.may_be_mirrored() {
            for mirror in self.mirrors.iter().filter(|mirror| !mirror.is_down()) {
                match self.ask(mirror, &call).await {
                    Ok(answer) => return Ok(answer),
                    // It may have other things.
                    Err(ImageError::NotInRegistry { .. }) => {}
                    Err(error) if mirror.set_down() => self.notes.tell(format!("mirror left out: {error}")),
                    Err(_) => {}
                }
            }
        }
        self.ask(&self.own, &call).await
    }

    async fn ask(&self, endpoint: &Arc<Endpoint>, call: &Call<'_>) -> Result<Answer> {
        let scope = call.scope();
        let pauses = if endpoint.is_mirror() { &PAUSES[..1] } else { &PAUSES[..] };
        let (mut pauses, mut authorizations, mut waited) = (pauses.iter(), 0, Duration::ZERO);
        loop {
            endpoint.heed().await;
            let door = endpoint.door();
            let shown = endpoint.authorizations.lock().await.get(&scope).cloned();
            let response = match send(endpoint, door, call, shown.as_deref()).await {
                Ok(response) => response,
                Err(broken) => {
                    if is_wrong_door(&broken) && endpoint.go_on_from(door) {
                        continue;
                    }
                    match pauses.next().filter(|_| !broken.is_final() && !call.is_once()) {
                        Some(pause) => call.pause(*pause).await,
                        None => return Err(broken.told(endpoint, door)),
                    }
                    continue;
                }
            };
            let answer = Answer::new(endpoint, response);
            endpoint.settle(door, answer.status());
            let rate = self.limits(endpoint, &answer);
            let status = answer.status();
            if status.is_success() {
                return Ok(answer);
            }
            // A place that it sent us to does not get to ask for credentials.
            if status == StatusCode::UNAUTHORIZED && authorizations < AUTHORIZATIONS_MAX && door.is_at(answer.url()) {
                authorizations += 1;
                if auth::authorize(endpoint, &scope, shown.as_ref(), answer.headers(), call.what).await? {
                    continue;
                }
            }
            let asked = retry_after(answer.headers(), SystemTime::now());
            let busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            // A registry that says "now" over and over again is not asked for ever.
            let wait = asked.map(|wait| wait.max(Duration::from_secs(1)));
            if let Some(wait) = wait.filter(|wait| busy && waited + *wait <= PATIENCE) {
                waited += wait;
                if endpoint.quieten(wait) {
                    self.notes.tell(format!("{} asks to wait {} s", endpoint.name(), wait.as_secs()));
                }
                continue;
            }
            if status.is_server_error()
                && !call.is_once()
                && let Some(pause) = pauses.next()
            {
                call.pause(*pause).await;
                continue;
            }
            let refusal = Refusal { status, asked, rate, user: shown.and_then(|it| it.user().map(str::to_owned)) };
            let message = answer.message().await;
            // What Go's and nginx's servers say to who speaks plain http to their TLS.
            if status == StatusCode::BAD_REQUEST
                && !door.is_safe()
                && (message.contains("HTTPS") || call.method == Method::HEAD)
                && endpoint.go_on_from(door)
            {
                continue;
            }
            return Err(refusal.told(endpoint.name(), call.what, message));
        }
    }

    /// Tells how many pulls are left where they are few.
    fn limits(&self, endpoint: &Endpoint, answer: &Answer) -> Option<RateLimit> {
        let rate = RateLimit::of(answer.headers())?;
        if rate.is_small() && endpoint.tells_rate() {
            self.notes.tell(format!("{}: {}", endpoint.name(), rate.sentence()));
        }
        Some(rate)
    }
}

/// An answer that is an error.
struct Refusal {
    status: StatusCode,
    asked: Option<Duration>,
    rate: Option<RateLimit>,
    /// Whose credentials were shown.
    user: Option<String>,
}

impl Refusal {
    fn told(self, registry: &str, what: &str, message: String) -> ImageError {
        let (registry, what) = (registry.to_owned(), what.to_owned());
        match self.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                ImageError::Unauthorized { registry, what, user: self.user, message }
            }
            StatusCode::NOT_FOUND => ImageError::NotInRegistry { registry, what },
            StatusCode::TOO_MANY_REQUESTS => {
                let limit = self.rate.map(RateLimit::sentence);
                ImageError::TooManyRequests { registry, retry_after_s: self.asked.map(|wait| wait.as_secs()), limit }
            }
            status => {
                let message = if message.is_empty() { "no reason given".to_owned() } else { message };
                ImageError::Status { registry, status: status.as_u16(), what, message }
            }
        }
    }
}

/// Makes the request once. Credentials are shown to the registry only, not to where it sends us.
async fn send(
    endpoint: &Endpoint,
    door: &Door,
    call: &Call<'_>,
    shown: Option<&Authorization>,
) -> std::result::Result<Response, Broken> {
    let url = door.address(call.target).ok_or(Broken::Address)?;
    let client = door.client(endpoint.certificates()).await.map_err(Broken::Http)?;
    let is_own = door.is_at(&url);
    let mut request = client.request(call.method.clone(), url);
    for (name, value) in &call.headers {
        request = request.header(name, value);
    }
    if let Some(authorization) = shown.filter(|_| is_own) {
        request = authorization.put(request);
    }
    if let Some(body) = &call.body {
        request = request.body((body.make)());
    }
    // A registry reads a whole blob once more before it answers the last request of an upload.
    let timeout = if call.method == Method::PUT { endpoint.timeout() * 5 } else { endpoint.timeout() };
    let sending = request.send();
    tokio::pin!(sending);
    let mut before = 0;
    loop {
        match tokio::time::timeout(timeout, &mut sending).await {
            Ok(result) => return result.map_err(Broken::Http),
            Err(_) => {
                let now = call.body.as_ref().map_or(0, |body| body.sent.load(Ordering::Relaxed));
                if now <= before {
                    return Err(Broken::Silent);
                }
                before = now;
            }
        }
    }
}

/// Whether another way to the same registry may be the right one: TLS where none is spoken, or the other way round.
fn is_wrong_door(broken: &Broken) -> bool {
    matches!(broken, Broken::Http(error) if !error.is_redirect() && (error.is_connect() || is_final(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_is_the_repository_and_the_access() {
        let scope = |method, target| Call { method, target, headers: Vec::new(), body: None, what: "" }.scope();
        assert_eq!(scope(Method::GET, "/v2/a/manifests/b/blobs/sha256:0"), "a/manifests/b:pull");
        assert_eq!(scope(Method::HEAD, "/v2/a/blobs/sha256:0"), "a:pull");
        assert_eq!(scope(Method::POST, "/v2/a/b/blobs/uploads/?mount=x&from=/v2/c/blobs/"), "a/b:push");
        assert_eq!(scope(Method::PATCH, "https://r.lan/v2/a/blobs/uploads/uuid?_state=x"), "a:push");
        assert_eq!(scope(Method::GET, "/v2/_catalog?n=100"), "/v2/_catalog:pull");
        assert!(
            Call { method: Method::GET, target: "/v2/a/tags/list", headers: vec![], body: None, what: "" }
                .may_be_mirrored()
        );
        assert!(
            !Call { method: Method::GET, target: "/v2/_catalog", headers: vec![], body: None, what: "" }
                .may_be_mirrored()
        );
    }
}
