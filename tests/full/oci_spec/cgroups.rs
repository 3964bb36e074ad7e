//! config-linux.md: control groups and every resource, unified, Intel RDT, personality, labels.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::bundle::{Bundle, LIMIT, on_every_runtime};
use crate::support::wait_for;

on_every_runtime! {
    path_that_is_absolute_is_below_the_mount_point;
    path_that_is_relative_is_always_the_same_place;
    path_that_is_unset_gives_a_group_all_the_same;
    path_that_leads_out_is_refused_or_kept_inside, crun = "1.8.1 makes folders outside of the hierarchy";
    group_that_is_frozen_is_refused, crun = "1.8.1 hangs or starts frozen";
    group_that_is_in_use_is_refused_and_left_alone, crun = "1.8.1 takes it", runc = "1.1.5 only warns";
    group_is_removed_by_delete;
    memory_limit_is_set;
    memory_reservation_is_set;
    memory_swap_is_set;
    memory_swappiness_is_set;
    memory_check_before_update_rejects_a_limit_below_the_usage, crun = "1.8.1 does not know it", runc = "came with 1.2";
    cpu_shares_are_set;
    cpu_quota_and_period_are_set;
    cpu_burst_is_set, crun = "came with 1.9", runc = "came with 1.2";
    cpu_burst_above_the_quota_is_refused, crun = "came with 1.9", runc = "came with 1.2";
    cpu_idle_is_set, runc = "came with 1.2";
    cpuset_is_set;
    block_throttles_are_set;
    block_weight_device_needs_a_weight, crun = "1.8.1 does not look", runc = "1.1.5 does not look";
    pids_limit_is_set;
    huge_pages_of_an_unknown_size_are_refused;
    rdma_needs_one_of_its_limits, crun = "1.8.1 leaves out what the machine has not";
    unified_of_a_missing_controller_is_refused;
    unified_file_is_written, crun = "1.8.1 ignores it on v1", runc = "1.1.5 refuses it on v1";
    intel_rdt_without_its_file_system_is_refused, crun = "1.8.1 does not know it";
    personality_linux32_is_set, runc = "came with 1.2";
    personality_that_is_unknown_is_refused, runc = "came with 1.2";
    personality_flags_are_refused, crun = "1.8.1 ignores them", runc = "came with 1.2";
    apparmor_profile_without_apparmor_is_refused;
    selinux_label_without_selinux_is_refused, crun = "1.8.1 ignores it";
    update_changes_a_running_container;
    pause_freezes_and_resume_goes_on;
    events_tell_the_statistics;
    list_and_ps_tell_the_container;
}

/// The folder of a process in the hierarchy that has `controller`, v1 or v2.
fn group(pid: i32, controller: &str) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroup");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.splitn(3, ':').collect()).collect();
    let legacy = rows.iter().find(|row| row[1].split(',').any(|name| name == controller));
    let unified = rows.iter().find(|row| row[0] == "0");
    let (mount, row) = match (legacy, unified) {
        (Some(row), _) => (Path::new("/sys/fs/cgroup").join(row[1].trim_start_matches("name=")), row),
        (None, Some(row)) if Path::new("/sys/fs/cgroup/unified").is_dir() => ("/sys/fs/cgroup/unified".into(), row),
        (None, Some(row)) => ("/sys/fs/cgroup".into(), row),
        (None, None) => panic!("no {controller} in\n{text}"),
    };
    mount.join(row[2].trim_start_matches('/'))
}

/// A controller's file of a process, by its names in v1 and v2.
#[track_caller]
fn read(pid: i32, controller: &str, legacy: &str, unified: &str) -> String {
    let folder = group(pid, controller);
    let file = [legacy, unified].map(|name| folder.join(name)).into_iter().find(|file| file.is_file());
    let file = file.unwrap_or_else(|| panic!("neither {legacy} nor {unified} in {}", folder.display()));
    fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())).trim().to_owned()
}

/// config-linux.md, Cgroups Path: "the runtime MUST take the path to be relative to the cgroups mount point".
fn path_that_is_absolute_is_below_the_mount_point(lab: &mut Bundle) {
    lab.config["linux"]["cgroupsPath"] = json!(format!("/{}/deep", lab.id));
    let pid = lab.sleeping();
    for controller in ["memory", "pids"] {
        let folder = group(pid, controller);
        assert!(folder.ends_with(format!("{}/deep", lab.id)), "{}", folder.display());
        assert_eq!(
            folder.strip_prefix("/sys/fs/cgroup").expect("below").components().count(),
            3,
            "{}",
            folder.display()
        );
        let members = fs::read_to_string(folder.join("cgroup.procs")).expect("read");
        assert!(members.lines().any(|line| line == pid.to_string()), "{members}");
    }
    lab.call(&["delete", "--force", &lab.id]).ok();
    for controller in
        ["memory", "pids", "cpu", "cpuset", "devices", "freezer", "blkio", "cpuacct", "systemd", "unified", ""]
    {
        let _ = fs::remove_dir(Path::new("/sys/fs/cgroup").join(controller).join(&lab.id));
    }
}

