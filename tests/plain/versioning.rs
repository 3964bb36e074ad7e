//! `teu commit`, `diff` and `history` without packages: containers that were never started.

use std::fs;

use crate::support::Teu;
use crate::support::oci::{Entry, tar_of};

fn bare(teu: &Teu) {
    let tar = tar_of(&[Entry::folder("etc/"), Entry::file("etc/hello", b"hello\n")]);
    let changes = ["ENTRYPOINT [\"/e\"]", "CMD [\"a\"]", "ENV KEEP=1", "LABEL of=image", "USER 7"];
    let flags: Vec<&str> = changes.iter().flat_map(|change| ["-c", *change]).collect();
    teu.run_fed(&[&["import", "-m", "the first"], &flags[..], &["-", "bare"]].concat(), &tar).ok();
    fs::write(teu.work().join("new"), "new").expect("write");
}

#[test]
fn commit_makes_an_image_of_image_and_flags() {
    let teu = Teu::new();
    bare(&teu);
    let flags = ["--name", "box", "-e", "MORE=2", "-l", "of=container", "-w", "/etc", "-t"];
    teu.ok(&[&["create"], &flags[..], &["bare", "b", "c"]].concat());
    teu.ok(&["cp", "new", "box:/etc/new"]);
    assert_eq!(teu.ok(&["diff", "box"]), "C /etc\nA /etc/new");
    let id =
        teu.ok(&["commit", "-a", "Ada <a@b>", "-m", "why", "-c", "ENV CHANGED=3", "-c", "EXPOSE 80", "box", "made:1"]);
    let image = teu.inspect("made:1");
    assert_eq!(image["Id"], serde_json::json!(id));
    let config = &image["Config"];
    assert_eq!(config["Entrypoint"], serde_json::json!(["/e"]), "{config}");
    assert_eq!(config["Cmd"], serde_json::json!(["b", "c"]), "{config}");
    assert_eq!(config["Env"], serde_json::json!(["KEEP=1", "MORE=2", "CHANGED=3"]), "{config}");
    assert_eq!(config["Labels"], serde_json::json!({"of": "container"}), "{config}");
    assert_eq!((&config["User"], &config["WorkingDir"]), (&serde_json::json!("7"), &serde_json::json!("/etc")));
    let rows =
        teu.ok(&["history", "--no-trunc", "--format", "{{.ID}}|{{.CreatedBy}}|{{.Comment}}|{{.Author}}", "made:1"]);
    let rows: Vec<&str> = rows.lines().collect();
    assert_eq!(rows[0], format!("{id}|/e b c|why|Ada <a@b>"));
    assert!(rows[1].starts_with("<missing>|") && rows[1].contains("the first"), "{rows:?}");
    // A second one on top, without a name.
    teu.ok(&["create", "--name", "next", "made:1"]);
    let second = teu.ok(&["commit", "next"]);
    assert_eq!(teu.ok(&["history", "-q", "--no-trunc", &second]).lines().count(), 3);
    teu.ok(&["create", "--name", "third", &second]);
    teu.ok(&["cp", "third:/etc/new", "back"]);
    assert_eq!(fs::read_to_string(teu.work().join("back")).expect("read"), "new");
    assert_eq!(teu.state("third"), "created");
}

#[test]
fn commit_that_cannot_be_leaves_nothing() {
    let teu = Teu::new();
    bare(&teu);
    teu.ok(&["create", "--name", "box", "bare"]);
    let before = teu.ok(&["images", "-q", "--no-trunc"]);
    teu.run(&["commit", "none", "x"]).fails(1, &["no such container"]);
    teu.run(&["commit", "box", "UPPER:case"]).fails(125, &["reference"]);
    teu.run(&["commit", "-c", "RUN x", "box", "x"]).fails(1, &["RUN"]);
    teu.run(&["commit", "box", "host"]).fails(1, &["host"]);
    teu.run_fed(&["cp", "-", "box:/etc"], &tar_of(&[Entry::file(".wh.hello", b"")])).ok();
    teu.run(&["commit", "box", "x"]).fails(1, &[".wh."]);
    assert_eq!(teu.ok(&["images", "-q", "--no-trunc"]), before);
    assert_eq!(fs::read_dir(teu.root().join("image/partial")).expect("list").count(), 0);
}

#[test]
fn history_shows_sizes_for_people_and_programs() {
    let teu = Teu::new();
    bare(&teu);
    let table = teu.ok(&["history", "bare"]);
    for word in ["IMAGE", "CREATED BY", "SIZE", "COMMENT", "6B", "the first", "ago"] {
        assert!(table.contains(word), "{word} in:\n{table}");
    }
    assert_eq!(teu.ok(&["history", "--human=false", "--format", "{{.Size}}", "bare"]), "6");
    let json = teu.ok(&["image", "history", "--format", "json", "bare"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).expect("json")["Comment"], "the first");
    assert_eq!(teu.ok(&["history", "host"]).lines().count(), 1);
    teu.run(&["history", "none"]).fails(1, &["no such image"]);
}

#[test]
fn diff_of_untouched_and_missing_containers() {
    let teu = Teu::new();
    bare(&teu);
    teu.ok(&["create", "--name", "box", "bare"]);
    assert_eq!(teu.ok(&["diff", "box"]), "");
    teu.run(&["diff", "none"]).fails(1, &["no such container"]);
}
