//! `teu cp` with running containers: owners, volumes, read-only roots, attackers inside; as root and as ordinary users.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::Arc;
use std::time::Instant;

use crate::support::user::Range;
use crate::support::{SECOND, Teu, User, need, wait_for};

/// A running and a stopped container of the same image, with a folder of the machine in each.
fn pair(teu: &Teu) {
    teu.import_tiny();
    fs::create_dir(teu.work().join("volume")).expect("folder");
    own(teu, "volume");
    let volume = format!("{}:/data", teu.work().join("volume").display());
    for name in ["runs", "stopped"] {
        teu.ok(&["run", "-d", "--name", name, "-v", &volume, "tiny", "sh", "-c", "echo up; exec sleep 1000"]);
        wait_for("start", SECOND * 30, || teu.ok(&["logs", name]).contains("up").then_some(()));
    }
    teu.ok(&["kill", "stopped"]);
    teu.wait_state("stopped", "exited");
}

fn own(teu: &Teu, name: &str) {
    if let Some(user) = teu.user() {
        user.own(&teu.work().join(name));
    }
}

fn write(teu: &Teu, name: &str, content: &str) {
    fs::write(teu.work().join(name), content).expect("write");
    own(teu, name);
}

/// What `stat` says of a file in a container that may not run, from the archive that `cp` makes of it.
fn owner_in(teu: &Teu, place: &str) -> (u64, u64) {
    let tar = teu.run(&["cp", place, "-"]).ok().stdout;
    let mut archive = tar::Archive::new(tar.as_slice());
    let entry = archive.entries().expect("a tar").next().expect("an entry").expect("whole");
    (entry.header().uid().expect("uid"), entry.header().gid().expect("gid"))
}

fn walk(teu: &Teu) {
    pair(teu);
    write(teu, "file", "from outside");
    for name in ["runs", "stopped"] {
        let at = |path: &str| format!("{name}:{path}");
        teu.ok(&["cp", "file", &at("/tmp/in")]);
        assert_eq!(owner_in(teu, &at("/tmp/in")), (0, 0), "{name}: root's inside");
        teu.ok(&["cp", "file", &at("/data/")]);
        assert_eq!(fs::read_to_string(teu.work().join("volume/file")).expect("read"), "from outside", "{name}");
        fs::remove_file(teu.work().join("volume/file")).expect("it is in the folder of the machine");
        teu.ok(&["cp", &at("/tmp/in"), &format!("back-{name}")]);
        let back = fs::metadata(teu.work().join(format!("back-{name}"))).expect("stat");
        let caller = teu.user().map_or(0, |user| user.uid);
        assert_eq!(back.uid(), caller, "{name}: the caller's outside");
    }
    assert_eq!(teu.ok(&["exec", "runs", "cat", "/tmp/in"]), "from outside");
    teu.ok(&["start", "stopped"]);
    assert_eq!(teu.ok(&["exec", "stopped", "cat", "/tmp/in"]), "from outside");
    teu.ok(&["rm", "-f", "runs", "stopped"]);
}

#[test]
fn root_copies_into_and_out_of_containers() {
    need::root();
    walk(&Teu::new());
}

#[test]
fn users_copy_into_and_out_of_their_containers() {
    for range in [Range::Given, Range::Missing] {
        walk(&Teu::of_user(&Arc::new(User::new(range))));
    }
}

#[test]
fn archive_flag_keeps_owners_in_both_directions() {
    need::root();
    let teu = Teu::new();
    pair(&teu);
    write(&teu, "theirs", "x");
    chown(teu.work().join("theirs"), Some(1000), Some(77)).expect("chown");
    for name in ["runs", "stopped"] {
        teu.ok(&["cp", "-a", "theirs", &format!("{name}:/tmp/")]);
        assert_eq!(owner_in(&teu, &format!("{name}:/tmp/theirs")), (1000, 77));
        teu.ok(&["cp", "-a", &format!("{name}:/home/app"), &format!("home-{name}")]);
        let home = fs::metadata(teu.work().join(format!("home-{name}"))).expect("stat");
        assert_eq!((home.uid(), home.gid()), (1000, 1000));
    }
    assert_eq!(teu.ok(&["exec", "runs", "stat", "-c", "%u:%g", "/tmp/theirs"]), "1000:77");
    teu.ok(&["rm", "-f", "runs", "stopped"]);
}

