//! What needs every controller in cgroup v2: run by `tests/vm/run` in a virtual machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::{Group, pure_machine, resources, text_of};
use crate::support::bundle::{Bundle, Runtime};
use crate::support::user::Range;
use crate::support::{SECOND, Teu, User, need, process, wait_for};

#[track_caller]
fn teu() -> Teu {
    pure_machine();
    let teu = Teu::new();
    teu.import_tiny();
    teu
}

#[track_caller]
fn bundle() -> Bundle {
    pure_machine();
    Bundle::new(Runtime::Teu)
}

/// The group of a bundle's container.
fn group_of(pid: i32) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroup");
    let path = text.lines().find_map(|line| line.strip_prefix("0::/")).expect("a v2 group");
    Path::new("/sys/fs/cgroup").join(path)
}

#[test]
fn limits_of_run_are_in_the_kernels_files() {
    let teu = teu();
    let flags = ["--rm", "-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m", "--cpus", "0.5"];
    let more = ["--cpu-shares", "1024", "--cpuset-cpus", "0", "--pids-limit", "20"];
    let disks = ["--device-read-bps", "/dev/nullb0:1mb", "--device-write-iops", "/dev/nullb0:100"];
    let script = "cd /sys/fs/cgroup; for file in memory.max memory.swap.max memory.low cpu.max cpu.weight cpuset.cpus \
        pids.max io.max; do echo $file $(cat $file); done";
    let text = teu.ok(&[&["run"], &flags[..], &more, &disks, &["tiny", "sh", "-c", script]].concat());
    let numbers = fs::read_to_string("/sys/block/nullb0/dev").expect("a null block device");
    for row in [
        "memory.max 67108864",
        "memory.swap.max 33554432",
        "memory.low 33554432",
        "cpu.max 50000 100000",
        "cpu.weight 100",
        "cpuset.cpus 0",
        "pids.max 20",
        &format!("io.max {} rbps=1048576 wbps=max riops=max wiops=100", numbers.trim()),
    ] {
        assert!(text.lines().any(|line| line == row), "{row} in:\n{text}");
    }
}

#[test]
fn memory_bomb_is_killed_and_told_as_out_of_memory() {
    let teu = teu();
    teu.run(&["run", "--name", "hungry", "-m", "32m", "tiny", "sh", "-c", "tail /dev/zero"]).returns(137);
    assert_eq!(teu.inspect("hungry")["State"]["OOMKilled"], true);
}

#[test]
fn fork_bomb_stops_at_the_limit() {
    let teu = teu();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 20 & done; wait";
    let output = teu.run(&["run", "--rm", "--pids-limit", "8", "tiny", "timeout", "3", "sh", "-c", script]);
    assert!(output.errors().contains("can't fork"), "{output}");
}

#[test]
fn device_rules_of_a_bundle_are_enforced() {
    let mut bundle = bundle();
    bundle.config["linux"]["resources"]["devices"] = json!([{"allow": false, "access": "rwm"}]);
    bundle.config["process"]["capabilities"] =
        json!({"bounding": ["CAP_MKNOD"], "effective": ["CAP_MKNOD"], "permitted": ["CAP_MKNOD"]});
    // A node may be made (c *:* m), but /dev/mem is not opened; what every container has, is.
    let script = "mknod /tmp/mem c 1 1 && echo made; (: < /tmp/mem) 2>/dev/null || echo closed; \
        for name in null zero full random urandom tty; do [ -e /dev/$name ] && echo $name; done; \
        (: < /dev/zero) && echo zero opens";
    bundle.mount(json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["dev"]}));
    let text = bundle.script(script);
    assert!(text.contains("made") && text.contains("closed") && text.contains("zero opens"), "{text}");
}

