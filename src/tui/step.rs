//! What a screen or a dialog answers to a key: effects for the world outside, and changes that are not its own to make.

use crate::model::{FilePlace, Id, VolumeName};

use super::commands::Command;
use super::data::Data;
use super::dialogs::Dialog;
use super::effect::Effect;
use super::keymap::Keymap;
use super::toast::Toast;
use super::transfer::{PullWish, Wish};

/// Which screen is in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    Containers,
    Images,
    Search,
    Shells,
    Transfers,
    Networks,
    Volumes,
    /// What lies on the disk.
    Usage,
    Logs(Id),
    Charts(Id),
    /// A container's interfaces, and what they move.
    Traffic(Id),
    Inspect(Id),
    /// What a container has changed of its image's files.
    Diff(Id),
    InspectImage(String),
    InspectNetwork(Id),
    /// The layers of an image.
    Layers(String),
    /// The files of a container or a volume.
    Files(FilePlace),
}

/// One consequence.
#[derive(Clone, Debug)]
pub enum Step {
    Do(Effect),
    Show(Page),
    /// The images, with this one selected.
    ShowImage(String),
    /// The volumes, with this one selected.
    ShowVolume(VolumeName),
    /// Back to the screen that one came from.
    Back,
    Open(Box<Dialog>),
    CloseDialog,
    /// What the form in front asked for is begun: it waits for what comes of it.
    FormSent,
    Toast(Toast),
    /// As if its key had been pressed.
    Command(Command),
    /// Go to a container's shells: its open panes, else one for each of its living sessions, else a new one.
    OpenShell(Id),
    /// Begin to move something; the transfers show how it goes.
    Transfer(Wish),
    /// Fetch an image.
    Pull(PullWish),
    /// One more shell in a running container.
    NewShell(Id),
    /// Create and start, in a pane if it has a terminal.
    Run(Box<crate::model::CreateRequest>),
}

/// What screens may read while they handle a key.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub data: &'a Data,
    pub keymap: &'a Keymap,
}
