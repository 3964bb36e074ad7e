//! Everything that can happen to the interface: what the user does, time, and what the engine tells.

use crossterm::event::{KeyEvent, MouseEvent};

use crate::engine::{Changes, Machine};
use crate::model::{
    Change, ContainerInspect, ContainerSummary, DetailEvent, Digest, DiskUsage, ErrorKind, ExitStatus, FilePage,
    FilePart, Id, ImageInspect, ImageSummary, LogEntry, Name, Pruned, SearchEvent, SecurityReport, SessionId,
    SessionSummary, Size, Timestamp, Trouble, Usage,
};

use super::effect::PruneWish;
use super::network_deed::NetworkTold;
use super::screens::layers::tree::Tree;
use super::shell::PaneId;
use super::theme::Theme;
use super::transfer::{Progress, TransferId, Wish};
use super::volume_deed::VolumeTold;

/// One thing that happened.
#[derive(Debug)]
pub enum Action {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(Size),
    /// The terminal's window gained or lost the focus.
    Focus(bool),
    /// Once a second.
    Pulse(Box<Pulse>),
    Told(Box<Told>),
}

/// A look at everything that moves by itself.
#[derive(Debug)]
pub struct Pulse {
    pub now: Timestamp,
    pub usage: Vec<(Id, Usage)>,
    /// The machine's totals, and the seconds since the look before.
    pub machine: Option<(Machine, f64)>,
}

/// What went wrong, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    pub kind: ErrorKind,
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        Self { message: trouble.message, hint: trouble.hint, kind: trouble.kind }
    }
}

/// What the engine, or a thread that listens to it, has to tell.
#[derive(Debug)]
pub enum Told {
    Containers(Vec<ContainerSummary>),
    Images(Vec<ImageSummary>),
    Sessions(Id, Vec<SessionSummary>),
    Changed(Changes),
    /// A verb on a container ended; what to say if it went well.
    VerbDone {
        id: Id,
        result: Result<String, Problem>,
    },
    /// One of several containers that a verb is about is done with.
    VerbPart(Id),
    /// All of them are.
    VerbsDone {
        done: &'static str,
        results: Vec<(Name, Result<(), Problem>)>,
    },
    /// Something was done to images; what to say if it went well.
    ImagesDone(Result<String, Problem>),
    Diffed {
        id: Id,
        result: Result<Vec<Change>, Problem>,
    },
    /// Some of a folder that was asked for under this number.
    Files {
        visit: u64,
        page: Box<FilePage>,
    },
    /// There is no more of it, or no more is read.
    FilesEnd {
        visit: u64,
        result: Result<(), Problem>,
    },
    FileRead {
        visit: u64,
        result: Result<Box<FilePart>, Problem>,
    },
    Volume(VolumeTold),
    DiskUsage(Result<Box<DiskUsage>, Problem>),
    /// Every image's name and layers, lowest first.
    Stacks(Vec<(String, Vec<Digest>)>),
    /// What a prune would remove.
    WouldPrune {
        wish: PruneWish,
        result: Result<Pruned, Problem>,
    },
    Pruned(Result<Pruned, Problem>),
    /// What a typed path can become: as far as it is certain, and the names that are possible from there.
    PathCompleted {
        typed: String,
        path: String,
        names: Vec<String>,
    },
    /// Bytes that removing these names would free.
    WouldFree {
        images: Vec<String>,
        result: Result<u64, Problem>,
    },
    /// What the run form for an image is filled in with.
    FormFilled {
        image: String,
        name: Name,
        command: Vec<String>,
        /// What it is in if nothing else is said.
        network: String,
    },
    /// A run was asked for by the form with this pane.
    Ran {
        pane: Option<PaneId>,
        result: Result<Box<ContainerSummary>, Problem>,
    },
    Inspected {
        id: Id,
        result: Result<Box<ContainerInspect>, Problem>,
    },
    Security {
        id: Id,
        result: Result<Box<SecurityReport>, Problem>,
    },
    ImageInspected {
        image: String,
        result: Result<Box<ImageInspect>, Problem>,
    },
    LayerLoaded {
        image: String,
        layer: usize,
        result: Result<Box<Tree>, Problem>,
    },
    /// Lines of the log that was opened under this number.
    Log {
        view: u64,
        entries: Vec<LogEntry>,
    },
    /// The log ends here: the container does not run.
    LogEnd {
        view: u64,
        result: Result<(), Problem>,
    },
    Found {
        search: u64,
        events: Vec<SearchEvent>,
    },
    SearchEnd {
        search: u64,
        result: Result<(), Problem>,
    },
    /// A repository's tags, or what is behind one, asked for under this number.
    Details {
        request: u64,
        events: Vec<DetailEvent>,
    },
    DetailsEnd {
        request: u64,
        result: Result<(), Problem>,
    },
    /// The files that a form names have been looked at.
    FilesLookedAt {
        wish: Box<Wish>,
        result: Result<(), Problem>,
    },
    Transfer {
        id: TransferId,
        progress: Progress,
    },
    TransferEnd {
        id: TransferId,
        /// What to say if it went well; empty is what all such transfers say.
        result: Result<String, Problem>,
        took_ms: u64,
    },
    /// A pane's process is there and attached to.
    PaneLive {
        pane: PaneId,
        id: Id,
        name: Name,
        session: SessionId,
    },
    /// Its terminal has changed.
    PaneOutput(PaneId),
    PaneEnded {
        pane: PaneId,
        end: PaneEnd,
    },
    ThemeLoaded(Box<Theme>),
    Network(NetworkTold),
    Problem(Problem),
}

/// Why a pane shows nothing new any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaneEnd {
    /// Its process has ended.
    Exited(ExitStatus),
    /// The line to its monitor broke; the process may live on.
    Lost(String),
    Failed(Problem),
}
