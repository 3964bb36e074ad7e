//! What happened to containers, images, volumes and networks, in Docker's words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Id, Mount, Network, Timestamp, VolumeName};

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
    Mount,
    Unmount,
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
    /// Docker's other attributes of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

impl Event {
    /// Of a volume.
    pub fn of_volume(action: EventAction, name: &VolumeName) -> Self {
        Self {
            time: Timestamp::now(),
            subject: EventSubject::Volume,
            action,
            id: name.to_string(),
            name: name.to_string(),
            exit_code: None,
            detail: None,
            attributes: BTreeMap::from([("driver".to_owned(), "local".to_owned())]),
        }
    }

    /// Of a network, and of the container that joins or leaves it.
    pub fn of_network(action: EventAction, network: &Network, container: Option<&Id>) -> Self {
        let driver = ("type".to_owned(), network.driver.name().to_owned());
        let container = container.map(|id| ("container".to_owned(), id.to_string()));
        Self {
            time: Timestamp::now(),
            subject: EventSubject::Network,
            action,
            id: network.id.to_string(),
            name: network.name.to_string(),
            exit_code: None,
            detail: None,
            attributes: std::iter::once(driver).chain(container).collect(),
        }
    }

    /// A container begins to use its volumes, or has ended: one event for each of its mounts.
    pub fn of_mounts(action: EventAction, container: &Id, mounts: &[Mount]) -> Vec<Self> {
        let of = |mount: &Mount| {
            let mut event = Self::of_volume(action, mount.volume_name()?);
            event.attributes.insert("container".to_owned(), container.to_string());
            if action == EventAction::Mount {
                let written = (!mount.read_only).to_string();
                event.attributes.insert("destination".to_owned(), mount.target.display().to_string());
                event.attributes.insert("read/write".to_owned(), written);
                event.attributes.insert("propagation".to_owned(), String::new());
            }
            Some(event)
        };
        mounts.iter().filter_map(of).collect()
    }
}
