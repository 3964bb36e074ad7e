//! `teu import`: folders and tars, whole, cut short, and hostile.

use crate::support::Teu;
use crate::support::oci::{Entry, tar_of};

fn good() -> Vec<Entry> {
    vec![
        Entry::folder("etc/"),
        Entry::file("etc/hello", b"hello\n"),
        Entry::symlink("etc/link", "hello"),
        Entry::hardlink("etc/hard", "etc/hello"),
    ]
}

#[test]
fn tar_and_folder_become_images() {
    let teu = Teu::new();
    let tar = teu.file("good.tar", &tar_of(&good()));
    let id = teu.ok(&["import", &tar.to_string_lossy(), "from-tar:v1"]);
    assert!(id.contains("sha256:"), "{id}");
    let folder = teu.work().join("rootfs/etc");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("hello"), "hello\n").expect("write");
    teu.ok(&["import", &teu.work().join("rootfs").to_string_lossy(), "from-folder"]);
    teu.run_fed(&["import", "-", "from-stdin"], &tar_of(&good())).ok();
    let listed = teu.ok(&["images"]);
    for word in
        ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "from-tar", "v1", "from-folder", "from-stdin", "latest"]
    {
        assert!(listed.contains(word), "{word} in:\n{listed}");
    }
    teu.ok(&["rmi", "from-tar:v1", "from-folder", "from-stdin"]);
    assert!(!teu.ok(&["images"]).contains("from-"), "{}", teu.ok(&["images"]));
    assert_eq!(blobs_and_layers(&teu), Vec::<String>::new());
}

#[test]
fn compressed_tars_are_recognised() {
    use std::io::Write;
    let teu = Teu::new();
    let tar = tar_of(&good());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("to memory");
    teu.run_fed(&["import", "-", "gzipped"], &gzip.finish().expect("to memory")).ok();
    teu.run_fed(&["import", "-", "zstandard"], &zstd::encode_all(&tar[..], 1).expect("to memory")).ok();
    assert_eq!(teu.ok(&["images", "-q"]).lines().filter(|line| *line != "host").count(), 2);
}

#[test]
fn changes_become_the_images_configuration() {
    let teu = Teu::new();
    let changes =
        ["CMD [\"/a\", \"b c\"]", "ENV KEY=value", "WORKDIR /etc", "USER 7", "LABEL a=b", "ENTRYPOINT [\"/e\"]"];
    let flags: Vec<&str> = changes.iter().flat_map(|change| ["--change", *change]).collect();
    teu.run_fed(&[&["import"], &flags[..], &["-", "changed"]].concat(), &tar_of(&good())).ok();
    let config = &teu.inspect("changed")["Config"];
    assert_eq!(config["Cmd"], serde_json::json!(["/a", "b c"]), "{config}");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/e"]), "{config}");
    assert_eq!(config["WorkingDir"], "/etc");
    assert_eq!(config["User"], "7");
    assert_eq!(config["Labels"]["a"], "b");
    assert!(config["Env"].to_string().contains("KEY=value"), "{config}");
}

#[test]
fn tar_that_is_cut_short_or_garbage_is_refused_and_leaves_nothing() {
    let teu = Teu::new();
    let whole = tar_of(&[Entry::file("big", &vec![7; 100_000])]);
    for (name, bytes) in [("cut", &whole[..50_000]), ("garbage", &[0xa5; 5000][..]), ("empty", &[][..])] {
        let output = teu.run_fed(&["import", "-", "broken"], bytes);
        assert_ne!(output.code, 0, "{name}: {output}");
        output.explains(&["tar"]);
    }
    assert!(!teu.ok(&["images"]).contains("broken"));
    assert_eq!(blobs_and_layers(&teu), Vec::<String>::new());
}

