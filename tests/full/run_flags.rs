//! Every flag of `run`, verified from inside the container.

use crate::support::oci::{Entry, tar_of};
use crate::support::tiny::busybox_tar;
use crate::support::{SECOND, Teu, wait_for};

/// What `teu run --rm FLAGS tiny sh -c SCRIPT` prints.
#[track_caller]
fn inside(teu: &Teu, flags: &[&str], script: &str) -> String {
    teu.ok(&[&["run", "--rm"], flags, &["tiny", "sh", "-c", script]].concat())
}

#[test]
fn command_and_entrypoint_are_the_images_or_the_users() {
    let teu = Teu::new();
    teu.import_tiny();
    let file = teu.work().join("tiny.tar");
    teu.ok(&[
        "import",
        "--change",
        "ENTRYPOINT [\"echo\", \"entry\"]",
        "--change",
        "CMD [\"cmd\"]",
        &file.to_string_lossy(),
        "entry",
    ]);
    assert_eq!(teu.ok(&["run", "--rm", "entry"]), "entry cmd");
    assert_eq!(teu.ok(&["run", "--rm", "entry", "mine"]), "entry mine");
    assert_eq!(teu.ok(&["run", "--rm", "--entrypoint", "printf", "entry", "%s-", "a", "b"]), "a-b-");
    assert_eq!(teu.ok(&["run", "--rm", "--entrypoint", "", "entry", "echo", "plain"]), "plain");
    teu.run(&["run", "--rm", "--entrypoint", "", "entry"]).fails(125, &["command"]);
}

#[test]
fn environment_is_merged() {
    let teu = Teu::new();
    teu.import_tiny();
    let file = teu.work().join("tiny.tar");
    teu.ok(&["import", "--change", "ENV FROM=image", "--change", "ENV TWO=image", &file.to_string_lossy(), "env"]);
    let listed = teu.file("list", b"# a comment\n\nTWO=file\nTHREE=with = sign\nFOUR=\n");
    let text = teu.ok(&[
        "run",
        "--rm",
        "-e",
        "ONE=flag",
        "-e",
        "TWO=flag",
        "--env-file",
        &listed.to_string_lossy(),
        "env",
        "env",
    ]);
    for row in ["FROM=image", "ONE=flag", "TWO=flag", "THREE=with = sign", "FOUR=", "HOME=/root"] {
        assert!(text.lines().any(|line| line == row), "{row} in:\n{text}");
    }
    assert!(
        text.lines().any(|line| line.starts_with("PATH=")) && text.lines().any(|line| line.starts_with("HOSTNAME=")),
        "{text}"
    );
    assert!(!text.contains("TEU_ROOT"), "the machine's environment leaks in:\n{text}");
    // `-e NAME` takes the caller's value.
    let mut command = teu.command(&["run", "--rm", "-e", "CALLER", "env", "sh", "-c", "echo $CALLER"]);
    let output = crate::support::process::run(command.env("CALLER", "hers"), b"", SECOND * 30).ok();
    assert_eq!(output.text(), "hers");
    teu.run(&["run", "--rm", "--env-file", "/no/such", "env", "true"]).fails(125, &["/no/such"]);
}

#[test]
fn workdir_is_made_and_entered() {
    let teu = Teu::new();
    teu.import_tiny();
    assert_eq!(inside(&teu, &["-w", "/deep/er"], "pwd"), "/deep/er");
    assert_eq!(inside(&teu, &[], "pwd"), "/");
    teu.run(&["run", "--rm", "-w", "relative", "tiny", "true"]).fails(125, &["relative"]);
}

#[test]
fn user_is_looked_up_inside_the_image() {
    let teu = Teu::new();
    teu.import_tiny();
    let script = "echo $(id -u) $(id -g) $(id -G) $HOME";
    assert_eq!(inside(&teu, &[], script), "0 0 0 /root");
    assert_eq!(inside(&teu, &["-u", "app"], script), "1000 1000 1000 50 77 /home/app");
    assert_eq!(inside(&teu, &["-u", "1000"], script), "1000 1000 1000 50 77 /home/app");
    assert_eq!(inside(&teu, &["-u", "app:staff"], script), "1000 50 50 /home/app");
    assert_eq!(inside(&teu, &["-u", "4321:8765"], script), "4321 8765 8765 /");
    teu.run(&["run", "--rm", "-u", "stranger", "tiny", "true"]).explains(&["stranger"]);
    teu.run(&["run", "--rm", "-u", "app:nogroup2", "tiny", "true"]).explains(&["nogroup2"]);
    // A user that is not root has no capabilities.
    assert!(inside(&teu, &["-u", "app"], "grep CapEff /proc/self/status").ends_with("0000000000000000"));
}

