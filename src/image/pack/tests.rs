//! Folders and writable layers as archives, read back.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// Path, then type and content or target.
fn read(archive: &[u8]) -> BTreeMap<String, (tar::EntryType, String)> {
    let mut all = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().expect("entries") {
        let mut entry = entry.expect("entry");
        let path = String::from_utf8(entry.path_bytes().into_owned()).expect("path");
        let kind = entry.header().entry_type();
        let mut content = String::new();
        entry.read_to_string(&mut content).expect("content");
        if let Some(target) = entry.link_name_bytes() {
            content = String::from_utf8(target.into_owned()).expect("target");
        }
        assert!(all.insert(path, (kind, content)).is_none(), "each path once");
    }
    all
}

fn folder() -> (tempfile::TempDir, Folder) {
    let temporary = tempfile::tempdir().expect("temporary folder");
    let folder = Folder::open(temporary.path()).expect("open");
    (temporary, folder)
}

#[test]
fn tree_has_files_links_and_modes_and_no_sockets() {
    let (at, folder) = folder();
    fs::create_dir(at.path().join("a")).expect("folder");
    fs::write(at.path().join("a/file"), "text").expect("file");
    fs::set_permissions(at.path().join("a/file"), fs::Permissions::from_mode(0o640)).expect("mode");
    fs::hard_link(at.path().join("a/file"), at.path().join("b")).expect("link");
    symlink("../x", at.path().join("c")).expect("symlink");
    let _socket = std::os::unix::net::UnixListener::bind(at.path().join("socket")).expect("socket");
    let archive = tree(&folder, &PackOptions::default(), Vec::new()).expect("packed");
    let entries = read(&archive);
    let expected = [
        ("./", tar::EntryType::Directory, ""),
        ("a/", tar::EntryType::Directory, ""),
        ("a/file", tar::EntryType::Regular, "text"),
        ("b", tar::EntryType::Link, "a/file"),
        ("c", tar::EntryType::Symlink, "../x"),
    ];
    let found: Vec<_> =
        entries.iter().map(|(path, (kind, content))| (path.as_str(), *kind, content.as_str())).collect();
    assert_eq!(found, expected);
    assert_eq!(tree(&folder, &PackOptions::default(), Vec::new()).expect("again"), archive, "the same bytes");
}

#[test]
fn upper_has_whiteouts_and_none_of_overlays_attributes() {
    let (at, folder) = folder();
    fs::create_dir(at.path().join("etc")).expect("folder");
    Folder::open(&at.path().join("etc")).expect("open").make_whiteout(OsStr::new("gone")).expect("Linux 5.8");
    let archive = upper(&folder, &PackOptions::default(), Vec::new()).expect("packed");
    let entries = read(&archive);
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["./", "etc/", "etc/.wh.gone"]);
}

#[test]
fn upper_with_a_name_that_would_hide_another_is_refused() {
    let (at, folder) = folder();
    fs::write(at.path().join(".wh.passwd"), "").expect("file");
    let error = upper(&folder, &PackOptions::default(), Vec::new()).expect_err("refused");
    assert!(matches!(error, PackError::Refused { .. }), "{error}");
    tree(&folder, &PackOptions::default(), Vec::new()).expect("a tree may have any name");
}

#[test]
fn entry_of_a_folder_takes_another_name() {
    let (at, folder) = folder();
    fs::create_dir(at.path().join("from")).expect("folder");
    fs::write(at.path().join("from/file"), "text").expect("file");
    let name = OsStr::new("from");
    let archive = entry(&folder, name, Path::new("to"), &PackOptions::default(), Vec::new()).expect("packed");
    assert_eq!(read(&archive).keys().collect::<Vec<_>>(), ["to/", "to/file"]);
    let missing = entry(&folder, OsStr::new("none"), Path::new("to"), &PackOptions::default(), Vec::new());
    assert!(matches!(missing, Err(PackError::Read { .. })));
}

#[test]
fn sparse_file_comes_whole() {
    let (at, folder) = folder();
    let mut file = fs::File::create(at.path().join("sparse")).expect("file");
    let expected = {
        use std::io::{Seek, SeekFrom};
        file.seek(SeekFrom::Start(1 << 20)).expect("seek");
        file.write_all(b"middle").expect("write");
        file.set_len(3 << 20).expect("length");
        let mut content = vec![0; 3 << 20];
        content[1 << 20..(1 << 20) + 6].copy_from_slice(b"middle");
        content
    };
    let archive = tree(&folder, &PackOptions::default(), Vec::new()).expect("packed");
    let entries = read(&archive);
    assert!(entries["sparse"].1.as_bytes() == expected, "the same content");
}
