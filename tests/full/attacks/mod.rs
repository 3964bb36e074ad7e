//! Known ways out of a container by their CVE names, containers that behave badly, killed runtimes, and broken configs.

mod breakouts;
mod killed;
mod malformed;
mod misbehaviour;
mod mounts;
