//! A layer's files as they come to be: each made new and never written through, folders' modes and times set when all is there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::attribute::{self, Attributes};
use super::name::{EntryPath, shown};
use super::owner::{OWNER_NOTE, Owners};
use super::rules::UnpackJob;
use crate::image::{ImageError, Result};
use crate::sys::in_root::{self, Folder};

/// Memory that folders waiting for their metadata may take, in bytes.
const WAITING_MAX: usize = 24 << 20;

/// Owner, mode, time and attributes of an entry.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) modified_s: i64,
    pub(super) modified_ns: u32,
    pub(super) attributes: Attributes,
}

/// The folder a layer is unpacked into.
pub(super) struct Tree {
    root: Folder,
    /// Where it lies, and what the layer is called, for errors.
    shown: PathBuf,
    layer: String,
    /// The folder of the entry before, which mostly is the next one's as well.
    parent: Option<(Vec<u8>, Folder)>,
    /// Folders stay writable until the end; this is what they get then.
    waiting: BTreeMap<EntryPath, Meta>,
    waiting_bytes: usize,
    owners: Owners,
    process: Process,
}

/// What this process is, asked once.
struct Process {
    uid: u32,
    gid: u32,
    umask: u32,
}

impl Process {
    fn look() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            // Unknown: as if everything were cut, so that every mode is set.
            umask: umask.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0o777),
        }
    }
}

impl Tree {
    pub(super) fn new(root: Folder, job: &UnpackJob) -> Self {
        Self {
            root,
            shown: job.root.clone(),
            layer: job.layer.clone(),
            parent: None,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            owners: job.owners.clone(),
            process: Process::look(),
        }
    }

    /// The error for what could not be done at `path`: the archive's fault where it asks for what no folder can have.
    pub(super) fn failure(&self, doing: &'static str, path: &EntryPath, error: io::Error) -> ImageError {
        let errno = Errno::from_io_error(&error);
        let asks_too_much =
            errno.is_some_and(|it| matches!(it, Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::ISDIR));
        if asks_too_much || error.kind() == io::ErrorKind::InvalidData {
            return ImageError::layer(&self.layer, format!("{}: {doing}: {error}", shown(path.as_bytes())));
        }
        ImageError::io(doing, &self.shown.join(path.as_os_str()), error)
    }

    /// The metadata of a folder that is there; it is applied at the end.
    pub(super) fn folder_meta(&mut self, path: &EntryPath, meta: Meta) -> Result<()> {
        self.waiting_bytes += path.as_bytes().len() + size_of::<(EntryPath, Meta)>();
        if self.waiting_bytes > WAITING_MAX {
            return Err(ImageError::layer(&self.layer, "it has more folders than is reasonable"));
        }
        self.waiting.insert(path.clone(), meta);
        Ok(())
    }

