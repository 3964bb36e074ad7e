//! What the kernel says of a process under /proc: read here, judged elsewhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::{CapabilitySets, IdMapping, NamespaceSeen, SeccompMode, WritableMount};
use crate::runtime::{CgroupPlace, capability_names};

/// In the order they are shown in.
const NAMESPACES: [&str; 8] = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"];

/// LISTEN, linux/net/tcp_states.h.
const LISTENING: &str = "0A";

/// v1 writes the largest multiple of a page for no limit.
const NO_LIMIT: u64 = 1 << 60;

/// What was read of one process.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub namespaces: Vec<NamespaceSeen>,
    pub uid_map: Vec<IdMapping>,
    pub gid_map: Vec<IdMapping>,
    pub status: Status,
    pub modules: Vec<String>,
    pub label: Option<String>,
    pub mounts: Vec<MountSeen>,
    pub listening: Vec<u16>,
}

/// The lines of /proc/PID/status that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// As the machine counts.
    pub uid: u32,
    pub capabilities: CapabilitySets,
    pub no_new_privileges: bool,
    pub seccomp: SeccompMode,
    pub seccomp_filters: u32,
}

/// One line of /proc/PID/mountinfo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MountSeen {
    /// Which part of the file system is shown.
    pub root: String,
    pub target: String,
    pub kind: String,
    pub options: Vec<String>,
    pub super_options: Vec<String>,
}

impl MountSeen {
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|own| own == option)
    }

    pub fn is_writable(&self) -> bool {
        !self.has("ro") && !self.super_options.iter().any(|option| option == "ro")
    }

    /// Whether it covers something: an empty folder or the null device.
    pub fn is_mask(&self) -> bool {
        let null = self.root.ends_with("/null") && self.kind != "proc" && self.kind != "sysfs";
        null || self.kind == "tmpfs" && self.has("ro")
    }
}

/// Everything of the process `pid`, as `proc` (a /proc) shows it. Its own `self` is what is not the container.
pub(super) fn read(proc: &Path, pid: i32) -> io::Result<Facts> {
    let folder = proc.join(pid.to_string());
    let text = |name: &str| fs::read_to_string(folder.join(name));
    let namespaces: Vec<NamespaceSeen> = NAMESPACES.iter().filter_map(|kind| namespace(proc, &folder, kind)).collect();
    let own_network = namespaces.iter().any(|one| one.kind == "net" && !one.shared);
    let ports = |name: &str| text(name).map(|text| listening(&text)).unwrap_or_default();
    let mut listening = if own_network { [ports("net/tcp"), ports("net/tcp6")].concat() } else { Vec::new() };
    listening.sort_unstable();
    listening.dedup();
    let label = text("attr/current").ok().map(|text| text.trim_end_matches(['\0', '\n']).to_owned());
    let modules = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    Ok(Facts {
        namespaces,
        uid_map: id_map(&text("uid_map")?),
        gid_map: id_map(&text("gid_map")?),
        status: status(&text("status")?),
        modules: modules.trim().split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        label: label.filter(|label| !label.is_empty()),
        mounts: mounts(&text("mountinfo")?),
        listening,
    })
}

/// What its cgroups say.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// Limits in force, in words.
    pub limits: Vec<String>,
    /// None on v2, which does not tell.
    pub all_devices: Option<bool>,
}

pub(super) fn groups(place: &CgroupPlace) -> Groups {
    let legacy = place.legacy.iter().chain(&place.spare).map(|(_, path)| path);
    let folders: Vec<&PathBuf> = legacy.chain(&place.unified).collect();
    let text = |name: &str| {
        let read = |folder: &&PathBuf| fs::read_to_string(folder.join(name)).ok();
        folders.iter().find_map(read).map(|text| text.trim().to_owned())
    };
    Groups {
        limits: limits(&text),
        all_devices: text("devices.list").map(|list| list.lines().any(|line| line.starts_with("a *:*"))),
    }
}

