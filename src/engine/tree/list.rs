//! What a browser asks for: a folder's entries page by page, and parts of regular files. Every path ends inside the root,
//! and nothing but regular files is opened for reading: a pipe would block, a device might act.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{FileType, Stat};

use super::protocol::Bytes;
use crate::model::{FileEntry, FilePage, FilePart, FileSort, Timestamp};
use crate::sys::in_root::Folder;

/// As many links as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;
/// More is not read at once, whatever is asked.
const PART_MAX: u64 = 4 << 20;
/// More names than this are counted but not kept: no page shows them.
const NAMES_MAX: usize = 1_000_000;

/// Lists folders; remembers the names of the one that is being listed, so that its pages fit together.
#[derive(Debug, Default)]
pub struct Lister {
    path: Bytes,
    names: Vec<OsString>,
    total: u64,
}

impl Lister {
    /// A page of a folder; the first page reads its names anew.
    pub fn list(&mut self, root: &Folder, path: &[u8], from: u64, most: u64) -> io::Result<FilePage> {
        let path = real(root, path)?;
        let folder = root.resolve(OsStr::from_bytes(&path))?;
        if from == 0 || self.path != path {
            let mut names = folder.names()?;
            self.total = names.len() as u64;
            names.truncate(NAMES_MAX);
            (self.path, self.names) = (path.clone(), names);
        }
        let begin = usize::try_from(from).unwrap_or(usize::MAX).min(self.names.len());
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let names = self.names[begin..].iter().take(most);
        // Those that are gone meanwhile are left out.
        let entries = names.filter_map(|name| entry(root, &folder, &path, name).transpose());
        Ok(FilePage {
            path: absolute(path.clone()),
            from,
            total: self.total,
            entries: entries.collect::<io::Result<_>>()?,
        })
    }
}

fn entry(root: &Folder, folder: &Folder, path: &[u8], name: &OsStr) -> io::Result<Option<FileEntry>> {
    let stat = match folder.look(name) {
        Ok(Some(stat)) => stat,
        Ok(None) => return Ok(None),
        // A FUSE mount that is down, for one: its name is there.
        Err(_) => return Ok(Some(unknown(name))),
    };
    let sort = sort_of(&stat);
    let target = if sort == FileSort::Symlink { folder.read_symlink(name).ok() } else { None };
    let leads_to = match &target {
        None => sort,
        Some(_) => sort_behind(root, &[path, b"/", name.as_bytes()].concat()),
    };
    let bytes = if sort == FileSort::Regular { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    let (uid, gid, mode) = (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777);
    let name = name.to_owned();
    Ok(Some(FileEntry { name, sort, bytes, mode, uid, gid, modified: modified(&stat), target, leads_to }))
}

fn unknown(name: &OsStr) -> FileEntry {
    FileEntry {
        name: name.to_owned(),
        sort: FileSort::Special,
        bytes: 0,
        mode: 0,
        uid: 0,
        gid: 0,
        modified: None,
        target: None,
        leads_to: FileSort::Special,
    }
}

/// What the kernel finds behind a link, the root being this one.
fn sort_behind(root: &Folder, path: &[u8]) -> FileSort {
    match root.resolve(OsStr::from_bytes(path)) {
        Ok(_) => FileSort::Folder,
        Err(error) => match error.kind() {
            io::ErrorKind::NotADirectory => FileSort::Regular,
            // A folder that must not be read is one all the same.
            io::ErrorKind::PermissionDenied => FileSort::Folder,
            _ => FileSort::Absent,
        },
    }
}

fn sort_of(stat: &Stat) -> FileSort {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => FileSort::Folder,
        FileType::RegularFile => FileSort::Regular,
        FileType::Symlink => FileSort::Symlink,
        _ => FileSort::Special,
    }
}

fn modified(stat: &Stat) -> Option<Timestamp> {
    let nanoseconds = i32::try_from(stat.st_mtime_nsec).ok()?;
    jiff::Timestamp::new(stat.st_mtime, nanoseconds).ok().map(Timestamp)
}

/// Reads a part of a regular file, if by links that end inside.
pub fn read(root: &Folder, path: &[u8], offset: u64, most: u64) -> io::Result<FilePart> {
    let path = real(root, path)?;
    let (parent, name) = split(&path);
    let folder = root.resolve(OsStr::from_bytes(parent))?;
    let name = OsStr::from_bytes(name);
    let refused = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let sort =
        if name.is_empty() { FileSort::Folder } else { folder.look(name)?.as_ref().map_or(FileSort::Absent, sort_of) };
    match sort {
        FileSort::Regular => {}
        FileSort::Folder => return Err(io::ErrorKind::IsADirectory.into()),
        FileSort::Absent => return Err(io::ErrorKind::NotFound.into()),
        _ => return Err(refused("it is a pipe, socket or device, and only files can be read")),
    }
    let mut file = folder.read_file(name)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(refused("it is no file any more"));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(most.min(PART_MAX)).read_to_end(&mut bytes)?;
    Ok(FilePart { path: absolute(path), size_bytes: metadata.len(), offset, bytes })
}