/// Files that only another of the container's users may read.
#[test]
fn closed_files_of_the_containers_users_are_copied_by_an_ordinary_user() {
    let teu = Teu::of_user(&Arc::new(User::new(Range::Given)));
    teu.import_tiny();
    let script = "umask 077; mkdir /tmp/d; echo secret > /tmp/d/f; chown -R 1000:1000 /tmp/d; chmod 0 /tmp/d/f";
    teu.ok(&["run", "--name", "closed", "tiny", "sh", "-c", script]);
    teu.ok(&["cp", "closed:/tmp/d", "d"]);
    let copy = teu.work().join("d/f");
    assert_eq!(fs::metadata(&copy).expect("stat").permissions().mode() & 0o777, 0);
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).expect("chmod");
    assert_eq!(fs::read_to_string(&copy).expect("read"), "secret\n");
    assert_eq!(owner_in(&teu, "closed:/tmp/d"), (1000, 1000));
}

#[test]
fn read_only_containers_take_copies_in_their_volumes_only() {
    need::root();
    let teu = Teu::new();
    teu.import_tiny();
    fs::create_dir(teu.work().join("volume")).expect("folder");
    write(&teu, "file", "x");
    let (open, closed) = (teu.work().join("volume"), teu.work().join("volume"));
    let volumes = [format!("{}:/open", open.display()), format!("{}:/closed:ro", closed.display())];
    let flags = ["run", "-d", "--name", "firm", "--read-only", "-v", &volumes[0], "-v", &volumes[1]];
    teu.ok(&[&flags[..], &["tiny", "sleep", "1000"]].concat());
    for state in ["running", "exited"] {
        teu.wait_state("firm", state);
        for target in ["firm:/tmp", "firm:/etc/new", "firm:/closed/"] {
            teu.run(&["cp", "file", target]).fails(1, &["read-only"]);
        }
        teu.ok(&["cp", "file", "firm:/open/"]);
        fs::remove_file(open.join("file")).expect("it was copied");
        teu.ok(&["cp", "firm:/etc/passwd", "passwd"]);
        teu.run(&["kill", "firm"]);
    }
}

/// CVE-2018-15664: while files are copied, a process inside swaps a folder for a link to one of the machine's. Without a user
/// namespace the copy could reach it.
#[test]
fn folder_swapped_for_a_link_meanwhile_leads_nowhere() {
    need::root();
    for isolation in ["host", "private"] {
        let teu = Teu::new();
        teu.import_tiny();
        let victim = teu.work().join("victim");
        fs::create_dir(&victim).expect("folder");
        fs::write(victim.join("secret"), "of the machine").expect("write");
        write(&teu, "file", "copied");
        let script = format!(
            "mkdir -p /stage/real; echo inside > /stage/real/secret; ln -s {} /stage/link; echo up; \
             while :; do mv /stage/real /swap; sleep 0.003; mv /swap /stage/real; mv /stage/link /swap; mv /swap /stage/link; done",
            victim.display()
        );
        teu.ok(&["run", "-d", "--name", "racer", "--userns", isolation, "tiny", "sh", "-c", &script]);
        wait_for("start", SECOND * 30, || teu.ok(&["logs", "racer"]).contains("up").then_some(()));
        let (mut reached, mut round, begun) = (0, 0, std::time::Instant::now());
        // At least 40 times, and then until the copy met the folder once: how often it does differs between machines.
        while round < 40 || (reached == 0 && begun.elapsed() < SECOND * 60) {
            round += 1;
            let name = format!("out-{round}");
            if teu.run(&["cp", "racer:/swap/secret", &name]).code == 0 {
                assert_eq!(fs::read_to_string(teu.work().join(&name)).expect("read"), "inside\n");
                reached += 1;
            }
            // No panic, whatever else.
            teu.run(&["cp", "file", "racer:/swap/planted"]).no_panic();
            teu.run(&["cp", "racer:/swap/", &format!("folder-{round}")]).no_panic();
        }
        let names: Vec<_> = fs::read_dir(&victim).expect("list").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["secret"], "{isolation}: nothing was planted outside");
        for round in 1..=round {
            let copy = fs::read_to_string(teu.work().join(format!("folder-{round}/secret"))).unwrap_or_default();
            assert_ne!(copy, "of the machine", "{isolation}");
        }
        assert!(reached > 0, "{isolation}: the race was never won by the copy, so nothing was tested");
        teu.ok(&["rm", "-f", "racer"]);
    }
}

