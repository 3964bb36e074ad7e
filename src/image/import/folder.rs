//! A folder as a tar archive, read through descriptors: a symlink swapped in meanwhile leads nowhere.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use tar::{Builder, EntryType, Header};

use super::tee::Tee;
use crate::image::layer::is_kept;
use crate::image::{ImageError, Result};
use crate::sys::in_root::{self, Folder};

/// Deeper trees are refused: each level keeps a descriptor open.
const DEPTH_MAX: usize = 500;

/// Writes the folder at `path` as an archive. Device nodes and sockets are left out, and of mount points and `without` (the
/// store, which may lie in it) only the empty folder is taken.
pub(super) fn archive(path: &Path, without: &Path, tee: Tee) -> Result<()> {
    let failure = |path: &Path, error| ImageError::io("cannot read", path, error);
    let folder = Folder::open(path).map_err(|error| failure(path, error))?;
    let stat = folder.stat().map_err(|error| failure(path, error))?;
    let own = Folder::open(without).and_then(|it| it.stat()).map_err(|error| failure(without, error))?;
    let mut walk = Walk {
        builder: Builder::new(tee),
        shown: path.to_owned(),
        device: stat.st_dev,
        own: (own.st_dev, own.st_ino),
        seen: HashMap::new(),
        user: (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
    };
    walk.add_folder(Path::new("."), &folder, &stat)?;
    walk.content(&folder, Path::new("."), 0)?;
    match walk.builder.into_inner() {
        Ok(tee) => tee.end(),
        Err(error) => return Err(written(error)),
    }
    Ok(())
}

/// The readers of what we write are gone: they say why.
fn written(error: io::Error) -> ImageError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ImageError::Cancelled,
        _ => ImageError::layer(super::NAME, error),
    }
}

struct Walk {
    builder: Builder<Tee>,
    shown: PathBuf,
    device: u64,
    own: (u64, u64),
    /// Where the first name of a file with several stands.
    seen: HashMap<(u64, u64), PathBuf>,
    user: (u32, u32),
}

impl Walk {
    fn content(&mut self, folder: &Folder, path: &Path, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(ImageError::layer(super::NAME, format!("{}: folders are nested too deep", path.display())));
        }
        let names = folder.names().map_err(|error| self.failure(path, error))?;
        for name in names {
            let inner = path.join(&name);
            let stat = folder.look(&name).map_err(|error| self.failure(&inner, error))?;
            // Gone meanwhile.
            let Some(stat) = stat else { continue };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let child = folder.child(&name).map_err(|error| self.failure(&inner, error))?;
                    self.add_folder(&inner, &child, &stat)?;
                    if stat.st_dev == self.device && (stat.st_dev, stat.st_ino) != self.own {
                        self.content(&child, &inner, depth + 1)?;
                    }
                }
                FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {}
                _ if self.add_hard_link(&inner, &stat)? => {}
                FileType::RegularFile => self.add_file(folder, &name, &inner, &stat)?,
                FileType::Symlink => self.add_symlink(folder, &name, &inner, &stat)?,
                FileType::Fifo => {
                    let mut header = self.header(&stat, EntryType::Fifo);
                    self.builder.append_data(&mut header, &inner, io::empty()).map_err(written)?;
                }
            }
        }
        Ok(())
    }

    fn add_folder(&mut self, path: &Path, folder: &Folder, stat: &Stat) -> Result<()> {
        let attributes = in_root::attributes(folder).map_err(|error| self.failure(path, error))?;
        self.add_attributes(&attributes)?;
        let mut header = self.header(stat, EntryType::Directory);
        self.builder.append_data(&mut header, path, io::empty()).map_err(written)
    }

    fn add_file(&mut self, folder: &Folder, name: &OsStr, path: &Path, stat: &Stat) -> Result<()> {
        let file = folder.read_file(name).map_err(|error| self.failure(path, error))?;
        let attributes = in_root::attributes(&file).map_err(|error| self.failure(path, error))?;
        self.add_attributes(&attributes)?;
        let mut header = self.header(stat, EntryType::Regular);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        header.set_size(size);
        let mut counted = Counted { file: file.take(size), failed: None };
        let appended = self.builder.append_data(&mut header, path, &mut counted);
        if let Some(error) = counted.failed {
            return Err(self.failure(path, error));
        }
        if counted.file.limit() > 0 && appended.is_ok() {
            return Err(self.failure(path, io::Error::other("the file became shorter while it was read")));
        }
        appended.map_err(written)
    }

    fn add_symlink(&mut self, folder: &Folder, name: &OsStr, path: &Path, stat: &Stat) -> Result<()> {
        let target = folder.read_symlink(name).map_err(|error| self.failure(path, error))?;
        let mut header = self.header(stat, EntryType::Symlink);
        self.builder.append_link(&mut header, path, Path::new(&target)).map_err(written)
    }

    /// True if it is another name of a file that was written already.
    fn add_hard_link(&mut self, path: &Path, stat: &Stat) -> Result<bool> {
        if stat.st_nlink < 2 {
            return Ok(false);
        }
        let key = (stat.st_dev, stat.st_ino);
        let Some(first) = self.seen.get(&key).cloned() else {
            self.seen.insert(key, path.to_owned());
            return Ok(false);
        };
        let mut header = self.header(stat, EntryType::Link);
        self.builder.append_link(&mut header, path, first).map_err(written)?;
        Ok(true)
    }

    fn add_attributes(&mut self, attributes: &[(std::ffi::OsString, Vec<u8>)]) -> Result<()> {
        // A value with a line feed cannot be read back by the crate that writes it.
        let kept = attributes.iter().filter(|(name, value)| is_kept(name.as_bytes()) && !value.contains(&b'\n'));
        let records: Vec<(String, &[u8])> = kept
            .filter_map(|(name, value)| Some((format!("SCHILY.xattr.{}", name.to_str()?), value.as_slice())))
            .collect();
        if records.is_empty() {
            return Ok(());
        }
        self.builder.append_pax_extensions(records.iter().map(|(key, value)| (key.as_str(), *value))).map_err(written)
    }

    fn header(&self, stat: &Stat, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(stat.st_mode & 0o7777);
        // A user's own files are root's in the image, as they are in that user's containers.
        let own = |id: u32, mine: u32| if self.user.0 != 0 && id == mine { 0 } else { u64::from(id) };
        header.set_uid(own(stat.st_uid, self.user.0));
        header.set_gid(own(stat.st_gid, self.user.1));
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
        header
    }

    fn failure(&self, path: &Path, error: io::Error) -> ImageError {
        ImageError::io("cannot read", &self.shown.join(path.strip_prefix(".").unwrap_or(path)), error)
    }
}

/// A file of which is known whether reading it failed, and not writing.
struct Counted {
    file: io::Take<std::fs::File>,
    failed: Option<io::Error>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}
