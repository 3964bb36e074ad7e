//! A blob on its way to the disk: `partial/<digest>.part`, whose bytes a pull that broke off leaves to the next.
//!
//! Behind the room for the blob's bytes lies a ledger: for each cell of [`CELL_BYTES`] how many bytes from the cell's beginning
//! are there. A number is written after the bytes it counts, so a killed pull's ledger never says too much. After a power cut
//! it may: the digest tells.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::image::store::Store;
use crate::image::{ImageError, Result};
use crate::model::Digest;
use crate::sys::file::Lock;

/// What one ranged request asks for at most, and the ledger counts in.
pub(super) const CELL_BYTES: u64 = 4 << 20;
/// Larger blobs are not believed: nobody serves them, and their ledger would only eat memory.
pub(super) const BLOB_MAX: u64 = 1 << 40;

const MAGIC: &[u8; 16] = b"teu partial 1\n\0\0";
const NUMBER_BYTES: u64 = 4;

/// A blob, or what there is of it.
#[derive(Debug)]
pub(super) struct Blob {
    file: File,
    path: PathBuf,
    size: u64,
    /// Bytes of each cell, from its beginning; empty for a blob that is whole.
    cells: Mutex<Vec<u32>>,
    whole: bool,
    /// Held until the last thread that may write is done.
    _lock: Arc<Lock>,
}

impl Blob {
    /// What is kept of a blob, or the beginning of it.
    pub(super) fn begin(store: &Store, digest: &Digest, size: u64, lock: &Arc<Lock>) -> Result<Self> {
        let path = path_of(store, digest);
        let open = || {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            let cells = match kept(&file, size)? {
                Some(cells) => cells,
                None => lay_out(&file, size)?,
            };
            Ok((file, cells))
        };
        let (file, cells) = open().map_err(|error| ImageError::io("cannot make", &path, error))?;
        Ok(Self { file, path, size, cells: Mutex::new(cells), whole: false, _lock: lock.clone() })
    }

    /// A blob that is in its place already.
    pub(super) fn stored(path: PathBuf, size: u64, lock: &Arc<Lock>) -> Result<Self> {
        let open = || {
            let file = File::open(&path)?;
            match file.metadata()?.len() {
                length if length == size => Ok(file),
                length => Err(io::Error::other(format!("it has {length} bytes instead of {size}"))),
            }
        };
        let file = open().map_err(|error| ImageError::io("cannot read", &path, error))?;
        Ok(Self { file, path, size, cells: Mutex::default(), whole: true, _lock: lock.clone() })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes are there from `offset` on without a hole.
    pub(super) fn kept_from(&self, offset: u64) -> u64 {
        if self.whole {
            return self.size - offset;
        }
        let cells = self.cells();
        let mut end = offset;
        while end < self.size {
            let cell = end / CELL_BYTES;
            let there = cell * CELL_BYTES + u64::from(cells[cell as usize]);
            if there <= end {
                break;
            }
            end = there;
            if there < self.cell_end(cell) {
                break;
            }
        }
        end - offset
    }

    /// Where the first hole in a cell begins; none if it is full.
    pub(super) fn hole_in(&self, cell: u64) -> Option<u64> {
        let there = cell * CELL_BYTES + u64::from(self.cells()[cell as usize]);
        (there < self.cell_end(cell)).then_some(there)
    }

    pub(super) fn is_begun(&self, cell: u64) -> bool {
        self.cells()[cell as usize] > 0
    }

    pub(super) fn cell_count(&self) -> u64 {
        self.size.div_ceil(CELL_BYTES)
    }

    pub(super) fn cell_end(&self, cell: u64) -> u64 {
        ((cell + 1) * CELL_BYTES).min(self.size)
    }

    /// Writes bytes that follow what is there of their cells, and then notes that they are there.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let write = || {
            self.file.write_all_at(bytes, offset)?;
            let end = offset + bytes.len() as u64;
            let mut at = offset;
            while at < end {
                let cell = at / CELL_BYTES;
                let until = end.min(self.cell_end(cell));
                let count = u32::try_from(until - cell * CELL_BYTES).expect("a cell has few bytes");
                self.cells()[cell as usize] = count;
                self.file.write_all_at(&count.to_le_bytes(), number_at(self.size, cell))?;
                at = until;
            }
            Ok(())
        };
        write().map_err(|error| ImageError::io("cannot write", &self.path, error))
    }

    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(|error| ImageError::io("cannot read", &self.path, error))
    }

    /// Moves the blob, whose digest was right, into its place.
    pub(super) fn keep(&self, place: &Path) -> Result<()> {
        if self.whole {
            return Ok(());
        }
        let keep = || {
            self.file.set_len(self.size)?;
            fs::rename(&self.path, place)
        };
        keep().map_err(|error| ImageError::io("cannot move", &self.path, error))
    }

    /// Nothing of it is worth going on with, and the next pull begins anew.
    pub(super) fn discard(&self) {
        if !self.whole {
            // What cannot be removed is found out by its digest.
            let _ = fs::remove_file(&self.path);
        }
    }

    fn is_empty(&self) -> bool {
        !self.whole && self.cells().iter().all(|count| *count == 0)
    }

    fn cells(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Blob {
    /// A pull that got nothing leaves nothing.
    fn drop(&mut self) {
        if self.size > 0 && self.is_empty() {
            self.discard();
        }
    }
}

/// Removes what is kept of a blob, unless another teu is fetching it.
pub(super) fn forget(store: &Store, digest: &Digest) -> Result<()> {
    let lock = store.try_lock_blob(digest)?;
    match lock.map(|_lock| fs::remove_file(path_of(store, digest))) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
            Err(ImageError::io("cannot remove", &path_of(store, digest), error))
        }
        _ => Ok(()),
    }
}

