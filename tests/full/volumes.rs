//! Volumes in real containers: filled from the image, shared, left alone and removed; as root and as ordinary users.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::support::oci::{Entry, Image, Layer, Packing, tar_of};
use crate::support::user::Range;
use crate::support::{Registry, SECOND, Teu, User, need, tiny, wait_for};

/// Imports busybox with these files and a volume at /data.
fn import(teu: &Teu, name: &str, more: &[Entry], volumes: &str) {
    let mut tar = tiny::busybox_tar();
    tar.truncate(tar.len() - 1024);
    tar.extend(tar_of(more));
    let file = teu.file(&format!("{name}.tar"), &tar);
    let volume = format!("VOLUME {volumes}");
    teu.run(&["import", "--change", "CMD [\"sh\"]", "--change", &volume, &file.to_string_lossy(), name]).ok();
}

/// What the image has at /data.
fn content() -> Vec<Entry> {
    vec![
        Entry::folder("data/").mode(0o2770).owner(1000),
        Entry::file("data/file", b"from the image\n").owner(1000),
        Entry::program("data/tool", b"#!/bin/sh\n").mode(0o4755).owner(7),
        Entry::folder("data/sub/").mode(0o700),
        Entry::file("data/sub/deep", b"deep\n"),
        Entry::symlink("data/link", "../etc/passwd"),
        Entry::hardlink("data/again", "data/file"),
    ]
}

fn names(teu: &Teu) -> BTreeSet<String> {
    teu.ok(&["volume", "ls", "-q"]).lines().map(str::to_owned).collect()
}

