//! What other rooms do for a container in its monitor's process, before its command runs and after it has ended: its place in
//! networks. The engine lends it, since this room knows no other craft.

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use crate::model::{ErrorKind, Event, EventAction};
use crate::runtime::{Entrance, StartRequest};

/// A container's connections. Dropping it lets go of whatever it holds.
pub trait Wire: fmt::Debug + Send {
    /// Before the container is there, each time it is started: takes what it needs, and may add to what is started.
    fn prepare(&mut self, start: &mut StartRequest) -> Result<(), WireError>;

    /// Its namespaces are there, and `pid` is a process in them that is setting up the rest at the same time; its command does
    /// not run yet. If that fails, or this does, [`disconnect`](Self::disconnect) follows. `entrance` is an ordinary user's, who
    /// cannot open the process's namespaces meanwhile.
    fn connect(&mut self, pid: i32, entrance: Option<Entrance>) -> Result<(), WireError>;

    /// Changes the connections of a running container, in whose namespaces `pid` is: all of it or, after an error, nothing.
    /// What is asked and answered is between the engine and whoever it lends.
    fn change(&mut self, pid: i32, change: serde_json::Value) -> Result<serde_json::Value, WireError> {
        let _ = (pid, change);
        Err(WireError { kind: ErrorKind::Other, message: "these connections cannot be changed".to_owned() })
    }

    /// A process has ended that was the monitor's child and none of the container's sessions: perhaps one of this wire's.
    fn child_ended(&mut self) {}

    /// What is to be told of a container that has started (`Connect`) or ended (`Disconnect`).
    fn events(&self, action: EventAction) -> Vec<Event> {
        let _ = action;
        Vec::new()
    }

    /// Its processes are gone. Goes on after failures: the engine's recovery does the same.
    fn disconnect(&mut self);

    /// The container is over, and nobody has been told yet: lets go of whatever others may want to have.
    fn let_go(&mut self) {}

    /// Readable when it has something to do by itself (an epoll instance where there are several descriptors). Once there
    /// is one it stays the same.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Does what it has to do by itself, as far as it can without waiting. Called when [`watched`](Self::watched) is
    /// readable, and when the [`deadline`](Self::deadline) is over.
    fn serve(&mut self) {}

    /// When it has something to do though nothing is readable.
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// Why a container cannot be connected.
#[derive(Debug)]
pub struct WireError {
    pub kind: ErrorKind,
    pub message: String,
}

/// Makes a container's connections of what the engine wrote into [`MonitorRequest::wire`](super::MonitorRequest).
pub type MakeWire = fn(serde_json::Value) -> Result<Box<dyn Wire>, WireError>;

/// Removes what belongs to a container that is about to be removed, beside its own folders, as the engine wrote it into
/// [`MonitorRequest::leave`](super::MonitorRequest). There is nobody to tell of a failure: a later prune does the same.
pub type Leave = fn(serde_json::Value);

/// What the engine lends a monitor.
#[derive(Clone, Copy, Debug)]
pub struct Lent {
    pub wire: MakeWire,
    pub leave: Leave,
}
