//! Images to and from skopeo, podman, buildah and Docker, as one file, and the store read in place.

use std::process::Command;
use std::time::Duration;

use crate::support::docker::Docker;
use crate::support::oci::{Entry, Image, Layer, Packing, tar_of};
use crate::support::process::{self, Output};
use crate::support::tiny::busybox_tar;
use crate::support::{Teu, need};

const LIMIT: Duration = Duration::from_secs(60);

/// A store with an image of three layers in every compression: busybox, more, and a whiteout; two tags and another image.
fn store() -> Teu {
    let teu = Teu::new();
    let more = tar_of(&[Entry::folder("opt/"), Entry::file("opt/more", b"more\n"), Entry::file("opt/gone", b"x")]);
    let less = tar_of(&[Entry::file("opt/.wh.gone", b""), Entry::file("opt/text", &[b't'; 90_000]).owner(1000)]);
    let config = serde_json::json!({
        "Env": ["PATH=/bin", "FROM=here"], "Cmd": ["sh"], "Labels": {"a": "b"},
    });
    let layers = vec![
        Layer::new(&busybox_tar(), Packing::Gzip),
        Layer::new(&more, Packing::Zstd),
        Layer::new(&less, Packing::Plain),
    ];
    let layout = teu.work().join("layout");
    Image::new(config, layers).write_layout(&layout, "team/app:1");
    let tar = teu.work().join("layout.tar");
    process::run(Command::new("tar").arg("-C").arg(&layout).arg("-cf").arg(&tar).arg("."), b"", LIMIT).ok();
    teu.ok(&["load", "-i", &tar.to_string_lossy()]);
    teu.ok(&["tag", "team/app:1", "example.com/app:2"]);
    let small = tar_of(&[Entry::file("only", b"this\n")]);
    teu.run_fed(&["import", "-c", "CMD [\"x\"]", "-", "small:1"], &small).ok();
    teu
}

const SAVED: [&str; 3] = ["team/app:1", "example.com/app:2", "small:1"];

fn id(teu: &Teu, image: &str) -> String {
    teu.ok(&["images", "-q", "--no-trunc", image])
}

fn file(teu: &Teu, name: &str) -> String {
    teu.work().join(name).to_string_lossy().into_owned()
}

/// What a container of the image sees: all layers, owners, the whiteout.
fn runs(teu: &Teu, image: &str) {
    let seen = teu.ok(&["run", "--rm", image, "sh", "-c", "ls /opt; stat -c %u /opt/text; echo $FROM"]);
    assert_eq!(seen, "more\ntext\n1000\nhere", "{image}");
}

fn skopeo(teu: &Teu, words: &[&str]) -> Output {
    need::program("skopeo", "skopeo");
    let command = &mut teu.other("skopeo", words);
    process::run(command, b"", LIMIT).ok()
}

#[test]
fn skopeo_reads_the_store_in_place_and_copies_both_ways() {
    let here = store();
    let place = format!("oci:{}/image:docker.io/team/app:1", here.root().display());
    let seen = skopeo(&here, &["inspect", "--config", &place]).text();
    assert!(seen.contains("FROM=here"), "{seen}");
    let saved = file(&here, "saved.tar");
    here.ok(&["save", "-o", &saved, "team/app:1"]);
    for (from, to) in [
        (format!("oci-archive:{saved}"), "oci-archive"),
        (format!("oci-archive:{saved}:docker.io/team/app:1"), "docker-archive"),
        (format!("docker-archive:{saved}"), "oci-archive"),
        (format!("docker-archive:{saved}:team/app:1"), "docker-archive"),
        // Docker's formats know no zstd, which one layer of the store is in.
        (place, "oci-archive"),
    ] {
        let copied = file(&here, "copied.tar");
        let _ = std::fs::remove_file(&copied);
        skopeo(&here, &["copy", &from, &format!("{to}:{copied}:docker.io/copied/app:3")]);
        let there = Teu::new();
        assert_eq!(there.ok(&["load", "-i", &copied]), "Loaded image: copied/app:3", "{from} {to}");
        runs(&there, "copied/app:3");
        // Another configuration is written where the manifest's format changes, with the same meaning.
        if from.starts_with("docker") == (to == "docker-archive") {
            assert_eq!(id(&there, "copied/app:3"), id(&here, "team/app:1"), "{from} {to}");
        }
    }
}

