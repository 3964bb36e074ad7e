//! The store with containers that run, with skopeo that reads it in place, and as an ordinary user.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::support::oci::{Entry, Image, Layer, Packing, sha256, tar_of};
use crate::support::user::Range;
use crate::support::{Registry, SECOND, Teu, User, need, process, tiny};

const FOREVER: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";

#[track_caller]
fn assert_whole(teu: &Teu) {
    let text = teu.ok(&["system", "check"]);
    assert!(text.ends_with("all whole"), "{text}");
}

/// The SIZE column of a container in `df -v`.
fn container_size(teu: &Teu, name: &str) -> String {
    let json: serde_json::Value =
        serde_json::from_str(&teu.ok(&["system", "df", "-v", "--format", "json"])).expect("JSON");
    let containers = json["Containers"].as_array().expect("an array");
    let found = containers.iter().find(|row| row["Names"] == name).expect("the container");
    found["Size"].as_str().expect("a text").to_owned()
}

#[test]
fn image_of_a_running_container_stays_and_a_stopped_one_keeps_its_layers() {
    let teu = Teu::new();
    teu.import_tiny();
    let id = teu.inspect("tiny")["Id"].as_str().expect("an id").to_owned();
    teu.ok(&["run", "-d", "--name", "busy", "tiny", "sh", "-c", FOREVER]);
    teu.run(&["rmi", "tiny"]).fails(1, &["running container busy", "teu rm -f busy"]);
    teu.run(&["rmi", "-f", &id]).fails(1, &["not even by force", "busy"]);
    assert_eq!(teu.ok(&["rmi", "-f", "tiny"]), "Untagged: tiny:latest");
    assert_eq!(teu.ok(&["images", "-q", "--no-trunc", "-f", "dangling=true"]), id);
    teu.ok(&["system", "prune", "-af"]);
    assert_eq!(teu.ok(&["exec", "busy", "cat", "/etc/only-in-the-image"]), "tiny");
    let usage = teu.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}} {{.Reclaimable}}"]);
    assert!(usage.starts_with("Images 1 1 0B (0%)\nContainers 1 1 0B"), "{usage}");
    // A layer that something runs on is never exchanged.
    let layer = teu.inspect(&id)["RootFS"]["Layers"][0].as_str().expect("a layer")[7..].to_owned();
    let hurt = teu.root().join("image/layers").join(&layer).join("fs/etc/group");
    std::fs::write(&hurt, "hurt").expect("write");
    let output = teu.run(&["system", "check", "--repair"]);
    assert_eq!(output.code, 1, "{output}");
    assert!(output.text().contains("`teu stop busy`"), "{output}");
    teu.ok(&["stop", "busy"]);
    assert!(teu.ok(&["system", "check", "--repair"]).contains("unpacked anew"));
    assert_whole(&teu);
    // Stopped, it keeps its layers only.
    teu.run(&["rmi", &id]).fails(1, &["stopped container busy"]);
    assert_eq!(teu.ok(&["rmi", "-f", &id]), format!("Deleted: {id}"));
    teu.ok(&["image", "prune", "-af"]);
    assert_whole(&teu);
    teu.ok(&["start", "busy"]);
    assert_eq!(teu.ok(&["exec", "busy", "cat", "/etc/only-in-the-image"]), "tiny");
    // With the last container made of it they go.
    teu.ok(&["rm", "-f", "busy"]);
    assert!(!teu.root().join("image/layers").join(&layer).exists());
}

#[test]
fn sizes_of_containers_are_true_after_every_change() {
    let teu = Teu::new();
    teu.import_tiny();
    teu.ok(&["run", "--name", "writer", "tiny", "sh", "-c", "head -c 100000 /dev/zero >> /written"]);
    for _ in 0..2 {
        assert_eq!(container_size(&teu, "writer"), "100kB");
    }
    teu.ok(&["start", "-a", "writer"]);
    assert_eq!(container_size(&teu, "writer"), "200kB");
    let file = teu.file("more", &[7; 50_000]).to_string_lossy().into_owned();
    teu.ok(&["cp", &file, "writer:/more"]);
    assert_eq!(container_size(&teu, "writer"), "250kB");
    let preview = teu.run_fed(&["container", "prune"], b"n\n");
    assert!(preview.text().contains("1 container now, and frees 250kB"), "{preview}");
    let text = teu.ok(&["container", "prune", "-f", "--filter", "until=1h"]);
    assert_eq!(text, "Total reclaimed space: 0B");
    let text = teu.ok(&["container", "prune", "-f"]);
    assert!(text.starts_with("Deleted Containers:\n") && text.ends_with("Total reclaimed space: 250kB"), "{text}");
    assert!(teu.names().is_empty());
}

