//! Visits to a container's files: the caller's process, or one for the visit, comes to stand at the container's root with
//! the rights of the container's own root user, and with nothing of the machine in reach but the descriptors it has open.
//!
//! No program and no library of the container is ever loaded there (CVE-2019-14271), and what is done at the root can do
//! no more than the container's root user could (CVE-2018-15664), however its processes swap folders for links meanwhile.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::Spec;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, set_parent_process_death_signal};
use rustix::process::{WaitIdStatus, waitid};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
use serde::{Deserialize, Serialize};

use super::elsewhere;
use super::exec::foreign_namespaces;
use super::idmap::{self, IdMaps};
use super::namespaces::{Namespaces, become_root as become_root_user};
use super::report::{self, Lower, Report, Upper};
use super::rootfs::handed::{Handed, Plan};
use super::rootfs::mapped::{Apart, Owner};
use super::rootfs::origin::Sources;
use super::rootfs::{become_root, host, mounts, overlay};
use super::stage::hide_from_tracers;
use super::start::{kill_and_reap, never_return, wanted_maps};
use super::{RootChange, Rootfs, RuntimeError, StartRequest};
use crate::sys::clone::{CloneOptions, Cloned, clone3};
use crate::sys::mount::{Change, Depth, Propagation, change, change_root};
use crate::sys::program;

/// Where a visit goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Place {
    /// The running container whose first process this is, with all that is mounted in it.
    Running { pid: i32 },
    /// A container that does not run. Its root is put together as for a start, with the mounts that the specification
    /// lists and no others; of the namespaces only those for users and mounts are made.
    Stopped(Box<StartRequest>),
    /// The machine itself, as the root user of the caller's containers sees it: whatever their mapped ids own is in reach.
    Machine,
}

/// Goes to the place and does `part` with its root folder (O_PATH); returns what `part` does, an exit code.
///
/// The caller must have a single thread, and should end soon after: it may have come to live in other namespaces.
pub fn visit(place: &Place, part: impl FnOnce(OwnedFd) -> i32) -> Result<i32, RuntimeError> {
    match place {
        Place::Running { pid } => {
            enter(*pid)?;
            Ok(part(root()?))
        }
        Place::Stopped(request) => Build::of(request)?.visit(part),
        Place::Machine if rustix::process::geteuid().is_root() => Ok(part(root()?)),
        Place::Machine => {
            Build { request: None, namespaces: libc::CLONE_NEWUSER as u64, maps: Some(idmap::own_maps()) }.visit(part)
        }
    }
}

fn root() -> Result<OwnedFd, RuntimeError> {
    openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| RuntimeError::step("open the container's root", error))
}

/// Joins a running container's user and mount namespaces. The mount namespace brings its own root along, whatever folder
/// the container's first process may have made its own (setns(2)).
fn enter(pid: i32) -> Result<(), RuntimeError> {
    let gone = || RuntimeError::InvalidRequest("the container's first process has ended".to_owned());
    let pidfd = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()).ok_or_else(gone)?;
    let wanted = ThreadNameSpaceType::USER | ThreadNameSpaceType::MOUNT;
    let namespaces = foreign_namespaces(pid)? & wanted;
    hide_from_tracers()?;
    move_into_thread_name_spaces(pidfd.as_fd(), namespaces)
        .map_err(|error| RuntimeError::step("join the container's namespaces", error))?;
    if namespaces.contains(ThreadNameSpaceType::USER) { become_root_user() } else { Ok(()) }
}

/// A process of its own in new namespaces.
struct Build<'a> {
    /// None: only a user namespace.
    request: Option<&'a StartRequest>,
    namespaces: u64,
    maps: Option<IdMaps>,
}

impl<'a> Build<'a> {
    fn of(request: &'a StartRequest) -> Result<Self, RuntimeError> {
        let user = Namespaces::of(&request.spec)?.new_user();
        let maps = if user { Some(wanted_maps(request)?) } else { None };
        let user = if user { libc::CLONE_NEWUSER } else { 0 };
        Ok(Self { request: Some(request), namespaces: (libc::CLONE_NEWNS | user) as u64, maps })
    }

    fn visit(&self, part: impl FnOnce(OwnedFd) -> i32) -> Result<i32, RuntimeError> {
        let plan = self.request.map(|request| Plan::of(request, self.maps.is_some())).unwrap_or_default();
        let (upper, mut lower) = report::line().map_err(|error| RuntimeError::step("socketpair", error))?;
        let options = CloneOptions { flags: self.namespaces, cgroup: None };
        let (pid, pidfd) = match clone3(&options).map_err(|error| RuntimeError::step("clone3", error))? {
            Cloned::Child => {
                drop(upper);
                never_return(&mut lower, |line| self.inside(line, &plan, part))
            }
            Cloned::Parent { pid, pidfd } => {
                // With it go copies of descriptors whose last end others wait for.
                drop(part);
                (pid, pidfd)
            }
        };
        drop(lower);
        let guided = self.guide(pid, &upper, &plan);
        match guided {
            Ok(()) => exit_code(&pidfd),
            Err(error) => {
                kill_and_reap(&pidfd);
                Err(error)
            }
        }
    }

