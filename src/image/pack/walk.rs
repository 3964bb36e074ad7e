//! The walk through a tree, entry by entry.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, SeekFrom, Stat, seek};
use rustix::io::Errno;
use tar::EntryType;

use super::{Entry, Owners, PackError, PackOptions, TarWriter};
use crate::image::layer::{CAPABILITY_NOTE, OWNER_NOTE, is_kept};
use crate::sys::in_root::{self, FileSystem, Folder};

/// Deeper trees are refused: each level keeps a descriptor open.
const DEPTH_MAX: usize = 500;

/// Overlayfs's attributes have one of these in front: the second where it was mounted by an ordinary user.
const MARKS: [&str; 2] = ["trusted.overlay.", "user.overlay."];

pub(super) struct Walk<'a, W> {
    writer: TarWriter<W>,
    options: &'a PackOptions,
    device: u64,
    mount: Option<u64>,
    /// Where the first name of a file with several stands.
    seen: HashMap<(u64, u64), PathBuf>,
    user: (u32, u32),
    is_upper: bool,
}

impl<'a, W: Write> Walk<'a, W> {
    pub(super) fn new(root: &Folder, options: &'a PackOptions, out: W) -> Result<Self, PackError> {
        let failed = |error| PackError::read(Path::new("."))(error);
        Ok(Self {
            writer: TarWriter::new(out),
            options,
            device: root.stat().map_err(failed)?.st_dev,
            mount: if options.leave_mounts { Some(root.mount().map_err(failed)?) } else { None },
            seen: HashMap::new(),
            user: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            is_upper: false,
        })
    }

    pub(super) fn of_upper(self) -> Self {
        Self { is_upper: true, ..self }
    }

    pub(super) fn finish(self) -> Result<W, PackError> {
        self.writer.finish().map_err(PackError::Write)
    }

    pub(super) fn content(&mut self, folder: &Folder, path: &Path, depth: usize) -> Result<(), PackError> {
        if depth > DEPTH_MAX {
            return Err(PackError::Refused { path: path.to_owned(), reason: "folders are nested too deep" });
        }
        for name in folder.names().map_err(PackError::read(path))? {
            let inner = path.join(&name);
            // None: gone meanwhile.
            if let Some(stat) = folder.look(&name).map_err(PackError::read(&inner))? {
                self.any(folder, &name, &inner, &stat, depth)?;
            }
        }
        Ok(())
    }

