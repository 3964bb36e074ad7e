//! What the runtime's middle promises beyond the specification's sentences: pods that share namespaces, a start in two
//! phases under any seccomp filter, all five capability sets, hooks that hold nobody up.

use std::fs;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, Runtime};
use crate::support::{SECOND, need};

#[track_caller]
fn lab() -> Bundle {
    need::root();
    Bundle::new(Runtime::Teu)
}

fn namespace(pid: i32, kind: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace").to_string_lossy().into_owned()
}

/// Makes the config join these namespaces of a process.
fn join(lab: &mut Bundle, pid: i32, kinds: &[(&str, &str)]) {
    for (kind, file) in kinds {
        lab.namespace(kind, Some(json!({"type": kind, "path": format!("/proc/{pid}/ns/{file}")})));
    }
}

const POD: [(&str, &str); 5] = [("user", "user"), ("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts")];

/// A second container in the first one's namespaces, its user namespace among them: it runs, is entered, and writes
/// files as the root of that namespace.
#[test]
fn pod_shares_user_and_pid_namespaces() {
    let mut first = lab();
    first.own_user_namespace();
    let pid = first.sleeping();
    let mut second = lab();
    second.own_user_namespace();
    let linux = second.config["linux"].as_object_mut().expect("an object");
    linux.remove("uidMappings");
    linux.remove("gidMappings");
    second.config.as_object_mut().expect("an object").remove("hostname");
    join(&mut second, pid, &POD);
    let other = second.sleeping();
    for (_, file) in POD {
        assert_eq!(namespace(other, file), namespace(pid, file), "{file}");
    }
    assert_ne!(namespace(other, "mnt"), namespace(pid, "mnt"));
    let shown =
        second.call(&["exec", &second.id, "sh", "-c", "cat /proc/1/cmdline; id -u; echo x > /made; ls -ln /made"]);
    let shown = shown.ok().text();
    assert!(shown.starts_with("sleep\u{0}1000\u{0}0\n"), "{shown:?}");
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(second.rootfs().join("made")).expect("the file"));
    assert_eq!(owner, 100_000, "{shown}");
    second.call(&["delete", "--force", &second.id]).ok();
    assert_eq!(first.status(), "running");
    first.call(&["delete", "--force", &first.id]).ok();
}

/// Namespaces of the machine joined by a container with a new user namespace: it has no rights over them.
#[test]
fn network_of_another_is_joined_from_a_new_user_namespace() {
    let mut first = lab();
    let pid = first.sleeping();
    let mut second = lab();
    second.own_user_namespace();
    // Who does not own the network may not mount sysfs.
    second.list("/mounts").retain(|mount| mount["type"] != "sysfs");
    second.config["linux"]["readonlyPaths"] = json!([]);
    second.config["linux"]["maskedPaths"] = json!([]);
    join(&mut second, pid, &[("network", "net")]);
    let other = second.sleeping();
    assert_eq!(namespace(other, "net"), namespace(pid, "net"));
    assert_ne!(namespace(other, "user"), namespace(pid, "user"));
    second.call(&["delete", "--force", &second.id]).ok();
    first.call(&["delete", "--force", &first.id]).ok();
}

#[test]
fn container_is_started_once() {
    let mut lab = lab();
    lab.sleeping();
    let again = lab.start();
    assert_ne!(again.code, 0, "{again}");
    assert_eq!(lab.status(), "running");
    lab.call(&["delete", "--force", &lab.id]).ok();
}

/// Without no_new_privs a filter is installed before capabilities go; what comes after it must need little. None of the
/// calls that holding, releasing and hooks take may be among that.
#[test]
fn filter_that_refuses_the_runtimes_own_calls_does_not_stop_the_start() {
    let calls = [
        "accept4",
        "recvmsg",
        "sendmsg",
        "close_range",
        "fork",
        "vfork",
        "clone3",
        "setresuid",
        "setgroups",
        "umask",
        "openat2",
        "faccessat2",
        "rt_sigprocmask",
    ];
    for no_new_privileges in [true, false] {
        let mut lab = lab();
        lab.config["process"]["noNewPrivileges"] = json!(no_new_privileges);
        lab.config["hooks"] = json!({"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo hook"]}]});
        lab.config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": calls, "action": "SCMP_ACT_KILL_PROCESS"}],
        });
        lab.config["process"]["args"] = json!(["true"]);
        lab.run().ok();
    }
}

fn sets(text: &str) -> Vec<(String, String)> {
    let row = |line: &str| line.split_once(":\t").map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().filter_map(row).collect()
}

#[test]
fn five_capability_sets_are_exactly_as_given() {
    let mut lab = lab();
    lab.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    lab.config["process"]["capabilities"] = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_CHOWN", "CAP_KILL"],
        "inheritable": ["CAP_KILL"],
        "ambient": ["CAP_KILL"],
    });
    let shown = lab.script("grep ^Cap /proc/self/status");
    // A program without file capabilities keeps the ambient ones alone (capabilities(7)).
    let expected = [("CapInh", 0x20), ("CapPrm", 0x20), ("CapEff", 0x20), ("CapBnd", 0x421), ("CapAmb", 0x20)];
    let expected: Vec<_> = expected.map(|(name, bits)| (name.to_owned(), format!("{bits:016x}"))).to_vec();
    assert_eq!(sets(&shown), expected);
}

