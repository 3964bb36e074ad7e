//! What the end-to-end tests stand on: the real binary in private folders, real terminals, real registries, leak checks.
//!
//! Everything here is bounded in time, cleans up after itself also when a test fails, and needs no unsafe code.

#![allow(dead_code, reason = "two test binaries share this folder and neither uses all of it")]
#![allow(unused_imports, reason = "the same")]

pub mod bundle;
pub mod certificates;
pub mod debian;
pub mod docker;
pub mod http;
pub mod leaks;
pub mod need;
pub mod netns;
pub mod oci;
pub mod process;
pub mod pty;
pub mod registry;
pub mod story;
pub mod teu;
pub mod tiny;
pub mod user;

pub use process::Output;
pub use pty::Pty;
pub use registry::Registry;
pub use teu::Teu;
pub use user::User;

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Waits until `condition` gives a value, looking every 10 ms; panics with `what` after `limit`.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Lets one test at a time mount on the machine itself or copy its mounts into a namespace that lives on: the one would
/// find its mounts kept by the other.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

pub const SECOND: Duration = Duration::from_secs(1);