    pub(super) fn any(
        &mut self,
        folder: &Folder,
        name: &OsStr,
        path: &Path,
        stat: &Stat,
        depth: usize,
    ) -> Result<(), PackError> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if self.is_upper && name.as_bytes().starts_with(b".wh.") {
            let reason = "a name that begins with .wh. cannot be kept in an image: it would hide another file";
            return Err(PackError::Refused { path: path.to_owned(), reason });
        }
        match kind {
            FileType::Directory => match folder.child(name) {
                Err(error) if is_replaced(&error) => Ok(()),
                child => {
                    let child = child.map_err(PackError::read(path))?;
                    let stat = child.stat().map_err(PackError::read(path))?;
                    self.folder(&child, path, &stat)?;
                    match self.is_left(&child, &stat).map_err(PackError::read(path))? {
                        true => Ok(()),
                        false => self.content(&child, path, depth + 1),
                    }
                }
            },
            FileType::CharacterDevice if self.is_upper && stat.st_rdev == 0 => self.whiteout(path, name),
            FileType::Socket | FileType::Unknown => Ok(()),
            FileType::CharacterDevice | FileType::BlockDevice if !self.options.devices => Ok(()),
            _ if self.hard_link(path, stat)? => Ok(()),
            FileType::RegularFile => self.file(folder, name, path),
            FileType::Symlink => match folder.read_symlink(name) {
                Err(error) if is_replaced(&error) => Ok(()),
                target => {
                    let target = target.map_err(PackError::read(path))?;
                    let entry = self.like(stat, path, EntryType::Symlink);
                    self.put(&Entry { target: target.as_bytes(), ..entry })
                }
            },
            FileType::Fifo => self.put(&self.like(stat, path, EntryType::Fifo)),
            FileType::CharacterDevice | FileType::BlockDevice => {
                let sort = if kind == FileType::BlockDevice { EntryType::Block } else { EntryType::Char };
                let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
                self.put(&Entry { device, ..self.like(stat, path, sort) })
            }
        }
    }

    /// Whether nothing of a folder but itself is taken.
    fn is_left(&self, folder: &Folder, stat: &Stat) -> io::Result<bool> {
        if self.options.without == Some((stat.st_dev, stat.st_ino)) {
            return Ok(true);
        }
        if stat.st_dev == self.device {
            return Ok(false);
        }
        let kind = in_root::file_system_of(folder)?;
        Ok(self.options.leave_kernel && kind == FileSystem::Kernel
            || self.options.leave_mounts && !(self.options.keep_overlays && kind == FileSystem::Overlay))
    }

    pub(super) fn folder(&mut self, folder: &Folder, path: &Path, stat: &Stat) -> Result<(), PackError> {
        let all = in_root::attributes(folder).map_err(PackError::read(path))?;
        let marks = if self.is_upper { Marks::of(&all) } else { Marks::default() };
        let noted = Noted::of(&all);
        let attributes = kept(all);
        if marks.is_redirected {
            let reason = "the kernel has moved this folder without its content (overlay option redirect_dir)";
            return Err(PackError::Refused { path: path.to_owned(), reason });
        }
        let mut shown = if path == Path::new(".") { b".".to_vec() } else { in_archive(path).to_vec() };
        shown.push(b'/');
        let entry = noted.laid_over(self.like(stat, path, EntryType::Directory), self.options.owners);
        self.put(&Entry { path: &shown, attributes: &attributes, ..entry })?;
        if marks.is_opaque {
            let shown = path.join(".wh..wh..opq");
            self.put(&Entry::new(in_archive(&shown), EntryType::Regular))?;
        }
        Ok(())
    }

    fn file(&mut self, folder: &Folder, name: &OsStr, path: &Path) -> Result<(), PackError> {
        let failed = |error| PackError::read(path)(error);
        let file = match folder.read_file(name) {
            Err(error) if is_replaced(&error) => return Ok(()),
            file => file.map_err(failed)?,
        };
        let stat = in_root::stat(&file).map_err(failed)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let all = in_root::attributes(&file).map_err(failed)?;
        if self.is_upper && Marks::of(&all).is_metacopy {
            let reason = "the kernel has copied only what is said of this file (overlay option metacopy)";
            return Err(PackError::Refused { path: path.to_owned(), reason });
        }
        let noted = Noted::of(&all);
        let attributes = kept(all);
        let size = match self.is_mounted(&file, &stat).map_err(failed)? {
            true => 0,
            false => u64::try_from(stat.st_size).unwrap_or(0),
        };
        let entry = noted.laid_over(self.like(&stat, path, EntryType::Regular), self.options.owners);
        self.put(&Entry { size, attributes: &attributes, ..entry })?;
        let mut reader = Holes::of(file, &stat);
        self.writer.content(&mut reader, size).map_err(PackError::Write)?.map_err(failed)
    }

    /// Whether a file is mounted over one of the tree's. Its device number may differ for overlayfs's own reasons.
    fn is_mounted(&self, file: &File, stat: &Stat) -> io::Result<bool> {
        match self.mount {
            Some(mount) if stat.st_dev != self.device => Ok(in_root::mount_of(file)? != mount),
            _ => Ok(false),
        }
    }

    fn whiteout(&mut self, path: &Path, name: &OsStr) -> Result<(), PackError> {
        let mut marker = OsString::from(".wh.");
        marker.push(name);
        let shown = path.with_file_name(marker);
        self.put(&Entry::new(in_archive(&shown), EntryType::Regular))
    }

    /// True if it is another name of a file that was written already.
    fn hard_link(&mut self, path: &Path, stat: &Stat) -> Result<bool, PackError> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let key = (stat.st_dev, stat.st_ino);
        let Some(first) = self.seen.get(&key).cloned() else {
            self.seen.insert(key, path.to_owned());
            return Ok(false);
        };
        let entry = self.like(stat, path, EntryType::Link);
        self.put(&Entry { target: in_archive(&first), ..entry })?;
        Ok(true)
    }

    fn like<'p>(&self, stat: &Stat, path: &'p Path, kind: EntryType) -> Entry<'p> {
        let own = |id: u32, mine: u32| match self.options.owners {
            Owners::Root => 0,
            Owners::OwnIsRoot if id == mine => 0,
            Owners::OwnIsRoot | Owners::Kept => id,
        };
        Entry {
            mode: stat.st_mode & 0o7777,
            uid: own(stat.st_uid, self.user.0),
            gid: own(stat.st_gid, self.user.1),
            modified_s: stat.st_mtime,
            modified_ns: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ..Entry::new(in_archive(path), kind)
        }
    }

    fn put(&mut self, entry: &Entry<'_>) -> Result<(), PackError> {
        self.writer.entry(entry).map_err(PackError::Write)
    }
}

