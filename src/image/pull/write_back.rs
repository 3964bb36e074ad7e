//! Has the disk write while layers still unpack: else all of it would wait for the one syncfs that makes an image durable.

use std::convert::Infallible;
use std::time::Duration;

use super::in_thread;
use super::report::Reporter;
use crate::image::ImageError;
use crate::image::store::Store;
use crate::sys::in_root::{Folder, sync_file_system};

/// Bytes that are worth a write-back: seldom enough that files made meanwhile seldom wait for the journal.
const WORTH_BYTES: u64 = 48 << 20;
const LOOK: Duration = Duration::from_millis(50);

/// Writes back until it is dropped. What fails here fails again at the end, where it is told.
pub(super) async fn run(store: &Store, reporter: &Reporter) -> Infallible {
    let mut written = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let made = reporter.bytes();
        if made >= written + WORTH_BYTES {
            written = made;
            let folder = store.folder().to_owned();
            let sync = move || Folder::open(&folder).and_then(sync_file_system);
            let _ = in_thread(move || sync().map_err(|_| ImageError::Cancelled)).await;
        }
    }
}
