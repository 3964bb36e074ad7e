//! Writes a layer's archive into a folder. Every path goes through [`Folder`], so nothing is ever written outside, whatever the
//! archive says. Whiteouts become overlayfs's own: the layer needs no parent.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::Ordering;

use super::Gauge;
use super::archive::{Archive, Entry, Kind};
use super::name::{EntryPath, Meaning, shown};
use super::rules::UnpackJob;
use super::tree::{Meta, Tree};
use crate::image::{ImageError, Result};
use crate::sys::in_root::Folder;

/// How an archive is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum Policy {
    /// An image's layer: what Docker takes is taken. Device nodes are left out, a container gets its own /dev.
    Layer,
    /// An archive that a person imports: absolute paths and device nodes other than /dev's usual ones are refused.
    Import,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::image) struct Unpacked {
    pub entries: u64,
    /// Bytes of regular files.
    pub bytes: u64,
}

/// Unpacks the archive that `reader` yields, by this process. Reads to the archive's end, not further.
pub(in crate::image) fn unpack(reader: &mut dyn Read, job: &UnpackJob, gauge: &Gauge) -> Result<Unpacked> {
    let folder = Folder::open(&job.root).map_err(|error| ImageError::io("cannot open", &job.root, error))?;
    let mut unpacker = Unpacker {
        tree: Tree::new(folder, job),
        archive: Archive::new(reader),
        job,
        gauge,
        done: Unpacked::default(),
        holes: 0,
        buffer: vec![0; 128 << 10],
    };
    while let Some(entry) = unpacker.archive.next().map_err(|error| ImageError::layer(&job.layer, error))? {
        gauge.check()?;
        unpacker.done.entries += 1;
        unpacker.place(entry)?;
    }
    if job.policy == Policy::Import && !unpacker.archive.has_end_mark() {
        return Err(ImageError::layer(&job.layer, "the archive is cut short: it has no end mark"));
    }
    unpacker.check_size(0)?;
    unpacker.tree.finish()?;
    Ok(unpacker.done)
}