/// The image's layers as skopeo reads them in place.
#[track_caller]
fn skopeo_sees(teu: &Teu, name: &str) -> usize {
    let mut command = Command::new(need::program("skopeo", "skopeo"));
    command.args(["inspect", "--format", "{{len .Layers}}"]);
    command.arg(format!("oci:{}:{name}", teu.root().join("image").display()));
    let output = process::run(&mut command, b"", SECOND * 30).ok();
    output.text().parse().expect("a number")
}

/// Copies the image out of the layout, which digests all of it.
#[track_caller]
fn skopeo_copies(teu: &Teu, name: &str) {
    let target = teu.work().join("copy");
    let _ = std::fs::remove_dir_all(&target);
    let mut command = Command::new(need::program("skopeo", "skopeo"));
    command.args(["--insecure-policy", "copy", "-q"]);
    command
        .arg(format!("oci:{}:{name}", teu.root().join("image").display()))
        .arg(format!("oci:{}:it", target.display()));
    process::run(&mut command, b"", SECOND * 60).ok();
}

#[test]
fn skopeo_reads_the_store_after_every_operation() {
    let teu = Teu::new();
    let registry = Registry::empty();
    registry.push(&tiny::empty_image(), "two:1");
    let two = registry.reference("two:1");
    teu.ok(&["pull", "-q", &two]);
    assert_eq!(skopeo_sees(&teu, &two), 2);
    teu.run_fed(&["import", "-", "one"], &tar_of(&[Entry::file("x", b"x")])).ok();
    assert_eq!((skopeo_sees(&teu, "docker.io/library/one:latest"), skopeo_sees(&teu, &two)), (1, 2));
    teu.ok(&["tag", &two, "team/app:v1"]);
    assert_eq!(skopeo_sees(&teu, "docker.io/team/app:v1"), 2);
    teu.ok(&["rmi", &two]);
    teu.ok(&["rmi", "one"]);
    assert_eq!(skopeo_sees(&teu, "docker.io/team/app:v1"), 2);
    teu.ok(&["image", "prune", "-f"]);
    // What is mended is read as before.
    let layer = Layer::new(
        &tar_of(&[Entry::folder("etc/"), Entry::file("etc/hello", b"hello\n"), Entry::file("etc/gone", b"x")]),
        Packing::Gzip,
    );
    std::fs::remove_dir_all(teu.root().join("image/layers").join(&layer.diff_id[7..])).expect("remove");
    teu.ok(&["system", "check", "--repair"]);
    assert_eq!(skopeo_sees(&teu, "docker.io/team/app:v1"), 2);
    skopeo_copies(&teu, "docker.io/team/app:v1");
    // And what skopeo writes into the layout, teu knows and keeps.
    let mut command = Command::new(need::program("skopeo", "skopeo"));
    command.args(["--insecure-policy", "copy", "-q"]).arg(format!("oci:{}:it", teu.work().join("copy").display()));
    command.arg(format!("oci:{}:theirs:1", teu.root().join("image").display()));
    process::run(&mut command, b"", SECOND * 60).ok();
    teu.ok(&["tag", "team/app:v1", "again"]);
    teu.ok(&["rmi", "team/app:v1"]);
    assert_eq!(skopeo_sees(&teu, "theirs:1"), 2);
    let listed = teu.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(listed.contains("theirs:1") && listed.contains("again:latest"), "{listed}");
    assert_whole(&teu);
}

