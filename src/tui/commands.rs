//! Every command of the interface, in one table: its name, its scope, its default keys, and what it does in a sentence.
//!
//! Help, key hints, the palette, and the configuration's `[keys]` are all made of this table.

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
    Search,
    Transfers,
    /// The layers of an image.
    Layers,
    /// The screens about one container: logs, charts, inspect.
    Detail,
    Logs,
    Charts,
    Inspect,
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
            Self::Search => "Search",
            Self::Transfers => "Transfers",
            Self::Layers => "Layers of an image",
            Self::Detail => "One container",
            Self::Logs => "Logs",
            Self::Charts => "Charts",
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
    EditQuery,
    CancelPull,

    CancelTransfer,
    ResumeTransfer,
    OpenTransfer,
    ForgetTransfer,
    ForgetEnded,

    ViewLogs,
    ViewCharts,
    ViewInspect,
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

const fn entry(
    command: Command,
    scope: Scope,
    name: &'static str,
    keys: &'static str,
    hint: &'static str,
    help: &'static str,
) -> Entry {
    Entry { command, scope, name, keys, hint, help }
}

use Command as C;
use Scope as S;

/// All commands. Hints appear in this order, so the most wanted come first.
pub const COMMANDS: &[Entry] = &[
    entry(
        C::Open,
        S::Containers,
        "open",
        "enter",
        "shell",
        "go to the container's shell; start it first if it is down",
    ),
    entry(C::NewShell, S::Containers, "new-shell", "e", "new shell", "start one more shell in the container"),
    entry(C::OpenLogs, S::Containers, "logs", "l", "logs", "show its output"),
    entry(
        C::OpenCharts,
        S::Containers,
        "charts",
        "c",
        "charts",
        "show cpu, memory, network, disk, pressure and throttling over time",
    ),
    entry(C::OpenInspect, S::Containers, "inspect", "i", "inspect", "show everything known of it"),
    entry(C::StartStop, S::Containers, "start-stop", "s", "start/stop", "start it, or stop it"),
    entry(C::Restart, S::Containers, "restart", "r", "restart", "stop it and start it again"),
    entry(
        C::Limits,
        S::Containers,
        "limits",
        "u",
        "limits",
        "change its limits and its restart policy, running or not",
    ),
    entry(
        C::OpenSecurity,
        S::Containers,
        "security",
        "S",
        "",
        "show what keeps it apart from this machine, as the kernel tells it",
    ),
    entry(C::Pause, S::Containers, "pause", "p", "", "pause it, or let it go on"),
    entry(C::Remove, S::Containers, "remove", "d delete", "remove", "remove it with its files, after a question"),
    entry(C::Kill, S::Containers, "kill", "K", "", "end it at once (SIGKILL), after a question"),
    entry(C::Rename, S::Containers, "rename", "n", "", "give it another name"),
    entry(C::ToggleStopped, S::Containers, "toggle-stopped", "a", "", "show or hide containers that do not run"),
    entry(C::Commit, S::Containers, "commit", "C", "", "make an image of what it has changed"),
    entry(C::Export, S::Containers, "export", "E", "", "write all its files into one tar"),
    entry(
        C::PruneContainers,
        S::Containers,
        "prune-containers",
        "x",
        "",
        "remove what is unused, with what it frees seen before",
    ),
    entry(C::Run, S::Images, "run", "enter r", "run", "run a container of it: opens a form that is filled in"),
    entry(C::PullImage, S::Images, "pull-image", "p", "pull", "search a registry and pull an image"),
    entry(
        C::OpenLayers,
        S::Images,
        "layers",
        "l right",
        "layers",
        "walk through what each of its layers added, changed and removed",
    ),
    entry(C::InspectImage, S::Images, "inspect-image", "i", "inspect", "show its command, environment and layers"),
    entry(C::RemoveImage, S::Images, "remove-image", "d delete", "remove", "remove it, after a question"),
    entry(C::TagImage, S::Images, "tag", "t", "tag", "give it another name"),
    entry(C::PushImage, S::Images, "push", "P", "push", "send it to a registry"),
    entry(C::SaveImage, S::Images, "save", "s", "save", "write it, or all that are marked, into a file"),
    entry(C::LoadImage, S::Images, "load", "L", "load", "read images out of a file"),
    entry(C::PruneImages, S::Images, "prune", "x", "prune", "remove what is unused, with what it frees seen before"),
    entry(C::Pull, S::Search, "pull", "enter", "pull", "pull the selected image"),
    entry(C::EditQuery, S::Search, "edit-query", "e", "search", "type what to search for"),
    entry(C::CancelPull, S::Search, "cancel-pull", "x", "cancel pull", "cancel the newest pull under way"),
    entry(C::LayerToggle, S::Layers, "layer-toggle", "enter space", "open/close", "open the folder, or close it"),
    entry(C::LayerOpen, S::Layers, "layer-open", "right l", "", "open the folder and go into it"),
    entry(C::LayerClose, S::Layers, "layer-close", "left h", "", "close the folder, or go to the one this is in"),
    entry(C::LayerPane, S::Layers, "layer-pane", "tab", "layers/files", "from the layers to the files and back"),
    entry(C::LayerBelow, S::Layers, "layer-below", "[", "", "the layer below"),
    entry(C::LayerAbove, S::Layers, "layer-above", "]", "next layer", "the layer above"),
    entry(
        C::LayerWasted,
        S::Layers,
        "layer-wasted",
        "w",
        "wasted",
        "list what is written again or removed by a later layer",
    ),
    entry(
        C::LayerChanges,
        S::Layers,
        "layer-changes",
        "f",
        "which",
        "show only added, changed or removed files, in turn",
    ),
    entry(C::LayerAllOpen, S::Layers, "layer-all-open", "e", "", "open all folders, or close them"),
    entry(C::OpenTransfer, S::Transfers, "open-transfer", "enter", "go to it", "go to what has arrived"),
    entry(C::CancelTransfer, S::Transfers, "cancel-transfer", "x", "cancel", "end it; what has arrived is kept"),
    entry(
        C::ResumeTransfer,
        S::Transfers,
        "resume-transfer",
        "r",
        "resume",
        "take up one that ended early, or do it again",
    ),
    entry(
        C::ForgetTransfer,
        S::Transfers,
        "forget-transfer",
        "d delete",
        "forget",
        "take one that has ended off the screen",
    ),
    entry(C::ForgetEnded, S::Transfers, "forget-ended", "D", "", "take all that have ended off the screen"),
    entry(C::EnterPane, S::Shells, "enter-pane", "enter", "type", "give the keys back to the shell"),
    entry(C::PaneNew, S::Shells, "pane-new", "n", "new shell", "start one more shell beside this one"),
    entry(C::PaneNext, S::Shells, "pane-next", "right l", "next", "go to the next shell"),
    entry(C::PanePrevious, S::Shells, "pane-previous", "left h", "", "go to the shell before"),
    entry(C::PaneZoom, S::Shells, "pane-zoom", "z", "zoom", "show this shell alone, or all again"),
    entry(C::PaneSplit, S::Shells, "pane-split", "v", "split", "put the shells side by side, or one above the other"),
    entry(C::PaneTabNext, S::Shells, "pane-tab-next", "]", "", "go to the next container's shells"),
    entry(C::PaneTabPrevious, S::Shells, "pane-tab-previous", "[", "", "go to the shells of the container before"),
    entry(C::PaneScrollUp, S::Shells, "pane-scroll-up", "up k", "scroll", "scroll back a line"),
    entry(C::PaneScrollDown, S::Shells, "pane-scroll-down", "down j", "", "scroll on a line"),
    entry(C::PanePageUp, S::Shells, "pane-page-up", "pageup", "", "scroll back a page"),
    entry(C::PanePageDown, S::Shells, "pane-page-down", "pagedown", "", "scroll on a page"),
    entry(C::PaneBottom, S::Shells, "pane-bottom", "end G", "", "scroll to the end"),
    entry(C::PaneClose, S::Shells, "pane-close", "x", "close", "close the pane; the container and its shell live on"),
    entry(
        C::LeavePane,
        S::Pane,
        "leave-pane",
        "f12",
        "leave the shell",
        "take the keys from the shell; all others are its own",
    ),
    entry(C::Follow, S::Logs, "follow", "f", "follow", "keep to the newest line, or stay"),
    entry(C::Find, S::Logs, "find", "/", "find", "find text in the log"),
    entry(C::FindNext, S::Logs, "find-next", "n", "next hit", "go to the next hit"),
    entry(C::FindPrevious, S::Logs, "find-previous", "N", "", "go to the hit before"),
    entry(C::Timestamps, S::Logs, "timestamps", "t", "times", "show when each line was written"),
    entry(C::Wrap, S::Logs, "wrap", "w", "wrap", "wrap long lines, or cut them"),
    entry(C::Window, S::Charts, "window", "w", "span", "show one minute, or as long as is known"),
    entry(C::Raw, S::Inspect, "raw", "v", "raw JSON", "show it as sections, or as JSON"),
    entry(C::ViewLogs, S::Detail, "view-logs", "l", "", "show its output"),
    entry(C::ViewCharts, S::Detail, "view-charts", "c", "", "show its charts"),
    entry(C::ViewInspect, S::Detail, "view-inspect", "i", "", "show everything known of it"),
    entry(C::NextView, S::Detail, "next-view", "tab", "next view", "logs, charts, inspect, in turn"),
    entry(C::PreviousView, S::Detail, "previous-view", "backtab", "", "the same, backwards"),
    entry(C::NextContainer, S::Detail, "next-container", "]", "", "the same view of the next container"),
    entry(C::PreviousContainer, S::Detail, "previous-container", "[", "", "the same view of the container before"),
    entry(C::Mark, S::Marks, "mark", "space", "mark", "mark it: what follows is about all that are marked"),
    entry(C::MarkInvert, S::Marks, "mark-invert", "*", "", "mark the others in place of those that are marked"),
    entry(C::MarkAll, S::Marks, "mark-all", "ctrl-a", "", "mark all that are shown, or none"),
    entry(C::Filter, S::List, "filter", "/", "filter", "show only what matches, loosely"),
    entry(C::SortNext, S::List, "sort-next", "o >", "sort", "sort by the next column"),
    entry(C::SortPrevious, S::List, "sort-previous", "O <", "", "sort by the column before"),
    entry(C::SortReverse, S::List, "sort-reverse", "R", "", "turn the order round"),
    entry(C::Up, S::List, "up", "up k", "", "one up"),
    entry(C::Down, S::List, "down", "down j", "", "one down"),
    entry(C::PageUp, S::List, "page-up", "pageup ctrl-b", "", "one page up"),
    entry(C::PageDown, S::List, "page-down", "pagedown ctrl-f", "", "one page down"),
    entry(C::Top, S::List, "top", "home g", "", "to the first"),
    entry(C::Bottom, S::List, "bottom", "end G", "", "to the last"),
    entry(C::ShowContainers, S::Everywhere, "containers", "1", "", "show the containers"),
    entry(C::ShowImages, S::Everywhere, "images", "2", "", "show the images"),
    entry(C::ShowSearch, S::Everywhere, "search", "3", "", "search a registry"),
    entry(C::ShowShells, S::Everywhere, "shells", "4", "", "show the shells"),
    entry(C::ShowTransfers, S::Everywhere, "transfers", "5", "", "show what is pulled and pushed, layer by layer"),
    entry(C::NextTab, S::Everywhere, "next-tab", "tab", "", "the next of the five"),
    entry(C::PreviousTab, S::Everywhere, "previous-tab", "backtab", "", "the one before"),
    entry(C::Back, S::Everywhere, "back", "esc", "", "go back, or clear the filter"),
    entry(C::Palette, S::Everywhere, "palette", ": ctrl-p", "", "find a command by its name"),
    entry(C::NextTheme, S::Everywhere, "next-theme", "T", "", "try the next theme"),
    entry(C::Redraw, S::Everywhere, "redraw", "ctrl-l", "", "draw the screen anew"),
    entry(C::Suspend, S::Everywhere, "suspend", "ctrl-z", "", "go back to the shell you came from; `fg` returns"),
    entry(C::Help, S::Everywhere, "help", "? f1", "help", "show the keys"),
    entry(C::Quit, S::Everywhere, "quit", "q ctrl-c", "quit", "leave teu; containers run on"),
];

/// The table's row of a command.
pub fn entry_of(command: Command) -> &'static Entry {
    COMMANDS.iter().find(|entry| entry.command == command).expect("every command has its row, as a test checks")
}