/// The path as Docker writes it: without a leading `./`.
fn in_archive(path: &Path) -> &[u8] {
    path.strip_prefix(".").unwrap_or(path).as_os_str().as_bytes()
}

/// What was there a moment ago is gone, or something else: the tree is in use.
fn is_replaced(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|it| matches!(it, Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::INVAL | Errno::NXIO))
}

/// What may get out, with the file capabilities that were only noted.
fn kept(all: Vec<(OsString, Vec<u8>)>) -> Vec<(OsString, Vec<u8>)> {
    let renamed = all.into_iter().map(|(name, value)| match name == CAPABILITY_NOTE {
        true => (OsString::from("security.capability"), value),
        false => (name, value),
    });
    renamed.filter(|(name, _)| is_kept(name.as_bytes())).collect()
}

/// The owner that an ordinary user with one id could only note on a file of an image. A file that was given away or made
/// anew since then has no note, or is not root's any more.
#[derive(Clone, Copy, Debug)]
struct Noted(Option<(u32, u32)>);

impl Noted {
    fn of(attributes: &[(OsString, Vec<u8>)]) -> Self {
        let note = attributes.iter().find(|(name, _)| name == OWNER_NOTE).map(|(_, value)| value);
        let ids = note.and_then(|value| std::str::from_utf8(value).ok()?.split_once(':'));
        Self(ids.and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?))))
    }

    fn laid_over<'p>(self, entry: Entry<'p>, owners: Owners) -> Entry<'p> {
        match self.0 {
            Some((uid, gid)) if owners != Owners::Root && (entry.uid, entry.gid) == (0, 0) => {
                Entry { uid, gid, ..entry }
            }
            _ => entry,
        }
    }
}

/// What overlayfs notes on a file of an upper folder.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    is_opaque: bool,
    is_redirected: bool,
    is_metacopy: bool,
}

impl Marks {
    fn of(attributes: &[(OsString, Vec<u8>)]) -> Self {
        let mut marks = Self::default();
        for (name, value) in attributes {
            let Some(name) = name.to_str() else { continue };
            match MARKS.iter().find_map(|prefix| name.strip_prefix(prefix)) {
                Some("opaque") => marks.is_opaque = value == b"y",
                Some("redirect") => marks.is_redirected = true,
                Some("metacopy") => marks.is_metacopy = true,
                _ => {}
            }
        }
        marks
    }
}

/// A file whose holes are not looked for on the disk, but known.
struct Holes {
    file: File,
    position: u64,
    /// Zeros up to here.
    hole_end: u64,
    /// Data up to here.
    data_end: u64,
}

impl Holes {
    fn of(file: File, stat: &Stat) -> Self {
        let allocated = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
        let has_holes = allocated < u64::try_from(stat.st_size).unwrap_or(0);
        Self { file, position: 0, hole_end: 0, data_end: if has_holes { 0 } else { u64::MAX } }
    }

    /// Finds out what begins at the position.
    fn look(&mut self) -> io::Result<()> {
        match seek(&self.file, SeekFrom::Data(self.position)) {
            Ok(data) if data > self.position => self.hole_end = data,
            Ok(_) => self.data_end = seek(&self.file, SeekFrom::Hole(self.position)).unwrap_or(u64::MAX),
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => self.hole_end = u64::MAX,
            // The file system does not know.
            Err(_) => self.data_end = u64::MAX,
        }
        seek(&self.file, SeekFrom::Start(self.position))?;
        Ok(())
    }
}

impl Read for Holes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.hole_end && self.position >= self.data_end {
            self.look()?;
        }
        let within = |end: u64, length: usize| usize::try_from(end).unwrap_or(usize::MAX).min(length);
        let read = if self.position < self.hole_end {
            let zeros = within(self.hole_end - self.position, buffer.len());
            buffer[..zeros].fill(0);
            if self.hole_end != u64::MAX {
                seek(&self.file, SeekFrom::Start(self.position + zeros as u64))?;
            }
            zeros
        } else {
            let most = within(self.data_end - self.position, buffer.len());
            self.file.read(&mut buffer[..most])?
        };
        self.position += read as u64;
        Ok(read)
    }
}
