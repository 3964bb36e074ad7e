//! Writes a tar archive: POSIX headers, and PAX records for what those cannot hold (long or strange names, nanoseconds,
//! large numbers, extended attributes). Every reader of this century takes it, and the same tree always gives the same bytes.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;

use tar::{EntryType, Header};

const BLOCK: u64 = 512;
/// What a POSIX header's fields can hold.
const NAME_MAX: usize = 100;
const ID_MAX: u64 = 0o777_7777;
const SIZE_MAX: u64 = 0o777_7777_7777;

/// One entry, its content aside.
#[derive(Debug)]
pub struct Entry<'a> {
    pub path: &'a [u8],
    pub kind: EntryType,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub modified_s: i64,
    pub modified_ns: u32,
    /// Bytes of content that follow.
    pub size: u64,
    /// Target of a link.
    pub target: &'a [u8],
    /// Major and minor number of a device.
    pub device: (u32, u32),
    pub attributes: &'a [(OsString, Vec<u8>)],
}

impl<'a> Entry<'a> {
    /// An entry of root's with nothing in it.
    pub fn new(path: &'a [u8], kind: EntryType) -> Self {
        Self {
            path,
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            modified_s: 0,
            modified_ns: 0,
            size: 0,
            target: &[],
            device: (0, 0),
            attributes: &[],
        }
    }

    fn records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        if self.path.len() > NAME_MAX {
            record(&mut records, b"path", self.path);
        }
        if self.target.len() > NAME_MAX {
            record(&mut records, b"linkpath", self.target);
        }
        let numbers = [
            (b"size".as_slice(), self.size, SIZE_MAX),
            (b"uid", self.uid.into(), ID_MAX),
            (b"gid", self.gid.into(), ID_MAX),
        ];
        for (key, value, most) in numbers {
            if value > most {
                record(&mut records, key, value.to_string().as_bytes());
            }
        }
        if self.modified_ns > 0 || self.modified_s < 0 || self.modified_s.unsigned_abs() > SIZE_MAX {
            record(&mut records, b"mtime", time(self.modified_s, self.modified_ns).as_bytes());
        }
        for (name, value) in self.attributes {
            record(&mut records, &[b"SCHILY.xattr.", name.as_bytes()].concat(), value);
        }
        records
    }

    fn header(&self) -> io::Result<Header> {
        let mut header = Header::new_ustar();
        let within = |value: u64, most: u64| if value > most { 0 } else { value };
        {
            let fields = header.as_old_mut();
            let name = &self.path[..self.path.len().min(NAME_MAX)];
            fields.name[..name.len()].copy_from_slice(name);
            let target = &self.target[..self.target.len().min(NAME_MAX)];
            fields.linkname[..target.len()].copy_from_slice(target);
        }
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_uid(within(self.uid.into(), ID_MAX));
        header.set_gid(within(self.gid.into(), ID_MAX));
        header.set_size(within(self.size, SIZE_MAX));
        header.set_mtime(within(u64::try_from(self.modified_s).unwrap_or(0), SIZE_MAX));
        if matches!(self.kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(self.device.0)?;
            header.set_device_minor(self.device.1)?;
        }
        header.set_cksum();
        Ok(header)
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits as well.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend(length.to_string().into_bytes());
    records.push(b' ');
    records.extend(key);
    records.push(b'=');
    records.extend(value);
    records.push(b'\n');
}

/// Seconds with a fraction; before 1970 both are negative together.
fn time(seconds: i64, nanoseconds: u32) -> String {
    let fraction = |ns: u32| if ns == 0 { String::new() } else { format!(".{ns:09}").trim_end_matches('0').to_owned() };
    match seconds < 0 && nanoseconds > 0 {
        true => format!("-{}{}", (seconds + 1).unsigned_abs(), fraction(1_000_000_000 - nanoseconds)),
        false => format!("{seconds}{}", fraction(nanoseconds)),
    }
}

