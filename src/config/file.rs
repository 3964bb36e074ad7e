//! `config.toml`: read whole, every key known, every error with its line.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;
use crate::model::{Name, RegistrySettings, UnpackLimits, parse_bytes};

/// How much of a container's output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSize {
    /// Bytes after which a log file is rotated.
    pub max_bytes: u64,
    /// Files in all, the current one included. At least 1.
    pub files: u32,
}

impl Default for LogSize {
    fn default() -> Self {
        Self { max_bytes: 10 << 20, files: 3 }
    }
}

/// The configuration file's wishes, or the defaults where it is silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Name of a theme: a file `NAME.toml` in [`Config::themes_folder`], or one that is built in.
    pub theme: String,
    /// Keys that leave an attached shell, in Docker's notation.
    pub detach_keys: String,
    /// Registries' settings, and which are searched besides Docker Hub.
    pub registries: RegistrySettings,
    pub log: LogSize,
    /// What makes more of itself than this when it is unpacked is taken for a decompression bomb.
    pub unpack: UnpackLimits,
    /// The network of containers that are not told one: `bridge`, `none`, `host` or a network's name.
    pub network: Option<String>,
    /// The address that ports are published on where none is given; 127.0.0.1 if none. Docker's is 0.0.0.0.
    pub publish_address: Option<IpAddr>,
    /// Keys by the name of the action they are bound to, such as `quit = ["q", "ctrl-c"]`. Replaces the action's default keys.
    pub keys: BTreeMap<String, Vec<String>>,
    /// The file these wishes came from, or would come from.
    pub path: PathBuf,
    /// Where the user's own themes are; need not exist.
    pub themes_folder: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Text {
    theme: String,
    detach_keys: String,
    registries: RegistrySettings,
    log: LogText,
    unpack: UnpackText,
    #[serde(deserialize_with = "network_name")]
    network: Option<String>,
    publish_address: Option<IpAddr>,
    keys: BTreeMap<String, OneOrMany>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogText {
    #[serde(deserialize_with = "size")]
    max_size: u64,
    #[serde(deserialize_with = "at_least_one")]
    max_files: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UnpackText {
    #[serde(deserialize_with = "bytes")]
    max_size: u64,
    max_ratio: NonZeroU64,
    max_files: NonZeroU64,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a key such as \"ctrl-q\" or a list of keys")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for Text {
    fn default() -> Self {
        Self {
            theme: "dark".to_owned(),
            detach_keys: "ctrl-p,ctrl-q".to_owned(),
            registries: RegistrySettings::default(),
            log: LogText::default(),
            unpack: UnpackText::default(),
            network: None,
            publish_address: None,
            keys: BTreeMap::new(),
        }
    }
}

impl Default for LogText {
    fn default() -> Self {
        let LogSize { max_bytes, files } = LogSize::default();
        Self { max_size: max_bytes, max_files: files }
    }
}

impl Default for UnpackText {
    fn default() -> Self {
        let UnpackLimits { max_bytes, max_ratio, max_entries } = UnpackLimits::default();
        let positive = |number| NonZeroU64::new(number).unwrap_or(NonZeroU64::MAX);
        Self { max_size: max_bytes, max_ratio: positive(max_ratio), max_files: positive(max_entries) }
    }
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse_bytes(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = parse_bytes(&text).map_err(serde::de::Error::custom)?;
    if bytes < 4096 { Err(serde::de::Error::custom("a log of less than 4k cannot be kept")) } else { Ok(bytes) }
}

fn network_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse::<Name>() {
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(serde::de::Error::custom(format!("{text:?} is no network: {error}"))),
    }
}

fn at_least_one<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom("there must be at least one log file")),
        files => Ok(files),
    }
}

impl Config {
    /// The user's configuration: `config.toml` in TEU_CONFIG, else in the user's configuration folder (`~/.config/teu`).
    ///
    /// A missing file gives the defaults; an unreadable or malformed one is an error that names the line.
    pub fn load() -> Result<Self, ConfigError> {
        let folder = match std::env::var_os("TEU_CONFIG").filter(|value| !value.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => match directories::ProjectDirs::from("", "", "teu") {
                Some(project) => project.config_dir().to_owned(),
                None => PathBuf::from("/etc/teu"),
            },
        };
        Self::load_from(&folder)
    }

