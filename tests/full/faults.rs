//! Faults of the machine and hostile text: a full disk, endless lines, escape sequences everywhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::oci::{Entry, Image, Layer, Packing, tar_of};
use crate::support::{Registry, SECOND, Teu, need, process};

/// A small tmpfs of its own, unmounted when the test is done.
pub struct SmallDisk(pub PathBuf, #[expect(dead_code, reason = "kept for its removal at the end")] tempfile::TempDir);

impl SmallDisk {
    pub fn new(megabytes: usize) -> Self {
        need::root();
        let folder = tempfile::Builder::new().prefix("teu-small.").tempdir().expect("a temporary folder");
        let place = folder.path().join("disk");
        std::fs::create_dir(&place).expect("a folder");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "teu-test"]).arg(&place);
        process::run(&mut command, b"", SECOND * 10).ok();
        Self(place, folder)
    }

    pub fn fill(&self) -> PathBuf {
        let file = self.0.join("filler");
        let mut command = Command::new("dd");
        command.args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", file.display()));
        process::run(&mut command, b"", SECOND * 30);
        file
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| if e.file_type().is_ok_and(|kind| kind.is_dir()) { files_below(&e.path()) } else { 1 }).sum()
}

#[test]
fn full_disk_during_a_pull_is_told_and_leaves_nothing() {
    let _alone = crate::support::alone();
    let disk = SmallDisk::new(60);
    let registry = Registry::new();
    let teu = Teu::within(&disk.0, None);
    let output = teu.run(&["pull", &registry.reference("debian:bookworm")]);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["no space left"]);
    for folder in ["layers", "partial", "blobs"] {
        assert_eq!(files_below(&teu.root().join("image").join(folder)), 0, "{folder} holds what is of no use");
    }
    // There is room again: the small image fits.
    teu.ok(&["pull", &registry.reference("busybox")]);
    assert_eq!(teu.ok(&["run", "--rm", &registry.reference("busybox"), "echo", "fits"]), "fits");
}

#[test]
fn full_disk_at_every_other_verb_is_told() {
    let _alone = crate::support::alone();
    let disk = SmallDisk::new(40);
    let teu = Teu::within(&disk.0, None);
    teu.import_tiny();
    teu.ok(&[
        "run",
        "-d",
        "--name",
        "before",
        "tiny",
        "sh",
        "-c",
        "while :; do echo a line that has to go somewhere; sleep 0.01; done",
    ]);
    let filler = disk.fill();
    for arguments in [
        &["create", "tiny", "true"][..],
        &["run", "--rm", "tiny", "true"],
        &["import", "/bin/busybox", "x"],
        &["rename", "before", "after"],
    ] {
        let output = teu.run(arguments);
        output.no_panic();
        if output.code != 0 {
            output.explains(&[]);
        }
    }
    assert_eq!(
        teu.ok(&["ps", "--format", "{{.State}}"]).lines().next(),
        Some("running"),
        "the running container does not care"
    );
    std::fs::remove_file(filler).expect("remove");
    let name = teu.ok(&["ps", "--format", "{{.Names}}"]);
    teu.ok(&["rm", "-f", &name]);
    assert_eq!(teu.ok(&["run", "--rm", "tiny", "echo", "again"]), "again");
}

#[test]
fn images_are_removed_from_a_full_disk() {
    let _alone = crate::support::alone();
    let disk = SmallDisk::new(30);
    let teu = Teu::within(&disk.0, None);
    let store = teu.root().join("image");
    for round in 0..2 {
        teu.import_tiny();
        teu.run_fed(&["import", "-", "other"], &tar_of(&[Entry::file("x", b"x")])).ok();
        let filler = disk.fill();
        teu.run(&["tag", "tiny", "no-room"]).fails(1, &["no space left"]);
        if round == 0 {
            teu.ok(&["rmi", "other", "tiny"]);
        } else {
            teu.ok(&["image", "prune", "-af"]);
        }
        assert_eq!(files_below(&store.join("layers")) + files_below(&store.join("blobs")), 0);
        std::fs::remove_file(filler).expect("remove");
    }
    assert!(teu.ok(&["system", "check"]).ends_with("all whole"));
}

