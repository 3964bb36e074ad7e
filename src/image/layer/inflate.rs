//! Opens compressed archives by their first bytes, whatever the media type says: gzip, zstd, or a plain tar.

use std::io::{self, BufRead, BufReader, Read};

use super::gunzip::Gunzip;

/// The largest window a zstd frame may ask for, as a power of two: 128 MiB, what `zstd` itself allows at most by default.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    /// Reads it off the archive's beginning; formats that are known but not taken are an error that names the way out.
    pub(in crate::image) fn of(beginning: &[u8]) -> Result<Self, &'static str> {
        match beginning {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            // A skippable frame, as zstd:chunked and pzstd begin with.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Err("it is compressed with xz; use `xz -dc FILE | teu import -`"),
            [b'B', b'Z', b'h', ..] => Err("it is compressed with bzip2; use `bzip2 -dc FILE | teu import -`"),
            _ => Ok(Self::Plain),
        }
    }

    pub(in crate::image) fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// What tells that an archive was opened rightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum Proof {
    /// The checksum that gzip puts at the end, which costs a twentieth of opening it.
    Checksum,
    /// The digest of what is in it: whoever reads compares that.
    Digest,
}

/// A reader of the plain archive in `reader`.
pub(in crate::image) fn inflate<'a>(reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    inflate_proved(reader, Proof::Checksum)
}

/// As [`inflate`], where something else than the archive itself tells that it is whole.
pub(in crate::image) fn inflate_proved<'a>(
    reader: impl Read + Send + 'a,
    proof: Proof,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut reader = BufReader::with_capacity(64 << 10, reader);
    let compression = Compression::of(reader.fill_buf()?).map_err(io::Error::other)?;
    Ok(match compression {
        Compression::Plain => Box::new(reader),
        Compression::Gzip if proof == Proof::Digest => Box::new(Gunzip::new(reader)),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn inflate_opens_every_format_and_refuses_a_cut_one() {
        let plain = b"hello, layer ".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("memory");
        let gzip = gzip.finish().expect("memory");
        let zstd = zstd::encode_all(&plain[..], 1).expect("memory");
        for proof in [Proof::Checksum, Proof::Digest] {
            for packed in [plain.clone(), gzip.clone(), zstd.clone(), [gzip.clone(), gzip.clone()].concat()] {
                let mut all = Vec::new();
                inflate_proved(io::Cursor::new(packed), proof).expect("opens").read_to_end(&mut all).expect("whole");
                assert_eq!(all[..plain.len()], plain);
                assert_eq!(all.len() % plain.len(), 0);
            }
            for packed in [gzip.clone(), zstd.clone()] {
                let cut = packed[..packed.len() - 5].to_vec();
                assert!(
                    inflate_proved(io::Cursor::new(cut), proof).expect("opens").read_to_end(&mut Vec::new()).is_err()
                );
            }
        }
    }

    #[test]
    fn inflate_of_xz_names_the_way_out() {
        let error = inflate(io::Cursor::new(b"\xfd7zXZ\0....".to_vec())).err().expect("refused");
        assert!(error.to_string().contains("xz -dc"), "{error}");
    }
}
