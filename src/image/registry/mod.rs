//! A registry's HTTP interface (OCI distribution specification): requests with authorization, retries, and limits on what is
//! believed. `oci-client` is not used: it reads manifests without a limit, cannot resume a blob, and hides `Retry-After`.

mod answer;
mod auth;
mod call;
mod client;
mod credentials;
mod door;
mod endpoint;
mod login;
mod notes;
mod pace;
mod rate;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, RANGE};

pub(super) use answer::Answer;
pub(super) use call::Call;
pub use login::{LoggedIn, login, logout};
pub(super) use notes::Notes;
pub(super) use upload::{StoredDocument, Taken, Upload};

use self::credentials::Credential;
use self::endpoint::Endpoint;
use super::{ImageError, Result};
use crate::model::{Reference, RegistrySettings};

/// Longest silence, and the time in which at least [`pace::LEAST_BYTES`] have to come, unless the settings say otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

/// All registries, as the settings say they are reached. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    settings: Arc<RegistrySettings>,
}

impl Registries {
    pub fn new(settings: RegistrySettings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    /// The registry that references call `name`, with its mirrors. Nothing is sent yet.
    pub(super) fn open(&self, name: &str) -> Result<Registry> {
        let own = Arc::new(Endpoint::of_registry(&self.settings, &canonical(name)?)?);
        let mirrors = self.settings.entry(own.name()).map(|entry| entry.mirrors.as_slice()).unwrap_or_default();
        let mirrors = mirrors.iter().map(|mirror| Endpoint::of_mirror(&self.settings, mirror).map(Arc::new));
        Ok(Registry { mirrors: mirrors.collect::<Result<_>>()?, own, notes: Notes::default() })
    }

    /// Where Docker Hub's search is asked, if the settings say so.
    pub(super) fn hub(&self) -> Option<&str> {
        self.settings.entry("docker.io")?.index.as_deref()
    }

    /// What answers like a registry at a base address.
    pub(super) fn at(&self, name: &str, base: &str) -> Result<Registry> {
        let own = Arc::new(Endpoint::at(&self.settings, name, base)?);
        Ok(Registry { mirrors: Vec::new(), own, notes: Notes::default() })
    }
}

/// The name that references give a registry: `docker.io` for all that Docker Hub is called.
fn canonical(name: &str) -> Result<String> {
    match format!("{name}/x").parse::<Reference>() {
        Ok(reference) if reference.repository() == "x" || reference.repository() == "library/x" => {
            Ok(reference.registry().to_owned())
        }
        Ok(_) => {
            let reason = "a registry is HOST.NAME or HOST:PORT".to_owned();
            Err(ImageError::Reference { text: name.to_owned(), reason })
        }
        Err(error) => Err(ImageError::Reference { text: name.to_owned(), reason: error.to_string() }),
    }
}

/// One registry and the mirrors that are asked before it.
pub(super) struct Registry {
    mirrors: Vec<Arc<Endpoint>>,
    own: Arc<Endpoint>,
    notes: Notes,
}

/// A document, whole.
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    /// The path of the next page, as the `Link` header gives it.
    pub(super) next: Option<String>,
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

impl Registry {
    pub(super) fn name(&self) -> &str {
        self.own.name()
    }

    /// What the registry has to say meanwhile: waits it asks for, mirrors that fail, pulls that are left.
    pub(super) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// A document of at most `limit_bytes`, asked for anew when the connection breaks.
    pub(super) async fn document(&self, path: &str, accept: &str, what: &str, limit_bytes: u64) -> Result<Document> {
        let mut pauses = call::PAUSES.iter();
        loop {
            let mut answer = self.get(path, accept, what, Span::default()).await?;
            let next = answer.next_page();
            match answer.bytes(limit_bytes).await {
                Ok(Some(bytes)) => return Ok(Document { bytes, next }),
                Ok(None) => {
                    let reason = format!("it is longer than {limit_bytes} bytes");
                    return Err(ImageError::garbage(self.name(), what, reason));
                }
                Err(error @ ImageError::TooSlow { .. }) => return Err(error),
                Err(error) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(error),
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

    /// As it is, but known by this name and password instead of those that are stored.
    fn with_credential(self, credential: Credential) -> Self {
        let own = Arc::into_inner(self.own).expect("nothing was asked yet, so nobody else has it");
        Self { own: Arc::new(own.with_credential(credential)), mirrors: Vec::new(), notes: self.notes }
    }
}
