//! Moves a tree that lies ready beside a volume's files into them: files take the place of others, folders come together. All is
//! looked at before the first file is moved. Who is killed at it is followed by another, who finds what is left to be moved.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::FileType;

use crate::model::printable_line;
use crate::sys::in_root::{self, Folder};

/// Why a tree was not moved.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    /// It does not fit: nothing was moved.
    #[error("{path}: {reason}")]
    Refused { path: String, reason: &'static str },
    #[error("cannot move {path}: {source}")]
    Move { path: String, source: io::Error },
}

/// Moves all that is in `from` to `into`, and gives the folders that both have the first one's owners, modes and times.
/// Links are not followed. Both are on one file system; `from` itself stays, empty.
pub fn land(from: &Folder, into: &Folder) -> Result<(), LandError> {
    let shared = shared_folders(from, into)?;
    for path in &shared {
        let (source, target) = open_both(from, into, path)?;
        for name in source.names().map_err(failed(path))? {
            let inner = joined(path, &name);
            let goes_inside = is_folder(&source, &name).map_err(failed(&inner))?
                && is_folder(&target, &name).map_err(failed(&inner))?;
            if !goes_inside {
                source.rename(&name, &target, &name).map_err(failed(&inner))?;
            }
        }
    }
    // The inner ones first, so that a closed outer one does not hinder.
    for path in shared.iter().rev() {
        let (source, target) = open_both(from, into, path)?;
        in_root::copy_meta(&source, &target).map_err(failed(path))?;
        if let Some(at) = parent(path) {
            let (folder, name) = (&path[..at], OsStr::from_bytes(&path[at..]));
            let name = OsStr::from_bytes(name.as_bytes().strip_prefix(b"/").unwrap_or(name.as_bytes()));
            let removed = from.resolve_without_links(OsStr::from_bytes(folder)).and_then(|it| it.remove(name));
            removed.map_err(failed(path))?;
        }
    }
    Ok(())
}

/// The folders that both have, the outer ones first; refused if a file and a folder meet.
fn shared_folders(from: &Folder, into: &Folder) -> Result<Vec<Vec<u8>>, LandError> {
    let mut shared = vec![Vec::new()];
    let mut next = 0;
    while next < shared.len() {
        let path = shared[next].clone();
        next += 1;
        let (source, target) = open_both(from, into, &path)?;
        for name in source.names().map_err(failed(&path))? {
            let inner = joined(&path, &name);
            let refused = |reason| Err(LandError::Refused { path: shown(&inner), reason });
            let Some(there) = target.look(&name).map_err(failed(&inner))? else { continue };
            let over_folder = FileType::from_raw_mode(there.st_mode) == FileType::Directory;
            match (is_folder(&source, &name).map_err(failed(&inner))?, over_folder) {
                (true, true) => shared.push(inner),
                (true, false) => return refused("cannot overwrite a file, or a link, with a folder"),
                (false, true) => return refused("cannot overwrite a folder with a file"),
                (false, false) => {}
            }
        }
    }
    Ok(shared)
}

fn open_both(from: &Folder, into: &Folder, path: &[u8]) -> Result<(Folder, Folder), LandError> {
    let open = |folder: &Folder| folder.resolve_without_links(OsStr::from_bytes(path)).map_err(failed(path));
    Ok((open(from)?, open(into)?))
}

fn is_folder(folder: &Folder, name: &OsStr) -> io::Result<bool> {
    Ok(folder.look(name)?.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory))
}

fn joined(path: &[u8], name: &OsString) -> Vec<u8> {
    match path.is_empty() {
        true => name.as_bytes().to_vec(),
        false => [path, b"/", name.as_bytes()].concat(),
    }
}

/// Where the last component begins; none for the top.
fn parent(path: &[u8]) -> Option<usize> {
    if path.is_empty() { None } else { Some(path.iter().rposition(|byte| *byte == b'/').unwrap_or(0)) }
}

fn shown(path: &[u8]) -> String {
    printable_line(&String::from_utf8_lossy(path)).into_owned()
}

fn failed(path: &[u8]) -> impl FnOnce(io::Error) -> LandError {
    let path = if path.is_empty() { ".".to_owned() } else { shown(path) };
    move |source| LandError::Move { path, source }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::{Path, PathBuf};

    use super::*;

    fn scene(ready: &[&str], there: &[&str]) -> (tempfile::TempDir, PathBuf, PathBuf) {
        let base = tempfile::tempdir().expect("a folder");
        let (from, into) = (base.path().join("from"), base.path().join("into"));
        for (top, entries, text) in [(&from, ready, "new"), (&into, there, "old")] {
            fs::create_dir(top).expect("a folder");
            for entry in entries {
                let path = top.join(entry);
                match entry.ends_with('/') {
                    true => fs::create_dir_all(path).expect("a folder"),
                    false => fs::write(path, text).expect("a file"),
                }
            }
        }
        (base, from, into)
    }

    fn landed(from: &Path, into: &Path) -> Result<(), LandError> {
        land(&Folder::open(from).expect("open"), &Folder::open(into).expect("open"))
    }

    #[test]
    fn files_take_the_place_of_others_and_folders_come_together() {
        let (_base, from, into) = scene(
            &["a/b/", "a/b/same", "a/new/", "a/new/deep", "top"],
            &["a/b/", "a/b/same", "a/b/kept", "a/other", "top"],
        );
        fs::set_permissions(from.join("a/b"), fs::Permissions::from_mode(0o2711)).expect("mode");
        symlink("nowhere", from.join("a/link")).expect("link");
        symlink("/etc", into.join("a/link")).expect("link");
        landed(&from, &into).expect("moved");
        let read = |path: &str| fs::read_to_string(into.join(path)).expect(path);
        assert_eq!(
            ["a/b/same", "a/b/kept", "a/other", "top", "a/new/deep"].map(read),
            ["new", "old", "old", "new", "new"]
        );
        assert_eq!(fs::read_link(into.join("a/link")).expect("a link"), Path::new("nowhere"));
        assert_eq!(fs::metadata(into.join("a/b")).expect("stat").permissions().mode() & 0o7777, 0o2711);
        assert_eq!(fs::read_dir(&from).expect("list").count(), 0);
        landed(&from, &into).expect("nothing is left to be moved");
    }

    #[test]
    fn what_does_not_fit_is_refused_before_anything_is_moved() {
        let (_base, from, into) = scene(&["a", "z/", "z/x/", "z/x/y"], &["z/", "z/x/", "z/x/y/"]);
        let error = landed(&from, &into).expect_err("a file over a folder").to_string();
        assert_eq!(error, "z/x/y: cannot overwrite a folder with a file");
        assert!(from.join("a").exists() && !into.join("a").exists());
        let (_base, from, into) = scene(&["a", "z/", "z/x/"], &["z/"]);
        symlink("/etc", into.join("z/x")).expect("link");
        let error = landed(&from, &into).expect_err("a folder over a link").to_string();
        assert!(error.contains("z/x: cannot overwrite") && from.join("a").exists(), "{error}");
    }
}