fn on_disk(teu: &Teu) -> BTreeSet<String> {
    let entries = fs::read_dir(teu.root().join("volumes")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn data(teu: &Teu, name: &str) -> PathBuf {
    teu.root().join("volumes").join(name).join("data")
}

/// The container's monitor.
fn monitor(teu: &Teu, name: &str) -> String {
    let id = teu.ok(&["ps", "-a", "--no-trunc", "--format", "{{.ID}}", "--filter", &format!("name=^{name}$")]);
    let state = fs::read_to_string(teu.runroot().join("containers").join(id).join("state.json")).expect("its state");
    let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
    state["monitor_pid"].to_string()
}

fn kill(pid: &str) {
    assert!(std::process::Command::new("kill").args(["-9", pid]).status().expect("kill").success());
}

const LOOK: &str = "cd /data && stat -c '%n %u:%g %a' . file tool sub sub/deep && cat file sub/deep && readlink link && \
                    [ file -ef again ] && echo one file";

/// The image's content with owners, modes and links, once; then the volume is the container's.
fn first_use(teu: &Teu, owners: [&str; 3]) {
    import(teu, "full", &content(), "/data");
    let [app, seven, root] = owners;
    let seen = format!(
        ". {app} 2770\nfile {app} 644\ntool {seven} 4755\nsub {root} 700\nsub/deep {root} 644\nfrom the image\ndeep\n\
         ../etc/passwd\none file"
    );
    assert_eq!(teu.ok(&["run", "--name", "first", "full", "sh", "-c", LOOK]), seen);
    assert_eq!(names(teu).len(), 1);
    // A start again finds what the run before has left.
    teu.ok(&[
        "run",
        "-d",
        "--name",
        "keeps",
        "full",
        "sh",
        "-c",
        "[ -e /data/mine ] || rm /data/file; touch /data/mine",
    ]);
    teu.ok(&["wait", "keeps"]);
    assert_eq!(teu.ok(&["start", "-a", "keeps"]), "");
    let keeper = teu.inspect("keeps")["Mounts"][0]["Name"].as_str().expect("a volume").to_owned();
    let inside = data(teu, &keeper);
    assert!(inside.join("mine").exists() && !inside.join("file").exists(), "it is filled once");
    assert_eq!(
        fs::read_dir(&inside).expect("list").filter(|e| e.as_ref().is_ok_and(|e| e.file_name() == "again")).count(),
        1
    );
    // A named one, and one that is not to be filled.
    let named = ["run", "--rm", "-v", "named:/data", "full", "sh", "-c", LOOK];
    assert_eq!(teu.ok(&named), seen);
    assert_eq!(teu.ok(&named), seen, "it stays");
    assert_eq!(teu.ok(&["run", "--rm", "-v", "bare:/data:nocopy", "full", "ls", "-A", "/data"]), "");
    // What is not empty is left alone.
    teu.run_fed(&["volume", "import", "mine"], &tar_of(&[Entry::file("other", b"x")])).ok();
    assert_eq!(teu.ok(&["run", "--rm", "-v", "mine:/data", "full", "ls", "/data"]), "other");
    assert_eq!(
        teu.ok(&["run", "--rm", "-v", "mine:/data:ro", "full", "sh", "-c", "touch /data/x 2>/dev/null || echo ro"]),
        "ro"
    );
    assert_eq!(names(teu).len(), 5, "first, keeps, named, bare, mine: {:?}", names(teu));
    teu.ok(&["rm", "-v", "first"]);
    teu.ok(&["rm", "keeps"]);
    assert_eq!(names(teu), [keeper, "bare".to_owned(), "mine".to_owned(), "named".to_owned()].into());
}

#[test]
fn volumes_of_root_begin_with_the_images_content() {
    need::root();
    first_use(&Teu::new(), ["1000:1000", "7:7", "0:0"]);
}

#[test]
fn volumes_of_containers_without_a_user_namespace_begin_with_the_images_content() {
    need::root();
    let teu = Teu::new();
    import(&teu, "full", &content(), "/data");
    let seen = teu.ok(&["run", "--rm", "--userns", "host", "full", "stat", "-c", "%u:%g %a", "/data", "/data/file"]);
    assert_eq!(seen, "1000:1000 2770\n1000:1000 644");
}

#[test]
fn volumes_of_users_begin_with_the_images_content() {
    first_use(&Teu::of_user(&Arc::new(User::new(Range::Given))), ["1000:1000", "7:7", "0:0"]);
}

#[test]
fn volumes_of_users_with_one_id_begin_with_the_images_content() {
    first_use(&Teu::of_user(&Arc::new(User::new(Range::Missing))), ["0:0", "0:0", "0:0"]);
}

/// What several layers have at one place comes together, what an upper one removed stays away, and attributes come along.
fn several_layers(teu: &Teu) {
    let first = vec![
        Entry::folder("data/").owner(5),
        Entry::file("data/low", b"low\n"),
        Entry::file("data/gone", b"x"),
        Entry::folder("only/").mode(0o711).owner(9),
        Entry::file("only/low", b"x"),
        Entry::folder("hidden/"),
        Entry::file("hidden/low", b"x"),
    ];
    let second = vec![
        Entry::folder("data/").mode(0o750).owner(6),
        Entry::file("data/high", b"high\n"),
        Entry::file("data/.wh.gone", b""),
        Entry::folder("hidden/"),
        Entry::file("hidden/.wh..wh..opq", b""),
        Entry::file("hidden/high", b"x"),
    ];
    let mut base = tiny::busybox_tar();
    base.truncate(base.len() - 1024);
    let mut noted = tar::Builder::new(Vec::new());
    noted.append_pax_extensions([("SCHILY.xattr.user.note", &b"kept"[..])]).expect("memory");
    let mut header = tar::Header::new_ustar();
    header.set_size(2);
    header.set_mode(0o640);
    noted.append_data(&mut header, "data/noted", &b"n\n"[..]).expect("memory");
    // Without its end mark, so that other entries can follow.
    base.extend(noted.get_ref());
    base.extend(tar_of(&first));
    let config = serde_json::json!({
        "Cmd": ["sh"], "Env": ["PATH=/bin"], "Volumes": { "/data": {}, "/only": {}, "/hidden": {}, "/none": {} },
    });
    let layers = vec![Layer::new(&base, Packing::Gzip), Layer::new(&tar_of(&second), Packing::Gzip)];
    let registry = Registry::empty();
    registry.push(&Image::new(config, layers), "layered");
    let image = registry.reference("layered");
    teu.ok(&["pull", &image]);
    let script = "cd /; stat -c '%n %u %a' data only none; ls data only hidden none; cat data/noted";
    let told = "data 6 750\nonly 9 711\nnone 0 755\ndata:\nhigh\nlow\nnoted\n\nhidden:\nhigh\n\nnone:\n\nonly:\nlow\nn";
    assert_eq!(teu.ok(&["run", "--name", "layered", &image, "sh", "-c", script]), told);
    let mounts = teu.inspect("layered")["Mounts"].as_array().expect("mounts").clone();
    let at = |mount: &&serde_json::Value| mount["Destination"] == "/data";
    let source = mounts.iter().find(at).and_then(|mount| mount["Source"].as_str()).expect("its folder").to_owned();
    let mut value = [0; 16];
    let length = rustix::fs::lgetxattr(format!("{source}/noted"), "user.note", &mut value[..]).expect("the attribute");
    assert_eq!(&value[..length], b"kept");
    teu.ok(&["rm", "-v", "layered"]);
    assert!(on_disk(teu).is_empty());
}

#[test]
fn volumes_begin_with_what_all_layers_have_and_its_attributes() {
    need::root();
    several_layers(&Teu::new());
    several_layers(&Teu::of_user(&Arc::new(User::new(Range::Given))));
}

/// Owners go out and come back by the ids that containers see.
#[test]
fn archives_keep_the_owners_that_containers_see() {
    need::root();
    for teu in [Teu::new(), Teu::of_user(&Arc::new(User::new(Range::Given)))] {
        import(&teu, "full", &content(), "/none");
        teu.ok(&["run", "--rm", "-v", "one:/data", "full", "chown", "5:6", "/data/file"]);
        let tar = teu.run(&["volume", "export", "one"]).ok().stdout;
        let mut archive = tar::Archive::new(tar.as_slice());
        let found = archive.entries().expect("a tar").map(|entry| {
            let entry = entry.expect("whole");
            let header = entry.header();
            (entry.path().expect("a path").into_owned(), (header.uid().expect("uid"), header.gid().expect("gid")))
        });
        let owners: std::collections::BTreeMap<_, _> = found.collect();
        assert_eq!(owners[&PathBuf::from("file")], (5, 6), "{owners:?}");
        assert_eq!(owners[&PathBuf::from("sub/deep")], (0, 0), "{owners:?}");
        teu.run_fed(&["volume", "import", "two"], &tar).ok();
        let seen = ["run", "--rm", "-v", "two:/data", "full", "stat", "-c", "%u:%g %a", "/data", "/data/file"];
        assert_eq!(teu.ok(&seen), "1000:1000 2770\n5:6 644");
    }
}

#[test]
fn volumes_from_another_container_are_shared() {
    let teu = Teu::new();
    import(&teu, "full", &content(), "[\"/data\", \"/more\"]");
    teu.ok(&["create", "--name", "store", "-v", "kept:/kept", "full", "true"]);
    let write = "echo shared > /data/new; echo kept > /kept/new; ls /data/file";
    assert_eq!(teu.ok(&["run", "--rm", "--volumes-from", "store", "full", "sh", "-c", write]), "/data/file");
    let read = "cat /data/new /kept/new; touch /data/x 2>/dev/null || echo ro";
    assert_eq!(teu.ok(&["run", "--rm", "--volumes-from", "store:ro", "full", "sh", "-c", read]), "shared\nkept\nro");
    // What the container asks for itself wins.
    let own = ["run", "--rm", "--volumes-from", "store", "-v", "own:/data", "full", "ls", "/data/new"];
    assert_ne!(teu.run(&own).code, 0);
    assert_eq!(names(&teu).len(), 4, "/data, /more, kept, own: {:?}", names(&teu));
    teu.run(&["create", "--volumes-from", "nobody", "full"]).fails(1, &["No such container: nobody"]);
    teu.run(&["create", "--volumes-from", "store:rx", "full"]).explains(&["store:rx", "CONTAINER:ro"]);
    // Removed with the one, they stay for the other.
    teu.ok(&["create", "--name", "other", "--volumes-from", "store", "full", "true"]);
    teu.ok(&["rm", "-v", "store"]);
    assert_eq!(names(&teu).len(), 4);
    teu.ok(&["rm", "-v", "other"]);
    assert_eq!(names(&teu), ["kept".to_owned(), "own".to_owned()].into());
}

#[test]
fn anonymous_volumes_go_with_containers_that_are_removed_at_their_end() {
    let teu = Teu::new();
    import(&teu, "full", &content(), "/data");
    let run =
        ["run", "--rm", "-v", "/extra", "-v", "named:/named", "full", "sh", "-c", "touch /extra/x /data/x /named/x"];
    teu.ok(&run);
    assert_eq!(names(&teu), ["named".to_owned()].into(), "the monitor took them along");
    // Its monitor is killed: the next look does it.
    teu.ok(&["run", "-d", "--rm", "--name", "killed", "full", "sleep", "1000"]);
    assert_eq!(names(&teu).len(), 2);
    kill(&monitor(&teu, "killed"));
    wait_for("the container's end", SECOND * 30, || teu.state("killed").is_empty().then_some(()));
    assert_eq!(names(&teu), ["named".to_owned()].into(), "recovery took them along");
    // Removed by force, or with a command that cannot run.
    teu.ok(&["run", "-d", "--rm", "--name", "forced", "full", "sleep", "1000"]);
    teu.ok(&["rm", "-f", "forced"]);
    teu.run(&["run", "--rm", "full", "/no/such"]).returns(127);
    assert_eq!(on_disk(&teu), ["named".to_owned()].into());
    // Somebody else uses one of them by now.
    teu.ok(&["run", "-d", "--rm", "--name", "source", "full", "sleep", "1000"]);
    teu.ok(&["create", "--name", "heir", "--volumes-from", "source", "full", "cat", "/data/file"]);
    teu.ok(&["kill", "source"]);
    wait_for("the source's end", SECOND * 30, || teu.state("source").is_empty().then_some(()));
    assert_eq!(teu.ok(&["start", "-a", "heir"]), "from the image");
    let events = teu.ok(&["events", "--until", "0s", "--filter", "type=volume", "--format", "{{.Action}}"]);
    let count = |action: &str| events.lines().filter(|line| *line == action).count();
    assert_eq!((count("create"), count("destroy")), (7, 5), "{events}");
}

#[test]
fn volumes_in_use_are_neither_removed_nor_pruned() {
    let teu = Teu::new();
    import(&teu, "full", &content(), "/data");
    teu.ok(&["create", "--name", "user", "-v", "named:/named", "full", "true"]);
    let anonymous = names(&teu).into_iter().find(|name| name.len() == 64).expect("of the image");
    for name in ["named", &anonymous] {
        teu.run(&["volume", "rm", "-f", name]).fails(1, &["in use by container user", "teu rm user"]);
        assert_eq!(teu.ok(&["volume", "inspect", "-f", "{{(index .UsedBy 0).Name}}", name]), "user");
    }
    teu.ok(&["volume", "prune", "-af"]);
    assert_eq!(names(&teu).len(), 2);
    let rows = teu.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}"]);
    assert!(rows.contains("Local Volumes 2 2"), "{rows}");
    assert!(teu.ok(&["system", "df", "-v"]).contains(&anonymous));
    assert!(teu.ok(&["volume", "ls", "-q", "--filter", "dangling=false"]).contains("named"));
    teu.run_fed(&["system", "prune", "--volumes"], b"n\n").fails(1, &["nothing was removed"]);
    let told = teu.run_fed(&["system", "prune", "--volumes"], b"y\n").ok().text();
    assert!(told.contains("1 container, 1 volume") && told.contains(&anonymous), "{told}");
    assert_eq!(names(&teu), ["named".to_owned()].into(), "who has named one wants to keep it");
    teu.run(&["system", "prune", "-f", "--volumes", "--filter", "until=1h"]).explains(&["--volumes"]);
    teu.ok(&["volume", "rm", "named"]);
}

/// A volume that stands for a folder of the machine begins with the image's content too, and its removal spares the folder.
#[test]
fn volumes_that_stand_for_folders_are_filled_and_spared() {
    need::root();
    let teu = Teu::new();
    import(&teu, "full", &content(), "/none");
    let folder = teu.work().join("mine");
    let device = format!("device={}", folder.display());
    teu.ok(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "mine"]);
    teu.run(&["run", "--rm", "-v", "mine:/data", "full", "true"]).explains(&["mine", "no folder"]);
    fs::create_dir(&folder).expect("folder");
    assert_eq!(teu.ok(&["run", "--rm", "-v", "mine:/data", "full", "cat", "/data/file"]), "from the image");
    assert!(folder.join("sub/deep").exists());
    teu.ok(&["volume", "rm", "mine"]);
    assert!(folder.join("sub/deep").exists());
}

