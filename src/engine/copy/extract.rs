//! Makes what is in an archive: the writing half of `cp`. Every path goes through the kernel's in-root resolution, nothing is
//! written through a link that the archive or a container brought, and a file takes the place of another by a new one.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::FileType;
use tar::{Entry, EntryType};

use crate::engine::tree::protocol::Ids;
use crate::model::printable_line;
use crate::sys::in_root::{self, Folder};

const BUFFER_BYTES: usize = 256 << 10;
/// Zeros in pieces of this size become holes.
const HOLE_BYTES: usize = 4096;

/// Why an archive could not be extracted.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The archive asks for what cannot be.
    #[error("{path}: {reason}")]
    Refused { path: String, reason: String },
    #[error("cannot write {path}: {source}")]
    Write { path: String, source: io::Error },
    #[error("cannot read the archive: {0}")]
    Archive(io::Error),
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Of regular files.
    pub bytes: u64,
    pub entries: u64,
    /// Device nodes that were left out.
    pub devices: u64,
}

/// The folder that archives are extracted into.
pub struct Extractor<'a> {
    root: &'a Folder,
    /// The folder's path inside the root, plain.
    base: Vec<u8>,
    links: Links,
    first: First,
    itself: Itself,
    owners: Ids,
    /// What folders look like that no entry is for.
    like: Option<&'a Folder>,
    /// The folder of the entry before, which mostly is the next one's as well.
    parent: Option<(Vec<u8>, Folder)>,
    /// Folders get their times and modes when all is there.
    waiting: BTreeMap<Vec<u8>, Meta>,
    done: Extracted,
}

/// Whether links that are in the way to an entry are followed, inside the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    Followed,
    Refused,
}

/// What an archive's entry for the folder that it is extracted into does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Itself {
    Left,
    Changed,
}

/// What an archive's first entry has to be: its writer looked at it, and then it may have been swapped for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Anything,
    Folder,
}

#[derive(Clone, Debug)]
struct Meta {
    mode: u32,
    owner: Option<(u32, u32)>,
    modified: (i64, u32),
    attributes: Vec<(OsString, Vec<u8>)>,
}

impl<'a> Extractor<'a> {
    /// Into a folder of a container, whose root is given. What links in it point to is inside of that root.
    pub fn in_root(root: &'a Folder, folder: &[u8], owners: Ids) -> Result<Self, ExtractError> {
        let shown = || String::from_utf8_lossy(folder).into_owned();
        let opened = root.resolve(OsStr::from_bytes(folder));
        let opened = opened.map_err(|source| ExtractError::Write { path: shown(), source })?;
        let read_only = in_root::is_on_read_only(&opened);
        if read_only.map_err(|source| ExtractError::Write { path: shown(), source })? {
            let path = format!("/{}", shown());
            return Err(ExtractError::Refused { path, reason: "it is read-only in the container".to_owned() });
        }
        Ok(Self::new(root, folder.to_vec(), Links::Followed, owners))
    }

    /// Into a folder of the machine. Links in it are not followed.
    pub fn in_folder(folder: &'a Folder, owners: Ids) -> Self {
        Self::new(folder, Vec::new(), Links::Refused, owners)
    }

    /// Refuses an archive that begins with something else.
    #[must_use]
    pub fn beginning_with(self, first: First) -> Self {
        Self { first, ..self }
    }

    /// Also gives the folder itself the owner and mode that the archive says.
    #[must_use]
    pub fn with_itself(self) -> Self {
        Self { itself: Itself::Changed, ..self }
    }

    /// Folders that the archive has no entry for, the folder itself too, look like those of the same paths in `like`.
    pub fn alike(self, like: &'a Folder) -> Result<Self, ExtractError> {
        in_root::copy_rights(like, self.root).map_err(|error| written(b".", error))?;
        Ok(Self { like: Some(like), ..self })
    }

    fn new(root: &'a Folder, base: Vec<u8>, links: Links, owners: Ids) -> Self {
        Self {
            root,
            base,
            links,
            owners,
            like: None,
            first: First::Anything,
            itself: Itself::Left,
            parent: None,
            waiting: BTreeMap::new(),
            done: Extracted::default(),
        }
    }

