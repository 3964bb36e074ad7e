//! Images that mean harm, pulled from a registry of the test's own: what they do to the machine is nothing, and what is wrong
//! with them is said in one line that names the cure.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::Teu;
use crate::support::http::{Reply, Server};
use crate::support::oci::{Entry, Image, Layer, MANIFEST, Packing, sha256, tar_of};

fn image_of(layers: &[&[Entry]]) -> Image {
    let layers = layers.iter().map(|entries| Layer::new(&tar_of(entries), Packing::Gzip)).collect();
    Image::new(json!({ "Cmd": ["/x"] }), layers)
}

fn serve(image: Image) -> Server {
    Server::registry(image, |_| None)
}

/// A folder that no image may touch, and proof that none did.
struct Canary(tempfile::TempDir);

impl Canary {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).expect("mode");
        fs::write(folder.path().join("file"), "untouched").expect("write");
        Self(folder)
    }

    fn path(&self) -> &str {
        self.0.path().to_str().expect("a plain path")
    }

    #[track_caller]
    fn assert_untouched(&self) {
        let names: Vec<_> = fs::read_dir(self.0.path()).expect("list").flatten().map(|it| it.file_name()).collect();
        assert_eq!(names, ["file"]);
        assert_eq!(fs::read_to_string(self.0.path().join("file")).expect("there"), "untouched");
        assert_eq!(fs::metadata(self.0.path()).expect("there").mode() & 0o777, 0o700);
    }
}

/// Refused in one line with these words; nothing of it stays.
#[track_caller]
fn refused(image: Image, words: &[&str]) {
    let teu = Teu::new();
    let server = serve(image);
    let output = teu.run(&["pull", "-q", &server.reference("it")]);
    assert_ne!(output.code, 0, "{output}");
    let output = output.explains(words);
    assert!(output.errors().lines().count() <= 3, "{output}");
    assert!(!output.errors().chars().any(|letter| letter.is_control() && letter != '\n'), "{output}");
    assert_eq!(files(&teu.root().join("image/layers")), Vec::<PathBuf>::new());
}

fn configure(teu: &Teu, text: &str) {
    let folder = teu.config().join("teu");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config.toml"), text).expect("write");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|it| it.path()).collect()
}

#[test]
fn layers_that_reach_out_are_refused() {
    let canary = Canary::new();
    let outside = format!("{}/file", canary.path());
    let climbing = format!("{}{}", "../".repeat(12), outside.trim_start_matches('/'));
    refused(image_of(&[&[Entry::file("../../x", b"owned")]]), &["..", "../../x"]);
    refused(image_of(&[&[Entry::hardlink("x", &climbing)]]), &[".."]);
    refused(image_of(&[&[Entry::hardlink("x", &outside)]]), &["not in the layer"]);
    refused(image_of(&[&[Entry::symlink("x", &climbing)]]), &["leaves the root"]);
    refused(image_of(&[&[Entry::file(".wh...", b""), Entry::file("a/.wh..", b"")]]), &["whiteout"]);
    refused(image_of(&[&[Entry::file("\u{1b}]0;owned\u{7}/../x", b"")]]), &[".."]);
    canary.assert_untouched();
}

#[test]
fn symlink_of_one_layer_leads_the_next_nowhere() {
    let canary = Canary::new();
    let teu = Teu::new();
    let inside = canary.path().trim_start_matches('/');
    let layers: [&[Entry]; 3] = [
        &[Entry::symlink("door", canary.path()), Entry::symlink("etc", "/")],
        &[Entry::folder("door/").mode(0o777), Entry::file("door/file", b"owned"), Entry::file("etc/new", b"owned")],
        &[Entry::file("door/.wh.file", b""), Entry::file(&format!("{inside}/.wh.file"), b"")],
    ];
    let server = serve(image_of(&layers));
    teu.ok(&["pull", "-q", &server.reference("swap")]);
    canary.assert_untouched();
    teu.ok(&["rmi", &server.reference("swap")]);
    canary.assert_untouched();
}

#[test]
fn hard_link_to_another_layers_file_is_refused_by_name() {
    let image = image_of(&[&[Entry::file("below", b"x")], &[Entry::hardlink("above", "below")]]);
    refused(image, &["above", "not in the layer"]);
}

#[test]
fn bomb_is_refused_and_the_limit_can_be_raised() {
    let teu = Teu::new();
    let zeros = vec![0; 3 << 20];
    let server = serve(image_of(&[&[Entry::file("zeros", &zeros)]]));
    configure(&teu, "[unpack]\nmax_size = \"1m\"\n");
    let output = teu.run(&["pull", "-q", &server.reference("bomb")]);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["zeros", "1048576", "max_size", "config.toml"]);
    assert_eq!(files(&teu.root().join("image/layers")), Vec::<PathBuf>::new());
    configure(&teu, "[unpack]\nmax_size = \"1g\"\nmax_files = 1\n");
    teu.ok(&["pull", "-q", &server.reference("bomb")]);
    for (text, word) in
        [("max_ratio = 0", "max_ratio"), ("max_size = \"much\"", "much"), ("max_bytes = 1", "max_bytes")]
    {
        configure(&teu, &format!("[unpack]\n{text}\n"));
        let output = teu.run(&["images"]);
        assert_ne!(output.code, 0, "{text}: {output}");
        let output = output.explains(&["config.toml"]);
        assert!(output.errors().contains(word) || output.errors().contains("line 2"), "{output}");
    }
    configure(&teu, "");
}

