//! What a user says of registries, and the progress of a push.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Digest, Reference, parse_duration_ms};

/// Docker Hub, as references call it.
const HUB: &str = "docker.io";

/// The registries of the configuration file, in its order: a list of names to search, or a table with settings of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    pub entries: Vec<RegistryEntry>,
    /// Folders of certificates in Docker's layout, `certs.d/<host:port>/{*.crt,*.cert,*.key}`; the first counts most.
    pub certificate_folders: Vec<PathBuf>,
}

/// One registry's settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryEntry {
    /// As references name it: `docker.io`, `registry.lan:5000`.
    pub name: String,
    /// Tried in this order before the registry itself, for pulls only.
    pub mirrors: Vec<Mirror>,
    /// Whatever certificate it shows is taken, and plain http where it speaks no TLS.
    pub insecure: bool,
    /// Certificates (PEM) of authorities that are trusted for it, besides the machine's.
    pub ca: Option<PathBuf>,
    /// The certificate (PEM) that teu shows, and its key.
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// Whether searches ask it.
    pub search: bool,
    /// Of `docker.io` only: what answers searches as Docker Hub does, such as `https://hub.mirror.lan`.
    pub index: Option<String>,
    /// Longest silence, and the time in which at least some KiB have to come; 60 seconds if none.
    pub timeout_ms: Option<u64>,
}

/// Another registry that has the same content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Host and port; it may have an entry of its own.
    pub name: String,
    /// Written as `http://…`: no TLS is tried.
    pub plain: bool,
}

impl RegistrySettings {
    /// Only names to search, as in `registries = ["registry.lan:5000"]`.
    pub fn searching(names: impl IntoIterator<Item = String>) -> Self {
        let entries = names.into_iter().map(|name| RegistryEntry { name, search: true, ..RegistryEntry::default() });
        Self { entries: entries.collect(), certificate_folders: Vec::new() }
    }

    /// The entry of a registry, where it has one.
    pub fn entry(&self, name: &str) -> Option<&RegistryEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The registries that are searched: Docker Hub unless its entry says otherwise, then the others in the file's order.
    pub fn searched(&self) -> Vec<String> {
        let hub = self.entry(HUB).is_none_or(|hub| hub.search).then(|| HUB.to_owned());
        let others = self.entries.iter().filter(|entry| entry.search && entry.name != HUB);
        hub.into_iter().chain(others.map(|entry| entry.name.clone())).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EntryText {
    mirrors: Vec<String>,
    insecure: bool,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    search: bool,
    index: Option<String>,
    timeout: Option<String>,
}

impl Default for EntryText {
    fn default() -> Self {
        Self {
            mirrors: Vec::new(),
            insecure: false,
            ca: None,
            cert: None,
            key: None,
            search: true,
            index: None,
            timeout: None,
        }
    }
}

impl EntryText {
    fn into_entry(self, name: String) -> Result<RegistryEntry, String> {
        let Self { mirrors, insecure, ca, cert, key, search, index, timeout } = self;
        if cert.is_some() != key.is_some() {
            return Err("cert and key go together".to_owned());
        }
        let timeout_ms = timeout.map(|text| parse_duration_ms(&text)).transpose().map_err(|error| error.to_string())?;
        if timeout_ms == Some(0) {
            return Err("a timeout of nothing lets nothing through".to_owned());
        }
        let mirrors = mirrors.iter().map(|text| mirror(text)).collect::<Result<_, _>>()?;
        let name = checked(&name)?;
        if let Some(index) = &index
            && (name != HUB || !index.starts_with("https://") && !index.starts_with("http://"))
        {
            return Err(
                "index is an https:// address, and docker.io's only: others are searched by their catalogue".to_owned()
            );
        }
        Ok(RegistryEntry { name, mirrors, insecure, ca, cert, key, search, index, timeout_ms })
    }
}

fn mirror(text: &str) -> Result<Mirror, String> {
    let (plain, rest) = match text.split_once("://") {
        Some(("http", rest)) => (true, rest),
        Some(("https", rest)) => (false, rest),
        Some((scheme, _)) => return Err(format!("a mirror speaks https or http, not {scheme}")),
        None => (false, text),
    };
    Ok(Mirror { name: checked(rest.trim_end_matches('/'))?, plain })
}

/// The name if references could name a registry so.
fn checked(name: &str) -> Result<String, String> {
    match format!("{name}/x").parse::<Reference>() {
        Ok(reference) if reference.registry() == name => Ok(name.to_owned()),
        _ => Err(format!("{name:?} is no registry: write HOST.NAME or HOST:PORT, such as registry.lan:5000")),
    }
}

impl<'de> Deserialize<'de> for RegistrySettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RegistrySettings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a list of registries to search, or a table [registries.\"HOST:PORT\"] of each one's settings",
                )
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element::<String>()? {
                    names.push(checked(&name).map_err(Error::custom)?);
                }
                Ok(RegistrySettings::searching(names))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, text)) = table.next_entry::<String, EntryText>()? {
                    entries.push(text.into_entry(name).map_err(Error::custom)?);
                }
                Ok(RegistrySettings { entries, certificate_folders: Vec::new() })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// What is being done with a layer that is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushStage {
    Waiting,
    /// The registry is asked whether it has it.
    Checking,
    Uploading,
    Done,
    /// The registry had it in this repository already.
    Exists,
    /// The registry took it over from another of its repositories.
    Mounted,
    Failed,
}

