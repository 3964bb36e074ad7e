//! One way to a registry: a base address and how its certificate is judged.

use reqwest::{Client, Url};
use tokio::sync::OnceCell;

use super::client::{Certificates, Trust, client};
use crate::image::{ImageError, Result};

/// A way to a registry. Its client is made when it is first used: https means reading the machine's certificates.
#[derive(Debug)]
pub(super) struct Door {
    /// `https://registry-1.docker.io`, without a slash at the end.
    base: String,
    url: Url,
    trust: Trust,
    client: OnceCell<Client>,
}

impl Door {
    pub(super) fn new(base: &str, trust: Trust) -> Result<Self> {
        let base = base.trim_end_matches('/').to_owned();
        let reason =
            |error: &dyn std::fmt::Display| ImageError::Reference { text: base.clone(), reason: error.to_string() };
        let url = Url::parse(&base).map_err(|error| reason(&error))?;
        if !url.has_host() || !matches!(url.scheme(), "http" | "https") {
            return Err(reason(&"it is no address of a web server"));
        }
        Ok(Self { base, url, trust, client: OnceCell::new() })
    }

    pub(super) async fn client(&self, certificates: &Certificates) -> reqwest::Result<&Client> {
        self.client.get_or_try_init(|| async { client(&self.trust, certificates, self.is_loopback()) }).await
    }

    /// The whole address of a path here, or of another place that was given whole.
    pub(super) fn address(&self, target: &str) -> Option<Url> {
        match target.starts_with('/') {
            true => Url::parse(&format!("{}{target}", self.base)).ok(),
            false => Url::parse(target).ok(),
        }
    }

    /// Whether this is the same server, by scheme, host and port: the only one that gets credentials.
    pub(super) fn is_at(&self, url: &Url) -> bool {
        self.url.origin() == url.origin()
    }

    pub(super) fn is_safe(&self) -> bool {
        self.url.scheme() == "https"
    }

    fn is_loopback(&self) -> bool {
        is_loopback(self.url.host_str().unwrap_or_default())
    }
}

/// Whether a host, without a port, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}
