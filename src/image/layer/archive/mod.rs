//! Reads tar archives, as hostile as they come: headers, GNU long names, PAX records and sparse maps become one entry each.
//!
//! The `tar` crate (0.4.46) cuts PAX records at line feeds, not by their length: a record hidden in another's value would count
//! for us and not for Go's reader, which Docker has, and a file capability with such a byte would lose the records behind it.
//! So archives are read here, by the rules that Go's reader and GNU tar share; where those two differ the archive is refused.

mod header;
mod pax;
mod sparse;

use std::io::{self, Read};

use self::header::{BLOCK, Header};
use self::pax::Records;
pub(super) use self::sparse::Fragment;
use super::attribute::Attributes;
use super::name::shown;

/// Bytes of long names, PAX records and sparse maps of one entry: more would only eat memory.
const EXTENSION_MAX: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    HardLink,
    Symlink,
    Character,
    Block,
    Folder,
    Fifo,
}

/// One entry, with everything that the archive says of it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub path: Vec<u8>,
    /// Target of a link.
    pub link: Vec<u8>,
    pub kind: Kind,
    /// Size of the file when all holes are counted.
    pub size: u64,
    /// What is not a hole, in order; none for files without holes.
    pub fragments: Option<Vec<Fragment>>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub modified: (i64, u32),
    pub device: (u32, u32),
    pub attributes: Attributes,
}

/// An archive that is read once, from its beginning to its end.
pub(super) struct Archive<'a> {
    reader: &'a mut dyn Read,
    /// Bytes read so far.
    total: u64,
    /// Bytes of the current entry's content that are not read yet, and what fills its last block up.
    content: u64,
    padding: u64,
    has_end_mark: bool,
}

impl<'a> Archive<'a> {
    pub(super) fn new(reader: &'a mut dyn Read) -> Self {
        Self { reader, total: 0, content: 0, padding: 0, has_end_mark: false }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Whether the archive ended as it should, not merely between two entries.
    pub(super) fn has_end_mark(&self) -> bool {
        self.has_end_mark
    }

    /// The next entry; what is left of the one before is passed over.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut extensions = Extensions::default();
        loop {
            self.pass_over()?;
            let mut block = [0; BLOCK];
            if !self.fill_or_end(&mut block)? {
                return extensions.nothing_follows();
            }
            if block.iter().all(|byte| *byte == 0) {
                self.end_mark()?;
                return extensions.nothing_follows();
            }
            let header = Header::new(&block)?;
            let size = header.size()?;
            match header.kind() {
                b'x' => {
                    let bytes = self.extension(size)?;
                    once(&mut extensions.pax, Records::parse(&bytes)?, "PAX headers")?;
                }
                b'L' => once(&mut extensions.path, until_zero(self.extension(size)?), "long names")?,
                b'K' => once(&mut extensions.link, until_zero(self.extension(size)?), "long link names")?,
                // What it says is for all entries that follow; nobody who reads images heeds it.
                b'g' => drop(self.extension(size)?),
                _ => return self.entry(&header, size, extensions).map(Some),
            }
        }
    }

