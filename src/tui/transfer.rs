//! What moves between this machine and registries or files, or takes as long: the wish, and the progress that all kinds
//! share.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::engine::{ArchiveFormat, Compression};
use crate::model::{
    FilePlace, Id, LayerProgress, LayerStage, Name, Platform, PullEvent, PushEvent, PushProgress, PushStage, Reference,
    Transferred, VolumeName,
};

/// Names a transfer as long as the interface runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u64);

/// An image to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullWish {
    /// As the user or a search gave it.
    pub reference: String,
    /// Which of a multi-platform image's; this machine's if none.
    pub platform: Option<Platform>,
}

impl PullWish {
    pub fn new(reference: impl Into<String>) -> Self {
        Self { reference: reference.into(), platform: None }
    }
}

/// An image to send to its registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushWish {
    pub reference: String,
    pub all_tags: bool,
    /// The image that gets this name first.
    pub tagged_from: Option<String>,
}

/// Images to write into a new file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveWish {
    pub images: Vec<String>,
    pub path: PathBuf,
    pub format: ArchiveFormat,
    /// How layers are compressed in it; as they are here if none.
    pub layers: Option<Compression>,
}

/// A file to read images from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadWish {
    pub path: PathBuf,
}

/// A container's files, to be written into a new file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportWish {
    pub id: Id,
    pub name: Name,
    pub path: PathBuf,
}

/// A container to make an image of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitWish {
    pub id: Id,
    pub name: Name,
    pub reference: Option<Reference>,
    pub message: Option<String>,
    pub author: Option<String>,
    /// Dockerfile lines.
    pub changes: Vec<String>,
    /// Paused while its files are read.
    pub pause: bool,
}

/// Files of a container or a volume, to be copied to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOutWish {
    pub place: FilePlace,
    pub paths: Vec<OsString>,
    /// A folder that is there, or a new name for a single one.
    pub to: PathBuf,
    /// How much it is, if that is known.
    pub bytes: Option<u64>,
}

/// A file or folder of this machine, to be copied into a folder of a container or a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyInWish {
    pub place: FilePlace,
    pub folder: OsString,
    pub from: PathBuf,
}

/// A volume's files, to be written into a new file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeExportWish {
    pub name: VolumeName,
    pub path: PathBuf,
}

/// An archive to fill a volume from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeImportWish {
    pub path: PathBuf,
    pub name: VolumeName,
}

/// What is to be moved, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    Pull(PullWish),
    Push(PushWish),
    Save(SaveWish),
    Load(LoadWish),
    Export(ExportWish),
    Commit(CommitWish),
    CopyOut(CopyOutWish),
    CopyIn(CopyInWish),
    VolumeExport(VolumeExportWish),
    VolumeImport(VolumeImportWish),
}

impl Wish {
    /// What is moved, as the user knows it.
    pub fn name(&self) -> String {
        match self {
            Self::Pull(wish) => match &wish.platform {
                Some(platform) => format!("{} for {platform}", wish.reference),
                None => wish.reference.clone(),
            },
            Self::Push(wish) if wish.all_tags => format!("{}, all tags", wish.reference),
            Self::Push(wish) => wish.reference.clone(),
            Self::Save(wish) => match &wish.images[..] {
                [image] => format!("{image} → {}", wish.path.display()),
                images => format!("{} images → {}", images.len(), wish.path.display()),
            },
            Self::Load(wish) => wish.path.display().to_string(),
            Self::Export(wish) => format!("{} → {}", wish.name, wish.path.display()),
            Self::Commit(wish) => match &wish.reference {
                Some(reference) => format!("{} → {}", wish.name, reference.familiar()),
                None => format!("{} → an image without a name", wish.name),
            },
            Self::CopyOut(wish) => match &wish.paths[..] {
                [path] => format!("{} → {}", path.display(), wish.to.display()),
                paths => format!("{} files and folders → {}", paths.len(), wish.to.display()),
            },
            Self::CopyIn(wish) => format!("{} → {}", wish.from.display(), wish.folder.display()),
            Self::VolumeExport(wish) => format!("{} → {}", wish.name, wish.path.display()),
            Self::VolumeImport(wish) => format!("{} → {}", wish.path.display(), wish.name),
        }
    }