/// config-linux.md, Cgroups Path: "MUST consistently attach to the same place … given the same value".
fn path_that_is_relative_is_always_the_same_place(lab: &mut Bundle) {
    lab.config["linux"]["cgroupsPath"] = json!(format!("rel-{}", lab.id));
    let places: Vec<PathBuf> = (0..2)
        .map(|_| {
            let place = group(lab.sleeping(), "memory");
            lab.call(&["delete", "--force", &lab.id]).ok();
            place
        })
        .collect();
    assert_eq!(places[0], places[1]);
    assert!(places[0].to_string_lossy().contains(&format!("rel-{}", lab.id)), "{}", places[0].display());
}

/// config-linux.md, Cgroups Path: "If the value is not specified, the runtime MAY define the default cgroups path".
fn path_that_is_unset_gives_a_group_all_the_same(lab: &mut Bundle) {
    lab.config["linux"].as_object_mut().expect("an object").remove("cgroupsPath");
    let pid = lab.sleeping();
    assert!(group(pid, "pids").to_string_lossy().contains(&lab.id));
}

/// config-linux.md, Cgroups Path: what a runtime considers invalid "MUST generate an error".
fn path_that_leads_out_is_refused_or_kept_inside(lab: &mut Bundle) {
    lab.config["linux"]["cgroupsPath"] = json!(format!("/../../../../../../tmp/{}", lab.id));
    let output = lab.create();
    let outside = Path::new("/tmp").join(&lab.id);
    let was_made = outside.exists();
    let _ = fs::remove_dir_all(&outside);
    assert!(!was_made, "a folder outside: {output}");
    if output.code == 0 {
        assert!(group(lab.pid(), "pids").starts_with("/sys/fs/cgroup"));
        let folder = group(lab.pid(), "pids");
        lab.call(&["delete", "--force", &lab.id]).ok();
        for controller in
            ["memory", "pids", "cpu", "cpuset", "devices", "freezer", "blkio", "cpuacct", "systemd", "unified"]
        {
            let _ = fs::remove_dir(Path::new("/sys/fs/cgroup").join(controller).join("tmp").join(&lab.id));
            let _ = fs::remove_dir(Path::new("/sys/fs/cgroup").join(controller).join("tmp"));
        }
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}

/// config-linux.md, Control groups: a group that is not "fit for purpose", such as a frozen one, MUST be refused if checked.
fn group_that_is_frozen_is_refused(lab: &mut Bundle) {
    let freezer = Path::new("/sys/fs/cgroup/freezer").join(&lab.id);
    let unified = Path::new("/sys/fs/cgroup").join(&lab.id);
    let (folder, file, word) = if freezer.parent().is_some_and(Path::is_dir) {
        (freezer, "freezer.state", "FROZEN")
    } else {
        (unified, "cgroup.freeze", "1")
    };
    fs::create_dir(&folder).expect("a group");
    fs::write(folder.join(file), word).expect("freeze");
    lab.write_config();
    let mut command = std::process::Command::new("timeout");
    let bundle = lab.path();
    let inner = lab.command(&["create", "--bundle", &bundle.to_string_lossy(), &lab.id]);
    command.args(["-s", "KILL", "3"]).arg(inner.get_program()).args(inner.get_args());
    let output = lab.finish(command);
    fs::write(folder.join(file), if word == "1" { "0" } else { "THAWED" }).expect("thaw");
    lab.call(&["delete", "--force", &lab.id]);
    let _ = fs::remove_dir(&folder);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&[]);
}

/// config-linux.md, Control groups: "for create operation a non-empty cgroup"; whoever is in it lives on.
fn group_that_is_in_use_is_refused_and_left_alone(lab: &mut Bundle) {
    let pid = lab.sleeping();
    let second = format!("{}-second", lab.id);
    let output = lab.create_as(&second);
    let deleted = lab.call(&["delete", "--force", &second]);
    assert_ne!(output.code, 0, "{output}");
    assert_eq!((lab.status().as_str(), lab.pid()), ("running", pid), "{deleted}");
    assert!(group(pid, "memory").to_string_lossy().contains(&lab.id));
}

