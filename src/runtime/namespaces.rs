//! The namespaces a specification lists, as flags for the kernel.

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::RuntimeError;

/// Which namespaces are to be new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Namespaces(u64);

impl Namespaces {
    pub fn of(spec: &Spec) -> Result<Self, RuntimeError> {
        let mut flags = 0;
        let listed = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_ref());
        for namespace in listed.into_iter().flatten() {
            if let Some(path) = namespace.path() {
                return Err(RuntimeError::InvalidRequest(format!(
                    "joining the namespace {} at start is not supported",
                    path.display()
                )));
            }
            flags |= flag(namespace.typ())?;
        }
        let namespaces = Self(flags);
        if namespaces.has(libc::CLONE_NEWPID) && namespaces.has(libc::CLONE_NEWNS) {
            return Ok(namespaces);
        }
        // Without them the host's processes and mounts would be the container's.
        Err(RuntimeError::InvalidRequest("a container needs a pid and a mount namespace".to_owned()))
    }

    pub fn has(self, flag: i32) -> bool {
        self.0 & flag as u64 != 0
    }

    /// For clone3(2). The cgroup namespace is left out: it is made by [`Self::new_cgroup`] after the cgroups are joined, as its root
    /// is where the process is then.
    pub fn clone_flags(self) -> u64 {
        self.0 & !(libc::CLONE_NEWCGROUP as u64)
    }

    pub fn new_user(self) -> bool {
        self.has(libc::CLONE_NEWUSER)
    }

    pub fn new_cgroup(self) -> bool {
        self.has(libc::CLONE_NEWCGROUP)
    }

    pub fn new_network(self) -> bool {
        self.has(libc::CLONE_NEWNET)
    }

    pub fn new_uts(self) -> bool {
        self.has(libc::CLONE_NEWUTS)
    }
}

fn flag(kind: LinuxNamespaceType) -> Result<u64, RuntimeError> {
    let flag = match kind {
        LinuxNamespaceType::Mount => libc::CLONE_NEWNS,
        LinuxNamespaceType::Cgroup => libc::CLONE_NEWCGROUP,
        LinuxNamespaceType::Uts => libc::CLONE_NEWUTS,
        LinuxNamespaceType::Ipc => libc::CLONE_NEWIPC,
        LinuxNamespaceType::User => libc::CLONE_NEWUSER,
        LinuxNamespaceType::Pid => libc::CLONE_NEWPID,
        LinuxNamespaceType::Network => libc::CLONE_NEWNET,
        LinuxNamespaceType::Time => {
            return Err(RuntimeError::InvalidRequest("time namespaces are not supported".to_owned()));
        }
    };
    Ok(flag as u64)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{LinuxBuilder, LinuxNamespaceBuilder, SpecBuilder};

    use super::*;

    fn spec(kinds: &[LinuxNamespaceType]) -> Spec {
        let namespaces: Vec<_> =
            kinds.iter().map(|kind| LinuxNamespaceBuilder::default().typ(*kind).build().expect("namespace")).collect();
        let linux = LinuxBuilder::default().namespaces(namespaces).build().expect("linux");
        SpecBuilder::default().linux(linux).build().expect("spec")
    }

    #[test]
    fn cgroup_namespace_is_not_cloned() {
        let kinds = [LinuxNamespaceType::Pid, LinuxNamespaceType::Mount, LinuxNamespaceType::Cgroup];
        let namespaces = Namespaces::of(&spec(&kinds)).expect("namespaces");
        assert!(namespaces.new_cgroup() && !namespaces.new_user() && !namespaces.new_network());
        assert_eq!(namespaces.clone_flags(), (libc::CLONE_NEWPID | libc::CLONE_NEWNS) as u64);
    }

    #[test]
    fn container_with_the_hosts_processes_is_refused() {
        assert!(Namespaces::of(&spec(&[LinuxNamespaceType::Mount])).is_err());
    }
}
