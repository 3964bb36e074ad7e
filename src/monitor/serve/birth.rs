//! From a freshly executed `teu monitor` to a running container.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;

use super::container::Container;
use super::event_loop::{Monitor, Parts};
use super::peer::Attached;
use super::session::Session;
use crate::model::{ErrorKind, EventAction, RestartPolicy, SessionId, Size};
use crate::monitor::log::LogWriter;
use crate::monitor::protocol::{Deframer, Kind, Reply, Request, VERSION, put_word};
use crate::monitor::request::{LOCK, SOCKET};
use crate::monitor::{AttachOptions, Lent, MonitorError, MonitorRequest, Wire, WireError};
use crate::runtime::{self, StartRequest, Started, StdinWish, Stdio};
use crate::sys::file::Lock;
use crate::sys::signalfd::Signals;
use crate::sys::{idle, program, socket};

/// A request with many mounts and a long environment is far smaller.
const MAX_START_BYTES: usize = 16 << 20;
/// Docker's exit code for its own failures.
const FAILED: i32 = 125;
/// Whose start it is holds the container's lock, so that no other monitor is here but one that was started by hand.
const PATIENCE: Duration = Duration::from_secs(5);

/// The hidden verb `monitor`: the whole life of a monitor process. Call it while the process has one thread.
pub fn main(lent: Lent) -> i32 {
    let face = match leave_the_face() {
        Ok(face) => face,
        Err(error) => {
            eprintln!("teu monitor: is started by teu itself, not by hand: {error}");
            return FAILED;
        }
    };
    let (request, attach) = match receive_start(&face) {
        Ok(Some(start)) => start,
        // The face died before it had asked for anything.
        Ok(None) => return FAILED,
        Err(error) => return refuse(&face, &MonitorError::Connection(error)),
    };
    match start(*request, lent) {
        Ok(parts) => serve(parts, face, attach),
        Err(error) => refuse(&face, &error),
    }
}

/// Takes the socket that stdin is, and cuts every other tie: session, folder, name, terminal.
fn leave_the_face() -> io::Result<OwnedFd> {
    rustix::net::sockopt::socket_type(rustix::stdio::stdin())?;
    // What the caller's shell holds open (a lock, a pipe another waits for) would be held for the container's life.
    program::close_from(3);
    let face = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    // A monitor that is a group's leader already (spawned so) can't and need not leave its session.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")?;
    rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::thread::set_name(c"teu-monitor")?;
    Ok(face)
}

fn receive_start(face: &OwnedFd) -> io::Result<Option<(Box<MonitorRequest>, Option<AttachOptions>)>> {
    let mut received = Deframer::new(MAX_START_BYTES);
    let mut buffer = vec![0; 64 << 10];
    loop {
        while let Some((kind, payload)) = received.next()? {
            let word = if kind == Kind::Control { serde_json::from_slice(payload)? } else { continue };
            if let Request::Start { request, attach } = word {
                return Ok(Some((request, attach)));
            }
        }
        match socket::receive(face, &mut buffer)? {
            0 => return Ok(None),
            count => received.push(&buffer[..count]),
        }
    }
}

/// Tells the face why there is no container.
fn refuse(face: &OwnedFd, error: &MonitorError) -> i32 {
    let mut frames = Vec::new();
    put_word(&mut frames, &Reply::Hello { version: VERSION });
    put_word(&mut frames, &Reply::failed(error));
    let _ = socket::send_all(face, &frames);
    FAILED
}

/// Takes possession of the run folder and starts the container in it; on failure nothing is left of either.
fn start(request: MonitorRequest, lent: Lent) -> Result<Parts, MonitorError> {
    let folder = request.run_folder.clone();
    let lock = take_lock(&folder)?;
    let started = listen_and_start(request, lent, lock);
    if started.is_err() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    started
}

fn take_lock(folder: &Path) -> Result<Lock, MonitorError> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(MonitorError::file("create", folder)(error));
        }
        _ => {}
    }
    let path = folder.join(LOCK);
    let taken =
        || MonitorError::Refused { kind: ErrorKind::Conflict, message: "the container is already running".to_owned() };
    let locked = Lock::exclusive_within(&path, PATIENCE).map_err(MonitorError::file("lock", &path))?;
    let lock = locked.ok_or_else(taken)?;
    // Another teu's recovery may have removed the folder between opening and locking: then this lock guards nothing.
    let held = rustix::fs::fstat(lock.as_fd()).map_err(MonitorError::call("fstat"))?;
    let named = std::fs::metadata(&path).map_err(MonitorError::file("lock", &path))?;
    if (held.st_dev, held.st_ino) == (named.dev(), named.ino()) { Ok(lock) } else { Err(taken()) }
}

