//! The namespaces a specification lists: which are made, which are joined by path, which stay the caller's.
//!
//! Those to join are opened and verified before anything else happens; no path is looked up after one was joined.

use std::io;
use std::path::Path;

use oci_spec::runtime::{Linux, LinuxNamespace, LinuxNamespaceType, Spec};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use super::RuntimeError;
use crate::sys::namespace::{Namespace, enter_new_time};

/// What is to become of each kind of namespace.
#[derive(Debug)]
pub(super) struct Namespaces {
    /// `CLONE_NEW…` flags of those to be made.
    new: u64,
    joined: Vec<Joined>,
    /// Of the clocks of a new time namespace.
    offsets: Option<String>,
}

/// An open namespace, and the field of the specification that names it.
#[derive(Debug)]
struct Joined {
    flag: i32,
    field: String,
    namespace: Namespace,
}

impl Namespaces {
    pub fn of(spec: &Spec) -> Result<Self, RuntimeError> {
        let linux = spec.linux().as_ref();
        let mut namespaces = Self { new: 0, joined: Vec::new(), offsets: None };
        let listed = linux.and_then(|linux| linux.namespaces().as_ref());
        for (number, one) in listed.into_iter().flatten().enumerate() {
            namespaces.add(number, one)?;
        }
        if !namespaces.has(libc::CLONE_NEWNS) {
            return Err(RuntimeError::InvalidRequest(
                "linux.namespaces: a container needs a mount namespace of its own: without one its mounts would be the machine's"
                    .to_owned(),
            ));
        }
        namespaces.offsets = linux.and_then(offsets);
        if namespaces.offsets.is_some() && !namespaces.is_new(libc::CLONE_NEWTIME) {
            return Err(RuntimeError::InvalidRequest(
                "linux.timeOffsets: needs a new time namespace in linux.namespaces".to_owned(),
            ));
        }
        Ok(namespaces)
    }

    fn add(&mut self, number: usize, one: &LinuxNamespace) -> Result<(), RuntimeError> {
        let flag = flag(one.typ());
        if self.has(flag) {
            let what = format!("linux.namespaces[{number}]: the type {} is listed twice", one.typ());
            return Err(RuntimeError::InvalidRequest(what));
        }
        let Some(path) = one.path().as_deref().filter(|path| !path.as_os_str().is_empty()) else {
            self.new |= flag as u64;
            return Ok(());
        };
        let field = format!("linux.namespaces[{number}].path");
        let namespace = open(path, flag, &field)?;
        // The kernel refuses to join the user namespace that one is in.
        let own = flag == libc::CLONE_NEWUSER && namespace.is("/proc/self/ns/user").unwrap_or(false);
        if !own {
            self.joined.push(Joined { flag, field, namespace });
        }
        Ok(())
    }

    /// Made or joined: not the caller's.
    pub fn has(&self, flag: i32) -> bool {
        self.is_new(flag) || self.is_joined(flag)
    }

    fn is_new(&self, flag: i32) -> bool {
        self.new & flag as u64 != 0
    }

    fn is_joined(&self, flag: i32) -> bool {
        self.joined.iter().any(|joined| joined.flag == flag)
    }

    /// For clone3(2). The cgroup namespace is left out: it is made by [`Self::new_cgroup`] after the cgroups are joined, as its root
    /// is where the process is then. A time namespace with offsets is made by [`Self::set_clocks`].
    pub fn clone_flags(&self) -> u64 {
        let later = if self.offsets.is_some() { libc::CLONE_NEWTIME } else { 0 };
        self.new & !((libc::CLONE_NEWCGROUP | later) as u64)
    }

    pub fn new_user(&self) -> bool {
        self.is_new(libc::CLONE_NEWUSER)
    }

    /// The process is in a user namespace that is not the caller's.
    pub fn user(&self) -> bool {
        self.has(libc::CLONE_NEWUSER)
    }

    pub fn new_cgroup(&self) -> bool {
        self.is_new(libc::CLONE_NEWCGROUP)
    }

    pub fn new_network(&self) -> bool {
        self.is_new(libc::CLONE_NEWNET)
    }

    /// Whether the container's network is another than the caller's: new, or joined.
    pub fn own_network(&self) -> bool {
        self.has(libc::CLONE_NEWNET)
    }

