//! Debian's own files, unpacked by teu, by GNU tar and by umoci: the same trees by content, mode, owner, time, attributes and links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::http::Server;
use crate::support::oci::{Image, Layer, Packing};
use crate::support::{Teu, debian, need, process};

const LIMIT: Duration = Duration::from_secs(120);

/// Everything about one file that an archive can say.
#[derive(Debug, PartialEq, Eq)]
struct File {
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    size: u64,
    content: String,
    attributes: BTreeMap<String, Vec<u8>>,
    /// The first path of all that are this file.
    linked_to: PathBuf,
}

/// Thousands of files are written and removed here: in memory, where there is enough of it.
fn place() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let free = rustix::fs::statvfs(&memory).map_or(0, |it| it.f_bavail * it.f_frsize);
    if free > 2 << 30 { memory } else { std::env::temp_dir() }
}

fn tree(root: &Path) -> BTreeMap<PathBuf, File> {
    let mut files = BTreeMap::new();
    let mut first_of: BTreeMap<u64, PathBuf> = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let mut names: Vec<_> =
            fs::read_dir(root.join(&folder)).expect("list").flatten().map(|it| it.file_name()).collect();
        names.sort_unstable();
        for name in names {
            let path = folder.join(name);
            let full = root.join(&path);
            let meta = fs::symlink_metadata(&full).expect("look");
            let kind = meta.file_type();
            // A container gets its own devices; teu leaves those of an archive out.
            if kind.is_char_device() || kind.is_block_device() {
                continue;
            }
            let content = match kind {
                _ if kind.is_file() => crate::support::oci::sha256(&fs::read(&full).expect("read")),
                _ if kind.is_symlink() => fs::read_link(&full).expect("read").display().to_string(),
                _ => String::new(),
            };
            let linked_to = match kind.is_dir() {
                true => path.clone(),
                false => first_of.entry(meta.ino()).or_insert_with(|| path.clone()).clone(),
            };
            let file = File {
                mode: meta.mode(),
                owner: (meta.uid(), meta.gid()),
                modified: (meta.mtime(), meta.mtime_nsec()),
                size: if kind.is_dir() { 0 } else { meta.size() },
                content,
                attributes: attributes(&full),
                linked_to,
            };
            files.insert(path.clone(), file);
            if kind.is_dir() {
                folders.push(path);
            }
        }
    }
    files
}

fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut names, mut value) = (vec![0u8; 4096], vec![0u8; 4096]);
    let length = rustix::fs::llistxattr(path, &mut names[..]).expect("list attributes");
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).expect("an attribute");
            (String::from_utf8_lossy(name).into_owned(), value[..length].to_vec())
        })
        .collect()
}

#[track_caller]
fn assert_same(own: &BTreeMap<PathBuf, File>, other: &BTreeMap<PathBuf, File>, whose: &str) {
    assert!(own.len() > 1000, "{} files are no Debian", own.len());
    let missing: Vec<_> = other.keys().filter(|path| !own.contains_key(*path)).take(10).collect();
    let more: Vec<_> = own.keys().filter(|path| !other.contains_key(*path)).take(10).collect();
    assert!(missing.is_empty() && more.is_empty(), "{whose} has also {missing:?}, teu has also {more:?}");
    let differing: Vec<_> = own.iter().filter(|(path, file)| other[*path] != **file).take(5).collect();
    let rows: Vec<_> =
        differing.iter().map(|(path, file)| format!("{path:?}\n  {file:?}\n  {:?}", other[*path])).collect();
    assert!(rows.is_empty(), "teu's, then {whose}'s:\n{}", rows.join("\n"));
}

