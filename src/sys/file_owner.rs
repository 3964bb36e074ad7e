//! Who owns the files that this thread makes (setfsuid(2), setfsgid(2)).
#![allow(unsafe_code, reason = "setfsuid and setfsgid have no safe wrapper without nix's whole fs feature")]

/// Sets the thread's file-system user id. The one before; the call tells nothing of failure (credentials(7)).
pub fn set_user(uid: u32) -> u32 {
    // SAFETY: the call takes a plain number and touches no memory of this process.
    let before = unsafe { libc::setfsuid(uid) };
    before.cast_unsigned()
}

/// The same for the group id.
pub fn set_group(gid: u32) -> u32 {
    // SAFETY: as above.
    let before = unsafe { libc::setfsgid(gid) };
    before.cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_ones_own_ids_changes_nothing() {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        assert_eq!((set_user(uid), set_group(gid)), (uid, gid));
        assert_eq!((set_user(uid), set_group(gid)), (uid, gid));
    }
}
