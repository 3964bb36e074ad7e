//! Kernel file systems, the user's binds and memory folders; and which paths of the kernel's are hidden or read-only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{Mount, MountBuilder};

use super::{Kind, malformed};
use crate::model::{self, ContainerConfig, MountPropagation, MountSource, MountsBelow, NamespaceMode, TmpfsMount};
use crate::runtime::RuntimeError;

/// Docker's, and what newer releases of it added.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    // How much power was used tells what was computed.
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Docker's size of /dev/shm.
const SHM_BYTES: u64 = 64 << 20;

/// File systems of the kernel's own, whose ids no mount can map. Root's things on them belong to nobody inside.
const UNMAPPABLE: [&str; 12] = [
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "devtmpfs",
    "devpts",
    "debugfs",
    "tracefs",
    "securityfs",
    "mqueue",
    "bpf",
    "configfs",
];

/// What is hidden in a container that is told nothing else.
pub fn default_masked() -> &'static [&'static str] {
    &MASKED
}

/// What is read-only in a container that is told nothing else.
pub fn default_read_only() -> &'static [&'static str] {
    &READ_ONLY
}

pub(super) fn masked(config: &ContainerConfig) -> Vec<String> {
    let isolation = &config.isolation;
    let open = isolation.system_paths_open || isolation.privileged;
    let default = MASKED.iter().filter(|path| !open && !is_unmasked(config, path)).map(|path| (*path).to_owned());
    default.chain(isolation.masked.iter().cloned()).collect()
}

pub(super) fn read_only(config: &ContainerConfig) -> Vec<String> {
    let open = config.isolation.system_paths_open || config.isolation.privileged;
    let default = READ_ONLY.iter().filter(|path| !open && !is_unmasked(config, path));
    default.map(|path| (*path).to_owned()).collect()
}

fn is_unmasked(config: &ContainerConfig, path: &str) -> bool {
    config.isolation.unmasked.iter().any(|open| Path::new(open) == Path::new(path))
}

/// Kernel file systems in the order they stack, then the user's binds.
pub(super) fn mounts(
    config: &ContainerConfig,
    kind: &Kind,
    sources: &BTreeMap<PathBuf, PathBuf>,
) -> Result<Vec<Mount>, RuntimeError> {
    let mut mounts = kernel_mounts(config, kind).map_err(malformed)?;
    // Parents before what is mounted below them, whatever the order on the command line.
    let listed = config.mounts.iter().map(|mount| (mount.target.as_path(), Wished::Mount(mount)));
    let memory = config.isolation.tmpfs.iter().map(|tmpfs| (tmpfs.target.as_path(), Wished::Memory(tmpfs)));
    // A device node in a bind is the machine's. A privileged container may have all of these anyway.
    let nodes = if config.isolation.privileged { Nodes::AsTheyAre } else { Nodes::Inert };
    let mut wished: Vec<_> = listed.chain(memory).collect();
    wished.sort_by_key(|(target, _)| target.components().count());
    for (_, wish) in wished {
        mounts.push(match wish {
            Wished::Mount(wish) => of_wish(wish, nodes, kind, sources)?,
            Wished::Memory(wish) => tmpfs(wish).map_err(malformed)?,
        });
    }
    Ok(mounts)
}

fn kernel_mounts(config: &ContainerConfig, kind: &Kind) -> Result<Vec<Mount>, OciSpecError> {
    let isolation = &config.isolation;
    let pts = "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620";
    // The group of terminals; without a range of ids it is not mapped, and the kernel refuses it.
    let pts = if kind.maps_terminal_group() { format!("{pts},gid=5") } else { pts.to_owned() };
    let shm = format!("nosuid,noexec,nodev,mode=1777,size={}", isolation.shm_bytes.unwrap_or(SHM_BYTES));
    let access = if isolation.privileged { "rw" } else { "ro" };
    let kernel_access = format!("nosuid,noexec,nodev,{access}");
    let mut mounts = vec![
        mount("/proc", "proc", "proc", "nosuid,noexec,nodev")?,
        mount("/dev", "tmpfs", "tmpfs", "nosuid,nodev,noexec,strictatime,mode=755,size=65536k")?,
        mount("/dev/pts", "devpts", "devpts", &pts)?,
        mount("/sys", "sysfs", "sysfs", &kernel_access)?,
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &kernel_access)?,
    ];
    if isolation.ipc == NamespaceMode::Host {
        // Shared memory and queues belong together.
        for path in ["/dev/mqueue", "/dev/shm"].into_iter().filter(|path| Path::new(path).exists()) {
            mounts.push(mount(path, "bind", path, "bind,nosuid,noexec,nodev")?);
        }
    } else {
        mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev")?);
        mounts.push(mount("/dev/shm", "tmpfs", "shm", &shm)?);
    }
    Ok(mounts)
}