#[test]
fn resources_of_a_bundle_are_in_the_kernels_files() {
    let mut bundle = bundle();
    bundle.config["linux"]["cgroupsPath"] = json!(format!("/teu-test/{}", bundle.id));
    bundle.config["linux"]["resources"] = json!({
        "memory": {"limit": 67_108_864, "swap": 67_108_864, "reservation": 1_048_576},
        "cpu": {"quota": 20_000, "period": 50_000, "burst": 10_000, "shares": 2, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": 33},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 2_097_152}],
        "unified": {"memory.high": "50331648", "cgroup.max.depth": "7"},
    });
    let folder = group_of(bundle.sleeping());
    assert!(folder.ends_with(format!("teu-test/{}", bundle.id)), "{}", folder.display());
    let found: Vec<String> = ["memory.max", "memory.swap.max", "memory.low", "memory.high", "cpu.max", "cpu.max.burst"]
        .into_iter()
        .chain(["cpu.weight", "cpuset.cpus", "cpuset.mems", "pids.max", "hugetlb.2MB.max", "cgroup.max.depth"])
        .map(|file| text_of(&folder.join(file)))
        .collect();
    let expected =
        ["67108864", "0", "1048576", "50331648", "20000 50000", "10000", "1", "0-1", "0", "33", "2097152", "7"];
    assert_eq!(found, expected);
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    assert!(!folder.exists(), "the group is left");
    let _ = fs::remove_dir("/sys/fs/cgroup/teu-test");
}

#[test]
fn what_v2_lacks_is_refused_by_name() {
    let mut bundle = bundle();
    for (resources, field) in [
        (json!({"memory": {"swappiness": 10}}), "memory.swappiness"),
        (json!({"memory": {"disableOOMKiller": true}}), "memory.disableOOMKiller"),
        (json!({"memory": {"kernelTCP": 1}}), "memory.kernelTCP"),
        (json!({"cpu": {"realtimeRuntime": 1000}}), "cpu.realtimeRuntime"),
        (json!({"network": {"classID": 5}}), "network.classID"),
        (json!({"blockIO": {"leafWeight": 100}}), "blockIO.leafWeight"),
        (json!({"memory": {"limit": 100_000_000, "swap": 1000}}), "memory.swap"),
    ] {
        bundle.config["linux"]["resources"] = resources;
        bundle.refused().explains(&["linux.resources.", &field.to_lowercase()]);
    }
    // What engines send for "nothing" is none of it.
    bundle.config["linux"]["resources"] = json!({
        "memory": {"limit": 0, "swap": 0, "disableOOMKiller": false, "swappiness": u64::MAX, "kernel": 0, "kernelTCP": 0},
        "cpu": {"shares": 0, "quota": 0, "period": 0, "realtimeRuntime": 0, "cpus": ""},
        "pids": {"limit": 0}, "blockIO": {"weight": 0, "leafWeight": 0}, "network": {"classID": 0},
    });
    assert_eq!(bundle.script("echo runs"), "runs");
}

#[test]
fn update_changes_what_it_names_and_is_undone_when_refused() {
    let mut group = Group::new();
    pure_machine();
    group.shell("", "exec sleep 1000");
    let place = group.place();
    let first =
        json!({"memory": {"limit": 100_663_296, "swap": 134_217_728}, "cpu": {"quota": 50_000}, "pids": {"limit": 10}});
    place.update(&resources(first)).expect("update");
    assert_eq!((group.text("memory.max"), group.text("memory.swap.max")), ("100663296".into(), "33554432".into()));
    // The period alone keeps the quota; swap alone refers to the memory limit in force.
    place.update(&resources(json!({"cpu": {"period": 200_000}, "memory": {"swap": 201_326_592}}))).expect("update");
    assert_eq!(group.text("cpu.max"), "50000 200000");
    assert_eq!(group.text("memory.swap.max"), "100663296");
    let wrong = json!({"memory": {"limit": 67_108_864}, "pids": {"limit": 5}, "cpu": {"quota": 1}});
    let error = place.update(&resources(wrong)).expect_err("a quota below a millisecond").to_string();
    assert!(error.starts_with("linux.resources.cpu.quota: write 1 200000 to "), "{error}");
    assert_eq!((group.text("memory.max"), group.text("pids.max")), ("100663296".into(), "10".into()));
    let check = json!({"memory": {"limit": 4096, "checkBeforeUpdate": true}});
    let error = place.update(&resources(check)).expect_err("below the usage").to_string();
    assert!(error.contains("checkBeforeUpdate"), "{error}");
    let none = json!({"memory": {"limit": -1}, "cpu": {"quota": -1}, "pids": {"limit": -1}});
    place.update(&resources(none)).expect("update");
    assert_eq!((group.text("memory.max"), group.text("memory.swap.max")), ("max".into(), "max".into()));
    assert_eq!((group.text("cpu.max"), group.text("pids.max")), ("max 200000".into(), "max".into()));
}

#[test]
fn statistics_count_what_happened() {
    let mut group = Group::new();
    pure_machine();
    let place = group.place();
    let limits = json!({"cpu": {"quota": 5000, "period": 100_000}, "memory": {"limit": 33_554_432, "swap": 33_554_432}, "pids": {"limit": 50}});
    place.update(&resources(limits)).expect("update");
    group.shell("", "timeout 2 sh -c 'while :; do :; done'; tail /dev/zero; exec sleep 1000");
    let killed = || Some(place.sample()).filter(|sample| sample.oom_kills.is_some_and(|kills| kills > 0));
    let sample = wait_for("an out-of-memory kill", SECOND * 60, killed);
    assert!(sample.oom_events.is_some_and(|events| events > 0) && sample.cpu_throttled_periods.is_some_and(|n| n > 0));
    assert!(sample.cpu_pressure.is_some_and(|pressure| pressure.some_us > 0), "{sample:?}");
    let value = serde_json::to_value(place.statistics()).expect("json");
    assert!(value["cpu"]["throttling"]["throttledTime"].as_u64().is_some_and(|ns| ns > 0), "{value}");
    assert_eq!(value["memory"]["usage"]["limit"], 33_554_432);
    assert!(value["memory"]["usage"]["failcnt"].as_u64().is_some_and(|n| n > 0), "{value}");
    assert!(value["memory"]["raw"]["anon"].is_u64() && value["pids"]["limit"] == 50, "{value}");
}

#[test]
fn paused_container_stands_still_and_is_told_by_the_kernel() {
    let teu = teu();
    let id = teu.ok(&["run", "-d", "--name", "sleeper", "tiny", "sleep", "1000"]);
    let folder = Path::new("/sys/fs/cgroup/teu").join(id.trim());
    teu.ok(&["pause", "sleeper"]);
    assert!(text_of(&folder.join("cgroup.events")).contains("frozen 1"));
    teu.ok(&["unpause", "sleeper"]);
    assert!(text_of(&folder.join("cgroup.events")).contains("frozen 0"));
    teu.ok(&["pause", "sleeper"]);
    teu.ok(&["rm", "-f", "sleeper"]);
    assert!(!folder.exists());
}

#[test]
fn exec_finds_the_process_in_a_group_below_and_joins_the_group_it_names() {
    let mut bundle = bundle();
    let pid = bundle.sleeping();
    let folder = group_of(pid);
    // As a systemd inside does: processes to the leaves, controllers to those below.
    for below in ["init.scope", "other"] {
        fs::create_dir(folder.join(below)).expect("make a cgroup");
    }
    fs::write(folder.join("init.scope/cgroup.procs"), pid.to_string()).expect("move the process");
    fs::write(folder.join("cgroup.subtree_control"), "+pids").expect("give controllers away");
    let script = ["sh", "-c", "cat /proc/self/cgroup"];
    let text = bundle.call(&[&["exec", &bundle.id], &script[..]].concat()).ok().text();
    assert!(text.trim_end().ends_with("/init.scope"), "{text}");
    let text = bundle.call(&[&["exec", "--cgroup", "other", &bundle.id], &script[..]].concat()).ok().text();
    assert!(text.trim_end().ends_with("/other"), "{text}");
    let output = bundle.call(&[&["exec", "--cgroup", "../..", &bundle.id], &script[..]].concat());
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["--cgroup"]);
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    assert!(!folder.exists(), "groups below are left");
}