fn group_is_removed_by_delete(lab: &mut Bundle) {
    let pid = lab.sleeping();
    let folders: Vec<PathBuf> = ["memory", "pids", "cpu"].iter().map(|name| group(pid, name)).collect();
    lab.kill("KILL").ok();
    lab.wait_status("stopped");
    lab.delete().ok();
    for folder in folders {
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}

/// config-linux.md, Memory.
fn memory_limit_is_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864});
    let pid = lab.sleeping();
    assert_eq!(read(pid, "memory", "memory.limit_in_bytes", "memory.max"), "67108864");
}

fn memory_reservation_is_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864, "reservation": 33_554_432});
    let pid = lab.sleeping();
    assert_eq!(read(pid, "memory", "memory.soft_limit_in_bytes", "memory.low"), "33554432");
}

/// Memory and swap together; v2 counts swap alone.
fn memory_swap_is_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864, "swap": 100_663_296});
    let pid = lab.sleeping();
    let folder = group(pid, "memory");
    if folder.join("memory.swap.max").exists() {
        assert_eq!(read(pid, "memory", "none", "memory.swap.max"), "33554432");
    } else if folder.join("memory.memsw.limit_in_bytes").exists() {
        assert_eq!(read(pid, "memory", "memory.memsw.limit_in_bytes", "none"), "100663296");
    }
    assert_eq!(read(pid, "memory", "memory.limit_in_bytes", "memory.max"), "67108864");
}

fn memory_swappiness_is_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["memory"] = json!({"swappiness": 17});
    let pid = lab.sleeping();
    if group(pid, "memory").join("memory.swappiness").exists() {
        assert_eq!(read(pid, "memory", "memory.swappiness", "none"), "17");
    }
}

/// config-linux.md, Memory: with `checkBeforeUpdate` a runtime "MUST reject the new limit" below the usage.
fn memory_check_before_update_rejects_a_limit_below_the_usage(lab: &mut Bundle) {
    lab.config["process"]["args"] =
        json!(["sh", "-c", "dd if=/dev/zero of=/dev/shm/big bs=1M count=20 2>/dev/null; echo full; sleep 1000"]);
    lab.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864, "checkBeforeUpdate": true});
    lab.config["mounts"][3]["options"] = json!(["mode=1777", "size=32m"]);
    lab.create().ok();
    lab.start().ok();
    wait_for("the memory", LIMIT, || (lab.printed() == "full").then_some(()));
    let file = lab.folder().join("resources.json");
    fs::write(&file, json!({"memory": {"limit": 4_194_304, "checkBeforeUpdate": true}}).to_string()).expect("write");
    let output = lab.call(&["update", "--resources", &file.to_string_lossy(), &lab.id]);
    assert_ne!(output.code, 0, "{output}");
    assert_eq!(lab.status(), "running");
    assert_eq!(read(lab.pid(), "memory", "memory.limit_in_bytes", "memory.max"), "67108864");
    // The peers' reason to fail is that they know no such field; the kernel's v1 refuses by itself.
    assert!(lab.is_teu(), "v1 refuses by itself, so a peer's refusal says nothing");
}

/// config-linux.md, CPU.
fn cpu_shares_are_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["cpu"] = json!({"shares": 512});
    let pid = lab.sleeping();
    let weight = read(pid, "cpu", "cpu.shares", "cpu.weight");
    // Of v2 there are two formulas in the field: the linear one, and that of newer runc and crun.
    assert!(["512", "20", "59"].contains(&weight.as_str()), "{weight}");
}

fn cpu_quota_and_period_are_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["cpu"] = json!({"quota": 30_000, "period": 60_000});
    let pid = lab.sleeping();
    let folder = group(pid, "cpu");
    if folder.join("cpu.max").exists() {
        assert_eq!(read(pid, "cpu", "none", "cpu.max"), "30000 60000");
    } else {
        assert_eq!(read(pid, "cpu", "cpu.cfs_quota_us", "none"), "30000");
        assert_eq!(read(pid, "cpu", "cpu.cfs_period_us", "none"), "60000");
    }
}

fn cpu_burst_is_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["cpu"] = json!({"quota": 30_000, "period": 60_000, "burst": 10_000});
    let pid = lab.sleeping();
    assert_eq!(read(pid, "cpu", "cpu.cfs_burst_us", "cpu.max.burst"), "10000");
}

