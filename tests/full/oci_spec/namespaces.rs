//! config-linux.md: namespaces (new, inherited, joined), user namespace mappings, offsets of the time namespace.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::bundle::{Bundle, on_every_runtime};
use crate::support::process::Running;
use crate::support::{SECOND, wait_for};

/// New, inherited and joined, for each type: its name in the config and in `/proc/PID/ns`.
macro_rules! kinds {
    ($($new:ident $inherited:ident $joined:ident $kind:literal $file:literal;)*) => { $(
        fn $new(lab: &mut Bundle) {
            is_new(lab, $kind, $file);
        }

        fn $inherited(lab: &mut Bundle) {
            is_inherited(lab, $kind, $file);
        }

        fn $joined(lab: &mut Bundle) {
            is_joined(lab, $kind, $file);
        }
    )* };
}

kinds! {
    new_pid inherited_pid joined_pid "pid" "pid";
    new_network inherited_network joined_network "network" "net";
    new_mount inherited_mount joined_mount "mount" "mnt";
    new_ipc inherited_ipc joined_ipc "ipc" "ipc";
    new_uts inherited_uts joined_uts "uts" "uts";
    new_cgroup inherited_cgroup joined_cgroup "cgroup" "cgroup";
    new_time inherited_time joined_time "time" "time";
}

on_every_runtime! {
    new_pid;
    new_network;
    new_mount;
    new_ipc;
    new_uts;
    new_cgroup;
    new_time, crun = "1.8.1 dies of it here", runc = "came with 1.2";
    new_user;
    inherited_pid;
    inherited_network;
    inherited_mount;
    inherited_ipc;
    inherited_uts;
    inherited_cgroup;
    inherited_time;
    inherited_user;
    joined_pid;
    joined_network;
    joined_mount;
    joined_ipc;
    joined_uts;
    joined_cgroup;
    joined_time, crun = "1.8.1 dies of it here", runc = "came with 1.2";
    joined_user, runc = "1.1.5 wants the mappings once more";
    path_that_is_relative_is_refused;
    path_that_is_missing_is_refused;
    path_of_another_type_is_refused;
    path_of_no_namespace_is_refused;
    type_given_twice_is_refused, crun = "1.8.1 takes it";
    new_pid_sees_only_its_own_processes;
    user_mappings_are_as_configured;
    user_mappings_are_not_realised_by_changing_owners;
    user_namespace_without_mappings_is_refused;
    time_offsets_are_set, crun = "1.8.1 dies of it here", runc = "came with 1.2";
    time_offsets_without_a_time_namespace_are_refused, crun = "1.8.1 ignores them", runc = "came with 1.2";
    hostname_without_a_uts_namespace_is_refused;
    sysctl_is_set;
    sysctl_outside_of_its_namespace_is_refused;
    sysctl_that_is_unknown_is_refused;
}

fn namespace_of(pid: i32, file: &str) -> String {
    let link = format!("/proc/{pid}/ns/{file}");
    fs::read_link(&link).unwrap_or_else(|e| panic!("{link}: {e}")).to_string_lossy().into_owned()
}

/// What of the plain config needs a namespace of this type is taken out.
fn without_what_needs(lab: &mut Bundle, kind: &str) {
    let config = lab.config.as_object_mut().expect("an object");
    match kind {
        "uts" => drop(config.remove("hostname")),
        "mount" => {
            let linux = config["linux"].as_object_mut().expect("an object");
            linux.remove("maskedPaths");
            linux.remove("readonlyPaths");
            config.insert("mounts".to_owned(), json!([]));
        }
        _ => {}
    }
}

/// config-linux.md, Namespaces: "If path is not specified, the runtime MUST create a new container namespace".
#[track_caller]
fn is_new(lab: &mut Bundle, kind: &str, file: &str) {
    lab.namespace(kind, Some(json!({"type": kind})));
    let pid = lab.sleeping();
    assert_ne!(namespace_of(pid, file), lab.runtime_namespace(file));
}

/// config-linux.md, Namespaces: what is not listed the container "MUST inherit".
#[track_caller]
fn is_inherited(lab: &mut Bundle, kind: &str, file: &str) {
    lab.namespace(kind, None);
    without_what_needs(lab, kind);
    if kind == "mount" {
        // Nothing can be mounted then: such a container is a chroot, and the peers refuse or take it as they please.
        let output = lab.create();
        if output.code == 0 {
            assert_eq!(namespace_of(lab.pid(), file), lab.runtime_namespace(file));
        } else {
            output.explains(&[]);
        }
        return;
    }
    let pid = lab.sleeping();
    assert_eq!(namespace_of(pid, file), lab.runtime_namespace(file));
}

