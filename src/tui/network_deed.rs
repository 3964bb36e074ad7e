//! What is done to networks and published ports, and what comes of it.

use crate::engine::{NetworkInspect, NetworkWish};
use crate::model::{ContainerInspect, EndpointWish, Id, Name, PortWish};

use super::action::Problem;

/// What `update` wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkDeed {
    List,
    Create(Box<NetworkWish>),
    Remove(Vec<(Id, Name)>),
    /// Find out what a prune of these labels takes; no value is any.
    PreviewPrune(Option<(String, Option<String>)>),
    Prune(Option<(String, Option<String>)>),
    Connect {
        container: (Id, Name),
        wish: EndpointWish,
    },
    Disconnect {
        container: (Id, Name),
        network: Name,
    },
    Publish {
        container: (Id, Name),
        add: Vec<PortWish>,
    },
    Unpublish {
        container: (Id, Name),
        remove: Vec<PortWish>,
    },
    /// The devices of this machine that a network can share.
    Devices,
    /// What a container's record says of its networks and ports, whether it runs or not.
    Look(Id),
}

/// What was done or found out.
#[derive(Clone, Debug)]
pub enum NetworkTold {
    Networks(Result<Vec<NetworkInspect>, Problem>),
    /// A network has been made: what to say, and all that there are now, if they could be listed.
    Created {
        id: Id,
        text: String,
        networks: Option<Vec<NetworkInspect>>,
    },
    /// What to say if it went well.
    Done(Result<String, Problem>),
    WouldPrune {
        label: Option<(String, Option<String>)>,
        result: Result<Vec<Name>, Problem>,
    },
    Devices(Vec<String>),
    Looked {
        id: Id,
        result: Result<Box<ContainerInspect>, Problem>,
    },
}
