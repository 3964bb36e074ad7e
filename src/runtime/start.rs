//! Starts a container: clones its first process, which sets itself up and executes the command.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use oci_spec::runtime::{LinuxSeccomp, Spec};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use super::cgroup::{self, Membership, Roots};
use super::elsewhere;
use super::hooks::{self, Moment};
use super::idmap::{self, IdMaps};
use super::namespaces::Namespaces;
use super::process::outward;
use super::process::streams::Streams;
use super::report::{self, Lower, Report, Upper};
use super::rootfs::handed::Plan;
use super::rootfs::mapped::{Apart, Owner};
use super::seccomp::{Agent, Told};
use super::setup::Setup;
use super::stage;
use super::validate;
use super::{Entrance, Held, RuntimeError, StartRequest, Started, Stdio};
use crate::sys::clone::{CloneOptions, Cloned, clone3};
use crate::sys::program;

/// Starts the container and returns once its command runs. On failure everything is undone.
///
/// The caller must have a single thread and owns the process: it reaps it and removes its cgroup in the end.
/// A caller that is killed takes the container with it (parent death signal).
pub fn start(request: &StartRequest, stdio: &Stdio) -> Result<Started, RuntimeError> {
    start_with(request, stdio, &mut |_, _| {})
}

/// As [`start()`], and calls `meanwhile` with the process's id once its namespaces are there, while it sets itself up: with
/// [`StartRequest::hold`] its command does not run before whatever that does is done. An ordinary user also gets the
/// namespaces, which only root can open by the id until the command runs.
pub fn start_with(
    request: &StartRequest,
    stdio: &Stdio,
    meanwhile: &mut dyn FnMut(i32, Option<Entrance>),
) -> Result<Started, RuntimeError> {
    validate::spec(&request.spec)?;
    let namespaces = Namespaces::of(&request.spec)?;
    let maps = if namespaces.new_user() { Some(wanted_maps(request)?) } else { None };
    let (upper, mut lower) = report::line().map_err(|error| RuntimeError::step("socketpair", error))?;
    let streams = Streams::open(stdio).map_err(|error| RuntimeError::step("make pipes", error))?;
    let plan = Plan::of(request, namespaces.user());
    let agent = Agent::of(seccomp_of(&request.spec), told(request))?;
    let mut membership = cgroup::create(&Roots::discover(), &request.cgroup)?;
    let early = if namespaces.need_stage() { 0 } else { namespaces.clone_flags() };
    let (pid, pidfd) = match clone_into(early, &mut membership) {
        Ok(Cloned::Child) => {
            drop(upper);
            let setup = Setup {
                request,
                namespaces: &namespaces,
                plan: &plan,
                streams: &streams,
                membership: &membership,
                agent: agent.as_ref(),
            };
            never_return(&mut lower, |line| setup.become_container(line))
        }
        Ok(Cloned::Parent { pid, pidfd }) => (pid, pidfd),
        Err(error) => {
            let _ = membership.place().remove();
            return Err(error);
        }
    };
    drop(lower);
    let (pid, pidfd) = if namespaces.need_stage() {
        let heard = stage::hear_of_process(&upper);
        reap(pid);
        heard.inspect_err(|_| drop(membership.place().remove()))?
    } else {
        (pid, pidfd)
    };
    let begun = Begun { pid, pidfd, line: upper };
    let entrance = Cell::new(None);
    let finished = begun
        .enter_user_namespace(request, &namespaces, maps, &streams, &entrance)
        .and_then(|maps| begun.hand_mounts(request, &plan, maps.as_ref()))
        .and_then(|()| begun.guide(request, &mut membership, &mut |pid| meanwhile(pid, entrance.take())));
    let place = membership.into_place(pid, namespaces.own_network());
    match finished.and_then(|terminal| streams.into_io(terminal).map_err(|e| RuntimeError::step("receive", e))) {
        Ok(io) => {
            let held = request.hold.then_some(Held { line: begun.line });
            Ok(Started { pid, pidfd: begun.pidfd, io, cgroup: place, held })
        }
        Err(error) => {
            kill_and_reap(&begun.pidfd);
            let _ = place.remove();
            Err(begun.cause(error))
        }
    }
}

