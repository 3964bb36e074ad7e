//! The specification of a container as teu runs it unless told otherwise: Docker's defaults or stricter.

use std::collections::HashMap;
use std::path::PathBuf;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Capabilities, Capability, LinuxBuilder, LinuxCapabilities, LinuxCapabilitiesBuilder, LinuxDeviceCgroup,
    LinuxDeviceCgroupBuilder, LinuxDeviceType, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType,
    LinuxResources, LinuxSeccomp, Mount, MountBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process,
    ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};

use super::idmap::{self, IdMaps};
use super::process::capabilities::{NAMES, number};
use super::{ExecRequest, RuntimeError, Whose, seccomp};
use crate::model::{BindMount, ContainerConfig, Limits, NetworkMode, Rlimit, SeccompChoice};

/// Docker's fourteen.
const CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

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

/// Device numbers a v1 devices list lets through: the standard nodes, terminals. Nodes may be made but not opened.
const DEVICES: [(i64, i64); 9] = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, -1)];

/// The whole specification for a container: namespaces (and id maps when the caller is not root), mounts, masked and
/// read-only paths, capabilities, seccomp, limits, devices, process.
pub fn spec(config: &ContainerConfig) -> Result<Spec, RuntimeError> {
    let maps = if rustix::process::geteuid().is_root() { None } else { Some(idmap::own_maps()) };
    build_spec(config, maps.as_ref())
}

fn build_spec(config: &ContainerConfig, maps: Option<&IdMaps>) -> Result<Spec, RuntimeError> {
    let process = process(config, &config.command, config.tty)?;
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces(config.network, maps.is_some()))
        .resources(resources(&config.limits)?)
        .masked_paths(MASKED.map(str::to_owned).to_vec())
        .readonly_paths(READ_ONLY.map(str::to_owned).to_vec());
    if config.network == NetworkMode::None {
        linux = linux.sysctl(sysctls(maps.is_some()));
    }
    if let Some(seccomp) = filter(config)? {
        linux = linux.seccomp(seccomp);
    }
    if let Some(maps) = maps {
        linux = linux.uid_mappings(maps.uids.clone()).gid_mappings(maps.gids.clone());
    }
    let root = RootBuilder::default().path("rootfs").readonly(config.read_only).build().map_err(malformed)?;
    let builder = SpecBuilder::default()
        .root(root)
        .process(process)
        .hostname(config.hostname.clone())
        .mounts(mounts(config, maps).map_err(malformed)?)
        .linux(linux.build().map_err(malformed)?);
    builder.build().map_err(malformed)
}

/// A process beside the main one, with the container's own capabilities, seccomp and environment.
#[derive(Clone, Debug, Default)]
pub struct ExecProcess {
    pub command: Vec<String>,
    /// Laid over the container's.
    pub env: Vec<String>,
    /// The container's if missing.
    pub workdir: Option<String>,
    /// The container's if missing.
    pub user: Option<String>,
    pub tty: bool,
}

/// The request for [`super::exec()`] in a container of this configuration.
pub fn exec_request(config: &ContainerConfig, wish: &ExecProcess) -> Result<ExecRequest, RuntimeError> {
    let mut config = config.clone();
    config.env = overlay_env(&config.env, &wish.env);
    config.workdir = wish.workdir.clone().unwrap_or(config.workdir);
    config.user = wish.user.clone().unwrap_or(config.user);
    let process = process(&config, &wish.command, wish.tty)?;
    Ok(ExecRequest {
        process,
        seccomp: filter(&config)?,
        container: Whose::default(),
        preserve_fds: 0,
        die_with_parent: true,
    })
}

/// Entries of `over` replace those of `env` with the same key.
fn overlay_env(env: &[String], over: &[String]) -> Vec<String> {
    let key = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let replaced = |entry: &&String| over.iter().any(|other| key(other) == key(entry));
    env.iter().filter(|entry| !replaced(entry)).chain(over).cloned().collect()
}

fn malformed(error: OciSpecError) -> RuntimeError {
    RuntimeError::InvalidRequest(error.to_string())
}