const FILES: usize = 200;

/// Killed at any moment of a create with much to copy: afterwards the volume is whole in the next container, or not there.
#[test]
fn first_use_that_is_killed_is_done_over_again() {
    need::root();
    let teu = Teu::new();
    let mut entries = vec![Entry::folder("data/")];
    entries.extend((0..FILES).map(|number| Entry::file(&format!("data/{number:03}"), &[7; 3000])));
    import(&teu, "much", &entries, "/none");
    let mut half = 0;
    for round in 0..6 {
        let name = format!("killed{round}");
        let mut creating = teu.spawn(&["create", "--name", &name, "-v", "much:/data", "-v", "/none", "much", "true"]);
        let there = data(&teu, "much");
        let copied = || fs::read_dir(&there).into_iter().flatten().count();
        match round % 2 {
            0 => wait_for("the first file", SECOND * 20, || (copied() > 0).then_some(())),
            _ => std::thread::sleep(Duration::from_millis(5 + round * 15)),
        }
        let _ = creating.child.kill();
        creating.wait(SECOND * 10).expect("dead");
        half += usize::from((1..FILES).contains(&copied()));
        if teu.state(&name) == "created" && round % 4 == 0 {
            let script = "ls /data | wc -l; cat /data/* | wc -c";
            assert_eq!(teu.ok(&["run", "--rm", "-v", "much:/data", "much", "sh", "-c", script]), "200\n600000");
        }
        if teu.state(&name) == "created" {
            teu.ok(&["start", "-a", &name]);
            assert_eq!(copied(), FILES, "round {round}");
            teu.ok(&["rm", "-v", &name]);
        }
        teu.ok(&["volume", "rm", "-f", "much"]);
        assert!(on_disk(&teu).iter().all(|name| name.len() != 64), "round {round}: {:?}", on_disk(&teu));
    }
    assert!(on_disk(&teu).is_empty(), "{:?}", on_disk(&teu));
    assert!(half > 0, "no kill came in the middle of a copy");
}

