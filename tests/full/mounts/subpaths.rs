//! Parts of volumes: what leads out of them is refused, also when somebody swaps it at the very moment.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{IDS, teu};

#[test]
fn part_of_a_volume_is_mounted_alone() {
    let teu = teu();
    teu.ok(&[
        "run",
        "--rm",
        "-v",
        "data:/v",
        "tiny",
        "sh",
        "-c",
        "mkdir -p /v/a/b; echo deep > /v/a/b/file; echo one > /v/one",
    ]);
    for ids in IDS {
        let mount = |subpath: &str| format!("type=volume,source=data,target=/d,volume-subpath={subpath}");
        let text = teu.ok(&[
            "run",
            "--rm",
            ids,
            "--mount",
            &mount("a/b"),
            "tiny",
            "sh",
            "-c",
            "ls /d; cat /d/file; touch /d/new",
        ]);
        assert_eq!(text, "file\ndeep", "{ids}");
        assert_eq!(
            teu.ok(&["run", "--rm", ids, "--mount", &mount("one"), "tiny", "cat", "/d"]),
            "one",
            "a file: {ids}"
        );
        let missing = teu.run(&["run", "--rm", ids, "--mount", &mount("a/none"), "tiny", "true"]);
        missing.returns(125).explains(&["/d", "a/none", "make it there first"]);
        teu.ok(&["run", "--rm", ids, "-v", "data:/v", "tiny", "rm", "/v/a/b/new"]);
    }
}

#[test]
fn links_within_a_volume_lead_where_they_point_and_no_link_leads_out() {
    let teu = teu();
    let links = "mkdir -p /v/a; echo in > /v/a/file; ln -s a /v/inside; ln -s /etc /v/absolute; ln -s ../.. /v/up; ln -s up/x /v/twice; \
        ln -s /proc/1/root /v/magic";
    teu.ok(&["run", "--rm", "-v", "data:/v", "tiny", "sh", "-c", links]);
    let run = |ids: &str, subpath: &str| {
        let mount = format!("type=volume,source=data,target=/d,volume-subpath={subpath}");
        teu.run(&["run", "--rm", ids, "--mount", &mount, "tiny", "cat", "/d/file"])
    };
    for ids in IDS {
        assert_eq!(run(ids, "inside").ok().text(), "in");
        for out in ["absolute", "up", "up/containers", "twice", "magic", "inside/../../x"] {
            run(ids, out).returns(125).explains(&["out"]);
        }
    }
}

/// A container that has the volume swaps a folder for a link all the while others are started from it.
#[test]
fn swapped_subpath_never_shows_the_machine() {
    let teu = teu();
    let outside = super::folder(&teu, "outside", "secret");
    teu.ok(&["run", "--rm", "-v", "data:/v", "tiny", "sh", "-c", "mkdir -p /v/sub /v/other; echo plain > /v/sub/file"]);
    let data = super::volume_data(&teu, "data");
    symlink(&outside, data.join("link")).expect("a link");
    let done = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (done, data) = (done.clone(), data.clone());
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, data.join("sub"), CWD, data.join("link"), RenameFlags::EXCHANGE).expect("swap");
            }
        })
    };
    let mut seen = [0, 0];
    for _ in 0..30 {
        let mount = "type=volume,source=data,target=/d,volume-subpath=sub";
        let output = teu.run(&["run", "--rm", "--mount", mount, "tiny", "cat", "/d/file"]);
        match output.code {
            0 => {
                assert_eq!(output.text(), "plain");
                seen[0] += 1;
            }
            _ => {
                output.returns(125).explains(&["leads out"]);
                seen[1] += 1;
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    swapper.join().expect("the swapper");
    assert!(seen.iter().sum::<usize>() == 30, "{seen:?}");
}
