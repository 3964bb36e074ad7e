//! The process that stays with a running container: terminal, log, exit, exec sessions.
//!
//! [`spawn()`] starts one from a face; [`Client`] asks a running one; [`LogReader`] and [`EventReader`] read what it wrote and
//! need none. The process itself is [`serve`]: one thread, one event loop, no threads ever, since it clones.

mod attachment;
mod client;
mod connection;
mod error;
mod events;
mod follow;
mod lines;
pub mod log;
mod modes;
mod protocol;
mod request;
pub mod serve;
mod spawn;
mod wire;

pub use attachment::{AttachEvent, AttachReader, AttachWriter, Attachment, Next};
pub use client::{Client, ExecOptions, ExecSession};
pub use error::MonitorError;
pub use events::{EventQuery, EventReader, append_event};
pub use follow::Stopper;
pub use log::{LogQuery, LogReader};
pub use modes::TerminalModes;
pub use request::{AttachOptions, LOCK, LogOptions, MonitorRequest, SOCKET, STATE, State};
pub use spawn::{Spawned, spawn};
pub use wire::{Leave, Lent, MakeWire, Wire, WireError};