fn process(config: &ContainerConfig, command: &[String], tty: bool) -> Result<Process, RuntimeError> {
    let user = UserBuilder::default().uid(0_u32).gid(0_u32).username(config.user.clone());
    let workdir = if config.workdir.is_empty() { "/" } else { &config.workdir };
    ProcessBuilder::default()
        .terminal(tty)
        .user(user.build().map_err(malformed)?)
        .args(command.to_vec())
        .env(config.env.clone())
        .cwd(PathBuf::from(workdir))
        .capabilities(capability_sets(config)?)
        .rlimits(config.rlimits.iter().map(rlimit).collect::<Result<Vec<_>, _>>()?)
        .no_new_privileges(config.no_new_privileges)
        .build()
        .map_err(malformed)
}

fn rlimit(limit: &Rlimit) -> Result<PosixRlimit, RuntimeError> {
    let typ: PosixRlimitType = serde_json::from_value(serde_json::Value::String(limit.name.clone()))
        .map_err(|_| RuntimeError::InvalidRequest(format!("{} is no resource limit", limit.name)))?;
    PosixRlimitBuilder::default().typ(typ).soft(limit.soft).hard(limit.hard).build().map_err(malformed)
}

/// Docker's rules: `--cap-add ALL` and `--cap-drop ALL` first, then single names. Names without `CAP_`, in order of numbers.
fn capability_names(config: &ContainerConfig) -> Result<Vec<&'static str>, RuntimeError> {
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let numbers = |names: &[String]| {
        let unknown = |name: &String| RuntimeError::InvalidRequest(format!("{name:?} is no capability"));
        let single = names.iter().filter(|name| !is_all(name));
        single.map(|name| number(name).ok_or_else(|| unknown(name))).collect::<Result<Vec<_>, _>>()
    };
    let (added, dropped) = (numbers(&config.cap_add)?, numbers(&config.cap_drop)?);
    let (add_all, drop_all) = (config.cap_add.iter().any(is_all), config.cap_drop.iter().any(is_all));
    let kept = |(at, name): (usize, &'static str)| {
        let by_default = !drop_all && CAPABILITIES.contains(&name);
        ((add_all || by_default) && !dropped.contains(&at) || added.contains(&at)).then_some(name)
    };
    Ok(NAMES.iter().copied().enumerate().filter_map(kept).collect())
}

fn capability_sets(config: &ContainerConfig) -> Result<LinuxCapabilities, RuntimeError> {
    let names = capability_names(config)?;
    let known = |name: &&str| name.parse::<Capability>().ok();
    let set: Capabilities = names.iter().filter_map(known).collect();
    // Inheritable and ambient stay empty (CVE-2022-24769).
    LinuxCapabilitiesBuilder::default()
        .bounding(set.clone())
        .effective(set.clone())
        .permitted(set)
        .inheritable(Capabilities::new())
        .ambient(Capabilities::new())
        .build()
        .map_err(malformed)
}