/// An archive under way.
pub struct TarWriter<W> {
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write> TarWriter<W> {
    pub fn new(out: W) -> Self {
        Self { out, buffer: vec![0; 128 << 10] }
    }

    /// An entry without content, or the beginning of one with: [`TarWriter::content`] comes next.
    pub fn entry(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let records = entry.records();
        if !records.is_empty() {
            let mut extension = Entry::new(b"././@PaxHeader", EntryType::XHeader);
            extension.mode = 0o644;
            extension.size = records.len() as u64;
            self.out.write_all(extension.header()?.as_bytes())?;
            self.out.write_all(&records)?;
            self.pad(extension.size)?;
        }
        self.out.write_all(entry.header()?.as_bytes())
    }

    /// Copies exactly `size` bytes. The outer error is of writing, the inner one of reading.
    pub fn content(&mut self, reader: &mut impl Read, size: u64) -> io::Result<io::Result<()>> {
        let mut left = size;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            match reader.read(&mut self.buffer[..most]) {
                Ok(0) => return Ok(Err(io::Error::other("the file became shorter while it was read"))),
                Ok(read) => {
                    self.out.write_all(&self.buffer[..read])?;
                    left -= read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        self.pad(size).map(Ok)
    }

    /// The end mark. Without it readers hold the archive for cut short.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK as usize])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let missing = usize::try_from(size.next_multiple_of(BLOCK) - size).expect("less than a block");
        self.out.write_all(&[0; BLOCK as usize][..missing])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_counts_its_own_length() {
        for value in 0..2000 {
            let mut records = Vec::new();
            record(&mut records, b"path", &vec![b'x'; value]);
            let text = String::from_utf8(records).expect("text");
            let (length, _) = text.split_once(' ').expect("blank");
            assert_eq!(length.parse(), Ok(text.len()));
        }
    }

    #[test]
    fn time_has_a_fraction_where_there_is_one() {
        for (seconds, nanoseconds, text) in
            [(5, 0, "5"), (5, 250_000_000, "5.25"), (5, 1, "5.000000001"), (-1, 0, "-1"), (-2, 750_000_000, "-1.25")]
        {
            assert_eq!(time(seconds, nanoseconds), text);
        }
    }

    #[test]
    fn archive_of_extremes_is_read_back() {
        let long = [b'n'; 300];
        let attributes = [(OsString::from("user.lines"), b"a\nb=\0c".to_vec())];
        let mut writer = TarWriter::new(Vec::new());
        let mut entry = Entry::new(&long, EntryType::Regular);
        (entry.uid, entry.gid, entry.mode, entry.size) = (u32::MAX - 1, 4_000_000, 0o4755, 3);
        (entry.modified_s, entry.modified_ns, entry.attributes) = (1_700_000_000, 5, &attributes);
        writer.entry(&entry).expect("header");
        writer.content(&mut b"abc".as_slice(), 3).expect("written").expect("read");
        let mut link = Entry::new(b"link", EntryType::Symlink);
        link.target = &long;
        writer.entry(&link).expect("header");
        let bytes = writer.finish().expect("end");
        assert_eq!(bytes.len() % 512, 0);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entries = archive.entries().expect("entries");
        let first = entries.next().expect("first").expect("read");
        assert_eq!(first.path_bytes().as_ref(), long);
        assert_eq!(first.header().mode().expect("mode"), 0o4755);
        assert_eq!(first.header().uid().expect("uid"), u64::from(u32::MAX - 1), "too large for a POSIX header");
        let second = entries.next().expect("second").expect("read");
        assert_eq!(second.link_name_bytes().expect("target").as_ref(), long);
        assert!(entries.next().is_none());
    }

    #[test]
    fn content_that_is_too_short_is_the_readers_failure() {
        let mut writer = TarWriter::new(Vec::new());
        assert!(writer.content(&mut b"ab".as_slice(), 3).expect("writing works").is_err());
    }
}
