//! Plain words: the types that every room speaks. Nothing here does I/O.

mod change;
mod check;
mod container;
mod create;
mod digest;
mod error;
mod event;
mod file;
mod id;
mod image;
mod isolation;
mod layer;
mod limits;
mod log;
mod mount;
pub mod mount_text;
mod network;
mod os_name;
mod printable;
mod publish;
mod quantity;
mod reference;
mod registry;
mod restart;
mod search;
mod security;
mod session;
mod signal;
mod stats;
mod time;
mod transfer;
mod usage;
mod volume;

pub use change::{Change, ChangeKind};
pub use check::{CheckFinding, CheckMode, CheckReport, CheckSeverity};
pub use container::{
    ContainerConfig, ContainerInspect, ContainerRecord, ContainerState, ContainerSummary, ExitReason, ExitStatus,
    NetworkMode, PullPolicy, Rlimit, SeccompChoice, SessionSummary,
};
pub use create::CreateRequest;
pub use digest::Digest;
pub use error::ErrorKind;
pub use event::{Event, EventAction, EventSubject};
pub use file::{FileEntry, FilePage, FilePart, FilePlace};
pub use id::{Id, Name};
pub use image::{
    HOST_IMAGE, Healthcheck, HistoryLine, ImageConfig, ImageInspect, ImageSummary, LayerProgress, LayerStage, Platform,
    PullEvent,
};
pub use isolation::{CapabilityBasis, DeviceMapping, IdRange, Isolation, NamespaceMode, TmpfsMount, UserNamespaceMode};
pub use layer::{FileSort, LayerChange, LayerContents, LayerEntry, UnpackLimits};
pub use limits::{DeviceRate, Limits, UpdateRequest};
pub use log::{LogEntry, LogStream};
pub use mount::{Mount, MountPropagation, MountSource, MountsBelow, PinnedImage};
pub use network::{
    DEFAULT_NETWORK, DnsWish, Endpoint, EndpointWish, ExposedPort, Network, NetworkDriver, PortWish, Protocol,
    PublishedPort, Subnet,
};
pub use printable::{printable, printable_line};
pub use publish::{parse_mac, parse_ports};
pub use quantity::{parse_bytes, parse_cpus, parse_duration_ms};
pub use reference::Reference;
pub use registry::{Mirror, PushEvent, PushProgress, PushStage, Pushed, RegistryEntry, RegistrySettings};
pub use restart::{ParseRestartError, RestartPolicy};
pub use search::{DetailEvent, PlatformFacts, RepositoryFacts, SearchEvent, SearchHit, TagFacts, Trouble};
pub use security::{
    CapabilitySets, IdMapping, NamespaceSeen, SeccompMode, SecurityFinding, SecurityReport, SecurityVerdict,
    WritableMount,
};
pub use session::{SessionId, Size};
pub use signal::Signal;
pub use stats::{InterfaceCounters, InterfaceRates, Pressure, Sample, Usage};
pub use time::Timestamp;
pub use transfer::{TransferGauge, Transferred};
pub use usage::{
    ContainerUsage, DiskUsage, Extent, ImageUsage, LabelFilter, LabelWish, PartialUsage, PruneFilter, PruneScope,
    Pruned, PrunedImage,
};
pub use volume::{ANONYMOUS_LABEL, ParseVolumeNameError, Volume, VolumeFilter, VolumeName, VolumeSummary, VolumeWish};