/// A process in a namespace of each type of its own, and a `/proc` of it; it ends with the test.
fn holder(lab: &Bundle) -> Running {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--net", "--mount", "--ipc", "--uts", "--cgroup", "--time", "--fork", "--kill-child"]);
    command.args(["--mount-proc", "sleep", "1000"]).current_dir(lab.folder());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running { child: command.spawn().expect("unshare") }
}

/// The one that sleeps: the child of `unshare`.
fn child_of(pid: i32) -> i32 {
    wait_for("the child", SECOND * 30, || {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let child = children.split_whitespace().next()?.parse().ok()?;
        let line = fs::read_to_string(format!("/proc/{child}/cmdline")).ok()?;
        line.starts_with("sleep").then_some(child)
    })
}

/// config-linux.md, Namespaces: "The runtime MUST place the container process in the namespace associated with that path".
#[track_caller]
fn is_joined(lab: &mut Bundle, kind: &str, file: &str) {
    let holder = holder(lab);
    let child = child_of(holder.id());
    let path = format!("/proc/{child}/ns/{file}");
    lab.namespace(kind, Some(json!({"type": kind, "path": path})));
    without_what_needs(lab, kind);
    if kind == "mount" {
        lab.config["process"]["args"] = json!(["sleep", "1000"]);
        let output = lab.create();
        if output.code == 0 {
            assert_eq!(namespace_of(lab.pid(), file), namespace_of(child, file));
        } else {
            output.explains(&[]);
        }
    } else {
        let pid = lab.sleeping();
        assert_eq!(namespace_of(pid, file), namespace_of(child, file));
    }
    lab.call(&["delete", "--force", &lab.id]);
}

fn new_user(lab: &mut Bundle) {
    lab.own_user_namespace();
    let pid = lab.sleeping();
    assert_ne!(namespace_of(pid, "user"), lab.runtime_namespace("user"));
}

fn inherited_user(lab: &mut Bundle) {
    let pid = lab.sleeping();
    assert_eq!(namespace_of(pid, "user"), lab.runtime_namespace("user"));
}

/// Joins the user namespace of another container of the same runtime.
fn joined_user(lab: &mut Bundle) {
    lab.own_user_namespace();
    let first = lab.sleeping();
    let user = namespace_of(first, "user");
    let linux = lab.config["linux"].as_object_mut().expect("an object");
    linux.remove("uidMappings");
    linux.remove("gidMappings");
    let second = format!("{}-second", lab.id);
    lab.config["linux"]["cgroupsPath"] = json!(format!("/{second}"));
    lab.namespace("user", Some(json!({"type": "user", "path": format!("/proc/{first}/ns/user")})));
    lab.create_as(&second).ok();
    let state: serde_json::Value = serde_json::from_str(&lab.call(&["state", &second]).ok().text()).expect("JSON");
    let pid = i32::try_from(state["pid"].as_i64().expect("a pid")).expect("a pid");
    assert_eq!(namespace_of(pid, "user"), user);
    lab.call(&["delete", "--force", &second]).ok();
}

/// config-linux.md, Namespaces: `path` "MUST be an absolute path in the runtime mount namespace".
fn path_that_is_relative_is_refused(lab: &mut Bundle) {
    for path in ["proc/self/ns/net", "ns/net", "../net"] {
        lab.namespace("network", Some(json!({"type": "network", "path": path})));
        let output = lab.refused();
        if lab.is_teu() {
            output.explains(&["namespaces", "path"]);
        }
    }
}

fn path_that_is_missing_is_refused(lab: &mut Bundle) {
    lab.namespace("network", Some(json!({"type": "network", "path": "/not/there"})));
    lab.refused().explains(&["/not/there"]);
}

/// config-linux.md, Namespaces: "MUST generate an error if path is not associated with a namespace of type type".
fn path_of_another_type_is_refused(lab: &mut Bundle) {
    for (kind, file) in [("network", "uts"), ("ipc", "net"), ("uts", "ipc"), ("pid", "mnt"), ("cgroup", "user")] {
        lab.namespace(kind, Some(json!({"type": kind, "path": format!("/proc/self/ns/{file}")})));
        lab.refused();
        lab.namespace(kind, None);
    }
}

fn path_of_no_namespace_is_refused(lab: &mut Bundle) {
    for path in ["/etc/passwd", "/dev/null", "/"] {
        lab.namespace("network", Some(json!({"type": "network", "path": path})));
        lab.refused();
    }
}

