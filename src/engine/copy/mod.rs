//! `cp`: files between the machine and a container, in both directions, running or not.
//!
//! What goes over is a tar archive in a pipe. The side of the container is a [`super::tree`] visit, with the rights of the
//! container's own root user; this side is this process, with those of who runs teu.

pub(super) mod extract;
mod landing;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::extract::{ExtractError, Extractor, First};
use self::landing::{Destination, Landing, Source, asks_for_folder, cleaned, landing, means_content, split};
use super::tree::Flow;
use super::tree::protocol::{Ask, Found, Ids, Kind, Mounts};
use super::{Engine, EngineError, Result};
use crate::image::pack::{self, Owners, PackError, PackOptions};
use crate::model::{ErrorKind, FilePlace, printable_line};
use crate::sys::in_root::Folder;

/// How to copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// Users and groups are kept (`-a`). Otherwise the copies are root's in a container, and the caller's outside.
    pub archive: bool,
    /// If the source is a link, what it points to is copied.
    pub follow_link: bool,
}

/// What is to be copied into a container.
pub enum CopySource {
    Path(PathBuf),
    /// A tar archive, plain, gzip or zstd.
    Archive(Box<dyn Read + Send>),
}

/// Where a copy out of a container goes.
pub enum CopyTarget {
    Path(PathBuf),
    /// A tar archive.
    Archive(Box<dyn Write>),
}

/// How much was copied, to be read while it goes.
#[derive(Debug, Default)]
pub struct CopyMeter {
    bytes: AtomicU64,
    stopped: AtomicBool,
}

impl CopyMeter {
    /// Bytes of the archive that have gone over.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Asks that no more be copied: what is under way fails at its next piece.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) -> io::Result<()> {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.is_stopped() { Err(io::Error::other("cancelled")) } else { Ok(()) }
    }
}

impl Engine {
    /// Copies into a container. An archive's content goes into `path`, which must be a folder there.
    pub fn copy_in(
        &self,
        source: CopySource,
        target: &str,
        path: &OsStr,
        options: CopyOptions,
        meter: &CopyMeter,
    ) -> Result<()> {
        self.copy_to(source, &FilePlace::Container(target.to_owned()), path, options, meter)
    }

    /// Copies into a container or a volume, as [`Engine::copy_in`].
    pub fn copy_to(
        &self,
        source: CopySource,
        place: &FilePlace,
        path: &OsStr,
        options: CopyOptions,
        meter: &CopyMeter,
    ) -> Result<()> {
        let own = match &source {
            CopySource::Path(path) => Some(OwnSource::of(path, options)?),
            CopySource::Archive(_) => None,
        };
        let mut visit = self.0.visit_place(place, Flow::ToContainer)?;
        let name = visit.name().to_owned();
        let refused = |why: String| refusal(&name, why);
        let found = visit.look(&cleaned(path), true)?;
        let ids = if options.archive { Ids::Given } else { Ids::Root };
        match (source, own) {
            (CopySource::Path(_), Some(own)) => {
                let Landing { folder, name } =
                    landing(&own.source, &Destination { found: &found, shown: path }).map_err(refused)?;
                visit.write(folder, ids, |data| own.pack(name.as_deref(), Metered { inner: data, meter }))
            }
            (CopySource::Archive(archive), _) => {
                if found.kind != Kind::Folder {
                    let shown = printable_line(&path.to_string_lossy()).into_owned();
                    return Err(refused(format!("{shown} is not a folder there: an archive's content needs one")));
                }
                visit.write(found.path, ids, |data| {
                    let read = EngineError::io("read", Path::new("the archive"));
                    let mut plain = crate::image::inflated(archive).map_err(read)?;
                    let copied = io::copy(&mut plain, &mut Metered { inner: data, meter });
                    copied.map(drop).map_err(EngineError::io("copy", Path::new("the archive")))
                })
            }
            (CopySource::Path(_), None) => unreachable!("a path's source was looked at above"),
        }
    }

    /// Copies a file or folder of a container.
    pub fn copy_out(
        &self,
        target: &str,
        path: &OsStr,
        destination: CopyTarget,
        options: CopyOptions,
        meter: &CopyMeter,
    ) -> Result<()> {
        self.copy_from(&FilePlace::Container(target.to_owned()), path, destination, options, meter)
    }

