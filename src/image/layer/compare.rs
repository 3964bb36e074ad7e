//! Whether an unpacked layer still is what its archive says: every entry's sort, mode, owner, size, target and content, and
//! nothing beside them. Writes nothing.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use rustix::fs::{FileType, Stat};
use serde::{Deserialize, Serialize};

use super::archive::{Archive, Entry, Fragment, Kind};
use super::name::{EntryPath, Meaning};
use super::owner::Owners;
use super::rules::UnpackJob;
use super::unpack::Policy;
use super::{CHUNK_BYTES, Digesting, UnpackRules};
use crate::image::{ImageError, Result, inside};
use crate::model::Digest;
use crate::sys::in_root::{self, Folder};

/// So many differences say enough.
const MOST: usize = 20;

/// What the comparison of a layer found.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::image) struct Compared {
    /// `etc/passwd is missing` and the like; not made printable. At most [`MOST`].
    pub(in crate::image) differences: Vec<String>,
    /// How many more there are.
    pub(in crate::image) more: usize,
}

/// Compares the folder of `job` with the plain archive, and returns the archive's digest too.
pub(in crate::image) fn compare_digesting(plain: impl Read, job: &UnpackJob) -> Result<(Digest, Compared)> {
    let mut plain = Digesting::new(plain);
    let compared = match job.owners {
        Owners::Mapped(_) => compare_elsewhere(&mut plain, job)?,
        _ => compare(&mut plain, job)?,
    };
    io::copy(&mut plain, &mut io::sink()).map_err(|error| ImageError::layer(&job.layer, error))?;
    Ok((plain.digest(), compared))
}

/// Files of subordinate ids are read by root of a user namespace.
fn compare_elsewhere(plain: &mut dyn Read, job: &UnpackJob) -> Result<Compared> {
    let failed = |error| ImageError::io("cannot start a process that reads", &job.root, error);
    let mut command = inside::command("compare");
    command.arg(&job.root).arg(&job.layer).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut pipe = child.stdin.take();
    let mut buffer = vec![0; CHUNK_BYTES];
    let fed = loop {
        match plain.read(&mut buffer) {
            Ok(0) => break Ok(()),
            // A process that has ended tells why; the rest is read for its digest.
            Ok(read) if pipe.as_mut().is_some_and(|pipe| pipe.write_all(&buffer[..read]).is_err()) => pipe = None,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(ImageError::layer(&job.layer, error)),
        }
    };
    drop(pipe);
    let output = child.wait_with_output().map_err(failed)?;
    fed?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        ImageError::layer(
            &job.layer,
            if complaint.is_empty() { "its comparison ended without a word" } else { &complaint },
        )
    })
}

/// The task `compare ROOT LAYER`: the archive comes by stdin, the answer goes to stdout.
pub(in crate::image) fn compare_task(words: &[OsString]) -> std::result::Result<(), String> {
    let [root, layer] = words else { return Err(inside::NOT_FOR_PEOPLE.to_owned()) };
    let rules = UnpackRules { owners: || Owners::Inside, ..UnpackRules::default() };
    let job = UnpackJob::new(&rules, root.into(), &layer.to_string_lossy(), Policy::Layer);
    let compared = compare(&mut io::stdin().lock(), &job).map_err(|error| error.to_string())?;
    let line = serde_json::to_string(&compared).map_err(|error| error.to_string())?;
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(|error| error.to_string())
}

fn compare(plain: &mut dyn Read, job: &UnpackJob) -> Result<Compared> {
    let root = Folder::open(&job.root).map_err(|error| ImageError::io("cannot open", &job.root, error))?;
    let mut archive = Archive::new(plain);
    let mut comparison = Comparison {
        root,
        job,
        suspects: BTreeMap::new(),
        declared: HashSet::new(),
        symlinks: HashSet::new(),
        parents_are_plain: true,
        buffers: (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]),
    };
    while let Some(entry) = archive.next().map_err(|error| ImageError::layer(&job.layer, error))? {
        comparison.entry(&mut archive, &entry)?;
    }
    comparison.finish()
}

struct Comparison<'a> {
    root: Folder,
    job: &'a UnpackJob,
    /// What differs, by path. A later entry of the same path has the last word.
    suspects: BTreeMap<Vec<u8>, String>,
    /// Hashes of all paths that the archive has, with the folders above them.
    declared: HashSet<u64>,
    symlinks: HashSet<u64>,
    /// No entry lies behind a symlink: only then a path on disk is a path in the archive.
    parents_are_plain: bool,
    buffers: (Vec<u8>, Vec<u8>),
}

