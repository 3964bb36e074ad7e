//! Which namespaces a container gets, and the kernel's settings in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType};

use super::{Around, Kind};
use crate::model::{ContainerConfig, NamespaceMode, NetworkMode};
use crate::runtime::RuntimeError;

/// New ones but for what the configuration shares; of another container by the path of its first process's.
pub(super) fn namespaces(
    config: &ContainerConfig,
    kind: &Kind,
    around: &Around,
) -> Result<Vec<LinuxNamespace>, RuntimeError> {
    let isolation = &config.isolation;
    let network = match &config.network {
        NetworkMode::Host => NamespaceMode::Host,
        NetworkMode::Container(target) => NamespaceMode::Container(target.clone()),
        NetworkMode::None | NetworkMode::Networks => NamespaceMode::Private,
    };
    let wished = [
        (LinuxNamespaceType::Pid, &isolation.pid),
        (LinuxNamespaceType::Mount, &NamespaceMode::Private),
        (LinuxNamespaceType::Ipc, &isolation.ipc),
        (LinuxNamespaceType::Uts, &isolation.uts),
        (LinuxNamespaceType::Cgroup, &isolation.cgroup),
        (LinuxNamespaceType::Network, &network),
    ];
    let mut namespaces = Vec::with_capacity(8);
    if isolation.time == NamespaceMode::Private && Path::new("/proc/self/ns/time").exists() {
        namespaces.push(namespace(LinuxNamespaceType::Time, None));
    }
    for (typ, mode) in wished {
        namespaces.extend(match mode {
            NamespaceMode::Private => Some(namespace(typ, None)),
            NamespaceMode::Host => None,
            NamespaceMode::Container(name) => Some(namespace(typ, Some(around.path_of(name, typ)?))),
        });
    }
    if !matches!(kind, Kind::Machine) {
        // An ordinary user has rights over another container's network only from inside that one's user namespace, whose ids are
        // his as well. Root joins it from outside, and the ids stay the container's own.
        let joined = match (&config.network, kind) {
            (NetworkMode::Container(target), Kind::Users(_)) => Some(around.path_of(target, LinuxNamespaceType::User)?),
            _ => None,
        };
        namespaces.push(namespace(LinuxNamespaceType::User, joined));
    }
    Ok(namespaces)
}

fn namespace(typ: LinuxNamespaceType, path: Option<PathBuf>) -> LinuxNamespace {
    let builder = LinuxNamespaceBuilder::default().typ(typ);
    let builder = if let Some(path) = path { builder.path(path) } else { builder };
    builder.build().expect("a namespace needs only its type")
}

/// Docker's, for a network of the container's own: any port without privilege, and ping without CAP_NET_RAW for every group
/// that there is in it (the kernel refuses a range with others). What the user asks for comes over them.
pub(super) fn sysctls(config: &ContainerConfig, kind: &Kind) -> HashMap<String, String> {
    let mut sysctls = HashMap::new();
    if matches!(config.network, NetworkMode::None | NetworkMode::Networks) {
        sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
        sysctls.insert("net.ipv4.ping_group_range".to_owned(), format!("0 {}", kind.last_group()));
    }
    sysctls.extend(config.isolation.sysctls.clone());
    sysctls
}
