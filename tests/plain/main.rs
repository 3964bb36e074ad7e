//! End-to-end tests that need neither root nor packages: the real binary, the image `host`, this kernel's namespaces.

#[path = "../support/mod.rs"]
mod support;

mod command_line;
