//! Cgroups on this machine's kernel, whatever versions it has: statistics, late joins, strangers' groups, systemd.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, Runtime};
use crate::support::{SECOND, Teu, need, wait_for};

/// The folder of a process's group in the hierarchy that has `controller`; `unified` is v2's in any case.
#[track_caller]
fn group(pid: i32, controller: &str) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroup");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.splitn(3, ':').collect()).collect();
    let legacy = rows.iter().find(|row| row[1].split(',').any(|name| name == controller));
    let row = legacy.or(rows.iter().find(|row| row[0] == "0")).unwrap_or_else(|| panic!("no {controller} in {text}"));
    mount_of(if legacy.is_some() { controller } else { "unified" }).join(row[2].trim_start_matches('/'))
}

/// Where a v1 controller, or `unified`, is mounted.
#[track_caller]
fn mount_of(controller: &str) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let is_it = |line: &&str| {
        let Some((_, right)) = line.split_once(" - ") else { return false };
        let mut words = right.split(' ');
        match words.next() {
            Some("cgroup2") => controller == "unified",
            Some("cgroup") => words.nth(1).is_some_and(|options| options.split(',').any(|name| name == controller)),
            _ => false,
        }
    };
    let line = mounts.lines().find(is_it).unwrap_or_else(|| panic!("no cgroup hierarchy with {controller} is mounted"));
    PathBuf::from(line.split(' ').nth(4).expect("a mount point"))
}

#[track_caller]
fn text_of(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.trim_end().to_owned()
}

/// Every key of an object, with those above it, and its value's type.
fn shape(value: &Value, path: &str, found: &mut BTreeMap<String, &'static str>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    found.insert(path.to_owned(), kind);
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            shape(value, &format!("{path}/{name}"), found);
        }
    }
}

fn statistics(bundle: &mut Bundle) -> BTreeMap<String, &'static str> {
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 50});
    bundle.sleeping();
    let text = bundle.call(&["events", "--stats", &bundle.id]).ok().text();
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(value["type"], "stats");
    let mut found = BTreeMap::new();
    shape(&value["data"], "", &mut found);
    found
}

#[test]
fn statistics_have_every_key_that_runc_prints() {
    need::root();
    let theirs = statistics(&mut Bundle::new(Runtime::Runc));
    let ours = statistics(&mut Bundle::new(Runtime::Teu));
    // What the kernel counts of one page size, and lists that are left out while they are empty.
    let left_out =
        |path: &str| path.starts_with("/hugetlb/") || path.starts_with("/cpuset/") || path.starts_with("/blkio/");
    let missing: Vec<_> =
        theirs.iter().filter(|(path, kind)| !left_out(path) && ours.get(*path) != Some(kind)).collect();
    // A figure that is zero is left out by both, and may be zero on one side only.
    let zeros = ["/max", "/usage", "/cache", "/total", "/periods"];
    let missing: Vec<_> =
        missing.into_iter().filter(|(path, _)| !zeros.iter().any(|end| path.ends_with(end))).collect();
    assert!(missing.is_empty(), "runc prints, and teu does not: {missing:?}\nteu: {ours:?}");
}

/// Dying takes processor time as well, here of a thousandth of one.
#[test]
fn throttled_container_is_removed_at_once() {
    need::root();
    let mut bundle = Bundle::new(Runtime::Teu);
    let script = "for i in $(seq 200); do sleep 1000 & done; touch /tmp/up; wait";
    bundle.config["process"]["args"] = json!(["sh", "-c", script]);
    bundle.mount(json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}));
    bundle.create().ok();
    bundle.start().ok();
    let up = format!("/proc/{}/root/tmp/up", bundle.pid());
    wait_for("all of it to run", SECOND * 30, || Path::new(&up).exists().then_some(()));
    bundle.call(&["update", "--cpu-period", "1000000", "--cpu-quota", "1000", &bundle.id]).ok();
    let start = std::time::Instant::now();
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    assert!(start.elapsed() < SECOND * 8, "{:?}", start.elapsed());
}

