//! Writes a layer's archive into a folder. The `tar` crate parses; every path goes through [`Folder`], so nothing is ever
//! written outside, whatever the archive says. Whiteouts become overlayfs's own: the layer needs no parent.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use tar::{Entry, EntryType};

use super::Gauge;
use super::attribute::Attributes;
use super::name::{EntryPath, Meaning};
use super::rules::UnpackJob;
use super::tree::{Meta, Tree};
use crate::image::{ImageError, Result};
use crate::sys::in_root::Folder;

/// Bytes of headers, long names and PAX records of one entry: more would only eat memory.
const HEADERS_MAX: u64 = 1 << 20;
/// A file's size as far as we believe it, whatever the limits say: file systems take no more.
const FILE_MAX: u64 = 1 << 43;

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
    let metered = Metered::new(reader, job.policy);
    let meter = metered.meter.clone();
    let mut archive = tar::Archive::new(metered);
    let mut unpacker = Unpacker {
        tree: Tree::new(folder, job),
        job,
        gauge,
        meter: meter.clone(),
        done: Unpacked::default(),
        holes: 0,
        buffer: vec![0; 128 << 10],
    };
    let refused = |error: io::Error| unpacker_refusal(&job.layer, "the archive", &error);
    let mut entries = archive.entries().map_err(refused)?;
    loop {
        meter.expect_headers();
        let Some(entry) = entries.next() else { break };
        meter.expect_content();
        unpacker.entry(entry.map_err(refused)?)?;
    }
    if job.policy == Policy::Import && !meter.ended_with_zeros.get() {
        return Err(ImageError::layer(&job.layer, "the archive is cut short: it has no end mark"));
    }
    unpacker.tree.finish()?;
    Ok(unpacker.done)
}

fn unpacker_refusal(layer: &str, what: &str, error: &io::Error) -> ImageError {
    ImageError::layer(layer, format!("{what}: {error}"))
}

