//! What can go wrong in a verb, in words that Docker's users know, each with the command that helps.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::image::ImageError;
use crate::model::{ErrorKind, Name, VolumeName, printable_line};
use crate::monitor::MonitorError;
use crate::network::NetworkError;
use crate::runtime::RuntimeError;
use crate::volume::VolumeError;

/// Why a verb failed. Nothing is left half done when one is returned.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("No such container: {target}")]
    NoSuchContainer { target: String },
    #[error("more than one container's id begins with {prefix}: {}", ids.join(", "))]
    AmbiguousId { prefix: String, ids: Vec<String> },
    #[error("No such image: {image}")]
    NoSuchImage { image: String },
    #[error("there is no image {image} to mount")]
    NoImageToMount { image: String },
    #[error("bind source path does not exist: {}", path.display())]
    NoBindSource { path: PathBuf },
    #[error("the container name \"{name}\" is already in use by container {id}")]
    NameTaken { name: Name, id: String },
    #[error("container {name} is not running")]
    NotRunning { name: Name },
    #[error("container {name} was started by an older teu, whose monitor cannot change that while it runs")]
    OldMonitor { name: Name },
    #[error("container {name} is paused")]
    Paused { name: Name },
    #[error("container {name} has ended and is about to be restarted: wait until it runs")]
    Restarting { name: Name },
    #[error("container {name} is not paused")]
    NotPaused { name: Name },
    #[error("container {name} is running: what it sees is settled when it starts")]
    MountsSettled { name: Name },
    #[error("container {name} has nothing of its own mounted at {path}")]
    NotMounted { name: Name, path: PathBuf },
    #[error("container {name} is running: stop it before removing it, or remove it by force")]
    RemoveRunning { name: Name },
    #[error("container {name} is not coming down: its monitor has not answered for {waited_ms} ms")]
    Stuck { name: Name, waited_ms: u64 },
    #[error("the host image is built in and cannot be {verb}")]
    HostImage { verb: &'static str },
    #[error("network {network} is in use by container {container}")]
    NetworkInUse { network: Name, container: Name },
    #[error("network {network} is being joined or left by a container: try again")]
    NetworkBusy { network: Name },
    #[error("container {container} is in network {network} already")]
    Connected { container: Name, network: Name },
    #[error("container {container} is not in network {network}")]
    NotConnected { container: Name, network: String },
    #[error("container {container} publishes {port} already")]
    Published { container: Name, port: String },
    #[error("container {container} does not publish {port}")]
    NotPublished { container: Name, port: String },
    /// The container is in no network of its own.
    #[error("{what}")]
    OtherNetwork { what: String },
    #[error("no such volume: {}", printable_line(target))]
    NoSuchVolume { target: String, similar: Option<VolumeName> },
    #[error("volume {volume} is in use by container {container}")]
    VolumeInUse { volume: VolumeName, container: Name },
    #[error("volume {volume} is memory, which one container has at a time, and container {container} runs with it")]
    MemoryInUse { volume: VolumeName, container: Name },
    #[error("only a part of the archive is in volume {volume} by now: {reason}")]
    HalfImported { volume: VolumeName, rest: PathBuf, reason: String },
    #[error("no range of {} ids is left for another container's user namespace", 65_536)]
    NoIdsLeft,
    #[error("container {name} is made of the host image, which is this machine and no image that a layer could lie on")]
    CommitHost { name: Name },
    /// About the files of `container web` or `volume data`.
    #[error("{name}: {message}")]
    Files { name: String, message: String, kind: ErrorKind },
    #[error("{what}")]
    Invalid { what: String },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error(transparent)]
    Image(ImageError),
}

impl From<ImageError> for EngineError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::NotFound { text } => Self::NoSuchImage { image: text },
            other => Self::Image(other),
        }
    }
}