fn path_of(store: &Store, digest: &Digest) -> PathBuf {
    store.folder().join("partial").join(format!("{}.part", digest.hex()))
}

/// The ledger of a file that another pull left; none if it is no such file.
fn kept(file: &File, size: u64) -> io::Result<Option<Vec<u32>>> {
    let count = size.div_ceil(CELL_BYTES);
    let length_of = |cell: u64| size.min((cell + 1) * CELL_BYTES) - cell * CELL_BYTES;
    let length = file.metadata()?.len();
    if length == size && size > 0 {
        // Killed between the ledger's end and the move into place.
        return Ok(Some((0..count).map(|cell| length_of(cell) as u32).collect()));
    }
    if length != number_at(size, count) {
        return Ok(None);
    }
    let mut ledger = vec![0; (length - size) as usize];
    file.read_exact_at(&mut ledger, size)?;
    let Some(numbers) = ledger.strip_prefix(MAGIC) else { return Ok(None) };
    let numbers = numbers.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
    Ok(Some((0..count).zip(numbers).map(|(cell, number)| number.min(length_of(cell) as u32)).collect()))
}

fn lay_out(file: &File, size: u64) -> io::Result<Vec<u32>> {
    let count = size.div_ceil(CELL_BYTES);
    file.set_len(0)?;
    file.set_len(number_at(size, count))?;
    file.write_all_at(MAGIC, size)?;
    Ok(vec![0; count as usize])
}

/// Where the ledger's number for a cell lies.
fn number_at(size: u64, cell: u64) -> u64 {
    size + MAGIC.len() as u64 + cell * NUMBER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 2 * CELL_BYTES + 100;

    struct Place {
        folder: tempfile::TempDir,
        store: Store,
        digest: Digest,
        lock: Arc<Lock>,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("temporary folder");
            let store = Store::open(folder.path()).expect("open");
            let digest = Digest::from_sha256([7; 32]);
            let lock = Arc::new(store.try_lock_blob(&digest).expect("lock").expect("free"));
            Self { folder, store, digest, lock }
        }

        fn begin(&self, size: u64) -> Blob {
            Blob::begin(&self.store, &self.digest, size, &self.lock).expect("begin")
        }

        fn left(&self) -> usize {
            fs::read_dir(self.store.folder().join("partial")).expect("list").count()
        }
    }

    #[test]
    fn blob_broken_off_is_found_with_all_that_was_written() {
        let place = Place::new();
        let blob = place.begin(SIZE);
        assert!(blob.is_empty());
        blob.write(0, &vec![1; CELL_BYTES as usize + 5]).expect("write");
        blob.write(2 * CELL_BYTES, &[3; 10]).expect("write");
        let again = place.begin(SIZE);
        assert_eq!(again.kept_from(0), CELL_BYTES + 5);
        assert_eq!(again.kept_from(2 * CELL_BYTES), 10);
        assert_eq!((again.hole_in(0), again.hole_in(1)), (None, Some(CELL_BYTES + 5)));
        assert!(again.is_begun(2));
        let mut bytes = [0; 4];
        again.read(CELL_BYTES, &mut bytes).expect("read");
        assert_eq!(bytes, [1; 4]);
        // Of another size, or with a torn ledger, it is of no use.
        assert!(place.begin(SIZE + 1).is_empty());
    }

    #[test]
    fn blob_kept_has_its_own_bytes_only() {
        let place = Place::new();
        let blob = place.begin(3);
        blob.write(0, b"abc").expect("write");
        assert_eq!(blob.kept_from(0), 3);
        let kept = place.folder.path().join("kept");
        blob.keep(&kept).expect("keep");
        assert_eq!(fs::read(&kept).expect("read"), b"abc");
        assert_eq!(Blob::stored(kept.clone(), 3, &place.lock).expect("stored").kept_from(0), 3);
        assert!(Blob::stored(kept, 4, &place.lock).is_err());
    }

    #[test]
    fn blob_of_no_bytes_is_whole_at_once() {
        let place = Place::new();
        let blob = place.begin(0);
        assert_eq!((blob.kept_from(0), blob.cell_count()), (0, 0));
        blob.discard();
        assert_eq!(place.left(), 0);
    }

    #[test]
    fn blob_of_which_nothing_came_leaves_no_file() {
        let place = Place::new();
        drop(place.begin(SIZE));
        assert_eq!(place.left(), 0);
        place.begin(SIZE).write(0, b"x").expect("write");
        assert_eq!(place.left(), 1);
        forget(&place.store, &place.digest).expect("another teu's is left alone");
        assert_eq!(place.left(), 1);
    }
}
