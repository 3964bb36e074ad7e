//! The outer archive, entry by entry: its names are judged, never used.

use std::cell::Cell;
use std::io::{self, Read};

use tar::{Entry, EntryType};

use crate::image::layer::inflate;
use crate::image::{ImageError, Result};
use crate::model::{TransferGauge, UnpackLimits};

/// Bytes of headers, long names and PAX records of one entry: more would only eat memory.
const HEADERS_MAX: u64 = 1 << 20;
/// A hundred images of a hundred layers have fewer.
const ENTRIES_MAX: usize = 100_000;

/// What an entry is.
pub(super) enum Sort {
    File,
    /// To this name in the archive.
    Link(String),
}

/// Reads the archive that `source` is, compressed or not, and hands each file and link to `take`, which may leave some
/// of it unread.
pub(super) fn each(
    source: impl Read + Send,
    limits: &UnpackLimits,
    gauge: &TransferGauge,
    mut take: impl FnMut(&str, Sort, u64, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let came = Counted { inner: source, gauge };
    let plain = inflate(came).map_err(|error| unreadable(&error))?;
    let meter = Meter { allowance: Cell::new(HEADERS_MAX), total: Cell::new(0), limits, gauge };
    let mut archive = tar::Archive::new(Metered { inner: plain, meter: &meter });
    let mut entries = archive.entries().map_err(|error| unreadable(&error))?;
    let mut count = 0;
    loop {
        meter.allowance.set(HEADERS_MAX);
        let Some(entry) = entries.next() else { return if count > 0 { Ok(()) } else { Err(empty()) } };
        let mut entry = entry.map_err(|error| unreadable(&error))?;
        meter.allowance.set(u64::MAX);
        count += 1;
        if count > ENTRIES_MAX {
            let what = format!("it has more than {ENTRIES_MAX} entries; a root file system is for `teu import`");
            return Err(ImageError::archive(what));
        }
        one(&mut entry, &mut take)?;
        io::copy(&mut entry, &mut io::sink()).map_err(|error| unreadable(&error))?;
    }
}

fn one<R: Read>(
    entry: &mut Entry<'_, R>,
    take: &mut impl FnMut(&str, Sort, u64, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let raw = entry.path_bytes().into_owned();
    let shown = String::from_utf8_lossy(&raw).into_owned();
    let refused = |reason: &str| ImageError::archive(format!("{shown}: {reason}"));
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    let name = plain(&raw).map_err(refused)?;
    let target = entry.link_name_bytes().map(|target| target.into_owned()).unwrap_or_default();
    match kind {
        EntryType::Directory => Ok(()),
        EntryType::Regular | EntryType::Continuous if raw.ends_with(b"/") => Ok(()),
        EntryType::Regular | EntryType::Continuous => {
            let size = entry.size();
            take(&name, Sort::File, size, entry)
        }
        EntryType::Symlink => {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let target = inside(&target, folder).map_err(|reason| refused(&format!("symlink: {reason}")))?;
            take(&name, Sort::Link(target), 0, &mut io::empty())
        }
        EntryType::Link => {
            let target = plain(&target).map_err(|reason| refused(&format!("hard link: {reason}")))?;
            take(&name, Sort::Link(target), 0, &mut io::empty())
        }
        other => Err(refused(&format!("an image archive has no entries of type {:?}", other.as_byte() as char))),
    }
}

/// The name of an entry, without dots.
fn plain(path: &[u8]) -> std::result::Result<String, &'static str> {
    match path.split(|byte| *byte == b'/').any(|part| part == b"..") {
        true => Err("the name goes up"),
        false => inside(path, ""),
    }
}

/// The name that a path means which begins in `folder`, without dots; only a link's may go up, and never out.
fn inside(path: &[u8], folder: &str) -> std::result::Result<String, &'static str> {
    let path = std::str::from_utf8(path).map_err(|_| "the name is no text")?;
    if path.starts_with('/') {
        return Err("the name is absolute");
    }
    if path.contains('\0') || path.is_empty() {
        return Err("the name is no name");
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("the name leads out of the archive")?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

fn empty() -> ImageError {
    ImageError::archive("there is nothing in it")
}

pub(super) fn unreadable(error: &io::Error) -> ImageError {
    let reason = error.to_string().replace("teu import -", "teu load");
    // The words of the tar crate for a header that is none, which end with what it read.
    if ["cksum", "checksum", "numeric field"].iter().any(|word| reason.contains(word)) {
        return ImageError::archive("it is no tar archive, or a damaged one");
    }
    ImageError::archive(format!("it cannot be read: {reason}"))
}

/// Counts what comes from the source, and ends when it is to.
struct Counted<'a, R> {
    inner: R,
    gauge: &'a TransferGauge,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.gauge.is_stopped() {
            return Err(io::Error::other("cancelled"));
        }
        let read = self.inner.read(buffer)?;
        self.gauge.moved(read as u64);
        Ok(read)
    }
}

struct Meter<'a> {
    /// Bytes that may still be read of headers; all bits set while an entry's content is read.
    allowance: Cell<u64>,
    total: Cell<u64>,
    limits: &'a UnpackLimits,
    gauge: &'a TransferGauge,
}

impl Meter<'_> {
    /// Counts what came out of the archive, and refuses what a decompression bomb would give.
    fn count(&self, bytes: usize) -> io::Result<()> {
        let total = self.total.get() + bytes as u64;
        self.total.set(total);
        let UnpackLimits { max_bytes, max_ratio, .. } = *self.limits;
        let refused = |what: String, key: &str| {
            let cure = format!("if you trust it, raise `{key}` under [unpack] in config.toml");
            Err(io::Error::other(format!("{what}, as a decompression bomb would; {cure}")))
        };
        if total > max_bytes {
            return refused(format!("it holds more than {max_bytes} bytes"), "max_size");
        }
        if total > UnpackLimits::RATIO_FROM_BYTES && total > self.gauge.now().moved_bytes.saturating_mul(max_ratio) {
            return refused(format!("it holds more than {max_ratio} times its size"), "max_ratio");
        }
        Ok(())
    }
}

struct Metered<'a, R> {
    inner: R,
    meter: &'a Meter<'a>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowance = self.meter.allowance.get();
        if allowance == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an entry's headers are larger than 1 MiB"));
        }
        let most = usize::try_from(allowance).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        if allowance != u64::MAX {
            self.meter.allowance.set(allowance - read as u64);
        }
        self.meter.count(read)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_follows_dots_and_never_leads_out() {
        assert_eq!(inside(b"./blobs//x", ""), Ok("blobs/x".to_owned()));
        assert_eq!(inside(b"../b/layer.tar", "a"), Ok("b/layer.tar".to_owned()));
        for path in [&b"/etc/passwd"[..], b"../../x", b"", b"a\0b", b"\xff"] {
            assert!(inside(path, "a").is_err(), "{path:?}");
        }
        assert!(plain(b"a/../b").is_err() && plain(b"..").is_err());
    }
}
