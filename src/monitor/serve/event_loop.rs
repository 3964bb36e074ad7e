//! The loop: waits for descriptors, moves bytes between processes, log and clients, and never blocks on a client.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::container::Container;
use super::memory::MemoryWatch;
use super::peer::{Peer, QUEUE_BYTES};
use super::registration::Registration;
use super::session::{Output, Session};
use super::token::Token;
use crate::model::{ContainerState, LogStream, SessionId, Signal};
use crate::monitor::log::LogWriter;
use crate::monitor::protocol::Reply;
use crate::sys::epoll::{Epoll, Interest, Ready};
use crate::sys::file::Lock;
use crate::sys::signalfd::Signals;
use crate::sys::socket;

/// More connections wait in the listener's queue.
const MAX_PEERS: usize = 128;
/// What one read takes at most.
const SCRATCH_BYTES: usize = 64 << 10;
/// Reads of one output before others have their turn. A terminal gives at most 4 KiB each.
const READS_A_TURN: usize = 8;
/// After so long without any progress a client is no reason any more to hold up a terminal.
const STALL_LIMIT: Duration = Duration::from_secs(10);

/// Everything of a running monitor.
#[derive(Debug)]
pub struct Monitor {
    pub(super) container: Container,
    /// The main process is the first. Empty when the container has ended.
    pub(super) sessions: Vec<Session>,
    pub(super) peers: Vec<Peer>,
    pub(super) log: LogWriter,
    pub(super) next_session: u32,
    /// When SIGKILL follows the stop signal.
    pub(super) kill_at: Option<Instant>,
    pub(super) memory: MemoryWatch,
    pub(super) listener: Option<OwnedFd>,
    pub(super) lock: Option<Lock>,
    listener_registration: Registration,
    wire_registration: Registration,
    next_peer: u32,
    epoll: Epoll,
    signals: Option<Signals>,
    /// Where bytes pass through. Allocated when first needed, and touched only as far as bytes came.
    scratch: Vec<u8>,
}

/// What a monitor is made of.
#[derive(Debug)]
pub struct Parts {
    pub container: Container,
    pub main: Session,
    pub log: LogWriter,
    pub listener: OwnedFd,
    pub lock: Lock,
    /// SIGCHLD and the signals that end a monitor, if they are blocked in this process.
    pub signals: Option<Signals>,
}

