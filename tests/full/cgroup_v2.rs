//! cgroup v2 on the kernel: what hybrid machines can do too stands here, the rest in `pure`, for `tests/vm/run`.

mod pure;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use oci_spec::runtime::LinuxResources;
use serde_json::json;
use teu::runtime::CgroupPlace;

use crate::support::{SECOND, need, wait_for};

/// Where cgroup v2 is mounted on this machine.
#[track_caller]
fn mount_point() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let line = line.expect("these tests need cgroup v2 mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified");
    PathBuf::from(line.split(' ').nth(4).expect("a mount point"))
}

/// A group of the test's own, removed with all that is in it.
struct Group {
    folder: PathBuf,
    processes: Vec<Child>,
}

impl Group {
    #[track_caller]
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        need::root();
        let name = format!("teu-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = mount_point().join(name);
        fs::create_dir(&folder).expect("make a cgroup");
        Self { folder, processes: Vec::new() }
    }

    /// As the runtime would know it.
    fn place(&self) -> CgroupPlace {
        CgroupPlace { name: "test".to_owned(), unified: Some(self.folder.clone()), ..CgroupPlace::default() }
    }

    fn text(&self, file: &str) -> String {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_else(|e| panic!("read {file}: {e}"));
        text.trim_end().to_owned()
    }

    /// `sh -c SCRIPT` in the group, or in one below it. The script begins when it is inside.
    #[track_caller]
    fn shell(&mut self, below: &str, script: &str) -> i32 {
        let folder = self.folder.join(below);
        fs::create_dir_all(&folder).expect("make a cgroup");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("echo $$ > \"$0\"/cgroup.procs && {script}")]).arg(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().expect("start sh");
        let pid = i32::try_from(child.id()).expect("a pid");
        self.processes.push(child);
        let procs = folder.join("cgroup.procs");
        let inside = || fs::read_to_string(&procs).ok().filter(|text| text.contains(&pid.to_string()));
        let ended = || fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
        wait_for("the process to be in its cgroup", SECOND * 30, || {
            inside().is_some().then_some(()).or(ended().then_some(()))
        });
        pid
    }

    /// What a script prints in the group.
    #[track_caller]
    fn output(&mut self, script: &str) -> String {
        self.shell("", script);
        let mut child = self.processes.pop().expect("just started");
        let mut text = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("read");
        child.wait().expect("wait");
        text.trim_end().to_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.place().kill_all();
        for child in &mut self.processes {
            let _ = child.wait();
        }
        let removed = self.place().remove();
        if !std::thread::panicking() {
            removed.expect("remove the cgroup");
            assert!(!self.folder.exists(), "{} is left", self.folder.display());
        }
    }
}

fn resources(value: serde_json::Value) -> LinuxResources {
    serde_json::from_value(value).expect("resources")
}

/// Opens devices by shell redirection: `null: yes`, `full: no` and so on.
const OPEN_DEVICES: &str = "for name in null zero full; do \
    if (: < /dev/$name) 2>/dev/null; then echo $name: yes; else echo $name: no; fi; done; \
    if (: > /dev/zero) 2>/dev/null; then echo write zero: yes; else echo write zero: no; fi";

#[test]
fn device_program_denies_what_no_rule_allows() {
    let mut group = Group::new();
    let rules = json!({"devices": [
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rw"},
        {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "r"},
    ]});
    assert_eq!(group.output(OPEN_DEVICES), "null: yes\nzero: yes\nfull: yes\nwrite zero: yes");
    group.place().update(&resources(rules)).expect("attach the program");
    assert_eq!(group.output(OPEN_DEVICES), "null: yes\nzero: yes\nfull: no\nwrite zero: no");
}

#[test]
fn device_program_is_replaced_by_an_update() {
    let mut group = Group::new();
    let deny =
        |major: u32, minor: u32| json!({"devices": [{"allow": false, "type": "c", "major": major, "minor": minor}]});
    group.place().update(&resources(deny(1, 5))).expect("attach");
    assert_eq!(group.output(OPEN_DEVICES), "null: yes\nzero: no\nfull: yes\nwrite zero: no");
    // Two programs would both deny.
    group.place().update(&resources(deny(1, 7))).expect("replace");
    assert_eq!(group.output(OPEN_DEVICES), "null: yes\nzero: yes\nfull: no\nwrite zero: yes");
    group.place().update(&resources(json!({"devices": [{"allow": true}]}))).expect("allow all");
    assert_eq!(group.output(OPEN_DEVICES), "null: yes\nzero: yes\nfull: yes\nwrite zero: yes");
}

