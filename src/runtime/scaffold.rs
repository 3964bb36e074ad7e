//! The lowest layer of every image's root file system: empty mount points, made once and shared.
//!
//! Docker makes a layer with `/dev`, `/etc/hosts` and so on for each container. Here they stand below the image, so an
//! image that has them wins, one that has not gets them, and no start has to create files on disk.

use std::io;
use std::path::{Path, PathBuf};

/// The scaffold below `data_root`, made if it is missing. Pass it as the first (lowest) entry of `Rootfs::Overlay::lower`.
pub fn ensure(_data_root: &Path) -> io::Result<PathBuf> {
    todo!()
}