/// Killed at any moment of a removal with its volumes: the next list does the rest.
#[test]
fn removal_that_is_killed_is_ended_by_the_next_look() {
    let teu = Teu::new();
    let mut entries = vec![Entry::folder("data/")];
    entries.extend((0..60).map(|number| Entry::file(&format!("data/{number:03}"), b"x")));
    import(&teu, "much", &entries, "/data");
    for round in 0..6 {
        let name = format!("killed{round}");
        teu.ok(&["create", "--name", &name, "much", "true"]);
        let mut removing = teu.spawn(&["rm", "-v", &name]);
        std::thread::sleep(Duration::from_millis(3 + round * 4));
        let _ = removing.child.kill();
        removing.wait(SECOND * 10).expect("dead");
        if teu.state(&name) == "created" {
            assert_eq!(names(&teu).len(), 1, "round {round}: not begun");
            teu.ok(&["rm", "-v", &name]);
        }
        teu.ok(&["ps", "-a"]);
        assert!(names(&teu).is_empty() && on_disk(&teu).is_empty(), "round {round}: {:?}", on_disk(&teu));
    }
}

#[test]
fn many_containers_at_once_fill_one_volume_once() {
    let teu = Teu::new();
    import(&teu, "full", &content(), "/none");
    let script = "cat /data/file > /dev/null && echo $HOSTNAME >> /data/log";
    let flags = ["run", "--rm", "-v", "shared:/data", "full", "sh", "-c", script];
    let mut running: Vec<_> = (0..8).map(|_| teu.spawn(&flags)).collect();
    for one in &mut running {
        assert_eq!(one.wait(SECOND * 60), Some(0));
    }
    assert_eq!(teu.ok(&["run", "--rm", "-v", "shared:/data", "full", "wc", "-l", "/data/log"]), "8 /data/log");
    assert_eq!(on_disk(&teu), ["shared".to_owned()].into());
}