#[test]
fn log_line_of_ten_megabytes_is_kept_whole() {
    let teu = Teu::new();
    teu.import_tiny();
    let script = "head -c 9000000 /dev/zero | tr '\\0' x; echo; echo after";
    teu.ok(&["run", "-d", "--name", "long", "tiny", "sh", "-c", script]);
    teu.ok(&["wait", "long"]);
    let text = teu.run(&["logs", "long"]).ok();
    assert!(text.stdout.ends_with(b"x\nafter\n") || text.stdout.ends_with(b"\nafter\n"), "the end is missing");
    assert!(
        text.stdout.iter().filter(|byte| **byte == b'x').count() >= 8_000_000,
        "{} bytes are left",
        text.stdout.len()
    );
}

#[test]
fn log_is_rotated_and_bounded() {
    let teu = Teu::new();
    teu.import_tiny();
    teu.ok(&[
        "run",
        "--name",
        "chatty",
        "-d",
        "tiny",
        "sh",
        "-c",
        "yes 0123456789012345678901234567890123456789 | head -c 60000000; echo the-end",
    ]);
    teu.ok(&["wait", "chatty"]);
    let folder = teu.root().join("containers");
    let id = std::fs::read_dir(folder).expect("containers").flatten().next().expect("one").path();
    let bytes: u64 = std::fs::read_dir(&id)
        .expect("list")
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("container.log"))
        .map(|e| e.metadata().map_or(0, |data| data.len()))
        .sum();
    assert!(bytes < 45 << 20, "{bytes} bytes of log");
    assert!(bytes > 5 << 20, "{bytes} bytes of log");
    assert!(teu.ok(&["logs", "--tail", "1", "chatty"]).contains("the-end"));
}

#[test]
fn escape_sequences_are_shown_and_never_obeyed() {
    let teu = Teu::new();
    teu.import_tiny();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let label = format!("evil={evil}");
    teu.ok(&["create", "--name", "masked", "-l", &label, "tiny", "echo", evil]);
    // In a terminal; into a file or pipe it goes unchanged, for programs that read it, as with ls.
    for arguments in [
        &["ps", "-a"][..],
        &["ps", "-a", "--no-trunc"],
        &["inspect", "masked"],
        &["ps", "-a", "--format", "{{.Labels}} {{.Command}}"],
    ] {
        let mut pty = teu.pty(arguments);
        assert_eq!(pty.wait_exit(), 0, "{pty}");
        let raw = pty.raw();
        for obeyed in ["\u{1b}]0;", "\u{1b}[2J", "\u{7}", "\u{9b}", "\u{202e}"] {
            assert!(!raw.contains(obeyed), "{arguments:?}: {}", raw.escape_debug());
        }
    }
    // Errors that repeat what the user or the image said.
    for arguments in [&["inspect", evil][..], &["run", "--rm", "tiny", evil], &["pull", evil], &["run", "--rm", evil]] {
        let output = teu.run(arguments);
        assert_ne!(output.code, 0, "{output}");
        output.explains(&[]);
    }
    // What a process prints is its own, as with Docker: unchanged for programs that read it.
    let output = teu.run(&["start", "-a", "masked"]).ok();
    assert_eq!(output.text(), evil);
}

#[test]
fn hostile_image_configuration_is_shown_and_never_obeyed() {
    let teu = Teu::new();
    let registry = Registry::empty();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J";
    let config = serde_json::json!({
        "Env": [format!("X={evil}"), "=", "novalue", "PATH=/bin"],
        "Cmd": [format!("/bin/{evil}")],
        "User": evil,
        "WorkingDir": format!("/{evil}"),
        "Labels": { evil: evil },
    });
    let layer = Layer::new(&tar_of(&[Entry::folder("bin/"), Entry::file(&format!("bin/x{evil}"), b"")]), Packing::Gzip);
    registry.push(&Image::new(config, vec![layer]), "evil");
    teu.ok(&["pull", &registry.reference("evil")]);
    for arguments in
        [&["images"][..], &["inspect", &registry.reference("evil")], &["run", "--rm", &registry.reference("evil")]]
    {
        let output = teu.run(arguments);
        for bytes in [&output.stdout, &output.stderr] {
            assert!(!bytes.contains(&0x1b) && !bytes.contains(&0x07), "{output}");
        }
        output.no_panic();
    }
}
