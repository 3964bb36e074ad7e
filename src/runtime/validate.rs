//! Looks a specification through before anything is made: every error names its field.
//!
//! What only the kernel or the root file system can judge is judged where it is done.

use std::collections::HashSet;
use std::path::Path;

use oci_spec::runtime::{
    Hook, Hooks, IOPriorityClass, Linux, LinuxNamespaceType, LinuxResources, LinuxSchedulerPolicy, PosixRlimit,
    Process, Scheduler, Spec,
};

use super::RuntimeError;

type Checked = Result<(), RuntimeError>;

fn refused(field: &str, why: &str) -> Checked {
    Err(RuntimeError::InvalidRequest(format!("{field}: {why}")))
}

/// The whole of a container's specification.
pub fn spec(spec: &Spec) -> Checked {
    version(spec.version())?;
    match spec.root() {
        Some(root) if !root.path().as_os_str().is_empty() => {}
        Some(_) => return refused("root.path", "is empty"),
        None => return refused("root", "is missing"),
    }
    let Some(wanted) = spec.process() else { return refused("process", "is missing") };
    process(wanted)?;
    for (number, mount) in spec.mounts().iter().flatten().enumerate() {
        if mount.destination().as_os_str().is_empty() {
            return refused(&format!("mounts[{number}].destination"), "is empty");
        }
    }
    if spec.annotations().iter().flatten().any(|(key, _)| key.is_empty()) {
        return refused("annotations", "a key is empty");
    }
    if let Some(wanted) = spec.hooks() {
        hooks(wanted)?;
    }
    let default = Linux::default();
    names(spec, spec.linux().as_ref().unwrap_or(&default))?;
    spec.linux().as_ref().map_or(Ok(()), linux)
}

/// A semantic version (semver.org) of this major version.
fn version(text: &str) -> Checked {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let number = |part: &str| {
        let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        (plain && (part == "0" || !part.starts_with('0'))).then(|| part.parse::<u64>().ok()).flatten()
    };
    let parts: Option<Vec<u64>> = core.split('.').map(number).collect();
    let rest = &text[core.len()..];
    let words = rest.split(['-', '+', '.']).skip(1);
    let plain = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match parts.as_deref() {
        Some([1, _, _]) if rest.contains("--") || words.clone().all(plain) => Ok(()),
        Some([_, _, _]) => refused("ociVersion", &format!("{text} is not version 1 of the specification")),
        _ => refused("ociVersion", &format!("{text:?} is no semantic version, such as 1.2.0")),
    }
}

/// A container's process, or one more for it.
pub fn process(process: &Process) -> Checked {
    if !process.cwd().is_absolute() {
        return refused("process.cwd", &format!("{} is not absolute", process.cwd().display()));
    }
    if process.args().iter().flatten().next().is_none() {
        return refused("process.args", "names no command");
    }
    if let Some(score) = process.oom_score_adj().filter(|score| !(-1000..=1000).contains(score)) {
        return refused("process.oomScoreAdj", &format!("{score} is not within -1000 and 1000"));
    }
    if process.user().umask().is_some_and(|umask| umask > 0o777) {
        return refused("process.user.umask", "is more than 0777");
    }
    rlimits(process.rlimits().as_deref().unwrap_or_default())?;
    if let Some(wish) = process.io_priority() {
        let idle = wish.class() == IOPriorityClass::IoprioClassIdle;
        if !(0..=7).contains(&wish.priority()) && !idle {
            return refused("process.ioPriority.priority", &format!("{} is not within 0 and 7", wish.priority()));
        }
    }
    process.scheduler().as_ref().map_or(Ok(()), scheduler)?;
    labels(process)
}

fn rlimits(limits: &[PosixRlimit]) -> Checked {
    let mut seen = HashSet::new();
    for (number, limit) in limits.iter().enumerate() {
        let field = format!("process.rlimits[{number}]");
        if !seen.insert(limit.typ().to_string()) {
            return refused(&field, &format!("{} is listed twice", limit.typ()));
        }
        if limit.soft() > limit.hard() {
            return refused(
                &field,
                &format!("the soft limit {} is above the hard limit {}", limit.soft(), limit.hard()),
            );
        }
    }
    Ok(())
}

