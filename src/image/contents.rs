//! What one layer did, read off the unpacked layers: its own files beside what the layers below show in the same places.
//!
//! Nothing is unpacked or mounted. Unpacked layers never change, so paths in them can be walked as they are.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use super::layer::{Owners, is_opaque};
use super::{ImageError, Result, Store, StoredImage, inside};
use crate::model::{Digest, ErrorKind, FileSort, LayerChange, LayerContents, LayerEntry, printable_line};

/// Deeper folders are not walked: no program could open them, and a hostile layer would eat the stack.
const DEPTH_MAX: usize = 1000;

impl Store {
    /// What layer `index` (0 is the lowest) of an image added, changed and removed.
    pub fn layer_contents(&self, image: &StoredImage, index: usize) -> Result<LayerContents> {
        let Some(diff_id) = image.layers.get(index) else {
            let (count, id) = (image.layers.len(), image.id.short());
            return Err(ImageError::NotFound { text: format!("layer {} of the {count} of image {id}", index + 1) });
        };
        let mut below: Vec<PathBuf> = image.layer_paths[..index].to_vec();
        below.reverse();
        let owners = (self.rules().owners)();
        let is_mapped = matches!(owners, Owners::Mapped(_));
        match of_layer(diff_id, &image.layer_paths[index], &below, owners) {
            // A folder that only another of the user's own ids may open.
            Err(error) if is_mapped && error.kind() == ErrorKind::Permission => {
                by_task(diff_id, &image.layer_paths[index], &below)
            }
            contents => contents,
        }
    }
}

/// Has [`task`] do it.
fn by_task(diff_id: &Digest, root: &Path, below: &[PathBuf]) -> Result<LayerContents> {
    let failed = |error| ImageError::io("cannot read the layer", root, error);
    let mut command = inside::command("contents");
    command.arg(diff_id.as_str()).arg(root).args(below).stdin(Stdio::null());
    let output = command.output().map_err(failed)?;
    if !output.status.success() {
        let complaint = printable_line(String::from_utf8_lossy(&output.stderr).trim()).into_owned();
        return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, complaint)));
    }
    let contents = serde_json::from_slice::<Written>(&output.stdout);
    contents.map(LayerContents::from).map_err(|error| failed(error.into()))
}

/// The task `contents DIFF-ID LAYER BELOW…`: writes what it finds to stdout.
pub(super) fn task(words: &[OsString]) -> std::result::Result<(), String> {
    let [diff_id, root, below @ ..] = words else { return Err(inside::NOT_FOR_PEOPLE.to_owned()) };
    let diff_id = diff_id.to_string_lossy().parse().map_err(|_| inside::NOT_FOR_PEOPLE.to_owned())?;
    let below: Vec<PathBuf> = below.iter().map(PathBuf::from).collect();
    let contents = of_layer(&diff_id, Path::new(root), &below, Owners::Inside).map_err(|error| error.to_string())?;
    let write = || {
        let mut out = io::BufWriter::new(io::stdout().lock());
        serde_json::to_writer(&mut out, &Written::from(contents))?;
        out.flush()
    };
    write().map_err(|error| error.to_string())
}

/// [`LayerContents`] as it goes from process to process: names need not be Unicode.
#[derive(Serialize, Deserialize)]
struct Written {
    diff_id: Digest,
    bytes: u64,
    wasted_bytes: u64,
    entries: Vec<WrittenEntry>,
}

/// Path, change, sort, bytes, hidden bytes, mode, owner, target.
type WrittenEntry = (Vec<u8>, LayerChange, FileSort, u64, u64, u32, (u32, u32), Option<Vec<u8>>);

impl From<LayerContents> for Written {
    fn from(it: LayerContents) -> Self {
        let bytes_of = |path: PathBuf| path.into_os_string().into_vec();
        let entry = |it: LayerEntry| {
            let (path, target) = (bytes_of(it.path), it.target.map(bytes_of));
            (path, it.change, it.sort, it.bytes, it.hidden_bytes, it.mode, (it.uid, it.gid), target)
        };
        let entries = it.entries.into_iter().map(entry).collect();
        Self { diff_id: it.diff_id, bytes: it.bytes, wasted_bytes: it.wasted_bytes, entries }
    }
}

impl From<Written> for LayerContents {
    fn from(it: Written) -> Self {
        let path_of = |bytes| PathBuf::from(OsString::from_vec(bytes));
        let entries =
            it.entries.into_iter().map(|(path, change, sort, bytes, hidden_bytes, mode, (uid, gid), target)| {
                let (path, target) = (path_of(path), target.map(path_of));
                LayerEntry { path, change, sort, bytes, hidden_bytes, mode, uid, gid, target }
            });
        Self { diff_id: it.diff_id, entries: entries.collect(), bytes: it.bytes, wasted_bytes: it.wasted_bytes }
    }
}