/// What containers plant in a volume leads nobody out: no copy, no archive, no size, no removal.
#[test]
fn what_a_container_plants_in_a_volume_leads_nowhere() {
    let teu = Teu::new();
    teu.import_tiny();
    let outside = teu.file("outside", b"precious");
    let script = format!(
        "ln -s {} /v/way; ln -s / /v/all; mkdir /v/closed; touch /v/closed/f; chmod 0 /v/closed",
        outside.display()
    );
    teu.ok(&["run", "--rm", "-v", "evil:/v", "tiny", "sh", "-c", &script]);
    teu.ok(&["volume", "inspect", "evil"]);
    let tar = teu.run(&["volume", "export", "evil"]).ok().stdout;
    assert!(tar.len() < 20_000, "{} bytes", tar.len());
    for entry in [Entry::file("all/tmp/teu-evil", b"x"), Entry::file("way", b"x")] {
        teu.run_fed(&["volume", "import", "evil"], &tar_of(&[entry]));
    }
    assert!(!std::path::Path::new("/tmp/teu-evil").exists());
    teu.ok(&["volume", "rm", "evil"]);
    assert_eq!(fs::read_to_string(&outside).expect("there"), "precious");
}

#[test]
fn images_with_volumes_in_odd_places_are_refused() {
    let teu = Teu::new();
    import(&teu, "climbs", &[], "/a/../../etc");
    teu.run(&["create", "climbs"]).explains(&["volume", "broken"]);
    import(&teu, "root", &[], "/");
    teu.run(&["create", "root"]).explains(&["volume", "broken"]);
    // Where a link is in the way the volume begins with what is behind it in the image.
    import(
        &teu,
        "linked",
        &[Entry::symlink("data", "real"), Entry::folder("real/"), Entry::file("real/f", b"behind\n")],
        "/data",
    );
    assert_eq!(teu.ok(&["run", "--rm", "linked", "cat", "/real/f"]), "behind");
    // A file there is no content; memory there needs no volume.
    import(&teu, "nothing", &[Entry::folder("empty/")], "[\"/empty\", \"/missing\"]");
    assert_eq!(teu.ok(&["run", "--rm", "nothing", "ls", "-A", "/empty", "/missing"]), "/empty:\n\n/missing:");
    teu.ok(&["create", "--name", "memory", "--tmpfs", "/empty", "-v", "/missing", "nothing", "true"]);
    assert_eq!(names(&teu).len(), 1);
    teu.ok(&["rm", "-v", "memory"]);
    assert!(on_disk(&teu).is_empty());
}