#[test]
fn hostile_paths_never_leave_the_image() {
    let teu = Teu::new();
    let outside = teu.work().join("outside");
    std::fs::create_dir(&outside).expect("a folder");
    std::fs::write(outside.join("victim"), "untouched").expect("write");
    let up = "../".repeat(12);
    let target = outside.display();
    let tars: Vec<(&str, Vec<Entry>)> = vec![
        ("dot-dot", vec![Entry::file(&format!("{up}{target}/victim"), b"owned")]),
        ("inner dot-dot", vec![Entry::folder("a/"), Entry::file(&format!("a/../{up}{target}/victim"), b"owned")]),
        ("absolute", vec![Entry::file(&format!("{target}/victim"), b"owned")]),
        ("through a symlink", vec![Entry::symlink("door", &target.to_string()), Entry::file("door/victim", b"owned")]),
        (
            "through a relative symlink",
            vec![Entry::symlink("door", &format!("{up}{target}")), Entry::file("door/victim", b"owned")],
        ),
        ("hard link out", vec![Entry::hardlink("grab", &format!("{target}/victim")), Entry::file("grab", b"owned")]),
        ("hard link up", vec![Entry::hardlink("grab", &format!("{up}{target}/victim")), Entry::file("grab", b"owned")]),
        (
            "hard link through a symlink",
            vec![
                Entry::symlink("door", &target.to_string()),
                Entry::hardlink("grab", "door/victim"),
                Entry::file("grab", b"owned"),
            ],
        ),
        (
            "folder over a symlink",
            vec![
                Entry::symlink("door", &target.to_string()),
                Entry::folder("door/").mode(0o777),
                Entry::file("door/new", b"x"),
            ],
        ),
        ("whiteout out", vec![Entry::file(&format!("{up}{target}/.wh.victim"), b"")]),
        (
            "whiteout through a symlink",
            vec![Entry::symlink("door", &target.to_string()), Entry::file("door/.wh.victim", b"")],
        ),
        (
            "opaque through a symlink",
            vec![Entry::symlink("door", &target.to_string()), Entry::file("door/.wh..wh..opq", b"")],
        ),
    ];
    for (name, entries) in tars {
        let output = teu.run_fed(&["import", "-", "hostile"], &tar_of(&entries));
        output.no_panic();
        if output.code != 0 {
            output.explains(&[]);
        }
        let found: Vec<_> =
            std::fs::read_dir(&outside).expect("the folder lives").flatten().map(|e| e.file_name()).collect();
        assert_eq!(found, ["victim"], "{name}");
        assert_eq!(std::fs::read_to_string(outside.join("victim")).expect("read"), "untouched", "{name}");
        use std::os::unix::fs::MetadataExt;
        assert_eq!(
            std::fs::metadata(outside.join("victim")).expect("stat").nlink(),
            1,
            "{name}: a hard link leads out"
        );
        teu.run(&["rmi", "-f", "hostile"]);
    }
    assert_eq!(blobs_and_layers(&teu), Vec::<String>::new());
}

#[test]
fn device_nodes_are_of_no_use() {
    let teu = Teu::new();
    let output = teu.run_fed(
        &["import", "-", "nodes"],
        &tar_of(&[Entry::folder("dev/"), Entry::device("dev/disk"), Entry::device("evil")]),
    );
    if output.code != 0 {
        output.explains(&["device"]);
        assert_eq!(blobs_and_layers(&teu), Vec::<String>::new());
    }
}

#[test]
fn unknown_file_and_bad_name_are_refused() {
    let teu = Teu::new();
    teu.run(&["import", "/no/such/file.tar", "x"]).explains(&["/no/such/file.tar"]);
    let output = teu.run_fed(&["import", "-", "Not A Name"], &tar_of(&good()));
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["name"]);
    teu.run(&["rmi", "nothing"]).fails(1, &["nothing", "no such image"]);
    teu.run(&["rmi", "host"]).explains(&["host"]);
    assert!(teu.ok(&["images"]).contains("host"));
}

/// What is left in the store's folders of content.
fn blobs_and_layers(teu: &Teu) -> Vec<String> {
    let image = teu.root().join("image");
    let list = |folder: &str| {
        let entries = std::fs::read_dir(image.join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect::<Vec<_>>()
    };
    ["blobs/sha256", "layers", "partial"].into_iter().flat_map(list).collect()
}
