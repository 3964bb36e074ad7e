//! The screens. Each owns its state, what its keys mean, and its drawing.

mod charts;
mod container_acts;
mod containers;
mod curves;
mod details;
mod diff;
pub mod files;
mod history;
mod image_acts;
mod image_details;
mod images;
mod inspect;
mod inspect_lines;
pub mod layers;
mod log_lines;
mod logs;
mod panes;
mod search;
mod shells;
mod transfers;
mod usage;

pub use charts::Charts;
pub use containers::Containers;
pub use diff::Diff;
pub use files::Files;
pub use images::Images;
pub use inspect::Inspect;
pub use layers::Layers;
pub use logs::Logs;
pub use search::Search;
pub use shells::Shells;
pub use transfers::Transfers;
pub use usage::Usage;