struct Unpacker<'a> {
    tree: Tree,
    job: &'a UnpackJob,
    gauge: &'a Gauge,
    meter: Rc<Meter>,
    done: Unpacked,
    /// Bytes of sparse files, which an archive claims at no cost.
    holes: u64,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<()> {
        self.gauge.check()?;
        let raw = entry.path_bytes().into_owned();
        if entry.header().entry_type() != EntryType::XGlobalHeader {
            self.done.entries += 1;
            self.check_size(entry.size())?;
            self.place(&mut entry, &raw)?;
        }
        // What is left is read under no allowance, so that the next header's allowance is for headers only.
        io::copy(&mut entry, &mut io::sink()).map_err(|error| self.refusal(&raw, error))?;
        Ok(())
    }

    fn place<R: Read>(&mut self, entry: &mut Entry<'_, R>, raw: &[u8]) -> Result<()> {
        let path =
            EntryPath::parse(raw, self.job.policy == Policy::Import).map_err(|error| self.refusal(raw, error))?;
        if path.is_root() {
            return match entry.header().entry_type() {
                EntryType::Directory => {
                    let meta = self.meta(entry, raw)?;
                    self.tree.folder_meta(&path, meta)
                }
                _ => Err(self.refusal(raw, "the root folder can be nothing else")),
            };
        }
        match path.meaning().map_err(|error| self.refusal(raw, error))? {
            Meaning::Opaque => return self.tree.make_opaque(&path),
            Meaning::Whiteout(hidden) => return self.tree.make_whiteout(&path, OsStr::from_bytes(&hidden)),
            Meaning::Entry => {}
        }
        let meta = self.meta(entry, raw)?;
        match entry.header().entry_type() {
            // Archives older than 1988 mark a folder by its name only.
            EntryType::Regular | EntryType::Continuous if raw.ends_with(b"/") => self.tree.make_folder(&path, meta),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => self.file(entry, &path, meta),
            EntryType::Directory => self.tree.make_folder(&path, meta),
            EntryType::Symlink => {
                let target = self.link_target(entry, raw)?;
                if path.target_leaves_root(&target) {
                    return Err(self.refusal(raw, "the symlink leaves the root"));
                }
                self.tree.make_symlink(&path, OsStr::from_bytes(&target), &meta)
            }
            EntryType::Link => {
                let target = self.link_target(entry, raw)?;
                let target = EntryPath::parse(&target, self.job.policy == Policy::Import)
                    .map_err(|error| self.refusal(raw, format!("hard link: {error}")))?;
                self.tree.make_hard_link(&path, &target).map_err(|error| match error {
                    // What the archive says is at fault, not the disk.
                    ImageError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                        self.refusal(raw, "the hard link's target is not in the layer")
                    }
                    error => error,
                })
            }
            EntryType::Fifo => self.tree.make_fifo(&path, &meta),
            EntryType::Char | EntryType::Block => self.device(entry, &path, raw),
            other => Err(self.refusal(raw, format!("entries of type {:?} are not known", other.as_byte() as char))),
        }
    }

    fn file<R: Read>(&mut self, entry: &mut Entry<'_, R>, path: &EntryPath, meta: Meta) -> Result<()> {
        let size = entry.size();
        if size > FILE_MAX {
            return Err(self.refusal(path.as_bytes(), format!("a file of {size} bytes is not believed")));
        }
        let mut file = self.tree.open_file(path, &meta)?;
        let sparse = entry.header().entry_type() == EntryType::GNUSparse;
        let mut written = 0;
        loop {
            let read = match entry.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.refusal(path.as_bytes(), error)),
            };
            let chunk = &self.buffer[..read];
            match sparse && chunk.iter().all(|byte| *byte == 0) {
                true => file.seek_relative(read as i64),
                false => file.write_all(chunk),
            }
            .map_err(|error| self.tree.failure("cannot write", path, error))?;
            written += read as u64;
            self.gauge.unpacked.fetch_add(read as u64, Ordering::Relaxed);
            self.gauge.check()?;
        }
        if written != size {
            return Err(self.refusal(path.as_bytes(), "the archive is cut short"));
        }
        if sparse {
            // A hole at the end was stepped over, not written.
            file.set_len(size).map_err(|error| self.tree.failure("cannot write", path, error))?;
            self.holes += size;
        }
        self.done.bytes += written;
        self.tree.close_file(file, path, &meta)
    }

    /// Judges the archive as it would be with `more` bytes.
    fn check_size(&self, more: u64) -> Result<()> {
        let bytes = self.meter.total.get().saturating_add(self.holes).saturating_add(more);
        self.job.check_size(self.done.entries, bytes)
    }

    /// Leaves device nodes out: containers get their own /dev, and elsewhere `nodev` makes them useless.
    fn device<R: Read>(&mut self, entry: &Entry<'_, R>, path: &EntryPath, raw: &[u8]) -> Result<()> {
        let header = entry.header();
        let character = header.entry_type() == EntryType::Char;
        let number = |value: io::Result<Option<u32>>| value.ok().flatten().unwrap_or(0);
        let (major, minor) = (number(header.device_major()), number(header.device_minor()));
        if character && major == 0 && minor == 0 {
            return Err(self.refusal(raw, "character device 0:0 is a forged whiteout"));
        }
        let in_dev = path.as_bytes().starts_with(b"dev/");
        if self.job.policy == Policy::Import && !(in_dev && character && is_usual_device(major, minor)) {
            return Err(self.refusal(raw, format!("device nodes are not taken ({major}:{minor})")));
        }
        Ok(())
    }

    fn link_target<R: Read>(&self, entry: &Entry<'_, R>, raw: &[u8]) -> Result<Vec<u8>> {
        match entry.link_name_bytes() {
            Some(target) if !target.is_empty() && target.len() < 4096 && !target.contains(&0) => {
                Ok(target.into_owned())
            }
            _ => Err(self.refusal(raw, "the link has no usable target")),
        }
    }

    fn meta<R: Read>(&self, entry: &mut Entry<'_, R>, raw: &[u8]) -> Result<Meta> {
        let header = entry.header();
        let number = |field: &[u8], value: io::Result<u64>| {
            // Some writers leave a field empty where they mean 0.
            if field.iter().all(|byte| matches!(byte, 0 | b' ')) {
                return Ok(0);
            }
            let value = value.map_err(|error| self.refusal(raw, error))?;
            u32::try_from(value).map_err(|_| self.refusal(raw, "owner or mode is out of range"))
        };
        let fields = header.as_old();
        let mut meta = Meta {
            mode: number(&fields.mode, header.mode().map(u64::from))? & 0o7777,
            uid: number(&fields.uid, header.uid())?,
            gid: number(&fields.gid, header.gid())?,
            modified_s: header.mtime().ok().and_then(|time| i64::try_from(time).ok()).unwrap_or(0),
            modified_ns: 0,
            attributes: Attributes::default(),
        };
        let Ok(Some(extensions)) = entry.pax_extensions() else { return Ok(meta) };
        // A record with a line feed in its value is one the crate cannot read; what we keep of PAX is not worth failing for.
        for extension in extensions.flatten() {
            let key = extension.key_bytes();
            if key == b"mtime" {
                if let Some((seconds, nanoseconds)) = extension.value().ok().and_then(parse_time) {
                    (meta.modified_s, meta.modified_ns) = (seconds, nanoseconds);
                }
            } else if key.starts_with(b"GNU.sparse.") {
                return Err(self.refusal(raw, "sparse files in PAX format are not known; use tar --format=gnu"));
            } else if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                meta.attributes.keep(name, extension.value_bytes());
            }
        }
        Ok(meta)
    }

    fn refusal(&self, raw: &[u8], reason: impl std::fmt::Display) -> ImageError {
        ImageError::layer(&self.job.layer, format!("{}: {reason}", String::from_utf8_lossy(raw)))
    }
}

