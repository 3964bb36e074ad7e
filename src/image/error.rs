//! Everything that can go wrong with an image, each with its kind and what to do next.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::{Digest, ErrorKind, Platform, printable_line};

/// Why an image could not be fetched, read, made or removed. Text of registries and archives in it is made printable.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("{text:?} is no image reference: {reason}")]
    Reference { text: String, reason: String },
    #[error("no such image: {text}")]
    NotFound { text: String },
    #[error("there is no image {text} to push")]
    NothingToPush { text: String },
    #[error("image id {text} is not unique, {count} images begin so: {}{}", .matches.join(", "), more(*.count, .matches))]
    Ambiguous { text: String, count: usize, matches: Vec<String> },
    #[error("image {image} is used by {} container {container}", if *.runs { "running" } else { "stopped" })]
    InUse { image: String, container: String, runs: bool },
    #[error("image {image} cannot be removed, not even by force: container {container} runs on it")]
    Running { image: String, container: String },
    #[error("{reference} is no tag: a digest belongs to one image for ever")]
    TagWithDigest { reference: String },
    #[error("nobody knows which layers the containers need: {reason}")]
    UsersUnknown { reason: String },
    #[error("image {image} has {count} tags")]
    ManyTags { image: String, count: usize },
    #[error("change {text:?}: {reason}")]
    Change { text: String, reason: String },

    #[error("registry {registry} refuses access to {what}{}{}", by(user.as_deref()), said(message))]
    Unauthorized { registry: String, what: String, user: Option<String>, message: String },
    #[error("registry {registry} refuses the password of {user}{}", said(message))]
    LoginRefused { registry: String, user: String, message: String },
    #[error("{what}: {reason}")]
    Credentials { what: String, reason: String },
    #[error("certificate {}: {reason}", .path.display())]
    Certificate { path: PathBuf, reason: String },
    #[error("registry {registry} has no {what}")]
    NotInRegistry { registry: String, what: String },
    #[error("registry {registry} does not list its repositories")]
    NoCatalogue { registry: String },
    #[error("registry {registry} has had too many requests{}{}", after(*.retry_after_s), said(limit.as_deref().unwrap_or_default()))]
    TooManyRequests { registry: String, retry_after_s: Option<u64>, limit: Option<String> },
    #[error("registry {registry} sends too slowly: less than 16 KiB in {seconds} s")]
    TooSlow { registry: String, seconds: u64 },
    #[error("registry {registry} answered {status} for {what}: {message}")]
    Status { registry: String, status: u16, what: String, message: String },
    #[error("registry {registry}: {reason}")]
    Connection { registry: String, reason: String },
    #[error("registry {registry} sent garbage for {what}: {reason}")]
    Garbage { registry: String, what: String, reason: String },
    #[error("image {reference} is not made for {wanted}; there is {}", .available.join(", "))]
    PlatformMissing { reference: String, wanted: Platform, available: Vec<String> },

    #[error("{what} has another content than its digest says: expected {expected}, got {got}")]
    DigestMismatch { what: String, expected: Digest, got: Digest },
    #[error("layer {layer} cannot be unpacked: {reason}")]
    Layer { layer: String, reason: String },
    #[error("{what} in the image store is damaged: {reason}")]
    Store { what: String, reason: String },

    #[error("no space left in {}", .folder.display())]
    DiskFull { folder: PathBuf },
    #[error("{doing} {}: {source}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot write the archive: {source}")]
    Write { source: io::Error },
    #[error("the archive cannot be loaded: {reason}")]
    Archive { reason: String },
    #[error("cancelled")]
    Cancelled,
}

fn after(seconds: Option<u64>) -> String {
    seconds.map(|s| format!("; it says to wait {s} seconds")).unwrap_or_default()
}

fn by(user: Option<&str>) -> String {
    user.map(|user| format!(" to {}", printable_line(user))).unwrap_or_default()
}

/// What a registry says of a refusal; it was made printable where it was read.
fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn more(count: usize, shown: &[String]) -> &'static str {
    if count > shown.len() { ", …" } else { "" }
}

