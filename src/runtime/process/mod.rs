//! The last part of becoming a container's process: who it is, what it may do, and its command.

pub(super) mod capabilities;
pub(super) mod command;
pub(super) mod finish;
pub(super) mod init;
pub(super) mod limits;
pub(super) mod outward;
pub(super) mod streams;
pub(super) mod user;
pub(super) mod workdir;
