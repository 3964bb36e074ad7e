//! The monitor process itself: one thread, one event loop, one container.
//!
//! [`main`] is the hidden verb `teu monitor`. It reads its request from its stdin, leaves the face's session, takes the
//! container's lock, starts the container, answers, and then serves until the container has ended and every client knows.
//!
//! What slows the container down: writing its log, and clients that did not agree to lose output
//! ([`AttachOptions::may_lag`](super::AttachOptions)); on a terminal those are cut loose after ten seconds without any progress.
//! Nothing else: input waits in bounded queues, and clients whose queue is full are not read from.

mod birth;
mod change;
mod container;
mod end;
mod event_loop;
mod memory;
mod peer;
mod registration;
mod restart;
mod ring;
mod session;
mod token;
mod verbs;

pub use birth::main;

#[cfg(test)]
mod tests;
