//! The specification of a container as teu runs it unless told otherwise: Docker's defaults or stricter.

mod capabilities;
mod devices;
mod mounts;
mod namespaces;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxBuilder, LinuxNamespaceType, LinuxResources, LinuxSeccomp, PosixRlimit, PosixRlimitBuilder, PosixRlimitType,
    Process, ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};

pub use self::capabilities::is_default as is_default_capability;
pub use self::devices::make_device_nodes;
pub use self::mounts::{default_masked, default_read_only};
use super::idmap::{self, IdMaps};
use super::{ExecRequest, RuntimeError, Whose, seccomp};
use crate::model::{ContainerConfig, IdRange, NamespaceMode, Rlimit, SeccompChoice, UserNamespaceMode};

/// What a specification depends on beside the container's own configuration.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The machine's ids that are the container's own.
    pub id_range: Option<IdRange>,
    /// Containers whose namespaces it joins: the name in the configuration, and the first process.
    pub others: Vec<(String, i32)>,
    /// Folders of the machine behind mounts that name none, by their targets.
    pub sources: BTreeMap<PathBuf, PathBuf>,
    /// Where [`make_device_nodes`] has made nodes.
    pub devices: Option<PathBuf>,
}

impl Around {
    fn path_of(&self, name: &str, typ: LinuxNamespaceType) -> Result<PathBuf, RuntimeError> {
        let other = self.others.iter().find(|(other, _)| other == name);
        let unknown =
            || RuntimeError::InvalidRequest(format!("container {name}, whose namespace is joined, does not run"));
        let (_, pid) = other.ok_or_else(unknown)?;
        Ok(Path::new("/proc").join(pid.to_string()).join("ns").join(file_name(typ)))
    }
}

/// The name below /proc/PID/ns.
fn file_name(typ: LinuxNamespaceType) -> &'static str {
    match typ {
        LinuxNamespaceType::Mount => "mnt",
        LinuxNamespaceType::Cgroup => "cgroup",
        LinuxNamespaceType::Uts => "uts",
        LinuxNamespaceType::Ipc => "ipc",
        LinuxNamespaceType::User => "user",
        LinuxNamespaceType::Pid => "pid",
        LinuxNamespaceType::Network => "net",
        LinuxNamespaceType::Time => "time",
    }
}

/// Whose ids a container has.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// The machine's: no user namespace.
    Machine,
    /// Some of the machine's, lent by root.
    Leased(IdMaps),
    /// Those of the ordinary user who runs teu.
    Users(IdMaps),
}

impl Kind {
    fn of(config: &ContainerConfig, around: &Around) -> Result<Self, RuntimeError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Users(idmap::own_maps()));
        }
        match (config.isolation.user_namespace, around.id_range) {
            (UserNamespaceMode::Host, _) => Ok(Self::Machine),
            (_, Some(range)) => Ok(Self::Leased(IdMaps::of_range(range))),
            (_, None) => Err(RuntimeError::InvalidRequest("no ids are leased for the user namespace".to_owned())),
        }
    }

    fn maps(&self) -> Option<&IdMaps> {
        match self {
            Self::Machine => None,
            Self::Leased(maps) | Self::Users(maps) => Some(maps),
        }
    }

    /// Whether there is a group 5 inside.
    fn maps_terminal_group(&self) -> bool {
        self.last_group() >= 5
    }

    /// The highest number of a group inside.
    fn last_group(&self) -> u32 {
        // The kernel's own upper bound of ping_group_range is half of what ids can be.
        let Some(maps) = self.maps() else { return u32::MAX / 2 };
        maps.gids.iter().map(|map| map.container_id() + (map.size() - 1)).max().unwrap_or(0)
    }
}

/// The whole specification for a container: namespaces and id maps, mounts, masked and read-only paths, capabilities,
/// seccomp, limits, devices, process.
pub fn spec(config: &ContainerConfig, around: &Around) -> Result<Spec, RuntimeError> {
    build_spec(config, &Kind::of(config, around)?, around)
}