/// One layer's part of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushProgress {
    /// Digest of the compressed blob.
    pub digest: Digest,
    pub stage: PushStage,
    /// Compressed bytes the registry has taken.
    pub sent_bytes: u64,
    /// Compressed bytes in all.
    pub total_bytes: u64,
}

/// What a push reports while it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushEvent {
    /// These layers are to be pushed, lowest first. Comes once for each tag.
    Layers(Vec<PushProgress>),
    /// One layer moved on; at most some ten of these a second for each layer.
    Layer(PushProgress),
    /// A sentence such as `registry.lan:5000 asks to wait 5 seconds`.
    Note(String),
}

/// One tag that a registry now has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    pub reference: Reference,
    /// Digest of the manifest or index.
    pub digest: Digest,
    /// Bytes of the manifest or index.
    pub size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(text: &str) -> Result<RegistrySettings, String> {
        let mut all: BTreeMap<String, RegistrySettings> =
            toml::from_str(text).map_err(|error| error.message().to_owned())?;
        all.remove("registries").ok_or_else(|| "no key".to_owned())
    }

    #[test]
    fn settings_are_a_list_or_a_table() {
        let list = read("registries = ['a:1', 'b.c']").expect("a list");
        assert_eq!(list.searched(), ["docker.io", "a:1", "b.c"]);
        let text = "[registries.'a:1']\nmirrors = ['m.lan', 'http://n:2/']\ninsecure = true\ntimeout = '2s'\n\
                    [registries.'docker.io']\nmirrors = ['https://m.lan']\nsearch = false\nindex = 'http://[::1]:1'\n[registries.'q.lan']\nsearch = false\nca = 'x.pem'\n";
        let table = read(text).expect("a table");
        assert_eq!(table.searched(), ["a:1"]);
        let entry = table.entry("a:1").expect("an entry");
        let mirrors: Vec<_> = entry.mirrors.iter().map(|mirror| (mirror.name.as_str(), mirror.plain)).collect();
        assert_eq!(mirrors, [("m.lan", false), ("n:2", true)]);
        assert!(entry.insecure && entry.timeout_ms == Some(2000));
        assert_eq!(table.entry("q.lan").and_then(|it| it.ca.clone()), Some("x.pem".into()));
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_with_the_reason() {
        for (text, expected) in [
            ("registries = ['https://a']", "is no registry"),
            ("registries = 3", "a list of registries"),
            ("[registries.'a b']", "is no registry"),
            ("[registries.'hub']", "HOST.NAME"),
            ("[registries.'a:1']\nindex = 'https://x'", "docker.io's only"),
            ("[registries.'docker.io']\nindex = 'hub.lan'", "an https:// address"),
            ("[registries.'a:1']\ncolour = 1", "unknown field `colour`"),
            ("[registries.'a:1']\ncert = 'x'", "go together"),
            ("[registries.'a:1']\nmirrors = ['ftp://x.y']", "not ftp"),
            ("[registries.'a:1']\ntimeout = '0s'", "timeout"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
