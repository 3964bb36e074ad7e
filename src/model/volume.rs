//! Volumes: named folders that live longer than the containers that use them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A volume's name, by Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, here at most 255 bytes, as it is a folder's name too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeName(String);

impl VolumeName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a volume's name.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_paths_are_refused() {
        for text in ["a", "data", "my_data.1-x", &"x".repeat(255)] {
            assert_eq!(text.parse::<VolumeName>().expect(text).as_str(), text);
        }
        for text in ["", ".", "..", "../x", "a/b", "-x", ".x", "a b", "a\u{1b}", &"x".repeat(256)] {
            assert_eq!(text.parse::<VolumeName>(), Err(ParseVolumeNameError), "{text:?}");
        }
    }
}
