//! Archives on their way into a container's files, friendly and hostile.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::image::pack::{Entry as Packed, TarWriter};

struct Place {
    at: tempfile::TempDir,
    root: Folder,
}

impl Place {
    fn new() -> Self {
        let at = tempfile::tempdir().expect("temporary folder");
        fs::create_dir_all(at.path().join("root/dest")).expect("folders");
        let root = Folder::open(&at.path().join("root")).expect("open");
        Self { at, root }
    }

    fn dest(&self) -> std::path::PathBuf {
        self.at.path().join("root/dest")
    }

    fn extract(&self, archive: &[u8]) -> Result<Extracted, ExtractError> {
        Extractor::in_root(&self.root, b"dest", Ids::Own).and_then(|it| it.extract(archive))
    }

    fn extract_outside_containers(&self, archive: &[u8]) -> Result<Extracted, ExtractError> {
        let folder = Folder::open(&self.dest()).expect("open");
        Extractor::in_folder(&folder, Ids::Own).extract(archive)
    }
}

fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    for (path, kind, content) in entries {
        let mut entry = Packed::new(path.as_bytes(), *kind);
        entry.mode = if *kind == EntryType::Directory { 0o755 } else { 0o644 };
        if *kind == EntryType::Regular {
            entry.size = content.len() as u64;
            writer.entry(&entry).expect("header");
            writer.content(&mut content.as_bytes(), entry.size).expect("written").expect("read");
        } else {
            entry.target = content.as_bytes();
            writer.entry(&entry).expect("header");
        }
    }
    writer.finish().expect("end")
}

const FOLDER: EntryType = EntryType::Directory;
const FILE: EntryType = EntryType::Regular;
const SYMLINK: EntryType = EntryType::Symlink;
const LINK: EntryType = EntryType::Link;

#[test]
fn extract_makes_folders_files_and_links() {
    let place = Place::new();
    let entries = [
        ("./", FOLDER, ""),
        ("a/", FOLDER, ""),
        ("a/file", FILE, "text"),
        ("a/hard", LINK, "a/file"),
        ("a/soft", SYMLINK, "/anywhere"),
        ("deep/without/folders", FILE, "x"),
    ];
    let done = place.extract(&archive(&entries)).expect("extracted");
    assert_eq!((done.bytes, done.entries), (5, 5));
    assert_eq!(fs::read_to_string(place.dest().join("a/hard")).expect("read"), "text");
    assert_eq!(fs::metadata(place.dest().join("a/file")).expect("stat").nlink(), 2);
    assert_eq!(fs::read_link(place.dest().join("a/soft")).expect("link").to_str(), Some("/anywhere"));
    assert!(place.dest().join("deep/without/folders").is_file());
}

#[test]
fn extract_replaces_files_and_links_and_no_folders() {
    let place = Place::new();
    let victim = place.at.path().join("victim");
    fs::write(&victim, "kept").expect("file");
    symlink(&victim, place.dest().join("link")).expect("link");
    fs::write(place.dest().join("old"), "old").expect("file");
    fs::create_dir(place.dest().join("folder")).expect("folder");
    place.extract(&archive(&[("link", FILE, "new"), ("old", FILE, "new")])).expect("replaced");
    assert_eq!(fs::read_to_string(&victim).expect("read"), "kept");
    assert!(!place.dest().join("link").is_symlink());
    assert_eq!(fs::read_to_string(place.dest().join("old")).expect("read"), "new");
    for entries in [[("folder", FILE, "x")], [("old", FOLDER, "")]] {
        assert!(matches!(place.extract(&archive(&entries)), Err(ExtractError::Refused { .. })), "{entries:?}");
    }
}

#[test]
fn extract_never_leaves_the_root() {
    let place = Place::new();
    let outside = place.at.path().join("outside");
    fs::create_dir(&outside).expect("folder");
    symlink(&outside, place.dest().join("away")).expect("link");
    symlink("../../../outside", place.dest().join("up")).expect("link");
    for path in ["../x", "a/../../x", "away/x", "up/x", "/../x"] {
        let _ = place.extract(&archive(&[(path, FILE, "x")]));
        let _ = place.extract_outside_containers(&archive(&[(path, FILE, "x")]));
    }
    let swapped = [("s", SYMLINK, outside.to_str().expect("text")), ("s/x", FILE, "x")];
    let _ = place.extract(&archive(&swapped));
    assert!(place.extract_outside_containers(&archive(&swapped)).is_err());
    let linked = [("h", LINK, "../../outside/secret"), ("h", LINK, "away/secret")];
    assert!(place.extract(&archive(&linked[..1])).is_err());
    assert!(place.extract(&archive(&linked[1..])).is_err());
    assert_eq!(fs::read_dir(&outside).expect("list").count(), 0);
    assert!(!place.at.path().join("x").exists());
}

#[test]
fn extract_takes_set_user_id_bits_and_devices_off_own_files() {
    let place = Place::new();
    let mut writer = TarWriter::new(Vec::new());
    let mut entry = Packed::new(b"program", FILE);
    entry.mode = 0o4755;
    writer.entry(&entry).expect("header");
    let mut entry = Packed::new(b"disk", EntryType::Block);
    entry.device = (8, 0);
    writer.entry(&entry).expect("header");
    let done = place.extract(&writer.finish().expect("end")).expect("extracted");
    assert_eq!(fs::metadata(place.dest().join("program")).expect("stat").permissions().mode() & 0o7777, 0o755);
    assert_eq!(done.devices, 1);
    assert!(!place.dest().join("disk").exists());
}

#[test]
fn extract_of_zeros_makes_holes() {
    let place = Place::new();
    let mut content = vec![0; 8 << 20];
    content[4 << 20] = 1;
    let mut writer = TarWriter::new(Vec::new());
    let mut entry = Packed::new(b"sparse", FILE);
    entry.size = content.len() as u64;
    writer.entry(&entry).expect("header");
    writer.content(&mut content.as_slice(), entry.size).expect("written").expect("read");
    place.extract(&writer.finish().expect("end")).expect("extracted");
    assert!(fs::read(place.dest().join("sparse")).expect("read") == content);
    assert!(fs::metadata(place.dest().join("sparse")).expect("stat").blocks() < 1024);
}

#[test]
fn extract_of_an_archive_that_breaks_off_is_an_error() {
    let place = Place::new();
    let whole = archive(&[("file", FILE, &"x".repeat(10_000))]);
    assert!(matches!(place.extract(&whole[..5000]), Err(ExtractError::Archive(_))));
}