#[test]
fn limit_of_a_group_not_joined_yet_takes_every_process_there() {
    need::root();
    let mut bundle = Bundle::new(Runtime::Teu);
    bundle.config["process"]["args"] = json!(["sh", "-c", "sleep 1000 & sleep 1000 & wait"]);
    bundle.create().ok();
    bundle.start().ok();
    let pid = bundle.pid();
    let children = || text_of(Path::new(&format!("/proc/{pid}/task/{pid}/children")));
    wait_for("two children", SECOND * 30, || (children().split(' ').count() == 2).then_some(()));
    bundle.call(&["update", "--cpuset-cpus", "0", &bundle.id]).ok();
    let folder = group(pid, "cpuset");
    assert_eq!(text_of(&folder.join("cpuset.cpus")), "0");
    for child in children().split_ascii_whitespace() {
        assert_eq!(group(child.parse().expect("a pid"), "cpuset"), folder);
    }
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    assert!(!folder.exists(), "the group that was joined late is left");
}

#[test]
fn every_limit_of_a_bundle_is_read_back_from_the_kernel() {
    need::root();
    let mut bundle = Bundle::new(Runtime::Teu);
    bundle.config["linux"]["cgroupsPath"] = json!(format!("/teu-test-{0}/deep/{0}", bundle.id));
    bundle.config["linux"]["resources"] = json!({
        "memory": {"limit": 67_108_864, "swap": 100_663_296, "reservation": 33_554_432},
        "cpu": {"quota": 20_000, "period": 50_000, "burst": 5000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 33},
        "devices": [{"allow": false}],
    });
    let pid = bundle.sleeping();
    let read = |controller: &str, legacy: &str, unified: &str| {
        let folder = group(pid, controller);
        let legacy = folder.join(legacy);
        text_of(&if legacy.exists() { legacy } else { folder.join(unified) })
    };
    assert_eq!(read("memory", "memory.limit_in_bytes", "memory.max"), "67108864");
    assert_eq!(read("memory", "memory.soft_limit_in_bytes", "memory.low"), "33554432");
    assert_eq!(read("pids", "pids.max", "pids.max"), "33");
    assert_eq!(read("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    assert_eq!(read("cpu", "cpu.cfs_burst_us", "cpu.max.burst"), "5000");
    let quota = read("cpu", "cpu.cfs_quota_us", "cpu.max");
    assert!(["20000", "20000 50000"].contains(&quota.as_str()), "{quota}");
    let list = group(pid, "devices").join("devices.list");
    if list.exists() {
        let list = text_of(&list);
        assert!(
            list.lines().any(|line| line == "c 1:3 rwm") && !list.lines().any(|line| line.starts_with('a')),
            "{list}"
        );
    }
    // Each group above exists in the hierarchies that were joined, and is the test's to remove.
    let above: Vec<PathBuf> = ["memory", "cpu", "cpuacct", "pids", "cpuset", "devices", "blkio", "unified"]
        .into_iter()
        .filter_map(|controller| group(pid, controller).parent().map(Path::to_owned))
        .collect();
    bundle.call(&["delete", "--force", &bundle.id]).ok();
    for folder in above {
        let _ = fs::remove_dir(&folder).and_then(|()| fs::remove_dir(folder.parent().expect("a parent")));
    }
}

#[test]
fn update_that_is_refused_changes_nothing() {
    need::root();
    let mut bundle = Bundle::new(Runtime::Teu);
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864});
    let pid = bundle.sleeping();
    let file = bundle.folder().join("resources.json");
    let wish = json!({"memory": {"limit": 33_554_432}, "cpu": {"quota": 1}});
    fs::write(&file, wish.to_string()).expect("write");
    let output = bundle.call(&["update", "--resources", &file.to_string_lossy(), &bundle.id]);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["linux.resources.cpu.quota"]);
    let folder = group(pid, "memory");
    let legacy = folder.join("memory.limit_in_bytes");
    assert_eq!(text_of(&if legacy.exists() { legacy } else { folder.join("memory.max") }), "67108864");
}