#[test]
fn device_program_of_a_thousand_rules_passes_the_verifier() {
    let mut group = Group::new();
    let mut rules = vec![json!({"allow": false})];
    rules.extend((0..1000).map(|minor| json!({"allow": true, "type": "b", "major": 7, "minor": minor, "access": "r"})));
    rules.push(json!({"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}));
    group.place().update(&resources(json!({"devices": rules}))).expect("load a long program");
    assert_eq!(group.output(OPEN_DEVICES), "null: yes\nzero: no\nfull: no\nwrite zero: no");
}

#[test]
fn frozen_processes_stand_still_until_they_are_thawed() {
    let mut group = Group::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("count");
    group.shell("", &format!("i=0; while :; do i=$((i+1)); echo $i > {}; sleep 0.02; done", file.display()));
    let count = || fs::read_to_string(&file).unwrap_or_default();
    wait_for("counting", SECOND * 30, || (!count().is_empty()).then_some(()));
    let place = group.place();
    assert!(!place.is_frozen());
    place.freeze().expect("freeze");
    assert!(place.is_frozen());
    assert!(group.text("cgroup.events").contains("frozen 1"));
    let before = count();
    std::thread::sleep(SECOND / 3);
    assert_eq!(count(), before, "it goes on although it is frozen");
    place.thaw().expect("thaw");
    assert!(!place.is_frozen());
    wait_for("counting on", SECOND * 30, || (count() != before && !count().is_empty()).then_some(()));
}

#[test]
fn kill_reaches_frozen_and_nested_processes_and_remove_takes_all_groups() {
    let mut group = Group::new();
    let pids = ["", "a", "a/b", "c"].map(|below| group.shell(below, "exec sleep 1000"));
    let place = group.place();
    let mut found = place.processes();
    found.sort_unstable();
    let mut expected = pids.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "nested processes are the container's too");
    place.freeze().expect("freeze");
    place.kill_all().expect("kill");
    for mut child in group.processes.drain(..) {
        assert!(!child.wait().expect("wait").success());
    }
    assert_eq!(place.processes(), Vec::<i32>::new());
    place.remove().expect("remove");
    assert!(!group.folder.exists());
}

#[test]
fn remove_waits_for_processes_that_are_just_ending() {
    let mut group = Group::new();
    group.shell("deep/er", "sleep 0.2");
    group.place().remove().expect("remove");
    assert!(!group.folder.exists());
}

#[test]
fn group_of_somebody_else_is_refused_and_left_alone() {
    let mut group = Group::new();
    group.shell("", "exec sleep 1000");
    let name = group.folder.file_name().expect("a name").to_string_lossy().into_owned();
    let mut bundle = crate::support::bundle::Bundle::new(crate::support::bundle::Runtime::Teu);
    bundle.config["linux"]["cgroupsPath"] = json!(format!("/{name}"));
    bundle.refused().explains(&["linux.cgroupsPath", &name]);
    assert!(group.folder.exists() && group.place().processes().len() == 1, "the stranger's group is as it was");
}

#[test]
fn statistics_have_pressure_and_the_same_keys_as_runc() {
    let mut group = Group::new();
    group.shell("", "exec sleep 1000");
    // The kernel books the time of a process that is running on another processor only at its next tick.
    let value = wait_for("processor time to be booked", SECOND * 30, || {
        let value = serde_json::to_value(group.place().statistics()).expect("json");
        value["cpu"]["usage"]["total"].as_u64().is_some_and(|ns| ns > 0).then_some(value)
    });
    for part in ["cpu", "memory", "blkio"] {
        assert!(value[part]["psi"]["some"]["total"].is_u64(), "{part}: {value}");
    }
    let sample = group.place().sample();
    assert!(sample.cpu_pressure.is_some() && sample.memory_pressure.is_some() && sample.disk_pressure.is_some());
    let mut keys: Vec<&String> = value.as_object().expect("an object").keys().collect();
    keys.sort_unstable();
    let expected = ["blkio", "cpu", "cpuset", "hugetlb", "intel_rdt", "memory", "network_interfaces", "pids"];
    assert_eq!(keys, expected);
}

#[test]
fn v2_controllers_that_a_hybrid_machine_leaves_over_are_used() {
    let group = Group::new();
    let offered = fs::read_to_string(mount_point().join("cgroup.controllers")).expect("controllers");
    let wanted = resources(json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]}));
    let done = group.place().update(&wanted);
    if offered.split_whitespace().any(|name| name == "hugetlb") {
        done.expect("set the limit");
        assert_eq!(group.text("hugetlb.2MB.max"), "4194304");
        assert_eq!(group.text("hugetlb.2MB.rsvd.max"), "4194304");
    } else {
        let error = done.expect_err("no controller").to_string();
        assert!(error.starts_with("linux.resources.hugepageLimits[0]: "), "{error}");
    }
}

#[test]
fn unknown_files_of_the_unified_map_are_named() {
    let group = Group::new();
    for (file, part) in
        [("memory.nonsense", "no memory.nonsense"), ("../cgroup.kill", "not the name"), ("x", "not the name")]
    {
        let error = group.place().update(&resources(json!({"unified": {file: "1"}}))).expect_err(file).to_string();
        assert!(error.starts_with(&format!("linux.resources.unified.{file}: ")) && error.contains(part), "{error}");
    }
}

/// Whether this machine has every controller in cgroup v2. Fails with advice where it has not.
#[track_caller]
fn pure_machine() {
    need::root();
    let root = mount_point();
    let offered = fs::read_to_string(root.join("cgroup.controllers")).expect("controllers");
    let missing: Vec<&str> =
        ["cpu", "cpuset", "io", "memory", "pids"].into_iter().filter(|name| !offered.contains(name)).collect();
    assert!(
        missing.is_empty() && root == Path::new("/sys/fs/cgroup"),
        "this test needs a machine of pure cgroup v2 (here v1 has {missing:?}): run tests/vm/run"
    );
}

/// A file of a group, without its last line break.
#[track_caller]
fn text_of(path: &Path) -> String {
    let mut text = String::new();
    File::open(path)
        .and_then(|mut file| file.read_to_string(&mut text))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.trim_end().to_owned()
}