/// What systemd gives an ordinary user: a group with controllers that belongs to him, and he in a leaf of it.
struct Delegated {
    group: Group,
    leaf: PathBuf,
}

impl Delegated {
    #[track_caller]
    fn to(user: &User) -> Self {
        pure_machine();
        let group = Group::new();
        let leaf = group.folder.join("session");
        fs::create_dir(&leaf).expect("make a cgroup");
        for folder in [&group.folder, &leaf] {
            for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
                std::os::unix::fs::chown(folder.join(file), Some(user.uid), Some(user.gid)).expect("chown");
            }
        }
        Self { group, leaf }
    }

    /// `teu ARGUMENTS` of the user, begun in his leaf.
    #[track_caller]
    fn run(&self, teu: &Teu, arguments: &[&str]) -> process::Output {
        let inner = teu.command(arguments);
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$0\"/cgroup.procs && exec \"$@\""]).arg(&self.leaf);
        // By its path: a shell that is busybox takes its own setpriv.
        command.arg(need::program("setpriv", "util-linux")).args(inner.get_args()).current_dir(teu.work()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        process::run(&mut command, b"", SECOND * 60)
    }
}

#[test]
fn ordinary_user_with_a_delegated_group_has_limits() {
    pure_machine();
    let user = std::sync::Arc::new(User::new(Range::Missing));
    let delegated = Delegated::to(&user);
    let teu = Teu::of_user(&user);
    teu.import_tiny();
    let script = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max";
    let flags = ["run", "--rm", "-m", "64m", "--pids-limit", "30", "--cpus", "1.5", "tiny", "sh", "-c", script];
    let output = delegated.run(&teu, &flags).ok();
    assert_eq!(output.text(), "67108864\n30\n150000 100000");
    delegated.run(&teu, &["run", "--rm", "-m", "32m", "tiny", "tail", "/dev/zero"]).returns(137);
    // Without the group the same wish is refused, not forgotten.
    teu.run(&["run", "--rm", "-m", "64m", "tiny", "true"]).fails(125, &["memory", "teu doctor"]);
    assert!(delegated.group.folder.join("session").exists());
}
