//! Image references, normalised as Docker does: `debian` is `docker.io/library/debian:latest`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Digest;

/// A full image reference. Grammar: the `reference` package of the OCI distribution project.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";

impl Reference {
    /// Host and optional port, `docker.io` for short names.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path behind the registry, such as `library/debian`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; none only when a digest is given without one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The repository as people write it: without `docker.io/` and `library/`.
    pub fn familiar_repository(&self) -> String {
        if self.registry != DEFAULT_REGISTRY {
            return format!("{}/{}", self.registry, self.repository);
        }
        self.repository.strip_prefix("library/").unwrap_or(&self.repository).to_owned()
    }

    /// The whole reference as people write it, tag included.
    pub fn familiar(&self) -> String {
        self.suffixed(self.familiar_repository())
    }

    /// Another tag of the same repository; a digest is left behind.
    pub fn tagged(&self, tag: &str) -> Result<Self, ParseReferenceError> {
        if !is_tag(tag) {
            return Err(ParseReferenceError::Tag);
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// Whether the registry is this machine's own loopback, where plain http is allowed by default.
    pub fn is_loopback_registry(&self) -> bool {
        let host = match self.registry.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => self.registry.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host == "::1" || host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
    }

    fn suffixed(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }
}

/// Why a text is not an image reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseReferenceError {
    #[error("a repository is lower-case letters, digits and single . _ - __ between them, in parts divided by /")]
    Repository,
    #[error("a tag is 1 to 128 characters of [a-zA-Z0-9_][a-zA-Z0-9_.-]")]
    Tag,
    #[error("the digest behind @ must be sha256: and 64 lower-case hexadecimal digits")]
    Digest,
    #[error("a registry is a host name or address with an optional port")]
    Registry,
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| ParseReferenceError::Digest)?)),
            None => (text, None),
        };
        let name_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (path, tag) = match rest[name_start..].find(':') {
            Some(colon) => (&rest[..name_start + colon], Some(rest[name_start + colon + 1..].to_owned())),
            None => (rest, None),
        };
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(ParseReferenceError::Tag);
        }
        let (registry, repository) = split_registry(path);
        if !is_registry(&registry) {
            return Err(ParseReferenceError::Registry);
        }
        if repository.len() > 255 || !repository.split('/').all(is_component) {
            return Err(ParseReferenceError::Repository);
        }
        let tag = if tag.is_none() && digest.is_none() { Some(DEFAULT_TAG.to_owned()) } else { tag };
        Ok(Self { registry, repository, tag, digest })
    }
}

/// The first part is a registry only if it has a dot or a colon or is `localhost`.
fn split_registry(path: &str) -> (String, String) {
    if let Some((first, rest)) = path.split_once('/')
        && (first.contains(['.', ':']) || first == "localhost")
    {
        let official = matches!(first, "docker.io" | "index.docker.io" | "registry-1.docker.io");
        let registry = if official { DEFAULT_REGISTRY } else { first };
        let repository = if official && !rest.contains('/') { format!("library/{rest}") } else { rest.to_owned() };
        return (registry.to_owned(), repository);
    }
    let repository = if path.contains('/') { path.to_owned() } else { format!("library/{path}") };
    (DEFAULT_REGISTRY.to_owned(), repository)
}

fn is_registry(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    let ends_well = text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == ']');
    starts_well && ends_well && text.len() <= 255 && !text.contains("..") && text.bytes().all(valid)
}

fn is_tag(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let rest = |byte: u8| first(byte) || matches!(byte, b'.' | b'-');
    text.len() <= 128 && text.bytes().next().is_some_and(first) && text.bytes().all(rest)
}

fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separator = 0;
    let mut previous = 0;
    for byte in text.bytes() {
        if alphanumeric(byte) {
            separator = 0;
        } else {
            separator += 1;
            let run = separator == 1 || (byte == previous && (byte == b'-' || (byte == b'_' && separator == 2)));
            if !matches!(byte, b'.' | b'_' | b'-') || !run {
                return false;
            }
        }
        previous = byte;
    }
    text.bytes().next().is_some_and(alphanumeric) && text.bytes().last().is_some_and(alphanumeric)
}

impl TryFrom<String> for Reference {
    type Error = ParseReferenceError;

    fn try_from(text: String) -> Result<Self, ParseReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suffixed(format!("{}/{}", self.registry, self.repository)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_of_short_names_is_completed() {
        for (text, full, familiar) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("debian:12", "docker.io/library/debian:12", "debian:12"),
            ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
            ("a/b", "docker.io/a/b:latest", "a/b:latest"),
            ("localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"),
            ("127.0.0.1:5000/a/b_c:v1", "127.0.0.1:5000/a/b_c:v1", "127.0.0.1:5000/a/b_c:v1"),
        ] {
            let reference: Reference = text.parse().expect(text);
            assert_eq!(reference.to_string(), full);
            assert_eq!(reference.familiar(), familiar);
        }
    }

    #[test]
    fn reference_with_digest_has_no_default_tag() {
        let text = format!("debian@sha256:{}", "0".repeat(64));
        let reference: Reference = text.parse().expect("valid");
        assert_eq!(reference.tag(), None);
        assert_eq!(reference.familiar(), text);
    }

    #[test]
    fn reference_with_bad_parts_is_refused() {
        for text in
            ["", "Debian", "a//b", "../x", "a:", "a:-x", "a@sha256:0", "-a", "a..b", "a___b", "x/\u{1b}", "ho st:1/x"]
        {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn loopback_registries_are_known() {
        for (text, expected) in [
            ("localhost:5000/x", true),
            ("127.9.0.1/x", true),
            ("[::1]:5000/x", true),
            ("debian", false),
            ("10.0.0.1:5000/x", false),
        ] {
            assert_eq!(text.parse::<Reference>().expect(text).is_loopback_registry(), expected, "{text}");
        }
    }
}
