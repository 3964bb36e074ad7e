//! keyctl(2): an own session keyring.
#![allow(unsafe_code, reason = "keyctl has no safe wrapper")]

use std::ffi::CStr;
use std::io;

/// Joins the session keyring of this name in the process's user namespace, making it if need be.
pub fn join_session(name: &CStr) -> io::Result<()> {
    // SAFETY: the name is a C string that outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