    pub(super) fn make_folder(&mut self, path: &EntryPath, meta: Meta) -> Result<()> {
        let mark = self.owners.opaque_mark();
        let replaced = self.with_parent("cannot make folder", path, |folder, name| {
            match folder.make_folder(name, 0o700) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|()| false),
            }
            let kind = folder.look(name)?.map(|there| FileType::from_raw_mode(there.st_mode));
            if kind == Some(FileType::Directory) {
                return Ok(false);
            }
            folder.remove(name)?;
            folder.make_folder(name, 0o700)?;
            // A whiteout and then a folder of the same name: nothing from below may be seen in it.
            if kind == Some(FileType::CharacterDevice) {
                set_opaque(&folder.child(name)?, mark)?;
            }
            Ok(true)
        })?;
        if replaced {
            self.forget(path);
        }
        self.folder_meta(path, meta)
    }

    /// A new file, empty, in the place of whatever was there. With attributes to come it stays writable: the kernel looks at
    /// the mode for those.
    pub(super) fn open_file(&mut self, path: &EntryPath, meta: &Meta) -> Result<File> {
        let mode = if self.has_attributes(meta) { 0o600 } else { meta.mode & 0o777 };
        self.replacing("cannot make file", path, |folder, name| folder.make_file(name, mode))
    }

    /// Gives a written file its metadata.
    pub(super) fn close_file(&self, file: File, path: &EntryPath, meta: &Meta) -> Result<()> {
        let process = &self.process;
        let foreign = self.owners.are_given() && (meta.uid, meta.gid) != (process.uid, process.gid);
        let attributes = self.has_attributes(meta);
        let finish = || {
            if foreign {
                in_root::set_owner(&file, meta.uid, meta.gid)?;
            }
            if attributes {
                self.set_attributes(&file, meta)?;
            }
            if foreign || attributes || meta.mode & 0o7000 != 0 || meta.mode & process.umask != 0 {
                in_root::set_mode(&file, meta.mode)?;
            }
            in_root::set_modified(&file, meta.modified_s, meta.modified_ns)
        };
        finish().map_err(|error| self.owner_failure(path, meta, error))
    }

    fn has_attributes(&self, meta: &Meta) -> bool {
        !meta.attributes.is_empty() || self.is_noted(meta)
    }

    fn is_noted(&self, meta: &Meta) -> bool {
        self.owners == Owners::Noted && (meta.uid, meta.gid) != (0, 0)
    }

    fn set_attributes(&self, file: impl AsFd, meta: &Meta) -> io::Result<()> {
        meta.attributes.set(file.as_fd(), &self.owners)?;
        if self.is_noted(meta) {
            attribute::note(file, OWNER_NOTE, format!("{}:{}", meta.uid, meta.gid).as_bytes())?;
        }
        Ok(())
    }

    /// The error for an owner, mode, time or attribute that could not be set: a user's range of ids ends somewhere.
    fn owner_failure(&self, path: &EntryPath, meta: &Meta, error: io::Error) -> ImageError {
        if self.owners == Owners::Inside && Errno::from_io_error(&error) == Some(Errno::INVAL) {
            let (uid, gid) = (meta.uid, meta.gid);
            let reason = "an id that this user has not got; larger ranges in /etc/subuid and /etc/subgid have more";
            let path = shown(path.as_bytes());
            return ImageError::layer(&self.layer, format!("{path} belongs to {uid}:{gid}, {reason}"));
        }
        self.failure("cannot set owner, mode or time of", path, error)
    }

    pub(super) fn make_symlink(&mut self, path: &EntryPath, target: &OsStr, meta: &Meta) -> Result<()> {
        self.replacing("cannot make symlink", path, |folder, name| folder.make_symlink(name, target))?;
        self.set_meta_by_name(path, meta)
    }

    pub(super) fn make_fifo(&mut self, path: &EntryPath, meta: &Meta) -> Result<()> {
        self.replacing("cannot make fifo", path, |folder, name| folder.make_fifo(name, 0o600))?;
        self.set_meta_by_name(path, meta)?;
        self.with_parent("cannot set mode of", path, |folder, name| folder.set_mode_of(name, meta.mode))
    }

    /// Another name for a file of this layer. A folder or a whiteout is no target.
    pub(super) fn make_hard_link(&mut self, path: &EntryPath, target: &EntryPath) -> Result<()> {
        if path == target {
            return Ok(());
        }
        let (target_folder, target_name) = target.split();
        let old = self.root.resolve(OsStr::from_bytes(target_folder));
        let old = old.map_err(|error| self.failure("cannot open", target, error))?;
        let there = old.look(target_name).map_err(|error| self.failure("cannot read", target, error))?;
        let kind = there.map(|stat| FileType::from_raw_mode(stat.st_mode));
        if matches!(kind, None | Some(FileType::Directory | FileType::CharacterDevice)) {
            return Err(self.failure("cannot link to", target, io::ErrorKind::NotFound.into()));
        }
        self.replacing("cannot make hard link", path, |folder, name| folder.make_hard_link(name, &old, target_name))
    }

    /// Hides `hidden`, in the folder of `path`, of the layers below. What this layer itself has of that name stays, as the
    /// OCI image specification asks.
    pub(super) fn make_whiteout(&mut self, path: &EntryPath, hidden: &OsStr) -> Result<()> {
        let mark = self.owners.opaque_mark();
        self.with_parent("cannot make whiteout", path, |folder, _| match folder.look(hidden)? {
            None => folder.make_whiteout(hidden),
            Some(there) if FileType::from_raw_mode(there.st_mode) == FileType::Directory => {
                set_opaque(&folder.child(hidden)?, mark)
            }
            Some(_) => Ok(()),
        })
    }

    /// Hides all that the layers below have in the folder of `path`.
    pub(super) fn make_opaque(&mut self, path: &EntryPath) -> Result<()> {
        let mark = self.owners.opaque_mark();
        self.with_parent("cannot make opaque (a file system with extended attributes is needed)", path, |folder, _| {
            set_opaque(folder, mark)
        })
    }

    /// Gives the folders their metadata, inner ones first, so that a closed outer one does not hinder.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.parent = None;
        for (path, meta) in std::mem::take(&mut self.waiting).into_iter().rev() {
            let set = || {
                let folder = self.root.resolve(path.as_os_str())?;
                if self.owners.are_given() {
                    in_root::set_owner(&folder, meta.uid, meta.gid)?;
                }
                if self.has_attributes(&meta) {
                    self.set_attributes(&folder, &meta)?;
                }
                in_root::set_mode(&folder, meta.mode)?;
                in_root::set_modified(&folder, meta.modified_s, meta.modified_ns)
            };
            set().map_err(|error| self.owner_failure(&path, &meta, error))?;
        }
        Ok(())
    }

    /// Owner and time of what has no descriptor to set them by: symlinks and fifos, which cannot have attributes of ours.
    fn set_meta_by_name(&mut self, path: &EntryPath, meta: &Meta) -> Result<()> {
        let gives = self.owners.are_given() && (meta.uid, meta.gid) != (self.process.uid, self.process.gid);
        let (folder, name) = self.parent_of(path)?;
        let set = || {
            if gives {
                folder.set_owner_of(name, meta.uid, meta.gid)?;
            }
            folder.set_modified_of(name, meta.modified_s, meta.modified_ns)
        };
        set().map_err(|error| self.owner_failure(path, meta, error))
    }

    /// Makes something at `path`; what is there already is removed first, so nothing is ever written through a link.
    fn replacing<T>(
        &mut self,
        doing: &'static str,
        path: &EntryPath,
        make: impl Fn(&Folder, &OsStr) -> io::Result<T>,
    ) -> Result<T> {
        let mut replaced = false;
        let made = self.with_parent(doing, path, |folder, name| match make(folder, name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                replaced = true;
                folder.remove(name)?;
                make(folder, name)
            }
            result => result,
        })?;
        if replaced {
            self.forget(path);
        }
        Ok(made)
    }

    /// Drops what is remembered of a folder that was replaced, and of all below it.
    fn forget(&mut self, path: &EntryPath) {
        self.parent = None;
        self.waiting.remove(path);
        let first = path.inside();
        while let Some(below) = self.waiting.range(first.clone()..).next().map(|(below, _)| below.clone())
            && below.as_bytes().starts_with(first.as_bytes())
        {
            self.waiting.remove(&below);
        }
    }

    /// Does something in the folder of `path`, which is made if it is missing.
    fn with_parent<T>(
        &mut self,
        doing: &'static str,
        path: &EntryPath,
        act: impl FnOnce(&Folder, &OsStr) -> io::Result<T>,
    ) -> Result<T> {
        let (folder, name) = self.parent_of(path)?;
        act(folder, name).map_err(|error| self.failure(doing, path, error))
    }

    /// The folder of `path`, open, and the name in it.
    fn parent_of<'a>(&mut self, path: &'a EntryPath) -> Result<(&Folder, &'a OsStr)> {
        let (folder, name) = path.split();
        if self.parent.as_ref().is_none_or(|(known, _)| known != folder) {
            let (opened, _) = self
                .root
                .resolve_or_make(OsStr::from_bytes(folder))
                .map_err(|error| self.failure("cannot make the folder of", path, error))?;
            self.parent = Some((folder.to_vec(), opened));
        }
        let (_, opened) = self.parent.as_ref().expect("set above");
        Ok((opened, name))
    }
}

fn set_opaque(folder: &Folder, mark: &str) -> io::Result<()> {
    in_root::set_attribute(folder, OsStr::new(mark), b"y")
}