    /// Reads the archive to its end and makes everything.
    pub fn extract(mut self, archive: impl Read) -> Result<Extracted, ExtractError> {
        let mut archive = tar::Archive::new(BufReader::with_capacity(BUFFER_BYTES, archive));
        let mut buffer = vec![0; BUFFER_BYTES];
        for entry in archive.entries().map_err(ExtractError::Archive)? {
            self.entry(entry.map_err(ExtractError::Archive)?, &mut buffer)?;
        }
        // What follows the end mark is read, so that the archive's writer is not cut off.
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(ExtractError::Archive)?;
        self.finish()?;
        Ok(self.done)
    }

    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>, buffer: &mut [u8]) -> Result<(), ExtractError> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let raw = entry.path_bytes().into_owned();
        let path = plain(&raw).ok_or_else(|| refused(&raw, "the path leads out of the folder"))?;
        if path.is_empty() {
            if self.itself == Itself::Changed && kind == EntryType::Directory {
                let meta = self.meta(&mut entry, kind)?;
                self.waiting.insert(path, meta);
            }
            return Ok(());
        }
        if self.first == First::Folder && self.done.entries == 0 && kind != EntryType::Directory {
            return Err(refused(&path, "it was a folder, and was swapped for something else while it was copied"));
        }
        let meta = self.meta(&mut entry, kind)?;
        self.done.entries += 1;
        match kind {
            EntryType::Directory => self.folder(&path, meta),
            EntryType::Regular | EntryType::Continuous if raw.ends_with(b"/") => self.folder(&path, meta),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(&mut entry, &path, &meta, buffer)
            }
            EntryType::Symlink => {
                let target = target_of(&entry, &path)?;
                self.replacing(&path, |folder, name| folder.make_symlink(name, OsStr::from_bytes(&target)))?;
                self.apply_by_name(&path, &meta, false)
            }
            EntryType::Link => {
                let target = target_of(&entry, &path)?;
                let target = plain(&target).ok_or_else(|| refused(&path, "the link leads out of the folder"))?;
                self.hard_link(&path, &target)
            }
            EntryType::Fifo => {
                self.replacing(&path, |folder, name| folder.make_fifo(name, 0o600))?;
                self.apply_by_name(&path, &meta, true)
            }
            EntryType::Char | EntryType::Block => self.device(&entry, &path, &meta),
            other => Err(refused(&path, format!("entries of type {:?} are not known", other.as_byte() as char))),
        }
    }

    fn folder(&mut self, path: &[u8], meta: Meta) -> Result<(), ExtractError> {
        let (folder, name) = self.parent_of(path)?;
        match folder.make_folder(name, 0o700) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let there = folder.look(name).map_err(|error| written(path, error))?;
                if there.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory) {
                    return Err(refused(path, "cannot overwrite a file, or a link, with a folder"));
                }
            }
            made => made.map_err(|error| written(path, error))?,
        }
        self.waiting.insert(path.to_vec(), meta);
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        path: &[u8],
        meta: &Meta,
        buffer: &mut [u8],
    ) -> Result<(), ExtractError> {
        let mut file = match self.replacing(path, |folder, name| folder.make_file(name, meta.mode & 0o700 | 0o200)) {
            // Something is mounted here, or the machine holds it: what is there gets the content.
            Err(ExtractError::Write { source, .. }) if source.kind() == io::ErrorKind::ResourceBusy => {
                let (folder, name) = self.parent_of(path)?;
                folder.write_file(name).map_err(|error| written(path, error))?
            }
            file => file?,
        };
        let mut length = 0;
        loop {
            let filled = fill(entry, buffer).map_err(ExtractError::Archive)?;
            if filled == 0 {
                break;
            }
            put(&mut file, &buffer[..filled]).map_err(|error| written(path, error))?;
            length += filled as u64;
        }
        if length != entry.size() {
            return Err(ExtractError::Archive(io::ErrorKind::UnexpectedEof.into()));
        }
        self.done.bytes += length;
        // A hole at the end has no length of its own yet.
        let finish = || {
            file.set_len(length)?;
            apply(&file, meta)
        };
        finish().map_err(|error| written(path, error))
    }

    fn hard_link(&mut self, path: &[u8], target: &[u8]) -> Result<(), ExtractError> {
        let (old_parent, old_name) = split(target);
        let old = self.open(old_parent).map_err(|error| written(target, error))?;
        let there = old.look(OsStr::from_bytes(old_name)).map_err(|error| written(target, error))?;
        if there.is_none_or(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory) {
            return Err(refused(path, "the hard link's target is not in the archive"));
        }
        self.replacing(path, |folder, name| folder.make_hard_link(name, &old, OsStr::from_bytes(old_name)))
    }

    fn device<R: Read>(&mut self, entry: &Entry<'_, R>, path: &[u8], meta: &Meta) -> Result<(), ExtractError> {
        let header = entry.header();
        let number = |value: io::Result<Option<u32>>| value.ok().flatten().unwrap_or(0);
        let (major, minor) = (number(header.device_major()), number(header.device_minor()));
        // 0:0 is overlayfs's whiteout: it would hide a file instead.
        if self.owners == Ids::Own || (major, minor) == (0, 0) {
            self.done.devices += 1;
            return Ok(());
        }
        let block = header.entry_type() == EntryType::Block;
        match self.replacing(path, |folder, name| folder.make_device(name, block, (major, minor))) {
            // A user namespace may make none.
            Err(ExtractError::Write { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
                self.done.devices += 1;
                Ok(())
            }
            made => made.and_then(|()| self.apply_by_name(path, meta, true)),
        }
    }

    /// Folders get their metadata, the inner ones first, so that a closed outer one does not hinder.
    fn finish(&mut self) -> Result<(), ExtractError> {
        for (path, meta) in std::mem::take(&mut self.waiting).into_iter().rev() {
            let done = self.open(&path).and_then(|folder| apply(&folder, &meta));
            done.map_err(|error| written(&path, error))?;
        }
        Ok(())
    }

    /// Makes something new at `path`. A folder that is there is not replaced, anything else is.
    fn replacing<T>(
        &mut self,
        path: &[u8],
        make: impl Fn(&Folder, &OsStr) -> io::Result<T>,
    ) -> Result<T, ExtractError> {
        let (folder, name) = self.parent_of(path)?;
        match make(folder, name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map_err(|error| written(path, error)),
        }
        let there = folder.look(name).map_err(|error| written(path, error))?;
        if there.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory) {
            return Err(refused(path, "cannot overwrite a folder with a file"));
        }
        let remade = folder.remove_file(name).and_then(|()| make(folder, name));
        remade.map_err(|error| written(path, error))
    }

    fn apply_by_name(&mut self, path: &[u8], meta: &Meta, has_mode: bool) -> Result<(), ExtractError> {
        let (folder, name) = self.parent_of(path)?;
        let apply = || {
            if let Some((uid, gid)) = meta.owner {
                folder.set_owner_of(name, uid, gid)?;
            }
            if has_mode {
                folder.set_mode_of(name, meta.mode)?;
            }
            folder.set_modified_of(name, meta.modified.0, meta.modified.1)
        };
        apply().map_err(|error| written(path, error))
    }

    /// The folder that `path` is in, made if it is missing, and the last component.
    fn parent_of<'p>(&mut self, path: &'p [u8]) -> Result<(&Folder, &'p OsStr), ExtractError> {
        let (parent, name) = split(path);
        if self.parent.as_ref().is_none_or(|(known, _)| known != parent) {
            let opened = match self.open(parent) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.links == Links::Followed => {
                    self.root.resolve_or_make(OsStr::from_bytes(&self.inside(parent))).map(|(folder, _)| folder)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.make_parents(parent),
                opened => opened,
            };
            self.parent = Some((parent.to_vec(), opened.map_err(|error| written(path, error))?));
        }
        let (_, folder) = self.parent.as_ref().expect("set above");
        Ok((folder, OsStr::from_bytes(name)))
    }

    /// Folders that the archive has no entries for, where links are not followed.
    fn make_parents(&self, path: &[u8]) -> io::Result<Folder> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([path.len()]);
        let mut folder = self.open(b"")?;
        let mut start = 0;
        for end in ends {
            let name = OsStr::from_bytes(&path[start..end]);
            start = end + 1;
            folder = match self.open(&path[..end]) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    folder.make_folder(name, 0o700)?;
                    let made = folder.child(name)?;
                    let known = |like: &Folder| like.resolve_without_links(OsStr::from_bytes(&path[..end])).ok();
                    match self.like.and_then(known) {
                        Some(known) => in_root::copy_rights(&known, &made)?,
                        None => in_root::set_mode(&made, 0o755)?,
                    }
                    made
                }
                opened => opened?,
            };
        }
        Ok(folder)
    }

    fn open(&self, path: &[u8]) -> io::Result<Folder> {
        let path = self.inside(path);
        match self.links {
            Links::Followed => self.root.resolve(OsStr::from_bytes(&path)),
            Links::Refused => self.root.resolve_without_links(OsStr::from_bytes(&path)),
        }
    }

    fn inside(&self, path: &[u8]) -> Vec<u8> {
        match (self.base.is_empty(), path.is_empty()) {
            (true, _) => path.to_vec(),
            (false, true) => self.base.clone(),
            (false, false) => [&self.base, b"/".as_slice(), path].concat(),
        }
    }

    fn meta<R: Read>(&self, entry: &mut Entry<'_, R>, kind: EntryType) -> Result<Meta, ExtractError> {
        let header = entry.header();
        let id = |value: io::Result<u64>| value.ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
        let owner = match self.owners {
            Ids::Given => Some((id(header.uid()), id(header.gid()))),
            Ids::Root => Some((0, 0)),
            Ids::Own => None,
        };
        // A container's set-user-id program is not to become one of the machine's by the way.
        let bits = if self.owners == Ids::Own && kind != EntryType::Directory { 0o777 } else { 0o7777 };
        let mode = header.mode().unwrap_or(0o644) & bits;
        let seconds = header.mtime().ok().and_then(|time| i64::try_from(time).ok()).unwrap_or(0);
        let mut meta = Meta { mode, owner, modified: (seconds, 0), attributes: Vec::new() };
        let Ok(Some(extensions)) = entry.pax_extensions() else { return Ok(meta) };
        for extension in extensions.flatten() {
            let key = extension.key_bytes();
            if key == b"mtime" {
                meta.modified = extension.value().ok().and_then(time).unwrap_or(meta.modified);
            } else if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                let kept = name.starts_with(b"user.") || self.owners != Ids::Own && name == b"security.capability";
                if kept || name.starts_with(b"system.posix_acl_") {
                    meta.attributes.push((OsStr::from_bytes(name).to_owned(), extension.value_bytes().to_vec()));
                }
            }
        }
        Ok(meta)
    }
}