/// Ambient without inheritable is what the kernel does not grant: the start goes on without it (CVE-2022-29162).
#[test]
fn ambient_capability_that_is_not_inheritable_is_not_given() {
    let mut lab = lab();
    lab.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let sets = json!(["CAP_KILL"]);
    lab.config["process"]["capabilities"] =
        json!({"bounding": sets, "permitted": sets, "effective": sets, "ambient": sets});
    assert_eq!(lab.script("grep -E '^Cap(Eff|Amb)' /proc/self/status | grep -c 0000000000000000"), "2");
}

/// startContainer hooks have the container's capabilities and not the runtime's.
#[test]
fn start_hook_has_no_more_rights_than_the_container() {
    let mut lab = lab();
    let out = lab.bind("out", "/mnt", &["bind"]);
    lab.config["process"]["capabilities"] =
        json!({"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": []});
    let script = "grep -E '^Cap(Prm|Bnd)' /proc/self/status > /mnt/caps";
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin"]});
    lab.config["hooks"] = json!({"startContainer": [hook]});
    lab.script("true");
    let shown = fs::read_to_string(out.join("caps")).expect("the hook's file");
    // Root regains at execve what is bounding and no more.
    assert_eq!(shown.matches("0000000000000020").count(), 2, "{shown}");
}

#[test]
fn hook_that_leaves_a_child_behind_holds_nobody_up() {
    let mut lab = lab();
    let hook = |file: &str| json!({"path": "/bin/sh", "args": ["sh", "-c", format!("sleep 20 & echo $! > {file}")]});
    let file = lab.folder().join("pid");
    lab.config["hooks"] = json!({"createRuntime": [hook(&file.to_string_lossy())]});
    let begun = Instant::now();
    lab.script("true");
    assert!(begun.elapsed() < SECOND * 10, "{:?}", begun.elapsed());
    let pid = fs::read_to_string(&file).expect("the child's pid");
    let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// A folder of the machine that the caller has open would be a way out for a hook that runs the container's programs.
#[test]
fn hooks_get_no_descriptor_that_the_caller_left_open() {
    let mut lab = lab();
    let (file, hook) = lab.hook("log", "ls -l /proc/self/fd; echo seen");
    lab.config["hooks"] = json!({"prestart": [&hook], "createRuntime": [&hook], "createContainer": [&hook]});
    lab.write_config();
    let create = lab.command(&["create", "--bundle", &lab.path().to_string_lossy(), &lab.id]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec 7</etc/ssl 9</etc/passwd; exec \"$@\"", "sh"]).current_dir(lab.folder());
    shell.arg(create.get_program()).args(create.get_args());
    lab.finish(shell).ok();
    let seen = fs::read_to_string(&file).expect("the hooks' words");
    assert_eq!(seen.lines().filter(|line| *line == "seen").count(), 3, "{seen}");
    assert!(!seen.contains("/etc/ssl") && !seen.contains("/etc/passwd"), "{seen}");
}

#[test]
fn hook_that_talks_much_is_told_of_in_short() {
    let mut lab = lab();
    let script = "head -c 100000 /dev/zero | tr '\\0' x >&2; exit 9";
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]});
    lab.config["hooks"] = json!({"createContainer": [hook]});
    let refused = lab.refused().explains(&["hooks.createContainer[0]", "exit code 9", "xxxx"]);
    assert!(refused.stderr.len() < 3000, "{}", refused.stderr.len());
}

/// One more process gets what its container's processes have: personality, and what `process.json` says of its own.
#[test]
fn exec_obeys_the_process_it_is_given() {
    let mut lab = lab();
    lab.config["linux"]["personality"] = json!({"domain": "LINUX32"});
    lab.sleeping();
    let script =
        "cat /proc/self/personality; awk '{print $19, $41}' /proc/self/stat; cat /proc/self/oom_score_adj; umask";
    let process: Value = json!({
        "user": {"uid": 0, "gid": 0, "umask": 0o027}, "cwd": "/", "env": ["PATH=/bin"], "args": ["sh", "-c", script],
        "scheduler": {"policy": "SCHED_BATCH", "nice": 5}, "oomScoreAdj": 77,
    });
    let file = lab.folder().join("process.json");
    fs::write(&file, process.to_string()).expect("write");
    let shown = lab.call(&["exec", "--process", &file.to_string_lossy(), &lab.id]).ok().text();
    assert_eq!(shown.lines().collect::<Vec<_>>(), ["00000008", "5 3", "77", "0027"]);
    lab.call(&["delete", "--force", &lab.id]).ok();
}