/// `below` has the highest first.
fn of_layer(diff_id: &Digest, root: &Path, below: &[PathBuf], owners: Owners) -> Result<LayerContents> {
    let mut walk = Walk { owners, entries: Vec::new(), bytes: 0, seen: HashSet::new() };
    let own = look(root)?.ok_or_else(|| failure(root, io::ErrorKind::NotFound.into()))?;
    let shown = below.first().map(|path| look(path)).transpose()?.flatten();
    walk.entry(root, Path::new(""), &own, &Below { visible: shown, folders: below.to_vec() }, 0)?;
    let wasted_bytes = walk.entries.iter().map(|entry| entry.hidden_bytes).sum();
    Ok(LayerContents { diff_id: diff_id.clone(), entries: walk.entries, bytes: walk.bytes, wasted_bytes })
}

struct Walk {
    owners: Owners,
    entries: Vec<LayerEntry>,
    bytes: u64,
    /// Inodes with several names that were counted.
    seen: HashSet<u64>,
}

impl Walk {
    /// `below`: the folders of the layers below that are seen through this one, the highest first.
    fn folder(&mut self, folder: &Path, shown: &Path, below: &[PathBuf], depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(ImageError::layer("", format!("{}: folders lie too deep", shown.display())));
        }
        for name in names(folder)? {
            let (path, shown) = (folder.join(&name), shown.join(&name));
            let own = look(&path)?.ok_or_else(|| failure(&path, io::ErrorKind::NotFound.into()))?;
            self.entry(&path, &shown, &own, &Below::of(below, &name)?, depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, shown: &Path, own: &Metadata, below: &Below, depth: usize) -> Result<()> {
        if is_whiteout(own) {
            self.entries.push(LayerEntry {
                path: shown.to_owned(),
                change: LayerChange::Removed,
                sort: FileSort::Absent,
                bytes: 0,
                hidden_bytes: below.bytes()?,
                mode: 0,
                uid: 0,
                gid: 0,
                target: None,
            });
            return Ok(());
        }
        let opaque = own.is_dir() && is_opaque(path).map_err(|error| failure(path, error))?;
        let merged = own.is_dir() && !opaque && !below.folders.is_empty();
        let hidden_bytes = if merged { 0 } else { below.bytes()? };
        let (uid, gid) = self.owners.inside(path, own).map_err(|error| failure(path, error))?;
        let bytes = if own.is_file() { own.len() } else { 0 };
        if own.is_file() && (own.nlink() == 1 || self.seen.insert(own.ino())) {
            self.bytes += own.len();
        }
        let change = match &below.visible {
            _ if opaque => LayerChange::Opaque,
            Some(_) => LayerChange::Changed,
            None => LayerChange::Added,
        };
        // A folder that is there only because something in it is; the lowest layer's root is no news either.
        let passed_through = merged && below.visible.as_ref().is_some_and(|it| same_folder(own, it))
            || (shown.as_os_str().is_empty() && below.visible.is_none());
        if !passed_through {
            let target = if own.is_symlink() { fs::read_link(path).ok() } else { None };
            self.entries.push(LayerEntry {
                path: shown.to_owned(),
                change,
                sort: sort(own),
                bytes,
                hidden_bytes,
                mode: own.mode() & 0o7777,
                uid,
                gid,
                target,
            });
        }
        if own.is_dir() {
            self.folder(path, shown, if opaque { &[] } else { &below.folders }, depth + 1)?;
        }
        Ok(())
    }
}

/// What the layers below show under one name.
#[derive(Default)]
struct Below {
    visible: Option<Metadata>,
    /// Where that is; for a folder all that are merged, the highest first.
    folders: Vec<PathBuf>,
}

impl Below {
    fn of(parents: &[PathBuf], name: &OsString) -> Result<Self> {
        let mut below = Self::default();
        for parent in parents {
            let path = parent.join(name);
            let Some(there) = look(&path)? else { continue };
            let is_folder = there.is_dir();
            if is_whiteout(&there) || (below.visible.is_some() && !is_folder) {
                break;
            }
            below.visible.get_or_insert(there);
            if !is_folder {
                break;
            }
            let opaque = is_opaque(&path).map_err(|error| failure(&path, error))?;
            below.folders.push(path);
            if opaque {
                break;
            }
        }
        Ok(below)
    }

