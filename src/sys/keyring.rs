//! keyctl(2): an own session keyring.
#![allow(unsafe_code, reason = "keyctl has no safe wrapper")]

use std::io;

/// Joins a new session keyring without a name, which nobody else can join.
pub fn join_new_session() -> io::Result<()> {
    let no_name = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name is allowed and means a new, anonymous keyring (keyctl(2)).
    let result = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, no_name) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
