//! Where a copy lands: Docker's rules, which are `cp -a`'s without most of its exceptions. Nothing here does I/O.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::engine::tree::protocol::{Bytes, Found, Kind};
use crate::model::printable_line;

/// What is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub is_folder: bool,
    /// What it is called; none if only what is in the folder is meant (`FOLDER/.`).
    pub name: Option<Bytes>,
}

/// Where it is to go.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    pub found: &'a Found,
    /// As it was written, for errors.
    pub shown: &'a OsStr,
}

/// The folder that the archive is extracted into, and the name that its first entry has. Without a name the folder's
/// content is changed, and not the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    pub folder: Bytes,
    pub name: Option<Bytes>,
}

/// Decides, or says in a sentence why it cannot be.
pub fn landing(source: &Source, destination: &Destination<'_>) -> Result<Landing, String> {
    let Destination { found, shown } = destination;
    let text = printable_line(&shown.to_string_lossy()).into_owned();
    let (parent, name) = split(&found.path);
    let renamed = || Landing { folder: parent.to_vec(), name: Some(name.to_vec()) };
    match (source.is_folder, found.kind) {
        (_, Kind::Folder) => Ok(Landing { folder: found.path.clone(), name: source.name.clone() }),
        (_, Kind::Missing) if !found.has_parent => Err(format!("the folder that {text} would be in does not exist")),
        (false, Kind::Missing) if asks_for_folder(shown) => Err(format!("the folder {text} does not exist")),
        (_, Kind::Missing) => Ok(renamed()),
        // /dev/null, or a pipe: nobody wants it replaced by a file.
        (_, Kind::Other) => {
            Err(format!("{text} is a device, pipe or socket: name a file or folder, or - for a tar archive"))
        }
        (true, _) => Err(format!("cannot copy a folder onto {text}, which is a file")),
        (false, _) if asks_for_folder(shown) => Err(format!("{text} is not a folder")),
        (false, _) => Ok(renamed()),
    }
}

/// Whether a path ends so that only a folder can be meant.
pub fn asks_for_folder(path: &OsStr) -> bool {
    path.as_bytes().ends_with(b"/") || means_content(path)
}

/// Whether a path means what is in the folder, and not the folder.
pub fn means_content(path: &OsStr) -> bool {
    path == "." || path.as_bytes().ends_with(b"/.")
}

/// The folder and the name in it; both empty for the root.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// A path in a container without `.`, `..` and doubled slashes: `..` is taken literally, as Docker does. What its end
/// asks for stays.
pub fn cleaned(path: &OsStr) -> Bytes {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.as_bytes().split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut clean = parts.join(&b'/');
    if asks_for_folder(path) && !clean.is_empty() {
        clean.push(b'/');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn land(source: &str, path: &str, kind: Kind, shown: &str) -> Result<(String, Option<String>), String> {
        let source = Source {
            is_folder: source.ends_with('/') || source.ends_with('.'),
            name: (!source.ends_with('.')).then(|| source.trim_end_matches('/').as_bytes().to_vec()),
        };
        let found = Found { path: path.as_bytes().to_vec(), kind, bytes: 0, has_parent: !path.starts_with("none") };
        let text = |bytes: Bytes| String::from_utf8(bytes).expect("text");
        landing(&source, &Destination { found: &found, shown: OsStr::new(shown) })
            .map(|landing| (text(landing.folder), landing.name.map(text)))
    }

    fn at(folder: &str, name: Option<&str>) -> Result<(String, Option<String>), String> {
        Ok((folder.to_owned(), name.map(str::to_owned)))
    }

    #[test]
    fn file_lands_as_docker_says() {
        assert_eq!(land("file", "d", Kind::Folder, "/d"), at("d", Some("file")));
        assert_eq!(land("file", "d/x", Kind::File, "/d/x"), at("d", Some("x")));
        assert_eq!(land("file", "d/new", Kind::Missing, "/d/new"), at("d", Some("new")));
        assert!(land("file", "d/new", Kind::Missing, "/d/new/").is_err());
        assert!(land("file", "d/x", Kind::File, "/d/x/").is_err());
        assert!(land("file", "none/x", Kind::Missing, "/none/x").is_err());
        assert_eq!(land("file", "", Kind::Folder, "/"), at("", Some("file")));
        assert!(land("file", "dev/null", Kind::Other, "/dev/null").is_err());
    }

    #[test]
    fn folder_lands_as_docker_says() {
        assert_eq!(land("from/", "d", Kind::Folder, "/d"), at("d", Some("from")));
        assert_eq!(land("from/.", "d", Kind::Folder, "/d"), at("d", None));
        assert_eq!(land("from/", "d/new", Kind::Missing, "/d/new"), at("d", Some("new")));
        assert_eq!(land("from/.", "d/new", Kind::Missing, "/d/new/"), at("d", Some("new")));
        assert!(land("from/", "d/x", Kind::File, "/d/x").is_err());
        assert!(land("from/", "none/x", Kind::Missing, "/none/x").is_err());
    }

    #[test]
    fn cleaned_takes_dots_literally_and_keeps_what_the_end_asks_for() {
        for (path, clean) in
            [("/a/../b//c", "b/c"), ("a/b/", "a/b/"), ("a/.", "a/"), ("../../x", "x"), ("/", ""), ("", ""), (".", "")]
        {
            assert_eq!(String::from_utf8(cleaned(OsStr::new(path))).expect("text"), clean, "{path}");
        }
    }
}
