//! `spec`: a config.json to begin with, as runc's.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::{Value, json};

use super::arguments::Spec;
use super::features::SPEC_VERSION;
use super::{OciError, Result};

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

pub fn spec(wish: &Spec) -> Result<i32> {
    let path = wish.bundle.join("config.json");
    let mut value = value();
    if wish.rootless {
        make_rootless(&mut value, rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    }
    let text = serde_json::to_string_pretty(&value).map_err(|source| OciError::Json { path: path.clone(), source })?;
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(OciError::Wish(format!("{} exists already: remove it first", path.display())))
        }
        written => written.map(|()| 0).map_err(|error| OciError::file("write", path, error)),
    }
}

fn value() -> Value {
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": source, "options": options });
    json!({
        "ociVersion": SPEC_VERSION,
        "process": {
            "terminal": true,
            "user": { "uid": 0, "gid": 0 },
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": { "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "teu",
        "mounts": [
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        "linux": {
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": [
                { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" }, { "type": "cgroup" },
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

/// A user namespace with the user as its root and nothing that a user may not do: no network of its own (sysfs then
/// is the machine's), no device rules, no other group for terminals.
fn make_rootless(value: &mut Value, uid: u32, gid: u32) {
    let linux = &mut value["linux"];
    linux["uidMappings"] = json!([{ "containerID": 0, "hostID": uid, "size": 1 }]);
    linux["gidMappings"] = json!([{ "containerID": 0, "hostID": gid, "size": 1 }]);
    if let Some(linux) = linux.as_object_mut() {
        linux.remove("resources");
    }
    if let Some(namespaces) = linux["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != "network");
        namespaces.push(json!({ "type": "user" }));
    }
    let Some(mounts) = value["mounts"].as_array_mut() else { return };
    mounts.retain(|mount| mount["type"] != "cgroup");
    for mount in mounts {
        if mount["type"] == "sysfs" {
            mount["type"] = json!("none");
            mount["source"] = json!("/sys");
            mount["options"] = json!(["rbind", "nosuid", "noexec", "nodev", "ro"]);
        } else if let Some(options) = mount["options"].as_array_mut() {
            options.retain(|option| *option != "gid=5");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_specifications() {
        let mut template = value();
        let whole: oci_spec::runtime::Spec = serde_json::from_value(template.clone()).expect("a specification");
        assert_eq!(whole.version(), SPEC_VERSION);
        make_rootless(&mut template, 1000, 100);
        let rootless: oci_spec::runtime::Spec = serde_json::from_value(template.clone()).expect("a specification");
        let linux = rootless.linux().as_ref().expect("linux");
        assert_eq!(linux.gid_mappings().as_ref().map(|maps| maps[0].host_id()), Some(100));
        assert!(!template.to_string().contains("gid=5") && !template.to_string().contains("\"network\""));
    }

    #[test]
    fn existing_file_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let wish = Spec { bundle: folder.path().to_owned(), rootless: false };
        assert_eq!(spec(&wish).expect("written"), 0);
        assert!(spec(&wish).is_err_and(|error| error.to_string().contains("exists already")));
    }
}
