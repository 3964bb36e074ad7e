//! What a test needs of the machine: missing things fail with the command that mends them, nothing is skipped.

use std::path::PathBuf;

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Fails unless the tests run as root.
#[track_caller]
pub fn root() {
    assert!(is_root(), "this test needs root: run `sudo tests/run`, or `sudo -E cargo test --test full`");
}

/// The path of a program; fails with the Debian package that has it.
#[track_caller]
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]);
    let found = folders.map(|folder| PathBuf::from(folder).join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("this test needs {name}: run `tests/run`, or `apt-get install {package}`"))
}