    /// Bytes of all regular files that are seen here.
    fn bytes(&self) -> Result<u64> {
        match &self.visible {
            None => Ok(0),
            Some(there) if there.is_dir() => bytes_in(&self.folders, 0),
            Some(there) => Ok(if there.is_file() { there.len() } else { 0 }),
        }
    }
}

fn bytes_in(folders: &[PathBuf], depth: usize) -> Result<u64> {
    if depth > DEPTH_MAX {
        return Ok(0);
    }
    let mut done = HashSet::new();
    let mut bytes = 0;
    for folder in folders {
        for name in names(folder)? {
            if !done.insert(name.clone()) {
                continue;
            }
            let below = Below::of(folders, &name)?;
            bytes += match &below.visible {
                Some(there) if there.is_dir() => bytes_in(&below.folders, depth + 1)?,
                _ => below.bytes()?,
            };
        }
    }
    Ok(bytes)
}

fn same_folder(one: &Metadata, other: &Metadata) -> bool {
    other.is_dir() && one.mode() == other.mode() && (one.uid(), one.gid()) == (other.uid(), other.gid())
}

fn is_whiteout(there: &Metadata) -> bool {
    there.file_type().is_char_device() && there.rdev() == 0
}

fn sort(there: &Metadata) -> FileSort {
    let kind = there.file_type();
    match kind {
        _ if kind.is_file() => FileSort::Regular,
        _ if kind.is_dir() => FileSort::Folder,
        _ if kind.is_symlink() => FileSort::Symlink,
        _ => FileSort::Special,
    }
}

fn names(folder: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(folder).map_err(|error| failure(folder, error))?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names: Vec<_> = names.collect::<io::Result<_>>().map_err(|error| failure(folder, error))?;
    names.sort_unstable();
    Ok(names)
}

fn look(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(Some(there)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(path, error)),
    }
}

fn failure(path: &Path, error: io::Error) -> ImageError {
    ImageError::io("cannot read", path, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::layer::{Gauge, Policy, UnpackJob, UnpackRules, unpack_digesting};

    /// Unpacks layers, lowest first, each of `(path, content)`: a folder where the path ends with a slash.
    fn layers(folder: &Path, layers: &[&[(&str, &str)]]) -> Vec<PathBuf> {
        let make = |(place, entries): (usize, &&[(&str, &str)])| {
            let root = folder.join(place.to_string());
            fs::create_dir(&root).expect("folder");
            let mut tar = tar::Builder::new(Vec::new());
            for (path, content) in entries.iter() {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(if path.ends_with('/') {
                    tar::EntryType::Directory
                } else {
                    tar::EntryType::Regular
                });
                header.set_mode(0o755);
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, path, content.as_bytes()).expect("memory");
            }
            let bytes = tar.into_inner().expect("memory");
            let job = UnpackJob::new(&UnpackRules::default(), root.clone(), "x", Policy::Layer);
            unpack_digesting(&bytes[..], &job, &Gauge::default()).expect("unpacked");
            root
        };
        layers.iter().enumerate().map(make).collect()
    }

    /// The highest layer's contents as lines.
    fn lines(layers: &[PathBuf]) -> (Vec<String>, u64, u64) {
        let digest = format!("sha256:{}", "0".repeat(64)).parse().expect("a digest");
        let mut below = layers[..layers.len() - 1].to_vec();
        below.reverse();
        let contents = of_layer(&digest, &layers[layers.len() - 1], &below, Owners::of_this_process()).expect("read");
        let line = |it: &LayerEntry| format!("{:?} {} {} {}", it.change, it.path.display(), it.bytes, it.hidden_bytes);
        (contents.entries.iter().map(line).collect(), contents.bytes, contents.wasted_bytes)
    }

    #[test]
    fn contents_tell_added_changed_removed_and_opaque() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let all = layers(
            folder.path(),
            &[
                &[
                    ("etc/", ""),
                    ("etc/a", "1234"),
                    ("etc/b", "12"),
                    ("opt/", ""),
                    ("opt/x", "123456"),
                    ("usr/l/f", "1"),
                ],
                &[("etc/", ""), ("etc/a", "12345678"), ("opt/", ""), ("opt/y", "1")],
                &[
                    ("etc/", ""),
                    ("etc/a", "new"),
                    ("etc/.wh.b", ""),
                    ("etc/.wh.never", ""),
                    ("opt/", ""),
                    ("opt/.wh..wh..opq", ""),
                    ("opt/z", "12345"),
                    ("usr/.wh.l", ""),
                    ("var/", ""),
                    ("var/new", "1"),
                ],
            ],
        );
        let (found, bytes, wasted) = lines(&all);
        let expected = [
            "Changed etc/a 3 8",
            "Removed etc/b 0 2",
            "Removed etc/never 0 0",
            "Opaque opt 0 7",
            "Added opt/z 5 0",
            "Removed usr/l 0 1",
            "Added var 0 0",
            "Added var/new 1 0",
        ];
        assert_eq!(found, expected);
        assert_eq!((bytes, wasted), (9, 18));
    }

    #[test]
    fn what_a_middle_layer_removed_is_not_seen_below() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let all = layers(
            folder.path(),
            &[&[("a/f", "123"), ("b/g", "1")], &[(".wh.a", ""), ("b", "now a file")], &[("a/f", "1"), ("b/", "")]],
        );
        let (found, _, wasted) = lines(&all);
        assert_eq!(found, ["Added a 0 0", "Added a/f 1 0", "Changed b 0 10"]);
        assert_eq!(wasted, 10);
        let (lowest, bytes, wasted) = lines(&all[..1]);
        assert_eq!(lowest, ["Added a 0 0", "Added a/f 3 0", "Added b 0 0", "Added b/g 1 0"]);
        assert_eq!((bytes, wasted), (4, 0));
    }
}
