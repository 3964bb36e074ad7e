//! The tar that an archive is: plain old entries with nothing in their headers but names and sizes.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use tar::{EntryType, Header};

use super::Blob;
use crate::image::{ImageError, Result};
use crate::model::TransferGauge;

const BLOCK: u64 = 512;
/// Bytes that are copied between two looks at the gauge.
const STEP: u64 = 4 << 20;

pub(super) struct Archive<'a, W> {
    out: W,
    gauge: &'a TransferGauge,
}

impl<'a, W: Write> Archive<'a, W> {
    pub(super) fn new(out: W, gauge: &'a TransferGauge) -> Self {
        Self { out, gauge }
    }

    /// Tells the gauge how large an archive of files of these sizes will be, but for a few blocks.
    pub(super) fn expect(&self, sizes: impl Iterator<Item = u64>) {
        self.gauge.expect(sizes.map(|size| BLOCK + size.next_multiple_of(BLOCK)).sum());
    }

    pub(super) fn folder(&mut self, name: &str) -> Result<()> {
        self.header(name, EntryType::Directory, 0o755, 0)
    }

    pub(super) fn add(&mut self, name: &str, blob: Blob) -> Result<()> {
        let bytes = blob.bytes();
        self.header(name, EntryType::Regular, 0o644, bytes)?;
        match blob {
            Blob::Document(content) => self.write(&content)?,
            Blob::Stored(path, _) => {
                let file = File::open(&path).map_err(|error| ImageError::io("cannot read", &path, error))?;
                self.copy(file, bytes, name)?;
            }
            Blob::Repacked(mut file, _) => {
                file.rewind().map_err(unwritten)?;
                self.copy(file, bytes, name)?;
            }
        }
        let filling = bytes.next_multiple_of(BLOCK) - bytes;
        self.write(&[0; BLOCK as usize][..filling as usize])
    }

    /// Two blocks of zeros are the end.
    pub(super) fn finish(mut self) -> Result<()> {
        self.write(&[0; 2 * BLOCK as usize])?;
        self.out.flush().map_err(unwritten)
    }

    fn header(&mut self, name: &str, kind: EntryType, mode: u32, size: u64) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_path(name).map_err(unwritten)?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        self.write(header.as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(unwritten)?;
        self.gauge.moved(bytes.len() as u64);
        Ok(())
    }

    /// From file to file the kernel copies (copy_file_range(2), splice(2)): the standard library sees to that.
    fn copy(&mut self, mut file: File, bytes: u64, name: &str) -> Result<()> {
        let mut left = bytes;
        while left > 0 {
            if self.gauge.is_stopped() {
                return Err(ImageError::Cancelled);
            }
            let copied = io::copy(&mut (&mut file).take(left.min(STEP)), &mut self.out).map_err(unwritten)?;
            if copied == 0 {
                return Err(ImageError::store(name, "it became shorter while it was read"));
            }
            self.gauge.moved(copied);
            left -= copied;
        }
        Ok(())
    }
}

fn unwritten(source: io::Error) -> ImageError {
    ImageError::Write { source }
}