fn listen_and_start(mut request: MonitorRequest, lent: Lent, lock: Lock) -> Result<Parts, MonitorError> {
    let path = request.run_folder.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(MonitorError::file("remove", &path)(error));
        }
        _ => {}
    }
    let listener = socket::listen_in(&request.run_folder, SOCKET).map_err(MonitorError::file("listen on", &path))?;
    let ends = [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP];
    let signals = Signals::block(&ends).map_err(MonitorError::call("signalfd4"))?;
    let stdio = stdio(request.tty, request.stdin_open, request.size);
    let mut wire = request.wire.take().map(lent.wire).transpose()?;
    let leave = request.leave.take().map(|plan| (lent.leave, plan));
    let started = start_wired(&mut request.start, &stdio, wire.as_deref_mut())?;
    let cgroup = started.cgroup.clone();
    let parts = publish(request, started, wire, listener, lock, signals).map(|mut parts| {
        parts.container.leave = leave;
        parts
    });
    if parts.is_err() {
        let _ = cgroup.kill_all();
        let _ = cgroup.remove();
    }
    parts
}

/// Starts a container; its connections are made while it sets itself up, before its command runs.
pub(super) fn start_wired(
    request: &mut StartRequest,
    stdio: &Stdio,
    wire: Option<&mut (dyn Wire + 'static)>,
) -> Result<Started, MonitorError> {
    let Some(wire) = wire else { return Ok(runtime::start(request, stdio)?) };
    wire.prepare(request)?;
    request.hold = true;
    let mut connected = Ok(());
    let started = runtime::start_with(request, stdio, &mut |pid, entrance| {
        connected = wire.connect(pid, entrance);
    });
    request.hold = false;
    let mut started = started.inspect_err(|_| wire.disconnect())?;
    let released = connected.map_err(MonitorError::from).and_then(|()| match started.held.take() {
        Some(held) => Ok(held.release()?),
        None => Ok(()),
    });
    match released {
        Ok(()) => Ok(started),
        Err(error) => {
            wire.disconnect();
            let _ = started.cgroup.kill_all();
            let _ = started.cgroup.remove();
            Err(error)
        }
    }
}

impl From<WireError> for MonitorError {
    fn from(error: WireError) -> Self {
        Self::Refused { kind: error.kind, message: error.message }
    }
}

impl From<runtime::RuntimeError> for MonitorError {
    fn from(error: runtime::RuntimeError) -> Self {
        Self::Refused { kind: error.kind(), message: error.to_string() }
    }
}

pub(super) fn stdio(tty: bool, stdin_open: bool, size: Option<Size>) -> Stdio {
    let stdin = if stdin_open { StdinWish::Pipe } else { StdinWish::Null };
    if tty { Stdio::Terminal(size) } else { Stdio::Pipes { stdin } }
}

/// Makes the running container known: its state on disk, its event.
fn publish(
    request: MonitorRequest,
    started: Started,
    wire: Option<Box<dyn Wire>>,
    listener: OwnedFd,
    lock: Lock,
    signals: Signals,
) -> Result<Parts, MonitorError> {
    let log = LogWriter::new(request.log.clone());
    let process = request.start.spec.process().as_ref();
    let command = process.and_then(|process| process.args().clone()).unwrap_or_default();
    let again = (request.restart != RestartPolicy::No).then(|| request.start.clone());
    let container = Container::started(request, started.cgroup.clone(), started.pid, wire);
    let main = Session::new(SessionId::MAIN, started, command).map_err(MonitorError::call("fcntl O_NONBLOCK"))?;
    if let Some(again) = again {
        container.keep_again(&again).map_err(MonitorError::file("write in", &container.run_folder))?;
    }
    container.write_state(0).map_err(MonitorError::file("write the state in", &container.run_folder))?;
    container.event(EventAction::Start, None, None);
    Ok(Parts { container, main, log, listener, lock, signals: Some(signals) })
}

/// Answers the face and serves. Everything that was needed only to start has been dropped by now.
fn serve(parts: Parts, face: OwnedFd, attach: Option<AttachOptions>) -> i32 {
    let pid = parts.main.pid;
    let Ok(mut monitor) = Monitor::new(parts) else { return FAILED };
    let peer = monitor.adopt(face);
    peer.say(&Reply::Started { pid });
    match attach {
        Some(options) => {
            peer.attached = Some(Attached { session: SessionId::MAIN, options, starter: true, missed_bytes: 0 });
            if options.replay {
                peer.say(&Reply::Replayed);
            }
        }
        None => peer.closing = true,
    }
    let _ = peer.flush();
    idle::give_back();
    match monitor.run() {
        Ok(()) => 0,
        Err(_) => FAILED,
    }
}
