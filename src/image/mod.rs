//! Images: the store, registries, layers and import. Touches no container.
//!
//! The store is an OCI image layout (`oci-layout`, `index.json`, `blobs/sha256`), readable in place by skopeo, with each layer
//! unpacked once beside it (`layers/<diff id>/fs`). Content lands by rename only; see [`Store`] for the locks.

mod config;
mod error;
mod import;
mod layer;
mod manifest;
mod pull;
mod push;
mod registry;
mod search;
mod store;

pub use error::ImageError;
pub use import::{ImportSource, import};
pub use pull::{PullOptions, pull};
pub use push::{PushOptions, push};
pub use registry::Registries;
pub use search::{SearchOptions, search};
pub use store::{Freed, Removed, Store, StoreHold, StoredImage};

/// What every function of this room returns.
pub type Result<T> = std::result::Result<T, ImageError>;
