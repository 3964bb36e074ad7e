//! `diff`: what an upper folder adds to, changes of and takes from what lies below, straight from the folder.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use super::protocol::Lower;
use crate::model::{Change, ChangeKind};
use crate::sys::in_root::{self, Folder};

/// Deeper trees are refused: each level keeps descriptors open.
const DEPTH_MAX: usize = 250;

/// All changes, sorted by path as Docker sorts them.
pub fn compare(upper: &Path, lower: &Lower) -> io::Result<Vec<Change>> {
    let mut changes = Vec::new();
    match lower {
        Lower::Layers(layers) => {
            let below = layers.iter().rev().map(|layer| Folder::open(layer)).collect::<io::Result<Vec<_>>>()?;
            folder(&Folder::open(upper)?, &below, Path::new("/"), 0, &mut changes)?;
        }
        Lower::Patchwork { parts } => patchwork(upper, parts, &mut changes)?,
    }
    changes.sort_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
    Ok(changes)
}

/// Compares one folder with the same of the layers below, the highest first.
fn folder(upper: &Folder, below: &[Folder], path: &Path, depth: usize, changes: &mut Vec<Change>) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other(format!("{}: folders are nested too deep", path.display())));
    }
    for name in upper.names()? {
        let Some(stat) = upper.look(&name)? else { continue };
        let inner = path.join(&name);
        let under = find(below, &name)?;
        if is_whiteout(&stat) {
            if under.is_some() {
                changes.push(Change { kind: ChangeKind::Deleted, path: inner });
            }
            continue;
        }
        let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let child = if is_folder { Some(upper.child(&name)?) } else { None };
        let old = under.as_ref().filter(|old| is_folder && is_folder_stat(&old.stat));
        let unchanged = old.is_some_and(|old| same_folder(&old.stat, &stat));
        if !unchanged {
            let kind = if under.is_some() { ChangeKind::Changed } else { ChangeKind::Added };
            changes.push(Change { kind, path: inner.clone() });
        }
        let Some(child) = child else { continue };
        let before = changes.len();
        let layers = if old.is_some() { folders(below, &name)? } else { Vec::new() };
        folder(&child, &layers, &inner, depth + 1, changes)?;
        if is_opaque(&child)? {
            removed(&child, &layers, &inner, changes)?;
        }
        // A folder that got or lost something is a changed one, whatever its time says.
        if unchanged && changes[before..].iter().any(|change| is_in(&change.path, &inner, change.kind)) {
            changes.push(Change { kind: ChangeKind::Changed, path: inner });
        }
    }
    Ok(())
}

/// Whether the folder itself is another one by this change in it.
fn is_in(path: &Path, folder: &Path, kind: ChangeKind) -> bool {
    kind != ChangeKind::Changed && path.parent() == Some(folder)
}

struct Under {
    stat: Stat,
}

/// What the layers together show under this name.
fn find(below: &[Folder], name: &OsStr) -> io::Result<Option<Under>> {
    for layer in below {
        match layer.look(name)? {
            Some(stat) if is_whiteout(&stat) => return Ok(None),
            Some(stat) => return Ok(Some(Under { stat })),
            // Nothing of the layers further down is to be seen in an opaque folder.
            None if is_opaque(layer)? => return Ok(None),
            None => {}
        }
    }
    Ok(None)
}

/// The folder of this name in each layer that contributes to what is seen of it.
fn folders(below: &[Folder], name: &OsStr) -> io::Result<Vec<Folder>> {
    let mut found = Vec::new();
    for layer in below {
        match layer.look(name)? {
            Some(stat) if is_folder_stat(&stat) => {
                let child = layer.child(name)?;
                let last = is_opaque(&child)?;
                found.push(child);
                if last {
                    break;
                }
            }
            Some(_) => break,
            None => {}
        }
        if is_opaque(layer)? {
            break;
        }
    }
    Ok(found)
}

/// What an opaque folder hides and has not again.
fn removed(upper: &Folder, below: &[Folder], path: &Path, changes: &mut Vec<Change>) -> io::Result<()> {
    let mut names = BTreeSet::<OsString>::new();
    for layer in below {
        names.extend(layer.names()?);
    }
    for name in names {
        if upper.look(&name)?.is_none() && find(below, &name)?.is_some() {
            changes.push(Change { kind: ChangeKind::Deleted, path: path.join(name) });
        }
    }
    Ok(())
}