fn seccomp_of(spec: &Spec) -> Option<&LinuxSeccomp> {
    spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref())
}

/// What a seccomp agent is told of the container.
fn told(request: &StartRequest) -> Told<'_> {
    Told {
        oci_version: request.spec.version(),
        id: &request.id,
        bundle: &request.bundle,
        annotations: request.spec.annotations().as_ref(),
        first_process: None,
    }
}

pub(super) fn wanted_maps(request: &StartRequest) -> Result<IdMaps, RuntimeError> {
    let linux = request.spec.linux().as_ref();
    let uids = linux.and_then(|linux| linux.uid_mappings().clone()).unwrap_or_default();
    let gids = linux.and_then(|linux| linux.gid_mappings().clone()).unwrap_or_default();
    if uids.is_empty() || gids.is_empty() {
        return Err(RuntimeError::InvalidRequest("a user namespace needs uid and gid mappings".to_owned()));
    }
    Ok(IdMaps { uids, gids })
}

/// Clones into the v2 group; where the kernel does not let this user (systemd's session scopes belong to root), without.
fn clone_into(flags: u64, membership: &mut Membership) -> Result<Cloned, RuntimeError> {
    let first = clone3(&CloneOptions { flags, cgroup: membership.born_in() });
    let cloned = match first {
        Err(_) if membership.born_in().is_some() => {
            membership.forget_unified();
            clone3(&CloneOptions { flags, cgroup: None })
        }
        first => first,
    };
    cloned.map_err(|error| RuntimeError::step("clone3 with new namespaces", error))
}

/// Runs a cloned process's part. Nothing of the caller's may run in it, not even when it panics.
pub(super) fn never_return(line: &mut Lower, part: impl FnOnce(&mut Lower) -> Result<Infallible, RuntimeError>) -> ! {
    match catch_unwind(AssertUnwindSafe(|| part(line))) {
        Ok(Err(error)) => {
            line.failed(&error);
            program::exit_now(error.kind().run_exit_code())
        }
        _ => program::exit_now(70),
    }
}

/// A process that was cloned and waits to be guided through its set-up.
struct Begun {
    pid: i32,
    pidfd: OwnedFd,
    line: Upper,
}

impl Begun {
    /// Writes the id maps of a new user namespace, or reads those of a joined one. From here on the process is root of it,
    /// whose pipes its own pipes shall be.
    fn enter_user_namespace(
        &self,
        request: &StartRequest,
        namespaces: &Namespaces,
        wanted: Option<IdMaps>,
        streams: &Streams,
        entrance: &Cell<Option<Entrance>>,
    ) -> Result<Option<IdMaps>, RuntimeError> {
        let maps = match wanted {
            Some(maps) => {
                idmap::write(self.pid, &maps)?;
                self.set_outward(request)?;
                maps
            }
            None if namespaces.user() => idmap::of_process(self.pid)?,
            None => return Ok(None),
        };
        if let Some((uid, _)) = maps.root() {
            streams.give_pipes_to(uid);
        }
        if namespaces.new_user() {
            if request.hold && !rustix::process::geteuid().is_root() {
                entrance.set(Some(Entrance::of(self.pid)?));
            }
            self.go()?;
        }
        Ok(Some(maps))
    }

    /// What really failed: the killed process's own report, if the line to it broke.
    fn cause(&self, error: RuntimeError) -> RuntimeError {
        let broken = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        if !matches!(&error, RuntimeError::Step { source, .. } if broken.contains(&source.kind())) {
            return error;
        }
        loop {
            match self.line.next() {
                Ok(Report::Failed(own)) => return own,
                Ok(Report::Closed) | Err(_) => return error,
                Ok(_) => {}
            }
        }
    }

