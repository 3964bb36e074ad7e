//! PAX records (POSIX pax): `LENGTH KEY=VALUE` and a line feed, the length counting all of it. A value may hold anything.

use std::io;

use super::bad;
use super::header::id;
use super::sparse::{self, Fragment};
use crate::image::layer::attribute::Attributes;

/// What the records before an entry say of it. Of a key that comes twice the last counts; an empty value says nothing.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    /// Seconds and nanoseconds.
    pub(super) modified: Option<(i64, u32)>,
    pub(super) attributes: Attributes,
    pub(super) sparse: Option<Map>,
    size: Option<u64>,
}

/// A sparse file in one of PAX's three formats.
#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: u64,
    pub(super) fragments: Vec<Fragment>,
    /// Format 1.0: the map is before the content.
    pub(super) in_content: bool,
}

impl Records {
    pub(super) fn parse(mut bytes: &[u8]) -> io::Result<Self> {
        let mut records = Self::default();
        let mut offset = None;
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or_else(|| bad("a PAX record is garbled"))?;
            bytes = rest;
            match key {
                b"GNU.sparse.offset" => offset = Some(decimal(value)?),
                b"GNU.sparse.numbytes" => {
                    let offset = offset.take().ok_or_else(|| bad("a sparse file's map is garbled"))?;
                    let map = records.sparse.get_or_insert_default();
                    map.fragments.push(Fragment { offset, length: decimal(value)? });
                }
                _ => records.take(key, value)?,
            }
        }
        Ok(records)
    }

    /// The entry's size, where a record says it.
    pub(super) fn size(&self) -> io::Result<Option<u64>> {
        Ok(self.size)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let filled = (!value.is_empty()).then_some(value);
        match key {
            b"path" => self.path = filled.map(name).transpose()?,
            b"linkpath" => self.link = filled.map(name).transpose()?,
            b"size" => self.size = filled.map(decimal).transpose()?,
            b"uid" => self.uid = filled.map(owner).transpose()?,
            b"gid" => self.gid = filled.map(owner).transpose()?,
            b"mtime" => self.modified = filled.map(time).transpose()?,
            b"GNU.sparse.major" => {
                let map = self.sparse.get_or_insert_default();
                map.in_content = match value {
                    b"0" => false,
                    b"1" => true,
                    _ => return Err(bad("a sparse file has a format that is not known")),
                };
            }
            b"GNU.sparse.name" => self.sparse.get_or_insert_default().name = filled.map(name).transpose()?,
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => {
                self.sparse.get_or_insert_default().real_size = decimal(value)?;
            }
            b"GNU.sparse.map" => self.sparse.get_or_insert_default().fragments = sparse::list(value)?,
            _ => {
                if let Some(attribute) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.attributes.keep(attribute, value);
                }
            }
        }
        Ok(())
    }
}

/// Key, value, and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space]).ok()?).ok()?;
    let (whole, rest) = bytes.split_at_checked(length)?;
    let content = whole.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = content.iter().position(|byte| *byte == b'=')?;
    let key = &content[..equals];
    (!key.is_empty() && !key.contains(&0)).then_some((key, &content[equals + 1..], rest))
}

fn name(value: &[u8]) -> io::Result<Vec<u8>> {
    // Readers in C would end it here.
    if value.contains(&0) { Err(bad("a PAX record's name has a zero byte")) } else { Ok(value.to_vec()) }
}

fn owner(value: &[u8]) -> io::Result<u32> {
    id(i64::try_from(decimal(value)?).unwrap_or(i64::MAX))
}

/// Digits only: neither sign nor spaces, which readers take differently.
pub(super) fn decimal(value: &[u8]) -> io::Result<u64> {
    let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|text| text.parse::<u64>().ok()).filter(|number| i64::try_from(*number).is_ok());
    number.ok_or_else(|| bad("a PAX record's number is garbled"))
}

/// Seconds and nanoseconds of a time such as `1700000000.25` or `-1.5`, which is half a second before second -1.
fn time(value: &[u8]) -> io::Result<(i64, u32)> {
    let parse = || {
        let text = std::str::from_utf8(value).ok()?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let seconds: i64 = whole.parse().ok()?;
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let nanoseconds: u32 = digits.parse().ok()?;
        match whole.starts_with('-') && nanoseconds > 0 {
            true => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
            false => Some((seconds, nanoseconds)),
        }
    };
    parse().ok_or_else(|| bad("a PAX record's time is garbled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_as_long_as_it_says_whatever_is_in_it() {
        let bytes = b"32 comment=x\n12 size=4\n18 uid=7\n11 path=ab\n";
        let (key, value, rest) = record(bytes).expect("a record");
        assert_eq!((key, value), (&b"comment"[..], &b"x\n12 size=4\n18 uid=7"[..]));
        assert_eq!(rest, b"11 path=ab\n");
        let records = Records::parse(bytes).expect("two records");
        assert_eq!((records.size, records.uid, records.path.as_deref()), (None, None, Some(&b"ab"[..])));
    }

    #[test]
    fn garbled_records_are_refused() {
        let all: [&[u8]; 13] = [
            b"x",
            b"99 path=a\n",
            b"8 path=a\n",
            b"10 path=ab\n",
            b"11 path=ab ",
            b"-11 path=ab\n",
            b"8 path\n\n",
            b"5 =a\n",
            b"11 size=-1\n",
            b"11 size=+1\n",
            b"13 size=0x10\n",
            b"12 path=a\0b\n",
            b"12 mtime=1.x\n",
        ];
        for bytes in all {
            assert!(Records::parse(bytes).is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn last_of_two_counts_and_empty_takes_back() {
        let records = Records::parse(b"10 size=1\n10 size=2\n10 path=a\n8 path=\n").expect("records");
        assert_eq!((records.size, records.path), (Some(2), None));
    }

    #[test]
    fn time_before_1970_is_read() {
        assert_eq!(time(b"-1.25").expect("a time"), (-2, 750_000_000));
        assert_eq!(time(b"1700000000.123456789123").expect("a time"), (1_700_000_000, 123_456_789));
        assert_eq!(time(b"5.").expect("a time"), (5, 0));
    }
}
