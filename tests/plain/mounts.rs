//! Mounts in containers of the host image: as whoever runs the tests, with nothing installed.

use std::fs;

use crate::support::Teu;

fn flags<'a>(head: &[&'a str], tail: &[&'a str]) -> Vec<&'a str> {
    [head, &["--network", "none"], tail].concat()
}

#[test]
fn binds_volumes_and_memory_are_seen_inside() {
    let teu = Teu::new();
    let source = teu.work().join("src");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("file"), "bound").expect("a file");
    let script = "cat /mnt/d/file; touch /mnt/r/x 2>/dev/null || echo ' read-only'; touch /mnt/d/made; echo kept > /mnt/v/file; \
        stat -f -c %T /mnt/t /mnt/u; stat -c %a /mnt/t";
    let mounts =
        ["-v", "./src:/mnt/d", "--mount", "type=bind,source=./src,target=/mnt/r,readonly", "-v", "data:/mnt/v"];
    let memory = ["--mount", "type=tmpfs,target=/mnt/t,tmpfs-mode=0711", "--tmpfs", "/mnt/u"];
    let words = [&["run", "--rm"], &mounts[..], &memory[..]].concat();
    let text = teu.ok(&flags(&words, &["host", "sh", "-c", script]));
    assert_eq!(text.lines().collect::<Vec<_>>(), ["bound read-only", "tmpfs", "tmpfs", "711"]);
    assert!(source.join("made").is_file());
    let again = flags(&["run", "--rm", "--mount", "source=data,target=/mnt/v,volume-subpath=file,readonly"], &[]);
    assert_eq!(teu.ok(&[&again[..], &["host", "cat", "/mnt/v"]].concat()), "kept");
}

#[test]
fn container_that_is_down_shows_its_mounts_to_cp() {
    let teu = Teu::new();
    let source = teu.work().join("src");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("file"), "bound").expect("a file");
    teu.ok(&flags(&["create", "--name", "box", "-v", "./src:/mnt/d"], &["host", "true"]));
    teu.ok(&["cp", "box:/mnt/d/file", "copy"]);
    assert_eq!(fs::read_to_string(teu.work().join("copy")).expect("the copy"), "bound");
    teu.ok(&["cp", "copy", "box:/mnt/d/given"]);
    assert_eq!(fs::read_to_string(source.join("given")).expect("given"), "bound");
    let seen = teu.inspect("box");
    assert_eq!(seen["Mounts"][0]["Destination"], "/mnt/d");
    assert_eq!(seen["Mounts"][0]["Type"], "bind");
    teu.ok(&["rm", "box"]);
}

/// As records looked before there were volumes.
#[test]
fn container_of_an_older_teu_keeps_its_binds() {
    let teu = Teu::new();
    let source = teu.work().join("src");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("file"), "old").expect("a file");
    let id = teu.ok(&flags(&["create", "--name", "box", "-v", "./src:/mnt/d:ro"], &["host", "cat", "/mnt/d/file"]));
    let path = teu.root().join("containers").join(id.trim()).join("record.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("read")).expect("json");
    record["config"]["mounts"] = serde_json::json!([{"source": source, "target": "/mnt/d", "read_only": true}]);
    fs::write(&path, record.to_string()).expect("write");
    assert_eq!(teu.ok(&["start", "-a", "box"]), "old");
    assert_eq!(teu.inspect("box")["Mounts"][0]["RW"], false);
    teu.ok(&["rm", "box"]);
}

#[test]
fn wrong_mounts_are_refused_with_their_cure() {
    let teu = Teu::new();
    for (words, said) in [
        (["-v", "data"], "data:/PATH/INSIDE"),
        (["-v", "a/b:/x"], "./a/b"),
        (["-v", "../../..:/x/.."], "cannot be /"),
        (["--mount", "type=bind,source=./none,target=/x"], "make it first"),
        (["--mount", "source=../data,target=/x"], "type=bind"),
        (["--mount", "type=image,source=none:1,target=/x"], "teu pull none:1"),
        (["--volumes-from", "nobody"], "teu ps -a"),
        (["--tmpfs", "/x:color=red"], "size=64m"),
    ] {
        let output = teu.run(&flags(&["run", "--rm", words[0], words[1]], &["host", "true"]));
        assert_eq!(output.code, 125, "{output}");
        output.explains(&[said]);
    }
    assert_eq!(teu.names().len(), 0);
}

