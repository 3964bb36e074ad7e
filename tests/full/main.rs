//! End-to-end tests that need root or Debian packages; `tests/run` installs those and runs this.
//!
//! A test that misses something fails with the command that mends it; none is skipped.

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod cgroup_v2;
mod cgroups;
mod copying;
mod doctor;
mod faults;
mod fixtures;
mod live_limits;
mod mapped_ids;
mod mounts;
mod networks;
mod oci_engines;
mod oci_foreground;
mod oci_spec;
mod portable_engines;
mod portable_users;
mod push;
mod registry;
mod rootless;
mod run_flags;
mod runtime_core;
// Its programs are machine code.
#[cfg(target_arch = "x86_64")]
mod seccomp;
mod secure_defaults;
mod security;
mod store_live;
mod tls;
mod unpack_debian;
mod unpack_owners;
mod versioning;
mod volumes;
