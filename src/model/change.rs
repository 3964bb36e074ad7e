//! What a container has changed of its image.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::os_name;

/// How a path differs from the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Added,
    Changed,
    Deleted,
}

impl ChangeKind {
    /// Docker's letter for it.
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Changed => 'C',
            Self::Deleted => 'D',
        }
    }
}

/// One path that differs from the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub kind: ChangeKind,
    /// Absolute, as the container sees it.
    #[serde(with = "os_name")]
    pub path: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_of_a_name_that_is_no_text_survives_json() {
        use std::os::unix::ffi::OsStringExt;
        for name in [b"/plain".to_vec(), b"/\xff\xfe".to_vec()] {
            let path = PathBuf::from(std::ffi::OsString::from_vec(name));
            let change = Change { kind: ChangeKind::Added, path };
            let text = serde_json::to_string(&change).expect("json");
            assert_eq!(serde_json::from_str::<Change>(&text).expect("parsed"), change);
        }
    }
}