fn build_spec(config: &ContainerConfig, kind: &Kind, around: &Around) -> Result<Spec, RuntimeError> {
    let process = process(config, &config.command, config.tty)?;
    let mut mounts = mounts::mounts(config, kind, &around.sources)?;
    mounts.extend(devices::binds(config, kind, around)?);
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces::namespaces(config, kind, around)?)
        .resources(resources(config)?)
        .devices(devices::nodes(config, kind.maps().is_some())?)
        .sysctl(namespaces::sysctls(config, kind))
        .masked_paths(mounts::masked(config))
        .readonly_paths(mounts::read_only(config));
    if let Some(seccomp) = filter(config)? {
        linux = linux.seccomp(seccomp);
    }
    if let Some(maps) = kind.maps() {
        linux = linux.uid_mappings(maps.uids.clone()).gid_mappings(maps.gids.clone());
    }
    if let Some(label) = config.isolation.selinux.as_ref().filter(|label| *label != "disable") {
        linux = linux.mount_label(label.clone());
    }
    let root = RootBuilder::default().path("rootfs").readonly(config.read_only).build().map_err(malformed)?;
    let builder =
        SpecBuilder::default().root(root).process(process).mounts(mounts).linux(linux.build().map_err(malformed)?);
    let mut spec = builder.build().map_err(malformed)?;
    // The library's own default is a name, too.
    spec.set_hostname((config.isolation.uts != NamespaceMode::Host).then(|| config.hostname.clone()));
    Ok(spec)
}

/// The limits, and the rules for devices.
fn resources(config: &ContainerConfig) -> Result<LinuxResources, RuntimeError> {
    let mut resources = super::resources(&config.limits)?;
    resources.set_devices(Some(devices::rules(config)?));
    Ok(resources)
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
        personality: None,
        die_with_parent: true,
        cgroups: Vec::new(),
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
    let isolation = &config.isolation;
    let user = UserBuilder::default().uid(0_u32).gid(0_u32).username(config.user.clone());
    let user = if isolation.groups.is_empty() { user } else { user.additional_gids(isolation.groups.clone()) };
    let workdir = if config.workdir.is_empty() { "/" } else { &config.workdir };
    let mut builder = ProcessBuilder::default()
        .terminal(tty)
        .user(user.build().map_err(malformed)?)
        .args(command.to_vec())
        .env(config.env.clone())
        .cwd(PathBuf::from(workdir))
        .capabilities(capabilities::sets(config)?)
        .rlimits(config.rlimits.iter().map(rlimit).collect::<Result<Vec<_>, _>>()?)
        .no_new_privileges(config.no_new_privileges);
    if let Some(score) = isolation.oom_score_adj {
        builder = builder.oom_score_adj(score);
    }
    if let Some(profile) = isolation.apparmor.as_ref().filter(|profile| *profile != "unconfined") {
        builder = builder.apparmor_profile(profile.clone());
    }
    if let Some(label) = isolation.selinux.as_ref().filter(|label| *label != "disable") {
        builder = builder.selinux_label(label.clone());
    }
    builder.build().map_err(malformed)
}

fn rlimit(limit: &Rlimit) -> Result<PosixRlimit, RuntimeError> {
    let typ: PosixRlimitType = serde_json::from_value(serde_json::Value::String(limit.name.clone()))
        .map_err(|_| RuntimeError::InvalidRequest(format!("{} is no resource limit", limit.name)))?;
    PosixRlimitBuilder::default().typ(typ).soft(limit.soft).hard(limit.hard).build().map_err(malformed)
}