struct Unpacker<'a> {
    tree: Tree,
    archive: Archive<'a>,
    job: &'a UnpackJob,
    gauge: &'a Gauge,
    done: Unpacked,
    /// Bytes of holes in sparse files, which an archive claims at no cost.
    holes: u64,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn place(&mut self, entry: Entry) -> Result<()> {
        self.check_size(entry.size).map_err(|error| self.at(&entry, error))?;
        let raw = entry.path.as_slice();
        let imported = self.job.policy == Policy::Import;
        let path = EntryPath::parse(raw, imported).map_err(|error| self.refusal(raw, error))?;
        if path.is_root() {
            return match entry.kind {
                Kind::Folder => self.tree.folder_meta(&path, meta(entry)),
                _ => Err(self.refusal(raw, "the root folder can be nothing else")),
            };
        }
        match path.meaning().map_err(|error| self.refusal(raw, error))? {
            Meaning::Opaque => return self.tree.make_opaque(&path),
            Meaning::Whiteout(hidden) => return self.tree.make_whiteout(&path, OsStr::from_bytes(&hidden)),
            Meaning::Entry => {}
        }
        match entry.kind {
            Kind::File => self.file(entry, &path),
            Kind::Folder => self.tree.make_folder(&path, meta(entry)),
            Kind::Symlink => {
                self.check_link(&entry)?;
                if path.target_leaves_root(&entry.link) {
                    return Err(self.refusal(raw, "the symlink leaves the root"));
                }
                let target = OsStr::from_bytes(&entry.link).to_owned();
                self.tree.make_symlink(&path, &target, &meta(entry))
            }
            Kind::HardLink => {
                self.check_link(&entry)?;
                let target = EntryPath::parse(&entry.link, imported)
                    .map_err(|error| self.refusal(raw, format!("hard link: {error}")))?;
                self.tree.make_hard_link(&path, &target).map_err(|error| match error {
                    // What the archive says is at fault, not the disk.
                    ImageError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                        self.refusal(raw, "the hard link's target is not in the layer")
                    }
                    error => error,
                })
            }
            Kind::Fifo => self.tree.make_fifo(&path, &meta(entry)),
            Kind::Character | Kind::Block => self.device(&entry, &path),
        }
    }

    fn file(&mut self, mut entry: Entry, path: &EntryPath) -> Result<()> {
        let (size, fragments) = (entry.size, entry.fragments.take());
        let meta = meta(entry);
        let mut file = self.tree.open_file(path, &meta)?;
        match fragments {
            None => self.copy(&mut file, path, size)?,
            Some(fragments) => {
                for fragment in &fragments {
                    let sought = file.seek(SeekFrom::Start(fragment.offset));
                    sought.map_err(|error| self.tree.failure("cannot write", path, error))?;
                    self.copy(&mut file, path, fragment.length)?;
                }
                file.set_len(size).map_err(|error| self.tree.failure("cannot write", path, error))?;
                self.holes += size - fragments.iter().map(|fragment| fragment.length).sum::<u64>();
            }
        }
        self.done.bytes += size;
        self.tree.close_file(file, path, &meta)
    }

    /// Writes the entry's next `length` bytes.
    fn copy(&mut self, file: &mut File, path: &EntryPath, length: u64) -> Result<()> {
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let read = self.archive.read(&mut self.buffer[..most]);
            let read = read.map_err(|error| self.refusal(path.as_bytes(), error))?;
            let written = file.write_all(&self.buffer[..read]);
            written.map_err(|error| self.tree.failure("cannot write", path, error))?;
            left -= read as u64;
            self.gauge.unpacked.fetch_add(read as u64, Ordering::Relaxed);
            self.gauge.check()?;
        }
        Ok(())
    }

    /// Judges the archive as it would be with `more` bytes.
    fn check_size(&self, more: u64) -> Result<()> {
        let bytes = self.archive.total().saturating_add(self.holes).saturating_add(more);
        self.job.check_size(self.done.entries, bytes)
    }

    /// Leaves device nodes out: containers get their own /dev, and elsewhere `nodev` makes them useless.
    fn device(&mut self, entry: &Entry, path: &EntryPath) -> Result<()> {
        let character = entry.kind == Kind::Character;
        let (major, minor) = entry.device;
        if character && major == 0 && minor == 0 {
            return Err(self.refusal(&entry.path, "character device 0:0 is a forged whiteout"));
        }
        let in_dev = path.as_bytes().starts_with(b"dev/");
        if self.job.policy == Policy::Import && !(in_dev && character && is_usual_device(major, minor)) {
            return Err(self.refusal(&entry.path, format!("device nodes are not taken ({major}:{minor})")));
        }
        Ok(())
    }

    fn check_link(&self, entry: &Entry) -> Result<()> {
        let target = &entry.link;
        match target.is_empty() || target.len() >= 4096 || target.contains(&0) {
            true => Err(self.refusal(&entry.path, "the link has no usable target")),
            false => Ok(()),
        }
    }

    /// Says at which entry the archive became too large.
    fn at(&self, entry: &Entry, error: ImageError) -> ImageError {
        match error {
            ImageError::Layer { reason, .. } => self.refusal(&entry.path, reason),
            error => error,
        }
    }

    fn refusal(&self, raw: &[u8], reason: impl std::fmt::Display) -> ImageError {
        ImageError::layer(&self.job.layer, format!("{}: {reason}", shown(raw)))
    }
}

fn meta(entry: Entry) -> Meta {
    Meta {
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        modified_s: entry.modified.0,
        modified_ns: entry.modified.1,
        attributes: entry.attributes,
    }
}

/// null, zero, full, random, urandom, tty, console, ptmx and the virtual consoles.
fn is_usual_device(major: u32, minor: u32) -> bool {
    matches!((major, minor), (1, 1..=11) | (4, 0..=64) | (5, 0..=2))
}