impl ImageError {
    /// An I/O error with its path; a full disk gets its own variant.
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                // The staging folder means nothing to anybody, and is gone by then.
                let store = path.ancestors().find(|it| it.ends_with("partial")).and_then(Path::parent);
                Self::DiskFull { folder: store.unwrap_or(path).to_owned() }
            }
            _ => Self::Io { doing, path: path.to_owned(), source },
        }
    }

    pub(super) fn garbage(registry: &str, what: &str, reason: impl std::fmt::Display) -> Self {
        let reason = printable_line(&reason.to_string()).into_owned();
        Self::Garbage { registry: registry.to_owned(), what: what.to_owned(), reason }
    }

    pub(super) fn layer(layer: &str, reason: impl std::fmt::Display) -> Self {
        Self::Layer { layer: layer.to_owned(), reason: printable_line(&reason.to_string()).into_owned() }
    }

    pub(super) fn archive(reason: impl std::fmt::Display) -> Self {
        Self::Archive { reason: printable_line(&reason.to_string()).into_owned() }
    }

    pub(super) fn store(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Store { what: what.into(), reason: reason.to_string() }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Reference { .. } | Self::Change { .. } | Self::Ambiguous { .. } | Self::TagWithDigest { .. } => {
                ErrorKind::InvalidInput
            }
            Self::NotFound { .. }
            | Self::NothingToPush { .. }
            | Self::NotInRegistry { .. }
            | Self::PlatformMissing { .. } => ErrorKind::NotFound,
            Self::InUse { .. } | Self::Running { .. } | Self::ManyTags { .. } => ErrorKind::Conflict,
            Self::Unauthorized { .. } | Self::LoginRefused { .. } => ErrorKind::Permission,
            Self::Credentials { .. } | Self::Certificate { .. } => ErrorKind::InvalidInput,
            Self::NoCatalogue { .. }
            | Self::TooManyRequests { .. }
            | Self::TooSlow { .. }
            | Self::Status { .. }
            | Self::Connection { .. }
            | Self::Garbage { .. } => ErrorKind::Network,
            Self::DigestMismatch { .. } | Self::Layer { .. } | Self::Store { .. } | Self::UsersUnknown { .. } => {
                ErrorKind::Corrupt
            }
            Self::Archive { .. } => ErrorKind::Corrupt,
            Self::DiskFull { .. } | Self::Write { .. } => ErrorKind::Other,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => ErrorKind::Permission,
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                _ => ErrorKind::Other,
            },
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }

    /// What to do next, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Reference { .. } => "write it as [registry/]name[:tag][@sha256:digest], such as debian:12".to_owned(),
            Self::NotFound { text } => format!("`teu images` lists what is here, `teu pull {text}` fetches it"),
            Self::NothingToPush { text } => {
                format!("an image is pushed by its name there: `teu tag IMAGE {text}`; `teu images` lists what is here")
            }
            Self::Ambiguous { .. } => "give more digits of the id; `teu images` shows them".to_owned(),
            Self::InUse { container, runs: true, .. } => {
                format!("`teu rm -f {container}` first, or `teu rmi -f` takes its name away")
            }
            Self::InUse { container, .. } => {
                format!("`teu rm {container}` first, or `teu rmi -f`: the container keeps its layers")
            }
            Self::Running { container, .. } => format!("`teu rm -f {container}` first"),
            Self::TagWithDigest { .. } => "write it as name:tag, such as app:v1".to_owned(),
            Self::UsersUnknown { .. } => "`teu system check` names what is damaged".to_owned(),
            Self::ManyTags { .. } => "name the tags one by one, or give -f to remove all of them".to_owned(),
            Self::Change { .. } => {
                "known: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR, as in \
                 a Dockerfile"
                    .to_owned()
            }
            Self::Unauthorized { registry, user: None, .. } => format!(
                "check the name; if it is private or to be written to, `teu login {registry}` (docker's and podman's logins count too)"
            ),
            Self::Unauthorized { registry, .. } => {
                format!("check the name, and what that user may do; `teu login {registry}` is for another one")
            }
            Self::LoginRefused { .. } => {
                "check name and password; registries with two factors want an access token for a password".to_owned()
            }
            Self::Credentials { .. } => {
                "mend or remove ~/.docker/config.json (or what DOCKER_CONFIG names), or install the helper it names"
                    .to_owned()
            }
            Self::Certificate { .. } => {
                "it is named in config.toml, or lies in ~/.config/docker/certs.d or /etc/docker/certs.d".to_owned()
            }
            Self::NotInRegistry { .. } => "`teu search` finds names and tags".to_owned(),
            Self::NoCatalogue { registry } => {
                format!("name a repository whole: `teu search {registry}/OWNER/NAME:` lists its tags")
            }
            Self::TooManyRequests { .. } => "wait, or log in: registries grant more to known users".to_owned(),
            Self::TooSlow { registry, .. } => {
                format!(
                    "try again later, or give it longer in config.toml: [registries.\"{registry}\"] timeout = \"5m\""
                )
            }
            Self::Status { status: ..500, .. } => "that is the registry's own reason; its operator knows more".to_owned(),
            Self::Status { .. } => "the registry failed, not teu: try again later".to_owned(),
            Self::Connection { registry, reason } if reason.contains("client certificate") => format!(
                "config.toml: [registries.\"{registry}\"] cert = \"FILE\", key = \"FILE\"; or client.cert and client.key in ~/.config/docker/certs.d/{registry}"
            ),
            Self::Connection { registry, reason } if reason.contains("ertificate") => {
                format!(
                    "its authority's certificate belongs into ~/.config/docker/certs.d/{registry}/ca.crt, or into config.toml: [registries.\"{registry}\"] ca = \"FILE\""
                )
            }
            Self::Connection { registry, .. } => {
                format!(
                    "check the network and that {registry} is up; plain http wants `insecure = true` in config.toml, but on loopback"
                )
            }
            Self::Garbage { .. } => "check that the address is a container registry's".to_owned(),
            Self::PlatformMissing { .. } => {
                "choose another tag or repository; this machine runs its own platform only".to_owned()
            }
            Self::DigestMismatch { .. } => {
                "nothing of it was kept; pull again, and distrust the registry if it stays".to_owned()
            }
            Self::Layer { .. } => {
                "nothing of it was kept; make the archive anew, for example with `tar -C FOLDER -c .`".to_owned()
            }
            Self::Store { .. } => {
                "`teu system check --repair` mends what can be mended; else `teu rmi -f` and pull again".to_owned()
            }
            Self::DiskFull { .. } => "free some space (`teu rmi` removes images) or choose another --root".to_owned(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "choose a folder you may write with --root, or run as its owner".to_owned()
            }
            Self::Write { source } if source.kind() == io::ErrorKind::StorageFull => {
                "free some space there, or write it elsewhere with -o".to_owned()
            }
            Self::Archive { .. } => {
                "nothing of it was kept; `teu load` takes what `docker save`, `podman save`, skopeo and `teu save` write, \
                 `teu import` takes a root file system"
                    .to_owned()
            }
            Self::Io { .. } | Self::Write { .. } | Self::Cancelled => return None,
        })
    }
}