fn filter(config: &ContainerConfig) -> Result<Option<LinuxSeccomp>, RuntimeError> {
    let names: Vec<String> = capabilities::names(config)?.iter().map(|name| format!("CAP_{name}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match &config.seccomp {
        SeccompChoice::Default if config.isolation.privileged => Ok(None),
        SeccompChoice::Default => seccomp::default_profile(&names).map(Some),
        SeccompChoice::Unconfined => Ok(None),
        SeccompChoice::Profile(json) => seccomp::parse(json, &names).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Isolation, Limits, NetworkMode, Signal};

    pub(super) fn config() -> ContainerConfig {
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
            networks: vec![],
            ports: vec![],
            exposed: vec![],
            publish_all: false,
            extra_hosts: vec![],
            dns: crate::model::DnsWish::default(),
            mounts: Vec::new(),
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            no_new_privileges: true,
            seccomp: SeccompChoice::Default,
            isolation: Isolation::default(),
            limits: Limits::default(),
            restart: crate::model::RestartPolicy::No,
            rlimits: Vec::new(),
            stop_signal: Signal::TERM,
            stop_timeout_ms: 10_000,
            labels: BTreeMap::new(),
            detach_keys: None,
        }
    }

    #[test]
    fn spec_of_root_has_no_user_namespace_and_survives_json() {
        let spec = build_spec(&config(), &Kind::Machine, &Around::default()).expect("spec");
        let text = serde_json::to_string(&spec).expect("json");
        let read: Spec = serde_json::from_str(&text).expect("read");
        assert_eq!(read, spec);
        let linux = spec.linux().as_ref().expect("linux");
        assert_eq!(linux.namespaces().as_ref().map(Vec::len), Some(7));
        assert!(linux.seccomp().is_some());
        assert_eq!(spec.process().as_ref().and_then(|p| p.user().username().clone()), Some("web:staff".to_owned()));
    }

    #[test]
    fn spec_of_user_maps_ids_and_leaves_the_tty_group_out() {
        let sources = idmap::Sources { folders: Vec::new(), ..idmap::Sources::default() };
        let maps = sources.maps_of(1000, 1000, None);
        let spec = build_spec(&config(), &Kind::Users(maps), &Around::default()).expect("spec");
        let mounts = spec.mounts().as_ref().expect("mounts");
        let pts = mounts.iter().find(|mount| mount.typ().as_deref() == Some("devpts")).expect("devpts");
        assert!(!pts.options().iter().flatten().any(|option| option.starts_with("gid=")));
        assert!(spec.linux().as_ref().is_some_and(|linux| linux.uid_mappings().is_some()));
    }

    #[test]
    fn spec_of_leased_ids_maps_them_from_nought_and_pings_within_them() {
        let range = IdRange { first_uid: 1 << 20, first_gid: 1 << 21, count: 65_536 };
        let around = Around { id_range: Some(range), ..Around::default() };
        let spec = build_spec(&config(), &Kind::Leased(IdMaps::of_range(range)), &around).expect("spec");
        let linux = spec.linux().as_ref().expect("linux");
        let kinds: Vec<_> = linux.namespaces().iter().flatten().map(|namespace| namespace.typ()).collect();
        assert!(kinds.contains(&LinuxNamespaceType::User), "{kinds:?}");
        let gids = linux.gid_mappings().as_ref().expect("maps");
        assert_eq!((gids[0].container_id(), gids[0].host_id(), gids[0].size()), (0, 1 << 21, 65_536));
        let sysctl = linux.sysctl().as_ref().expect("sysctls");
        assert_eq!(sysctl["net.ipv4.ping_group_range"], "0 65535");
    }

    #[test]
    fn privileged_container_has_no_filter_and_writable_kernel_file_systems() {
        let isolation = Isolation { privileged: true, ..Isolation::default() };
        let config = ContainerConfig { isolation, ..config() };
        let spec = build_spec(&config, &Kind::Machine, &Around::default()).expect("spec");
        let linux = spec.linux().as_ref().expect("linux");
        assert!(linux.seccomp().is_none() && linux.masked_paths().iter().flatten().next().is_none());
        let sys = spec.mounts().iter().flatten().find(|mount| mount.destination() == Path::new("/sys")).expect("sysfs");
        assert!(sys.options().iter().flatten().any(|option| option == "rw"));
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
