//! What `update` wants done in the world outside. Performing them is [`super::perform`]'s work.

use std::ffi::OsString;

use crate::model::{CreateRequest, FilePlace, Id, Name, PruneScope, Reference, SessionId, Signal, Size, UpdateRequest};

use super::network_deed::NetworkDeed;
use super::shell::{PaneId, SharedTerminal};
use super::transfer::{TransferId, Wish};
use super::volume_deed::VolumeDeed;

/// A wish with consequences outside of the interface's own state.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Quit,
    Suspend,
    Redraw,
    ListContainers,
    ListImages,
    ListSessions(Id),
    Verb {
        id: Id,
        name: Name,
        verb: Verb,
    },
    /// The same verb on several containers at a time.
    Verbs {
        targets: Vec<(Id, Name)>,
        verb: Verb,
    },
    /// Remove these names, and images with their last name.
    RemoveImages {
        images: Vec<String>,
        force: bool,
    },
    /// Give an image another name.
    Tag {
        image: String,
        name: Reference,
    },
    /// What a prune would remove.
    PreviewPrune(PruneWish),
    Prune(PruneWish),
    /// Look up what a path that is typed can become.
    CompletePath {
        text: String,
    },
    /// What removing these names would free.
    PreviewRemove {
        images: Vec<String>,
    },
    /// Look up what the run form is filled in with.
    FillForm {
        image: String,
    },
    /// Create and start; with a pane, attach it.
    Run {
        request: Box<CreateRequest>,
        pane: Option<PaneWish>,
    },
    /// Start a container that is down and attach a pane to its main process.
    StartInPane {
        id: Id,
        pane: PaneWish,
    },
    Attach {
        id: Id,
        session: SessionId,
        pane: PaneWish,
    },
    /// Start the user's shell in a running container.
    Exec {
        id: Id,
        pane: PaneWish,
    },
    PaneWrite {
        pane: PaneId,
        bytes: Vec<u8>,
    },
    PaneResize {
        pane: PaneId,
        size: Size,
    },
    PaneClose {
        pane: PaneId,
    },
    /// List a folder under a number; replaces what was asked of files before.
    ListFiles {
        place: FilePlace,
        visit: u64,
        path: OsString,
    },
    /// Read a part of a file; as with folders.
    ReadFile {
        place: FilePlace,
        visit: u64,
        path: OsString,
        offset: u64,
    },
    /// Nobody looks at files any more.
    CloseFiles,
    Volume(VolumeDeed),
    Inspect(Id),
    Diff(Id),
    DiskUsage,
    /// Every image's layers.
    ListStacks,

    /// Ask the kernel what keeps a running container apart.
    Security(Id),
    InspectImage(String),
    /// Read what a layer did; 0 is the lowest.
    LoadLayer {
        image: String,
        layer: usize,
    },
    /// Read a log under a number of the caller's; replaces the one before.
    OpenLog {
        view: u64,
        id: Id,
    },
    CloseLog,
    /// Search after a short wait, so that not every letter asks the registry; replaces the one before.
    Search {
        search: u64,
        query: String,
    },
    CancelSearch,
    /// Ask for a repository's tags; what comes is told under the number. Replaces the one before.
    ListTags {
        request: u64,
        repository: Reference,
        /// Only those with these letters.
        narrowed: String,
        /// How many are enough, where they come page by page.
        limit: usize,
    },
    /// Ask what is behind a tag; as with tags.
    ListPlatforms {
        request: u64,
        reference: Reference,
    },
    CancelDetails,
    /// Move an image; what comes of it is told under this number.
    /// Whether the files of this machine that a transfer names are as they have to be.
    LookAtFiles(Box<Wish>),
    Transfer {
        id: TransferId,
        wish: Wish,
    },
    CancelTransfer {
        id: TransferId,
    },
    /// Something about networks or published ports.
    Network(NetworkDeed),
    LoadTheme {
        after: String,
    },
}

/// Which unused things are to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneWish {
    pub scope: PruneScope,
    /// Every image that no container is made of, not only those without a name.
    pub all: bool,
    /// Only what is older than this.
    pub older_hours: Option<u64>,
}

/// A pane that wants a process.
#[derive(Clone, Debug, PartialEq)]
pub struct PaneWish {
    pub pane: PaneId,
    pub terminal: SharedTerminal,
    pub size: Size,
}

/// What can be done to a container without further questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    Start,
    Stop,
    Restart,
    Pause,
    Unpause,
    Kill(Signal),
    Remove,
    RemoveByForce,
    Rename(Name),
    /// Other limits, another restart policy.
    Update(Box<UpdateRequest>),
}

impl Verb {
    /// What it comes to when it is done: `stopped`.
    pub fn done(&self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Restart => "restarted",
            Self::Pause => "paused",
            Self::Unpause => "resumed",
            Self::Kill(_) => "killed",
            Self::Remove | Self::RemoveByForce => "removed",
            Self::Rename(_) => "renamed",
            Self::Update(_) => "changed",
        }
    }

    /// What the state column says while it goes on.
    pub fn under_way(&self) -> &'static str {
        match self {
            Self::Start => "starting",
            Self::Stop => "stopping",
            Self::Restart => "restarting",
            Self::Pause => "pausing",
            Self::Unpause => "resuming",
            Self::Kill(_) => "killing",
            Self::Remove | Self::RemoveByForce => "removing",
            Self::Rename(_) => "renaming",
            Self::Update(_) => "changing",
        }
    }
}
