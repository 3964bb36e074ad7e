//! Images: the store, registries, layers and import. Touches no container.
//!
//! The store is an OCI image layout (`oci-layout`, `index.json`, `blobs/sha256`), readable in place by skopeo, with each layer
//! unpacked once beside it (`layers/<diff id>/fs`). Content lands by rename only; see [`Store`] for the locks.
//!
//! # Whose unpacked files are
//!
//! - root: the user and group that the archive names ([`Owners::Real`]).
//! - An ordinary user with ranges in /etc/subuid and /etc/subgid: 0 of the archive is the user himself, 1 and up are his
//!   ranges' ids in order, just as his containers' user namespaces map them ([`Owners::Mapped`]). So a container sees the
//!   archive's owners, and file capabilities count. `teu inside unpack` writes such files, as root of a namespace with those
//!   maps; `teu remove-tree` deletes them. What only another owner may read the user himself cannot read outside of one.
//! - An ordinary user with one id: everything is his own, so root's in his containers ([`Owners::Noted`]). Modes are kept. The
//!   owner of a file or folder that was not 0:0 is noted in its attribute `user.teu.owner` as `UID:GID`, file capabilities
//!   in `user.teu.capability`; symlinks can have no such note. Nobody enforces a note: it is for giving the file away again.
//!
//! Overlayfs's marks are `trusted.overlay.*` for root and `user.overlay.*` (mount option `userxattr`) for the others.

use std::io::{self, Read};

mod commit;
mod config;
mod contents;
mod error;
mod import;
mod inside;
mod layer;
mod load;
mod manifest;
pub mod pack;
mod pull;
mod push;
mod registry;
mod save;
mod search;
mod store;
pub mod trial;

pub use commit::{Commit, commit};
pub use error::ImageError;
pub use import::{ImportOptions, ImportSource, import};
pub use inside::perform as perform_inside;
pub use layer::{Compression, IdMap, Owners, UnpackRules};
pub use load::{Loaded, load};
pub use pull::{PullOptions, pull};
pub use push::{PushOptions, push};
pub use registry::{LoggedIn, Registries, login, logout};
pub use save::{ArchiveFormat, SaveOptions, save};
pub use search::{SearchOptions, TagsWish, details, search, tag_names, tags};
pub use store::{Freed, RemoveMode, Removed, Store, StoreHold, StoredImage, User, Users};

/// The plain archive in what `reader` gives, which may be compressed with gzip or zstd.
pub fn inflated(reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    layer::inflate(reader)
}

/// What every function of this room returns.
pub type Result<T> = std::result::Result<T, ImageError>;