/// An image with files of others that are closed to everybody else.
fn owned_image() -> Image {
    let base = tiny::busybox_image();
    let own = tar_of(&[
        Entry::folder("srv/").owner(999).mode(0o700),
        Entry::file("srv/secret", &[7; 3000]).owner(999).mode(0o600),
        Entry::folder("opt/"),
        Entry::file("opt/by-app", b"x").owner(1000),
    ]);
    Image::new(base.config, vec![base.layers[0].clone(), Layer::new(&own, Packing::Gzip)])
}

fn store_of_a_user(range: Range) {
    let user = Arc::new(User::new(range));
    let teu = Teu::of_user(&user);
    let registry = Registry::empty();
    let image = owned_image();
    registry.push(&image, "owned:1");
    let name = registry.reference("owned:1");
    teu.ok(&["pull", "-q", &name]);
    assert_whole(&teu);
    teu.ok(&["tag", &name, "mine"]);
    let write =
        "umask 077; mkdir /closed; head -c 70000 /dev/zero > /closed/file; chown -R 5:5 /closed 2>/dev/null; true";
    teu.ok(&["run", "--name", "writer", "mine", "sh", "-c", write]);
    assert_eq!(container_size(&teu, "writer"), "70kB");
    teu.run(&["rmi", "mine"]).ok();
    teu.run(&["rmi", &name]).fails(1, &["stopped container writer"]);
    // Damage behind a closed folder is found and mended.
    let layer = teu.root().join("image/layers").join(&image.layers[1].diff_id[7..]);
    break_file(&layer.join("fs/srv/secret"));
    let output = teu.run(&["system", "check"]);
    assert_eq!(output.code, 1, "{output}");
    assert!(output.text().contains("srv/secret has another content"), "{output}");
    assert!(teu.ok(&["system", "check", "--repair"]).contains("unpacked anew"));
    assert_whole(&teu);
    teu.ok(&["rmi", "-f", &name]);
    assert_whole(&teu);
    let text = teu.ok(&["system", "prune", "-af"]);
    assert!(text.contains("Deleted Containers:"), "{text}");
    assert_eq!(std::fs::read_dir(teu.root().join("image/layers")).expect("list").count(), 0);
    assert_eq!(std::fs::read_dir(teu.root().join("image/blobs/sha256")).expect("list").count(), 0);
}

/// The test is root: no folder is closed to it. Length and time stay.
fn break_file(path: &Path) {
    let mut bytes = std::fs::read(path).expect("read");
    assert_eq!(sha256(&bytes), sha256(&[7; 3000]));
    bytes[1500] ^= 1;
    std::fs::write(path, bytes).expect("write");
}

#[test]
fn ordinary_user_with_a_range_has_the_whole_store() {
    store_of_a_user(Range::Given);
}

#[test]
fn ordinary_user_with_one_id_has_the_whole_store() {
    store_of_a_user(Range::Missing);
}

#[test]
fn containers_run_while_their_image_comes_and_goes() {
    let teu = Teu::new();
    teu.import_tiny();
    let archive = teu.work().join("tiny.tar").to_string_lossy().into_owned();
    let until = std::time::Instant::now() + SECOND * 5;
    let again = |arguments: &[&str], allowed: &str| {
        let mut done = 0;
        while std::time::Instant::now() < until {
            let output = teu.run(arguments);
            output.no_panic();
            assert!(output.code == 0 || output.errors().to_lowercase().contains(allowed), "{output}");
            done += usize::from(output.code == 0);
        }
        done
    };
    let gone = "no such image";
    const NEVER: &str = "nothing that may fail says this";
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..2)
            .map(|_| {
                scope
                    .spawn(|| again(&["run", "--rm", "--pull", "never", "tiny", "cat", "/etc/only-in-the-image"], gone))
            })
            .collect();
        scope.spawn(|| again(&["import", &archive, "tiny"], NEVER));
        scope.spawn(|| again(&["rmi", "-f", "tiny"], gone));
        scope.spawn(|| again(&["system", "prune", "-af"], NEVER));
        for run in runs {
            assert!(run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) > 0, "none ran");
        }
    });
    // What the last container held back when the last prune looked is nobody's now.
    teu.ok(&["system", "prune", "-af"]);
    assert_whole(&teu);
    assert_eq!(std::fs::read_dir(teu.root().join("image/layers")).expect("list").count(), 0);
}