#[test]
fn manifest_that_is_two_things_at_once_is_refused() {
    // CVE-2021-41190: what it is depends on which of its members a reader looks at, or on a header that nobody signs.
    let image = image_of(&[&[Entry::file("x", b"x")]]);
    let manifest: serde_json::Value = serde_json::from_slice(&image.manifest_bytes()).expect("JSON");
    let index = "application/vnd.oci.image.index.v1+json";
    let both = {
        let mut both = manifest.clone();
        both["manifests"] = json!([]);
        both
    };
    let misnamed = {
        let mut misnamed = manifest.clone();
        misnamed["mediaType"] = index.into();
        misnamed
    };
    let empty_index = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "manifests": [] });
    for (document, word) in [(both, "at once"), (misnamed, "calls itself"), (empty_index, "calls itself")] {
        for content_type in [MANIFEST, index, "text/plain"] {
            let bytes = document.to_string().into_bytes();
            let server = Server::registry(image.clone(), move |request| {
                request.path.contains("/manifests/").then(|| Reply::body(content_type, bytes.clone()))
            });
            let teu = Teu::new();
            let output = teu.run(&["pull", "-q", &server.reference("two")]);
            assert_ne!(output.code, 0, "{output}");
            output.explains(&[word]);
        }
    }
}

#[test]
fn configuration_that_means_harm_is_text_and_nothing_else() {
    // CVE-2022-23648: a volume's path that climbs out showed the machine's files. CVE-2026-53488: a label was obeyed.
    let canary = Canary::new();
    let climbing = format!("/../../../..{}", canary.path());
    let config = json!({
        "Cmd": ["/x"],
        "Volumes": { climbing.clone(): {}, "/proc/1/root": {}, "": {}, "../..": {} },
        "Labels": {
            "containerd.io/restart.logpath": format!("binary:///bin/sh?-c=rm {}/file", canary.path()),
            "io.teu.\u{1b}[2J": "\u{1b}]52;c;b3duZWQ=\u{7}\r\nx\u{202e}",
            "": "empty",
        },
        "Env": ["LD_PRELOAD=/x", "=y", "", "\u{1b}[2J"],
        "WorkingDir": "/../../..",
        "StopSignal": "SIGNONE\u{1b}[2J",
        "ExposedPorts": { "99999/udp": {}, "x\u{1b}[2J": {} },
    });
    let teu = Teu::new();
    let layer = Layer::new(&tar_of(&[Entry::file("x", b"no program")]), Packing::Gzip);
    let server = serve(Image::new(config, vec![layer]));
    let name = server.reference("config");
    teu.ok(&["pull", "-q", &name]);
    let created = teu.run(&["create", "--name", "it", "--stop-signal", "TERM", &name]);
    let shown = [
        teu.run(&["inspect", &name]).text(),
        teu.run(&["history", &name]).text(),
        teu.run(&["images", "--no-trunc"]).text(),
        teu.run(&["ps", "-a", "--no-trunc"]).text(),
        created.text(),
        created.errors(),
    ];
    for text in &shown {
        assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t'), "{text:?}");
    }
    let mut terminal = teu.pty(&["ps", "-a", "--format", "{{.Labels}}"]);
    terminal.wait_exit();
    terminal.assert_restored();
    assert!(!terminal.raw().contains("\u{1b}]52"), "a label speaks to the terminal");
    if created.code == 0 {
        let started = teu.run(&["start", "it"]);
        assert_ne!(started.code, 0, "/x is no program");
        let mounts = teu.inspect("it")["Mounts"].to_string();
        assert!(!mounts.contains(canary.path()) && !mounts.contains(".."), "{mounts}");
    }
    canary.assert_untouched();
}

#[test]
fn configuration_of_the_wrong_shape_is_refused() {
    let image = image_of(&[&[Entry::file("x", b"x")]]);
    let diff_id = image.layers[0].diff_id.clone();
    let rootfs = json!({ "type": "layers", "diff_ids": [diff_id] });
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let documents = [
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": ["../../etc"] } })
            .to_string(),
        json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [] } }).to_string(),
        json!({ "architecture": "amd64", "os": "linux", "rootfs": rootfs, "config": { "Env": "PATH=/" } }).to_string(),
        format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{deep}}}"#),
        "\u{0}".repeat(50),
    ];
    for document in documents {
        let bytes = document.into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(&bytes), "size": bytes.len()
            },
            "layers": [{
                "mediaType": image.layers[0].media, "digest": sha256(&image.layers[0].bytes), "size": image.layers[0].bytes.len()
            }],
        });
        let manifest = manifest.to_string().into_bytes();
        let server = Server::registry(image.clone(), move |request| {
            let is_config = request.path.ends_with(&sha256(&bytes));
            match request.path.contains("/manifests/") {
                true => Some(Reply::body(MANIFEST, manifest.clone())),
                false => is_config.then(|| Reply::body("application/octet-stream", bytes.clone())),
            }
        });
        let teu = Teu::new();
        let output = teu.run(&["pull", "-q", &server.reference("shape")]);
        assert_ne!(output.code, 0, "{output}");
        assert!(output.errors().lines().all(|line| line.chars().count() < 400), "{output}");
    }
}
