//! Mounts in a container's life: restarts, `exec`, `cp`, `diff`, `commit`, `export`, `inspect`, attackers at the source.

use std::fs;
use std::os::unix::fs::symlink;

use super::{folder, images, names, teu};
use crate::support::{SECOND, wait_for};

#[test]
fn restarts_look_at_the_source_anew() {
    let teu = teu();
    let source = folder(&teu, "src", "one");
    let script = "cat /d/file; sleep 0.3; exit 1";
    teu.ok(&["run", "-d", "--name", "again", "--restart", "always", "-v", "./src:/d", "tiny", "sh", "-c", script]);
    wait_for("the first start", SECOND * 30, || teu.ok(&["logs", "again"]).contains("one").then_some(()));
    fs::rename(&source, teu.work().join("old")).expect("rename");
    folder(&teu, "src", "two");
    wait_for("the new source", SECOND * 20, || teu.ok(&["logs", "again"]).contains("two").then_some(()));
    teu.ok(&["stop", "-t", "0", "again"]);
    fs::remove_dir_all(&source).expect("remove");
    // -v makes it again.
    teu.run(&["start", "again"]).ok();
    assert!(source.is_dir());
    teu.ok(&["rm", "-f", "again"]);
}

#[test]
fn every_verb_sees_the_same_mounts() {
    let teu = teu();
    images::layered(&teu);
    let source = folder(&teu, "src", "bound");
    let flags = [
        "--mount",
        "type=image,source=many,target=/i",
        "--mount",
        "type=tmpfs,target=/t",
        "-v",
        "./src:/d",
        "-v",
        "data:/v",
    ];
    let script = "echo kept > /v/file; echo gone > /t/file; sleep 100";
    teu.ok(&[&["run", "-d", "--name", "box"], &flags[..], &["tiny", "sh", "-c", script]].concat());
    wait_for("its files", SECOND * 30, || (teu.run(&["exec", "box", "cat", "/t/file"]).code == 0).then_some(()));
    assert_eq!(
        teu.ok(&["exec", "box", "cat", "/d/file", "/v/file", "/t/file", "/i/etc/deep/file"]),
        "boundkept\ngone\ndeep"
    );
    let copied = |from: &str| {
        let to = teu.work().join("copy");
        let _ = fs::remove_file(&to);
        teu.ok(&["cp", &format!("box:{from}"), "copy"]);
        fs::read_to_string(to).expect("the copy")
    };
    for (path, text) in
        [("/d/file", "bound"), ("/v/file", "kept\n"), ("/i/etc/deep/file", "deep\n"), ("/t/file", "gone\n")]
    {
        assert_eq!(copied(path), text, "{path} while it runs");
    }
    teu.ok(&["stop", "-t", "0", "box"]);
    for (path, text) in [("/d/file", "bound"), ("/v/file", "kept\n"), ("/i/etc/deep/file", "deep\n")] {
        assert_eq!(copied(path), text, "{path} when it is down");
    }
    fs::write(teu.work().join("given"), "given").expect("write");
    teu.ok(&["cp", "given", "box:/d/given"]);
    assert_eq!(fs::read_to_string(source.join("given")).expect("read"), "given");
    teu.run(&["cp", "given", "box:/i/etc/given"]).returns(1).no_panic();
    let diff = teu.ok(&["diff", "box"]);
    assert_eq!(diff.lines().collect::<Vec<_>>(), ["A /d", "A /i", "A /t", "A /v"], "only the mount points are its own");
    teu.ok(&["commit", "box", "made"]);
    assert_eq!(teu.ok(&["run", "--rm", "made", "sh", "-c", "ls -A /d /i /t /v | grep -v :"]).trim(), "");
    teu.ok(&["export", "-o", "out.tar", "box"]);
    let listed = teu.other("tar", &["tf", "out.tar"]).output().expect("tar");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.lines().any(|name| name.trim_end_matches('/').ends_with("etc/passwd")), "{listed}");
    assert!(!listed.contains("d/file") && !listed.contains("i/etc") && !listed.contains("v/file"), "{listed}");
    teu.ok(&["rm", "-f", "box"]);
}

#[test]
fn inspect_shows_mounts_as_docker_does() {
    let teu = teu();
    folder(&teu, "src", "x");
    let flags = [
        "-v",
        "./src:/d:ro",
        "-v",
        "data:/v",
        "--mount",
        "type=tmpfs,target=/t,tmpfs-size=1m",
        "--tmpfs",
        "/u:size=1m",
    ];
    teu.ok(&[&["create", "--name", "box"], &flags[..], &["tiny", "true"]].concat());
    let seen = teu.inspect("box");
    let mount = |target: &str| {
        let mounts = seen["Mounts"].as_array().expect("a list").clone();
        mounts.into_iter().find(|mount| mount["Destination"] == target).unwrap_or_else(|| panic!("{target}: {seen}"))
    };
    let bind = mount("/d");
    assert_eq!(bind["Source"], teu.work().join("src").display().to_string());
    assert_eq!(
        (bind["Type"].as_str(), bind["RW"].as_bool(), bind["Propagation"].as_str()),
        (Some("bind"), Some(false), Some("rprivate"))
    );
    let volume = mount("/v");
    assert_eq!((volume["Name"].as_str(), volume["Driver"].as_str()), (Some("data"), Some("local")));
    assert_eq!(volume["Source"], super::volume_data(&teu, "data").display().to_string());
    assert_eq!(mount("/t")["Type"], "tmpfs");
    let binds: Vec<_> =
        seen["HostConfig"]["Binds"].as_array().expect("a list").iter().filter_map(|bind| bind.as_str()).collect();
    assert_eq!(binds, [format!("{}:/d:ro", teu.work().join("src").display()), "data:/v".to_owned()]);
    assert_eq!(seen["HostConfig"]["Tmpfs"]["/u"], "size=1m");
    assert_eq!(seen["HostConfig"]["Mounts"][0]["TmpfsOptions"]["SizeBytes"], 1 << 20);
    teu.ok(&["rm", "box"]);
}

/// Whoever owns the folder above a source can swap it. What is mounted then is what was looked at, or nothing.
#[test]
fn source_swapped_while_starting_is_refused_or_what_it_was() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let teu = teu();
    let source = folder(&teu, "src", "plain");
    let other = folder(&teu, "other", "other");
    let link = teu.work().join("link");
    symlink(&other, &link).expect("a link");
    let done = Arc::new(AtomicBool::new(false));
    let swapper = {
        let done = done.clone();
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, &source, CWD, &link, RenameFlags::EXCHANGE).expect("swap");
                std::thread::sleep(std::time::Duration::from_micros(700));
            }
        })
    };
    let (mut refused, mut shown) = (0, 0);
    for _ in 0..40 {
        let output = teu.run(&["run", "--rm", "-v", "./src:/d", "tiny", "cat", "/d/file"]);
        match output.code {
            0 => shown += 1,
            _ => {
                output.returns(125).explains(&["/src was swapped", "start it again"]);
                refused += 1;
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    swapper.join().expect("the swapper");
    assert!(refused > 0, "{shown} starts, and no swap between look and mount was noticed");
    assert!(names(&teu.work()).contains(&"other".to_owned()));
}
