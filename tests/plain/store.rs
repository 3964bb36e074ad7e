//! The image store as a user sees it: names, tags, removal, prune, disk usage, and damage that is found and mended.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Teu;
use crate::support::http::Server;
use crate::support::oci::{Entry, Image, Layer, Packing, sha256, tar_of};
use crate::support::tiny;

/// Imports an image of one file with this content; its id.
fn make(teu: &Teu, name: &str, content: &[u8]) -> String {
    let tar = tar_of(&[Entry::folder("etc/"), Entry::file("etc/content", content)]);
    teu.run_fed(&["import", "-c", &format!("LABEL from={}", name.split(':').next().unwrap_or(name)), "-", name], &tar)
        .ok()
        .text()
}

fn image_folder(teu: &Teu) -> PathBuf {
    teu.root().join("image")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    files
}

/// What lies in the store's folders of content.
fn content(teu: &Teu) -> usize {
    ["blobs/sha256", "layers", "partial"].iter().map(|folder| files(&image_folder(teu).join(folder)).len()).sum()
}

#[track_caller]
fn assert_whole(teu: &Teu) {
    let text = teu.ok(&["system", "check"]);
    assert!(text.ends_with("all whole"), "{text}");
}

#[test]
fn image_is_named_by_tag_id_digest_and_beginning() {
    let teu = Teu::new();
    let image = tiny::empty_image();
    let server = Server::registry(image.clone(), |_| None);
    let name = server.reference("a/b:v1");
    teu.ok(&["pull", &name]);
    let id = sha256(&image.config_bytes());
    let manifest = sha256(&image.manifest_bytes());
    let by_digest = server.reference(&format!("a/b@{manifest}"));
    for text in [&name, &id, &id[7..], &id[7..19], &id[7..10], &by_digest, &manifest] {
        assert_eq!(teu.inspect(text)["Id"], *id, "{text}");
    }
    let inspected = teu.inspect(&name);
    assert_eq!(inspected["RepoTags"], serde_json::json!([name]));
    assert_eq!(inspected["RepoDigests"], serde_json::json!([by_digest]));
    assert_eq!(inspected["RootFS"]["Layers"].as_array().map(Vec::len), Some(2));
    assert_eq!(teu.ok(&["image", "inspect", "-f", "{{.Os}} {{json .Config.Cmd}}", &name]), "linux [\"/nothing\"]");
    for text in ["ffffffffffff", &server.reference("a/c:v1"), &server.reference(&format!("a/c@{manifest}"))] {
        teu.run(&["image", "inspect", text]).fails(1, &["no such image"]);
    }
    // By the registry's digest the tags of that repository go.
    let text = teu.ok(&["rmi", &by_digest]);
    assert_eq!(text, format!("Untagged: {name}\nUntagged: {by_digest}\nDeleted: {id}"));
    assert_eq!(content(&teu), 0);
}

