//! Each MUST of the OCI runtime specification (1.2) that concerns Linux, as a test on `teu oci`; crun and runc check the tests.
//!
//! A module is a part of a document; a test's comment names the section. `CASE::teu` is the proof, `CASE::crun` and
//! `CASE::runc` show that the case asks what the field understands by the sentence.

mod cgroups;
mod devices;
mod features;
mod hooks;
mod mount_options;
mod mounts;
mod namespaces;
mod operations;
mod process;
mod seccomp;