    /// The configuration in `folder`: its `config.toml` and its `themes`.
    pub fn load_from(folder: &Path) -> Result<Self, ConfigError> {
        let path = folder.join("config.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                String::new()
            }
            Err(source) => return Err(ConfigError::Io { action: "read", path, source }),
        };
        let text = parse(&text).map_err(|(line, message)| ConfigError::Syntax { path: path.clone(), line, message })?;
        let keys = text.keys.into_iter().map(|(action, keys)| match keys {
            OneOrMany::One(key) => (action, vec![key]),
            OneOrMany::Many(keys) => (action, keys),
        });
        Ok(Self {
            theme: text.theme,
            detach_keys: text.detach_keys,
            registries: placed(text.registries, folder),
            log: LogSize { max_bytes: text.log.max_size, files: text.log.max_files },
            unpack: UnpackLimits {
                max_bytes: text.unpack.max_size,
                max_ratio: text.unpack.max_ratio.get(),
                max_entries: text.unpack.max_files.get(),
            },
            network: text.network,
            publish_address: text.publish_address,
            keys: keys.collect(),
            path,
            themes_folder: folder.join("themes"),
        })
    }
}

/// The settings with the files they name looked for beside `config.toml`, and with the folders that Docker keeps certificates in.
fn placed(mut settings: RegistrySettings, folder: &Path) -> RegistrySettings {
    for entry in &mut settings.entries {
        for path in [&mut entry.ca, &mut entry.cert, &mut entry.key].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }
    let own = directories::BaseDirs::new().map(|base| base.config_dir().join("docker/certs.d"));
    settings.certificate_folders = own.into_iter().chain([PathBuf::from("/etc/docker/certs.d")]).collect();
    settings
}

/// The parsed text, or the line (from 1) and a one-line message.
fn parse(text: &str) -> Result<Text, (usize, String)> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        (line, error.message().trim().replace('\n', "; "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::write(folder.path().join("config.toml"), text).expect("write");
        Config::load_from(folder.path())
    }

    #[test]
    fn config_missing_gives_defaults() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let config = Config::load_from(&folder.path().join("none")).expect("defaults");
        assert_eq!((config.theme.as_str(), config.log), ("dark", LogSize { max_bytes: 10 << 20, files: 3 }));
        assert!(config.registries.entries.is_empty());
    }

    #[test]
    fn config_with_every_key_is_read() {
        let config = load(
            "theme = 'light'\ndetach_keys = 'ctrl-x'\nregistries = ['a:1']\n[log]\nmax_size = '1m'\nmax_files = 5\n\
             [keys]\nquit = 'q'\nhelp = ['?', 'f1']\n",
        )
        .expect("valid");
        assert_eq!(config.log, LogSize { max_bytes: 1 << 20, files: 5 });
        assert_eq!(config.registries.searched(), ["docker.io", "a:1"]);
        assert_eq!(config.keys["quit"], ["q"]);
        assert_eq!(config.keys["help"], ["?", "f1"]);
    }

    #[test]
    fn config_with_unknown_key_names_line_and_key() {
        let error = load("theme = 'dark'\n\ncolour = 'red'\n").expect_err("unknown key");
        let text = error.to_string();
        assert!(text.contains("line 3: unknown field `colour`"), "{text}");
        assert!(!text.contains('\n'));
    }

    #[test]
    fn config_with_bad_value_names_its_line() {
        for (text, line) in [
            ("theme = 3\n", 1),
            ("[log]\nmax_size = 'much'\n", 2),
            ("[log]\nmax_files = 0\n", 2),
            ("\n[keys]\nquit = 1\n", 3),
            ("theme = 'a\n", 1),
            ("\n[registries.'a:1']\ninsecure = 3\n", 3),
        ] {
            match load(text).expect_err(text) {
                ConfigError::Syntax { line: found, .. } => assert_eq!(found, line, "{text}"),
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn config_names_a_registrys_files_beside_itself() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let text = "[registries.'a:1']\nca = 'ca.pem'\ncert = '/c'\nkey = '/k'\n";
        std::fs::write(folder.path().join("config.toml"), text).expect("write");
        let config = Config::load_from(folder.path()).expect("valid");
        let entry = config.registries.entry("a:1").expect("an entry");
        assert_eq!(entry.ca, Some(folder.path().join("ca.pem")));
        assert_eq!(entry.key, Some(PathBuf::from("/k")));
        assert!(config.registries.certificate_folders.contains(&PathBuf::from("/etc/docker/certs.d")));
    }
}