#[test]
fn ambiguous_id_is_told_with_what_it_may_mean() {
    let teu = Teu::new();
    make(&teu, "seed", b"seed");
    let index = image_folder(&teu).join("index.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&index).expect("read")).expect("JSON");
    let seed = value["manifests"][0].clone();
    // What lists show stands in the index, so that rows alone make images that have ids.
    for (name, digits) in [("one", "abc1"), ("two", "abc2"), ("three", "abd3")] {
        let mut row = seed.clone();
        row["digest"] = format!("sha256:{digits}{}", "0".repeat(60)).into();
        row["annotations"]["teu.id"] = format!("sha256:{digits}{}", "f".repeat(60)).into();
        row["annotations"]["org.opencontainers.image.ref.name"] = format!("docker.io/library/{name}:latest").into();
        value["manifests"].as_array_mut().expect("an array").push(row);
    }
    fs::write(&index, value.to_string()).expect("write");
    for arguments in [&["rmi", "abc"][..], &["tag", "sha256:abc", "x"], &["image", "inspect", "abc"], &["run", "abc"]] {
        let output = teu.run(arguments);
        assert_ne!(output.code, 0, "{output}");
        let output = output.explains(&["not unique", "abc1ffffffff (one:latest)", "abc2ffffffff (two:latest)"]);
        assert!(!output.errors().contains("three"), "{output}");
    }
    teu.run(&["rmi", "abc1"]);
    assert_eq!(teu.ok(&["images", "-q", "one"]), "");
}

#[test]
fn tag_gives_another_name_and_moves_one() {
    let teu = Teu::new();
    let one = make(&teu, "one", b"1");
    let two = make(&teu, "two:v2", b"2");
    teu.ok(&["tag", "one", "team/app:v1"]);
    teu.ok(&["image", "tag", &one[7..19], "app"]);
    assert_eq!(teu.inspect(&one)["RepoTags"], serde_json::json!(["app:latest", "one:latest", "team/app:v1"]));
    // It moves; its old owner has other names and stays as it is.
    teu.ok(&["tag", "two:v2", "app"]);
    assert_eq!(teu.inspect("app")["Id"], *two);
    // Its only name taken away, an image is dangling.
    teu.ok(&["tag", "app", "one"]);
    teu.ok(&["tag", "app", "team/app:v1"]);
    assert_eq!(teu.ok(&["images", "-q", "--no-trunc", "-f", "dangling=true"]), one);
    teu.run(&["tag", "nothing", "x"]).fails(1, &["no such image", "nothing"]);
    teu.run(&["tag", "two:v2", "Not A Name"]).fails(125, &["invalid image reference"]);
    let digest = format!("x@sha256:{}", "0".repeat(64));
    teu.run(&["tag", "two:v2", &digest]).fails(1, &["no tag"]);
    teu.run(&["tag", "host", "x"]).fails(1, &["host"]);
    teu.run(&["tag", "two:v2", "host"]).fails(1, &["host"]);
    assert_whole(&teu);
}

#[test]
fn rmi_in_all_its_forms() {
    let teu = Teu::new();
    let one = make(&teu, "one", b"1");
    let two = make(&teu, "two", b"2");
    teu.ok(&["tag", "one", "uno"]);
    assert_eq!(teu.ok(&["rmi", "uno"]), "Untagged: uno:latest");
    teu.ok(&["tag", "one", "uno"]);
    teu.run(&["rmi", &one]).fails(1, &["2 tags", "-f"]);
    // Several at once: what fails does not hinder the rest.
    let output = teu.run(&["rmi", "nothing", "two", &one]);
    assert_eq!(output.code, 1, "{output}");
    assert_eq!(output.text(), format!("Untagged: two:latest\nDeleted: {two}"));
    assert!(output.errors().contains("nothing") && output.errors().contains("2 tags"), "{output}");
    assert_eq!(
        teu.ok(&["rmi", "-f", "--no-prune", &one]),
        format!("Untagged: one:latest\nUntagged: uno:latest\nDeleted: {one}")
    );
    let output = teu.run(&["rmi", "-f", "nothing"]);
    assert_eq!(output.code, 0, "{output}");
    assert!(output.errors().contains("No such image"), "{output}");
    assert_eq!(content(&teu), 0);
}

#[test]
fn prune_takes_what_nothing_uses_and_asks_before() {
    let teu = Teu::new();
    let old = make(&teu, "app", b"old");
    make(&teu, "app", b"new");
    make(&teu, "other", b"other");
    let output = teu.run_fed(&["image", "prune"], b"n\n");
    assert_eq!(output.code, 1, "{output}");
    assert!(output.text().contains("all dangling images") && output.text().contains("1 image now"), "{output}");
    assert!(output.errors().contains("nothing was removed"), "{output}");
    assert_eq!(teu.ok(&["images", "-q"]).lines().count(), 4);
    // No answer is no.
    assert_eq!(teu.run(&["image", "prune"]).code, 1);
    let output = teu.run_fed(&["image", "prune"], b"y\n").ok();
    assert!(output.text().contains(&format!("deleted: {old}")), "{output}");
    assert!(output.text().contains("Total reclaimed space:"), "{output}");
    for (filter, left) in [("label=from=nothing", 3), ("until=1h", 3), ("label!=from=other", 2)] {
        teu.ok(&["image", "prune", "-af", "--filter", filter]);
        assert_eq!(teu.ok(&["images", "-q"]).lines().count(), left, "{filter}");
    }
    assert_eq!(teu.ok(&["images", "--filter", "label=from=other", "--format", "{{.Repository}}"]), "other");
    assert_eq!(teu.ok(&["images", "--filter", "label=from=app", "-q"]), "");
    // What was fetched of a broken-off pull goes with a prune, and only then.
    let part = image_folder(&teu).join("partial").join(format!("{}.part", "a".repeat(64)));
    fs::write(&part, [7; 5000]).expect("write");
    let usage = teu.ok(&["system", "df", "--format", "{{.Type}}: {{.TotalCount}} {{.Size}} {{.Reclaimable}}"]);
    assert!(usage.contains("Partial Pulls: 1 4.1kB") || usage.contains("Partial Pulls: 1 5kB"), "{usage}");
    make(&teu, "gone", b"gone");
    teu.ok(&["rmi", "gone"]);
    assert!(part.exists(), "a collection of garbage leaves it to the next pull");
    teu.ok(&["image", "prune", "-f"]);
    assert!(!part.exists());
    let text = teu.ok(&["system", "prune", "-af"]);
    assert!(text.contains("untagged: other:latest"), "{text}");
    assert_eq!(content(&teu), 0);
    teu.run(&["system", "prune", "--volumes", "--filter", "until=1h"]).fails(125, &["--volumes", "until"]);
    teu.run(&["image", "prune", "--filter", "colour=red"]).fails(125, &["colour", "until"]);
}

#[test]
fn disk_usage_counts_shared_layers_once() {
    let teu = Teu::new();
    let layer = |path: &str, bytes: usize| Layer::new(&tar_of(&[Entry::file(path, &vec![7; bytes])]), Packing::Gzip);
    let shared = layer("shared", 300_000);
    for (name, own) in [("one", 20_000), ("two", 1_000)] {
        let config = serde_json::json!({ "Cmd": ["/nothing"] });
        let image = Image::new(config, vec![shared.clone(), layer(name, own)]);
        let server = Server::registry(image, |_| None);
        teu.ok(&["pull", &server.reference(name)]);
        let own_name = server.reference(name);
        teu.ok(&["tag", &own_name, name]);
        teu.ok(&["rmi", &own_name]);
    }
    let text = teu.ok(&["system", "df"]);
    let images = text.lines().find(|line| line.starts_with("Images")).expect("a row");
    assert_eq!(images.split_whitespace().collect::<Vec<_>>(), ["Images", "2", "0", "321kB", "321kB", "(100%)"]);
    let long = teu.ok(&["system", "df", "-v"]);
    let row = |name: &str| {
        let line = long.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {long}"));
        line.split_whitespace().rev().take(4).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("one"), ["0", "20kB", "300kB", "320kB"]);
    assert_eq!(row("two"), ["0", "1kB", "300kB", "301kB"]);
    let json: serde_json::Value =
        serde_json::from_str(&teu.ok(&["system", "df", "-v", "--format", "json"])).expect("JSON");
    assert_eq!(json["Images"].as_array().map(Vec::len), Some(2));
    // The figures are remembered; what is remembered follows the images.
    teu.ok(&["rmi", "one"]);
    assert!(teu.ok(&["system", "df"]).lines().any(|line| line.starts_with("Images") && line.contains("301kB")));
    teu.run(&["system", "df", "--format", "{{.Nope}}"]).fails(125, &["Nope"]);
}

#[test]
fn listing_two_hundred_images_of_ten_layers_is_quick() {
    let teu = Teu::new();
    many_images(&teu, 200, 10);
    assert_eq!(teu.ok(&["images", "-q"]).lines().count(), 201);
    // The first call learns the sizes.
    teu.ok(&["system", "df"]);
    for arguments in [&["images"][..], &["system", "df"], &["system", "df", "-v"]] {
        let best = (0..5).map(|_| {
            let start = std::time::Instant::now();
            teu.ok(arguments);
            start.elapsed()
        });
        // A release build takes some 5 to 15 ms; this one is not optimised and not alone.
        assert!(best.min().is_some_and(|best| best.as_millis() < 500), "{arguments:?}");
    }
    assert_eq!(teu.ok(&["system", "df", "--format", "{{.TotalCount}}"]).lines().next(), Some("200"));
}

/// Writes a store of images as pulls would have left it; each has one layer of its own, the rest are shared by tens.
fn many_images(teu: &Teu, images: usize, layers: usize) {
    teu.ok(&["images"]);
    let store = image_folder(teu);
    make(teu, "seed", b"seed");
    let mut manifests = Vec::new();
    let put = |bytes: &[u8]| {
        let digest = sha256(bytes);
        fs::write(store.join("blobs/sha256").join(&digest[7..]), bytes).expect("write");
        digest
    };
    for number in 0..images {
        let layer = |at: usize| match at {
            0 => format!("own {number}"),
            _ => format!("shared {} {at}", number / 10),
        };
        let image = Image::new(
            serde_json::json!({ "Cmd": ["/x"] }),
            (0..layers)
                .map(|at| Layer::new(&tar_of(&[Entry::file("f", layer(at).as_bytes())]), Packing::Plain))
                .collect(),
        );
        for layer in &image.layers {
            put(&layer.bytes);
            let folder = store.join("layers").join(&layer.diff_id[7..]);
            if !folder.exists() {
                fs::create_dir_all(folder.join("fs")).expect("a folder");
                fs::write(folder.join("size"), "7").expect("write");
            }
        }
        let config = put(&image.config_bytes());
        let manifest = image.manifest_bytes();
        manifests.push(serde_json::json!({
            "mediaType": crate::support::oci::MANIFEST,
            "digest": put(&manifest),
            "size": manifest.len(),
            "annotations": {
                "org.opencontainers.image.ref.name": format!("docker.io/many/image-{number}:latest"),
                "teu.id": config,
                "teu.layers": layers.to_string(),
                "teu.size": "70",
            },
            "platform": { "os": "linux", "architecture": "amd64" },
        }));
    }
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": manifests });
    fs::write(store.join("index.json"), index.to_string()).expect("write");
}

/// Damages a store with one image of two layers, and looks at what the check says and the repair does.
struct Damaged {
    teu: Teu,
    name: String,
    server: Server,
    image: Image,
}

impl Damaged {
    fn new() -> Self {
        let teu = Teu::new();
        let image = tiny::empty_image();
        let server = Server::registry(image.clone(), |_| None);
        let name = server.reference("a/b:v1");
        teu.ok(&["pull", &name]);
        assert_whole(&teu);
        Self { teu, name, server, image }
    }

    fn blob(&self, digest: &str) -> PathBuf {
        image_folder(&self.teu).join("blobs/sha256").join(&digest[7..])
    }

    fn layer(&self, at: usize) -> PathBuf {
        image_folder(&self.teu).join("layers").join(&self.image.layers[at].diff_id[7..])
    }

    /// The check fails and says these words; it changes nothing.
    #[track_caller]
    fn is_found(&self, words: &[&str]) {
        let output = self.teu.run(&["system", "check"]);
        assert_eq!(output.code, 1, "{output}");
        let text = output.text();
        for word in words {
            assert!(text.contains(word), "{word}:\n{text}");
        }
        assert!(text.contains("damaged ") && text.contains("--repair"), "{text}");
        assert_eq!(self.teu.run(&["system", "check"]).text(), text, "a look changes nothing");
    }

    #[track_caller]
    fn is_mended(&self, words: &[&str]) {
        let text = self.teu.ok(&["system", "check", "--repair"]);
        for word in words {
            assert!(text.contains(word), "{word}:\n{text}");
        }
        assert_whole(&self.teu);
    }
}

#[test]
fn damaged_layer_is_unpacked_again() {
    let it = Damaged::new();
    let hello = it.layer(0).join("fs/etc/hello");
    fs::write(&hello, "HELLO\n").expect("write");
    it.is_found(&["etc/hello has another content", &it.name, it.image.layers[0].diff_id[7..19].as_ref()]);
    it.is_mended(&["unpacked anew"]);
    assert_eq!(fs::read_to_string(&hello).expect("read"), "hello\n");
    fs::remove_file(&hello).expect("remove");
    fs::write(it.layer(0).join("fs/stray"), "").expect("write");
    it.is_found(&["etc/hello is missing", "stray is not in the layer's archive"]);
    it.is_mended(&["unpacked anew"]);
    fs::remove_dir_all(it.layer(1)).expect("remove");
    it.is_found(&["it is not unpacked"]);
    it.is_mended(&["unpacked anew"]);
    fs::remove_file(it.layer(1).join("size")).expect("remove");
    it.is_found(&["never whole"]);
    it.is_mended(&["unpacked anew"]);
    assert_eq!(files(&image_folder(&it.teu).join("partial")), Vec::<PathBuf>::new());
}

#[test]
fn damaged_blob_goes_and_a_pull_brings_it_again() {
    let it = Damaged::new();
    let digest = sha256(&it.image.layers[0].bytes);
    let mut bytes = fs::read(it.blob(&digest)).expect("read");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(it.blob(&digest), bytes).expect("write");
    it.is_found(&["compressed layer", "not what its digest says"]);
    let output = it.teu.run(&["system", "check", "--repair"]);
    assert_eq!(output.code, 1, "nothing here can make the blob again: {output}");
    assert!(output.text().contains(&format!("teu pull {}", it.name)), "{output}");
    it.is_found(&["it is missing"]);
    it.teu.ok(&["pull", &it.name]);
    assert_whole(&it.teu);
    // With the files damaged too there is no image any more.
    fs::remove_file(it.blob(&digest)).expect("remove");
    fs::remove_dir_all(it.layer(0)).expect("remove");
    it.is_found(&["it is missing", "it is not unpacked"]);
    it.is_mended(&["dropped", &format!("teu pull {}", it.name)]);
    assert_eq!(content(&it.teu), 0);
    it.teu.ok(&["pull", &it.name]);
    assert_whole(&it.teu);
    assert!(it.server.requests().len() > 4);
}

#[test]
fn damaged_documents_and_index_are_told_and_mended() {
    let it = Damaged::new();
    let (config, manifest) = (sha256(&it.image.config_bytes()), sha256(&it.image.manifest_bytes()));
    fs::write(it.blob(&config), "{}").expect("write");
    it.is_found(&["configuration", "not what its digest says"]);
    // The image is listed and can be removed even so.
    assert!(it.teu.ok(&["images"]).contains("a/b"));
    it.is_mended(&["dropped"]);
    it.teu.ok(&["pull", &it.name]);
    fs::remove_file(it.blob(&manifest)).expect("remove");
    it.is_found(&["manifest", "it is missing"]);
    it.teu.ok(&["rmi", &it.name]);
    assert_whole(&it.teu);
    it.teu.ok(&["pull", &it.name]);
    let index = image_folder(&it.teu).join("index.json");
    fs::write(&index, "{\"schemaVersion\":2,\"manif").expect("write");
    it.teu.run(&["images"]).fails(1, &["index.json", "damaged"]);
    it.is_found(&["index.json"]);
    it.is_mended(&["1 images", "names are lost"]);
    assert_eq!(it.teu.ok(&["images", "-q", "--no-trunc", "-f", "dangling=true"]), config);
    it.teu.ok(&["tag", &config, "again"]);
    it.teu.ok(&["rmi", "again"]);
    assert_eq!(content(&it.teu), 0);
}

#[test]
fn leftovers_are_told_and_taken_away() {
    let it = Damaged::new();
    let store = image_folder(&it.teu);
    fs::write(store.join("blobs/sha256").join("f".repeat(64)), "whole but unused").expect("write");
    fs::create_dir_all(store.join("layers").join("e".repeat(64)).join("fs/closed")).expect("a folder");
    fs::create_dir_all(store.join("partial/0123456789abcdef/layer/fs")).expect("a folder");
    fs::write(store.join(".index.json.0000000000000000.tmp"), "{").expect("write");
    fs::write(store.join("partial").join(format!("{}.part", "a".repeat(64))), "half").expect("write");
    let text = it.teu.ok(&["system", "check"]);
    assert!(text.contains("4 leftovers"), "{text}");
    assert!(!text.contains("aaaa"), "the next pull goes on with it: {text}");
    it.is_mended(&["taken away"]);
    assert_eq!(files(&store.join("partial")).len(), 1);
    let json: serde_json::Value =
        serde_json::from_str(&it.teu.ok(&["system", "check", "--format", "json"])).expect("JSON");
    assert_eq!((json["images"].as_u64(), json["layers"].as_u64()), (Some(1), Some(2)));
    assert_eq!(json["findings"], serde_json::json!([]));
}
