//! Archives, honest and hostile, unpacked into a folder. As root and as an ordinary user.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use tar::{EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::image::ImageError;
use crate::model::{ErrorKind, UnpackLimits};

/// An archive in the making, with names as raw as a hostile one's.
struct Archive(Vec<u8>);

impl Archive {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn header(name: &str, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(0o755);
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        header.set_mtime(1_000_000_000);
        header.set_size(0);
        header
    }

    fn raw(mut self, mut header: Header, content: &[u8]) -> Self {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn entry(self, name: &str, kind: EntryType) -> Self {
        self.raw(Self::header(name, kind), b"")
    }

    fn folder(self, name: &str) -> Self {
        self.entry(name, EntryType::Directory)
    }

    fn file(self, name: &str, content: &str) -> Self {
        let mut header = Self::header(name, EntryType::Regular);
        header.set_size(content.len() as u64);
        self.raw(header, content.as_bytes())
    }

    fn link(self, name: &str, kind: EntryType, target: &str) -> Self {
        let mut header = Self::header(name, kind);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        self.raw(header, b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.link(name, EntryType::Symlink, target)
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.link(name, EntryType::Link, target)
    }

    fn device(self, name: &str, kind: EntryType, major: u32, minor: u32) -> Self {
        let mut header = Self::header(name, kind);
        header.set_device_major(major).expect("in range");
        header.set_device_minor(minor).expect("in range");
        self.raw(header, b"")
    }

    fn pax(self, records: &[(&str, &str)]) -> Self {
        let mut content = String::new();
        for (key, value) in records {
            let rest = format!(" {key}={value}\n");
            let mut length = rest.len();
            while length != rest.len() + length.to_string().len() {
                length = rest.len() + length.to_string().len();
            }
            content += &format!("{length}{rest}");
        }
        let mut header = Self::header("PaxHeaders/x", EntryType::XHeader);
        header.set_size(content.len() as u64);
        self.raw(header, content.as_bytes())
    }

    /// GNU's long name for the entry that follows.
    fn long(self, name: &str) -> Self {
        let mut header = Self::header("././@LongLink", EntryType::GNULongName);
        header.set_size(name.len() as u64 + 1);
        self.raw(header, format!("{name}\0").as_bytes())
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn job(root: &Path, policy: Policy) -> UnpackJob {
    UnpackJob::new(&UnpackRules::default(), root.to_owned(), "x", policy)
}

/// Unpacks into `root` inside a folder that has a file `victim` beside it.
fn unpacked(policy: Policy, bytes: &[u8]) -> (TempDir, Result<Plain>) {
    let outside = tempfile::tempdir().expect("temporary folder");
    fs::create_dir(outside.path().join("root")).expect("folder");
    fs::write(outside.path().join("victim"), "untouched").expect("file");
    let root = outside.path().join("root");
    let result = unpack_digesting(bytes, &job(&root, policy), &Gauge::default());
    assert_eq!(fs::read_to_string(outside.path().join("victim")).expect("still there"), "untouched");
    assert_eq!(fs::metadata(outside.path().join("victim")).expect("still there").nlink(), 1);
    let mut names: Vec<_> =
        fs::read_dir(outside.path()).expect("list").map(|it| it.expect("entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["root", "victim"], "nothing may appear outside");
    (outside, result)
}

fn taken(policy: Policy, archive: Archive) -> TempDir {
    let (folder, result) = unpacked(policy, &archive.end());
    result.expect("a good archive");
    folder
}

#[track_caller]
fn refused(policy: Policy, archive: Archive, word: &str) {
    let (_folder, result) = unpacked(policy, &archive.end());
    let error = result.expect_err("a bad archive");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains(word), "{word:?} in {error}");
    assert!(!error.to_string().contains('\n'), "one line: {error}");
}

fn is_whiteout(path: &Path) -> bool {
    let meta = fs::symlink_metadata(path).expect("there");
    meta.file_type().is_char_device() && meta.rdev() == 0
}

fn is_opaque(path: &Path) -> bool {
    let folder = crate::sys::in_root::Folder::open(path).expect("open");
    let attributes = crate::sys::in_root::attributes(&folder).expect("attributes");
    attributes.iter().any(|(name, value)| name.to_string_lossy().ends_with(".overlay.opaque") && value == b"y")
}

#[test]
fn archive_of_every_sort_of_entry_is_unpacked() {
    let archive = Archive::new()
        .folder("./")
        .folder("bin/")
        .file("bin/tool", "content")
        .hard_link("bin/other", "bin/tool")
        .symlink("sh", "/bin/tool")
        .entry("pipe", EntryType::Fifo)
        .pax(&[("mtime", "1500000000.25"), ("path", "renamed"), ("SCHILY.xattr.user.note", "hi")])
        .file("shown", "x")
        .file("implied/deep/file", "y");
    let folder = taken(Policy::Import, archive);
    let root = folder.path().join("root");
    let meta = |name: &str| fs::symlink_metadata(root.join(name)).expect(name);
    assert_eq!(fs::read_to_string(root.join("bin/other")).expect("linked"), "content");
    assert_eq!(meta("bin/tool").nlink(), 2);
    assert_eq!(meta("bin/tool").mtime(), 1_000_000_000);
    assert_eq!(meta("bin").mtime(), 1_000_000_000, "set after its content");
    assert_eq!(meta("bin").mode() & 0o7777, 0o755);
    assert_eq!(fs::read_link(root.join("sh")).expect("symlink"), Path::new("/bin/tool"));
    assert_eq!(meta("sh").mtime(), 1_000_000_000);
    assert!(meta("pipe").file_type().is_fifo());
    assert_eq!((meta("renamed").mtime(), meta("renamed").mtime_nsec()), (1_500_000_000, 250_000_000));
    assert_eq!(meta("implied").mode() & 0o7777, 0o755, "whatever the umask");
}

#[test]
fn setuid_and_closed_modes_are_kept() {
    let mut setuid = Archive::header("su", EntryType::Regular);
    setuid.set_mode(0o4755);
    let mut closed = Archive::header("closed/", EntryType::Directory);
    closed.set_mode(0o000);
    let archive = Archive::new().raw(setuid, b"").raw(closed, b"").file("closed/in", "x");
    let folder = taken(Policy::Layer, archive);
    let mode = |name: &str| fs::metadata(folder.path().join("root").join(name)).expect(name).mode() & 0o7777;
    assert_eq!(mode("su"), 0o4755);
    assert_eq!(mode("closed"), 0o000);
    fs::set_permissions(folder.path().join("root/closed"), PermissionsExt::from_mode(0o700)).expect("so it can go");
}

#[test]
fn paths_that_climb_are_refused() {
    for policy in [Policy::Layer, Policy::Import] {
        for name in ["../victim", "a/../../victim", "a/..", ".."] {
            refused(policy, Archive::new().file(name, "owned"), "..");
        }
        let pax = Archive::new().pax(&[("path", "../victim")]).file("harmless", "owned");
        refused(policy, pax, "..");
        let pax = Archive::new().pax(&[("linkpath", "../victim")]).hard_link("x", "harmless");
        refused(policy, pax, "..");
    }
}

#[test]
fn absolute_path_is_refused_in_imports_and_inside_for_layers() {
    refused(Policy::Import, Archive::new().file("/etc/passwd", "x"), "absolute");
    let folder = taken(Policy::Layer, Archive::new().file("/etc/file", "x"));
    assert!(folder.path().join("root/etc/file").exists());
}

#[test]
fn links_that_leave_are_refused_and_absolute_symlinks_end_inside() {
    refused(Policy::Layer, Archive::new().symlink("a", "../victim"), "leaves the root");
    refused(Policy::Layer, Archive::new().symlink("d/a", "../../victim"), "leaves the root");
    refused(Policy::Layer, Archive::new().hard_link("a", "../victim"), "..");
    refused(Policy::Layer, Archive::new().hard_link("a", "/etc/passwd"), "not in the layer");
    refused(Policy::Layer, Archive::new().folder("d/").hard_link("a", "d"), "not in the layer");
    let folder = taken(Policy::Layer, Archive::new().folder("data/").symlink("door", "/data").file("door/new", "x"));
    assert!(folder.path().join("root/data/new").exists(), "followed inside the root, as in a container");
}

#[test]
fn files_are_never_written_through_links() {
    let outside = tempfile::tempdir().expect("temporary folder");
    let root = outside.path().join("root");
    fs::create_dir(&root).expect("folder");
    fs::write(outside.path().join("victim"), "untouched").expect("file");
    // As if something else had put it there: an absolute symlink that really leads out.
    symlink(outside.path().join("victim"), root.join("link")).expect("symlink");
    let bytes = Archive::new().file("link", "new").end();
    unpack_digesting(&bytes[..], &job(&root, Policy::Layer), &Gauge::default()).expect("replaced");
    assert_eq!(fs::read_to_string(outside.path().join("victim")).expect("there"), "untouched");
    assert_eq!(fs::read_to_string(root.join("link")).expect("a file now"), "new");

    let archive = Archive::new().file("one", "first").hard_link("two", "one").file("two", "second");
    let folder = taken(Policy::Layer, archive);
    assert_eq!(fs::read_to_string(folder.path().join("root/one")).expect("there"), "first");
}

#[test]
fn entry_over_another_sort_replaces_it() {
    let archive = Archive::new()
        .folder("a/")
        .file("a/in", "x")
        .file("a", "file now")
        .file("b", "x")
        .folder("b/")
        .file("b/in", "x")
        .symlink("c", "/b")
        .folder("c/")
        .file("c/own", "x");
    let folder = taken(Policy::Layer, archive);
    let root = folder.path().join("root");
    assert_eq!(fs::read_to_string(root.join("a")).expect("file"), "file now");
    assert!(root.join("b/in").exists());
    assert!(root.join("c/own").exists() && !root.join("b/own").exists(), "a folder replaces a symlink");
}

#[test]
fn whiteouts_become_overlays_own() {
    let archive = Archive::new()
        .file("etc/.wh.gone", "")
        .folder("opt/")
        .file("opt/.wh..wh..opq", "")
        .file("opt/kept", "x")
        .folder("both/")
        .file(".wh.both", "")
        .file(".wh.first", "")
        .folder("first/");
    let folder = taken(Policy::Layer, archive);
    let root = folder.path().join("root");
    assert!(is_whiteout(&root.join("etc/gone")));
    assert!(!root.join("etc/.wh.gone").exists());
    assert!(is_opaque(&root.join("opt")) && root.join("opt/kept").exists() && !root.join("opt/.wh..wh..opq").exists());
    assert!(is_opaque(&root.join("both")), "what the layer itself has stays, what is below goes");
    assert!(is_opaque(&root.join("first")));
}

#[test]
fn forged_whiteouts_and_overlay_attributes_are_refused() {
    refused(Policy::Layer, Archive::new().device("x", EntryType::Char, 0, 0), "forged");
    for name in [".wh.", ".wh..", ".wh..wh.x", ".wh.a/b"] {
        refused(Policy::Layer, Archive::new().file(name, ""), "whiteout");
    }
    let archive = Archive::new()
        .pax(&[("SCHILY.xattr.trusted.overlay.opaque", "y"), ("SCHILY.xattr.user.overlay.opaque", "y")])
        .folder("d/");
    let folder = taken(Policy::Layer, archive);
    assert!(!is_opaque(&folder.path().join("root/d")));
}

#[test]
fn device_nodes_are_left_out_or_refused() {
    let usual = || Archive::new().device("dev/null", EntryType::Char, 1, 3);
    for policy in [Policy::Layer, Policy::Import] {
        assert!(!taken(policy, usual()).path().join("root/dev/null").exists());
    }
    let disk = || Archive::new().device("dev/sda", EntryType::Block, 8, 0);
    assert!(!taken(Policy::Layer, disk()).path().join("root/dev/sda").exists());
    refused(Policy::Import, disk(), "device");
    refused(Policy::Import, Archive::new().device("evil", EntryType::Char, 1, 1), "device");
}

#[test]
fn archive_that_is_cut_anywhere_is_refused() {
    let whole = Archive::new().folder("d/").file("d/f", &"x".repeat(3000)).file("g", "y").end();
    for policy in [Policy::Import, Policy::Layer] {
        for length in (1..whole.len() - 1024).step_by(97) {
            let (_folder, result) = unpacked(policy, &whole[..length]);
            // A layer cut between two entries, or in what fills a block up, is found out by its digest.
            let harmless = length % 512 == 0 || (4024..4096).contains(&length) || length >= 4609;
            assert!(result.is_err() || (policy == Policy::Layer && harmless), "{policy:?} {length}");
        }
    }
    let (_folder, result) = unpacked(Policy::Import, &whole[..512]);
    assert!(result.is_err(), "cut between two entries");
    let (_folder, result) = unpacked(Policy::Import, &[0xa5; 4000]);
    assert!(result.is_err(), "no archive at all");
}

#[test]
fn layer_whose_last_block_is_not_filled_up_is_taken() {
    let whole = Archive::new().file("f", "hello").end();
    let (folder, result) = unpacked(Policy::Layer, &whole[..512 + 5]);
    result.expect("as umoci makes them");
    assert_eq!(fs::read_to_string(folder.path().join("root/f")).expect("there"), "hello");
}

#[test]
fn headers_that_eat_memory_are_refused() {
    let mut pax = Archive::header("x", EntryType::XHeader);
    pax.set_size(64 << 20);
    let mut name = Archive::header("x", EntryType::GNULongName);
    name.set_size(8 << 30);
    for header in [pax, name] {
        let mut bytes = Archive::new().raw(header, b"").0;
        bytes.resize(bytes.len() + (4 << 20), b'a');
        let (_folder, result) = unpacked(Policy::Layer, &bytes);
        let error = result.expect_err("too much");
        assert!(error.to_string().contains("1 MiB"), "{error}");
    }
}

#[test]
fn paths_through_files_and_loops_are_the_archives_fault() {
    refused(Policy::Layer, Archive::new().file("f", "x").file("f/in", "x"), "f/in");
    refused(Policy::Layer, Archive::new().symlink("a", "b").symlink("b", "a").file("a/in", "x"), "a/in");
}

#[test]
fn sizes_that_lie_are_refused() {
    let mut huge = Archive::header("f", EntryType::Regular);
    huge.set_size(u64::MAX >> 2);
    refused(Policy::Layer, Archive::new().raw(huge, b"x"), "max_size");
    let pax = Archive::new().pax(&[("size", "5000000")]).file("f", "short");
    refused(Policy::Layer, pax, "cut short");
    let pax = Archive::new().pax(&[("GNU.sparse.major", "1")]).file("f", "x");
    refused(Policy::Layer, pax, "sparse");
}

#[test]
fn long_names_and_control_characters_are_told_in_one_printable_line() {
    let (_folder, result) = unpacked(Policy::Layer, &Archive::new().file("../\u{1b}[2J\nx", "").end());
    let text = result.expect_err("refused").to_string();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    let long = Archive::new().pax(&[("path", &"n".repeat(300))]).file("f", "x");
    refused(Policy::Layer, long, "255");
}

#[test]
fn stop_ends_unpacking() {
    let gauge = Gauge::default();
    gauge.stop();
    let folder = tempfile::tempdir().expect("temporary folder");
    let bytes = Archive::new().file("f", "x").end();
    let result = unpack_digesting(&bytes[..], &job(folder.path(), Policy::Layer), &gauge);
    assert!(matches!(result, Err(ImageError::Cancelled)));
}

#[test]
fn digest_covers_what_follows_the_end_mark() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut bytes = Archive::new().file("f", "x").end();
    bytes.extend_from_slice(&[0; 9000]);
    let plain = unpack_digesting(&bytes[..], &job(folder.path(), Policy::Layer), &Gauge::default()).expect("good");
    assert_eq!(plain.diff_id, Digest::from_sha256(Sha256::digest(&bytes).into()));
    assert_eq!(plain.unpacked, Unpacked { entries: 1, bytes: 1 });
}

/// As [`unpacked`], with limits of the test's own.
fn limited(bytes: &[u8], compressed: Option<u64>, limits: UnpackLimits) -> Result<Plain> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let job = UnpackJob { compressed_bytes: compressed, limits, ..job(folder.path(), Policy::Layer) };
    unpack_digesting(bytes, &job, &Gauge::default())
}

#[test]
fn bombs_are_refused_and_the_error_names_the_limit() {
    let small = UnpackLimits { max_bytes: 100_000, max_ratio: 250, max_entries: 20 };
    let told = |bytes: &[u8], word: &str| {
        let error = limited(bytes, None, small).expect_err("a bomb").to_string();
        assert!(error.contains(word) && error.contains("config.toml"), "{error}");
    };
    told(&Archive::new().file("f", &"x".repeat(200_000)).end(), "max_size");
    let mut said = Archive::header("f", EntryType::Regular);
    said.set_size(1 << 40);
    told(&Archive::new().raw(said, b"").0, "max_size");
    let hole = [("GNU.sparse.size", "1000000000"), ("GNU.sparse.map", "0,1")];
    told(&Archive::new().pax(&hole).file("f", "x").end(), "max_size");
    let many = (0..30).fold(Archive::new(), |archive, n| archive.file(&format!("f{n}"), ""));
    told(&many.end(), "max_files");
    let mut after = Archive::new().file("f", "x").end();
    after.resize(300_000, 0);
    told(&after, "max_size");
    limited(&Archive::new().file("f", "x").end(), Some(1), small).expect("a high ratio of little is no bomb");
}

#[test]
fn mode_of_what_a_symlink_leads_to_is_never_changed() {
    // CVE-2026-33056: a symlink, then a folder of the same name with another mode.
    let folder = tempfile::tempdir().expect("temporary folder");
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    fs::create_dir(&root).expect("folder");
    fs::create_dir(&outside).expect("folder");
    fs::set_permissions(&outside, PermissionsExt::from_mode(0o750)).expect("mode");
    symlink(&outside, root.join("planted")).expect("symlink");
    let open = |name: &str| {
        let mut header = Archive::header(name, EntryType::Directory);
        header.set_mode(0o777);
        header
    };
    let bytes = Archive::new()
        .folder("inside/")
        .symlink("foo", "/inside")
        .raw(open("foo/."), b"")
        .raw(open("planted"), b"")
        .file("planted/file", "x")
        .end();
    unpack_digesting(&bytes[..], &job(&root, Policy::Layer), &Gauge::default()).expect("unpacked");
    let mode = |path: &Path| fs::symlink_metadata(path).expect("there").mode() & 0o170_777;
    assert_eq!((mode(&outside), mode(&root.join("inside"))), (0o040_750, 0o040_755));
    assert_eq!((mode(&root.join("foo")), mode(&root.join("planted"))), (0o040_777, 0o040_777), "folders now");
    assert_eq!(fs::read_dir(&outside).expect("list").count(), 0);
}

#[test]
fn folder_that_is_swapped_for_a_symlink_leads_nowhere_else() {
    let archive = Archive::new()
        .folder("a/")
        .file("a/first", "x")
        .symlink("a", "/b")
        .folder("b/")
        .file("a/second", "y")
        .hard_link("c", "a/second");
    let folder = taken(Policy::Layer, archive);
    let root = folder.path().join("root");
    assert!(!root.join("b/first").exists(), "it went with its folder");
    assert_eq!(fs::read_to_string(root.join("b/second")).expect("through the symlink, inside"), "y");
    assert_eq!(fs::read_to_string(root.join("c")).expect("linked"), "y");
    let mut closed = Archive::header("d", EntryType::Directory);
    closed.set_mode(0o700);
    let archive = Archive::new().folder("e/").raw(closed, b"").symlink("d", "/e");
    let folder = taken(Policy::Layer, archive);
    let mode = fs::metadata(folder.path().join("root/e")).expect("there").mode() & 0o777;
    assert_eq!(mode, 0o755, "the metadata of the folder that is gone goes to nobody");
}

#[test]
fn opaque_marks_in_odd_places_hide_no_more_than_their_folder() {
    let archive = Archive::new()
        .file(".wh..wh..opq", "with content")
        .file("new/deep/.wh..wh..opq", "")
        .folder("as-folder/.wh..wh..opq/")
        .symlink("as-link/.wh..wh..opq", "/etc")
        .symlink("door", "/behind")
        .folder("behind/")
        .file("door/.wh..wh..opq", "");
    let folder = taken(Policy::Layer, archive);
    let root = folder.path().join("root");
    for name in ["", "new/deep", "as-folder", "as-link", "behind"] {
        assert!(is_opaque(&root.join(name)), "{name}");
        assert!(!root.join(name).join(".wh..wh..opq").exists(), "{name}");
    }
    assert!(!is_opaque(&root.join("new")));
    refused(Policy::Layer, Archive::new().file("f", "x").file("f/.wh..wh..opq", ""), "f/.wh..wh..opq");
    for name in [".wh...", "a/.wh..", ".wh..wh..opq/in", ".wh..wh..wh..opq"] {
        let (_folder, result) = unpacked(Policy::Layer, &Archive::new().file(name, "").end());
        assert!(result.is_err() || name == ".wh...", "{name}");
    }
}

#[test]
fn names_of_any_bytes_and_of_the_longest_length_are_taken() {
    use std::os::unix::ffi::OsStrExt;
    let mut odd = Archive::header("", EntryType::Regular);
    odd.as_old_mut().name[..6].copy_from_slice(b"\xff\xfe\n\x1b a");
    let longest = "n".repeat(255);
    let deep = vec!["d".repeat(255); 15].join("/");
    let archive = Archive::new()
        .raw(odd, b"")
        .long(&longest)
        .file("short", "x")
        .long(&deep)
        .file("short", "y")
        .pax(&[("path", &"\u{fc}".repeat(127))])
        .file("short", "z");
    let folder = taken(Policy::Layer, archive);
    let root = folder.path().join("root");
    assert!(root.join(std::ffi::OsStr::from_bytes(b"\xff\xfe\n\x1b a")).exists());
    assert_eq!(fs::read_to_string(root.join(longest)).expect("255 bytes"), "x");
    assert_eq!(fs::read_to_string(root.join("\u{fc}".repeat(127))).expect("127 letters"), "z");
    refused(Policy::Layer, Archive::new().long(&"n".repeat(256)).file("short", "x"), "255");
    refused(Policy::Layer, Archive::new().long(&("d/".repeat(2100) + "x")).file("short", "x"), "4095");
}

#[test]
fn holes_stay_holes_and_attributes_come_to_files_that_are_closed() {
    let sparse = [("GNU.sparse.size", "50000000"), ("GNU.sparse.map", "0,1,49999999,1")];
    let mut closed = Archive::header("closed", EntryType::Regular);
    closed.set_mode(0o444);
    let archive =
        Archive::new().pax(&sparse).file("holes", "ab").pax(&[("SCHILY.xattr.user.note", "kept")]).raw(closed, b"");
    let folder = taken(Policy::Layer, archive);
    let root = folder.path().join("root");
    let holes = fs::metadata(root.join("holes")).expect("there");
    assert_eq!(holes.len(), 50_000_000);
    assert!(holes.blocks() * 512 < 1_000_000, "{} blocks", holes.blocks());
    let file = fs::File::open(root.join("closed")).expect("readable");
    let attributes = crate::sys::in_root::attributes(&file).expect("attributes");
    assert!(attributes.contains(&("user.note".into(), b"kept".to_vec())), "{attributes:?}");
    assert_eq!(file.metadata().expect("there").mode() & 0o777, 0o444);
    let many = "v".repeat(60_000);
    let (_folder, result) =
        unpacked(Policy::Layer, &Archive::new().pax(&[("SCHILY.xattr.user.big", &many)]).file("f", "").end());
    let told = result.map_err(|error| error.kind());
    assert!(matches!(told, Ok(_) | Err(ErrorKind::Corrupt)), "never a full disk: {told:?}");
}

#[test]
fn hundred_thousand_entries_are_unpacked() {
    let mut archive = Archive::new().folder("many/");
    archive.0.reserve(80 << 20);
    for number in 0..50_000 {
        archive = archive.file(&format!("many/{number}"), "");
        archive = archive.symlink(&format!("many/l{number}"), "0");
    }
    let start = std::time::Instant::now();
    let (_folder, result) = unpacked(Policy::Layer, &archive.end());
    assert_eq!(result.expect("unpacked").unpacked.entries, 100_001);
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
