//! What clients can ask for.

use super::change::Change;
use super::event_loop::Monitor;
use super::peer::{Attached, Peer};
use super::session::Session;
use crate::model::{ContainerState, ErrorKind, EventAction, SessionId, Signal, Size};
use crate::monitor::protocol::{Kind, Reply, Request, WireKind};
use crate::monitor::{AttachOptions, MonitorError};
use crate::runtime::{self, ExecRequest, StdinWish, Stdio};

/// Exec sessions that live at the same time. Each costs up to five descriptors.
const MAX_SESSIONS: usize = 100;

/// What an exec asks for besides the process itself.
struct ExecWish {
    tty: bool,
    stdin: bool,
    size: Option<Size>,
    attach: Option<AttachOptions>,
}

impl Monitor {
    /// Does what one frame of a client says, and answers.
    pub(super) fn obey(&mut self, peer: &mut Peer, kind: Kind, payload: &[u8]) {
        match kind {
            Kind::Control => match serde_json::from_slice::<Request>(payload) {
                Ok(request) => self.answer(peer, request),
                Err(error) => peer.say(&Reply::unknown(&error.to_string())),
            },
            Kind::Stdin => {
                let target = peer.attached.as_ref().filter(|attached| attached.options.stdin);
                if let Some(session) = target.map(|attached| attached.session).and_then(|id| self.session(id)) {
                    session.write(payload);
                }
            }
            Kind::Stdout | Kind::Stderr => {
                peer.say(&Reply::invalid("output is not a client's to send"));
                peer.closing = true;
            }
        }
    }

    fn answer(&mut self, peer: &mut Peer, request: Request) {
        let done = match request {
            Request::Hello { .. } => return,
            Request::Start { .. } => Err(refuse(ErrorKind::Conflict, "this monitor has its container already")),
            Request::Attach { session, options } => self.attach(peer, session, options),
            Request::Exec { request, tty, stdin, size, attach } => {
                self.exec(peer, &request, &ExecWish { tty, stdin, size, attach })
            }
            Request::CloseStdin => {
                let target = peer.attached.as_ref().filter(|attached| attached.options.stdin);
                let session = target.map(|attached| attached.session);
                session.and_then(|id| self.session(id)).into_iter().for_each(Session::close_input);
                return;
            }
            Request::Detach => {
                peer.attached = None;
                peer.closing = true;
                return;
            }
            Request::Sessions => {
                let sessions = self.sessions.iter().map(Session::summary).collect();
                Ok(Some(Reply::Sessions { sessions }))
            }
            Request::State => {
                let state = Box::new(self.container.describe(self.log.lost_bytes()));
                Ok(Some(Reply::State { state }))
            }
            Request::Wait => {
                peer.waiting = true;
                if let ContainerState::Exited(status) = &self.container.state {
                    peer.say(&Reply::Exited { status: status.clone() });
                    peer.closing = true;
                }
                return;
            }
            Request::Signal { session, signal } => self.signal(session, signal).map(|()| Some(Reply::Done)),
            Request::Resize { session, size } => self.resize(session, size).map(|()| Some(Reply::Done)),
            Request::Pause => self.pause().map(|()| Some(Reply::Done)),
            Request::Resume => self.resume().map(|()| Some(Reply::Done)),
            Request::Change { limits, restart, again } => {
                self.change(Change { limits: *limits, restart, again }).map(|()| Some(Reply::Done))
            }
            Request::Rewire { change } => self.rewire(change).map(|answer| Some(Reply::Rewired { answer })),
        };
        match done {
            // An attached client is told output and the end, nothing else.
            Ok(Some(Reply::Done)) | Ok(None) if peer.attached.is_some() => {}
            Ok(reply) => reply.iter().for_each(|reply| peer.say(reply)),
            Err(error) => peer.say(&Reply::failed(&error)),
        }
    }

    fn attach(
        &mut self,
        peer: &mut Peer,
        id: SessionId,
        options: AttachOptions,
    ) -> Result<Option<Reply>, MonitorError> {
        if peer.attached.is_some() {
            return Err(refuse(ErrorKind::Conflict, "this connection is attached already"));
        }
        let session = self.living(id)?;
        if let Some(size) = options.size {
            session.resize(size).map_err(MonitorError::call("ioctl TIOCSWINSZ"))?;
        }
        peer.say(&Reply::Attached { session: id, tty: session.is_terminal() });
        peer.attached = Some(Attached { session: id, options, starter: false, missed_bytes: 0 });
        if options.replay {
            session.ring.replay().iter().for_each(|(stream, bytes)| peer.put(*stream, bytes));
            peer.say(&Reply::Replayed);
            session.nudge_to_redraw();
        }
        Ok(None)
    }