/// What device nodes in binds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nodes {
    Inert,
    AsTheyAre,
}

enum Wished<'a> {
    Mount(&'a model::Mount),
    Memory(&'a TmpfsMount),
}

fn mount(target: &str, kind: &str, source: &str, options: &str) -> Result<Mount, OciSpecError> {
    let options: Vec<String> = options.split(',').map(str::to_owned).collect();
    MountBuilder::default().destination(target).typ(kind).source(source).options(options).build()
}

/// Docker's options, with the user's behind them.
fn tmpfs(wish: &TmpfsMount) -> Result<Mount, OciSpecError> {
    let defaults = ["nosuid", "nodev", "noexec"].into_iter().map(str::to_owned);
    let mode = if wish.options.iter().any(|option| option.starts_with("mode=")) { None } else { Some("mode=1777") };
    let options: Vec<String> = defaults.chain(mode.map(str::to_owned)).chain(wish.options.iter().cloned()).collect();
    MountBuilder::default().destination(&wish.target).typ("tmpfs").source("tmpfs").options(options).build()
}

fn of_wish(
    wish: &model::Mount,
    nodes: Nodes,
    kind: &Kind,
    sources: &BTreeMap<PathBuf, PathBuf>,
) -> Result<Mount, RuntimeError> {
    let target = &wish.target;
    match &wish.source {
        MountSource::Bind { path, propagation, below, .. } => bind(wish, path, (*propagation, *below), (nodes, kind)),
        MountSource::Tmpfs { size_bytes, mode } => memory(wish, *size_bytes, *mode),
        MountSource::Volume { .. } | MountSource::Image { .. } => {
            let unknown = || RuntimeError::InvalidRequest(format!("where is what {} shows?", target.display()));
            let source = sources.get(target).ok_or_else(unknown)?;
            bind(wish, source, Default::default(), (nodes, kind))
        }
    }
    .map_err(malformed)
}

fn memory(wish: &model::Mount, size_bytes: Option<u64>, mode: Option<u32>) -> Result<Mount, OciSpecError> {
    let mut options = ["nosuid", "nodev", "noexec"].map(str::to_owned).to_vec();
    options.push(format!("mode={:o}", mode.unwrap_or(0o1777)));
    options.extend(size_bytes.map(|bytes| format!("size={bytes}")));
    options.extend(wish.read_only.then(|| "ro".to_owned()));
    MountBuilder::default().destination(&wish.target).typ("tmpfs").source("tmpfs").options(options).build()
}

/// Read-only with all that is mounted below, unless that is wished otherwise.
fn bind(
    wish: &model::Mount,
    source: &Path,
    (propagation, below): (MountPropagation, MountsBelow),
    (nodes, kind): (Nodes, &Kind),
) -> Result<Mount, OciSpecError> {
    let depth = if below == MountsBelow::Hidden { "bind" } else { "rbind" };
    let access = match (wish.read_only, below) {
        (false, _) => "rw",
        (true, MountsBelow::Shown | MountsBelow::ReadOnly) => "rro",
        (true, MountsBelow::Hidden | MountsBelow::Writable) => "ro",
    };
    let mut options: Vec<String> = [depth, propagation.word(), access].map(str::to_owned).to_vec();
    options.extend((nodes == Nodes::Inert).then(|| "nodev".to_owned()));
    if matches!(kind, Kind::Leased(_)) && !is_unmappable(source) {
        options.push(if below == MountsBelow::Hidden { "idmap" } else { "ridmap" }.to_owned());
    }
    let builder = MountBuilder::default().destination(&wish.target).typ("bind").source(source);
    builder.options(options).build()
}

/// Whether a path is on a file system of the kernel's own, by the machine's list of mounts.
fn is_unmappable(source: &Path) -> bool {
    let Ok(path) = source.canonicalize() else { return false };
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return false };
    let holder = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?;
        path.starts_with(point).then(|| (point.len(), kind.split(' ').next().unwrap_or_default()))
    });
    // The last of several at one place covers the others.
    holder.max_by_key(|(length, _)| *length).is_some_and(|(_, kind)| UNMAPPABLE.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;
    use crate::model::{IdRange, Isolation};
    use crate::runtime::idmap::IdMaps;

    fn options(mount: &Mount) -> Vec<&str> {
        mount.options().iter().flatten().map(String::as_str).collect()
    }

    #[test]
    fn binds_come_parents_first_and_read_only_is_recursive() {
        let bind = |target: &str, read_only| model::Mount { read_only, ..model::Mount::bind("/s", target) };
        let config = ContainerConfig { mounts: vec![bind("/a/b", true), bind("/a", false)], ..config() };
        let mounts = mounts(&config, &Kind::Machine, &BTreeMap::new()).expect("mounts");
        let tail: Vec<_> = mounts.iter().rev().take(2).collect();
        assert_eq!(tail[1].destination().to_str(), Some("/a"));
        assert!(options(tail[0]).contains(&"rro") && !options(tail[0]).contains(&"idmap"));
    }

    #[test]
    fn binds_of_a_leased_range_are_idmapped_but_for_the_kernels_file_systems() {
        let bind = |source: &str| model::Mount::bind(source, source);
        let config = ContainerConfig { mounts: vec![bind("/usr"), bind("/proc/sys")], ..config() };
        let range = IdRange { first_uid: 1 << 20, first_gid: 1 << 20, count: 65_536 };
        let mounts = mounts(&config, &Kind::Leased(IdMaps::of_range(range)), &BTreeMap::new()).expect("mounts");
        let of = |target: &str| mounts.iter().rfind(|mount| mount.destination() == Path::new(target)).expect(target);
        assert!(options(of("/usr")).contains(&"ridmap"));
        assert!(!options(of("/proc/sys")).contains(&"ridmap"));
    }

    #[test]
    fn paths_are_hidden_unless_opened_one_by_one_or_all() {
        let with = |isolation| ContainerConfig { isolation, ..config() };
        let default = with(Isolation::default());
        assert!(masked(&default).contains(&"/proc/kcore".to_owned()));
        let some = with(Isolation {
            unmasked: vec!["/proc/kcore".to_owned(), "/proc/sys".to_owned()],
            masked: vec!["/etc/secret".to_owned()],
            ..Isolation::default()
        });
        assert_eq!(masked(&some).len(), MASKED.len());
        assert!(!masked(&some).contains(&"/proc/kcore".to_owned()));
        assert_eq!(read_only(&some).len(), READ_ONLY.len() - 1);
        let open = with(Isolation { system_paths_open: true, ..Isolation::default() });
        assert!(masked(&open).is_empty() && read_only(&open).is_empty());
    }

    #[test]
    fn memory_folders_have_dockers_options_and_the_users() {
        let tmpfs = TmpfsMount { target: "/scratch".into(), options: vec!["size=1m".to_owned(), "exec".to_owned()] };
        let isolation = Isolation { tmpfs: vec![tmpfs], shm_bytes: Some(4096), ..Isolation::default() };
        let mounts =
            mounts(&ContainerConfig { isolation, ..config() }, &Kind::Machine, &BTreeMap::new()).expect("mounts");
        let last = mounts.last().expect("the folder");
        assert_eq!(options(last), ["nosuid", "nodev", "noexec", "mode=1777", "size=1m", "exec"]);
        let shm = mounts.iter().find(|mount| mount.destination() == Path::new("/dev/shm")).expect("shm");
        assert!(options(shm).contains(&"size=4096"));
    }
}
