//! Images and containers as one file: saved, loaded in another store, exported, imported; and archives that mean harm.

use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::oci::{Entry, Image, Layer, MANIFEST, Packing, sha256, tar_of};
use crate::support::process::Running;
use crate::support::tiny::empty_image;
use crate::support::{SECOND, Teu, wait_for};

fn hex(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

/// An OCI layout's files.
fn layout(image: &Image, name: &str) -> Vec<Entry> {
    let manifest = image.manifest_bytes();
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": MANIFEST, "digest": sha256(&manifest), "size": manifest.len(),
        "annotations": {"org.opencontainers.image.ref.name": name},
    }]});
    let blobs = image.blobs().into_iter().chain([(sha256(&manifest), manifest)]);
    let blobs = blobs.map(|(digest, bytes)| Entry::file(&format!("blobs/sha256/{}", hex(&digest)), &bytes));
    let head = [
        Entry::file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        Entry::file("index.json", index.to_string().as_bytes()),
    ];
    head.into_iter().chain(blobs).collect()
}

/// What `docker save` wrote before version 25: plain layers in folders of their own, the description last.
fn docker_save(images: &[(&Image, &str)], tars: &[&[u8]]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (number, tar) in tars.iter().enumerate() {
        entries.push(Entry::folder(&format!("{number}/")));
        entries.push(Entry::file(&format!("{number}/VERSION"), b"1.0"));
        entries.push(Entry::file(&format!("{number}/json"), b"{}"));
        entries.push(Entry::file(&format!("{number}/layer.tar"), tar));
    }
    let mut description = Vec::new();
    for (image, tag) in images {
        let config = image.config_bytes();
        let name = format!("{}.json", hex(&sha256(&config)));
        entries.push(Entry::file(&name, &config));
        let number = |layer: &Layer| tars.iter().position(|tar| sha256(tar) == layer.diff_id).expect("a layer");
        let layers: Vec<String> = image.layers.iter().map(|layer| format!("{}/layer.tar", number(layer))).collect();
        description.push(json!({"Config": name, "RepoTags": [tag], "Layers": layers}));
    }
    entries.push(Entry::file("manifest.json", Value::Array(description).to_string().as_bytes()));
    entries.push(Entry::file("repositories", b"{}"));
    entries
}

fn image_of(tars: &[&[u8]]) -> Image {
    Image::new(json!({"Cmd": ["/nothing"]}), tars.iter().map(|tar| Layer::new(tar, Packing::Plain)).collect())
}

