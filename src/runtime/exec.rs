//! Runs one more process inside a running container.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use super::cgroup::Membership;
use super::idmap;
use super::namespaces::become_root;
use super::process::finish::Finish;
use super::process::outward;
use super::process::streams::{Streams, lead_session, open_terminal, take_terminal};
use super::report::{self, Lower};
use super::rootfs::inside::{self, Symlinks};
use super::seccomp::Agent;
use super::stage;
use super::start::{await_execution, kill_and_reap, never_return, reap};
use super::validate;
use super::{CgroupPlace, ExecRequest, RuntimeError, Started, Stdio};
use crate::sys::clone::{CloneOptions, Cloned, clone3};

/// statfs's magic number of devpts (linux/magic.h).
const DEVPTS_MAGIC: rustix::fs::FsWord = 0x1cd1;

/// Joins the namespaces, cgroup and root of the container whose first process is `pid`/`pidfd`, and executes.
///
/// The caller must have a single thread; the new process is its own child.
pub fn exec(
    pid: i32,
    pidfd: BorrowedFd<'_>,
    cgroup: &CgroupPlace,
    request: &ExecRequest,
    stdio: &Stdio,
) -> Result<Started, RuntimeError> {
    validate::process(&request.process)?;
    let namespaces = foreign_namespaces(pid)?;
    // What was just read of the pid was this process's only if it lives still.
    if crate::sys::signal::send(pidfd, 0).is_err() {
        return Err(RuntimeError::InvalidRequest("the container's first process has ended".to_owned()));
    }
    let (upper, mut lower) = report::line().map_err(|error| RuntimeError::step("socketpair", error))?;
    let streams = Streams::open(stdio).map_err(|error| RuntimeError::step("make pipes", error))?;
    if let Some(root) = namespaces.contains(ThreadNameSpaceType::USER).then(|| idmap::root_user_of(pid)).flatten() {
        streams.give_pipes_to(root);
    }
    let agent = Agent::of(request.seccomp.as_ref(), request.container.told(pid))?;
    let membership = Membership::of(cgroup, &request.cgroups)?;
    let join = Join { pidfd, namespaces, request, streams: &streams, membership: &membership, agent: agent.as_ref() };
    // The stage itself is born in the v2 group: once in a user namespace it may not put anybody there any more.
    let into_group = CloneOptions { flags: 0, cgroup: membership.born_in() };
    let stage = match clone3(&into_group).map_err(|error| RuntimeError::step("clone3", error))? {
        Cloned::Child => {
            drop(upper);
            never_return(&mut lower, |line| join.run(line))
        }
        Cloned::Parent { pid, .. } => pid,
    };
    drop(lower);
    let process = stage::hear_of_process(&upper);
    reap(stage);
    let (pid, pidfd) = process?;
    let finished = await_execution(&upper, &pidfd, || Ok(()));
    match finished.and_then(|terminal| streams.into_io(terminal).map_err(|e| RuntimeError::step("receive", e))) {
        Ok(io) => Ok(Started { pid, pidfd, io, cgroup: cgroup.clone(), held: None }),
        Err(error) => {
            kill_and_reap(&pidfd);
            Err(error)
        }
    }
}

/// The namespaces in which the container's first process differs from this one.
pub(super) fn foreign_namespaces(pid: i32) -> Result<ThreadNameSpaceType, RuntimeError> {
    let kinds = [
        ("user", ThreadNameSpaceType::USER),
        ("mnt", ThreadNameSpaceType::MOUNT),
        ("pid", ThreadNameSpaceType::PROCESS_ID),
        ("ipc", ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION),
        ("uts", ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME),
        ("net", ThreadNameSpaceType::NETWORK),
        ("cgroup", ThreadNameSpaceType::CONTROL_GROUP),
        ("time", ThreadNameSpaceType::TIME),
    ];
    let mut foreign = ThreadNameSpaceType::empty();
    for (name, kind) in kinds {
        let path = format!("/proc/{pid}/ns/{name}");
        let theirs = fs::read_link(&path).map_err(|error| RuntimeError::step(format!("read {path}"), error))?;
        if fs::read_link(format!("/proc/self/ns/{name}")).ok() != Some(theirs) {
            foreign |= kind;
        }
    }
    Ok(foreign)
}

/// The middle stage: it joins, then clones the process itself, as a pid namespace is joined only by children.
struct Join<'a> {
    pidfd: BorrowedFd<'a>,
    namespaces: ThreadNameSpaceType,
    request: &'a ExecRequest,
    streams: &'a Streams,
    membership: &'a Membership,
    agent: Option<&'a Agent>,
}

impl Join<'_> {
    fn run(&self, line: &mut Lower) -> Result<Infallible, RuntimeError> {
        // Before the container's /proc is in sight, and while this process has the caller's rights.
        outward::set(&self.request.process, None)?;
        stage::hide_from_tracers()?;
        let affinity = outward::Affinity(&self.request.process);
        affinity.before()?;
        self.membership.join().map_err(|error| RuntimeError::step("join the cgroups", error))?;
        affinity.after()?;
        self.enter_namespaces()?;
        let options = CloneOptions::default();
        stage::clone_process(line, &options, |line, pid| self.become_process(line, pid))
    }

    /// All at once (Linux 5.8): either every namespace is joined or none.
    fn enter_namespaces(&self) -> Result<(), RuntimeError> {
        move_into_thread_name_spaces(self.pidfd, self.namespaces)
            .map_err(|error| RuntimeError::step("join the container's namespaces", error))?;
        if !self.namespaces.contains(ThreadNameSpaceType::USER) {
            return Ok(());
        }
        become_root()
    }

    fn become_process(&self, line: &mut Lower, pid: i32) -> Result<Infallible, RuntimeError> {
        let failed = |error: io::Error| RuntimeError::step("take the standard streams", error);
        lead_session();
        match self.streams {
            Streams::Pipes { .. } | Streams::Inherited => self.streams.take().map_err(failed)?,
            Streams::Terminal(size) => {
                let devpts = container_devpts()?;
                let (master, slave) = open_terminal(devpts.as_fd(), *size).map_err(failed)?;
                take_terminal(&slave).map_err(failed)?;
                line.terminal(&master).map_err(failed)?;
            }
        }
        outward::set_personality(self.request.personality.as_ref())?;
        let finish = Finish {
            process: &self.request.process,
            seccomp: self.request.seccomp.as_ref(),
            agent: self.agent.map(|agent| (agent, pid)),
            init: false,
            hold: false,
            die_with_parent: self.request.die_with_parent,
            new_keyring: true,
            preserve_fds: self.request.preserve_fds,
            start_hooks: None,
        };
        finish.run(line)
    }
}

/// The container's /dev/pts, which must be a devpts and no link.
fn container_devpts() -> Result<OwnedFd, RuntimeError> {
    let failed = |error: io::Error| RuntimeError::step("open the container's /dev/pts", error);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, "/", flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let found = inside::find(&root, Path::new("/dev/pts"), Symlinks::Refused).map_err(failed)?;
    match found {
        Some(devpts) if fstatfs(&devpts).is_ok_and(|fs| fs.f_type == DEVPTS_MAGIC) => Ok(devpts),
        _ => Err(RuntimeError::InvalidRequest("the container has no devpts at /dev/pts".to_owned())),
    }
}