/// By the files of v1 and of v2; what is without limit is left out.
fn limits(text: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let number = |name: &str| text(name)?.parse::<u64>().ok();
    let memory = number("memory.max").or_else(|| number("memory.limit_in_bytes").filter(|bytes| *bytes < NO_LIMIT));
    let quota = number("cpu.cfs_quota_us").zip(number("cpu.cfs_period_us")).or_else(|| {
        let text = text("cpu.max")?;
        let (quota, period) = text.split_once(' ')?;
        Some((quota.parse().ok()?, period.parse().ok()?))
    });
    let cpus = quota.filter(|(_, period)| *period > 0).map(|(quota, period)| quota as f64 / period as f64);
    let pids = number("pids.max");
    [
        memory.map(|bytes| format!("memory {}", humansize::format_size(bytes, humansize::BINARY))),
        cpus.map(|cpus| format!("{} cpus", (cpus * 1000.0).round() / 1000.0)),
        pids.map(|count| format!("{count} processes")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// None where the kernel has no such kind.
fn namespace(proc: &Path, folder: &Path, kind: &str) -> Option<NamespaceSeen> {
    let theirs = fs::read_link(folder.join("ns").join(kind)).ok()?;
    let ours = fs::read_link(proc.join("self/ns").join(kind)).ok();
    let inode = theirs.to_str()?.split_once('[')?.1.trim_end_matches(']').parse().ok()?;
    Some(NamespaceSeen { kind: kind.to_owned(), inode, shared: ours == Some(theirs) })
}

fn id_map(text: &str) -> Vec<IdMapping> {
    let line = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(IdMapping { inside: next()?, outside: next()?, count: next()? })
    };
    text.lines().filter_map(line).collect()
}

fn status(text: &str) -> Status {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or_default()
    };
    let set = |name: &str| capability_names(u64::from_str_radix(field(name), 16).unwrap_or(0));
    Status {
        uid: field("Uid").split_ascii_whitespace().nth(1).and_then(|uid| uid.parse().ok()).unwrap_or(0),
        capabilities: CapabilitySets {
            inheritable: set("CapInh"),
            permitted: set("CapPrm"),
            effective: set("CapEff"),
            bounding: set("CapBnd"),
            ambient: set("CapAmb"),
        },
        no_new_privileges: field("NoNewPrivs") == "1",
        seccomp: match field("Seccomp") {
            "1" => SeccompMode::Strict,
            "2" => SeccompMode::Filter,
            _ => SeccompMode::Disabled,
        },
        seccomp_filters: field("Seccomp_filters").parse().unwrap_or(0),
    }
}

fn mounts(text: &str) -> Vec<MountSeen> {
    let words = |text: &str| text.split(',').map(str::to_owned).collect();
    let line = |line: &str| {
        let (place, system) = line.split_once(" - ")?;
        let place: Vec<&str> = place.split(' ').collect();
        let system: Vec<&str> = system.split(' ').collect();
        Some(MountSeen {
            root: unescaped(place.get(3)?),
            target: unescaped(place.get(4)?),
            kind: (*system.first()?).to_owned(),
            options: words(place.get(5)?),
            super_options: words(system.get(2).copied().unwrap_or_default()),
        })
    };
    text.lines().filter_map(line).collect()
}

/// mountinfo writes blanks and backslashes as three octal digits (proc_pid_mountinfo(5)).
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

/// The ports in a /proc/net/tcp that somebody listens on.
fn listening(text: &str) -> Vec<u16> {
    let port = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (local, state) = (fields.nth(1)?, fields.nth(1)?);
        let (_, port) = local.rsplit_once(':')?;
        (state == LISTENING).then(|| u16::from_str_radix(port, 16).ok())?
    };
    text.lines().skip(1).filter_map(port).collect()
}

/// The mounts that can be written to, as the report shows them.
pub(super) fn writable(mounts: &[MountSeen]) -> Vec<WritableMount> {
    let open = mounts.iter().filter(|mount| mount.is_writable());
    let kept = |option: &&String| ["nosuid", "nodev", "noexec"].contains(&option.as_str());
    open.map(|mount| WritableMount {
        target: mount.target.clone(),
        kind: mount.kind.clone(),
        options: mount.options.iter().filter(kept).cloned().collect(),
        idmapped: mount.has("idmapped"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_this_process_are_its_own_namespaces() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let facts = read(Path::new("/proc"), pid).expect("facts");
        assert!(facts.namespaces.len() >= 7 && facts.namespaces.iter().all(|one| one.shared), "{facts:?}");
        assert!(!facts.uid_map.is_empty() && !facts.mounts.is_empty());
    }

    #[test]
    fn status_is_decoded() {
        let text = "Name:\tx\nUid:\t5\t7\t5\t5\nCapInh:\t0\nCapPrm:\t0000000000000401\nCapEff:\t1\nCapBnd:\t2000000\nCapAmb:\t0\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";
        let seen = status(text);
        assert_eq!(
            (seen.uid, seen.no_new_privileges, seen.seccomp, seen.seccomp_filters),
            (7, true, SeccompMode::Filter, 3)
        );
        assert_eq!(seen.capabilities.permitted, ["CHOWN", "NET_BIND_SERVICE"]);
        assert_eq!(seen.capabilities.bounding, ["SYS_TIME"]);
    }

    #[test]
    fn mounts_tell_masks_from_writable_places() {
        let text = "1 0 0:1 / / rw,nodev - overlay overlay rw\n\
            2 1 0:2 / /proc/acpi ro - tmpfs tmpfs rw\n\
            3 1 0:3 /null /proc/kcore rw,nosuid - devtmpfs udev rw\n\
            4 1 0:4 /sys /proc/sys ro - proc proc rw\n\
            5 1 8:1 /a\\040b /data\\040x rw,nosuid,idmapped - ext4 /dev/sda ro\n";
        let seen = mounts(text);
        let masks: Vec<_> = seen.iter().filter(|mount| mount.is_mask()).map(|mount| mount.target.as_str()).collect();
        assert_eq!(masks, ["/proc/acpi", "/proc/kcore"]);
        assert_eq!((seen[4].root.as_str(), seen[4].target.as_str()), ("/a b", "/data x"));
        let open: Vec<_> = writable(&seen).into_iter().map(|mount| mount.target).collect();
        assert_eq!(open, ["/", "/proc/kcore"]);
    }

    #[test]
    fn ports_that_somebody_listens_on_are_read() {
        let text = "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n   1: 0100007F:0016 0100007F:1234 01 0\n";
        assert_eq!(listening(text), [8080]);
    }

    #[test]
    fn id_maps_are_read_line_by_line() {
        let map = id_map("         0     100000      65536\n 65536 5 1\n");
        assert_eq!(map[0], IdMapping { inside: 0, outside: 100_000, count: 65_536 });
        assert_eq!(map.len(), 2);
    }
}
