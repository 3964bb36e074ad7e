//! HTTP clients: which certificates are believed and shown, which redirects are followed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Identity};

use crate::image::{ImageError, Result};
use crate::model::RegistryEntry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const REDIRECTS_MAX: usize = 10;
/// The most that is read of a file of certificates.
const FILE_MAX: u64 = 4 << 20;

/// What is believed of a server.
#[derive(Clone, Debug)]
pub(super) enum Trust {
    /// No TLS is spoken.
    Plain,
    /// Whatever certificate it shows.
    Anybody,
    /// The machine's authorities, and those of the settings.
    Authorities,
}

/// The certificates that settings name for one registry.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates {
    authorities: Vec<Certificate>,
    identity: Option<Identity>,
}

impl Certificates {
    /// Those of `config.toml`, then those in Docker's folders. Of several client certificates the first is shown.
    pub(super) fn read(name: &str, entry: Option<&RegistryEntry>, folders: &[PathBuf]) -> Result<Self> {
        let mut all = Self::default();
        if let Some(entry) = entry {
            if let Some(ca) = &entry.ca {
                all.believe(ca)?;
            }
            if let (Some(cert), Some(key)) = (&entry.cert, &entry.key) {
                all.show(cert, key)?;
            }
        }
        for folder in folders {
            all.read_folder(&folder.join(name))?;
        }
        Ok(all)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.authorities.is_empty() && self.identity.is_none()
    }

    /// Whether there is an authority for it, as private registries need, and nothing to show.
    pub(super) fn lack_identity(&self) -> bool {
        self.identity.is_none() && !self.authorities.is_empty()
    }

    /// Docker's layout: `*.crt` are authorities, `NAME.cert` and `NAME.key` are the client's.
    fn read_folder(&mut self, folder: &Path) -> Result<()> {
        let mut paths: Vec<PathBuf> = match fs::read_dir(folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(ImageError::io("cannot read", folder, error)),
        };
        paths.sort();
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => self.believe(&path)?,
                Some("cert") => self.show(&path, &path.with_extension("key"))?,
                Some("key") if !path.with_extension("cert").exists() => {
                    return Err(unusable(&path, "there is no certificate beside it; its name ends in .cert"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn believe(&mut self, path: &Path) -> Result<()> {
        let found = Certificate::from_pem_bundle(&read(path)?).map_err(|_| unusable(path, "it is no PEM"))?;
        if found.is_empty() {
            return Err(unusable(path, "there is no certificate in it"));
        }
        self.authorities.extend(found);
        Ok(())
    }

    fn show(&mut self, cert: &Path, key: &Path) -> Result<()> {
        let mut pem = read(cert)?;
        pem.push(b'\n');
        pem.extend(read(key)?);
        let identity = Identity::from_pem(&pem);
        let identity =
            identity.map_err(|_| unusable(cert, "it and its key are no PEM of a certificate and its key"))?;
        self.identity.get_or_insert(identity);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failure = |error| ImageError::io("cannot read", path, error);
    if fs::metadata(path).map_err(failure)?.len() > FILE_MAX {
        return Err(unusable(path, "it is too long for a certificate"));
    }
    fs::read(path).map_err(failure)
}

fn unusable(path: &Path, reason: &str) -> ImageError {
    ImageError::Certificate { path: path.to_owned(), reason: reason.to_owned() }
}

/// A client for one way to a registry. Proxies come from HTTP_PROXY, HTTPS_PROXY and NO_PROXY, but not to this machine itself.
pub(super) fn client(trust: &Trust, certificates: &Certificates, is_loopback: bool) -> reqwest::Result<Client> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error only says that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let mut builder = Client::builder()
        .user_agent(concat!("teu/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // One stream of HTTP/2 for all would make parallel layers and ranges wait for each other's lost packets.
        .http1_only()
        .redirect(Policy::custom(redirect));
    if is_loopback {
        builder = builder.no_proxy();
    }
    builder = match trust {
        // The machine's certificates are not loaded: one without any can still use its loopback registry.
        Trust::Plain if is_loopback => {
            let roots = rustls::RootCertStore::empty();
            let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            builder.tls_backend_preconfigured(tls)
        }
        Trust::Plain => builder,
        Trust::Anybody => builder.tls_danger_accept_invalid_certs(true),
        Trust::Authorities => builder.https_only(true).tls_certs_merge(certificates.authorities.iter().cloned()),
    };
    if let (Some(identity), Trust::Anybody | Trust::Authorities) = (&certificates.identity, trust) {
        builder = builder.identity(identity.clone());
    }
    builder.build()
}

/// Follows a few, never from https to http. Credentials are taken out by reqwest where host, port or scheme change.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_safe = attempt.previous().first().is_some_and(|first| first.scheme() == "https");
    if was_safe && attempt.url().scheme() != "https" {
        return attempt.error("it sends us on from https to http");
    }
    match attempt.previous().len() > REDIRECTS_MAX {
        true => attempt.error("it sends us on and on"),
        false => attempt.follow(),
    }
}