    fn exec(&mut self, peer: &mut Peer, request: &ExecRequest, wish: &ExecWish) -> Result<Option<Reply>, MonitorError> {
        if self.rests() {
            return Err(resting());
        }
        let Some(main) = self.sessions.first() else { return Err(MonitorError::NotRunning) };
        if peer.attached.is_some() {
            return Err(refuse(ErrorKind::Conflict, "this connection is attached already"));
        }
        if self.container.is_paused() {
            return Err(refuse(ErrorKind::Conflict, "the container is paused; unpause it first"));
        }
        if self.sessions.len() > MAX_SESSIONS {
            return Err(refuse(ErrorKind::Conflict, "too many exec sessions in this container"));
        }
        let stdin = if wish.stdin { StdinWish::Pipe } else { StdinWish::Null };
        let stdio = if wish.tty { Stdio::Terminal(wish.size) } else { Stdio::Pipes { stdin } };
        let pidfd = std::os::fd::AsFd::as_fd(&main.pidfd);
        let started = runtime::exec(main.pid, pidfd, &self.container.cgroup, request, &stdio)
            .map_err(|error| MonitorError::Refused { kind: error.kind(), message: error.to_string() })?;
        let id = SessionId(self.next_session);
        self.next_session += 1;
        let command = request.process.args().clone().unwrap_or_default();
        let pid = started.pid;
        let session = Session::new(id, started, command).map_err(MonitorError::call("fcntl O_NONBLOCK"))?;
        self.sessions.push(session);
        peer.say(&Reply::ExecStarted { session: id, pid });
        if let Some(options) = wish.attach {
            peer.attached = Some(Attached { session: id, options, starter: true, missed_bytes: 0 });
            if options.replay {
                peer.say(&Reply::Replayed);
            }
        }
        let _ = peer.flush();
        self.container.event(EventAction::ExecStart, None, Some(id.to_string()));
        Ok(None)
    }

    pub(super) fn signal(&mut self, id: SessionId, signal: Signal) -> Result<(), MonitorError> {
        let paused = self.container.is_paused();
        let ends = id == SessionId::MAIN && (signal == Signal::KILL || signal == self.container.stop_signal);
        if ends && self.rests() {
            self.stay_down();
            return Ok(());
        }
        match self.living(id)?.signal(signal) {
            // It has just ended; the loop will say so.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            sent => sent.map_err(MonitorError::call("pidfd_send_signal"))?,
        }
        self.container.restarts.stopped |= ends;
        if id == SessionId::MAIN && signal == Signal::KILL {
            let limits = &self.container.limits;
            // All of the container's processes die with this one, each of which needs some time of a processor for that.
            if limits.cpu_milli.is_some() || limits.cpu_quota_us.is_some() {
                self.container.cgroup.hurry();
            }
        }
        // A frozen process of cgroup v1 dies only when it is thawed.
        if paused && signal == Signal::KILL && id == SessionId::MAIN { self.resume() } else { Ok(()) }
    }

    fn resize(&mut self, id: SessionId, size: Size) -> Result<(), MonitorError> {
        self.living(id)?.resize(size).map_err(MonitorError::call("ioctl TIOCSWINSZ"))
    }

    fn rewire(&mut self, change: serde_json::Value) -> Result<serde_json::Value, MonitorError> {
        if self.rests() {
            return Err(resting());
        }
        let Some(main) = self.sessions.first() else { return Err(MonitorError::NotRunning) };
        match &mut self.container.wire {
            Some(wire) => Ok(wire.change(main.pid, change)?),
            None => Err(refuse(ErrorKind::Conflict, "the container has no connections that could be changed")),
        }
    }

    /// A session whose process lives. Who has connected before the container's end may ask after it.
    fn living(&mut self, id: SessionId) -> Result<&mut Session, MonitorError> {
        if self.is_over() {
            return Err(MonitorError::NotRunning);
        }
        if id == SessionId::MAIN && self.rests() {
            return Err(resting());
        }
        self.session(id).ok_or(MonitorError::NoSession(id))
    }

    fn pause(&mut self) -> Result<(), MonitorError> {
        if self.is_over() {
            return Err(MonitorError::NotRunning);
        }
        if self.rests() {
            return Err(resting());
        }
        if self.container.is_paused() {
            return Err(refuse(ErrorKind::Conflict, "the container is paused already"));
        }
        self.container.cgroup.freeze().map_err(from_runtime)?;
        self.container.event(EventAction::Pause, None, None);
        self.container.set_paused(true).map_err(MonitorError::file("write the state in", &self.container.run_folder))
    }

    fn resume(&mut self) -> Result<(), MonitorError> {
        if self.is_over() {
            return Err(MonitorError::NotRunning);
        }
        if !self.container.is_paused() {
            return Err(refuse(ErrorKind::Conflict, "the container is not paused"));
        }
        self.container.cgroup.thaw().map_err(from_runtime)?;
        self.container.event(EventAction::Unpause, None, None);
        self.container.set_paused(false).map_err(MonitorError::file("write the state in", &self.container.run_folder))
    }

    /// The monitor was asked to end: so is the container, by its stop signal first.
    pub(super) fn begin_stop(&mut self) {
        if self.rests() {
            return self.stay_down();
        }
        if self.kill_at.is_some() {
            return;
        }
        self.kill_at = Some(std::time::Instant::now() + self.container.stop_timeout);
        let _ = self.signal(SessionId::MAIN, self.container.stop_signal);
        if self.container.is_paused() {
            let _ = self.resume();
        }
    }
}

impl Reply {
    pub fn failed(error: &MonitorError) -> Self {
        let kind = match error {
            MonitorError::NotRunning => WireKind::NotRunning,
            other => other.kind().into(),
        };
        Self::Failed { kind, message: error.to_string() }
    }

    pub fn invalid(message: &str) -> Self {
        Self::Failed { kind: WireKind::InvalidInput, message: message.to_owned() }
    }

    fn unknown(message: &str) -> Self {
        let message =
            format!("the container's monitor does not know this request ({message}); it may be of an older teu");
        Self::Failed { kind: WireKind::Unsupported, message }
    }
}

pub(super) fn refuse(kind: ErrorKind, message: &str) -> MonitorError {
    MonitorError::Refused { kind, message: message.to_owned() }
}

fn resting() -> MonitorError {
    refuse(ErrorKind::Conflict, "the container has ended and is about to be started again; wait until it runs")
}

fn from_runtime(error: runtime::RuntimeError) -> MonitorError {
    MonitorError::Refused { kind: error.kind(), message: error.to_string() }
}