/// The path without links and `..`, relative to the root. The last component need not be there.
pub fn real(root: &Folder, path: &[u8]) -> io::Result<Bytes> {
    let parts = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut left: VecDeque<Bytes> = parts(path).into();
    let mut done: Vec<Bytes> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        match part.as_slice() {
            b"" | b"." => continue,
            b".." => {
                done.pop();
                continue;
            }
            _ => {}
        }
        let folder = root.resolve(OsStr::from_bytes(&done.join(&b'/')));
        let name = OsStr::from_bytes(&part);
        let stat = match folder {
            Ok(ref folder) => folder.look(name)?,
            Err(error) => return Err(error),
        };
        let is_link = stat.as_ref().is_some_and(|stat| sort_of(stat) == FileSort::Symlink);
        if !is_link {
            if stat.is_none() && left.iter().any(|part| !part.is_empty()) {
                return Err(io::ErrorKind::NotFound.into());
            }
            done.push(part);
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        let target = folder?.read_symlink(name)?.into_vec();
        if target.starts_with(b"/") {
            done.clear();
        }
        parts(&target).into_iter().rev().for_each(|part| left.push_front(part));
    }
    Ok(done.join(&b'/'))
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn absolute(path: Bytes) -> OsString {
    OsString::from_vec([b"/", path.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root with a secret beside it.
    fn tree() -> (tempfile::TempDir, Folder) {
        let outside = tempfile::tempdir().expect("temporary folder");
        let at = outside.path().join("root");
        fs::create_dir_all(at.join("a/b")).expect("folders");
        fs::write(outside.path().join("secret"), "secret").expect("file");
        fs::create_dir(outside.path().join("secrets")).expect("folder");
        fs::write(at.join("a/file"), "0123456789").expect("file");
        fs::write(at.join(OsStr::from_bytes(b"a/\xff\x1b[2J")), "").expect("file");
        for (target, link) in [
            ("/a/file", "to-file"),
            ("../../a", "a/b/up"),
            ("../secret", "a/out"),
            ("../../../../../secrets", "a/b/away"),
            ("nowhere", "a/dangling"),
            ("loop", "loop"),
        ] {
            symlink(target, at.join(link)).expect("link");
        }
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at.join("a/pipe"),
            FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("pipe");
        let root = Folder::open(&at).expect("open");
        (outside, root)
    }

    fn listed(root: &Folder, path: &str) -> Vec<(String, FileSort, FileSort)> {
        let page = Lister::default().list(root, path.as_bytes(), 0, 100).expect(path);
        let line = |entry: FileEntry| (entry.name.to_string_lossy().into_owned(), entry.sort, entry.leads_to);
        page.entries.into_iter().map(line).collect()
    }

    #[test]
    fn list_tells_sorts_and_what_links_lead_to_inside() {
        let (_outside, root) = tree();
        use FileSort::{Absent, Folder, Regular, Special, Symlink};
        let expected = [
            ("b", Folder, Folder),
            ("dangling", Symlink, Absent),
            ("file", Regular, Regular),
            ("out", Symlink, Absent),
            ("pipe", Special, Special),
        ];
        let seen = listed(&root, "/a/");
        assert_eq!(seen.len(), expected.len() + 1);
        for (seen, (name, sort, leads_to)) in seen.iter().zip(expected) {
            assert_eq!((seen.0.as_str(), seen.1, seen.2), (name, sort, leads_to));
        }
        let up = listed(&root, "a/b");
        assert_eq!(up[0], ("away".to_owned(), Symlink, Absent));
        assert_eq!(up[1], ("up".to_owned(), Symlink, Folder));
    }

    #[test]
    fn paths_and_links_end_inside_and_tell_the_real_path() {
        let (_outside, root) = tree();
        let path = |path: &str| {
            let page = Lister::default().list(&root, path.as_bytes(), 0, 9);
            page.map(|page| page.path.into_string().expect("text")).map_err(|error| error.kind())
        };
        assert_eq!(path("/"), Ok("/".to_owned()));
        assert_eq!(path("../../.."), Ok("/".to_owned()));
        assert_eq!(path("a/b/up/b/up/./b"), Ok("/a/b".to_owned()));
        assert_eq!(path("a/b/away"), Err(io::ErrorKind::NotFound));
        assert_eq!(path("a/file"), Err(io::ErrorKind::NotADirectory));
        assert_eq!(path("none"), Err(io::ErrorKind::NotFound));
        assert!(path("loop").is_err());
    }

    #[test]
    fn pages_fit_together() {
        let (_outside, root) = tree();
        let mut lister = Lister::default();
        let first = lister.list(&root, b"a", 0, 2).expect("listed");
        let second = lister.list(&root, b"a", 2, 100).expect("listed");
        assert_eq!((first.total, first.entries.len(), second.from, second.entries.len()), (6, 2, 2, 4));
        assert!(lister.list(&root, b"a", 6, 2).expect("listed").entries.is_empty());
    }

    #[test]
    fn read_gives_parts_of_files_and_of_nothing_else() {
        let (_outside, root) = tree();
        let part = read(&root, b"to-file", 4, 3).expect("read");
        assert_eq!((part.bytes.as_slice(), part.size_bytes, part.path.as_bytes()), (&b"456"[..], 10, &b"/a/file"[..]));
        assert_eq!(read(&root, b"a/file", 99, 3).expect("read").bytes, b"");
        assert_eq!(read(&root, b"a/out", 0, 9).expect_err("outside").kind(), io::ErrorKind::NotFound);
        assert_eq!(read(&root, b"a", 0, 9).expect_err("a folder").kind(), io::ErrorKind::IsADirectory);
        assert_eq!(read(&root, b"a/pipe", 0, 9).expect_err("a pipe").kind(), io::ErrorKind::InvalidInput);
    }
}
