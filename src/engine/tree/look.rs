//! What is at a path inside a root, with its last links followed one by one, so that also the name that a link to nothing
//! points to is known: that is where a copy goes.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::FileType;

use super::protocol::{Found, Kind};
use crate::sys::in_root::Folder;

/// As many links as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// Looks. A path that ends in `/` or `/.` follows its last link whatever `follow` says, as the kernel does.
pub fn look(root: &Folder, path: &[u8], follow: bool) -> io::Result<Found> {
    let asks_for_folder = path.ends_with(b"/") || path.ends_with(b"/.") || path == b".";
    let follow = follow || asks_for_folder;
    let mut path = plain(path);
    for _ in 0..LINKS_MAX {
        let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(at) => (path[..at].to_vec(), path[at + 1..].to_vec()),
            None => (Vec::new(), path.clone()),
        };
        if name.is_empty() || name == b".." {
            // The root, or a folder above: the kernel knows which.
            let stat = root.resolve(OsStr::from_bytes(&path)).and_then(|folder| folder.stat());
            return Ok(match stat {
                Ok(_) => Found { path, kind: Kind::Folder, bytes: 0, has_parent: true },
                Err(error) if is_missing(&error) => missing(path, false),
                Err(error) => return Err(error),
            });
        }
        let folder = match root.resolve(OsStr::from_bytes(&parent)) {
            Err(error) if is_missing(&error) => return Ok(missing(path, false)),
            folder => folder?,
        };
        let name = OsStr::from_bytes(&name);
        let Some(stat) = folder.look(name)? else { return Ok(missing(path, true)) };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Folder,
            FileType::RegularFile => Kind::File,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        };
        if kind != Kind::Symlink || !follow {
            let bytes = u64::try_from(stat.st_size).unwrap_or(0);
            return Ok(Found { path, kind, bytes, has_parent: true });
        }
        let target = folder.read_symlink(name)?;
        let target = target.as_bytes();
        path =
            if target.starts_with(b"/") { plain(target) } else { plain(&[&parent, b"/".as_slice(), target].concat()) };
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

fn missing(path: Vec<u8>, has_parent: bool) -> Found {
    Found { path, kind: Kind::Missing, bytes: 0, has_parent }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Without slashes at either end or doubled, and without `.`; `..` stays, as what it means depends on links.
fn plain(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    parts.collect::<Vec<_>>().join(&b'/')
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn look_follows_links_inside_the_root_only() {
        let outside = tempfile::tempdir().expect("temporary folder");
        let at = outside.path().join("root");
        fs::create_dir_all(at.join("a/b")).expect("folders");
        fs::write(at.join("a/file"), "12345").expect("file");
        symlink("/a/file", at.join("to-file")).expect("link");
        symlink("../../../a", at.join("a/b/up")).expect("link");
        symlink("new", at.join("a/dangling")).expect("link");
        symlink("loop", at.join("loop")).expect("link");
        let root = Folder::open(&at).expect("open");
        let seen = |path: &str, follow| {
            let found = look(&root, path.as_bytes(), follow).expect(path);
            (String::from_utf8(found.path).expect("text"), found.kind, found.has_parent)
        };
        assert_eq!(seen("/to-file", true), ("a/file".into(), Kind::File, true));
        assert_eq!(seen("to-file", false), ("to-file".into(), Kind::Symlink, true));
        assert_eq!(seen("/a/b/up/", false).1, Kind::Folder);
        assert_eq!(seen("a/dangling", true), ("a/new".into(), Kind::Missing, true));
        assert_eq!(seen("x/y", true), ("x/y".into(), Kind::Missing, false));
        assert_eq!(seen("a/file/y", true).1, Kind::Missing);
        assert_eq!(seen("/", true), (String::new(), Kind::Folder, true));
        assert_eq!(seen("../..", true).1, Kind::Folder);
        assert!(look(&root, b"loop", true).is_err());
        assert_eq!(look(&root, b"a/file", true).expect("found").bytes, 5);
    }
}