#[test]
fn hostname_is_set_and_resolves() {
    let teu = Teu::new();
    teu.import_tiny();
    assert_eq!(inside(&teu, &["-h", "ship"], "hostname; echo $HOSTNAME"), "ship\nship");
    let generated = inside(&teu, &[], "hostname");
    assert!(generated.len() == 12 && generated.bytes().all(|b| b.is_ascii_hexdigit()), "{generated}");
}

/// Whether a user to whom no cgroup is delegated is refused this limit, as he must be, with the way to get it.
#[track_caller]
fn is_refused_with_advice(teu: &Teu, flag: &str) -> bool {
    let output = teu.run(&["run", "--rm", flag, "tiny", "true"]);
    if output.code == 0 {
        return false;
    }
    assert!(teu.is_rootless(), "root is refused {flag}: {output}");
    output.fails(125, &["cgroup", "teu doctor"]);
    true
}

#[test]
fn memory_limit_is_enforced_and_told() {
    let teu = Teu::new();
    teu.import_tiny();
    if is_refused_with_advice(&teu, "--memory=32m") {
        return;
    }
    let file = teu.ok(&[
        "run",
        "--rm",
        "-m",
        "32m",
        "tiny",
        "sh",
        "-c",
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true",
    ]);
    assert_eq!(file.trim(), "33554432");
    teu.run(&["run", "--name", "hungry", "-m", "32m", "tiny", "sh", "-c", "tail /dev/zero"]).returns(137);
    let state = &teu.inspect("hungry")["State"];
    assert_eq!(state["OOMKilled"], true, "{state}");
    assert!(teu.ok(&["ps", "-a"]).contains("Exited (137)"));
    for long in ["--memory=64M", "--memory=67108864", "-m=65536k"] {
        let text = teu.ok(&[
            "run",
            "--rm",
            long,
            "tiny",
            "sh",
            "-c",
            "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true",
        ]);
        assert_eq!(text.trim(), "67108864", "{long}");
    }
}

#[test]
fn cpu_limit_is_enforced() {
    let teu = Teu::new();
    teu.import_tiny();
    if is_refused_with_advice(&teu, "--cpus=0.5") {
        return;
    }
    teu.ok(&["run", "-d", "--name", "half", "--cpus", "0.5", "tiny", "sh", "-c", "while :; do :; done"]);
    let used = || -> f64 {
        let pid = teu.inspect("half")["State"]["Pid"].as_i64().expect("a process id");
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("it runs");
        text.split(' ').next().and_then(|n| n.parse::<f64>().ok()).expect("nanoseconds") / 1e9
    };
    let (before, start) = (used(), std::time::Instant::now());
    std::thread::sleep(SECOND * 2);
    let share = (used() - before) / start.elapsed().as_secs_f64();
    assert!(share < 0.6, "uses {share:.2} of a core");
    assert!(share > 0.1, "hardly runs: {share:.2} of a core");
}

#[test]
fn process_limit_stops_a_fork_bomb() {
    let teu = Teu::new();
    teu.import_tiny();
    if is_refused_with_advice(&teu, "--pids-limit=10") {
        return;
    }
    let script = "for i in $(seq 40); do sleep 5 & done 2>&1 | grep -c fork; ls -d /proc/[0-9]* | wc -l";
    let output = teu.run(&["run", "--rm", "--pids-limit", "10", "tiny", "sh", "-c", script]);
    let count: u32 = output.text().lines().last().and_then(|n| n.trim().parse().ok()).unwrap_or(0);
    assert!(count <= 12, "{output}");
    let limit = teu.ok(&[
        "run",
        "--rm",
        "--pids-limit",
        "10",
        "tiny",
        "sh",
        "-c",
        "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; true",
    ]);
    assert_eq!(limit.trim(), "10");
}

