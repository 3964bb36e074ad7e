//! `teu volume …` without containers: names, lists, archives, and what hostile names, planted links and kill -9 come to.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use serde_json::Value;

use crate::support::oci::{Entry, tar_of};
use crate::support::process::Running;
use crate::support::{SECOND, Teu, wait_for};

fn names(teu: &Teu) -> BTreeSet<String> {
    teu.ok(&["volume", "ls", "-q"]).lines().map(str::to_owned).collect()
}

/// What lies in the volumes' folder, half made things included.
fn on_disk(teu: &Teu) -> BTreeSet<String> {
    let entries = fs::read_dir(teu.root().join("volumes")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn inspect(teu: &Teu, name: &str) -> Value {
    let text = teu.ok(&["volume", "inspect", name]);
    serde_json::from_str::<Value>(&text).expect("JSON")[0].clone()
}

#[test]
fn volumes_are_made_listed_inspected_and_removed_as_docker_does() {
    let teu = Teu::new();
    assert_eq!(teu.ok(&["volume", "ls"]), "DRIVER    VOLUME NAME");
    assert_eq!(teu.ok(&["volume", "create", "--label", "tier=db", "data"]), "data");
    assert_eq!(teu.ok(&["volume", "create", "data"]), "data", "again is as good");
    assert_eq!(teu.ok(&["volume", "create", "--name", "data"]), "data", "as in old scripts");
    let anonymous = teu.ok(&["volume", "create"]);
    assert_eq!(anonymous.len(), 64);
    let list = |filter: &str| teu.ok(&["volume", "ls", "-q", "--filter", filter]);
    assert_eq!(list("label=tier=db"), "data");
    assert_eq!(list("name=dat"), "data");
    assert_eq!(list("dangling=false"), "");
    assert_eq!(list("dangling=true").lines().count(), 2);
    assert_eq!(list("driver=other"), "");
    teu.run(&["volume", "ls", "--filter", "colour=red"]).fails(125, &["colour", "dangling"]);
    assert_eq!(
        teu.ok(&["volume", "ls", "--filter", "name=data", "--format", "{{.Driver}} {{.Name}} {{.Links}} {{.Size}}"]),
        "local data 0 N/A"
    );
    let line: Value =
        serde_json::from_str(&teu.ok(&["volume", "ls", "--filter", "name=data", "--format", "json"])).expect("JSON");
    assert_eq!((&line["Scope"], &line["Labels"]), (&Value::from("local"), &Value::from("tier=db")));
    let data = inspect(&teu, "data");
    assert_eq!(data["Mountpoint"], Value::from(teu.root().join("volumes/data/data").to_string_lossy()));
    assert_eq!((&data["Driver"], &data["Labels"]["tier"]), (&Value::from("local"), &Value::from("db")));
    assert_eq!(inspect(&teu, &anonymous)["Labels"]["com.docker.volume.anonymous"], "");
    assert_eq!(teu.inspect("data")["Name"], "data", "as `inspect` finds it");
    fs::write(teu.root().join("volumes/data/data/file"), [0; 5000]).expect("write");
    assert_eq!(teu.ok(&["volume", "ls", "-s", "--filter", "name=data", "--format", "{{.Size}}"]), "5kB");
    let free =
        teu.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}"]);
    assert!(free.contains("Local Volumes 2 0 5kB 5kB (100%)"), "{free}");
    assert_eq!(teu.ok(&["volume", "rm", "data"]), "data");
    teu.run(&["volume", "rm", "data"]).fails(1, &["no such volume: data"]);
    teu.ok(&["volume", "rm", "-f", "data"]);
    assert_eq!(names(&teu), [anonymous].into());
}

#[test]
fn prune_takes_anonymous_volumes_and_with_all_named_ones() {
    let teu = Teu::new();
    for name in ["kept", "doomed"] {
        teu.ok(&["volume", "create", "--label", &format!("is={name}"), name]);
    }
    let anonymous = teu.ok(&["volume", "create"]);
    teu.run_fed(&["volume", "prune"], b"n\n").fails(1, &["nothing was removed"]);
    let told = teu.run_fed(&["volume", "prune"], b"y\n").ok().text();
    assert!(told.contains("1 volume now") && told.contains(&anonymous), "{told}");
    assert_eq!(names(&teu), ["kept".to_owned(), "doomed".to_owned()].into());
    let told = teu.ok(&["volume", "prune", "-af", "--filter", "label!=is=kept"]);
    assert!(told.contains("doomed") && !told.contains("kept"), "{told}");
    assert_eq!(names(&teu), ["kept".to_owned()].into());
    let told = teu.ok(&["volume", "prune", "-f", "--filter", "all=true"]);
    assert!(told.contains("kept"), "{told}");
    let events = teu.ok(&["events", "--until", "0s", "--filter", "type=volume", "--format", "{{.Action}} {{.Name}}"]);
    assert!(events.contains("create kept") && events.contains("destroy kept") && events.contains("prune"), "{events}");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let teu = Teu::new();
    teu.ok(&["volume", "create", "data"]);
    let tar = tar_of(&[Entry::file("f", b"x")]);
    for name in ["..", ".", "../data", "/etc", "data/../data", "a/b", "", "-", ".making-0", "a\u{1b}[2Jb", "a b"] {
        if name != "-" && !name.is_empty() {
            teu.run(&["volume", "create", name]).fails(125, &["invalid volume name"]);
        }
        teu.run_fed(&["volume", "import", name], &tar).explains(&[]);
        for verb in ["rm", "inspect", "export"] {
            let output = teu.run(&["volume", verb, "--", name]);
            assert_ne!(output.code, 0, "{output}");
            output.explains(&["no such volume"]);
        }
    }
    assert_eq!(on_disk(&teu), ["data".to_owned()].into());
    teu.run(&["volume", "inspect", "dta"]).fails(1, &["did you mean data?"]);
    teu.run(&["volume", "create", "-d", "nfs", "x"]).fails(1, &["no volume driver"]);
    teu.run(&["volume", "create", "-o", "device=/x", "data"]).fails(1, &["o=bind"]);
    teu.run(&["volume", "create", "-o", "o=bind", "-o", "device=/x", "data"]).fails(1, &["other options"]);
}

#[test]
fn links_planted_among_the_volumes_are_neither_followed_nor_removed() {
    let teu = Teu::new();
    teu.ok(&["volume", "create", "real"]);
    let outside = teu.work().join("outside");
    fs::create_dir_all(outside.join("data")).expect("folder");
    fs::write(outside.join("data/precious"), "x").expect("write");
    let volumes = teu.root().join("volumes");
    symlink(&outside, volumes.join("planted")).expect("link");
    symlink(&outside, volumes.join(".removing-0")).expect("link");
    symlink(&outside, volumes.join(".making-0")).expect("link");
    assert_eq!(names(&teu), ["real".to_owned()].into());
    let tar = tar_of(&[Entry::file("precious", b"overwritten")]);
    for arguments in [&["rm", "planted"][..], &["inspect", "planted"], &["export", "planted"], &["create", "planted"]] {
        let output = teu.run(&[&["volume"], arguments].concat());
        assert_ne!(output.code, 0, "{output}");
        output.explains(&["planted"]);
    }
    assert_ne!(teu.run_fed(&["volume", "import", "planted"], &tar).code, 0);
    // A volume whose data was swapped for a link.
    fs::remove_dir(volumes.join("real/data")).expect("remove");
    symlink(outside.join("data"), volumes.join("real/data")).expect("link");
    assert_ne!(teu.run_fed(&["volume", "import", "real"], &tar).code, 0);
    assert_ne!(teu.run(&["volume", "export", "real"]).code, 0);
    teu.ok(&["volume", "prune", "-af"]);
    assert_eq!(fs::read_to_string(outside.join("data/precious")).expect("there"), "x");
    assert!(names(&teu).is_empty());
}

#[test]
fn archives_go_out_and_come_back_with_modes_links_and_the_folder_itself() {
    let teu = Teu::new();
    teu.ok(&["volume", "create", "one"]);
    let data = teu.root().join("volumes/one/data");
    fs::create_dir(data.join("sub")).expect("folder");
    fs::write(data.join("sub/file"), "content").expect("write");
    fs::hard_link(data.join("sub/file"), data.join("same")).expect("link");
    symlink("/etc/passwd", data.join("link")).expect("link");
    fs::set_permissions(data.join("sub"), fs::Permissions::from_mode(0o2751)).expect("mode");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o1770)).expect("mode");
    teu.ok(&["volume", "export", "-o", "one.tar", "one"]);
    let piped = teu.run(&["volume", "export", "one"]).ok().stdout;
    assert_eq!(piped, fs::read(teu.work().join("one.tar")).expect("the file"));
    assert_eq!(teu.ok(&["volume", "import", "two", "one.tar"]), "two");
    let back = teu.root().join("volumes/two/data");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("stat").permissions().mode() & 0o7777;
    assert_eq!((mode(&back), mode(&back.join("sub"))), (0o1770, 0o2751));
    assert_eq!(fs::read_to_string(back.join("same")).expect("read"), "content");
    assert_eq!(fs::read_link(back.join("link")).expect("link").to_string_lossy(), "/etc/passwd");
    // Into one that is there: files of the same names are replaced, others stay.
    teu.run_fed(&["volume", "import", "two", "-"], &tar_of(&[Entry::file("same", b"new")])).ok();
    assert_eq!(fs::read_to_string(back.join("same")).expect("read"), "new");
    assert_eq!(fs::read_to_string(back.join("sub/file")).expect("read"), "content", "another name is another file now");
    teu.run(&["volume", "export", "three"]).fails(1, &["no such volume: three"]);
    teu.run(&["volume", "import", "three", "."]).fails(1, &["is a folder"]);
    assert!(!names(&teu).contains("three"));
}

