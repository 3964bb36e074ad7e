//! gzip (RFC 1952) without its checksum, for archives whose content's digest is known: members one after the other, each a
//! header, a deflate stream, and eight bytes of checksum and length, of which the length is compared.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// Longest name or comment in a header that is passed over.
const TEXT_MAX: usize = 64 << 10;

const HAS_CHECKSUM: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;

pub(super) struct Gunzip<R> {
    inner: R,
    stream: Decompress,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a header; the first one must be there.
    Header {
        first: bool,
    },
    Body,
    Ended,
}

impl<R: BufRead> Gunzip<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, stream: Decompress::new(false), state: State::Header { first: true } }
    }

    /// Reads a header; false at the end of all members. Zeros behind the last one are filling, as tapes need it.
    fn header(&mut self, first: bool) -> io::Result<bool> {
        if !first {
            loop {
                match self.inner.fill_buf()? {
                    [] => return Ok(false),
                    [0, ..] => self.inner.consume(1),
                    _ => break,
                }
            }
        }
        let mut fixed = [0; 10];
        self.inner.read_exact(&mut fixed)?;
        let [0x1f, 0x8b, 8, flags, ..] = fixed else { return Err(bad("no gzip header")) };
        if flags & HAS_EXTRA != 0 {
            let mut length = [0; 2];
            self.inner.read_exact(&mut length)?;
            self.pass(u16::from_le_bytes(length).into())?;
        }
        for text in [HAS_NAME, HAS_COMMENT] {
            if flags & text != 0 {
                self.pass_text()?;
            }
        }
        if flags & HAS_CHECKSUM != 0 {
            self.pass(2)?;
        }
        Ok(true)
    }

    fn pass(&mut self, count: u64) -> io::Result<()> {
        match io::copy(&mut self.inner.by_ref().take(count), &mut io::sink())? == count {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn pass_text(&mut self) -> io::Result<()> {
        for _ in 0..TEXT_MAX {
            let mut byte = [0];
            self.inner.read_exact(&mut byte)?;
            if byte == [0] {
                return Ok(());
            }
        }
        Err(bad("the gzip header is too long"))
    }

    /// What stands behind a stream: its checksum, and its length by 2^32.
    fn trailer(&mut self) -> io::Result<()> {
        let mut trailer = [0; 8];
        self.inner.read_exact(&mut trailer)?;
        let length = [trailer[4], trailer[5], trailer[6], trailer[7]];
        match u32::from_le_bytes(length) == self.stream.total_out() as u32 {
            true => Ok(()),
            false => Err(bad("the gzip stream has another length than it says")),
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Ended => return Ok(0),
                State::Header { first } => {
                    self.state = if self.header(first)? { State::Body } else { State::Ended };
                    self.stream.reset(false);
                }
                State::Body => {
                    let input = self.inner.fill_buf()?;
                    let is_end = input.is_empty();
                    let (read, written) = (self.stream.total_in(), self.stream.total_out());
                    let flush = if is_end { FlushDecompress::Finish } else { FlushDecompress::None };
                    let status =
                        self.stream.decompress(input, buffer, flush).map_err(|error| bad(&error.to_string()))?;
                    let written = (self.stream.total_out() - written) as usize;
                    self.inner.consume((self.stream.total_in() - read) as usize);
                    if status == Status::StreamEnd {
                        self.trailer()?;
                        self.state = State::Header { first: false };
                    } else if written == 0 && is_end {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    if written > 0 {
                        return Ok(written);
                    }
                }
            }
        }
    }
}

fn bad(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder};
    use std::io::Write;

    fn packed(plain: &[u8]) -> Vec<u8> {
        let builder = GzBuilder::new().filename("a name").comment("a comment").extra(vec![1, 2, 3]);
        let mut gzip = builder.write(Vec::new(), Compression::fast());
        gzip.write_all(plain).expect("memory");
        gzip.finish().expect("memory")
    }

    fn read(bytes: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let mut reader = Gunzip::new(io::BufReader::with_capacity(most, bytes));
        let mut all = Vec::new();
        let mut buffer = vec![0; most];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(all),
                length => all.extend_from_slice(&buffer[..length]),
            }
        }
    }

    #[test]
    fn gunzip_reads_headers_members_and_filling_in_pieces_of_any_size() {
        let plain: Vec<u8> = (0..100_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        let whole = [packed(&plain), packed(b""), packed(b"more"), vec![0; 700]].concat();
        for most in [1, 7, 4096, 1 << 20] {
            assert_eq!(read(&whole, most).expect("reads"), [&plain[..], b"more"].concat(), "{most}");
        }
    }

    #[test]
    fn gunzip_of_anything_cut_or_changed_in_length_is_refused() {
        let whole = packed(&b"some text, some text".repeat(50));
        for length in 0..whole.len() {
            assert!(read(&whole[..length], 64).is_err(), "cut to {length}");
        }
        let mut longer = whole.clone();
        *longer.last_mut().expect("not empty") ^= 1;
        assert!(read(&longer, 64).is_err());
        assert!(read(&[whole, b"rest".to_vec()].concat(), 64).is_err(), "what follows is no member");
    }
}
