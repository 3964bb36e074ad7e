//! A folder of an image that lies in one of its layers alone: read there, it needs no overlay and no process of its own.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::FileType;

use crate::sys::in_root::{self, Folder};

/// Where an image has a folder.
#[derive(Debug)]
pub enum Whereabouts {
    Nowhere,
    /// All that it shows of the folder is here.
    In(Folder, PathBuf),
    /// Several layers have a part of it, or links are in the way: only an overlay tells.
    Unclear,
}

/// What one layer has to say of a path.
enum Said {
    Nothing,
    /// What lower layers have there is not seen.
    Hidden,
    Folder(Folder, Below),
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Seen,
    Hidden,
}

/// Looks through layers of root's, the lowest first.
pub fn find(layers: &[PathBuf], target: &Path) -> io::Result<Whereabouts> {
    let mut found = None;
    for layer in layers.iter().rev() {
        match say(layer, target)? {
            Said::Nothing => {}
            Said::Hidden => break,
            Said::Folder(..) if found.is_some() => return Ok(Whereabouts::Unclear),
            Said::Folder(folder, below) => {
                found = Some(Whereabouts::In(folder, layer.join(target.strip_prefix("/").unwrap_or(target))));
                if below == Below::Hidden {
                    break;
                }
            }
            Said::Other => return Ok(Whereabouts::Unclear),
        }
    }
    Ok(found.unwrap_or(Whereabouts::Nowhere))
}

fn say(layer: &Path, target: &Path) -> io::Result<Said> {
    let mut folder = Folder::open(layer)?;
    let mut below = Below::Seen;
    for part in target.components() {
        let name = match part {
            Component::RootDir | Component::CurDir => continue,
            Component::Normal(name) => name,
            Component::ParentDir | Component::Prefix(_) => return Ok(Said::Other),
        };
        let Some(stat) = folder.look(name)? else {
            return Ok(if below == Below::Hidden { Said::Hidden } else { Said::Nothing });
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => folder = folder.child(name)?,
            // Overlayfs's mark of what was removed.
            FileType::CharacterDevice if stat.st_rdev == 0 => return Ok(Said::Hidden),
            _ => return Ok(Said::Other),
        }
        let attribute = |name: &str| in_root::attribute(&folder, OsStr::new(name));
        if attribute("trusted.overlay.redirect")?.is_some() {
            return Ok(Said::Other);
        }
        if attribute("trusted.overlay.opaque")?.is_some() {
            below = Below::Hidden;
        }
    }
    Ok(Said::Folder(folder, below))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn folder_is_found_where_one_layer_alone_has_it() {
        let base = tempfile::tempdir().expect("a folder");
        let layer = |name: &str, folders: &[&str]| {
            let path = base.path().join(name);
            fs::create_dir(&path).expect("a layer");
            folders.iter().for_each(|folder| fs::create_dir_all(path.join(folder)).expect("a folder"));
            path
        };
        let layers = [layer("low", &["a/b", "shared", "x"]), layer("high", &["a/c", "shared", "y"])];
        symlink("a", layers[1].join("link")).expect("link");
        fs::write(layers[0].join("x/file"), "x").expect("file");
        let seen = |target: &str| match find(&layers, Path::new(target)).expect(target) {
            Whereabouts::Nowhere => "nowhere".to_owned(),
            Whereabouts::In(_, path) => path.strip_prefix(base.path()).expect("below").display().to_string(),
            Whereabouts::Unclear => "unclear".to_owned(),
        };
        assert_eq!(
            ["/a/b", "/a/c", "/a", "/shared", "/none/x", "/link/b", "/x/file", "/y"].map(seen),
            ["low/a/b", "high/a/c", "unclear", "unclear", "nowhere", "unclear", "unclear", "high/y"]
        );
    }
}
