//! Wishes: the configuration file and the folders. Values are passed down, never read below the engine.

mod error;
mod file;
mod folders;

pub use error::ConfigError;
pub use file::{Config, LogSize};
pub use folders::Folders;