impl Comparison<'_> {
    fn entry(&mut self, archive: &mut Archive<'_>, entry: &Entry) -> Result<()> {
        if matches!(entry.kind, Kind::Character | Kind::Block) {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&entry.path);
        let refused = |reason| ImageError::layer(&self.job.layer, format!("{shown}: {reason}"));
        let path = EntryPath::parse(&entry.path, false).map_err(refused)?;
        if path.is_root() {
            return Ok(());
        }
        let trouble = match path.meaning().map_err(refused)? {
            Meaning::Entry => {
                self.declare(path.as_bytes(), entry.kind == Kind::Symlink);
                self.forget(path.as_bytes(), entry.kind == Kind::Folder);
                let (folder, name) = path.split();
                self.at(folder, name, |it, folder, found| it.differs(archive, entry, folder, name, found))
            }
            Meaning::Whiteout(hidden) => {
                let (folder, _) = path.split();
                let hidden_path = if folder.is_empty() { hidden.clone() } else { [folder, b"/", &hidden].concat() };
                self.declare(&hidden_path, false);
                // What the layer itself has of that name stays.
                let trouble = self.at(folder, OsStr::from_bytes(&hidden), |_, _, _| Ok(None));
                return self.keep(&hidden_path, trouble);
            }
            Meaning::Opaque => {
                let (folder, _) = path.split();
                self.declare(folder, false);
                let trouble = self.opaque(folder);
                return self.keep(&[folder, b"/"].concat(), trouble);
            }
        };
        self.keep(path.as_bytes(), trouble)
    }

    fn keep(&mut self, path: &[u8], trouble: io::Result<Option<String>>) -> Result<()> {
        let shown = self.job.root.join(OsStr::from_bytes(path));
        if let Some(trouble) = trouble.map_err(|error| ImageError::io("cannot read", &shown, error))? {
            self.suspects.insert(path.to_vec(), trouble);
        }
        Ok(())
    }

    /// Looks at `name` in `folder` on disk; what is not there is told.
    fn at(
        &mut self,
        folder: &[u8],
        name: &OsStr,
        judge: impl FnOnce(&mut Self, &Folder, &Stat) -> io::Result<Option<String>>,
    ) -> io::Result<Option<String>> {
        let missing = || Ok(Some("is missing".to_owned()));
        let folder = match self.root.resolve(OsStr::from_bytes(folder)) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return missing();
            }
            result => result?,
        };
        match folder.look(name)? {
            Some(found) => judge(self, &folder, &found),
            None => missing(),
        }
    }

    fn differs(
        &mut self,
        archive: &mut Archive<'_>,
        entry: &Entry,
        folder: &Folder,
        name: &OsStr,
        found: &Stat,
    ) -> io::Result<Option<String>> {
        let sort = FileType::from_raw_mode(found.st_mode);
        let expected = match entry.kind {
            Kind::File => FileType::RegularFile,
            Kind::Folder => FileType::Directory,
            Kind::Symlink => FileType::Symlink,
            Kind::Fifo => FileType::Fifo,
            // A hard link is whatever its target is, and devices are left out.
            Kind::HardLink | Kind::Character | Kind::Block => return Ok(None),
        };
        if sort != expected {
            return Ok(Some(format!("is {}, not {}", word(sort), word(expected))));
        }
        if sort == FileType::Symlink {
            let same = folder.read_symlink(name)?.as_bytes() == entry.link;
            return Ok((!same).then(|| "has another target".to_owned()));
        }
        let (mode, wanted) = (found.st_mode & 0o7777, entry.mode & 0o7777);
        if mode != wanted {
            return Ok(Some(format!("has the mode {mode:04o}, not {wanted:04o}")));
        }
        let (uid, gid) = (entry.uid, entry.gid);
        if self.job.owners.are_given() && (found.st_uid, found.st_gid) != (uid, gid) {
            return Ok(Some(format!("belongs to {}:{}, not to {uid}:{gid}", found.st_uid, found.st_gid)));
        }
        if sort != FileType::RegularFile {
            return Ok(None);
        }
        if found.st_size as u64 != entry.size {
            return Ok(Some(format!("is {} bytes long, not {}", found.st_size, entry.size)));
        }
        let mut file = folder.read_file(name)?;
        let whole = [Fragment { offset: 0, length: entry.size }];
        for fragment in entry.fragments.as_deref().unwrap_or(&whole) {
            file.seek(SeekFrom::Start(fragment.offset))?;
            if !self.is_same(archive, &mut file, fragment.length)? {
                return Ok(Some("has another content".to_owned()));
            }
        }
        Ok(None)
    }

    /// Whether the next `length` bytes of the archive and of the file are the same.
    fn is_same(&mut self, archive: &mut Archive<'_>, file: &mut File, length: u64) -> io::Result<bool> {
        let (expected, found) = &mut self.buffers;
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(expected.len());
            let read = archive.read(&mut expected[..most])?;
            match file.read_exact(&mut found[..read]) {
                Ok(()) if found[..read] == expected[..read] => left -= read as u64,
                Ok(()) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn opaque(&self, folder: &[u8]) -> io::Result<Option<String>> {
        let folder = match self.root.resolve(OsStr::from_bytes(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some("is missing".to_owned())),
            result => result?,
        };
        let mark = OsStr::new(self.job.owners.opaque_mark());
        let marked = in_root::attributes(&folder)?.iter().any(|(name, value)| name == mark && value == b"y");
        Ok((!marked).then(|| "does not hide what lies below".to_owned()))
    }

    /// A later entry has the last word on its path, and one that is no folder on all below it.
    fn forget(&mut self, path: &[u8], is_folder: bool) {
        self.suspects.remove(path);
        if !is_folder && !self.suspects.is_empty() {
            let from = [path, b"/"].concat();
            let below = self.suspects.range((Bound::Included(from.clone()), Bound::Unbounded));
            let below: Vec<Vec<u8>> =
                below.map(|(path, _)| path.clone()).take_while(|it| it.starts_with(&from)).collect();
            below.iter().for_each(|path| drop(self.suspects.remove(path)));
        }
    }

    fn declare(&mut self, path: &[u8], symlink: bool) {
        let above = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| hash(&path[..at]));
        for folder in above {
            self.parents_are_plain &= !self.symlinks.contains(&folder);
            self.declared.insert(folder);
        }
        self.declared.insert(hash(path));
        if symlink {
            self.symlinks.insert(hash(path));
        }
    }

    fn finish(mut self) -> Result<Compared> {
        if self.parents_are_plain {
            let root = self.root.resolve(OsStr::new("")).and_then(|root| self.extra(&root, &mut Vec::new()));
            root.map_err(|error| ImageError::io("cannot read", &self.job.root, error))?;
        }
        let mut compared = Compared { more: self.suspects.len().saturating_sub(MOST), differences: Vec::new() };
        for (path, trouble) in self.suspects.into_iter().take(MOST) {
            compared.differences.push(format!("{} {trouble}", String::from_utf8_lossy(&path)));
        }
        Ok(compared)
    }

    /// Finds what is on disk and not in the archive. Folders nest at most as deep as a path is long.
    fn extra(&mut self, folder: &Folder, path: &mut Vec<u8>) -> io::Result<()> {
        for name in folder.names()? {
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            match self.declared.contains(&hash(path)) {
                false => drop(self.suspects.insert(path.clone(), "is not in the layer's archive".to_owned())),
                true if is_folder(folder, &name)? => self.extra(&folder.child(&name)?, path)?,
                true => {}
            }
            path.truncate(length);
        }
        Ok(())
    }
}

