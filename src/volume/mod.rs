//! Volumes: named folders that containers keep data in. Nothing is mounted here, and no container is known.
//!
//! A volume is the folder `NAME` with `volume.json` and `data/` in it. It comes by one rename and goes by one: what is half made or
//! half removed has a name that begins with a dot, and who finds such a folder unlocked may remove it. Its lock (flock on the
//! folder, which moves with it) is held shared while a container that will name it is being recorded, and alone while it goes.

mod error;
mod hold;
mod incoming;
mod options;
mod shelf;

pub use error::VolumeError;
pub use hold::{Filling, Hold};
pub use incoming::Incoming;
pub use options::check as check_options;
pub use shelf::{Alone, Doomed, Making, Shelf};

/// What every function of this room returns.
pub type Result<T> = std::result::Result<T, VolumeError>;
