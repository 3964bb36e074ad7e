//! One process becomes one container: namespaces, root file system, cgroup, seccomp, capabilities.
//!
//! [`start()`] and [`exec()`] clone, so their caller must have a single thread (the monitor, or a test's own process).
//! Everything else may be called from anywhere.

pub mod cgroup;
pub mod defaults;
mod elsewhere;
mod error;
mod exec;
mod hold;
pub mod hooks;
mod idmap;
mod labels;
mod namespaces;
mod own_namespace;
mod process;
mod read;
mod remove;
mod report;
mod request;
mod resources;
mod rootfs;
pub mod scaffold;
pub mod seccomp;
mod setup;
mod stage;
mod start;
mod validate;
mod visit;

pub use cgroup::CgroupPlace;
pub use error::RuntimeError;
pub use exec::exec;
pub use hold::{Held, is_held, release};
pub use idmap::{IdMaps, own_maps};
pub use own_namespace::run as run_in_own_namespace;
pub use process::capabilities::NAMES as CAPABILITY_NAMES;
pub use process::capabilities::names_of as capability_names;
pub use read::{ReadSpec, read_process, read_spec};
pub use remove::{remove_tree, remove_tree_verb};
pub use request::{
    Entrance, ExecRequest, NameFiles, Origin, ProcessIo, RootChange, Rootfs, Seen, Shows, StartRequest, Started,
    StdinWish, Stdio, Whose,
};
pub use resources::{block_device, changes, resources};
pub use start::{start, start_with};
pub use visit::{Place, visit};
