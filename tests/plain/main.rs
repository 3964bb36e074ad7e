//! End-to-end tests that need neither root nor packages: the real binary, the image `host`, this kernel's namespaces.
//!
//! Run as an ordinary user they test rootless containers, run as root those of root.

#[path = "../support/mod.rs"]
mod support;

mod archives;
mod attaching;
mod command_line;
mod copying;
mod host_image;
mod hostile_images;
mod imports;
mod interface;
mod interface_files;
mod interface_images;
mod interface_volumes;
mod lifecycle;
mod mounts;
mod pulls;
mod registries;
mod resumed_pulls;
mod searching;
mod store;
mod store_faults;
mod terminal;
mod together;
mod versioning;
mod volumes;