/// Owner first: changing it takes set-user-id bits and capabilities away.
fn apply(file: impl std::os::fd::AsFd, meta: &Meta) -> io::Result<()> {
    let file = file.as_fd();
    if let Some((uid, gid)) = meta.owner {
        in_root::set_owner(file, uid, gid)?;
    }
    in_root::set_mode(file, meta.mode)?;
    for (name, value) in &meta.attributes {
        // Those that this user or file system may not have are left out, as Docker does.
        let _ = in_root::set_attribute(file, name, value);
    }
    in_root::set_modified(file, meta.modified.0, meta.modified.1)
}

/// Writes a buffer, with holes for zeros. The file is new, so a hole reads as zeros.
fn put(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    let is_zero = |piece: &[u8]| piece.len() == HOLE_BYTES && piece.iter().all(|byte| *byte == 0);
    while !bytes.is_empty() {
        let zeros: usize = bytes.chunks(HOLE_BYTES).take_while(|piece| is_zero(piece)).map(<[u8]>::len).sum();
        if zeros > 0 {
            file.seek(SeekFrom::Current(i64::try_from(zeros).expect("less than a buffer")))?;
            bytes = &bytes[zeros..];
            continue;
        }
        let data: usize = bytes.chunks(HOLE_BYTES).take_while(|piece| !is_zero(piece)).map(<[u8]>::len).sum();
        file.write_all(&bytes[..data])?;
        bytes = &bytes[data..];
    }
    Ok(())
}

