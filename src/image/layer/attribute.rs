//! Extended attributes of an archive's entry: which are kept. Overlayfs's own are never taken from outside, they would let a
//! layer redirect into others; security labels belong to the machine.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;

use super::owner::{CAPABILITY_NOTE, Owners};
use crate::sys::in_root;

/// Attributes of fewer bytes fit a file on every disk that is not full; ext4 has a block of 1 KiB at least.
const ATTRIBUTE_BYTES: usize = 512;

/// The attributes of one entry that are worth keeping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(Vec<(Vec<u8>, Vec<u8>)>);

/// Whether an attribute may come from, or go into, an archive.
pub(in crate::image) fn is_kept(name: &[u8]) -> bool {
    let own = [b"user.overlay.".as_slice(), b"user.containers.".as_slice(), b"user.teu.".as_slice()];
    match name {
        b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default" => true,
        _ => name.starts_with(b"user.") && !own.iter().any(|prefix| name.starts_with(prefix)) && !name.contains(&0),
    }
}

impl Attributes {
    pub(super) fn keep(&mut self, name: &[u8], value: &[u8]) {
        if is_kept(name) {
            self.0.push((name.to_vec(), value.to_vec()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets them all; those that this user or file system may not have are left out, as Docker does. Capabilities are noted
    /// where they cannot be set.
    pub(super) fn set(&self, fd: impl AsFd, owners: &Owners) -> io::Result<()> {
        let fd = fd.as_fd();
        for (name, value) in &self.0 {
            let name = match name.as_slice() {
                b"security.capability" if *owners == Owners::Noted => CAPABILITY_NOTE.as_bytes(),
                name => name,
            };
            set(fd, OsStr::from_bytes(name), value)?;
        }
        Ok(())
    }
}

/// Notes something in an attribute of ours, where the file system has such.
pub(super) fn note(fd: impl AsFd, name: &str, value: &[u8]) -> io::Result<()> {
    set(fd, OsStr::new(name), value)
}

fn set(fd: impl AsFd, name: &OsStr, value: &[u8]) -> io::Result<()> {
    match in_root::set_attribute(fd, name, value) {
        Err(error) if is_forbidden(&error) => Ok(()),
        // Not the disk but the room for one file's attributes is full.
        Err(error) if value.len() > ATTRIBUTE_BYTES && error.kind() == io::ErrorKind::StorageFull => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("attributes of {} bytes do not fit", value.len())))
        }
        result => result,
    }
}

fn is_forbidden(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| matches!(errno, Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL | Errno::ACCESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlay_trusted_and_label_attributes_are_not_kept() {
        for name in [
            "trusted.overlay.redirect",
            "user.overlay.opaque",
            "user.teu.owner",
            "security.selinux",
            "trusted.x",
            "system.nfs4",
        ] {
            assert!(!is_kept(name.as_bytes()), "{name}");
        }
        for name in ["security.capability", "user.mime_type", "system.posix_acl_access"] {
            assert!(is_kept(name.as_bytes()), "{name}");
        }
    }
}
