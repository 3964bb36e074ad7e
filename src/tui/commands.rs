//! Every command of the interface, in one table: its name, its scope, its default keys, and what it does in a sentence.
//!
//! Help, key hints, the palette, and the configuration's `[keys]` are all made of this table.

mod table;

pub use table::COMMANDS;

/// Where a command is understood. A key is looked up from the innermost scope outwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everywhere but in a focused shell and while text is typed.
    Everywhere,
    /// Every screen that is a list.
    List,
    /// Lists whose rows can be marked, so that a command is about several.
    Marks,
    Containers,
    Images,
    Volumes,
    Search,
    /// One repository, looked at closely before it is pulled.
    SearchDetails,
    Transfers,
    Networks,
    /// The layers of an image.
    Layers,
    /// What lies on the disk.
    Usage,
    /// The files of a container or a volume.
    Files,
    /// One file that is read.
    FileView,
    /// The screens about one container: logs, charts, inspect.
    Detail,
    Logs,
    Charts,
    Traffic,
    Inspect,
    /// What a container has changed.
    Diff,
    /// The shells' screen while no shell has the keys.
    Shells,
    /// A focused shell: the one key that it does not get.
    Pane,
}

impl Scope {
    /// The heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::List => "Lists",
            Self::Marks => "Several at once",
            Self::Containers => "Containers",
            Self::Images => "Images",
            Self::Volumes => "Volumes",
            Self::Search => "Search",
            Self::SearchDetails => "An image in a registry",
            Self::Transfers => "Transfers",
            Self::Networks => "Networks",
            Self::Layers => "Layers of an image",
            Self::Usage => "Disk usage",
            Self::Files => "Files",
            Self::FileView => "A file",
            Self::Diff => "Changed files",
            Self::Detail => "One container",
            Self::Logs => "Logs",
            Self::Charts => "Charts",
            Self::Traffic => "Traffic",
            Self::Inspect => "Inspect",
            Self::Shells => "Shells, after leaving one",
            Self::Pane => "In a shell",
        }
    }
}

/// What a key, a click or the palette can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    Quit,
    Help,
    Palette,
    Back,
    ShowContainers,
    ShowImages,
    ShowSearch,
    ShowShells,
    ShowTransfers,
    ShowNetworks,
    ShowVolumes,
    ShowUsage,
    NextTab,
    PreviousTab,
    NextTheme,
    Suspend,
    Redraw,

    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Filter,
    SortNext,
    SortPrevious,
    SortReverse,

    Mark,
    MarkInvert,
    MarkAll,

    Open,
    NewShell,
    OpenLogs,
    OpenCharts,
    OpenTraffic,
    OpenWires,
    OpenMounts,
    OpenInspect,
    StartStop,
    Restart,
    Limits,
    OpenSecurity,
    Pause,
    Kill,
    Rename,
    Remove,
    ToggleStopped,
    Commit,
    Export,
    PruneContainers,

    Run,
    PullImage,
    InspectImage,
    RemoveImage,
    OpenLayers,
    TagImage,
    PushImage,
    SaveImage,
    LoadImage,
    PruneImages,
    DetailsUp,
    DetailsDown,
    UsageAgain,
    UsagePrune,
    UsageOpen,

    OpenVolume,
    CreateVolume,
    RemoveVolume,
    ExportVolume,
    ImportVolume,
    PruneVolumes,
    MeasureVolumes,

    OpenFiles,
    FileOpen,
    FileUp,
    FileClose,
    FileSave,
    FileCopyOut,
    FileCopyIn,
    FilesHidden,
    FilesAgain,
    FileFind,
    FileFindNext,
    FileFindPrevious,
    FileHex,
    FileWrap,
    FilePart,
    FilePartBefore,

    LayerToggle,
    LayerOpen,
    LayerClose,
    LayerPane,
    LayerBelow,
    LayerAbove,
    LayerAllOpen,
    LayerChanges,
    LayerWasted,

    Pull,
    LookClosely,
    EditQuery,
    PullTag,
    RunTag,
    NextPart,
    PreviousPart,
    CancelPull,

    NetworkInspect,
    NetworkCreate,
    NetworkConnect,
    NetworkDisconnect,
    NetworkRemove,
    NetworkPrune,
    NetworkDetailsUp,
    NetworkDetailsDown,

    CancelTransfer,
    ResumeTransfer,
    OpenTransfer,
    ForgetTransfer,
    ForgetEnded,

    ViewLogs,
    ViewCharts,
    ViewTraffic,
    ViewInspect,
    ViewDiff,
    OpenDiff,
    DiffAgain,
    DiffChanges,
    NextView,
    PreviousView,
    NextContainer,
    PreviousContainer,

    Follow,
    Timestamps,
    Wrap,
    Find,
    FindNext,
    FindPrevious,

    Window,
    TrafficWindow,
    Raw,

    EnterPane,
    PaneNew,
    PaneClose,
    PaneNext,
    PanePrevious,
    PaneZoom,
    PaneSplit,
    PaneTabNext,
    PaneTabPrevious,
    PaneScrollUp,
    PaneScrollDown,
    PanePageUp,
    PanePageDown,
    PaneBottom,

    LeavePane,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub command: Command,
    pub scope: Scope,
    /// The name in the configuration and the palette.
    pub name: &'static str,
    /// Default keys, divided by blanks.
    pub keys: &'static str,
    /// The word in the hints at the bottom; empty for a command that needs no hint.
    pub hint: &'static str,
    /// A sentence for the help.
    pub help: &'static str,
}

/// The table's row of a command.
pub fn entry_of(command: Command) -> &'static Entry {
    COMMANDS.iter().find(|entry| entry.command == command).expect("every command has its row, as a test checks")
}