    /// `Pulling`, `Pushing`, …
    pub fn doing(&self) -> &'static str {
        match self {
            Self::Pull(_) => "Pulling",
            Self::Push(_) => "Pushing",
            Self::Save(_) => "Saving",
            Self::Load(_) => "Loading",
            Self::Export(_) | Self::VolumeExport(_) => "Exporting",
            Self::VolumeImport(_) => "Importing",
            Self::Commit(_) => "Committing",
            Self::CopyOut(_) | Self::CopyIn(_) => "Copying",
        }
    }

    /// `pulled`, `pushed`, …
    pub fn done(&self) -> &'static str {
        match self {
            Self::Pull(_) => "pulled",
            Self::Push(_) => "pushed",
            Self::Save(_) => "saved",
            Self::Load(_) => "loaded",
            Self::Export(_) | Self::VolumeExport(_) => "exported",
            Self::VolumeImport(_) => "imported",
            Self::Commit(_) => "committed",
            Self::CopyOut(_) | Self::CopyIn(_) => "copied",
        }
    }

    /// Which way it goes: down to this machine, or up from it.
    pub fn arrow(&self) -> &'static str {
        match self {
            Self::Pull(_) | Self::Load(_) | Self::CopyIn(_) | Self::VolumeImport(_) => "↓",
            Self::Push(_) | Self::Save(_) | Self::Export(_) | Self::CopyOut(_) | Self::VolumeExport(_) => "↑",
            Self::Commit(_) => "◆",
        }
    }

    /// Whether it goes through a registry, layer by layer.
    pub fn is_by_layers(&self) -> bool {
        matches!(self, Self::Pull(_) | Self::Push(_))
    }

    /// Whether what has arrived stays, so that the same again goes on from there.
    pub fn is_resumable(&self) -> bool {
        matches!(self, Self::Pull(_))
    }
}

/// Where a part of a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Waiting,
    /// The registry is asked whether it has it.
    Checking,
    Receiving,
    Sending,
    /// Received and verified; the rest is being written to disk.
    Unpacking,
    /// Received, verified and unpacked.
    Unpacked,
    Sent,
    /// It was on this machine already.
    IsHere,
    /// The registry had it already.
    IsThere,
    /// The registry took it from another of its repositories.
    Mounted,
    Failed,
}

impl Stage {
    /// Nothing more is to be done for it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Unpacked | Self::Sent | Self::IsHere | Self::IsThere | Self::Mounted)
    }
}

/// One part: a layer, mostly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The digest of a layer's blob.
    pub key: String,
    /// What is shown of it.
    pub label: String,
    pub stage: Stage,
    /// Bytes received or sent.
    pub moved_bytes: u64,
    /// 0 where it is not known.
    pub total_bytes: u64,
    /// Bytes written to files.
    pub unpacked_bytes: u64,
}

/// What a transfer tells while it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All parts, the lowest layer first.
    Parts(Vec<Part>),
    /// One that moved on.
    Part(Part),
    /// A sentence.
    Note(String),
}

impl From<LayerProgress> for Part {
    fn from(layer: LayerProgress) -> Self {
        let stage = match layer.stage {
            LayerStage::Waiting => Stage::Waiting,
            LayerStage::Downloading => Stage::Receiving,
            LayerStage::Unpacking => Stage::Unpacking,
            LayerStage::Done => Stage::Unpacked,
            LayerStage::Exists => Stage::IsHere,
            LayerStage::Failed => Stage::Failed,
        };
        Self {
            key: layer.digest.to_string(),
            label: layer.digest.short().to_owned(),
            stage,
            moved_bytes: layer.received_bytes,
            total_bytes: layer.total_bytes,
            unpacked_bytes: layer.unpacked_bytes,
        }
    }
}

impl From<PullEvent> for Progress {
    fn from(event: PullEvent) -> Self {
        match event {
            PullEvent::Layers(layers) => Self::Parts(layers.into_iter().map(Part::from).collect()),
            PullEvent::Layer(layer) => Self::Part(layer.into()),
            PullEvent::Note(note) => Self::Note(note),
        }
    }
}

impl From<PushProgress> for Part {
    fn from(layer: PushProgress) -> Self {
        let stage = match layer.stage {
            PushStage::Waiting => Stage::Waiting,
            PushStage::Checking => Stage::Checking,
            PushStage::Uploading => Stage::Sending,
            PushStage::Done => Stage::Sent,
            PushStage::Exists => Stage::IsThere,
            PushStage::Mounted => Stage::Mounted,
            PushStage::Failed => Stage::Failed,
        };
        Self {
            key: layer.digest.to_string(),
            label: layer.digest.short().to_owned(),
            stage,
            moved_bytes: layer.sent_bytes,
            total_bytes: layer.total_bytes,
            unpacked_bytes: 0,
        }
    }
}

impl From<PushEvent> for Progress {
    fn from(event: PushEvent) -> Self {
        match event {
            PushEvent::Layers(layers) => Self::Parts(layers.into_iter().map(Part::from).collect()),
            PushEvent::Layer(layer) => Self::Part(layer.into()),
            PushEvent::Note(note) => Self::Note(note),
        }
    }
}

impl From<Transferred> for Part {
    /// An archive as a whole.
    fn from(now: Transferred) -> Self {
        Self {
            key: String::new(),
            label: String::new(),
            stage: Stage::Receiving,
            moved_bytes: now.moved_bytes,
            total_bytes: now.total_bytes.unwrap_or(0),
            unpacked_bytes: 0,
        }
    }
}