#[test]
fn mounts_of_a_stopped_container_are_changed_for_its_next_start() {
    let teu = Teu::new();
    for name in ["one", "two"] {
        fs::create_dir(teu.work().join(name)).expect("a folder");
        fs::write(teu.work().join(name).join("file"), name).expect("a file");
    }
    let show = "cat /mnt/*/file; ls -d /mnt/v 2>/dev/null; true";
    teu.ok(&flags(&["create", "--name", "box", "-v", "./one:/mnt/d"], &["host", "sh", "-c", show]));
    assert_eq!(teu.ok(&["start", "-a", "box"]), "one");
    let change =
        ["--mount-rm", "/mnt/d/", "--mount-add", "./two:/mnt/e:ro", "--mount-add", "type=volume,src=data,dst=/mnt/v"];
    teu.ok(&[&["update"], &change[..], &["box"]].concat());
    assert_eq!(teu.ok(&["start", "-a", "box"]), "two/mnt/v");
    assert_eq!(teu.ok(&["volume", "ls", "-q"]), "data");
    let refused = |words: &[&str], told: &[&str]| {
        let before = teu.inspect("box")["Mounts"].clone();
        teu.run(&[&["update"], words, &["box"]].concat()).fails(1, told);
        assert_eq!(teu.inspect("box")["Mounts"], before, "{words:?}");
    };
    refused(&["--mount-rm", "/mnt/d"], &["box", "nothing", "/mnt/d"]);
    refused(&["--mount-add", "other:/mnt/v"], &["duplicate mount point: /mnt/v"]);
    refused(&["--mount-add", "other:/mnt/x", "--mount-rm", "/nope"], &["/nope"]);
    refused(&["--mount-add", "type=bind,src=./missing,dst=/mnt/x"], &["missing"]);
    assert_eq!(teu.ok(&["volume", "ls", "-q"]), "data", "nothing half made");
    teu.ok(&["rm", "box"]);
    teu.ok(&flags(&["run", "-d", "--name", "box"], &["host", "sleep", "100"]));
    refused(&["--mount-add", "other:/mnt/x"], &["box", "running", "teu stop"]);
    teu.ok(&["rm", "-f", "box"]);
}

/// Docker's events of volumes, and the filters that find who uses them.
#[test]
fn volumes_that_are_mounted_are_told_of_and_found() {
    let teu = Teu::new();
    let words = ["run", "--name", "user", "-v", "data:/mnt/d:ro", "-v", "/mnt/anon"];
    teu.ok(&flags(&words, &["host", "true"]));
    let id = teu.inspect("user")["Id"].as_str().expect("an id").to_owned();
    let told = |filter: &str| {
        let format = "{{.Action}} {{.Name}} {{json .Attributes}}";
        teu.ok(&["events", "--until", "0s", "--filter", "type=volume", "--filter", filter, "--format", format])
    };
    let mounted = told("event=mount");
    assert_eq!(mounted.lines().count(), 2, "{mounted}");
    let line = mounted.lines().next().expect("a line").strip_prefix("mount data ").expect(&mounted);
    let attributes: serde_json::Value = serde_json::from_str(line).expect(line);
    let expected = serde_json::json!({
        "container": id, "destination": "/mnt/d", "driver": "local", "propagation": "", "read/write": "false",
    });
    assert_eq!(attributes, expected);
    assert_eq!(told("event=unmount").lines().count(), 2);
    let order = teu.ok(&["events", "--until", "0s", "--format", "{{.Type}} {{.Action}}"]);
    let at = |text: &str| order.lines().position(|line| line == text).unwrap_or_else(|| panic!("{text} in {order}"));
    assert!(at("volume mount") < at("container start"), "{order}");
    assert!(at("container die") < at("volume unmount"), "{order}");
    let found = |filter: &str| teu.ok(&["ps", "-a", "--filter", filter, "--format", "{{.Names}} {{.LocalVolumes}}"]);
    for filter in ["volume=data", "volume=/mnt/anon", "network=none"] {
        assert_eq!(found(filter), "user 2", "{filter}");
    }
    assert_eq!(found("volume=dat"), "");
    assert_eq!(teu.inspect("user")["Config"]["Volumes"], serde_json::json!({ "/mnt/anon": {} }));
    teu.ok(&["rm", "-v", "user"]);
}
