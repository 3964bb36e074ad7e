//! The registry's story with a real docker-registry: search, pull, run, attach, remove; and skopeo reads the store.

use std::process::Command;

use crate::support::debian::MANY;
use crate::support::pty::key;
use crate::support::{Registry, SECOND, Teu, need, process};

#[test]
fn search_finds_repositories_and_tags_of_a_private_registry() {
    let teu = Teu::new();
    let registry = Registry::new();
    let text = teu.ok(&["search", &registry.reference("busy")]);
    assert!(text.contains("busybox") && text.contains("team/busybox"), "{text}");
    assert!(!text.contains("debian"), "{text}");
    // Fuzzy: letters in order are enough.
    assert!(teu.ok(&["search", &registry.reference("bsbx")]).contains("busybox"));
    assert_eq!(
        teu.ok(&["search", &registry.reference("zzzz")]).lines().filter(|line| line.contains("busybox")).count(),
        0
    );
}

#[test]
fn debian_of_four_layers_is_pulled_run_and_attached() {
    let teu = Teu::new();
    let registry = Registry::new();
    let image = registry.reference("debian:bookworm");
    teu.ok(&["pull", &image]);
    let script = "cat /etc/debian_version /etc/motd; ls /opt/many | wc -l; cat /opt/many/0; ls /opt/many/1 /usr/share/doc 2>&1 | grep -c 'No such'; \
        ls /opt/replaced; greet you; stat -c %h /opt/link-to-greet; echo $DEBIAN; dpkg --version | head -1 | cut -c1-6";
    let text = teu.ok(&["run", "--rm", &image, "bash", "-c", script]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("12."), "{text}");
    let expected = [
        "from the third layer",
        &(MANY - 1).to_string(),
        "changed",
        "2",
        "new",
        "hello from debian, you",
        "2",
        "bookworm",
        "Debian",
    ];
    assert_eq!(lines[1..], expected, "{text}");
    // The image's own command is bash; its terminal works.
    let mut pty = teu.pty(&["run", "-it", "--name", "deb", &image]);
    pty.wait_for("root@");
    pty.send("id -un; tput cols 2>/dev/null || echo 120\r");
    pty.wait_for("root\n");
    pty.wait_for("120");
    pty.send("exit\r");
    assert_eq!(pty.wait_exit(), 0);
    // In use: not removable without force.
    teu.run(&["rmi", &image]).explains(&["deb"]);
    teu.ok(&["rm", "deb"]);
    teu.ok(&["rmi", &image]);
    assert_eq!(std::fs::read_dir(teu.root().join("image/layers")).map_or(0, Iterator::count), 0);
}

#[test]
fn run_pulls_what_is_missing() {
    let teu = Teu::new();
    let registry = Registry::new();
    let image = registry.reference("busybox");
    let output = teu.run(&["run", "--rm", &image, "cat", "/etc/only-in-the-image"]).ok();
    assert_eq!(output.text(), "tiny", "the pull's words must not mix with the container's output: {output}");
    teu.run(&["run", "--rm", "--pull", "never", &registry.reference("debian"), "true"]).fails(125, &["debian"]);
}

#[test]
fn layers_are_shared_between_images() {
    let teu = Teu::new();
    let registry = Registry::new();
    teu.ok(&["pull", &registry.reference("busybox:1")]);
    teu.ok(&["pull", &registry.reference("team/busybox")]);
    let layers = || std::fs::read_dir(teu.root().join("image/layers")).map_or(0, Iterator::count);
    assert_eq!(layers(), 1);
    teu.ok(&["rmi", &registry.reference("busybox:1")]);
    assert_eq!(layers(), 1, "the other image still needs it");
    assert_eq!(teu.ok(&["run", "--rm", &registry.reference("team/busybox"), "echo", "whole"]), "whole");
}

#[test]
fn password_comes_from_dockers_configuration() {
    let teu = Teu::new();
    let registry = Registry::with_password();
    teu.run(&["pull", &registry.reference("busybox")]).explains(&["teu login"]);
    let folder = teu.folder().join("home/.docker");
    std::fs::create_dir_all(&folder).expect("a folder");
    // user:secret in base64.
    let config = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"dXNlcjpzZWNyZXQ=\"}}}}}}", registry.address);
    std::fs::write(folder.join("config.json"), config).expect("write");
    teu.ok(&["pull", &registry.reference("busybox")]);
}