    /// Copies a file or folder of a container or a volume.
    pub fn copy_from(
        &self,
        place: &FilePlace,
        path: &OsStr,
        destination: CopyTarget,
        options: CopyOptions,
        meter: &CopyMeter,
    ) -> Result<()> {
        let shown = printable_line(&path.to_string_lossy()).into_owned();
        let mut visit = self.0.visit_place(place, Flow::FromContainer)?;
        let name = visit.name().to_owned();
        let refused = |why: String| refusal(&name, why);
        let found = visit.look(&cleaned(path), options.follow_link || asks_for_folder(path))?;
        if found.kind == Kind::Missing {
            let message = format!("could not find the file {shown}");
            return Err(EngineError::Files { name: visit.name().to_owned(), message, kind: ErrorKind::NotFound });
        }
        if asks_for_folder(path) && found.kind != Kind::Folder {
            return Err(refused(format!("{shown} is not a folder")));
        }
        let clean = cleaned(path);
        let (_, name) = split(clean.strip_suffix(b"/").unwrap_or(&clean));
        // The root has no name: it is what is in it.
        let name = (!means_content(path) && !name.is_empty()).then(|| name.to_vec());
        let source = Source { is_folder: found.kind == Kind::Folder, name };
        let pack = |name: Option<Vec<u8>>| Ask::Pack {
            path: found.path.clone(),
            shown: name.unwrap_or_else(|| b".".to_vec()),
            mounts: Mounts::Followed,
        };
        match destination {
            CopyTarget::Archive(mut out) => visit.read(pack(source.name), |data| {
                let copied = io::copy(&mut Metered { inner: data, meter }, &mut out).and_then(|_| out.flush());
                copied.map_err(EngineError::io("write", Path::new("the archive")))
            }),
            CopyTarget::Path(to) => {
                let place = look(&to, true)?;
                let destination = Destination { found: &place, shown: to.as_os_str() };
                let Landing { folder, name } = landing(&source, &destination).map_err(|why| refusal_here(&why))?;
                let folder = PathBuf::from(OsString::from(OsStr::from_bytes(&folder)));
                let folder = if folder.as_os_str().is_empty() { PathBuf::from("/") } else { folder };
                let opened = Folder::open_place(&folder).map_err(EngineError::io("open", &folder))?;
                // Only root can give files away.
                let keeps = options.archive && rustix::process::geteuid().is_root();
                let ids = if keeps { Ids::Given } else { Ids::Own };
                // A link in the place of a folder would lead whoever uses the copy to where the container wants him.
                let first = if found.kind == Kind::Folder && name.is_some() { First::Folder } else { First::Anything };
                visit.read(pack(name), |data| {
                    let extractor = Extractor::in_folder(&opened, ids).beginning_with(first);
                    let extracted = extractor.extract(Metered { inner: data, meter });
                    extracted.map(drop).map_err(|error| extraction(error, &folder))
                })
            }
        }
    }
}

fn refusal(name: &str, message: String) -> EngineError {
    EngineError::Files { name: name.to_owned(), message, kind: ErrorKind::Conflict }
}

fn refusal_here(why: &str) -> EngineError {
    EngineError::Invalid { what: why.to_owned() }
}

pub(super) fn extraction(error: ExtractError, folder: &Path) -> EngineError {
    match error {
        ExtractError::Refused { path, reason } => refusal_here(&format!("{}: {reason}", folder.join(path).display())),
        ExtractError::Write { path, source } => EngineError::io("write", &folder.join(path))(source),
        // The other side knows what broke off, if it was not the archive itself.
        ExtractError::Archive(source) => EngineError::io("read", Path::new("the archive"))(source),
    }
}

/// A file or folder of the machine that is to be copied.
struct OwnSource {
    source: Source,
    folder: PathBuf,
    /// None for the root folder.
    name: Option<OsString>,
    shown: PathBuf,
    keeps_owners: bool,
}

impl OwnSource {
    fn of(path: &Path, options: CopyOptions) -> Result<Self> {
        let asks = asks_for_folder(path.as_os_str());
        let found = look(path, options.follow_link || asks)?;
        let none = |kind: io::ErrorKind| EngineError::io("copy", path)(kind.into());
        match found.kind {
            Kind::Missing => return Err(none(io::ErrorKind::NotFound)),
            Kind::Folder => {}
            _ if asks => return Err(none(io::ErrorKind::NotADirectory)),
            _ => {}
        }
        let (folder, name) = split(&found.path);
        let own_name = match path.file_name() {
            // `..`: whatever it is called.
            None => name.to_vec(),
            Some(name) => name.as_bytes().to_vec(),
        };
        let content = means_content(path.as_os_str()) || own_name.is_empty();
        Ok(Self {
            source: Source { is_folder: found.kind == Kind::Folder, name: (!content).then_some(own_name) },
            folder: Path::new("/").join(OsStr::from_bytes(folder)),
            name: (!name.is_empty()).then(|| OsStr::from_bytes(name).to_owned()),
            shown: path.to_owned(),
            keeps_owners: options.archive,
        })
    }