#[test]
fn volumes_are_bound_read_write_or_read_only() {
    let teu = Teu::new();
    teu.import_tiny();
    let folder = teu.work().join("shared");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("from-host"), "hello").expect("write");
    let rw = format!("{}:/data", folder.display());
    let ro = format!("{}:/data:ro", folder.display());
    assert_eq!(inside(&teu, &["-v", &rw], "cat /data/from-host; echo back > /data/from-inside"), "hello");
    assert_eq!(std::fs::read_to_string(folder.join("from-inside")).expect("written through"), "back\n");
    let refused = teu.run(&["run", "--rm", "-v", &ro, "tiny", "sh", "-c", "echo x > /data/no"]);
    assert_ne!(refused.code, 0);
    assert!(refused.errors().contains("Read-only"), "{refused}");
    // A single file, and a folder that is missing, which Docker makes.
    let file = format!("{}:/etc/one-file:ro", folder.join("from-host").display());
    assert_eq!(inside(&teu, &["-v", &file], "cat /etc/one-file"), "hello");
    let missing = format!("{}:/made", folder.join("new").display());
    inside(&teu, &["-v", &missing], "touch /made/x");
    assert!(folder.join("new/x").exists());
    for bad in ["no-colon-and-relative", "/a:relative", "/a:/b:sideways"] {
        teu.run(&["run", "--rm", "-v", bad, "tiny", "true"]).fails(125, &[]);
    }
}

#[test]
fn volume_target_through_a_symlink_stays_inside() {
    let teu = Teu::new();
    let link = [Entry::symlink("door", "/etc")];
    // Two archives one after the other are one, once the first has lost the blocks that end it.
    let base = busybox_tar();
    let whole = [&base[..base.len() - 1024], &tar_of(&link)].concat();
    teu.run_fed(&["import", "-", "tiny"], &whole).ok();
    let folder = teu.work().join("bound");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("mark"), "m").expect("write");
    let flag = format!("{}:/door/inner", folder.display());
    let text = teu.ok(&["run", "--rm", "-v", &flag, "tiny", "cat", "/door/inner/mark"]);
    assert_eq!(text, "m");
    assert!(!std::path::Path::new("/etc/inner").exists(), "a mount point was made on the machine");
}

#[test]
fn read_only_root_still_has_its_kernel_folders() {
    let teu = Teu::new();
    teu.import_tiny();
    let output = teu.run(&[
        "run",
        "--rm",
        "--read-only",
        "tiny",
        "sh",
        "-c",
        "echo x > /dev/null; echo y > /dev/shm/y && echo shm; echo x > /no",
    ]);
    assert_ne!(output.code, 0, "{output}");
    assert_eq!(output.text(), "shm");
    assert!(output.errors().contains("Read-only"), "{output}");
}

#[test]
fn capabilities_are_added_and_dropped() {
    let teu = Teu::new();
    teu.import_tiny();
    let effective = |flags: &[&str]| {
        let text = inside(&teu, flags, "grep CapEff /proc/self/status");
        u64::from_str_radix(text.rsplit('\t').next().expect("a field"), 16).expect("hexadecimal")
    };
    let (chown, net_admin, net_raw) = (1u64 << 0, 1u64 << 12, 1u64 << 13);
    assert_eq!(effective(&[]) & !0xa804_25fb, 0, "more than Docker's default");
    assert_eq!(effective(&[]) & chown, chown);
    assert_eq!(effective(&["--cap-drop", "ALL"]), 0);
    assert_eq!(effective(&["--cap-drop", "all", "--cap-add", "NET_RAW"]), net_raw);
    assert_eq!(effective(&["--cap-add", "CAP_NET_ADMIN", "--cap-drop", "chown"]) & (net_admin | chown), net_admin);
    teu.run(&["run", "--rm", "--cap-add", "FLY", "tiny", "true"]).fails(125, &["FLY"]);
    // A dropped capability is refused by the kernel, not only missing from a mask.
    teu.run(&["run", "--rm", "--cap-drop", "CHOWN", "tiny", "chown", "1", "/etc/passwd"]).returns(1);
}