/// config-linux.md, Namespaces: "If a namespaces field contains duplicated namespaces … MUST generate an error".
fn type_given_twice_is_refused(lab: &mut Bundle) {
    lab.list("/linux/namespaces").push(json!({"type": "pid"}));
    lab.refused();
}

fn new_pid_sees_only_its_own_processes(lab: &mut Bundle) {
    assert_eq!(lab.script("echo $$; ls /proc | grep -E '^[0-9]+$' | wc -l | awk '{print $1<6}'"), "1\n1");
}

/// config-linux.md, User namespace mappings.
fn user_mappings_are_as_configured(lab: &mut Bundle) {
    lab.own_user_namespace();
    lab.config["linux"]["uidMappings"] = json!([
        {"containerID": 0, "hostID": 100_000, "size": 1000}, {"containerID": 5000, "hostID": 200_000, "size": 10}]);
    lab.config["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 100_000, "size": 2000}]);
    let text = lab.script("cat /proc/self/uid_map /proc/self/gid_map; id -u");
    let rows: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows, ["0 100000 1000", "5000 200000 10", "0 100000 2000", "0"]);
}

/// config-linux.md, User namespace mappings: "SHOULD NOT modify the ownership of referenced filesystems".
fn user_mappings_are_not_realised_by_changing_owners(lab: &mut Bundle) {
    use std::os::unix::fs::MetadataExt;
    lab.own_user_namespace();
    let source = lab.bind("source", "/mnt", &["bind"]);
    fs::write(source.join("mark"), "").expect("write");
    assert_eq!(lab.script("stat -c '%u' /mnt/mark /etc/passwd"), "65534\n0");
    assert_eq!(fs::metadata(source.join("mark")).expect("there").uid(), 0);
    assert_eq!(fs::metadata(lab.rootfs().join("etc/passwd")).expect("there").uid(), 100_000);
}

fn user_namespace_without_mappings_is_refused(lab: &mut Bundle) {
    lab.namespace("user", Some(json!({"type": "user"})));
    lab.refused();
}

/// config-linux.md, Offset for Time Namespace.
fn time_offsets_are_set(lab: &mut Bundle) {
    lab.namespace("time", Some(json!({"type": "time"})));
    lab.config["linux"]["timeOffsets"] =
        json!({"monotonic": {"secs": 1000, "nanosecs": 5}, "boottime": {"secs": 100_000}});
    let text = lab.script("cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime");
    let rows: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows[..2], ["monotonic 1000 5", "boottime 100000 0"]);
    let uptime: i64 = rows[2].parse().expect("seconds");
    assert!(uptime >= 100_000, "{text}");
}

fn time_offsets_without_a_time_namespace_are_refused(lab: &mut Bundle) {
    lab.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 100}});
    lab.refused();
}

/// config.md, Hostname: of the runtime's own namespace nobody may change it.
fn hostname_without_a_uts_namespace_is_refused(lab: &mut Bundle) {
    let before = fs::read_to_string("/proc/sys/kernel/hostname").expect("the host's name");
    lab.namespace("uts", None);
    let output = lab.create();
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").expect("the host's name"), before);
    assert_ne!(output.code, 0, "{output}");
}

/// config-linux.md, Sysctl: of the container's own namespaces.
fn sysctl_is_set(lab: &mut Bundle) {
    lab.namespace("network", Some(json!({"type": "network"})));
    lab.config["linux"]["sysctl"] =
        json!({"net.core.somaxconn": "333", "kernel.msgmax": "12345", "net.ipv4.ip_forward": "1"});
    let files = "/proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward";
    assert_eq!(lab.script(&format!("cat {files}")), "333\n12345\n1");
}

/// What would change the machine is refused: no own network, and settings that no namespace has.
fn sysctl_outside_of_its_namespace_is_refused(lab: &mut Bundle) {
    let file = "/proc/sys/net/core/somaxconn";
    let before = fs::read_to_string(file).expect("read");
    for (name, value) in [("net.core.somaxconn", "4321"), ("vm.swappiness", "61"), ("kernel.panic", "0")] {
        lab.config["linux"]["sysctl"] = json!({name: value});
        let output = lab.refused();
        if lab.is_teu() {
            output.explains(&[name]);
        }
    }
    assert_eq!(fs::read_to_string(file).expect("read"), before);
}

fn sysctl_that_is_unknown_is_refused(lab: &mut Bundle) {
    lab.namespace("network", Some(json!({"type": "network"})));
    for name in ["net.no.such", "net/../kernel/hostname", "fs.mqueue.no-such"] {
        lab.config["linux"]["sysctl"] = json!({name: "1"});
        lab.refused();
    }
}