impl Monitor {
    pub fn new(parts: Parts) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        if let Some(signals) = &parts.signals {
            epoll.add(signals, Token::Signals.into(), Interest::READ)?;
        }
        Ok(Self {
            container: parts.container,
            sessions: vec![parts.main],
            peers: Vec::new(),
            log: parts.log,
            next_session: 1,
            kill_at: None,
            memory: MemoryWatch::default(),
            listener: Some(parts.listener),
            lock: Some(parts.lock),
            listener_registration: Registration::default(),
            wire_registration: Registration::default(),
            next_peer: 0,
            epoll,
            signals: parts.signals,
            scratch: Vec::new(),
        })
    }

    /// Serves until the container has ended and all clients were told.
    pub fn run(mut self) -> io::Result<()> {
        let mut ready = Vec::new();
        self.watch_memory();
        loop {
            self.settle()?;
            if self.is_over() && self.peers.is_empty() {
                return Ok(());
            }
            self.epoll.wait(&mut ready, self.time_left())?;
            for event in &ready {
                self.dispatch(event);
            }
            self.meet_deadlines();
        }
    }

    /// A client on this socket, served from now on.
    pub fn adopt(&mut self, socket: OwnedFd) -> &mut Peer {
        let id = self.next_peer;
        self.next_peer += 1;
        self.peers.push(Peer::new(id, socket));
        self.peers.last_mut().expect("just pushed")
    }

    /// It has ended for good. Only clients that are still to be told keep the monitor.
    pub(super) fn is_over(&self) -> bool {
        self.sessions.is_empty() && !self.rests()
    }

    /// It has ended and waits to be started again.
    pub(super) fn rests(&self) -> bool {
        matches!(self.container.state, ContainerState::Restarting(_))
    }

    pub(super) fn session(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    fn dispatch(&mut self, event: &Ready) {
        match Token::of(event.token) {
            Some(Token::Signals) => self.take_signals(),
            Some(Token::Listener) => self.accept(),
            Some(Token::Peer(id)) => self.receive_from(id, event),
            Some(Token::Output(id, stream)) => {
                if event.writable {
                    self.session(id).into_iter().for_each(Session::flush_input);
                }
                if event.readable || event.hang_up {
                    self.read_output(id, stream);
                }
            }
            Some(Token::Input(id)) => self.session(id).into_iter().for_each(Session::flush_input),
            Some(Token::Process(id)) => self.reap(id),
            Some(Token::Memory) => self.take_memory_notice(),
            Some(Token::Wire) => self.serve_wire(),
            None => {}
        }
    }

    fn serve_wire(&mut self) {
        self.container.wire.iter_mut().for_each(|wire| wire.serve());
    }

    fn take_signals(&mut self) {
        while let Some(Ok(Some(number))) = self.signals.as_ref().map(Signals::next) {
            match number {
                libc::SIGCHLD => self.reap_orphans(),
                libc::SIGHUP => {}
                _ if self.is_over() => self.peers.clear(),
                _ => self.begin_stop(),
            }
        }
    }

    pub(super) fn accept(&mut self) {
        while let Some(listener) = self.listener.as_ref().filter(|_| self.peers.len() < MAX_PEERS) {
            match socket::accept(listener) {
                Ok(Some(connection)) if is_trusted(&connection) => drop(self.adopt(connection)),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn receive_from(&mut self, id: u32, event: &Ready) {
        self.clear_scratch();
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) else { return };
        let open = if event.readable { peer.receive(&mut self.scratch) } else { Ok(!event.hang_up) };
        if !matches!(open, Ok(true)) {
            self.part_from(id);
        }
    }

    /// The client is gone or can't be answered any more. What it said before still counts: `detach` above all.
    fn part_from(&mut self, id: u32) {
        for _ in 0..READS_A_TURN {
            self.clear_scratch();
            let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) else { return };
            let more = matches!(peer.receive(&mut self.scratch), Ok(true)) && !self.scratch.is_empty();
            self.serve_frames(id);
            if !more {
                break;
            }
        }
        self.forget(id);
    }

    /// Obeys the requests of one client that came whole, as long as its session takes input.
    fn serve_frames(&mut self, id: u32) {
        while let Some(index) = self.peers.iter().position(|peer| peer.id == id) {
            if !self.listens_to(&self.peers[index]) {
                return;
            }
            let mut peer = self.peers.swap_remove(index);
            match peer.frame() {
                Ok(Some((kind, payload))) => {
                    self.obey(&mut peer, kind, &payload);
                    self.peers.push(peer);
                }
                Ok(None) => return self.peers.push(peer),
                Err(error) => {
                    peer.say(&Reply::invalid(&error.to_string()));
                    peer.closing = true;
                    return self.peers.push(peer);
                }
            }
        }
    }

    fn listens_to(&self, peer: &Peer) -> bool {
        let session = peer.attached.as_ref().map(|attached| attached.session);
        let full = self.sessions.iter().any(|one| Some(one.id) == session && one.is_input_full());
        !peer.closing && !full
    }

    /// The client is gone. If a session without a terminal was started for it, nobody else will end that session's stdin.
    fn forget(&mut self, id: u32) {
        let Some(index) = self.peers.iter().position(|peer| peer.id == id) else { return };
        let mut peer = self.peers.swap_remove(index);
        peer.unregister(&self.epoll);
        let starter = peer.attached.filter(|attached| attached.starter && attached.options.stdin);
        let session = starter.and_then(|attached| self.session(attached.session));
        session.filter(|session| !session.is_terminal()).into_iter().for_each(Session::close_input);
    }

    fn read_output(&mut self, id: SessionId, stream: LogStream) {
        for _ in 0..READS_A_TURN {
            if self.read_once(id, stream) != Output::Bytes {
                return;
            }
        }
    }

    /// Reads once and gives what came to the log and to every attached client.
    fn read_once(&mut self, id: SessionId, stream: LogStream) -> Output {
        self.clear_scratch();
        let mut bytes = std::mem::take(&mut self.scratch);
        let output = self.session(id).map_or(Output::End, |session| session.read(stream, &mut bytes));
        if output == Output::Bytes {
            if id == SessionId::MAIN {
                self.log.write(stream, &bytes);
            }
            for peer in self.peers.iter_mut().filter(|peer| peer.is_attached_to(id)) {
                peer.output(stream, &bytes);
                // At once: what a client has taken need not be queued. Errors come up again in `settle`.
                let _ = peer.flush();
            }
        }
        self.scratch = bytes;
        output
    }

    fn clear_scratch(&mut self) {
        self.scratch.clear();
        self.scratch.reserve_exact(SCRATCH_BYTES);
    }

    /// Takes what a dead process left in its pipes or terminal: at most a MiB, since another may hold and fill them still.
    pub(super) fn drain(&mut self, id: SessionId) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            for _ in 0..256 {
                if self.read_once(id, stream) != Output::Bytes {
                    break;
                }
            }
        }
    }

    /// Brings everything to rest: requests obeyed, queues sent, laggards caught up, and epoll told what to wait for.
    fn settle(&mut self) -> io::Result<()> {
        for id in self.peers.iter().filter(|peer| peer.has_frame()).map(|peer| peer.id).collect::<Vec<_>>() {
            self.serve_frames(id);
        }
        let sessions = &self.sessions;
        let mut gone = Vec::new();
        for peer in &mut self.peers {
            let mut sent = peer.flush();
            if sent.is_ok() && peer.queued_bytes() == 0 {
                let session = sessions.iter().find(|session| peer.is_attached_to(session.id));
                if session.is_some_and(|session| peer.catch_up(&session.ring)) {
                    sent = peer.flush();
                }
            }
            if sent.is_err() || peer.is_hopeless() || peer.closing && peer.queued_bytes() == 0 {
                gone.push(peer.id);
            }
        }
        gone.into_iter().for_each(|id| self.part_from(id));
        self.hold_or_release();
        self.register()
    }

    /// Stops reading the output of sessions that a client must not miss but can't take yet.
    fn hold_or_release(&mut self) {
        for session in &mut self.sessions {
            let limit = if session.held { QUEUE_BYTES / 4 } else { QUEUE_BYTES };
            let too_slow =
                |peer: &Peer| peer.is_attached_to(session.id) && peer.is_strict() && peer.queued_bytes() > limit;
            session.held = self.peers.iter().any(too_slow);
        }
    }

    fn register(&mut self) -> io::Result<()> {
        let listening: Vec<bool> = self.peers.iter().map(|peer| self.listens_to(peer)).collect();
        for (peer, listen) in self.peers.iter_mut().zip(listening) {
            peer.register(&self.epoll, Token::Peer(peer.id).into(), listen)?;
        }
        for session in &mut self.sessions {
            session.register(&self.epoll)?;
        }
        self.memory.register(&self.epoll)?;
        if let Some(watched) = self.container.wire.as_ref().and_then(|wire| wire.watched()) {
            self.wire_registration.set(&self.epoll, watched, Token::Wire.into(), Interest::READ)?;
        }
        if let Some(listener) = &self.listener {
            let interest = if self.peers.len() < MAX_PEERS { Interest::READ } else { Interest::NONE };
            self.listener_registration.set(&self.epoll, listener, Token::Listener.into(), interest)?;
        }
        Ok(())
    }

    /// How long to wait at most; `None`, for ever, is the rule.
    fn time_left(&self) -> Option<Duration> {
        let stalls = self.peers.iter().filter_map(Peer::stalled_since).map(|since| since + STALL_LIMIT);
        let wire = self.container.wire.as_ref().and_then(|wire| wire.deadline());
        let own = [self.kill_at, self.container.restarts.at, self.memory.look_at, wire];
        let next = stalls.chain(own.into_iter().flatten()).min()?;
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    fn meet_deadlines(&mut self) {
        let now = Instant::now();
        if self.kill_at.take_if(|at| *at <= now).is_some() {
            let _ = self.signal(SessionId::MAIN, Signal::KILL);
        }
        if self.memory.look_at.take_if(|at| *at <= now).is_some() {
            self.look_at_memory();
        }
        if self.container.wire.as_ref().and_then(|wire| wire.deadline()).is_some_and(|at| at <= now) {
            self.serve_wire();
        }
        if self.container.restarts.at.take_if(|at| *at <= now).is_some() {
            self.start_again();
        }
        let stalled = |peer: &Peer| peer.stalled_since().is_some_and(|since| since + STALL_LIMIT <= now);
        if self.is_over() {
            // Only who must not miss anything is waited for when all is over.
            self.peers.retain(|peer| !stalled(peer) || peer.is_strict());
        }
        let held: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|session| session.held && session.is_terminal())
            .map(|session| session.id)
            .collect();
        for peer in self.peers.iter_mut().filter(|peer| stalled(peer)) {
            if held.iter().any(|&id| peer.is_attached_to(id)) {
                peer.let_lag();
            }
            peer.forgive_stall();
        }
    }
}

/// The socket's rights let only its owner and root connect; this makes sure.
fn is_trusted(connection: &OwnedFd) -> bool {
    let own = rustix::process::geteuid().as_raw();
    socket::peer_uid(connection).is_ok_and(|uid| uid == own || uid == 0)
}
