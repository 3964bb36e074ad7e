//! Use cases, one verb a file: the only room where the crafts meet.
//!
//! [`Engine`] is a handle on two folders; it keeps nothing that is not on disk, so many processes can hold one at a time.
//! Faces find every type they need here: what monitor and image make for them is exported again below.

mod attach;
mod commit;
mod connect;
mod copy;
mod create;
mod doctor;
mod error;
mod events;
mod exec;
mod history;
mod ids;
mod images;
mod info;
mod inspect;
mod isolation;
mod layers;
mod leases;
mod limits;
mod list;
mod login;
mod logs;
mod lookup;
mod machine;
mod merge;
mod mounts;
mod names;
mod naming;
mod networks;
mod pause;
mod place;
mod prune;
mod pull;
mod push;
mod record;
mod recover;
mod refit;
mod remove;
mod rename;
mod save;
mod search;
mod security;
mod size;
mod spec;
mod start;
mod state;
mod stats;
mod stop;
mod suggest;
mod top;
mod tree;
#[cfg(test)]
mod trial;
mod update;
mod usage;
mod users;
mod volumes;
mod wait;
mod watch;
mod wires;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use crate::config::LogSize;
pub use crate::image::{
    ArchiveFormat, Compression, ImageError, ImportOptions, ImportSource, Loaded, LoggedIn, PullOptions, PushOptions,
    Removed, SaveOptions, SearchOptions, TagsWish,
};
pub use crate::monitor::{
    AttachEvent, AttachOptions, AttachReader, AttachWriter, Attachment, EventQuery, EventReader, LogQuery, LogReader,
    MonitorError, Next, Stopper, TerminalModes,
};
pub use crate::network::NetworkWish;
pub use crate::sys::file::Pending as PendingFile;
pub use commit::{CommitOptions, Committed, Pause};
pub use copy::{CopyMeter, CopyOptions, CopySource, CopyTarget};
pub use doctor::{Check, Verdict, probe_verb};
pub use error::EngineError;
pub use exec::{ExecStarted, ExecWish};
pub use info::Info;
pub use layers::inside_verb;
pub use leases::LeaseCount;
pub use machine::Machine;
pub use networks::NetworkInspect;
pub use start::Started;
pub use stats::StatsSampler;
pub use top::Process;
pub use tree::{Browser, visit_verb};
pub use update::Alteration;
pub use watch::{Changes, Watch};
pub use wires::{Connected, monitor_verb};

use crate::config::Folders;
use crate::image::Registries;
use crate::model::{DEFAULT_NETWORK, RegistrySettings, UnpackLimits};

/// What every verb returns.
pub type Result<T> = std::result::Result<T, EngineError>;

/// How to open the engine.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// The data folder (`--root`); none is TEU_ROOT or the default place.
    pub root: Option<PathBuf>,
    /// The run folder (`--runroot`); none is TEU_RUNROOT or the default place.
    pub runroot: Option<PathBuf>,
    /// How much of each container's output is kept.
    pub log: LogSize,
    /// Which registries there are, and how they are reached.
    pub registries: RegistrySettings,
    /// How much one layer may unpack to.
    pub unpack: UnpackLimits,
    /// The network of containers that are not told one: `bridge`, `none`, `host` or a network's name.
    pub network: Option<String>,
    /// The address that ports are published on where none is given; none is 127.0.0.1.
    pub publish_address: Option<IpAddr>,
}

/// The engine: every verb is a method. Cheap to clone, and good from any thread.
///
/// Verbs take a `target` as users type it: a name, a full id, or the beginning of an id. All of them block, but for
/// [`Engine::pull`], [`Engine::push`], [`Engine::search`], [`Engine::tags`] and [`Engine::details`], which want a tokio runtime.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folders: Folders,
    leases: ids::Leases,
    log: LogSize,
    registries: Registries,
    unpack: UnpackLimits,
    /// As configured.
    default_network: Option<String>,
    network_lack: OnceLock<Option<&'static str>>,
    publish_address: IpAddr,
}

impl Engine {
    /// Opens the folders, making them if they are missing. Takes well under a millisecond and looks at no container.
    pub fn open(options: EngineOptions) -> Result<Self> {
        let folders = Folders::resolve(options.root.as_deref(), options.runroot.as_deref())?;
        let leases = ids::Leases::of_machine(&folders);
        let registries = Registries::new(options.registries);
        Ok(Self(Arc::new(Inner {
            folders,
            leases,
            log: options.log,
            registries,
            unpack: options.unpack,
            network_lack: OnceLock::new(),
            default_network: options.network,
            publish_address: options.publish_address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        })))
    }

    /// The network of containers that are not told one: `bridge`, `none`, `host` or a network's name.
    pub fn default_network(&self) -> &str {
        self.0.default_network()
    }

    /// Why containers that are not told a network have none, where nobody has chosen that.
    pub fn network_lack(&self) -> Option<&'static str> {
        self.0.network_lack()
    }

    /// The data folder in use.
    pub fn data_folder(&self) -> &Path {
        &self.0.folders.data
    }

    /// The run folder in use.
    pub fn run_folder(&self) -> &Path {
        &self.0.folders.run
    }
}

impl Inner {
    /// The network of containers that are not told one.
    fn default_network(&self) -> &str {
        let usual = || if self.network_lack().is_none() { DEFAULT_NETWORK } else { "none" };
        self.default_network.as_deref().unwrap_or_else(usual)
    }

    /// Why containers have no network here unless one is asked for. Nobody looks where the configuration names one.
    fn network_lack(&self) -> Option<&'static str> {
        if self.default_network.is_some() {
            return None;
        }
        let look = || {
            if rustix::process::geteuid().is_root() { crate::network::lack() } else { crate::network::pasta::lack() }
        };
        *self.network_lack.get_or_init(look)
    }
}