/// CVE-2019-14271: nothing of the container is run or loaded for a copy, whatever lies where programs and libraries are.
#[test]
fn poisoned_programs_and_libraries_of_the_container_are_not_touched() {
    need::root();
    let teu = Teu::new();
    teu.import_tiny();
    let script = "mkdir -p /lib /lib64 /usr/lib/x86_64-linux-gnu /usr/bin; for f in /lib/libnss_files.so.2 /lib/libc.so.6 \
        /usr/lib/x86_64-linux-gnu/libnss_files.so.2 /usr/bin/tar /bin/tar; do rm -f $f; cp /bin/busybox $f; done; mkfifo /bait; echo up; exec sleep 1000";
    teu.ok(&["run", "-d", "--name", "trap", "tiny", "sh", "-c", script]);
    wait_for("start", SECOND * 30, || teu.ok(&["logs", "trap"]).contains("up").then_some(()));
    write(&teu, "file", "x");
    let output = crate::support::process::run(
        std::process::Command::new(need::program("strace", "strace"))
            .args(["-f", "-qq", "-e", "trace=execve,open,openat,openat2,mmap", "-o"])
            .arg(teu.work().join("trace"))
            .arg(teu.binary())
            .args(["cp", "file", "trap:/usr/bin/"])
            .env("TEU_ROOT", teu.root())
            .env("TEU_RUNROOT", teu.runroot())
            .current_dir(teu.work()),
        b"",
        SECOND * 30,
    );
    output.ok();
    let trace = fs::read_to_string(teu.work().join("trace")).expect("a trace");
    let after = trace.split("\"usr/bin\"").nth(1).expect("the visit opens the folder");
    assert!(!after.contains("execve(") && !after.contains("libnss") && !after.contains("libc.so"), "{after}");
    assert_eq!(trace.matches("execve(").count(), 2, "teu, and teu as a visitor");
    // A pipe is copied as a pipe: nobody waits for a writer.
    teu.ok(&["cp", "trap:/bait", "bait"]);
    teu.ok(&["rm", "-f", "trap"]);
}

#[test]
fn copy_that_is_killed_leaves_a_container_that_starts() {
    need::root();
    let teu = Teu::new();
    pair(&teu);
    let big = fs::File::create(teu.work().join("big")).expect("file");
    big.set_len(8 << 30).expect("length");
    for delay_ms in [5, 20, 60, 150] {
        let mut running = teu.spawn(&["cp", "big", "stopped:/tmp/big"]);
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        let _ = running.child.kill();
        let _ = running.wait(SECOND * 5);
    }
    wait_for("the visitors' end", SECOND * 30, || {
        (!teu
            .processes()
            .iter()
            .any(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("visit"))))
        .then_some(())
    });
    teu.ok(&["start", "stopped"]);
    teu.ok(&["exec", "stopped", "true"]);
    teu.ok(&["rm", "-f", "runs", "stopped"]);
}

#[test]
fn ten_thousand_small_files_take_seconds() {
    need::root();
    // Removing them on a slow disk would take longer than the test.
    let teu = Teu::within(std::path::Path::new("/dev/shm"), None);
    pair(&teu);
    let many = teu.work().join("many");
    fs::create_dir(&many).expect("folder");
    for number in 0..10_000 {
        fs::write(many.join(format!("{number:05}")), "some bytes").expect("write");
    }
    let begin = Instant::now();
    teu.ok(&["cp", "many", "runs:/tmp"]);
    teu.ok(&["cp", "runs:/tmp/many", "back"]);
    let took = begin.elapsed();
    assert_eq!(fs::read_dir(teu.work().join("back")).expect("list").count(), 10_000);
    assert!(took < SECOND * 15, "{took:?}");
    teu.ok(&["rm", "-f", "runs", "stopped"]);
}

#[test]
fn terminal_shows_how_far_a_copy_is() {
    need::root();
    let teu = Teu::new();
    pair(&teu);
    let big = fs::File::create(teu.work().join("big")).expect("file");
    big.set_len(3 << 30).expect("length");
    let mut pty = teu.pty(&["cp", "big", "runs:/tmp/"]);
    pty.wait_for("Copying: ");
    pty.wait_for("Successfully copied 3.22GB to runs:/tmp/");
    pty.wait_exit();
    assert!(!pty.screen().contains("Copying"), "{}", pty.screen());
    teu.ok(&["rm", "-f", "runs", "stopped"]);
}
