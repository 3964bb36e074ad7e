//! Names in archives, checked before anything is written: what climbs out, forges a whiteout or is no name at all is refused.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The longest path and component that are taken, in bytes; the kernel's own limits.
const PATH_MAX: usize = 4095;
const NAME_MAX: usize = 255;

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The most bytes of a path that an error repeats.
const SHOWN_MAX: usize = 200;

/// A path for an error's one line: the end of a long one says most.
pub(super) fn shown(raw: &[u8]) -> String {
    match raw.len().checked_sub(SHOWN_MAX) {
        None | Some(0) => String::from_utf8_lossy(raw).into_owned(),
        Some(more) => format!("…{}", String::from_utf8_lossy(&raw[more..])),
    }
}

/// A path inside the layer: relative, of plain components, divided by single slashes. Empty is the root folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EntryPath(Vec<u8>);

/// What an entry's name asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The entry itself is to be there.
    Entry,
    /// The file of this name in the same folder is to vanish from the layers below.
    Whiteout(Vec<u8>),
    /// Nothing of the same folder in the layers below is to be seen.
    Opaque,
}

impl EntryPath {
    /// Checks an archive's path. Absolute ones lose their slash, as in Docker, unless `relative_only`.
    pub(super) fn parse(raw: &[u8], relative_only: bool) -> Result<Self, &'static str> {
        if raw.len() > PATH_MAX {
            return Err("the path is longer than 4095 bytes");
        }
        if raw.contains(&0) {
            return Err("the path has a zero byte");
        }
        if relative_only && raw.starts_with(b"/") {
            return Err("the path is absolute");
        }
        let mut path = Vec::with_capacity(raw.len());
        for component in raw.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err("the path has .. in it"),
                _ if component.len() > NAME_MAX => return Err("a name is longer than 255 bytes"),
                _ => {}
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(component);
        }
        Ok(Self(path))
    }

    pub(super) fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What everything below this folder begins with.
    pub(super) fn inside(&self) -> Self {
        Self([&self.0[..], b"/"].concat())
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The folder's path and the last component, which is empty for the root folder only.
    pub(super) fn split(&self) -> (&[u8], &OsStr) {
        match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&self.0[..slash], OsStr::from_bytes(&self.0[slash + 1..])),
            None => (b"", self.as_os_str()),
        }
    }

    /// Reads the whiteout notation of the OCI image specification in the name.
    pub(super) fn meaning(&self) -> Result<Meaning, &'static str> {
        let (folder, name) = self.split();
        if folder.split(|byte| *byte == b'/').any(|component| component.starts_with(WHITEOUT)) {
            return Err("it lies in a folder named like a whiteout");
        }
        let name = name.as_bytes();
        if name == OPAQUE {
            return Ok(Meaning::Opaque);
        }
        match name.strip_prefix(WHITEOUT) {
            None => Ok(Meaning::Entry),
            Some(b"" | b"." | b"..") => Err("the whiteout names no file"),
            Some(hidden) if hidden.starts_with(WHITEOUT) => Err("the whiteout names a whiteout"),
            Some(hidden) => Ok(Meaning::Whiteout(hidden.to_vec())),
        }
    }

    /// Whether a symlink here with this target would, read as text, climb above the root: Docker refuses those as well.
    pub(super) fn target_leaves_root(&self, target: &[u8]) -> bool {
        let (folder, _) = self.split();
        let mut depth = match target.starts_with(b"/") || folder.is_empty() {
            true => 0,
            false => folder.split(|byte| *byte == b'/').count(),
        };
        for component in target.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." if depth == 0 => return true,
                b".." => depth -= 1,
                _ => depth += 1,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes(), false).expect(text)
    }

    #[test]
    fn path_is_made_relative_and_plain() {
        for (raw, plain) in [("./a//b/./c/", "a/b/c"), ("/etc/passwd", "etc/passwd"), ("./", ""), ("/", ""), ("", "")] {
            assert_eq!(path(raw).as_bytes(), plain.as_bytes(), "{raw:?}");
        }
    }

    #[test]
    fn path_with_dots_zero_bytes_or_too_long_is_refused() {
        let long = "x".repeat(256);
        let deep = "d/".repeat(2100);
        for raw in ["..", "../x", "a/../b", "a/..", "a\0b", &long, &deep] {
            assert!(EntryPath::parse(raw.as_bytes(), false).is_err(), "{raw:?}");
        }
        assert!(EntryPath::parse(b"/etc/passwd", true).is_err());
    }

    #[test]
    fn whiteouts_are_read_and_forged_ones_refused() {
        assert_eq!(path("a/.wh.b").meaning(), Ok(Meaning::Whiteout(b"b".to_vec())));
        assert_eq!(path("a/.wh..wh..opq").meaning(), Ok(Meaning::Opaque));
        assert_eq!(path("a/.who").meaning(), Ok(Meaning::Entry));
        for raw in [".wh.", ".wh..", ".wh...", ".wh..wh.", ".wh..wh.x", ".wh..wh.plnk", ".wh.a/b"] {
            assert!(path(raw).meaning().is_err(), "{raw:?}");
        }
    }

    #[test]
    fn symlink_target_that_climbs_out_is_known() {
        for (at, target, leaves) in [
            ("a/b", "../c", false),
            ("a/b", "../../c", true),
            ("b", "..", true),
            ("var/run", "/run", false),
            ("x", "/../etc", true),
            ("a/b", "x/../../y", false),
        ] {
            assert_eq!(path(at).target_leaves_root(target.as_bytes()), leaves, "{at} -> {target}");
        }
    }
}