fn scheduler(wish: &Scheduler) -> Checked {
    use LinuxSchedulerPolicy::{SchedBatch, SchedDeadline, SchedFifo, SchedIso, SchedOther, SchedRr};
    let policy = *wish.policy();
    if policy == SchedIso {
        return refused("process.scheduler.policy", "Linux has no SCHED_ISO");
    }
    if wish.nice().is_some_and(|nice| nice != 0 && !matches!(policy, SchedOther | SchedBatch)) {
        return refused("process.scheduler.nice", "is for SCHED_OTHER and SCHED_BATCH");
    }
    if wish.nice().is_some_and(|nice| !(-20..=19).contains(&nice)) {
        return refused("process.scheduler.nice", "is not within -20 and 19");
    }
    if wish.priority().is_some_and(|priority| priority != 0 && !matches!(policy, SchedFifo | SchedRr)) {
        return refused("process.scheduler.priority", "is for SCHED_FIFO and SCHED_RR");
    }
    let deadline = [wish.runtime(), wish.deadline(), wish.period()].iter().any(|value| value.unwrap_or(0) != 0);
    if deadline && policy != SchedDeadline {
        return refused("process.scheduler", "runtime, deadline and period are for SCHED_DEADLINE");
    }
    Ok(())
}

/// Whose security module is not there cannot be obeyed, and must not be ignored.
fn labels(process: &Process) -> Checked {
    let wished = |label: &Option<String>| label.as_ref().is_some_and(|label| !label.is_empty());
    if wished(process.apparmor_profile()) && !super::labels::has_apparmor() {
        return refused("process.apparmorProfile", "AppArmor is not enabled on this machine");
    }
    if wished(process.selinux_label()) && !super::labels::has_selinux() {
        return refused("process.selinuxLabel", "SELinux is not enabled on this machine");
    }
    Ok(())
}

#[allow(deprecated, reason = "Docker still writes prestart hooks")]
fn hooks(hooks: &Hooks) -> Checked {
    let lists = [
        ("prestart", hooks.prestart()),
        ("createRuntime", hooks.create_runtime()),
        ("createContainer", hooks.create_container()),
        ("startContainer", hooks.start_container()),
        ("poststart", hooks.poststart()),
        ("poststop", hooks.poststop()),
    ];
    for (moment, list) in lists {
        for (number, one) in list.iter().flatten().enumerate() {
            hook(&format!("hooks.{moment}[{number}]"), one)?;
        }
    }
    Ok(())
}

fn hook(field: &str, hook: &Hook) -> Checked {
    if !hook.path().is_absolute() {
        return refused(&format!("{field}.path"), &format!("{:?} is not absolute", hook.path().display().to_string()));
    }
    if hook.timeout().is_some_and(|seconds| seconds <= 0) {
        return refused(&format!("{field}.timeout"), "is not above 0");
    }
    Ok(())
}

fn has(linux: &Linux, kind: LinuxNamespaceType) -> bool {
    linux.namespaces().iter().flatten().any(|namespace| namespace.typ() == kind)
}

/// Host and domain name: the machine's are not to be changed.
fn names(spec: &Spec, linux: &Linux) -> Checked {
    for (field, name) in [("hostname", spec.hostname()), ("domainname", spec.domainname())] {
        let Some(name) = name.as_ref().filter(|name| !name.is_empty()) else { continue };
        if name.len() > 64 {
            return refused(field, "is longer than 64 bytes");
        }
        if !has(linux, LinuxNamespaceType::Uts) {
            return refused(field, "needs a uts namespace in linux.namespaces");
        }
    }
    Ok(())
}

fn linux(linux: &Linux) -> Checked {
    for (field, paths) in [("linux.maskedPaths", linux.masked_paths()), ("linux.readonlyPaths", linux.readonly_paths())]
    {
        let relative = paths.iter().flatten().enumerate().find(|(_, path)| !Path::new(path).is_absolute());
        if let Some((number, path)) = relative {
            return refused(&format!("{field}[{number}]"), &format!("{path:?} is not absolute"));
        }
    }
    let maps = [("linux.uidMappings", linux.uid_mappings()), ("linux.gidMappings", linux.gid_mappings())];
    for (field, map) in maps {
        if map.iter().flatten().next().is_some() && !has(linux, LinuxNamespaceType::User) {
            return refused(field, "needs a user namespace in linux.namespaces");
        }
    }
    for clock in linux.time_offsets().iter().flat_map(|offsets| offsets.keys()) {
        if clock != "monotonic" && clock != "boottime" {
            return refused("linux.timeOffsets", &format!("{clock:?} is neither monotonic nor boottime"));
        }
    }
    for key in linux.sysctl().iter().flat_map(|wanted| wanted.keys()) {
        sysctl(linux, key)?;
    }
    linux.resources().as_ref().map_or(Ok(()), resources)?;
    not_done(linux)
}