    /// In the caller: gives the new process its ids and mounts, and waits until it stands at the root.
    fn guide(&self, pid: i32, line: &Upper, plan: &Plan) -> Result<(), RuntimeError> {
        let told = |error| RuntimeError::step("guide a visit to a container", error);
        if let Some(maps) = &self.maps {
            idmap::write(pid, maps)?;
            line.go().map_err(told)?;
        }
        if let (false, Some(request)) = (plan.is_empty(), self.request) {
            let user_namespace = self.maps.as_ref().map(|_| elsewhere::open_user_namespace(pid)).transpose()?;
            let apart = user_namespace
                .as_ref()
                .zip(self.maps.as_ref().and_then(IdMaps::root))
                .map(|(namespace, (uid, gid))| Apart { user_namespace: namespace.as_fd(), root: Owner { uid, gid } });
            let mounts = plan.make(request, apart)?;
            let mounts: Vec<BorrowedFd<'_>> = mounts.iter().map(AsFd::as_fd).collect();
            line.hand(&mounts).map_err(told)?;
        }
        match line.next().map_err(told)? {
            Report::Held => Ok(()),
            Report::Failed(error) => Err(error),
            _ => Err(RuntimeError::DiedInSetup("before it stood at the container's root".to_owned())),
        }
    }

    fn inside(
        &self,
        line: &mut Lower,
        plan: &Plan,
        part: impl FnOnce(OwnedFd) -> i32,
    ) -> Result<Infallible, RuntimeError> {
        let told = |error| RuntimeError::step("hear from the starting process", error);
        if self.maps.is_some() {
            line.wait().map_err(told)?;
        }
        let handed = if plan.is_empty() { Handed::default() } else { plan.take(line.receive().map_err(told)?)? };
        if self.maps.is_some() {
            become_root_user()?;
        }
        // Taking on other ids has cleared it, if it was set before.
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| RuntimeError::step("prctl", error))?;
        hide_from_tracers()?;
        if let Some(request) = self.request {
            self.put_together(request, handed)?;
        }
        let root = root()?;
        line.held().map_err(told)?;
        program::exit_now(part(root))
    }

    fn put_together(&self, request: &StartRequest, mut handed: Handed) -> Result<(), RuntimeError> {
        let listed = request.spec.mounts().as_deref().unwrap_or_default();
        let prepared = mounts::prepare(listed, &Sources::inside(request, self.maps.is_some()), &mut handed)?;
        change_root(Depth::Whole, &Change::propagation(Propagation::Private))
            .map_err(|error| RuntimeError::step("make mounts private", error))?;
        let root = overlay::mount(&request.rootfs, self.maps.is_some(), handed.root)?;
        if let Rootfs::Host { hide, .. } = &request.rootfs {
            host::hide_folders(root.as_fd(), hide)?;
        }
        drop(mounts::attach_all(root.as_fd(), prepared, &mut |_, _| Ok(()))?);
        become_root(&root, RootChange::Pivot).map_err(|error| RuntimeError::step("pivot_root", error))?;
        if is_read_only(&request.spec) {
            change(&root, Depth::One, &Change::read_only())
                .map_err(|error| RuntimeError::step("make the root read-only", error))?;
        }
        Ok(())
    }
}

fn is_read_only(spec: &Spec) -> bool {
    spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false)
}

/// Waits for the end of a process that is this one's child.
fn exit_code(pidfd: &OwnedFd) -> Result<i32, RuntimeError> {
    let wait = || waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
    let status = rustix::io::retry_on_intr(wait).map_err(|error| RuntimeError::step("waitid", error))?;
    let code = |status: WaitIdStatus| status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal));
    Ok(status.and_then(code).unwrap_or(1))
}

impl StartRequest {
    /// What a visit needs of this request: no process, no cgroup, no namespaces but those of users and mounts; of the
    /// mounts those at the places given.
    pub fn for_visit(mut self, places: &[&Path]) -> Self {
        use oci_spec::runtime::LinuxNamespaceType::{Mount, User};
        let mounts = self.spec.mounts().clone().unwrap_or_default();
        let kept = mounts.into_iter().filter(|mount| places.contains(&mount.destination().as_path()));
        self.spec.set_mounts(Some(kept.collect()));
        if let Some(mut linux) = self.spec.linux().clone() {
            let namespaces = linux.namespaces().clone().unwrap_or_default();
            let kept = namespaces.into_iter().filter(|one| matches!(one.typ(), User | Mount));
            linux.set_namespaces(Some(kept.collect()));
            linux.set_resources(None).set_devices(None).set_sysctl(None).set_seccomp(None);
            self.spec.set_linux(Some(linux));
        }
        self
    }
}