/// config-linux.md, CPU: `burst` "MUST be no larger than any positive quota".
fn cpu_burst_above_the_quota_is_refused(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["cpu"] = json!({"quota": 30_000, "period": 60_000, "burst": 40_000});
    lab.refused();
}

fn cpu_idle_is_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["cpu"] = json!({"idle": 1});
    let pid = lab.sleeping();
    assert_eq!(read(pid, "cpu", "cpu.idle", "cpu.idle"), "1");
}

fn cpuset_is_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["cpu"] = json!({"cpus": "0", "mems": "0"});
    let pid = lab.sleeping();
    assert_eq!(read(pid, "cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
}

/// config-linux.md, Block IO: the four throttles, on the disk that holds the root file system.
fn block_throttles_are_set(lab: &mut Bundle) {
    let device = fs::metadata("/").expect("the root").dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    if !Path::new(&format!("/sys/dev/block/{major}:{minor}")).exists() {
        return; // The machine's root is on no disk: there is nothing to throttle.
    }
    let rate = |rate: u64| json!([{"major": major, "minor": minor, "rate": rate}]);
    lab.config["linux"]["resources"]["blockIO"] = json!({
        "throttleReadBpsDevice": rate(1_048_576), "throttleWriteBpsDevice": rate(2_097_152),
        "throttleReadIOPSDevice": rate(100), "throttleWriteIOPSDevice": rate(200),
    });
    let pid = lab.sleeping();
    let folder = group(pid, "blkio");
    if !folder.join("blkio.throttle.read_bps_device").exists() {
        let text = read(pid, "io", "none", "io.max");
        assert_eq!(text, format!("{major}:{minor} rbps=1048576 wbps=2097152 riops=100 wiops=200"));
        return;
    }
    for (name, rate) in [("read_bps", 1_048_576), ("write_bps", 2_097_152), ("read_iops", 100), ("write_iops", 200)] {
        let text = read(pid, "blkio", &format!("blkio.throttle.{name}_device"), "none");
        assert_eq!(text, format!("{major}:{minor} {rate}"), "{name}");
    }
}

/// config-linux.md, Block IO: "You MUST specify at least one of weight or leafWeight in a given entry".
fn block_weight_device_needs_a_weight(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["blockIO"] = json!({"weightDevice": [{"major": 7, "minor": 0}]});
    lab.refused().explains(&["weightDevice"]);
}

/// config-linux.md, PIDs.
fn pids_limit_is_set(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["pids"] = json!({"limit": 37});
    let pid = lab.sleeping();
    assert_eq!(read(pid, "pids", "pids.max", "pids.max"), "37");
}

/// config-linux.md, Huge page limits: `pageSize` must match a size of the machine.
fn huge_pages_of_an_unknown_size_are_refused(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["hugepageLimits"] = json!([{"pageSize": "3MB", "limit": 6_291_456}]);
    lab.refused();
}

/// config-linux.md, RDMA: "You MUST specify at least one of the hcaHandles or hcaObjects".
fn rdma_needs_one_of_its_limits(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["rdma"] = json!({"mlx5_1": {}});
    lab.refused().explains(&["rdma"]);
}

/// config-linux.md, Unified: "MUST generate an error when the configuration refers to a cgroup controller that is not
/// present".
fn unified_of_a_missing_controller_is_refused(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["unified"] = json!({"nosuch.max": "1"});
    let output = lab.refused();
    if lab.is_teu() {
        output.explains(&["nosuch"]);
    }
}

/// config-linux.md, Unified: "Configuration unknown to the runtime MUST still be written to the relevant file". A file of
/// the core that every v2 hierarchy has, also one without controllers.
fn unified_file_is_written(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["unified"] = json!({"cgroup.max.descendants": "7"});
    let pid = lab.sleeping();
    let unified = group(pid, "nobody-has-this");
    assert_eq!(fs::read_to_string(unified.join("cgroup.max.descendants")).expect("read").trim(), "7");
}

/// config-linux.md, IntelRdt: without a mounted resctrl "the runtime MUST generate an error".
fn intel_rdt_without_its_file_system_is_refused(lab: &mut Bundle) {
    assert!(!fs::read_to_string("/proc/mounts").expect("mounts").contains(" resctrl "), "this machine has resctrl");
    lab.config["linux"]["intelRdt"] = json!({"closID": "guaranteed", "l3CacheSchema": "L3:0=f"});
    lab.refused();
}

/// config-linux.md, Personality.
fn personality_linux32_is_set(lab: &mut Bundle) {
    lab.config["linux"]["personality"] = json!({"domain": "LINUX32"});
    assert_ne!(lab.script("uname -m"), "x86_64");
    lab.config["linux"]["personality"] = json!({"domain": "LINUX"});
    assert_eq!(lab.script("cat /proc/self/personality"), "00000000");
}

fn personality_that_is_unknown_is_refused(lab: &mut Bundle) {
    lab.config["linux"]["personality"] = json!({"domain": "PLAN9"});
    lab.refused();
}

/// config-linux.md, Personality: "Currently no flag values are supported".
fn personality_flags_are_refused(lab: &mut Bundle) {
    lab.config["linux"]["personality"] = json!({"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]});
    lab.refused();
}

/// config.md, Valid values: a profile that this kernel cannot apply is an error, and not silently left out.
fn apparmor_profile_without_apparmor_is_refused(lab: &mut Bundle) {
    if Path::new("/sys/kernel/security/apparmor").exists() {
        lab.config["process"]["apparmorProfile"] = json!("no-such-profile-of-teu");
    } else {
        lab.config["process"]["apparmorProfile"] = json!("acme_secure_profile");
    }
    let output = lab.run();
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["apparmor"]);
}

fn selinux_label_without_selinux_is_refused(lab: &mut Bundle) {
    if Path::new("/sys/fs/selinux/enforce").exists() {
        return; // The machine has SELinux: its labels are that machine's matter.
    }
    lab.config["process"]["selinuxLabel"] = json!("system_u:system_r:svirt_lxc_net_t:s0:c124,c675");
    let output = lab.run();
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["selinux"]);
}

/// runc's `update`, by flags and from a file: what callers such as containerd use.
fn update_changes_a_running_container(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864});
    let pid = lab.sleeping();
    lab.call(&["update", "--memory", "134217728", "--pids-limit", "55", &lab.id]).ok();
    assert_eq!(read(pid, "memory", "memory.limit_in_bytes", "memory.max"), "134217728");
    assert_eq!(read(pid, "pids", "pids.max", "pids.max"), "55");
    let file = lab.folder().join("resources.json");
    fs::write(&file, json!({"cpu": {"shares": 256}, "pids": {"limit": 66}}).to_string()).expect("write");
    lab.call(&["update", "--resources", &file.to_string_lossy(), &lab.id]).ok();
    assert_eq!(read(pid, "pids", "pids.max", "pids.max"), "66");
    assert_eq!(read(pid, "memory", "memory.limit_in_bytes", "memory.max"), "134217728");
}