#[test]
fn full_disk_while_a_volume_is_filled_is_told_and_leaves_nothing() {
    need::root();
    let _alone = crate::support::alone();
    let disk = super::faults::SmallDisk::new(24);
    let teu = Teu::within(&disk.0, None);
    import(&teu, "large", &[Entry::folder("data/"), Entry::file("data/large", &vec![7; 6 << 20])], "/data");
    fs::remove_file(teu.work().join("large.tar")).expect("remove");
    let filler = disk.fill();
    fs::File::options()
        .write(true)
        .open(&filler)
        .and_then(|file| file.set_len(fs::metadata(&filler)?.len() - (2 << 20)))
        .expect("room");
    teu.run(&["create", "--name", "fails", "large", "true"]).explains(&["no space left"]);
    assert!(on_disk(&teu).is_empty(), "{:?}", on_disk(&teu));
    assert_eq!(teu.state("fails"), "");
    let tar = tar_of(&[Entry::file("large", &vec![7; 6 << 20])]);
    teu.run_fed(&["volume", "import", "v"], &tar).explains(&["no space left"]);
    assert!(on_disk(&teu).is_empty(), "{:?}", on_disk(&teu));
    fs::remove_file(filler).expect("remove");
    teu.ok(&["run", "--rm", "large", "ls", "/data/large"]);
}

#[test]
fn volumes_of_a_container_whose_monitor_was_killed_are_told_to_be_free() {
    need::root();
    let teu = Teu::new();
    import(&teu, "full", &content(), "/data");
    teu.ok(&["run", "-d", "--name", "lost", "-v", "v:/v", "--restart", "no", "full", "sleep", "100"]);
    kill(&monitor(&teu, "lost"));
    wait_for("its end to be noticed", SECOND * 30, || (teu.state("lost") == "exited").then_some(()));
    let told = teu.ok(&["events", "--until", "0s", "--filter", "volume=v", "--format", "{{.Action}}"]);
    assert_eq!(told, "create\nmount\nunmount");
    teu.ok(&["rm", "-v", "lost"]);
}