#[test]
fn hostile_archives_stay_in_the_volume() {
    let teu = Teu::new();
    let outside = teu.work().join("outside");
    fs::create_dir(&outside).expect("folder");
    let target = outside.to_string_lossy().into_owned();
    let through = vec![Entry::symlink("way", &target), Entry::file("way/evil", b"x")];
    let up = vec![Entry::file("../../evil", b"x")];
    let linked = vec![Entry::hardlink("shadow", "/etc/shadow")];
    for (what, entries) in [("through a link", through), ("upwards", up), ("hard link", linked)] {
        let output = teu.run_fed(&["volume", "import", "v"], &tar_of(&entries));
        assert_ne!(output.code, 0, "{what}: {output}");
        output.explains(&[]);
        assert!(on_disk(&teu).is_empty(), "{what}: {:?}", on_disk(&teu));
    }
    teu.run_fed(&["volume", "import", "v"], b"no tar at all, but some text that is longer than nothing").explains(&[]);
    let cut = tar_of(&[Entry::file("big", &[7; 4096])]);
    teu.run_fed(&["volume", "import", "v"], &cut[..2000]).explains(&[]);
    // Cut between two files, or nothing at all: half a volume does not pass for all of it.
    let two = tar_of(&[Entry::file("one", b"1"), Entry::file("two", b"2")]);
    for cut in [&two[..1024], b""] {
        teu.run_fed(&["volume", "import", "v"], cut).fails(1, &["end mark"]);
    }
    assert!(on_disk(&teu).is_empty(), "{:?}", on_disk(&teu));
    assert_eq!(fs::read_dir(&outside).expect("list").count(), 0);
    let escape = tar_of(&[Entry::file("a\u{1b}[2J/../b", b"x")]);
    teu.run_fed(&["volume", "import", "v"], &escape).explains(&[]);
}

