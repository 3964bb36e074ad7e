//! Whose the files of unpacked layers are on disk. The room's description says what each way means.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::io::Errno;

/// Where an owner is noted that this user cannot give a file: `UID:GID`, as the archive named them.
pub(in crate::image) const OWNER_NOTE: &str = "user.teu.owner";
/// Where file capabilities are noted that this user cannot set: `security.capability` as the archive had it.
pub(in crate::image) const CAPABILITY_NOTE: &str = "user.teu.capability";

/// Who a file belongs to that nobody inside owns: the kernel's overflow id.
const NOBODY: u32 = 65534;

/// How owners are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owners {
    /// This process is root: files belong to whom the archive says.
    Real,
    /// An ordinary user with ranges of subordinate ids: files belong to the ids that his containers' user namespace maps
    /// to whom the archive says. A process in such a namespace unpacks.
    Mapped(IdMap),
    /// This process is root of a user namespace as [`Owners::Mapped`] means it.
    Inside,
    /// An ordinary user with one id: everything is his own, others are noted in extended attributes.
    Noted,
}

/// The ranges of a user namespace: first id inside, first id outside, how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMap {
    pub uids: Vec<(u32, u32, u32)>,
    pub gids: Vec<(u32, u32, u32)>,
}

impl Owners {
    /// What this process can do without anybody's help.
    pub fn of_this_process() -> Self {
        if rustix::process::geteuid().is_root() { Self::Real } else { Self::Noted }
    }

    /// Whether files are given away.
    pub(super) fn are_given(&self) -> bool {
        matches!(self, Self::Real | Self::Inside)
    }

    /// In a user namespace, overlayfs keeps its marks where its root may write.
    pub(super) fn opaque_mark(&self) -> &'static str {
        if *self == Self::Real { "trusted.overlay.opaque" } else { "user.overlay.opaque" }
    }

    /// The owner that a container sees, or would if it had ids for it.
    pub(in crate::image) fn inside(&self, path: &Path, file: &Metadata) -> io::Result<(u32, u32)> {
        let (uid, gid) = match self {
            Self::Real | Self::Inside => return Ok((file.uid(), file.gid())),
            Self::Mapped(map) => (inside(&map.uids, file.uid()), inside(&map.gids, file.gid())),
            Self::Noted => (0, 0),
        };
        // Unpacked when there was no range yet, everything is the user's own.
        let noted = if uid == 0 && (file.is_file() || file.is_dir()) { noted_owner(path)? } else { None };
        Ok(noted.unwrap_or((uid, gid)))
    }
}

fn inside(ranges: &[(u32, u32, u32)], outside: u32) -> u32 {
    let found = ranges.iter().find_map(|(inside, first, count)| {
        let offset = outside.checked_sub(*first).filter(|offset| offset < count)?;
        inside.checked_add(offset)
    });
    found.unwrap_or(NOBODY)
}

fn noted_owner(path: &Path) -> io::Result<Option<(u32, u32)>> {
    let mut buffer = [0u8; 64];
    Ok(attribute(path, OWNER_NOTE, &mut buffer)?.and_then(parse_note))
}

fn parse_note(text: &[u8]) -> Option<(u32, u32)> {
    let (uid, gid) = std::str::from_utf8(text).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// Whether overlayfs hides what lies below this folder.
pub(in crate::image) fn is_opaque(folder: &Path) -> io::Result<bool> {
    for name in ["trusted.overlay.opaque", "user.overlay.opaque"] {
        let mut buffer = [0u8; 8];
        if attribute(folder, name, &mut buffer)? == Some(b"y") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn attribute<'a>(path: &Path, name: &str, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    match rustix::fs::lgetxattr(path, name, &mut *buffer) {
        Ok(length) => Ok(Some(&buffer[..length])),
        // `trusted.` does not exist for those who may not read it.
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::RANGE) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_of_unmapped_ids_is_nobody() {
        let ranges = [(0, 1000, 1), (1, 100_000, 65_536)];
        assert_eq!([1000, 100_000, 100_998, 165_535].map(|id| inside(&ranges, id)), [0, 1, 999, 65_536]);
        assert_eq!([0, 999, 165_536].map(|id| inside(&ranges, id)), [NOBODY; 3]);
    }

    #[test]
    fn note_of_garbage_is_none() {
        assert_eq!(parse_note(b"7:8"), Some((7, 8)));
        for text in [&b"7"[..], b"a:b", b"", b"7:8:9", b"-1:0", b"4294967296:0", b"\xff:1"] {
            assert_eq!(parse_note(text), None);
        }
    }
}
