//! The 512 bytes before each entry: the fields of V7, POSIX (`ustar`), star and GNU headers.

use std::io;
use std::ops::Range;

use super::bad;
use super::sparse::Fragment;

pub(super) const BLOCK: usize = 512;

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MODIFIED: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const MAJOR: Range<usize> = 329..337;
const MINOR: Range<usize> = 337..345;
/// In POSIX headers what goes before the name; GNU's has other things there.
const PREFIX: Range<usize> = 345..500;
const STAR_PREFIX: Range<usize> = 345..476;
const STAR_MARK: Range<usize> = 508..512;
/// GNU's: four fragments of 24 bytes, then whether more follow, then the size with all holes.
const FRAGMENTS: Range<usize> = 386..482;
const MORE: usize = 482;
const REAL_SIZE: Range<usize> = 483..495;
/// In a block of nothing but fragments.
const MORE_FRAGMENTS: Range<usize> = 0..504;
const STILL_MORE: usize = 504;

const FRAGMENT_BYTES: usize = 24;

/// A header whose checksum is right.
pub(super) struct Header<'a>(&'a [u8; BLOCK]);

impl<'a> Header<'a> {
    pub(super) fn new(block: &'a [u8; BLOCK]) -> io::Result<Self> {
        let header = Self(block);
        let bytes = || block.iter().enumerate().map(|(at, byte)| if CHECKSUM.contains(&at) { b' ' } else { *byte });
        let unsigned: i64 = bytes().map(i64::from).sum();
        // Some old programs added up signed bytes.
        let signed: i64 = bytes().map(|byte| i64::from(byte as i8)).sum();
        let said = number(&block[CHECKSUM])?;
        if said != unsigned && said != signed {
            return Err(bad("a header's checksum is wrong"));
        }
        Ok(header)
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[KIND]
    }

    /// The whole path, where it fits the name's field.
    pub(super) fn path(&self) -> Option<&'a [u8]> {
        self.prefix().is_empty().then(|| text(&self.0[NAME]))
    }

    pub(super) fn prefixed_path(&self) -> Vec<u8> {
        [self.prefix(), b"/", text(&self.0[NAME])].concat()
    }

    fn prefix(&self) -> &'a [u8] {
        match (&self.0[MAGIC], &self.0[STAR_MARK]) {
            (b"ustar\0", b"tar\0") => text(&self.0[STAR_PREFIX]),
            (b"ustar\0", _) => text(&self.0[PREFIX]),
            _ => b"",
        }
    }

    pub(super) fn link(&self) -> &'a [u8] {
        text(&self.0[LINK])
    }

    pub(super) fn mode(&self) -> io::Result<u32> {
        Ok((number(&self.0[MODE])? & 0o7777) as u32)
    }

    pub(super) fn uid(&self) -> io::Result<u32> {
        id(number(&self.0[UID])?)
    }

    pub(super) fn gid(&self) -> io::Result<u32> {
        id(number(&self.0[GID])?)
    }

    pub(super) fn size(&self) -> io::Result<u64> {
        unsigned(&self.0[SIZE])
    }

    /// Seconds since 1970.
    pub(super) fn modified(&self) -> io::Result<i64> {
        number(&self.0[MODIFIED])
    }

    /// Major and minor number; 0 where the format has none.
    pub(super) fn device(&self) -> (u32, u32) {
        let one = |field| number(&self.0[field]).ok().and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        if self.0[MAGIC].starts_with(b"ustar") { (one(MAJOR), one(MINOR)) } else { (0, 0) }
    }

    pub(super) fn real_size(&self) -> io::Result<u64> {
        unsigned(&self.0[REAL_SIZE])
    }

    /// The sparse map's beginning, and whether blocks with more of it follow.
    pub(super) fn fragments(&self) -> io::Result<(Vec<Fragment>, bool)> {
        let mut fragments = Vec::new();
        take_fragments(&self.0[FRAGMENTS], &mut fragments)?;
        Ok((fragments, self.0[MORE] != 0))
    }
}

/// Adds a block of fragments; whether another block follows.
pub(super) fn more_fragments(block: &[u8; BLOCK], fragments: &mut Vec<Fragment>) -> io::Result<bool> {
    take_fragments(&block[MORE_FRAGMENTS], fragments)?;
    Ok(block[STILL_MORE] != 0)
}

fn take_fragments(bytes: &[u8], fragments: &mut Vec<Fragment>) -> io::Result<()> {
    for one in bytes.chunks_exact(FRAGMENT_BYTES).take_while(|one| one[0] != 0) {
        fragments.push(Fragment { offset: unsigned(&one[..12])?, length: unsigned(&one[12..])? });
    }
    Ok(())
}

pub(super) fn id(number: i64) -> io::Result<u32> {
    // The last number means "nobody in particular" to chown(2).
    u32::try_from(number).ok().filter(|id| *id != u32::MAX).ok_or_else(|| bad("an owner is out of range"))
}

fn unsigned(field: &[u8]) -> io::Result<u64> {
    u64::try_from(number(field)?).map_err(|_| bad("a size is negative"))
}

/// Octal digits between spaces and zeros, none of them for 0; or, marked by the first bit, a number in two's complement.
fn number(field: &[u8]) -> io::Result<i64> {
    let first = field[0];
    if first & 0x80 != 0 {
        let start = if first & 0x40 != 0 { -1 } else { 0 };
        let mut number: i64 = start;
        for (place, byte) in field.iter().enumerate() {
            let byte = if place == 0 { (byte & 0x7f) | ((start as u8) & 0x80) } else { *byte };
            if number.checked_mul(256).is_none() {
                return Err(bad("a number is out of range"));
            }
            number = (number << 8) | i64::from(byte);
        }
        return Ok(number);
    }
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let text = std::str::from_utf8(&field[..end]).map_err(|_| bad("a number is garbled"))?.trim_matches(' ');
    match text {
        "" if field[end..].iter().all(|byte| matches!(byte, 0 | b' ')) => Ok(0),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            i64::from_str_radix(text, 8).map_err(|_| bad("a number is garbled"))
        }
        _ => Err(bad("a number is garbled")),
    }
}

fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|byte| *byte == 0).unwrap_or(field.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_every_notation_is_read() {
        let read = |field: &[u8]| number(field).expect("a number");
        assert_eq!(read(b"0000644\0"), 0o644);
        assert_eq!(read(b" 644 \0\0\0"), 0o644);
        assert_eq!(read(b"\0\0\0\0\0\0\0\0"), 0);
        assert_eq!(read(b"        "), 0);
        assert_eq!(read(b"\x80\0\0\0\0\0\0\0\0\0\x01\x02"), 0x102);
        assert_eq!(read(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), -2);
        assert_eq!(read(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), i64::MAX);
    }

    #[test]
    fn number_of_garbage_is_refused() {
        let fields: [&[u8]; 6] =
            [b"0000g44\0", b"9\0\0\0\0\0\0\0", b"-1\0", b"+1\0", b"\x80\0\0\x01\0\0\0\0\0\0\0\0", b"12 34\0"];
        for field in fields {
            assert!(number(field).is_err(), "{field:?}");
        }
    }
}