/// Entries that say nothing; what the machine refuses is told where it is written.
fn resources(wish: &LinuxResources) -> Checked {
    let weights = wish.block_io().iter().flat_map(|io| io.weight_device().iter().flatten());
    for (number, device) in weights.enumerate() {
        if device.weight().is_none() && device.leaf_weight().is_none() {
            let field = format!("linux.resources.blockIO.weightDevice[{number}]");
            return refused(&field, "has neither weight nor leafWeight");
        }
    }
    for (name, limits) in wish.rdma().iter().flatten() {
        if limits.hca_handles().is_none() && limits.hca_objects().is_none() {
            return refused(&format!("linux.resources.rdma.{name}"), "has neither hcaHandles nor hcaObjects");
        }
    }
    Ok(())
}

/// Settings that belong to no namespace are the machine's.
fn sysctl(linux: &Linux, key: &str) -> Checked {
    // The field's names may be written with slashes as well (sysctl(8)).
    let name = key.replace('/', ".");
    let ipc = ["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax"];
    let ipc_too = ["kernel.shmmni", "kernel.shm_rmid_forced", "kernel.msg_next_id", "kernel.sem_next_id"];
    let field = format!("linux.sysctl.{key}");
    let kind = match name.as_str() {
        "kernel.hostname" => return refused(&field, "is said by the field hostname"),
        "kernel.domainname" => LinuxNamespaceType::Uts,
        name if name.starts_with("net.") => LinuxNamespaceType::Network,
        name if name.starts_with("fs.mqueue.") => LinuxNamespaceType::Ipc,
        name if ipc.contains(&name) || ipc_too.contains(&name) || name == "kernel.shm_next_id" => {
            LinuxNamespaceType::Ipc
        }
        _ => return refused(&field, "belongs to no namespace of the container, so it would change the machine"),
    };
    if name.split('.').any(str::is_empty) || key.split('/').any(|part| part == "..") {
        return refused(&field, "is no name of a kernel setting");
    }
    if has(linux, kind) { Ok(()) } else { refused(&field, &format!("needs a {kind} namespace in linux.namespaces")) }
}