    fn hand_mounts(&self, request: &StartRequest, plan: &Plan, maps: Option<&IdMaps>) -> Result<(), RuntimeError> {
        if plan.is_empty() {
            return Ok(());
        }
        let user_namespace = maps.map(|_| elsewhere::open_user_namespace(self.pid)).transpose()?;
        let apart = user_namespace.as_ref().zip(maps.and_then(IdMaps::root));
        let apart =
            apart.map(|(namespace, (uid, gid))| Apart { user_namespace: namespace.as_fd(), root: Owner { uid, gid } });
        let mounts = plan.make(request, apart)?;
        let mounts: Vec<_> = mounts.iter().map(AsFd::as_fd).collect();
        self.line.hand(&mounts).map_err(|error| RuntimeError::step("hand mounts to the container's process", error))
    }

    fn guide(
        &self,
        request: &StartRequest,
        membership: &mut Membership,
        meanwhile: &mut dyn FnMut(i32),
    ) -> Result<Option<OwnedFd>, RuntimeError> {
        let resources = request.spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
        membership.complete(self.pid, resources)?;
        let doors = membership.doors().map_err(|error| RuntimeError::step("open the cgroups", error))?;
        let doors: Vec<_> = doors.iter().map(AsFd::as_fd).collect();
        // Whatever killed the process before the sign shows in its reports.
        let _ = self.line.hand(&doors);
        meanwhile(self.pid);
        await_execution(&self.line, &self.pidfd, || self.run_hooks(request))
    }

    /// The process waits meanwhile, everything made but its root not yet changed.
    fn run_hooks(&self, request: &StartRequest) -> Result<(), RuntimeError> {
        let container = hooks::Container { id: &request.id, bundle: &request.bundle, pid: Some(self.pid) };
        for moment in [Moment::Prestart, Moment::CreateRuntime] {
            hooks::run(&request.spec, moment, container, &request.bundle)?;
        }
        self.go()
    }

    /// Who is in a user namespace of his own may not.
    fn set_outward(&self, request: &StartRequest) -> Result<(), RuntimeError> {
        let process = request.spec.process().as_ref();
        process.map_or(Ok(()), |process| outward::set(process, Some(self.pid)))
    }

    fn go(&self) -> Result<(), RuntimeError> {
        self.line.go().map_err(|error| RuntimeError::step("signal the container's process", error))
    }
}

/// Listens until the command runs or the process is held. The terminal's master side, if one was opened.
pub(super) fn await_execution(
    line: &Upper,
    pidfd: &OwnedFd,
    run_hooks: impl Fn() -> Result<(), RuntimeError>,
) -> Result<Option<OwnedFd>, RuntimeError> {
    let mut terminal = None;
    let mut executing = false;
    loop {
        match line.next().map_err(|error| RuntimeError::step("hear from the container's process", error))? {
            Report::Executing => executing = true,
            Report::Terminal(master) => terminal = Some(master),
            Report::Failed(error) => return Err(error),
            Report::Held => return Ok(terminal),
            Report::HooksDue => run_hooks()?,
            Report::Cloned { .. } => {}
            Report::Closed if executing => return Ok(terminal),
            Report::Closed => return Err(RuntimeError::DiedInSetup(fate(pidfd))),
        }
    }
}

/// How a process ended, without reaping it.
fn fate(pidfd: &OwnedFd) -> String {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    match waitid(WaitId::PidFd(pidfd.as_fd()), options) {
        Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => "no status".to_owned(),
        },
        _ => "no status".to_owned(),
    }
}

/// Ends a process that is not to be handed out.
pub(super) fn kill_and_reap(pidfd: &OwnedFd) {
    let _ = pidfd_send_signal(pidfd, Signal::KILL);
    let _ = rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED));
}

/// Reaps a helper of this room's own.
pub(super) fn reap(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED));
    }
}
