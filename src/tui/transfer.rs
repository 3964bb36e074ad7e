//! What moves between this machine and registries or files: the wish, and the progress that all kinds share.

use crate::model::{LayerProgress, LayerStage, Platform, PullEvent, PushEvent, PushProgress, PushStage};

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
}

/// What is to be moved, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    Pull(PullWish),
    Push(PushWish),
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
        }
    }

    /// `Pulling`, `Pushing`, …
    pub fn doing(&self) -> &'static str {
        match self {
            Self::Pull(_) => "Pulling",
            Self::Push(_) => "Pushing",
        }
    }

    /// `pulled`, `pushed`, …
    pub fn done(&self) -> &'static str {
        match self {
            Self::Pull(_) => "pulled",
            Self::Push(_) => "pushed",
        }
    }

    /// Which way it goes: down to this machine, or up from it.
    pub fn arrow(&self) -> &'static str {
        match self {
            Self::Pull(_) => "↓",
            Self::Push(_) => "↑",
        }
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