/// Reads until the buffer is full or the end is there.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The path without `.` and doubled slashes, relative; none if it has `..` in it or is no path.
fn plain(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.contains(&0) || raw.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return None;
    }
    let parts = raw.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    Some(parts.collect::<Vec<_>>().join(&b'/'))
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn target_of<R: Read>(entry: &Entry<'_, R>, path: &[u8]) -> Result<Vec<u8>, ExtractError> {
    match entry.link_name_bytes() {
        Some(target) if !target.is_empty() && !target.contains(&0) => Ok(target.into_owned()),
        _ => Err(refused(path, "the link has no target")),
    }
}

/// Seconds and nanoseconds of a PAX time such as `1700000000.25`.
fn time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    match whole.starts_with('-') && nanoseconds > 0 {
        true => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        false => Some((seconds, nanoseconds)),
    }
}

fn shown(path: &[u8]) -> String {
    printable_line(&String::from_utf8_lossy(path)).into_owned()
}

fn refused(path: &[u8], reason: impl Into<String>) -> ExtractError {
    ExtractError::Refused { path: shown(path), reason: reason.into() }
}

fn written(path: &[u8], source: io::Error) -> ExtractError {
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => refused(path, "it is read-only in the container"),
        _ => ExtractError::Write { path: shown(path), source },
    }
}

#[cfg(test)]
mod tests;