#[test]
fn memory_bomb_is_told_as_out_of_memory_and_sampled() {
    need::root();
    let teu = Teu::new();
    teu.import_tiny();
    teu.run(&["run", "--name", "bomb", "-m", "32m", "tiny", "sh", "-c", "tail /dev/zero"]).returns(137);
    assert_eq!(teu.inspect("bomb")["State"]["OOMKilled"], true);
}

/// A D-Bus daemon with a systemd on it that makes scopes as groups of v2, and removes nothing.
struct FakeSystemd {
    socket: PathBuf,
    serving: JoinHandle<Vec<String>>,
}

impl FakeSystemd {
    /// Serves `connections` one after the other, and tells which members were called.
    fn start(folder: &Path, connections: usize) -> Self {
        let socket = folder.join("bus");
        let listener = UnixListener::bind(&socket).expect("bind");
        let serving = std::thread::spawn(move || {
            (0..connections).flat_map(|_| serve(&mut listener.accept().expect("a connection").0)).collect()
        });
        Self { socket, serving }
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.socket.display())
    }
}

fn serve(stream: &mut UnixStream) -> Vec<String> {
    let mut greeting = [0; b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".len()];
    stream.read_exact(&mut greeting).expect("a greeting");
    stream.write_all(b"DATA\r\nOK 0123456789abcdef\r\n").expect("write");
    let mut called = Vec::new();
    loop {
        let mut head = [0_u8; 16];
        if stream.read_exact(&mut head).is_err() {
            return called;
        }
        let number = |bytes: &[u8], at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
        let mut bytes = head.to_vec();
        bytes.resize((16 + number(&head, 12)).next_multiple_of(8) + number(&head, 4), 0);
        stream.read_exact(&mut bytes[16..]).expect("a message");
        let position = |text: &str| bytes.windows(text.len()).position(|window| window == text.as_bytes());
        let members = [
            "Hello",
            "Subscribe",
            "AddMatch",
            "StartTransientUnit",
            "StopUnit",
            "ResetFailedUnit",
            "SetUnitProperties",
        ];
        let member = *members.iter().find(|member| position(&format!("{member}\0")).is_some()).expect("a known member");
        called.push(member.to_owned());
        if member == "StartTransientUnit" {
            // `PIDs`, the variant's signature `au`, the array's length, the process.
            let at = (position("PIDs\0").expect("PIDs") + 5 + 4).next_multiple_of(4) + 4;
            let pid = number(&bytes, at);
            let slice = mount_of("unified").join("teutest.slice");
            let name = position(".scope").expect("a scope");
            let start = bytes[..name].iter().rposition(|byte| *byte == 0).expect("a length before") + 1;
            let scope = slice.join(String::from_utf8_lossy(&bytes[start..name + 6]).into_owned());
            fs::create_dir_all(&scope).expect("make the scope");
            fs::write(scope.join("cgroup.procs"), pid.to_string()).expect("move the process");
        }
        let serial = u32::from_ne_bytes(bytes[8..12].try_into().expect("four"));
        if member == "StartTransientUnit" {
            stream.write_all(&message(4, 0, "JobRemoved", &["/job/1", "unit", "done"])).expect("write");
            stream.write_all(&message(2, serial, "", &["/job/1"])).expect("write");
        } else {
            stream.write_all(&message(2, serial, "", &[])).expect("write");
        }
    }
}

/// A return (2) or a signal (4) with texts.
fn message(kind: u8, reply_to: u32, member: &str, texts: &[&str]) -> Vec<u8> {
    let align = |bytes: &mut Vec<u8>, to: usize| bytes.resize(bytes.len().next_multiple_of(to), 0);
    let text = |bytes: &mut Vec<u8>, text: &str| {
        align(bytes, 4);
        bytes.extend(u32::try_from(text.len()).expect("short").to_ne_bytes());
        bytes.extend(text.as_bytes());
        bytes.push(0);
    };
    let mut body = Vec::new();
    texts.iter().for_each(|one| text(&mut body, one));
    let mut fields = vec![0; 16];
    fields.extend([5, 1, b'u', 0]);
    fields.extend(reply_to.to_ne_bytes());
    if !member.is_empty() {
        fields.extend([3, 1, b's', 0]);
        text(&mut fields, member);
        align(&mut fields, 8);
    }
    fields.extend([8, 1, b'g', 0, u8::try_from(texts.len()).expect("few")]);
    fields.extend(vec![b's'; texts.len()]);
    fields.push(0);
    let length = u32::try_from(fields.len() - 16).expect("short");
    fields[..4].copy_from_slice(&[if cfg!(target_endian = "little") { b'l' } else { b'B' }, kind, 0, 1]);
    fields[4..8].copy_from_slice(&u32::try_from(body.len()).expect("short").to_ne_bytes());
    fields[8..12].copy_from_slice(&7_u32.to_ne_bytes());
    fields[12..16].copy_from_slice(&length.to_ne_bytes());
    align(&mut fields, 8);
    fields.extend(body);
    fields
}

#[test]
fn systemd_makes_the_scope_when_asked() {
    need::root();
    let mut bundle = Bundle::new(Runtime::Teu);
    let systemd = FakeSystemd::start(bundle.folder(), 2);
    let unit = format!("teutest-{}.scope", bundle.id);
    bundle.config["linux"]["cgroupsPath"] = json!(format!("teutest.slice:teutest:{}", bundle.id));
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 44}});
    bundle.config["process"]["args"] = json!(["sleep", "1000"]);
    bundle.write_config();
    let call = |arguments: &[&str]| {
        let mut command = bundle.command(&[&["--systemd-cgroup"], arguments].concat());
        command.env("DBUS_SYSTEM_BUS_ADDRESS", systemd.address());
        bundle.finish(command)
    };
    call(&["create", "--bundle", &bundle.path().to_string_lossy(), &bundle.id]).ok();
    let pid = bundle.pid();
    let folder = group(pid, "unified");
    assert!(folder.ends_with(format!("teutest.slice/{unit}")), "{}", folder.display());
    let pids = group(pid, "pids");
    assert!(pids.ends_with(format!("teutest.slice/{unit}")), "{}", pids.display());
    assert_eq!(text_of(&pids.join("pids.max")), "44");
    call(&["delete", "--force", &bundle.id]).ok();
    assert!(!folder.exists() && !pids.exists(), "groups are left");
    let called = systemd.serving.join().expect("the fake systemd");
    assert_eq!(
        called,
        ["Hello", "Subscribe", "AddMatch", "StartTransientUnit", "Hello", "StopUnit", "ResetFailedUnit"]
    );
    for controller in ["memory", "cpu", "cpuacct", "pids", "devices", "blkio"] {
        let legacy = Path::new("/sys/fs/cgroup").join(controller).join("teutest.slice");
        let _ = fs::remove_dir(legacy);
    }
    let _ = fs::remove_dir(mount_of("unified").join("teutest.slice"));
}

#[test]
fn systemd_that_is_not_there_is_told_with_the_way_out() {
    need::root();
    let mut bundle = Bundle::new(Runtime::Teu);
    bundle.config["linux"]["cgroupsPath"] = json!(format!("teutest.slice:teutest:{}", bundle.id));
    bundle.write_config();
    let path = bundle.path();
    let mut command = bundle.command(&["--systemd-cgroup", "create", "--bundle", &path.to_string_lossy(), &bundle.id]);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere/bus");
    let output = bundle.finish(command);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["no systemd answers", "--systemd-cgroup"]);
}