/// What is left in the store's folders of content.
fn content(teu: &Teu) -> Vec<String> {
    let list = |folder: &str| {
        let entries = std::fs::read_dir(teu.root().join("image").join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect::<Vec<_>>()
    };
    ["blobs/sha256", "layers", "partial"].into_iter().flat_map(list).collect()
}

fn id_of(teu: &Teu, image: &str) -> String {
    teu.ok(&["images", "-q", "--no-trunc", image])
}

#[test]
fn save_and_load_keep_every_name_and_digest_in_any_format() {
    let here = Teu::new();
    let loaded = here.run_fed(&["load"], &tar_of(&layout(&empty_image(), "example.com/team/first:1"))).ok().text();
    assert_eq!(loaded, "Loaded image: example.com/team/first:1");
    here.ok(&["tag", "example.com/team/first:1", "second:2"]);
    let rows = ["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}"];
    let names = ["example.com/team/first:1", "second:2"];

    let saved = here.run(&[&["save"][..], &names].concat()).ok().stdout;
    assert_eq!(saved, here.run(&["save", names[1], names[0]]).ok().stdout, "the same images are the same bytes");
    let there = Teu::new();
    there.run_fed(&["load", "-q"], &saved).ok();
    assert_eq!(there.ok(&rows), here.ok(&rows));
    assert!(there.ok(&rows).contains("second:2"));
    assert_eq!(there.run(&[&["save"][..], &names].concat()).ok().stdout, saved, "and from another machine, too");
    // Its zstd layer has become gzip, which older Dockers read; an OCI archive is what the store has.
    let exact = Teu::new();
    let file = here.work().join("exact.tar").to_string_lossy().into_owned();
    here.ok(&["save", "--format", "oci-archive", "-o", &file, "second:2"]);
    exact.ok(&["load", "-i", &file]);
    let manifest = sha256(&empty_image().manifest_bytes());
    assert!(exact.ok(&["images", "--digests", "--no-trunc"]).contains(&manifest));

    for compress in ["gzip", "zstd", "none"] {
        for format in ["docker-archive", "oci-archive"] {
            let teu = Teu::new();
            let saved = here.run(&["save", "--compress", compress, "--format", format, "second:2"]).ok().stdout;
            teu.run_fed(&["load"], &saved).ok();
            assert_eq!(id_of(&teu, "second:2"), id_of(&here, "second:2"), "{compress} {format}");
        }
    }
}

#[test]
fn load_takes_whole_archives_in_gzip_and_zstd_and_a_second_time() {
    let archive = tar_of(&layout(&empty_image(), "x:1"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&archive).expect("memory");
    for packed in [gzip.finish().expect("memory"), zstd::encode_all(&archive[..], 1).expect("memory")] {
        let teu = Teu::new();
        teu.run_fed(&["load"], &packed).ok();
        let before = content(&teu);
        assert_eq!(teu.run_fed(&["load"], &packed).ok().text(), "Loaded image: x:1");
        assert_eq!(content(&teu), before);
    }
}

#[test]
fn load_of_docker_s_old_layout_shares_layers_through_links() {
    let base = tar_of(&[Entry::folder("etc/"), Entry::file("etc/base", &[7; 100_000])]);
    let more = tar_of(&[Entry::file("etc/more", &[8; 100_000])]);
    let (one, two) = (image_of(&[&base]), image_of(&[&base, &more]));
    let mut entries = docker_save(&[(&one, "one:1"), (&two, "docker.io/library/two:2")], &[&base, &more]);
    // Skopeo has each layer once, by its digest, and a link where Docker has the file.
    let place = entries.iter().position(|entry| entry.path == "0/layer.tar").expect("there");
    entries[place] = Entry::symlink("0/layer.tar", &format!("../{}.tar", hex(&sha256(&base))));
    entries.push(Entry::file(&format!("./{}.tar", hex(&sha256(&base))), &base));
    let teu = Teu::new();
    let text = teu.run_fed(&["load"], &tar_of(&entries)).ok().text();
    assert_eq!(text, "Loaded image: one:1\nLoaded image: two:2");
    assert_eq!(id_of(&teu, "two:2"), sha256(&two.config_bytes()));
    let layers = content(&teu).iter().filter(|path| path.starts_with("layers/")).count();
    assert_eq!(layers, 2, "{:?}", content(&teu));
    teu.ok(&["rmi", "one:1", "two:2"]);
    assert_eq!(content(&teu), Vec::<String>::new());
}

#[test]
fn load_refuses_what_means_harm_and_leaves_nothing() {
    let good = tar_of(&[Entry::folder("etc/"), Entry::file("etc/x", b"x")]);
    let with = |entry: Entry| [layout(&empty_image(), "x:1"), vec![entry]].concat();
    let image = image_of(&[&good]);
    let old =
        |tar: &[u8]| docker_save(&[(&image, "x:1")], &[&good]).into_iter().map(|entry| swapped(entry, tar)).collect();
    let inner = |entries: &[Entry]| {
        let tar = tar_of(entries);
        layout(&image_of(&[&tar]), "x:1")
    };
    let many = {
        let layers = vec!["0/layer.tar"; 200];
        let config = image.config_bytes();
        let manifest = json!([{"Config": "c.json", "RepoTags": ["x:1"], "Layers": layers}]).to_string();
        vec![Entry::file("c.json", &config), Entry::file("manifest.json", manifest.as_bytes())]
    };
    let mut other_layer = layout(&image, "x:1");
    for entry in &mut other_layer {
        if entry.content == good {
            entry.content.extend([0; 512]);
        }
    }
    let cases: Vec<(&str, Vec<Entry>, &str)> = vec![
        ("a name that goes up", with(Entry::file("../evil", b"x")), "goes up"),
        ("a name inside that goes up", with(Entry::file("a/../../evil", b"x")), "goes up"),
        ("an absolute name", with(Entry::file("/tmp/evil", b"x")), "absolute"),
        ("a symlink out", with(Entry::symlink("a/link", "../../etc/passwd")), "leads out"),
        ("an absolute symlink", with(Entry::symlink("link", "/etc/passwd")), "absolute"),
        ("a hard link out", with(Entry::hardlink("link", "../etc/passwd")), "goes up"),
        ("a device", with(Entry::device("disk")), "type"),
        ("two descriptions", with(Entry::file("index.json", b"{}")), "twice"),
        ("a description that is a loop", vec![Entry::symlink("manifest.json", "manifest.json")], "neither"),
        ("no description", vec![Entry::file("etc/passwd", b"x")], "teu import"),
        ("a layer of other content, old layout", old(&tar_of(&[Entry::file("evil", b"x")])), "content"),
        ("a layer of other content, layout", other_layer, "digest"),
        ("200 layers", many, "127"),
        ("a layer that escapes", inner(&[Entry::symlink("d", "/tmp"), Entry::file("../../evil", b"x")]), ".."),
        ("a whiteout of ..", inner(&[Entry::file("etc/.wh...", b"")]), "wh"),
        (
            "a forged configuration",
            vec![
                Entry::file(&format!("{}.json", "a".repeat(64)), &image.config_bytes()),
                Entry::file(
                    "manifest.json",
                    json!([{"Config": format!("{}.json", "a".repeat(64)), "Layers": []}]).to_string().as_bytes(),
                ),
            ],
            "digest",
        ),
    ];
    let teu = Teu::new();
    for (what, entries, word) in cases {
        let output = teu.run_fed(&["load"], &tar_of(&entries));
        assert_eq!(output.code, 1, "{what}: {output}");
        output.explains(&[word]);
        assert_eq!(content(&teu), Vec::<String>::new(), "{what}");
    }
    let whole = tar_of(&layout(&image_of(&[&tar_of(&[Entry::file("big", &[9; 300_000])])]), "x:1"));
    for (what, bytes) in [("nothing", &b""[..]), ("garbage", &[0xa5; 9000]), ("a cut", &whole[..whole.len() / 2])] {
        let output = teu.run_fed(&["load"], bytes);
        assert_eq!(output.code, 1, "{what}: {output}");
        output.explains(&["the archive cannot be loaded"]);
        assert_eq!(content(&teu), Vec::<String>::new(), "{what}");
    }
    std::fs::create_dir_all(teu.config().join("teu")).expect("a folder");
    std::fs::write(teu.config().join("teu/config.toml"), "[unpack]\nmax_size = \"100k\"\n").expect("write");
    teu.run_fed(&["load"], &zstd::encode_all(&whole[..], 1).expect("memory")).fails(1, &["max_size", "bomb"]);
    assert_eq!(content(&teu), Vec::<String>::new());
    assert_eq!(teu.ok(&["images", "-q"]), "host");
}

/// The layer's content replaced by another.
fn swapped(mut entry: Entry, tar: &[u8]) -> Entry {
    if entry.path.ends_with("layer.tar") {
        entry.content = tar.to_vec();
    }
    entry
}

#[test]
fn load_that_is_interrupted_or_killed_leaves_a_whole_store() {
    let teu = Teu::new();
    let noise: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let archive = tar_of(&layout(&image_of(&[&tar_of(&[Entry::file("big", &noise)])]), "x:1"));
    for signal in ["INT", "KILL"] {
        let mut command = teu.command(&["load"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("start");
        let mut running = Running { child };
        let mut input = running.child.stdin.take().expect("piped");
        input.write_all(&archive[..2_000_000]).expect("it reads");
        wait_for("a staged layer", SECOND * 30, || (!content(&teu).is_empty()).then_some(()));
        let id = running.id().to_string();
        std::process::Command::new("kill").args([&format!("-{signal}"), &id]).status().expect("kill");
        // The input stays open: it is not its end that ends the load.
        let code = running.wait(SECOND * 10);
        let mut said = String::new();
        running.child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        drop(input);
        match signal {
            "INT" => {
                assert_eq!((code, said.trim()), (Some(130), "teu: cancelled"));
                assert_eq!(content(&teu), Vec::<String>::new());
            }
            _ => assert_eq!(code, Some(137)),
        }
        assert_eq!(teu.ok(&["images", "-q"]), "host");
    }
    assert_eq!(teu.run_fed(&["load"], &archive).ok().text(), "Loaded image: x:1");
    teu.ok(&["system", "check"]);
    teu.ok(&["rmi", "x:1"]);
    assert_eq!(content(&teu), Vec::<String>::new(), "what the killed one left is gone, too");
}

#[test]
fn save_names_what_it_cannot_do() {
    let teu = Teu::new();
    teu.run_fed(&["load"], &tar_of(&layout(&empty_image(), "x:1"))).ok();
    teu.run(&["save", "nothing"]).fails(1, &["nothing", "no such image"]);
    teu.run(&["save", "host"]).explains(&["host"]);
    teu.run(&["save", "--platform", "linux/s390x", "x:1"]).fails(1, &["s390x"]);
    teu.run(&["save", "-o", ".", "x:1"]).fails(1, &["folder"]);
    teu.run(&["save", "-o", "no/such/folder", "x:1"]).fails(1, &["no/such/folder"]);
    teu.run(&["save", "-o", "half.tar", "x:1", "nothing"]).fails(1, &["nothing"]);
    assert!(!teu.work().join("half.tar").exists(), "a file that is not whole");
    teu.run(&["load", "-i", "nowhere.tar"]).fails(1, &["nowhere.tar"]);
    let mut pty = teu.pty(&["save", "x:1"]);
    assert_eq!(pty.wait_exit(), 1);
    assert!(pty.raw().contains("terminal"), "{pty}");
    let mut pty = teu.pty(&["load"]);
    assert_eq!(pty.wait_exit(), 1);
    assert!(pty.raw().contains("terminal"), "{pty}");
    // All tags of a name; by its id, none.
    teu.ok(&["tag", "x:1", "x:2"]);
    let other = Teu::new();
    assert_eq!(
        other.run_fed(&["load"], &teu.run(&["save", "x"]).ok().stdout).ok().text(),
        "Loaded image: x:1\nLoaded image: x:2"
    );
    let id = id_of(&teu, "x:1");
    let id = id.lines().next().expect("an id");
    let other = Teu::new();
    let text = other.run_fed(&["load"], &teu.run(&["save", &id[7..19]]).ok().stdout).ok().text();
    assert_eq!(text, format!("Loaded image ID: {id}"));
}

#[test]
fn import_takes_every_change_and_a_platform() {
    let teu = Teu::new();
    let tar = tar_of(&[Entry::folder("etc/"), Entry::file("etc/x", b"x")]);
    let changes = [
        "ENV DIR=/srv",
        "WORKDIR $DIR",
        "CMD [\"a\"]",
        "ENTRYPOINT [\"b\"]",
        "EXPOSE 80",
        "VOLUME /data",
        "LABEL k=v",
        "USER 5",
        "STOPSIGNAL SIGINT",
        "ONBUILD RUN x",
        "HEALTHCHECK --retries=2 CMD true",
    ];
    let mut words = vec!["import", "-m", "from a test", "--platform", "linux/arm/v7"];
    words.extend(changes.iter().flat_map(|change| ["-c", change]));
    words.extend(["-", "made:1"]);
    teu.run_fed(&words, &tar).ok();
    let image = teu.inspect("made:1");
    let config = &image["Config"];
    assert_eq!((&image["Architecture"], &image["Variant"]), (&json!("arm"), &json!("v7")), "{image}");
    assert_eq!(
        (&config["WorkingDir"], &config["Cmd"], &config["Entrypoint"]),
        (&json!("/srv"), &json!(["a"]), &json!(["b"]))
    );
    assert_eq!(config["Healthcheck"], json!({"Test": ["CMD-SHELL", "true"], "Retries": 2}), "{config}");
    assert_eq!((&config["OnBuild"], &config["User"]), (&json!(["RUN x"]), &json!("5")));
    assert_eq!((&config["StopSignal"], &config["Labels"]["k"]), (&json!("SIGINT"), &json!("v")));
    assert_eq!((&config["ExposedPorts"]["80/tcp"], &config["Volumes"]["/data"]), (&json!({}), &json!({})));
    assert!(teu.ok(&["history", "made:1"]).contains("from a test"));
    teu.run(&["import", "-c", "RUN x", "-", "made:2"]).explains(&["RUN", "HEALTHCHECK"]);
    teu.run(&["import", "https://example.com/x.tar", "made:2"]).fails(1, &["curl"]);
}