    fn pack(&self, name: Option<&[u8]>, out: impl Write) -> Result<()> {
        let owners = match self.keeps_owners {
            true if rustix::process::geteuid().is_root() => Owners::Kept,
            true => Owners::OwnIsRoot,
            false => Owners::Root,
        };
        let options = PackOptions { devices: true, owners, ..PackOptions::default() };
        let out = BufWriter::with_capacity(256 << 10, out);
        let opened = |path: &Path| Folder::open_place(path).map_err(EngineError::io("open", path));
        let packed = match (name, &self.name) {
            (Some(shown), Some(name)) => {
                pack::entry(&opened(&self.folder)?, name, Path::new(OsStr::from_bytes(shown)), &options, out)
            }
            (None, Some(name)) => {
                let folder = opened(&self.folder)?.child(name).map_err(EngineError::io("open", &self.shown))?;
                pack::tree(&folder, &options, out)
            }
            (_, None) => {
                let folder =
                    opened(&self.folder)?.resolve(OsStr::new("")).map_err(EngineError::io("open", &self.shown))?;
                pack::tree(&folder, &options, out)
            }
        };
        let flushed = packed.and_then(|mut out| out.flush().map_err(PackError::Write));
        flushed.map_err(|error| match error {
            PackError::Write(source) => EngineError::io("copy", &self.shown)(source),
            PackError::Read { path, source } => EngineError::io("read", &self.at(name, &path))(source),
            PackError::Refused { path, reason } => {
                refusal_here(&format!("{}: {reason}", self.at(name, &path).display()))
            }
        })
    }

    /// The file that an archive's path was made of.
    fn at(&self, name: Option<&[u8]>, path: &Path) -> PathBuf {
        let below = name.and_then(|name| path.strip_prefix(OsStr::from_bytes(name)).ok()).unwrap_or(path);
        if below.as_os_str().is_empty() { self.shown.clone() } else { self.shown.join(below) }
    }
}

/// What is at a path of the machine; its path in the answer is from the root.
fn look(path: &Path, follow: bool) -> Result<Found> {
    let failed = |error| EngineError::io("look at", path)(error);
    let mut place = std::path::absolute(path).map_err(failed)?;
    if path.file_name().is_none() && place.exists() {
        place = fs::canonicalize(&place).map_err(failed)?;
    }
    for _ in 0..40 {
        let data = match fs::symlink_metadata(&place) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            data => Some(data.map_err(failed)?),
        };
        if let Some(link) = data.as_ref().filter(|data| data.is_symlink() && follow) {
            let target = fs::read_link(&place).map_err(failed)?;
            place = place.parent().unwrap_or(Path::new("/")).join(target);
            let _ = link;
            continue;
        }
        let kind = match &data {
            None => Kind::Missing,
            Some(data) if data.is_dir() => Kind::Folder,
            Some(data) if data.is_file() => Kind::File,
            Some(data) if data.is_symlink() => Kind::Symlink,
            Some(_) => Kind::Other,
        };
        let has_parent = place.parent().is_none_or(Path::is_dir);
        // Without slashes at the end and doubled ones.
        let plain: PathBuf = place.components().collect();
        let bytes = plain.strip_prefix("/").unwrap_or(&plain).as_os_str().as_bytes().to_vec();
        let path = if bytes.is_empty() { bytes } else { [b"/", bytes.as_slice()].concat() };
        return Ok(Found { path, kind, bytes: data.map_or(0, |data| data.len()), has_parent });
    }
    Err(failed(io::Error::from_raw_os_error(libc::ELOOP)))
}

/// Counts what passes.
struct Metered<'a, T> {
    inner: T,
    meter: &'a CopyMeter,
}

impl<T: Read> Read for Metered<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.meter.add(read)?;
        Ok(read)
    }
}

impl<T: Write> Write for Metered<'_, T> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.meter.add(written)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