/// The plain folder holds likenesses of the machine's own folders, made at each start; what else is in it is new.
fn patchwork(root: &Path, parts: &Path, changes: &mut Vec<Change>) -> io::Result<()> {
    fn fill(folder: &Folder, path: &Path, overlaid: &BTreeSet<PathBuf>, changes: &mut Vec<Change>) -> io::Result<()> {
        for name in folder.names()? {
            let Some(stat) = folder.look(&name)? else { continue };
            let inner = path.join(&name);
            if std::fs::symlink_metadata(&inner).is_err() {
                changes.push(Change { kind: ChangeKind::Added, path: inner.clone() });
            }
            if is_folder_stat(&stat) && !overlaid.contains(&inner) {
                fill(&folder.child(&name)?, &inner, overlaid, changes)?;
            }
        }
        Ok(())
    }
    let parts_folder = match Folder::open(parts) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        folder => folder?,
    };
    let mut overlaid = BTreeSet::new();
    for name in parts_folder.names()? {
        let path = part_path(&name);
        let upper = parts.join(&name).join("upper");
        if !upper.is_dir() {
            continue;
        }
        if let Ok(below) = Folder::open(&path) {
            folder(&Folder::open(&upper)?, &[below], &path, 0, changes)?;
        }
        overlaid.insert(path);
    }
    fill(&Folder::open(root)?, Path::new("/"), &overlaid, changes)
}

/// `var,lib` is `/var/lib`, and two commas are one.
fn part_path(name: &OsStr) -> PathBuf {
    let text = name.to_string_lossy().replace(",,", "\0").replace(',', "/").replace('\0', ",");
    Path::new("/").join(text)
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn is_folder_stat(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Only copied up because something in it has changed.
fn same_folder(old: &Stat, new: &Stat) -> bool {
    let of = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_mtime, stat.st_mtime_nsec);
    of(old) == of(new)
}

fn is_opaque(folder: &Folder) -> io::Result<bool> {
    for name in ["trusted.overlay.opaque", "user.overlay.opaque"] {
        if in_root::attribute(folder, OsStr::new(name))?.is_some_and(|value| value == b"y") {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Layers {
        at: tempfile::TempDir,
    }

    impl Layers {
        fn new() -> Self {
            let at = tempfile::tempdir().expect("temporary folder");
            for name in ["upper", "0", "1"] {
                fs::create_dir(at.path().join(name)).expect("folder");
            }
            Self { at }
        }

        fn put(&self, path: &str) {
            let path = self.at.path().join(path);
            fs::create_dir_all(path.parent().expect("parent")).expect("folders");
            fs::write(path, "x").expect("file");
        }

        fn white_out(&self, folder: &str, name: &str) {
            fs::create_dir_all(self.at.path().join(folder)).expect("folders");
            let folder = Folder::open(&self.at.path().join(folder)).expect("open");
            folder.make_whiteout(OsStr::new(name)).expect("Linux 5.8");
        }

        fn make_opaque(&self, folder: &str) {
            fs::create_dir_all(self.at.path().join(folder)).expect("folders");
            let folder = Folder::open(&self.at.path().join(folder)).expect("open");
            in_root::set_attribute(folder, OsStr::new("user.overlay.opaque"), b"y")
                .expect("a file system with attributes");
        }

        fn changes(&self) -> Vec<String> {
            let at = |name: &str| self.at.path().join(name);
            let lower = Lower::Layers(vec![at("0"), at("1")]);
            let found = compare(&at("upper"), &lower).expect("compared");
            found.iter().map(|change| format!("{} {}", change.kind.letter(), change.path.display())).collect()
        }
    }

    #[test]
    fn compare_tells_added_changed_and_deleted() {
        let layers = Layers::new();
        layers.put("0/etc/passwd");
        layers.put("1/etc/hosts");
        layers.put("0/gone");
        layers.put("upper/etc/passwd");
        layers.put("upper/etc/new");
        layers.put("upper/srv/made/file");
        layers.white_out("upper", "gone");
        layers.white_out("upper", "was-never-there");
        assert_eq!(
            layers.changes(),
            ["C /etc", "A /etc/new", "C /etc/passwd", "D /gone", "A /srv", "A /srv/made", "A /srv/made/file"]
        );
    }

    #[test]
    fn compare_with_layers_that_hide_each_other() {
        let layers = Layers::new();
        layers.put("0/a/below");
        layers.white_out("1/a", "below");
        layers.put("0/b/below");
        layers.put("1/b/above");
        layers.make_opaque("1/b");
        layers.put("upper/a/below");
        layers.put("upper/b/below");
        assert_eq!(layers.changes(), ["C /a", "A /a/below", "C /b", "A /b/below"]);
    }

    #[test]
    fn compare_of_an_opaque_folder_names_what_it_hides() {
        let layers = Layers::new();
        layers.put("0/d/old");
        layers.put("0/d/kept");
        layers.put("upper/d/kept");
        layers.put("upper/d/new");
        layers.make_opaque("upper/d");
        assert_eq!(layers.changes(), ["C /d", "C /d/kept", "A /d/new", "D /d/old"]);
    }

    #[test]
    fn compare_of_a_folder_that_became_a_file_and_back() {
        let layers = Layers::new();
        layers.put("0/x/inside");
        layers.put("0/y");
        layers.put("upper/x");
        layers.put("upper/y/inside");
        assert_eq!(layers.changes(), ["C /x", "C /y", "A /y/inside"]);
    }

    #[test]
    fn part_path_undoes_part_names() {
        for (name, path) in [("var,lib", "/var/lib"), ("a,,b", "/a,b"), ("etc", "/etc")] {
            assert_eq!(part_path(OsStr::new(name)), Path::new(path));
        }
    }
}
