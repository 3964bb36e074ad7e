//! What happened to containers, images, volumes and networks, in Docker's words.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// What sort of object an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventSubject {
    Container,
    Image,
    Volume,
    Network,
}

/// What happened: Docker's event names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventAction {
    Create,
    Start,
    Die,
    Oom,
    Stop,
    Kill,
    Restart,
    Rename,
    Pause,
    Unpause,
    Destroy,
    ExecStart,
    ExecDie,
    Resize,
    Update,
    Pull,
    Push,
    Import,
    Load,
    Save,
    Commit,
    Tag,
    Untag,
    Delete,
    Prune,
    Connect,
    Disconnect,
}

/// One line of the event file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub time: Timestamp,
    pub subject: EventSubject,
    pub action: EventAction,
    /// The container's id, the image's reference or the volume's name.
    pub id: String,
    /// The container's name, the image's reference or the volume's name, as it was then.
    pub name: String,
    /// The exit code for `die` and `exec_die`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// More for people: the signal, the old name, the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
