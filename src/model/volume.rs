//! Volumes: folders of teu's that outlive the containers they are mounted in.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::id::hex;
use super::usage::LabelFilter;
use super::{Id, Name, Timestamp};

/// What Docker marks volumes with that nobody named.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// A volume's name, by Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, here at most 255 bytes. Safe as the name of a folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeName(String);

impl VolumeName {
    /// The name of a volume that nobody named: 64 hexadecimal digits.
    pub fn anonymous(random: [u8; 32]) -> Self {
        Self(hex(&random))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no name of a volume.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "a volume's name is 1 to 255 characters of [a-zA-Z0-9][a-zA-Z0-9_.-]; a path on this machine begins with / or ."
)]
pub struct ParseVolumeNameError;

impl FromStr for VolumeName {
    type Err = ParseVolumeNameError;

    fn from_str(text: &str) -> Result<Self, ParseVolumeNameError> {
        let rest = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts_well && text.len() <= 255 && text.bytes().all(rest) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseVolumeNameError)
        }
    }
}

impl TryFrom<String> for VolumeName {
    type Error = ParseVolumeNameError;

    fn try_from(text: String) -> Result<Self, ParseVolumeNameError> {
        text.parse()
    }
}

impl From<VolumeName> for String {
    fn from(name: VolumeName) -> Self {
        name.0
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A volume as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub name: VolumeName,
    pub created: Timestamp,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The options of Docker's `local` driver that it was made with.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Made for one container that named none: it goes with the container, where that is asked for.
    #[serde(default)]
    pub anonymous: bool,
}

impl Volume {
    /// Whether its record says no more than its folder does.
    pub fn is_plain(&self) -> bool {
        self.options.is_empty() && self.labels.keys().all(|key| key == ANONYMOUS_LABEL)
    }

    /// The options of the memory that it stands for (`-o type=tmpfs -o o=size=…`); none for one that keeps its files.
    pub fn memory(&self) -> Option<Vec<String>> {
        self.options.get("type").filter(|kind| *kind == "tmpfs")?;
        let options = self.options.get("o").map(String::as_str).unwrap_or_default();
        // A volume's programs can be executed, as Docker's can.
        let options = options.split(',').filter(|option| !option.is_empty());
        Some(std::iter::once("exec").chain(options).map(str::to_owned).collect())
    }

    /// The folder of the machine that it stands for (`-o type=none -o o=bind -o device=/FOLDER`); none for one of teu's own.
    pub fn device(&self) -> Option<&str> {
        let binds = |options: &String| options.split(',').any(|option| matches!(option, "bind" | "rbind"));
        self.options.get("o").filter(|options| binds(options)).and(self.options.get("device")).map(String::as_str)
    }
}

/// A volume that is wished for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeWish {
    /// None for an anonymous one.
    pub name: Option<VolumeName>,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
}

/// A volume as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSummary {
    pub volume: Volume,
    /// The folder of the machine that its files are in.
    pub mountpoint: std::path::PathBuf,
    /// Containers that are made with it, running or not.
    pub users: Vec<(Id, Name)>,
    /// Bytes of its files; none unless measured, or if a part of it cannot be read.
    pub size_bytes: Option<u64>,
}

/// Which unused volumes a prune takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeFilter {
    /// Those with names too, not the anonymous ones only.
    pub all: bool,
    /// Only what passes all of these.
    pub labels: Vec<LabelFilter>,
}

impl VolumeFilter {
    /// Whether a volume that nobody uses may go.
    pub fn passes(&self, volume: &Volume) -> bool {
        (self.all || volume.anonymous) && self.labels.iter().all(|filter| filter.passes(&volume.labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_names_that_are_no_folder_names_are_refused() {
        for text in ["", ".", "..", "../x", ".hidden", "a/b", "a b", "-a", "a\0b", "a\u{1b}b", "ä", &"x".repeat(256)] {
            assert_eq!(text.parse::<VolumeName>(), Err(ParseVolumeNameError), "{text:?}");
        }
        for text in ["a", "0", "db_data-1.2", "a..b", &"x".repeat(255)] {
            assert_eq!(text.parse::<VolumeName>().expect(text).as_str(), text);
        }
        assert_eq!(VolumeName::anonymous([0xab; 32]).as_str(), "ab".repeat(32));
        assert!(serde_json::from_str::<VolumeName>("\"../x\"").is_err());
    }

    #[test]
    fn prune_takes_anonymous_volumes_and_with_all_the_others() {
        let volume = |anonymous| Volume {
            name: "v".parse().expect("a name"),
            created: Timestamp::EPOCH,
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
            anonymous,
        };
        let (some, all) = (VolumeFilter::default(), VolumeFilter { all: true, ..VolumeFilter::default() });
        assert!(some.passes(&volume(true)) && !some.passes(&volume(false)));
        assert!(all.passes(&volume(true)) && all.passes(&volume(false)));
    }
}
