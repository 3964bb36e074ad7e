//! teu: containers in one terminal, by one program, without a daemon.
//!
//! This library is the whole house; `main.rs` only opens the right door.
//!
//! ```text
//!       tui        cli        oci     faces: translate, never decide
//!          \      /          /
//!           engine          /         use cases, one verb a file: the only orchestra
//!          /   |   \       /
//!    monitor   |  image network volume   crafts: one subject each
//!       |      |         /     /
//!       runtime --------------       one process becomes one container
//!      /    |    \
//!   sys   model   config              ground: kernel words, plain words, wishes
//! ```
//!
//! Imports point down, and rooms on one floor never import each other; `tests/tidy.rs` holds the table and fails on a
//! line that breaks it. Where to look:
//!
//! - [`model`]: the types every room speaks. No I/O.
//! - [`sys`]: kernel words, and the only `unsafe`. Knows no container.
//! - [`config`]: the configuration file and the folders. Read by the engine and the faces; values are passed down.
//! - [`runtime`]: namespaces, root file system, mounts, cgroups, seccomp, capabilities: a process becomes a container.
//! - [`monitor`]: the one small process that stays with each running container: its terminal, log, exit, exec sessions.
//! - [`image`]: the image store (an OCI image layout), registries, layers, archives.
//! - [`network`]: bridges, links, addresses, published ports, the firewall: netlink alone, no program run.
//! - [`volume`]: named volumes: folders that outlive containers, their locks and options.
//! - [`engine`]: what a user can do, one verb a file; records on disk, locks, recovery.
//! - [`cli`], [`tui`]: the command line and the full-screen interface.
//! - [`oci`]: the OCI runtime command line, `teu oci`, for other engines. It stands on the runtime alone.
//!
//! # What lives when
//!
//! A face (`teu`, `teu run`, …) is a short-lived, threaded process. It never clones a container itself: it starts
//! `/proc/self/exe monitor`, a single-threaded process that does, stays with the container, and outlives the face.
//! All that faces share is files: one folder an object, written by rename, guarded by `flock`; whether a container
//! lives is whether its monitor's lock is held. So nothing has to be asked, and nothing has to run, to list containers.
//!
//! # Where the code differs from the first plan
//!
//! - The engine also imports [`runtime`]: for the defaults a container's specification is made of, for reading
//!   cgroups (a monitor that reads counters for others would wake each second), and for removing what a rootless
//!   container's mapped ids own.
//! - The engine lends the monitor what it does for a container's networks ([`monitor::Wire`]): it has to be done in the
//!   monitor's process, which holds the addresses and ports for as long as it lives, and crafts never import each other.
//! - The runtime speaks D-Bus to systemd when cgroups are asked of it (`--systemd-cgroup`): on one blocking socket with
//!   a time limit, by an encoder of its own, as a client library would bring threads and clone3 refuses them.

pub mod cli;
pub mod config;
pub mod engine;
pub mod image;
pub mod model;
pub mod monitor;
pub mod network;
pub mod oci;
pub mod runtime;
pub mod sys;
pub mod tui;
pub mod volume;
