//! A little space set aside, so that images can be removed from a full disk: an index is replaced by writing the new one beside
//! the old, which needs room just when there is none.

use std::fs;

use super::Store;

/// Room for the index of some hundreds of images.
const BYTES: usize = 256 << 10;

impl Store {
    /// Sets the space aside, unless that is done. On a disk that is full it has to wait.
    pub(super) fn set_space_aside(&self) {
        let path = self.reserve_path();
        if !path.exists() && fs::write(&path, vec![0; BYTES]).is_err() {
            let _ = fs::remove_file(&path);
        }
    }

    /// Gives the space free; the next garbage collection sets it aside again. False if there was none.
    pub(super) fn give_space_free(&self) -> bool {
        fs::remove_file(self.reserve_path()).is_ok()
    }

    fn reserve_path(&self) -> std::path::PathBuf {
        self.folder.join("locks/reserve")
    }
}
