//! Runs this program from where no container can write it: CVE-2019-5736.
//!
//! A process of it goes into containers, and one that is tricked into executing `/proc/self/exe` there would hand out the
//! program's file. So it first executes itself through a read-only mount, or where that is not allowed and the file
//! is the user's own, from a sealed copy in memory.

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::sys::program;

/// Returns if this process does so already, or if there is no way to (and then no need: the file is another user's).
pub fn run_from_read_only_mount() {
    if program::is_out_of_reach() {
        return;
    }
    let Some(file) = program::read_only_self().ok().or_else(sealed_copy) else { return };
    let strings = |words: Vec<Vec<u8>>| words.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>();
    let variable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        [name.into_vec(), b"=".to_vec(), value.into_vec()].concat()
    };
    let arguments = strings(std::env::args_os().map(OsStringExt::into_vec).collect());
    let environment = strings(std::env::vars_os().map(variable).collect());
    if let (Ok(arguments), Ok(environment)) = (arguments, environment) {
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        // It returns only on failure; this process is as good then, but for the protection.
        let _ = program::execute(&path, &arguments, &environment);
    }
}

fn sealed_copy() -> Option<OwnedFd> {
    if program::is_owned_by_self() { program::sealed_self().ok() } else { None }
}