    /// The process is in a network that is not the caller's.
    pub fn network(&self) -> bool {
        self.has(libc::CLONE_NEWNET)
    }

    pub fn uts(&self) -> bool {
        self.has(libc::CLONE_NEWUTS)
    }

    /// Whether a stage of its own must join before the container's process is cloned: a pid namespace has only children
    /// for members; what is new belongs to the user namespace that was there before; and in a new user namespace there is
    /// no right to join what belongs to the caller's.
    pub fn need_stage(&self) -> bool {
        self.is_joined(libc::CLONE_NEWPID)
            || self.is_joined(libc::CLONE_NEWUSER)
            || self.new_user() && !self.joined.is_empty()
    }

    /// Joins all. What the caller's rights do not reach may belong to the user namespace to be joined, and comes after it.
    pub fn join(&self) -> Result<(), RuntimeError> {
        let is_user = |joined: &&Joined| joined.flag == libc::CLONE_NEWUSER;
        let user = self.joined.iter().find(is_user);
        let mut denied = Vec::new();
        for joined in self.joined.iter().filter(|joined| !is_user(joined)) {
            match joined.namespace.join() {
                Err(error) if user.is_some() && error.kind() == io::ErrorKind::PermissionDenied => denied.push(joined),
                done => done.map_err(|error| refused(joined, error))?,
            }
        }
        let Some(user) = user else { return Ok(()) };
        user.namespace.join().map_err(|error| refused(user, error))?;
        denied.into_iter().try_for_each(|joined| joined.namespace.join().map_err(|error| refused(joined, error)))?;
        become_root()
    }

    /// Makes the time namespace that clone3(2) cannot make.
    pub fn set_clocks(&self) -> Result<(), RuntimeError> {
        let Some(offsets) = &self.offsets else { return Ok(()) };
        enter_new_time(offsets).map_err(|error| RuntimeError::step("linux.timeOffsets: make a time namespace", error))
    }
}

fn open(path: &Path, flag: i32, field: &str) -> Result<Namespace, RuntimeError> {
    if !path.is_absolute() {
        return Err(RuntimeError::InvalidRequest(format!("{field}: {} is not absolute", path.display())));
    }
    Namespace::open(path, flag)
        .map_err(|error| RuntimeError::InvalidRequest(format!("{field}: {}: {error}", path.display())))
}

fn refused(joined: &Joined, error: io::Error) -> RuntimeError {
    RuntimeError::step(format!("{}: join the namespace", joined.field), error)
}

/// In a user namespace that was just entered: its root, so that what is made has an owner. Root of the machine is nobody
/// in one that does not map it; a user who is mapped to root is root there, and keeps his groups.
pub(super) fn become_root() -> Result<(), RuntimeError> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let failed = |error: rustix::io::Errno| match error {
        rustix::io::Errno::INVAL => RuntimeError::InvalidRequest(
            "linux.uidMappings, linux.gidMappings: id 0 of the container is not mapped".to_owned(),
        ),
        error => RuntimeError::step("become root of the container's user namespace", error),
    };
    // Denied where one id is mapped (user_namespaces(7)).
    let _ = set_thread_groups(&[]);
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).map_err(failed)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).map_err(failed)
}

/// Lines of /proc/PID/timens_offsets.
fn offsets(linux: &Linux) -> Option<String> {
    let wanted = linux.time_offsets().as_ref().filter(|offsets| !offsets.is_empty())?;
    let line = |(clock, offset): (&String, &oci_spec::runtime::LinuxTimeOffset)| {
        format!("{clock} {} {}\n", offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0))
    };
    Some(wanted.iter().map(line).collect())
}