#[test]
fn security_options_are_obeyed() {
    let teu = Teu::new();
    teu.import_tiny();
    let status = "grep -E 'NoNewPrivs|Seccomp:' /proc/self/status | tr -d '\\t' | tr '\\n' ' '";
    assert_eq!(inside(&teu, &[], status).trim(), "NoNewPrivs:1 Seccomp:2");
    assert_eq!(inside(&teu, &["--security-opt", "no-new-privileges=false"], status).trim(), "NoNewPrivs:0 Seccomp:2");
    assert_eq!(inside(&teu, &["--security-opt", "seccomp=unconfined"], status).trim(), "NoNewPrivs:1 Seccomp:0");
    let profile = teu.file(
        "profile.json",
        br#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_AARCH64"],
            "syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}"#,
    );
    let flag = format!("seccomp={}", profile.display());
    let output = teu.run(&["run", "--rm", "--security-opt", &flag, "tiny", "mkdir", "/x"]).returns(1);
    assert!(output.errors().contains("No space"), "the profile's own errno is not given: {output}");
    let broken = teu.file("broken.json", b"{");
    teu.run(&["run", "--rm", "--security-opt", &format!("seccomp={}", broken.display()), "tiny", "true"])
        .fails(125, &["broken.json"]);
    teu.run(&["run", "--rm", "--security-opt", "apparently=x", "tiny", "true"]).fails(125, &["apparently"]);
}

#[test]
fn init_reaps_and_forwards() {
    let teu = Teu::new();
    teu.import_tiny();
    let text =
        inside(&teu, &["--init"], "(sleep 0.1 & exec true) & sleep 0.5; ps -o stat | grep -c ^Z; cat /proc/1/comm");
    assert!(text.starts_with("0\n"), "a zombie is left: {text}");
    assert_ne!(text.lines().last(), Some("sh"), "there is no init: {text}");
    teu.ok(&[
        "run",
        "-d",
        "--init",
        "--name",
        "initial",
        "tiny",
        "sh",
        "-c",
        "trap 'exit 21' TERM; echo ready; while :; do sleep 0.05; done",
    ]);
    wait_for("ready", SECOND * 30, || teu.ok(&["logs", "initial"]).contains("ready").then_some(()));
    teu.ok(&["stop", "initial"]);
    assert_eq!(teu.ok(&["wait", "initial"]), "21");
    teu.run(&["run", "--rm", "--init", "tiny", "no-such-command"]).fails(127, &["no-such-command"]);
    teu.run(&["run", "--rm", "--init", "tiny", "/bin/not-executable"]).fails(126, &["not-executable"]);
}

#[test]
fn labels_are_kept() {
    let teu = Teu::new();
    teu.import_tiny();
    teu.ok(&["create", "--name", "labelled", "-l", "a=b=c", "--label", "alone", "tiny", "true"]);
    let labels = &teu.inspect("labelled")["Config"]["Labels"];
    assert_eq!(labels["a"], "b=c");
    assert_eq!(labels["alone"], "");
}

#[test]
fn codes_of_a_small_image_are_dockers() {
    let teu = Teu::new();
    teu.import_tiny();
    teu.run(&["run", "--rm", "tiny", "no-such-command"]).fails(127, &["no-such-command"]);
    teu.run(&["run", "--rm", "tiny", "/bin/not-executable"]).fails(126, &["not-executable", "permission denied"]);
    // Looked up in PATH, what is not executable is not a command, for Docker too.
    teu.run(&["run", "--rm", "tiny", "not-executable"]).fails(127, &["not-executable"]);
    teu.run(&["run", "--rm", "tiny", "no-interpreter"]).fails(127, &["no-interpreter"]);
    teu.run(&["run", "--rm", "tiny", "/etc/passwd/x"]).explains(&["/etc/passwd/x"]);
    assert!(teu.names().is_empty());
    // Without --rm the container stays, to be looked at.
    teu.run(&["run", "--name", "kept", "tiny", "no-such-command"]).fails(127, &[]);
    assert_ne!(teu.state("kept"), "running");
    teu.assert_no_leak();
}

#[test]
fn shared_memory_and_resource_limits() {
    let teu = Teu::new();
    teu.import_tiny();
    let text = inside(
        &teu,
        &["--ulimit", "nofile=100:200"],
        "ulimit -Sn; ulimit -Hn; df -k /dev/shm | tail -1 | awk '{print $2}'",
    );
    assert_eq!(text, "100\n200\n65536");
}