fn pause_freezes_and_resume_goes_on(lab: &mut Bundle) {
    lab.config["process"]["args"] = json!(["sh", "-c", "while :; do echo x; sleep 0.02; done"]);
    lab.create().ok();
    lab.start().ok();
    lab.call(&["pause", &lab.id]).ok();
    let before = lab.printed().len();
    std::thread::sleep(std::time::Duration::from_millis(150));
    assert_eq!(lab.printed().len(), before, "it goes on");
    lab.call(&["resume", &lab.id]).ok();
    wait_for("it to go on", LIMIT, || (lab.printed().len() > before).then_some(()));
}

/// runc's `events --stats`.
fn events_tell_the_statistics(lab: &mut Bundle) {
    if lab.runtime == crate::support::bundle::Runtime::Crun {
        return; // crun has no such command.
    }
    lab.sleeping();
    // The kernel books a young container's memory and time in batches.
    wait_for("its statistics", LIMIT, || {
        let text = lab.call(&["events", "--stats", &lab.id]).ok().text();
        let event: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(lab.id)), "{event:#}");
        let data = &event["data"];
        assert!(data["pids"]["current"].as_u64().is_some_and(|count| count == 1), "{event:#}");
        let counts = [&data["memory"]["usage"]["usage"], &data["cpu"]["usage"]["total"]];
        counts.iter().all(|count| count.as_u64().is_some_and(|count| count > 0)).then_some(())
    });
}

fn list_and_ps_tell_the_container(lab: &mut Bundle) {
    let pid = lab.sleeping();
    let text = lab.call(&["list", "--format", "json"]).ok().text();
    let list: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let entry = list.as_array().expect("a list").iter().find(|entry| entry["id"] == lab.id).expect("its entry");
    assert_eq!((&entry["pid"], &entry["status"]), (&json!(pid), &json!("running")), "{text}");
    let text = lab.call(&["ps", "--format", "json", &lab.id]).ok().text();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), json!([pid]), "{text}");
}