/// `podman` and `buildah` with a storage of the test's own.
fn own_storage(teu: &Teu, program: &str, words: &[&str]) -> Output {
    need::program(program, program);
    let (root, run) = (file(teu, "storage"), file(teu, "runroot"));
    let mut all = vec![program, "--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
    let tmp = file(teu, "tmp");
    if program == "podman" {
        all.extend(["--tmpdir", &tmp, "--events-backend", "file"]);
    }
    all.extend(words);
    process::run(&mut teu.other(all[0], &all[1..]), b"", LIMIT).ok()
}

#[test]
fn podman_loads_and_saves_one_image_and_several() {
    need::root();
    let here = store();
    let saved = file(&here, "saved.tar");
    here.ok(&[&["save", "-o", &saved][..], &SAVED].concat());
    let loaded = own_storage(&here, "podman", &["load", "-i", &saved]).text();
    for name in ["docker.io/team/app:1", "example.com/app:2", "docker.io/library/small:1"] {
        assert!(loaded.contains(name), "{loaded}");
    }
    let own = own_storage(&here, "podman", &["images", "-q", "--no-trunc", "docker.io/team/app:1"]).text();
    assert_eq!(own, id(&here, "team/app:1"));

    let (many, one) = (file(&here, "many.tar"), file(&here, "one.tar"));
    let save = ["save", "-m", "-o", &many, "docker.io/team/app:1", "docker.io/library/small:1"];
    own_storage(&here, "podman", &save);
    own_storage(&here, "podman", &["save", "--format", "oci-archive", "-o", &one, "docker.io/team/app:1"]);
    let there = Teu::new();
    assert_eq!(there.ok(&["load", "-i", &many]), "Loaded image: team/app:1\nLoaded image: small:1");
    assert_eq!(id(&there, "team/app:1"), id(&here, "team/app:1"));
    runs(&there, "team/app:1");
    let there = Teu::new();
    assert_eq!(there.ok(&["load", "-i", &one]), "Loaded image: team/app:1");
    runs(&there, "team/app:1");
    // What one image's archive is to podman: an OCI archive.
    let there = file(&here, "one-saved.tar");
    here.ok(&["save", "-o", &there, "small:1"]);
    assert!(own_storage(&here, "podman", &["load", "-i", &there]).text().contains("docker.io/library/small:1"));
}

#[test]
fn buildah_pulls_and_pushes_archives() {
    need::root();
    let here = store();
    let saved = file(&here, "saved.tar");
    here.ok(&["save", "--compress", "gzip", "--format", "oci-archive", "-o", &saved, "team/app:1"]);
    let pulled = own_storage(&here, "buildah", &["pull", "-q", &format!("oci-archive:{saved}")]).text();
    assert_eq!(format!("sha256:{pulled}"), id(&here, "team/app:1"));
    for (transport, name) in [("docker-archive", "made/by:buildah"), ("oci-archive", "example.com/made/by:buildah")] {
        let pushed = file(&here, transport);
        own_storage(&here, "buildah", &["push", "-q", &pulled, &format!("{transport}:{pushed}:{name}")]);
        let there = Teu::new();
        assert_eq!(there.ok(&["load", "-i", &pushed]), format!("Loaded image: {name}"));
        runs(&there, name);
    }
}

#[test]
fn docker_loads_and_saves() {
    let here = store();
    let docker = Docker::new(&here);
    let saved = file(&here, "saved.tar");
    here.ok(&[&["save", "-o", &saved][..], &SAVED].concat());
    let loaded = docker.ok(&["load", "-i", &saved]);
    for name in SAVED {
        assert!(loaded.contains(&format!("Loaded image: {name}")), "{loaded}");
        assert_eq!(docker.ok(&["images", "-q", "--no-trunc", name]), id(&here, name));
    }
    let back = file(&here, "back.tar");
    docker.ok(&[&["save", "-o", &back][..], &SAVED].concat());
    let there = Teu::new();
    there.ok(&["load", "-i", &back]);
    for name in SAVED {
        assert_eq!(id(&there, name), id(&here, name));
    }
    runs(&there, "team/app:1");
    // What has been here before keeps its manifest, and gets no second one.
    // All that a list tells, but in absolute times: how long ago it was made may be another second by now.
    let format = "{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}} {{.CreatedAt}} {{.Size}}";
    let list = || here.ok(&["images", "--no-trunc", "--format", format]);
    let digests = list();
    assert_eq!(digests.matches("sha256:").count(), 2 * SAVED.len(), "{digests}");
    here.ok(&["load", "-i", &back]);
    assert_eq!(list(), digests);
    // A whole file system: Docker's import of teu's export, and the other way round.
    here.ok(&["create", "--name", "moved", "team/app:1"]);
    let exported = file(&here, "exported.tar");
    here.ok(&["export", "-o", &exported, "moved"]);
    docker.ok(&["import", &exported, "exported:1"]);
    docker.ok(&["create", "--name", "moved", "team/app:1", "x"]);
    let other = file(&here, "other.tar");
    docker.ok(&["export", "-o", &other, "moved"]);
    docker.ok(&["rm", "moved"]);
    here.ok(&["import", "-c", "ENV FROM=here", &other, "other:1"]);
    runs(&here, "other:1");
}
