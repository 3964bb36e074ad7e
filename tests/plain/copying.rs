//! `teu cp` without packages: into containers whose image has no program at all, and by Docker's rules about paths.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use crate::support::Teu;
use crate::support::oci::{Entry, tar_of};

/// A container that was never started, of an image that could not run anything: nothing of it can be of help.
fn bare(teu: &Teu) {
    let entries = [
        Entry::folder("etc/"),
        Entry::file("etc/hello", b"hello\n"),
        Entry::folder("srv/"),
        Entry::folder("srv/deep/"),
        Entry::file("srv/deep/file", b"deep\n"),
        Entry::symlink("srv/link", "deep"),
        Entry::symlink("srv/away", "/etc"),
    ];
    teu.run_fed(&["import", "-c", "CMD [\"/none\"]", "-", "bare"], &tar_of(&entries)).ok();
    teu.ok(&["create", "--name", "box", "bare"]);
    // Images may have no such link, containers may.
    teu.run_fed(&["cp", "-", "box:/srv"], &tar_of(&[Entry::symlink("up", "../../../etc/hello")])).ok();
}

fn content(teu: &Teu, path: &str) -> String {
    let tar = teu.run(&["cp", &format!("box:{path}"), "-"]).ok().stdout;
    let mut archive = tar::Archive::new(tar.as_slice());
    let mut entry = archive.entries().expect("a tar").next().expect("an entry").expect("whole");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut entry, &mut text).expect("text");
    text
}

#[test]
fn copies_into_a_container_land_by_dockers_rules() {
    let teu = Teu::new();
    bare(&teu);
    let work = teu.work();
    fs::write(work.join("file"), "file").expect("write");
    fs::create_dir_all(work.join("from/inner")).expect("folders");
    fs::write(work.join("from/inner/x"), "x").expect("write");
    for (source, target, landed) in [
        ("file", "/etc", "/etc/file"),
        ("file", "/etc/", "/etc/file"),
        ("file", "etc/new", "/etc/new"),
        ("./file", "/etc/hello", "/etc/hello"),
        ("file", "/srv/up", "/etc/hello"),
        ("file", "/srv/link/", "/srv/deep/file"),
    ] {
        teu.ok(&["cp", source, &format!("box:{target}")]);
        assert_eq!(content(&teu, landed), "file", "{source} to {target}");
    }
    for (source, target, landed) in [
        ("from", "/srv", "/srv/from/inner/x"),
        ("from/.", "/srv", "/srv/inner/x"),
        ("from/", "/srv/away", "/etc/from/inner/x"),
        ("from", "/made", "/made/inner/x"),
        ("from/.", "/made2/", "/made2/inner/x"),
    ] {
        teu.ok(&["cp", source, &format!("box:{target}")]);
        assert_eq!(content(&teu, landed), "x", "{source} to {target}");
    }
    for (source, target, words) in [
        ("file", "/none/new", &["/none/new", "does not exist"][..]),
        ("file", "/none/", &["/none/", "does not exist"]),
        ("file", "/etc/hello/", &["not a folder"]),
        ("from", "/etc/hello", &["folder", "/etc/hello"]),
        ("from", "/none/deeper/x", &["does not exist"]),
        ("nothing", "/etc", &["nothing"]),
        ("file/", "/etc", &["file"]),
    ] {
        teu.run(&["cp", source, &format!("box:{target}")]).fails(1, words);
    }
    assert_eq!(teu.state("box"), "created", "a copy is no start");
    assert!(teu.ok(&["diff", "box"]).contains("A /made/inner/x"));
}

