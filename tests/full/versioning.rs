//! `teu diff`, `commit` and `history` with containers that run: what they tell is what was done, and other tools read it.

use std::process::Command;
use std::sync::Arc;

use crate::support::user::Range;
use crate::support::{Registry, SECOND, Teu, User, need, process, wait_for};

const CHANGES: &str = "echo more >> /etc/passwd; rm /etc/only-in-the-image; mkdir /made; echo x > /made/file; \
    rm -r /home/app; mkdir /home/app; echo y > /home/app/new; mv /home /moved; echo up; exec sleep 1000";

const EXPECTED: [&str; 10] = [
    "C /etc",
    "D /etc/only-in-the-image",
    "C /etc/passwd",
    "D /home",
    "A /made",
    "A /made/file",
    "A /moved",
    "A /moved/app",
    "A /moved/app/new",
    "A /owned",
];

fn walk(teu: &Teu, owners: bool) {
    teu.import_tiny();
    let owned = if owners { "touch /owned; chown 1000:50 /owned; " } else { "touch /owned; " };
    teu.ok(&["run", "-d", "--name", "box", "tiny", "sh", "-c", &format!("{owned}{CHANGES}")]);
    wait_for("the changes", SECOND * 30, || teu.ok(&["logs", "box"]).contains("up").then_some(()));
    let running = teu.ok(&["diff", "box"]);
    assert_eq!(running.lines().collect::<Vec<_>>(), EXPECTED, "running");
    let id = teu.ok(&["commit", "-m", "while it ran", "-c", "CMD [\"cat\", \"/moved/app/new\"]", "box", "made:1"]);
    assert_eq!(teu.state("box"), "running", "it goes on");
    teu.ok(&["kill", "box"]);
    teu.wait_state("box", "exited");
    assert_eq!(teu.ok(&["diff", "box"]), running, "stopped");
    let second = teu.ok(&["commit", "box"]);
    assert_ne!(id, second);
    assert_eq!(teu.ok(&["run", "--rm", "made:1"]), "y");
    let script = "cat /made/file; ls -A /; tail -n 1 /etc/passwd; stat -c %u:%g /owned; ls /etc";
    let text = teu.ok(&["run", "--rm", "made:1", "sh", "-c", script]);
    for word in ["x\n", "more\n", "moved", if owners { "1000:50" } else { "0:0" }] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(!text.contains("home") && !text.contains("only-in-the-image"), "{text}");
    let sizes = teu.ok(&["history", "--human=false", "--format", "{{.Size}} {{.Comment}}", "made:1"]);
    assert!(
        sizes.lines().next().is_some_and(|line| line.ends_with("while it ran") && !line.starts_with("0 ")),
        "{sizes}"
    );
    teu.ok(&["rm", "box"]);
    teu.ok(&["rmi", "made:1", &second]);
}

#[test]
fn root_compares_and_commits() {
    need::root();
    walk(&Teu::new(), true);
}

#[test]
fn users_compare_and_commit() {
    walk(&Teu::of_user(&Arc::new(User::new(Range::Given))), true);
    walk(&Teu::of_user(&Arc::new(User::new(Range::Missing))), false);
}

/// The pair of files is written one after the other; only a container that stands still shows both of one number or the
/// first one step ahead.
#[test]
fn committed_container_stands_still_meanwhile() {
    need::root();
    let teu = Teu::new();
    teu.import_tiny();
    let script = "n=0; while :; do n=$((n+1)); echo $n > /a; echo $n > /z; done";
    teu.ok(&["run", "-d", "--name", "busy", "tiny", "sh", "-c", script]);
    std::thread::sleep(SECOND / 4);
    for round in 0..5 {
        let image = format!("still:{round}");
        teu.ok(&["commit", "--pause", "busy", &image]);
        let text = teu.ok(&["run", "--rm", &image, "cat", "/a", "/z"]);
        let numbers: Vec<i64> = text.lines().filter_map(|line| line.parse().ok()).collect();
        // A file that is just being written is empty.
        if let [first, last] = numbers[..] {
            assert!((0..=1).contains(&(first - last)), "{numbers:?}");
        }
        assert_eq!(teu.state("busy"), "running");
    }
    teu.ok(&["pause", "busy"]);
    teu.ok(&["commit", "busy", "still:paused"]);
    assert_eq!(teu.state("busy"), "paused", "who was paused stays so");
    teu.ok(&["rm", "-f", "busy"]);
}

#[test]
fn interrupted_commit_lets_the_container_go_on() {
    need::root();
    let teu = Teu::new();
    teu.import_tiny();
    teu.ok(&[
        "run",
        "-d",
        "--name",
        "big",
        "tiny",
        "sh",
        "-c",
        "head -c 400m /dev/urandom > /f; echo up; exec sleep 1000",
    ]);
    wait_for("the file", SECOND * 30, || teu.ok(&["logs", "big"]).contains("up").then_some(()));
    let running = teu.spawn(&["commit", "big", "never"]);
    teu.wait_state("big", "paused");
    process::run(Command::new("kill").args(["-INT", &running.id().to_string()]), b"", SECOND * 5).ok();
    let mut running = running;
    assert_eq!(running.wait(SECOND * 20), Some(130));
    teu.wait_state("big", "running");
    assert!(!teu.ok(&["images"]).contains("never"));
    teu.ok(&["rm", "-f", "big"]);
}

#[test]
fn committed_image_is_read_by_skopeo_pushed_and_pulled() {
    need::root();
    let teu = Teu::new();
    teu.import_tiny();
    teu.ok(&[
        "run",
        "--name",
        "box",
        "tiny",
        "sh",
        "-c",
        "rm /etc/only-in-the-image; echo new > /etc/new; chown 5:6 /etc/new",
    ]);
    let registry = Registry::empty();
    let name = registry.reference("made:1");
    teu.ok(&["commit", "-a", "Ada", "box", &name]);
    let copy = teu.work().join("copy");
    let mut command = Command::new(need::program("skopeo", "skopeo"));
    command.args(["--insecure-policy", "copy"]).arg(format!("oci:{}:{name}", teu.root().join("image").display()));
    process::run(command.arg(format!("oci:{}:it", copy.display())), b"", SECOND * 60).ok();
    let mut command = Command::new(need::program("skopeo", "skopeo"));
    command.args(["inspect", "--config"]).arg(format!("oci:{}:it", copy.display()));
    let text = process::run(&mut command, b"", SECOND * 20).ok().text();
    let config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(config["author"], "Ada", "{config}");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().expect("a list").len(), 2, "{config}");

    teu.ok(&["push", &name]);
    teu.ok(&["rm", "box"]);
    teu.ok(&["rmi", &name]);
    teu.ok(&["pull", &name]);
    let script = "cat /etc/new; stat -c %u:%g /etc/new; ls /etc";
    let text = teu.ok(&["run", "--rm", &name, "sh", "-c", script]);
    assert!(text.contains("new\n5:6\n") && !text.contains("only-in-the-image"), "{text}");
}