fn is_folder(folder: &Folder, name: &OsStr) -> io::Result<bool> {
    let found = folder.look(name)?;
    Ok(found.is_some_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory))
}

fn hash(path: &[u8]) -> u64 {
    let mut state = DefaultHasher::new();
    path.hash(&mut state);
    state.finish()
}

fn word(sort: FileType) -> &'static str {
    match sort {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symlink",
        FileType::Fifo => "a fifo",
        FileType::CharacterDevice => "a whiteout or device",
        _ => "of another sort",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::image::layer::{Gauge, unpack_digesting};

    use tar::EntryType;

    /// Path, sort, content or target.
    type Told<'a> = (&'a str, EntryType, &'a str);

    const FILE: EntryType = EntryType::Regular;
    const FOLDER: EntryType = EntryType::Directory;

    fn archive(entries: &[Told]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, sort, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*sort);
            header.set_mode(0o755);
            header.set_uid(u64::from(rustix::process::geteuid().as_raw()));
            header.set_gid(u64::from(rustix::process::getegid().as_raw()));
            match sort {
                EntryType::Symlink | EntryType::Link => {
                    header.set_size(0);
                    tar.append_link(&mut header, path, content).expect("memory");
                }
                _ => {
                    header.set_size(content.len() as u64);
                    tar.append_data(&mut header, path, content.as_bytes()).expect("memory");
                }
            }
        }
        tar.into_inner().expect("memory")
    }

    /// Unpacks, spoils, and returns what the comparison finds.
    fn found(entries: &[Told], spoil: impl FnOnce(&std::path::Path)) -> Vec<String> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let root = folder.path().join("fs");
        fs::create_dir(&root).expect("folder");
        let job = UnpackJob::new(&UnpackRules::default(), root.clone(), "x", Policy::Layer);
        let bytes = archive(entries);
        let plain = unpack_digesting(&bytes[..], &job, &Gauge::default()).expect("unpacked");
        spoil(&root);
        let (digest, compared) = compare_digesting(&bytes[..], &job).expect("compared");
        assert_eq!(digest, plain.diff_id);
        compared.differences
    }

    const PLAIN: [Told; 7] = [
        ("etc/", FOLDER, ""),
        ("etc/a", FILE, "one"),
        ("etc/b", FILE, "two"),
        ("etc/link", EntryType::Symlink, "a"),
        ("etc/hard", EntryType::Link, "etc/a"),
        ("etc/.wh.gone", FILE, ""),
        ("deep/er/c", FILE, ""),
    ];

    #[test]
    fn layer_as_it_was_unpacked_has_no_differences() {
        assert_eq!(found(&PLAIN, |_| {}), Vec::<String>::new());
    }

    #[test]
    fn entries_that_replace_each_other_are_no_differences() {
        let entries = [
            ("a/", FOLDER, ""),
            ("a/f", FILE, "1"),
            ("a", FILE, "now a file"),
            ("b", FILE, "first"),
            ("b", FILE, "second, longer"),
            ("c/x", FILE, "1"),
            ("c/.wh.x", FILE, ""),
            ("d", EntryType::Symlink, "e"),
            ("e/", FOLDER, ""),
            ("d/through", FILE, "1"),
            ("o/", FOLDER, ""),
            ("o/.wh..wh..opq", FILE, ""),
        ];
        assert_eq!(found(&entries, |_| {}), Vec::<String>::new());
    }

    #[test]
    fn every_sort_of_damage_is_told() {
        let damaged = |spoil: fn(&std::path::Path)| found(&PLAIN, spoil);
        assert_eq!(damaged(|root| fs::write(root.join("etc/b"), "TWO").expect("write")), ["etc/b has another content"]);
        let cut = damaged(|root| fs::write(root.join("etc/b"), "").expect("write"));
        assert_eq!(cut, ["etc/b is 0 bytes long, not 3"]);
        assert_eq!(damaged(|root| fs::remove_file(root.join("deep/er/c")).expect("remove")), ["deep/er/c is missing"]);
        assert_eq!(damaged(|root| fs::remove_dir_all(root.join("deep")).expect("remove")), ["deep/er/c is missing"]);
        assert_eq!(damaged(|root| fs::remove_file(root.join("etc/gone")).expect("remove")), ["etc/gone is missing"]);
        let closed = damaged(|root| {
            fs::set_permissions(root.join("etc/b"), fs::Permissions::from_mode(0o4700)).expect("mode");
        });
        assert_eq!(closed, ["etc/b has the mode 4700, not 0755"]);
        let turned = damaged(|root| {
            fs::remove_file(root.join("etc/link")).expect("remove");
            std::os::unix::fs::symlink("/etc/shadow", root.join("etc/link")).expect("symlink");
        });
        assert_eq!(turned, ["etc/link has another target"]);
        let replaced = damaged(|root| {
            fs::remove_file(root.join("etc/b")).expect("remove");
            fs::create_dir(root.join("etc/b")).expect("folder");
        });
        assert_eq!(replaced, ["etc/b is a folder, not a file"]);
        let added = damaged(|root| fs::write(root.join("deep/new"), "").expect("write"));
        assert_eq!(added, ["deep/new is not in the layer's archive"]);
    }
}