#[test]
fn unknown_names_and_tags_are_told() {
    let teu = Teu::new();
    let registry = Registry::new();
    teu.run(&["pull", &registry.reference("nothing")]).explains(&["nothing"]);
    teu.run(&["pull", &registry.reference("busybox:no-such-tag")]).explains(&["no-such-tag"]);
    teu.run(&["run", "--rm", &registry.reference("nothing"), "true"]).fails(125, &["nothing"]);
    assert!(teu.names().is_empty());
}

#[test]
fn skopeo_reads_the_store_as_an_oci_layout() {
    let teu = Teu::new();
    let registry = Registry::new();
    teu.ok(&["pull", &registry.reference("debian:bookworm")]);
    let store = teu.root().join("image");
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(store.join("index.json")).expect("index.json")).expect("JSON");
    let name =
        index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"].as_str().expect("a name").to_owned();
    let target = teu.work().join("copy");
    let mut command = Command::new(need::program("skopeo", "skopeo"));
    command
        .args(["--insecure-policy", "copy"])
        .arg(format!("oci:{}:{name}", store.display()))
        .arg(format!("oci:{}:it", target.display()));
    process::run(&mut command, b"", SECOND * 120).ok();
    assert!(
        std::fs::read_dir(target.join("blobs/sha256")).expect("blobs").count() >= 6,
        "four layers, configuration, manifest"
    );
}

#[test]
fn pull_that_is_interrupted_can_be_repeated() {
    let teu = Teu::new();
    let registry = Registry::new();
    let image = registry.reference("debian:bookworm");
    for delay in [50, 150, 300, 600] {
        let mut running = teu.spawn(&["pull", &image]);
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let _ = running.child.kill();
        let _ = running.wait(SECOND * 5);
    }
    teu.ok(&["pull", &image]);
    assert_eq!(teu.ok(&["run", "--rm", &image, "cat", "/opt/replaced/new"]), "new");
    teu.ok(&["rmi", &image]);
    for folder in ["layers", "partial", "blobs/sha256"] {
        let left: Vec<_> = std::fs::read_dir(teu.root().join("image").join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn two_pulls_at_once_make_one_image() {
    let teu = Teu::new();
    let registry = Registry::new();
    let image = registry.reference("debian:bookworm");
    let mut first = teu.spawn(&["pull", &image]);
    let mut second = teu.spawn(&["pull", &image]);
    assert_eq!((first.wait(SECOND * 60), second.wait(SECOND * 60)), (Some(0), Some(0)));
    assert_eq!(teu.ok(&["run", "--rm", &image, "sh", "-c", "ls /opt/many | wc -l"]), (MANY - 1).to_string());
}

#[test]
fn pull_shows_progress_in_a_terminal_and_restores_it() {
    let teu = Teu::new();
    let registry = Registry::new();
    let mut pty = teu.pty(&["pull", &registry.reference("debian:bookworm")]);
    assert_eq!(pty.wait_exit(), 0);
    assert!(pty.raw().contains('B'), "no bytes are shown{pty}");
    pty.assert_restored();
    let mut cancelled = teu.pty(&["pull", &registry.reference("team/busybox")]);
    cancelled.send(key::CTRL_C);
    cancelled.wait_exit();
    cancelled.assert_restored();
}

#[test]
fn interface_searches_pulls_runs_and_attaches() {
    let teu = Teu::new();
    let registry = Registry::new();
    let mut pty = teu.pty(&[]);
    pty.wait_for("host");
    pty.send("3");
    pty.send(&registry.reference("debian:bookworm"));
    pty.send(key::ENTER);
    pty.settle(SECOND / 2);
    pty.send("g");
    pty.send("p");
    // Four layers with a bar each, or at least a stage, until the image is there.
    pty.wait_until("the pull's progress", SECOND * 20, |screen| screen.contains('%') || screen.contains("unpack"));
    pty.wait_until("the image", SECOND * 90, |screen| screen.contains("Images 2"));
    pty.send("2");
    pty.wait_for("IMAGE");
    pty.send("/bookworm");
    pty.send(key::ENTER);
    pty.wait_until("the image alone", SECOND * 10, |screen| screen.contains("bookworm"));
    pty.send("r");
    pty.wait_for("Run 127.0.0.1");
    pty.wait_for("bash");
    pty.send(key::ENTER);
    pty.wait_for("root@");
    pty.send("greet $((20+3))\r");
    pty.wait_for("hello from debian, 23");
    pty.send(key::F12);
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    pty.assert_restored();
}