fn flag(kind: LinuxNamespaceType) -> i32 {
    match kind {
        LinuxNamespaceType::Mount => libc::CLONE_NEWNS,
        LinuxNamespaceType::Cgroup => libc::CLONE_NEWCGROUP,
        LinuxNamespaceType::Uts => libc::CLONE_NEWUTS,
        LinuxNamespaceType::Ipc => libc::CLONE_NEWIPC,
        LinuxNamespaceType::User => libc::CLONE_NEWUSER,
        LinuxNamespaceType::Pid => libc::CLONE_NEWPID,
        LinuxNamespaceType::Network => libc::CLONE_NEWNET,
        LinuxNamespaceType::Time => libc::CLONE_NEWTIME,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use oci_spec::runtime::{LinuxBuilder, LinuxNamespaceBuilder, LinuxTimeOffsetBuilder, SpecBuilder};

    use super::*;

    fn one(kind: LinuxNamespaceType, path: &str) -> LinuxNamespace {
        LinuxNamespaceBuilder::default().typ(kind).path(PathBuf::from(path)).build().expect("namespace")
    }

    fn linux(namespaces: Vec<LinuxNamespace>) -> LinuxBuilder {
        LinuxBuilder::default().namespaces(namespaces)
    }

    fn of(linux: LinuxBuilder) -> Result<Namespaces, RuntimeError> {
        let linux = linux.build().expect("linux");
        Namespaces::of(&SpecBuilder::default().linux(linux).build().expect("spec"))
    }

    fn error(namespaces: Vec<LinuxNamespace>) -> String {
        of(linux(namespaces)).expect_err("refused").to_string()
    }

    #[test]
    fn cgroup_namespace_is_not_cloned() {
        let kinds = [LinuxNamespaceType::Pid, LinuxNamespaceType::Mount, LinuxNamespaceType::Cgroup];
        let namespaces = of(linux(kinds.map(|kind| one(kind, "")).to_vec())).expect("namespaces");
        assert!(namespaces.new_cgroup() && !namespaces.new_user() && !namespaces.new_network());
        assert!(!namespaces.need_stage());
        assert_eq!(namespaces.clone_flags(), (libc::CLONE_NEWPID | libc::CLONE_NEWNS) as u64);
    }

    #[test]
    fn container_with_the_hosts_mounts_is_refused() {
        assert!(error(vec![one(LinuxNamespaceType::Pid, "")]).starts_with("linux.namespaces: "));
    }

    #[test]
    fn namespace_listed_twice_is_refused_by_its_place() {
        let kinds = [LinuxNamespaceType::Mount, LinuxNamespaceType::Uts, LinuxNamespaceType::Uts];
        let message = error(kinds.map(|kind| one(kind, "")).to_vec());
        assert_eq!(message, "linux.namespaces[2]: the type uts is listed twice");
    }

    #[test]
    fn path_of_another_kind_or_none_is_refused_by_its_field() {
        let message = error(vec![one(LinuxNamespaceType::Network, "/proc/self/ns/uts")]);
        assert_eq!(message, "linux.namespaces[0].path: /proc/self/ns/uts: it is a uts namespace");
        assert!(error(vec![one(LinuxNamespaceType::Network, "/nonexistent")]).contains("[0].path: /nonexistent: "));
        assert!(error(vec![one(LinuxNamespaceType::Network, "net")]).contains("[0].path: net is not absolute"));
    }

    #[test]
    fn joining_pids_takes_a_stage_and_the_own_user_namespace_is_no_join() {
        let mount = || one(LinuxNamespaceType::Mount, "");
        let pid = of(linux(vec![mount(), one(LinuxNamespaceType::Pid, "/proc/self/ns/pid")])).expect("namespaces");
        assert!(pid.need_stage() && pid.has(libc::CLONE_NEWPID));
        let user = of(linux(vec![mount(), one(LinuxNamespaceType::User, "/proc/self/ns/user")])).expect("namespaces");
        assert!(!user.need_stage() && !user.user());
    }

    #[test]
    fn time_offsets_are_lines_and_need_a_time_namespace() {
        let offset = LinuxTimeOffsetBuilder::default().secs(86400).nanosecs(5_u32).build().expect("offset");
        let clocks = || std::collections::HashMap::from([("boottime".to_owned(), offset.clone())]);
        let kinds = [LinuxNamespaceType::Mount, LinuxNamespaceType::Time].map(|kind| one(kind, ""));
        let namespaces = of(linux(kinds.to_vec()).time_offsets(clocks())).expect("namespaces");
        assert_eq!(namespaces.offsets.as_deref(), Some("boottime 86400 5\n"));
        assert_eq!(namespaces.clone_flags(), libc::CLONE_NEWNS as u64);
        let refused = of(linux(kinds[..1].to_vec()).time_offsets(clocks())).expect_err("no time namespace");
        assert!(refused.to_string().starts_with("linux.timeOffsets: "));
    }
}