/// Debian with what it has no example of: capabilities, attributes, times between seconds, setgid, odd names, a sparse file.
fn archive() -> Vec<u8> {
    let mut bytes = debian::base_tar();
    let mut more = tar::Builder::new(Vec::new());
    let mut add = |path: &[u8], mode: u32, records: &[(&str, &[u8])]| {
        more.append_pax_extensions(records.iter().copied()).expect("memory");
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_mode(mode);
        header.set_uid(33);
        header.set_gid(44);
        header.set_mtime(1_600_000_000);
        header.set_size(3);
        header.set_cksum();
        more.append(&header, &b"abc"[..]).expect("memory");
    };
    let capability = [1, 0, 0, 2, 10, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    add(b"more-capable", 0o755, &[("SCHILY.xattr.security.capability", &capability)]);
    add(b"more-noted", 0o444, &[("SCHILY.xattr.user.note", b"a\nb"), ("mtime", b"1500000000.123456789")]);
    add(b"more-setgid", 0o2755, &[("mtime", b"-5.5")]);
    add(b"more-\xff\xfe\x01", 0o600, &[("comment", b"x")]);
    let more = more.into_inner().expect("memory");
    let end = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
    bytes.truncate(end.next_multiple_of(512));
    bytes.extend_from_slice(&more);
    bytes
}

/// The same entries but for the few that are most of the bytes.
fn without_large_files(tar: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut start = None;
    let mut gone = BTreeSet::new();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().expect("a tar").raw(true) {
        let entry = entry.expect("an entry");
        let first = *start.get_or_insert(entry.raw_header_position() as usize);
        if matches!(entry.header().entry_type(), tar::EntryType::XHeader | tar::EntryType::GNULongName) {
            continue;
        }
        start = None;
        let path = entry.path_bytes().into_owned();
        let is_link_to_gone = entry.header().entry_type() == tar::EntryType::Link
            && entry.link_name_bytes().is_some_and(|target| gone.contains(target.as_ref()));
        if entry.size() >= 100_000 || is_link_to_gone {
            gone.insert(path);
        } else {
            let end = (entry.raw_file_position() + entry.size()) as usize;
            kept.extend_from_slice(&tar[first..end.next_multiple_of(512)]);
        }
    }
    kept.resize(kept.len() + 1024, 0);
    kept
}

fn unpacked_by_teu(teu: &Teu, image: &Image, name: &str) -> PathBuf {
    let server = Server::registry(image.clone(), |_| None);
    teu.ok(&["pull", "-q", &server.reference(name)]);
    let layers = fs::read_dir(teu.root().join("image/layers")).expect("layers").flatten();
    layers.map(|it| it.path().join("fs")).find(|path| path.join("more-capable").exists()).expect("the layer")
}

#[test]
fn debian_is_unpacked_as_gnu_tar_does() {
    need::root();
    let teu = Teu::within(&place(), None);
    let bytes = archive();
    let image = Image::new(serde_json::json!({}), vec![Layer::new(&bytes, Packing::Plain)]);
    let own = unpacked_by_teu(&teu, &image, "debian:plain");
    let reference = teu.work().join("reference");
    fs::create_dir(&reference).expect("a folder");
    let mut command = Command::new(need::program("tar", "tar"));
    command.args([
        "--extract",
        "--numeric-owner",
        "--same-owner",
        "--preserve-permissions",
        "--xattrs",
        "--xattrs-include=*",
    ]);
    command.arg("--directory").arg(&reference);
    process::run(&mut command, &bytes, LIMIT).ok();
    assert_same(&tree(&own), &tree(&reference), "GNU tar");
    let odd = own.join(std::ffi::OsStr::from_bytes(b"more-\xff\xfe\x01"));
    assert_eq!(fs::read(odd).expect("there"), b"abc");
    let used = |folder: &Path| {
        let mut command = Command::new("du");
        let text = process::run(command.args(["-s", "--block-size=1"]).arg(folder), b"", LIMIT).ok().text();
        text.split_whitespace().next().and_then(|bytes| bytes.parse::<u64>().ok()).expect("bytes")
    };
    let (own_bytes, reference_bytes) = (used(&own), used(&reference));
    // A folder that grew in another order may have a block more.
    let most = reference_bytes + reference_bytes / 1000;
    assert!(own_bytes <= most, "{own_bytes} bytes on disk where GNU tar needs {reference_bytes}");
}

#[test]
fn debian_is_unpacked_as_umoci_does() {
    need::root();
    let umoci = need::program("umoci", "umoci");
    let teu = Teu::within(&place(), None);
    let layers = [without_large_files(&archive()), debian::many(), debian::changes(), debian::whiteouts()];
    // umoci 0.4.7 knows no zstd.
    let layers = layers.iter().map(|tar| Layer::new(tar, Packing::Gzip)).collect();
    let image = Image::new(serde_json::json!({}), layers);
    let layout = teu.work().join("layout");
    image.write_layout(&layout, "it");
    let bundle = teu.work().join("bundle");
    let mut command = Command::new(umoci);
    command.args(["unpack", "--image"]).arg(format!("{}:it", layout.display())).arg(&bundle);
    process::run(&mut command, b"", LIMIT).ok();
    let server = Server::registry(image.clone(), |_| None);
    teu.ok(&["pull", "-q", &server.reference("debian:layers")]);
    // Merged as a container sees it, but read by the kernel's own overlay, mounted here.
    let lower: Vec<String> = image
        .layers
        .iter()
        .rev()
        .map(|layer| format!("image/layers/{}/fs", layer.diff_id.trim_start_matches("sha256:")))
        .collect();
    let merged = teu.work().join("merged");
    fs::create_dir(&merged).expect("a folder");
    let script = format!(
        "mount --make-rprivate / && mount -t overlay overlay -o ro,lowerdir={} {} && tar -C {} -c --xattrs --xattrs-include='*' . ",
        lower.join(":"),
        merged.display(),
        merged.display()
    );
    let mut command = Command::new(need::program("unshare", "util-linux"));
    command.args(["--mount", "sh", "-c", &script]).current_dir(teu.root());
    let archive = process::run(&mut command, b"", LIMIT).ok().stdout;
    let reference = teu.work().join("copy");
    fs::create_dir(&reference).expect("a folder");
    let mut command = Command::new("tar");
    command.args(["-x", "--same-owner", "-p", "--xattrs", "--xattrs-include=*", "-C"]).arg(&reference);
    process::run(&mut command, &archive, LIMIT).ok();
    assert_same(&whole_seconds(tree(&reference)), &whole_seconds(tree(&bundle.join("rootfs"))), "umoci");
}

/// A tar of GNU's own format keeps no more of a time; folders' times are umoci's own where later layers touch them.
fn whole_seconds(mut files: BTreeMap<PathBuf, File>) -> BTreeMap<PathBuf, File> {
    for file in files.values_mut() {
        file.modified.1 = 0;
        if file.mode & 0o170_000 == 0o040_000 {
            file.modified.0 = 0;
        }
    }
    files
}