    /// Reads the current entry's content; 0 is its end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.read_some(&mut buffer[..most])?;
        if read == 0 {
            return Err(bad("the archive is cut short"));
        }
        self.content -= read as u64;
        Ok(read)
    }

    fn entry(&mut self, header: &Header<'_>, size: u64, extensions: Extensions) -> io::Result<Entry> {
        let records = extensions.pax.unwrap_or_default();
        let size = records.size()?.unwrap_or(size);
        let path = records.path.or_else(|| header.path().map(<[u8]>::to_vec)).unwrap_or_else(|| header.prefixed_path());
        let path = extensions.path.unwrap_or(path);
        let link = extensions.link.or(records.link).unwrap_or_else(|| header.link().to_vec());
        let kind = match header.kind() {
            // Archives older than 1988 mark a folder by its name only.
            b'0' | 0 | b'7' if path.ends_with(b"/") => Kind::Folder,
            b'0' | 0 | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Character,
            b'4' => Kind::Block,
            b'5' => Kind::Folder,
            b'6' => Kind::Fifo,
            other => return Err(named(&path, format!("entries of type {:?} are not known", char::from(other)))),
        };
        // Go's reader finds the next header right behind such an entry, GNU tar behind its content; of a hard link both say
        // that it has none.
        if size != 0 && !matches!(kind, Kind::File | Kind::HardLink) {
            return Err(named(&path, "it has content, which its type cannot have".to_owned()));
        }
        self.content = if kind == Kind::File { size } else { 0 };
        self.padding = self.content.wrapping_neg() % BLOCK as u64;
        let mut entry = Entry {
            kind,
            size: self.content,
            fragments: None,
            mode: header.mode()?,
            uid: records.uid.map_or_else(|| header.uid(), Ok)?,
            gid: records.gid.map_or_else(|| header.gid(), Ok)?,
            modified: records.modified.map_or_else(|| header.modified().map(|seconds| (seconds, 0)), Ok)?,
            device: header.device(),
            attributes: records.attributes,
            path,
            link,
        };
        if header.kind() == b'S' {
            let (real_size, fragments) = self.old_map(header)?;
            sparse::check(&fragments, real_size, self.content)?;
            (entry.size, entry.fragments) = (real_size, Some(fragments));
        } else if let Some(map) = records.sparse {
            let fragments = if map.in_content { self.map_in_content()? } else { map.fragments };
            sparse::check(&fragments, map.real_size, self.content)?;
            (entry.size, entry.fragments) = (map.real_size, Some(fragments));
            if let Some(name) = map.name {
                entry.path = name;
            }
        }
        Ok(entry)
    }

    /// The map of GNU's own format: four fragments in the header, 21 in each block that follows while there are more.
    fn old_map(&mut self, header: &Header<'_>) -> io::Result<(u64, Vec<Fragment>)> {
        let (mut fragments, mut more) = header.fragments()?;
        let mut blocks = 0;
        while more {
            blocks += BLOCK as u64;
            if blocks > EXTENSION_MAX {
                return Err(too_much());
            }
            let mut block = [0; BLOCK];
            self.fill(&mut block)?;
            more = header::more_fragments(&block, &mut fragments)?;
        }
        Ok((header.real_size()?, fragments))
    }

    /// The map of PAX format 1.0: lines of digits before the content, filled up to a block.
    fn map_in_content(&mut self) -> io::Result<Vec<Fragment>> {
        let mut map = sparse::Lines::default();
        let mut read = 0;
        while !map.is_whole() {
            let mut block = [0; BLOCK];
            read += BLOCK as u64;
            if read > EXTENSION_MAX {
                return Err(too_much());
            }
            if self.content < BLOCK as u64 {
                return Err(bad("a sparse file's map is cut short"));
            }
            self.fill(&mut block)?;
            self.content -= BLOCK as u64;
            map.take(&block)?;
        }
        map.fragments()
    }

    fn extension(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > EXTENSION_MAX {
            return Err(too_much());
        }
        let mut bytes = vec![0; size as usize];
        self.fill(&mut bytes)?;
        self.padding = size.wrapping_neg() % BLOCK as u64;
        Ok(bytes)
    }

    /// A block of zeros has been read: another, or nothing more, makes it the end.
    fn end_mark(&mut self) -> io::Result<()> {
        let mut block = [0; BLOCK];
        if self.fill_or_end(&mut block)? && block.iter().any(|byte| *byte != 0) {
            return Err(bad("something follows a single block of zeros"));
        }
        self.has_end_mark = true;
        Ok(())
    }

    /// Reads what is left of the entry. umoci (0.4.7) ends a layer without filling its last block up: its digest says
    /// that nothing is missing.
    fn pass_over(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8 * BLOCK];
        while self.content > 0 {
            self.read(&mut buffer)?;
        }
        let padding = std::mem::take(&mut self.padding) as usize;
        let mut filled = 0;
        while filled < padding {
            match self.read_some(&mut buffer[..padding - filled])? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match self.fill_or_end(buffer)? || buffer.is_empty() {
            true => Ok(()),
            false => Err(bad("the archive is cut short")),
        }
    }

    /// False at the end of all bytes; an end within `buffer` is an error.
    fn fill_or_end(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_some(&mut buffer[filled..])? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(bad("the archive is cut short")),
                read => filled += read,
            }
        }
        Ok(true)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.total += read as u64;
                    return Ok(read);
                }
            }
        }
    }
}

/// What precedes an entry's own header.
#[derive(Default)]
struct Extensions {
    pax: Option<Records>,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extensions {
    fn nothing_follows(&self) -> io::Result<Option<Entry>> {
        match (&self.pax, &self.path, &self.link) {
            (None, None, None) => Ok(None),
            _ => Err(bad("the archive ends where a file should follow its long name or PAX header")),
        }
    }
}

/// Readers differ in which of two they believe.
fn once<T>(place: &mut Option<T>, value: T, what: &str) -> io::Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad(format!("one entry has two {what}"))),
    }
}

fn until_zero(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

fn too_much() -> io::Error {
    bad("an entry's headers are larger than 1 MiB")
}

fn named(path: &[u8], reason: String) -> io::Error {
    bad(format!("{}: {reason}", shown(path)))
}

fn bad(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

#[cfg(test)]
mod tests;