impl EngineError {
    /// What a face can act on: exit codes, colours, retries.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchContainer { .. }
            | Self::NoSuchImage { .. }
            | Self::NoSuchVolume { .. }
            | Self::NoImageToMount { .. }
            | Self::NotConnected { .. }
            | Self::NotMounted { .. }
            | Self::NotPublished { .. } => ErrorKind::NotFound,
            Self::AmbiguousId { .. } | Self::Invalid { .. } | Self::NoBindSource { .. } => ErrorKind::InvalidInput,
            Self::NameTaken { .. }
            | Self::NotRunning { .. }
            | Self::OldMonitor { .. }
            | Self::Paused { .. }
            | Self::Restarting { .. }
            | Self::NotPaused { .. }
            | Self::RemoveRunning { .. }
            | Self::MountsSettled { .. }
            | Self::CommitHost { .. }
            | Self::NetworkInUse { .. }
            | Self::NetworkBusy { .. }
            | Self::Connected { .. }
            | Self::Published { .. }
            | Self::OtherNetwork { .. }
            | Self::VolumeInUse { .. }
            | Self::MemoryInUse { .. }
            | Self::HostImage { .. } => ErrorKind::Conflict,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            Self::Stuck { .. } | Self::NoIdsLeft | Self::HalfImported { .. } | Self::Io { .. } => ErrorKind::Other,
            Self::Files { kind, .. } => *kind,
            Self::Damaged { .. } => ErrorKind::Corrupt,
            Self::Config(error) => error.kind(),
            Self::Runtime(error) => error.kind(),
            Self::Monitor(error) => error.kind(),
            Self::Network(error) => error.kind(),
            Self::Volume(error) => error.kind(),
            Self::Image(error) => error.kind(),
        }
    }

    /// The command that helps, as a sentence for people: `teu pull debian fetches it`.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoSuchContainer { .. } => "`teu ps -a` lists all containers".to_owned(),
            Self::AmbiguousId { .. } => "give more digits of the id, or the name".to_owned(),
            Self::NoSuchImage { image } => format!("`teu pull {image}` fetches it, `teu search {image}` looks for it"),
            Self::NoSuchVolume { similar: Some(name), .. } => {
                format!("did you mean {name}? `teu volume ls` lists all volumes")
            }
            Self::NoSuchVolume { similar: None, .. } => "`teu volume ls` lists all volumes".to_owned(),
            Self::VolumeInUse { volume, container } => {
                format!("`teu rm {container}` frees it; `teu volume inspect {volume}` shows who uses it")
            }
            Self::MemoryInUse { container, .. } => format!(
                "`teu stop {container}` frees it; a volume of `-o o=bind -o device=/dev/shm/FOLDER` can be shared"
            ),
            Self::HalfImported { volume, rest, .. } => format!(
                "the rest waits in {}: mend what is wrong, and `teu volume export {volume}`, or the next start, moves it",
                rest.display()
            ),
            Self::NoImageToMount { image } => format!("`teu pull {image}` fetches it"),
            Self::NoBindSource { .. } => {
                "make it first; -v SOURCE:TARGET makes a missing folder, --mount type=bind does not".to_owned()
            }
            Self::NameTaken { name, .. } => {
                format!("choose another name, or `teu rm {name}` or `teu rename {name} NEW` frees this one")
            }
            Self::NotRunning { name } => format!("`teu start {name}` starts it"),
            Self::OldMonitor { name } => {
                format!("`teu restart {name}` starts it with a monitor of this teu; then do it again")
            }
            Self::Paused { name } => format!("`teu unpause {name}` lets it go on"),
            Self::Restarting { name } => format!("`teu logs {name}` shows why it ends, `teu stop {name}` ends its restarts"),
            Self::NotPaused { .. } => return None,
            Self::MountsSettled { name } => format!("`teu stop {name}` stops it; then change its mounts and start it"),
            Self::NotMounted { name, .. } => format!("`teu inspect -f '{{{{json .Mounts}}}}' {name}` tells what is"),
            Self::RemoveRunning { name } => {
                format!("`teu stop {name}` stops it, `teu rm -f {name}` removes it at once")
            }
            Self::Stuck { name, .. } => format!("`teu rm -f {name}` removes it with its monitor"),
            Self::Damaged { path, .. } if path.ends_with("record.json") => {
                let id = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
                format!("`teu rm -f {}` removes that container", id.get(..12).unwrap_or(&id))
            }
            Self::NoIdsLeft => "`teu rm` frees the ranges of containers; a line such as `teu:524288:655360` in both /etc/subuid and /etc/subgid gives ten more, and `--userns host` needs none".to_owned(),
            Self::CommitHost { name } => format!(
                "`teu diff {name}` lists what it has changed and `teu cp` fetches it; `teu export {name} | teu import - NAME` makes an image of all of its files"
            ),
            Self::HostImage { .. } | Self::Files { .. } | Self::Invalid { .. } | Self::Damaged { .. } => return None,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "`teu doctor` says what this machine lacks".to_owned()
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "the disk is full: `teu rm` and `teu rmi` free space".to_owned()
            }
            Self::Io { .. } => return None,
            Self::Config(error) => return error.hint(),
            Self::NetworkInUse { network, container } => {
                format!("`teu network disconnect {network} {container}` takes it out")
            }
            Self::Connected { container, network } => format!("`teu network disconnect {network} {container}` takes it out"),
            Self::NotConnected { container, .. } => format!("`teu inspect {container}` lists its networks"),
            Self::Published { container, .. } | Self::NotPublished { container, .. } => {
                format!("`teu port {container}` lists what it publishes")
            }
            Self::OtherNetwork { .. } | Self::NetworkBusy { .. } => return None,
            Self::Network(NetworkError::NoParent { .. }) => "`ip link` lists this machine's devices".to_owned(),
            Self::Network(NetworkError::NoSuchNetwork { target }) => {
                format!("`teu network ls` lists the networks, `teu network create {target}` makes it")
            }
            Self::Network(_) => return None,
            Self::Volume(error) => return error.hint(),
            Self::Image(error) => return error.hint(),
            Self::Monitor(MonitorError::Older { .. }) => {
                "`teu restart NAME` starts the container with a monitor of this teu; then do it again".to_owned()
            }
            Self::Runtime(_) | Self::Monitor(_) => match self.kind() {
                ErrorKind::Permission => "`teu doctor` says what this machine lacks".to_owned(),
                ErrorKind::CommandNotFound | ErrorKind::CommandNotExecutable => {
                    "the command is looked up inside the container; `--entrypoint` and the words behind the image choose it"
                        .to_owned()
                }
                _ => return None,
            },
        };
        Some(hint)
    }

    /// An I/O error with what was tried on which path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