fn filter(config: &ContainerConfig) -> Result<Option<LinuxSeccomp>, RuntimeError> {
    let names: Vec<String> = capability_names(config)?.iter().map(|name| format!("CAP_{name}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match &config.seccomp {
        SeccompChoice::Default => seccomp::default_profile(&names).map(Some),
        SeccompChoice::Unconfined => Ok(None),
        SeccompChoice::Profile(json) => seccomp::parse(json, &names).map(Some),
    }
}

fn namespaces(network: NetworkMode, user: bool) -> Vec<LinuxNamespace> {
    let mut kinds = vec![
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Cgroup,
    ];
    if network == NetworkMode::None {
        kinds.push(LinuxNamespaceType::Network);
    }
    if user {
        kinds.push(LinuxNamespaceType::User);
    }
    let built = kinds.into_iter().map(|kind| LinuxNamespaceBuilder::default().typ(kind).build());
    built.map(|namespace| namespace.expect("a namespace needs only its type")).collect()
}

/// Docker's, for a network of the container's own: any port without privilege, and ping without CAP_NET_RAW.
/// In a user namespace the range of groups is not mapped, and the kernel refuses it.
fn sysctls(user_namespace: bool) -> HashMap<String, String> {
    let ports = ("net.ipv4.ip_unprivileged_port_start", "0");
    let ping = ("net.ipv4.ping_group_range", "0 2147483647");
    let wanted = if user_namespace { vec![ports] } else { vec![ports, ping] };
    wanted.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The limits, and the rules for devices.
fn resources(limits: &Limits) -> Result<LinuxResources, RuntimeError> {
    let mut resources = super::resources(limits)?;
    resources.set_devices(Some(devices().map_err(malformed)?));
    Ok(resources)
}

/// Nothing, then making nodes, then opening the standard ones.
fn devices() -> Result<Vec<LinuxDeviceCgroup>, OciSpecError> {
    let rule = |allow, typ, numbers: Option<(i64, i64)>, access: &str| {
        let builder = LinuxDeviceCgroupBuilder::default().allow(allow).typ(typ).access(access);
        match numbers {
            Some((major, minor)) => builder.major(major).minor(minor).build(),
            None => builder.build(),
        }
    };
    let mut rules = vec![
        rule(false, LinuxDeviceType::A, None, "rwm")?,
        rule(true, LinuxDeviceType::C, None, "m")?,
        rule(true, LinuxDeviceType::B, None, "m")?,
    ];
    for numbers in DEVICES {
        rules.push(rule(true, LinuxDeviceType::C, Some(numbers), "rwm")?);
    }
    Ok(rules)
}

/// Kernel file systems in the order they stack, then the user's binds.
fn mounts(config: &ContainerConfig, maps: Option<&IdMaps>) -> Result<Vec<Mount>, OciSpecError> {
    // The group of terminals; without a range of ids it is not mapped, and the kernel refuses it.
    let has_tty_group = maps.is_none_or(|maps| maps.gids.len() > 1);
    let pts = "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620";
    let pts = if has_tty_group { format!("{pts},gid=5") } else { pts.to_owned() };
    let kernel = [
        ("/proc", "proc", "proc", "nosuid,noexec,nodev"),
        ("/dev", "tmpfs", "tmpfs", "nosuid,nodev,noexec,strictatime,mode=755,size=65536k"),
        ("/dev/pts", "devpts", "devpts", pts.as_str()),
        ("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"),
        ("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,ro"),
        ("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
        ("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=67108864"),
    ];
    let kernel = kernel.into_iter().map(|(target, kind, source, options)| mount(target, kind, source, options));
    // Parents before what is mounted below them, whatever the order on the command line.
    let mut binds: Vec<&BindMount> = config.mounts.iter().collect();
    binds.sort_by_key(|bind| bind.target.components().count());
    kernel.chain(binds.into_iter().map(bind)).collect()
}

fn mount(target: &str, kind: &str, source: &str, options: &str) -> Result<Mount, OciSpecError> {
    let options: Vec<String> = options.split(',').map(str::to_owned).collect();
    MountBuilder::default().destination(target).typ(kind).source(source).options(options).build()
}

/// `nodev`, as a device node in a bind would be the machine's; read-only with all that is mounted below.
fn bind(bind: &BindMount) -> Result<Mount, OciSpecError> {
    let access = if bind.read_only { "rro" } else { "rw" };
    let options: Vec<String> = ["rbind", "rprivate", "nodev", access].map(str::to_owned).to_vec();
    let builder = MountBuilder::default().destination(&bind.target).typ("bind").source(&bind.source);
    builder.options(options).build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Signal;

    fn config() -> ContainerConfig {
        ContainerConfig {
            command: vec!["true".to_owned()],
            env: vec!["A=1".to_owned(), "B=2".to_owned()],
            workdir: String::new(),
            user: "web:staff".to_owned(),
            hostname: "box".to_owned(),
            tty: false,
            stdin_open: false,
            auto_remove: false,
            init: false,
            read_only: false,
            network: NetworkMode::None,
            mounts: Vec::new(),
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            no_new_privileges: true,
            seccomp: SeccompChoice::Default,
            limits: Limits::default(),
            restart: crate::model::RestartPolicy::No,
            rlimits: Vec::new(),
            stop_signal: Signal::TERM,
            stop_timeout_ms: 10_000,
            labels: BTreeMap::new(),
            detach_keys: None,
        }
    }

    fn names(add: &[&str], drop: &[&str]) -> Vec<&'static str> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let config = ContainerConfig { cap_add: owned(add), cap_drop: owned(drop), ..config() };
        capability_names(&config).expect("known names")
    }

    #[test]
    fn capabilities_are_dockers_fourteen_unless_told_otherwise() {
        assert_eq!(names(&[], &[]).len(), 14);
        assert_eq!(names(&["NET_ADMIN"], &["ALL"]), ["NET_ADMIN"]);
        assert_eq!(names(&["ALL"], &["cap_sys_admin"]).len(), 40);
        assert_eq!(names(&["SYS_PTRACE", "ALL"], &[]).len(), 41);
        assert!(!names(&[], &["CAP_CHOWN"]).contains(&"CHOWN"));
    }

    #[test]
    fn unknown_capability_is_refused() {
        let config = ContainerConfig { cap_add: vec!["CAP_NOPE".to_owned()], ..config() };
        assert!(capability_names(&config).is_err());
    }

    #[test]
    fn every_capability_name_is_one_of_the_specification() {
        let config = ContainerConfig { cap_add: vec!["ALL".to_owned()], ..config() };
        let sets = capability_sets(&config).expect("sets");
        assert_eq!(sets.bounding().as_ref().map(Capabilities::len), Some(41));
        assert_eq!(sets.inheritable().as_ref().map(Capabilities::len), Some(0));
    }

    #[test]
    fn spec_of_root_has_no_user_namespace_and_survives_json() {
        let spec = build_spec(&config(), None).expect("spec");
        let text = serde_json::to_string(&spec).expect("json");
        let read: Spec = serde_json::from_str(&text).expect("read");
        assert_eq!(read, spec);
        let linux = spec.linux().as_ref().expect("linux");
        assert_eq!(linux.namespaces().as_ref().map(Vec::len), Some(6));
        assert!(linux.seccomp().is_some());
        assert_eq!(spec.process().as_ref().and_then(|p| p.user().username().clone()), Some("web:staff".to_owned()));
    }

    #[test]
    fn spec_of_user_maps_ids_and_leaves_the_tty_group_out() {
        let sources = idmap::Sources { folders: Vec::new(), ..idmap::Sources::default() };
        let maps = sources.maps_of(1000, 1000, None);
        let spec = build_spec(&config(), Some(&maps)).expect("spec");
        let mounts = spec.mounts().as_ref().expect("mounts");
        let pts = mounts.iter().find(|mount| mount.typ().as_deref() == Some("devpts")).expect("devpts");
        assert!(!pts.options().iter().flatten().any(|option| option.starts_with("gid=")));
        assert!(spec.linux().as_ref().is_some_and(|linux| linux.uid_mappings().is_some()));
    }

    #[test]
    fn binds_come_parents_first_and_read_only_is_recursive() {
        let bind = |target: &str, read_only| BindMount { source: "/s".into(), target: target.into(), read_only };
        let config = ContainerConfig { mounts: vec![bind("/a/b", true), bind("/a", false)], ..config() };
        let mounts = mounts(&config, None).expect("mounts");
        let tail: Vec<_> = mounts.iter().rev().take(2).collect();
        assert_eq!(tail[1].destination().to_str(), Some("/a"));
        assert!(tail[0].options().iter().flatten().any(|option| option == "rro"));
    }

    #[test]
    fn exec_lays_its_environment_over_the_containers() {
        let wish = ExecProcess { command: vec!["sh".into()], env: vec!["B=3".into()], ..ExecProcess::default() };
        let request = exec_request(&config(), &wish).expect("request");
        assert_eq!(request.process.env(), &Some(vec!["A=1".to_owned(), "B=3".to_owned()]));
        assert_eq!(request.process.cwd().to_str(), Some("/"));
    }

    #[test]
    fn rlimit_of_unknown_name_is_refused() {
        let limit = |name: &str| rlimit(&Rlimit { name: name.to_owned(), soft: 1, hard: 2 });
        assert!(limit("RLIMIT_NOFILE").is_ok() && limit("RLIMIT_NOPE").is_err());
    }
}
