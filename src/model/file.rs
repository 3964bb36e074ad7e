//! Files of containers and volumes, as browsers list and read them.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use super::{FileSort, Timestamp, os_name};

/// Whose files: no path given with it leads out of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FilePlace {
    /// A container, as users name it: its merged tree, with all that is mounted in it.
    Container(String),
    /// A volume's name.
    Volume(String),
}

/// One name in a folder. Name and target are hostile bytes: printable before shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    #[serde(with = "os_name")]
    pub name: OsString,
    pub sort: FileSort,
    /// The size of a regular file; 0 for everything else.
    pub bytes: u64,
    /// Permissions with setuid, setgid and sticky bits.
    pub mode: u32,
    /// Owner as the container sees it.
    pub uid: u32,
    pub gid: u32,
    /// None where the file system gives a time that is none.
    pub modified: Option<Timestamp>,
    /// Where a symlink leads, as it is written.
    #[serde(with = "os_name::optional")]
    pub target: Option<OsString>,
    /// What a symlink leads to inside of the place; of others what they are.
    pub leads_to: FileSort,
}

impl FileEntry {
    /// Whether it can be gone into, if by a link.
    pub fn is_folder(&self) -> bool {
        self.leads_to == FileSort::Folder
    }
}

/// Some of what is in a folder, ordered by the names' bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePage {
    /// The folder's real path from the place's root, without links; it begins with a slash.
    #[serde(with = "os_name")]
    pub path: OsString,
    /// How many names come before these.
    pub from: u64,
    /// How many there are in the folder.
    pub total: u64,
    pub entries: Vec<FileEntry>,
}

/// A part of a regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// The file's real path from the place's root; it begins with a slash.
    pub path: OsString,
    /// Of the whole file; 0 for files that the kernel makes when they are read.
    pub size_bytes: u64,
    pub offset: u64,
    /// Shorter than asked for only at the file's end.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn entry_whose_names_are_no_text_survives_json() {
        let entry = FileEntry {
            name: OsString::from_vec(b"\xff\x1b[2J".to_vec()),
            sort: FileSort::Symlink,
            bytes: 0,
            mode: 0o777,
            uid: 0,
            gid: 0,
            modified: Some(Timestamp::EPOCH),
            target: Some(OsString::from_vec(b"\xfe".to_vec())),
            leads_to: FileSort::Absent,
        };
        for entry in [FileEntry { target: None, ..entry.clone() }, entry] {
            let text = serde_json::to_string(&entry).expect("json");
            assert_eq!(serde_json::from_str::<FileEntry>(&text).expect("parsed"), entry);
        }
    }
}