/// null, zero, full, random, urandom, tty, console, ptmx and the virtual consoles.
fn is_usual_device(major: u32, minor: u32) -> bool {
    matches!((major, minor), (1, 1..=11) | (4, 0..=64) | (5, 0..=2))
}

/// Seconds and nanoseconds of a PAX time such as `1700000000.25`.
fn parse_time(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    match whole.starts_with('-') && nanoseconds > 0 {
        true => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        false => Some((seconds, nanoseconds)),
    }
}

/// A reader that yields no more than its allowance, and remembers whether the last whole block was of zeros.
struct Metered<'a> {
    inner: &'a mut dyn Read,
    meter: Rc<Meter>,
    policy: Policy,
}

#[derive(Debug, Default)]
struct Meter {
    /// Bytes that may still be read of headers; all bits set while an entry's content is read.
    allowance: Cell<u64>,
    ended_with_zeros: Cell<bool>,
    /// Bytes read, and how many there are when the entry's last block is full.
    total: Cell<u64>,
    boundary: Cell<u64>,
}

impl Meter {
    fn expect_headers(&self) {
        self.allowance.set(HEADERS_MAX);
        self.boundary.set(self.total.get().next_multiple_of(512));
    }

    fn expect_content(&self) {
        self.allowance.set(u64::MAX);
    }
}

impl<'a> Metered<'a> {
    fn new(inner: &'a mut dyn Read, policy: Policy) -> Self {
        Self { inner, meter: Rc::default(), policy }
    }

    /// umoci (0.4.7) ends a layer without filling its last block up. Its digest says that nothing is missing, so the zeros
    /// are ours; within an entry's content they never are.
    fn filling(&self, buffer: &mut [u8]) -> usize {
        let missing = usize::try_from(self.meter.boundary.get().saturating_sub(self.meter.total.get())).unwrap_or(0);
        if self.policy != Policy::Layer {
            return 0;
        }
        let length = missing.min(buffer.len());
        buffer[..length].fill(0);
        length
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowance = self.meter.allowance.get();
        let in_headers = allowance != u64::MAX;
        if allowance == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an entry's headers are larger than 1 MiB"));
        }
        let most = usize::try_from(allowance).unwrap_or(usize::MAX).min(buffer.len());
        let mut read = self.inner.read(&mut buffer[..most])?;
        if read == 0 && in_headers {
            read = self.filling(&mut buffer[..most]);
        }
        self.meter.total.set(self.meter.total.get() + read as u64);
        if in_headers {
            self.meter.allowance.set(allowance - read as u64);
            if read > 0 {
                self.meter.ended_with_zeros.set(buffer[..read].iter().all(|byte| *byte == 0));
            }
        }
        Ok(read)
    }
}