/// Fields that teu does not obey, and so refuses.
fn not_done(linux: &Linux) -> Checked {
    if linux.intel_rdt().is_some() {
        return refused("linux.intelRdt", "Intel's Resource Director Technology is not supported by teu");
    }
    if linux.memory_policy().is_some() {
        return refused("linux.memoryPolicy", "NUMA memory policies are not supported by teu");
    }
    if linux.net_devices().iter().flatten().next().is_some() {
        return refused("linux.netDevices", "moving network devices is not supported by teu");
    }
    let label = linux.mount_label().as_ref().filter(|label| !label.is_empty());
    if label.is_some() && !super::labels::has_selinux() {
        return refused("linux.mountLabel", "SELinux is not enabled on this machine");
    }
    let flags = linux.personality().as_ref().and_then(|personality| personality.flags().clone()).unwrap_or_default();
    if !flags.is_empty() {
        return refused("linux.personality.flags", "the specification defines none");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config() -> Value {
        json!({
            "ociVersion": "1.2.0",
            "root": {"path": "rootfs"},
            "process": {"user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/"},
            "linux": {"namespaces": [{"type": "mount"}]},
        })
    }

    fn checked(change: impl FnOnce(&mut Value)) -> Result<(), String> {
        let mut config = config();
        change(&mut config);
        let config = serde_json::from_value(config).expect("a specification");
        spec(&config).map_err(|error| error.to_string())
    }

    fn field(change: impl FnOnce(&mut Value)) -> String {
        let error = checked(change).expect_err("refused");
        error.split(": ").next().unwrap_or_default().to_owned()
    }

    #[test]
    fn specification_as_engines_write_it_is_accepted() {
        checked(|_| {}).expect("accepted");
        checked(|config| config["linux"] = Value::Null).expect("accepted");
    }

    #[test]
    fn versions_are_semantic_and_of_major_one() {
        for good in ["1.0.0", "1.2.1", "1.0.2-dev", "1.1.0-rc.1", "1.0.0+build.5", "1.3.0-rc.1+x"] {
            version(good).unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        for bad in ["", "1", "1.0", "2.0.0", "0.9.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.x", "1.0.0-", "1.-1.0"] {
            assert!(version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_error_names_its_field() {
        let process = |name: &'static str, value: Value| field(move |config| config["process"][name] = value);
        assert_eq!(process("cwd", json!("tmp")), "process.cwd");
        assert_eq!(process("args", json!([])), "process.args");
        assert_eq!(process("oomScoreAdj", json!(2000)), "process.oomScoreAdj");
        let limit = |soft: u64| json!({"type": "RLIMIT_CORE", "soft": soft, "hard": 1});
        assert_eq!(process("rlimits", json!([limit(1), limit(0)])), "process.rlimits[1]");
        assert_eq!(process("rlimits", json!([limit(2)])), "process.rlimits[0]");
        let priority = json!({"class": "IOPRIO_CLASS_BE", "priority": 8});
        assert_eq!(process("ioPriority", priority), "process.ioPriority.priority");
        let fair = json!({"policy": "SCHED_OTHER", "priority": 3});
        assert_eq!(process("scheduler", fair), "process.scheduler.priority");
        assert_eq!(field(|config| config["root"] = Value::Null), "root");
        assert_eq!(field(|config| config["annotations"] = json!({"": "x"})), "annotations");
        assert_eq!(field(|config| config["mounts"] = json!([{"destination": ""}])), "mounts[0].destination");
        assert_eq!(field(|config| config["hostname"] = json!("box")), "hostname");
        let hook = |hook: Value| field(|config| config["hooks"] = json!({"poststop": [{"path": "/x"}, hook]}));
        assert_eq!(hook(json!({"path": "x"})), "hooks.poststop[1].path");
        assert_eq!(hook(json!({"path": "/x", "timeout": 0})), "hooks.poststop[1].timeout");
        let linux = |name: &'static str, value: Value| field(move |config| config["linux"][name] = value);
        assert_eq!(linux("maskedPaths", json!(["/a", "b"])), "linux.maskedPaths[1]");
        assert_eq!(linux("uidMappings", json!([{"containerID": 0, "hostID": 1, "size": 1}])), "linux.uidMappings");
        assert_eq!(linux("timeOffsets", json!({"realtime": {"secs": 1}})), "linux.timeOffsets");
        assert_eq!(linux("intelRdt", json!({})), "linux.intelRdt");
        assert_eq!(linux("resources", json!({"rdma": {"mlx5_1": {}}})), "linux.resources.rdma.mlx5_1");
        let weight = json!({"blockIO": {"weightDevice": [{"major": 7, "minor": 0}]}});
        assert_eq!(linux("resources", weight), "linux.resources.blockIO.weightDevice[0]");
    }

    #[test]
    fn sysctls_of_the_machine_are_refused_and_those_of_own_namespaces_taken() {
        let sysctl = |name: &'static str| {
            checked(move |config| {
                config["linux"] = json!({"namespaces": [{"type": "mount"}, {"type": "ipc"}], "sysctl": {name: "1"}});
            })
        };
        for own in ["kernel.shmmax", "fs.mqueue.msg_max", "kernel.sem"] {
            sysctl(own).unwrap_or_else(|error| panic!("{own}: {error}"));
        }
        for foreign in
            ["net.ipv4.ip_forward", "kernel.domainname", "kernel.hostname", "vm.swappiness", "kernel.core_pattern"]
        {
            assert!(sysctl(foreign).expect_err(foreign).starts_with(&format!("linux.sysctl.{foreign}: ")));
        }
        assert!(sysctl("fs.mqueue../../x").is_err() && sysctl("net/ipv4/../../kernel/core_pattern").is_err());
    }
}