#[test]
fn copies_out_of_a_container_land_by_dockers_rules() {
    let teu = Teu::new();
    bare(&teu);
    let work = teu.work();
    fs::create_dir(work.join("there")).expect("folder");
    fs::write(work.join("plain"), "old").expect("write");
    symlink("there", work.join("link")).expect("symlink");
    let text = |path: &str| fs::read_to_string(work.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    for (source, target, landed, expected) in [
        ("/etc/hello", "there", "there/hello", "hello\n"),
        ("/etc/hello", "new", "new", "hello\n"),
        ("etc/hello", "plain", "plain", "hello\n"),
        ("/srv/deep", "there", "there/deep/file", "deep\n"),
        ("/srv/deep/.", "there", "there/file", "deep\n"),
        ("/srv/deep", "made", "made/file", "deep\n"),
        ("/srv/link/", "followed", "followed/file", "deep\n"),
        ("/srv/deep/../deep/file", "link/", "there/file", "deep\n"),
    ] {
        teu.ok(&["cp", &format!("box:{source}"), target]);
        assert_eq!(text(landed), expected, "{source} to {target}");
    }
    teu.ok(&["cp", "box:/srv/link", "as-link"]);
    assert_eq!(fs::read_link(work.join("as-link")).expect("a link").to_str(), Some("deep"));
    teu.ok(&["cp", "-L", "box:/srv/up", "as-file"]);
    assert_eq!(text("as-file"), "hello\n");
    let device = work.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &device, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("fifo");
    for (source, target, words) in [
        ("/nothing", "x", &["could not find", "/nothing"][..]),
        ("/etc/hello/", "x", &["not a folder"]),
        ("/etc", "plain", &["folder", "plain"]),
        ("/etc/hello", "none/x", &["does not exist"]),
        ("/etc/hello", "none/", &["does not exist"]),
        ("/etc/hello", "pipe", &["pipe"]),
        ("/etc/hello", "/dev/null", &["/dev/null", "device"]),
    ] {
        teu.run(&["cp", &format!("box:{source}"), target]).fails(1, words);
    }
    assert!(fs::metadata("/dev/null").expect("it is there").file_type().is_char_device());
}

#[test]
fn what_is_no_copy_is_told() {
    let teu = Teu::new();
    bare(&teu);
    teu.run(&["cp", "a", "b"]).fails(125, &["CONTAINER:PATH"]);
    teu.run(&["cp", "box:/a", "other:/b"]).fails(125, &["between containers", "teu cp"]);
    teu.run(&["cp", "none:/a", "b"]).fails(1, &["no such container"]);
    teu.run(&["cp", "box:", "b"]).fails(125, &["path"]);
    teu.run(&["cp", ":/a", "b"]).fails(125, &["name"]);
    teu.run_fed(&["cp", "-", "box:/etc/hello"], b"").fails(1, &["folder"]);
    teu.run_fed(&["cp", "-", "box:/etc"], b"this is no archive, however long one looks at it").fails(1, &["archive"]);
    teu.run(&["cp", "/nothing/at/all", "box:/"]).fails(1, &["/nothing/at/all"]);
}

#[test]
fn archives_flow_through_stdin_and_stdout() {
    let teu = Teu::new();
    bare(&teu);
    let tar = tar_of(&[Entry::folder("in/"), Entry::file("in/one", b"1"), Entry::symlink("in/two", "one")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar).expect("to memory");
    teu.run_fed(&["cp", "-", "box:/srv"], &tar).ok();
    teu.run_fed(&["cp", "-q", "-", "box:/etc"], &gzip.finish().expect("to memory")).ok();
    let output = teu.run(&["cp", "box:/srv/in", "-"]).ok();
    let mut archive = tar::Archive::new(output.stdout.as_slice());
    let names: Vec<String> = archive
        .entries()
        .expect("a tar")
        .map(|entry| entry.expect("whole").path().expect("path").display().to_string())
        .collect();
    assert_eq!(names, ["in/", "in/one", "in/two"]);
    assert_eq!(content(&teu, "/etc/in/one"), "1");
    // An archive that is cut off, and one that climbs out.
    teu.run_fed(&["cp", "-", "box:/srv"], &tar[..700]).fails(1, &["archive"]);
    let mut climbing = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..11].copy_from_slice(b"../../../up");
    header.set_size(0);
    header.set_cksum();
    climbing.append(&header, std::io::empty()).expect("to memory");
    teu.run_fed(&["cp", "-", "box:/srv"], &climbing.into_inner().expect("to memory")).fails(1, &["leads out"]);
}

#[test]
fn modes_and_times_are_kept_and_owners_are_the_callers() {
    let teu = Teu::new();
    bare(&teu);
    let file = teu.work().join("file");
    fs::write(&file, "x").expect("write");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).expect("chmod");
    let before = fs::metadata(&file).expect("stat");
    teu.ok(&["cp", "file", "box:/srv/file"]);
    teu.ok(&["cp", "box:/srv/file", "back"]);
    let after = fs::metadata(teu.work().join("back")).expect("stat");
    assert_eq!((after.mtime(), after.mtime_nsec()), (before.mtime(), before.mtime_nsec()));
    assert_eq!(after.permissions().mode() & 0o7777, 0o751, "set-user-id stays in the container");
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
}

#[test]
fn small_files_and_a_sparse_one_come_back_whole() {
    let teu = Teu::new();
    bare(&teu);
    let many = teu.work().join("many");
    fs::create_dir(&many).expect("folder");
    for number in 0..300 {
        fs::write(many.join(format!("file-{number}")), format!("{number}")).expect("write");
    }
    let sparse = fs::File::create(many.join("sparse")).expect("file");
    sparse.set_len(512 << 20).expect("length");
    teu.ok(&["cp", "many", "box:/srv"]);
    teu.ok(&["cp", "box:/srv/many", "back"]);
    let back = teu.work().join("back");
    assert_eq!(fs::read_dir(&back).expect("list").count(), 301);
    assert_eq!(fs::read_to_string(back.join("file-299")).expect("read"), "299");
    let data = fs::metadata(back.join("sparse")).expect("stat");
    assert_eq!(data.len(), 512 << 20);
    assert!(data.blocks() < 4096, "{} blocks: holes stay holes", data.blocks());
}

#[test]
fn host_images_containers_take_and_give_files() {
    let teu = Teu::new();
    fs::write(teu.work().join("file"), "from outside").expect("write");
    teu.ok(&["run", "-d", "--name", "mine", "host", "sh", "-c", "echo inside > /tmp/made; exec sleep 100"]);
    crate::support::wait_for("the file", crate::support::SECOND * 30, || {
        (teu.run(&["cp", "mine:/tmp/made", "made"]).code == 0).then_some(())
    });
    assert_eq!(fs::read_to_string(teu.work().join("made")).expect("read"), "inside\n");
    teu.ok(&["cp", "file", "mine:/usr/teu-test-file"]);
    assert_eq!(teu.ok(&["exec", "mine", "cat", "/usr/teu-test-file"]), "from outside");
    assert!(!std::path::Path::new("/usr/teu-test-file").exists(), "it is in the container only");
    let changes = teu.ok(&["diff", "mine"]);
    assert!(changes.lines().any(|line| line == "A /usr/teu-test-file"), "{changes}");
    teu.run(&["commit", "mine", "new"]).fails(1, &["host image", "teu export"]);
    teu.run(&["cp", "mine:/proc/version", "x"]).fails(1, &["kernel", "teu exec"]);
    teu.ok(&["rm", "-f", "mine"]);
}