#[test]
fn import_that_is_killed_leaves_no_volume() {
    let teu = Teu::new();
    let tar = tar_of(&[Entry::file("first", b"x"), Entry::file("second", &[7; 100_000])]);
    let mut command = teu.command(&["volume", "import", "half"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running { child: command.spawn().expect("start") };
    let mut input = running.child.stdin.take().expect("piped");
    input.write_all(&tar[..50_000]).expect("write");
    let half = || on_disk(&teu).into_iter().find(|name| name.starts_with(".making-"));
    let making = wait_for("the half volume", SECOND * 30, half);
    wait_for("its first file", SECOND * 30, || {
        teu.root().join("volumes").join(&making).join("data/first").exists().then_some(())
    });
    assert!(names(&teu).is_empty(), "nobody sees it");
    assert!(on_disk(&teu).contains(&making), "who looks leaves it to him who is at it");
    running.child.kill().expect("kill");
    running.wait(SECOND * 10).expect("dead");
    drop(input);
    assert!(names(&teu).is_empty() && on_disk(&teu).is_empty(), "swept: {:?}", on_disk(&teu));
    teu.run_fed(&["volume", "import", "half"], &tar).ok();
    assert_eq!(names(&teu), ["half".to_owned()].into());
}

#[test]
fn many_at_once_agree() {
    let teu = Teu::new();
    let mut running: Vec<Running> = Vec::new();
    for number in 0..8 {
        let own = format!("own{number}");
        running.push(teu.spawn(&["volume", "create", "--label", &format!("by={number}"), "shared"]));
        running.push(teu.spawn(&["volume", "create", &own]));
        running.push(teu.spawn(&["volume", "ls"]));
        running.push(teu.spawn(&["volume", "prune", "-f"]));
    }
    for one in &mut running {
        assert_eq!(one.wait(SECOND * 60), Some(0));
    }
    assert_eq!(names(&teu).len(), 9);
    let mut removing: Vec<Running> = (0..8).map(|_| teu.spawn(&["volume", "rm", "shared"])).collect();
    let codes: Vec<_> = removing.iter_mut().map(|one| one.wait(SECOND * 60).expect("ends")).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "one removes it, the others find none: {codes:?}");
    let mut pruning: Vec<Running> = (0..4).map(|_| teu.spawn(&["volume", "prune", "-af"])).collect();
    pruning.iter_mut().for_each(|one| assert_eq!(one.wait(SECOND * 60), Some(0)));
    assert!(on_disk(&teu).is_empty(), "{:?}", on_disk(&teu));
}

#[test]
fn volume_with_a_damaged_record_keeps_its_files() {
    let teu = Teu::new();
    teu.ok(&["volume", "create", "--label", "a=b", "v"]);
    fs::write(teu.root().join("volumes/v/data/precious"), "x").expect("write");
    for damage in ["", "{\"name\":", "[]"] {
        fs::write(teu.root().join("volumes/v/volume.json"), damage).expect("write");
        assert_eq!(names(&teu), ["v".to_owned()].into());
        assert_eq!(inspect(&teu, "v")["Name"], "v");
        teu.ok(&["volume", "prune", "-f"]);
    }
    assert!(teu.root().join("volumes/v/data/precious").exists());
    teu.ok(&["volume", "rm", "v"]);
    assert!(on_disk(&teu).is_empty());
}

/// All files below a volume's folder with what is in them.
fn tree(folder: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("list").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().expect("a type").is_dir() {
            all.push((
                format!("{name}/"),
                format!("{:o}", entry.metadata().expect("stat").permissions().mode() & 0o7777),
            ));
            all.extend(tree(&entry.path()).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            all.push((name, fs::read_to_string(entry.path()).expect("read")));
        }
    }
    all.sort();
    all
}

#[test]
fn failed_import_leaves_a_volume_as_it_was() {
    let teu = Teu::new();
    let first = [Entry::folder("sub/").mode(0o2750), Entry::file("sub/kept", b"old"), Entry::file("same", b"old")];
    teu.run_fed(&["volume", "import", "v"], &tar_of(&first)).ok();
    let data = teu.root().join("volumes/v/data");
    let before = tree(&data);
    let new = || vec![Entry::file("same", b"new"), Entry::file("more", b"new")];
    let with = |entry: Entry| tar_of(&[new(), vec![entry]].concat());
    let whole = tar_of(&new());
    for (what, tar, code) in [
        ("upwards", with(Entry::file("../../evil", b"x")), 1),
        ("hard link out", with(Entry::hardlink("shadow", "/etc/shadow")), 1),
        ("file over a folder", with(Entry::file("sub", b"x")), 1),
        ("folder over a file", with(Entry::folder("same/below/")), 1),
        ("cut in a file", whole[..700].to_vec(), 1),
        ("cut between two", whole[..1024].to_vec(), 1),
        ("no tar", [&whole[..1024], &b"some text".repeat(100)].concat(), 1),
    ] {
        let output = teu.run_fed(&["volume", "import", "v"], &tar);
        assert_eq!(output.code, code, "{what}: {output}");
        output.explains(&[]);
        assert_eq!(tree(&data), before, "{what}");
    }
    assert_eq!(tree(&teu.root().join("volumes/v")).len(), before.len() + 3, "data, record and lock, nothing else");
    // Folders that the archive has no entries for stay as they are, or are made.
    let bare = [Entry::file("sub/more", b"new"), Entry::file("other/deep/file", b"new")];
    teu.run_fed(&["volume", "import", "v"], &tar_of(&bare)).ok();
    let after: BTreeSet<_> = tree(&data).into_iter().collect();
    for (path, text) in
        [("sub/", "2750"), ("sub/more", "new"), ("sub/kept", "old"), ("other/deep/", "755"), ("same", "old")]
    {
        assert!(after.contains(&(path.to_owned(), text.to_owned())), "{path}: {after:?}");
    }
    teu.run_fed(&["volume", "import", "bare"], &tar_of(&bare)).ok();
    assert_eq!(fs::read_to_string(teu.root().join("volumes/bare/data/sub/more")).expect("read"), "new");
}

#[test]
fn import_that_is_killed_is_in_the_volume_whole_or_not_at_all() {
    let teu = Teu::new();
    let files = |text: &[u8]| {
        let of = |number: usize| Entry::file(&format!("d{}/f{number}", number % 7), text);
        let folders = (0..7).map(|number| Entry::folder(&format!("d{number}/")));
        tar_of(&folders.chain((0..200).map(of)).collect::<Vec<_>>())
    };
    let (old, new) = (teu.file("old.tar", &files(b"old")), teu.file("new.tar", &files(b"new")));
    let import = |tar: &Path| teu.spawn(&["volume", "import", "v", &tar.to_string_lossy()]);
    assert_eq!(import(&old).wait(SECOND * 20), Some(0));
    let began = Instant::now();
    assert_eq!(import(&old).wait(SECOND * 20), Some(0));
    let whole = began.elapsed();
    let data = teu.root().join("volumes/v/data");
    let mut seen = BTreeSet::new();
    for step in 0..8 {
        let mut running = import(&new);
        std::thread::sleep(whole * step / 8);
        let _ = running.child.kill();
        running.wait(SECOND * 20);
        // Whoever looks next moves what was left, or sweeps it.
        assert_eq!(names(&teu), ["v".to_owned()].into());
        let texts: BTreeSet<String> =
            tree(&data).into_iter().filter(|(path, _)| !path.ends_with('/')).map(|it| it.1).collect();
        assert_eq!((texts.len(), tree(&data).len()), (1, 207), "half of it after {step}/8: {texts:?}");
        seen.extend(texts);
        let left = fs::read_dir(teu.root().join("volumes/v")).expect("list").count();
        assert_eq!(left, 3, "data, record and lock, nothing else");
        assert_eq!(import(&old).wait(SECOND * 20), Some(0));
    }
    assert!(seen.contains("old"), "{seen:?}");
    // What was gathered whole, but not moved yet, is the volume's.
    let landing = teu.root().join("volumes/v/landing");
    fs::create_dir_all(landing.join("d0")).expect("folder");
    fs::write(landing.join("d0/f0"), "landed").expect("write");
    teu.run(&["volume", "export", "-o", "out.tar", "v"]).ok();
    assert!(!landing.exists());
    assert_eq!(fs::read_to_string(data.join("d0/f0")).expect("read"), "landed");
}

#[test]
fn import_reaches_a_folder_on_another_file_system() {
    let teu = Teu::new();
    let memory = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let device = format!("device={}", memory.path().display());
    teu.ok(&["volume", "create", "-o", "o=bind", "-o", &device, "far"]);
    fs::create_dir(memory.path().join("d")).expect("a folder");
    fs::write(memory.path().join("d/kept"), "old").expect("write");
    teu.run_fed(&["volume", "import", "far"], &tar_of(&[Entry::file("d/new", b"new"), Entry::file("top", b"x")])).ok();
    let there = |path: &str| fs::read_to_string(memory.path().join(path)).expect(path);
    assert_eq!(["d/kept", "d/new", "top"].map(there), ["old", "new", "x"]);
    teu.run_fed(&["volume", "import", "far"], &tar_of(&[Entry::file("a", b"x"), Entry::file("d", b"x")]))
        .fails(1, &["cannot overwrite a folder"]);
    assert!(!memory.path().join("a").exists());
    assert_eq!(fs::read_dir(teu.root().join("volumes/far")).expect("list").count(), 3);
}

#[test]
fn volume_in_memory_is_one_containers_at_a_time_and_begins_empty() {
    let teu = Teu::new();
    teu.ok(&["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,mode=0700", "fast"]);
    let run = |words: &[&str]| teu.run(&[&["run", "--network", "none", "-v", "fast:/mnt/f"], words].concat());
    let look = "stat -f -c '%T %b' /mnt/f; stat -c %a /mnt/f; ls /mnt/f; echo x > /mnt/f/file; cp /bin/true /mnt/f; /mnt/f/true";
    let size = 1_048_576 / rustix::param::page_size();
    for name in ["one", "two"] {
        let seen = run(&["--name", name, "host", "sh", "-c", look]).ok().text();
        assert_eq!(seen, format!("tmpfs {size}\n700"), "its own, empty");
    }
    run(&["-d", "--name", "keeper", "host", "sleep", "100"]).ok();
    run(&["--rm", "host", "true"]).fails(125, &["volume fast is memory", "keeper", "teu stop keeper"]);
    teu.run(&["start", "one"]).fails(1, &["keeper"]);
    teu.ok(&["cp", "keeper:/etc/hostname", "copy"]);
    teu.ok(&["rm", "-f", "keeper"]);
    teu.ok(&["start", "-a", "one"]);
    teu.ok(&["cp", "one:/etc/hostname", "copy"]);
    for verb in ["export", "import"] {
        teu.run_fed(&["volume", verb, "fast"], &tar_of(&[Entry::file("f", b"x")])).fails(1, &["memory", "teu cp"]);
    }
    assert_eq!(inspect(&teu, "fast")["Options"]["type"], "tmpfs");
    assert_eq!(teu.ok(&["volume", "ls", "-s", "--format", "{{.Size}} {{.Links}}"]), "N/A 2");
    teu.run(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--mount",
        "source=fast,target=/mnt/f,volume-subpath=x",
        "host",
        "true",
    ])
    .fails(125, &["begins empty"]);
    teu.run(&["volume", "create", "-o", "type=tmpfs", "-o", "o=size=much", "x"]).fails(1, &["size=much"]);
    teu.run(&["volume", "create", "-o", "type=nfs", "-o", "o=addr=10.0.0.1,rw", "-o", "device=:/x", "x"])
        .fails(1, &["mount -t nfs -o addr=10.0.0.1,rw :/x /THERE", "o=bind"]);
    let pruned = ["rm", "one", "two"];
    teu.ok(&pruned);
    teu.ok(&["volume", "rm", "fast"]);
}
