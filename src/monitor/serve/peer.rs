//! One client as the monitor sees it: what it sent, what is still to be sent to it, what it is attached to.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use serde::Serialize;

use super::registration::Registration;
use super::ring::Ring;
use crate::model::{ExitStatus, LogStream, SessionId};
use crate::monitor::AttachOptions;
use crate::monitor::protocol::{Deframer, Kind, MAX_REQUEST_BYTES, Reply, VERSION, put_raw, put_word};
use crate::sys::epoll::{Epoll, Interest};
use crate::sys::socket;

/// More waiting output than this, and the client lags.
pub const QUEUE_BYTES: usize = 256 << 10;
/// A client that makes replies pile up beyond this is broken or hostile.
const MAX_QUEUE_BYTES: usize = 4 << 20;
/// A queue that grew beyond this is given back when it is empty.
const KEPT_QUEUE_BYTES: usize = 16 << 10;

/// The session a client is attached to, and how.
#[derive(Debug)]
pub struct Attached {
    pub session: SessionId,
    pub options: AttachOptions,
    /// The session was started for this client: its unannounced end ends the session's stdin.
    pub starter: bool,
    /// Bytes of the session's output (both streams) that were not queued since the client began to lag.
    pub missed_bytes: u64,
}

/// A connection.
#[derive(Debug)]
pub struct Peer {
    pub id: u32,
    socket: OwnedFd,
    registration: Registration,
    received: Deframer,
    queue: Vec<u8>,
    /// Bytes at the queue's start that were sent already.
    sent: usize,
    /// Since when nothing of the queue could be sent.
    stalled: Option<Instant>,
    pub attached: Option<Attached>,
    /// Wants to know the container's end.
    pub waiting: bool,
    /// Closed when everything was sent.
    pub closing: bool,
}

impl Peer {
    pub fn new(id: u32, socket: OwnedFd) -> Self {
        let mut queue = Vec::new();
        put_word(&mut queue, &Reply::Hello { version: VERSION });
        Self {
            id,
            socket,
            registration: Registration::default(),
            received: Deframer::new(MAX_REQUEST_BYTES),
            queue,
            sent: 0,
            stalled: None,
            attached: None,
            waiting: false,
            closing: false,
        }
    }

    /// Tells epoll what to wait for: requests if `listen`, and room to send if something is queued.
    pub fn register(&mut self, epoll: &Epoll, token: u64, listen: bool) -> io::Result<()> {
        let interest = Interest { readable: listen && !self.closing, writable: self.queued_bytes() > 0 };
        self.registration.set(epoll, &self.socket, token, interest)
    }

    pub fn unregister(&mut self, epoll: &Epoll) {
        let _ = self.registration.set(epoll, &self.socket, 0, Interest::NONE);
    }

    /// Takes what has come, by way of `scratch`. False when the client has closed the connection.
    pub fn receive(&mut self, scratch: &mut Vec<u8>) -> io::Result<bool> {
        let received = socket::receive_into(&self.socket, scratch)?;
        self.received.push(scratch);
        Ok(received != Some(0))
    }

    /// The next whole frame.
    pub fn frame(&mut self) -> io::Result<Option<(Kind, Vec<u8>)>> {
        Ok(self.received.next()?.map(|(kind, payload)| (kind, payload.to_vec())))
    }

    pub fn has_frame(&self) -> bool {
        self.received.has_frame()
    }

    pub fn queued_bytes(&self) -> usize {
        self.queue.len() - self.sent
    }

    /// Whether it let replies pile up beyond any good use.
    pub fn is_hopeless(&self) -> bool {
        self.queued_bytes() > MAX_QUEUE_BYTES
    }

    pub fn say(&mut self, word: &impl Serialize) {
        put_word(&mut self.queue, word);
    }

    /// Queues output without regard to limits.
    pub fn put(&mut self, stream: LogStream, bytes: &[u8]) {
        let Some(attached) = &self.attached else { return };
        let (wanted, kind) = match stream {
            LogStream::Stdout => (attached.options.stdout, Kind::Stdout),
            LogStream::Stderr => (attached.options.stderr, Kind::Stderr),
        };
        if wanted {
            put_raw(&mut self.queue, kind, bytes);
        }
    }

    /// Queues live output, or counts it as missed where the client may lag and does.
    pub fn output(&mut self, stream: LogStream, bytes: &[u8]) {
        let queued = self.queued_bytes();
        let Some(attached) = &mut self.attached else { return };
        if attached.missed_bytes > 0 || attached.options.may_lag && queued >= QUEUE_BYTES {
            attached.missed_bytes += bytes.len() as u64;
        } else {
            self.put(stream, bytes);
        }
    }

    /// Sends what the client has room for now.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.queued_bytes() > 0 {
            match socket::send_now(&self.socket, &self.queue[self.sent..])? {
                None => {
                    self.stalled.get_or_insert_with(Instant::now);
                    break;
                }
                Some(sent) => {
                    self.sent += sent;
                    self.stalled = None;
                }
            }
        }
        if self.queued_bytes() == 0 {
            if self.queue.capacity() > KEPT_QUEUE_BYTES || self.attached.is_none() {
                self.queue = Vec::new();
            }
            self.queue.clear();
            self.sent = 0;
        } else if self.sent > QUEUE_BYTES {
            self.queue.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }

    pub fn is_attached_to(&self, session: SessionId) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.session == session)
    }

    /// Whether it must not miss anything.
    pub fn is_strict(&self) -> bool {
        self.attached.as_ref().is_some_and(|attached| !attached.options.may_lag)
    }

    /// Gives a client that lagged and has read everything since the rest of what it missed. False if it missed nothing.
    ///
    /// As long as the ring holds all of it, nothing is lost. Otherwise the loss is told, and a terminal is reset and shown the
    /// recent output from a safe place.
    pub fn catch_up(&mut self, ring: &Ring) -> bool {
        let missed = self.attached.as_mut().map_or(0, |attached| std::mem::take(&mut attached.missed_bytes));
        if missed == 0 {
            return false;
        }
        let lost = missed.saturating_sub(ring.len() as u64);
        let pieces = if lost == 0 {
            ring.last(usize::try_from(missed).unwrap_or(usize::MAX))
        } else {
            self.say(&Reply::Lagged { bytes: lost });
            ring.replay_afresh()
        };
        pieces.iter().for_each(|(stream, bytes)| self.put(*stream, bytes));
        true
    }

    /// Its session is over: the last of the output, then the end, then nothing.
    pub fn tell_end(&mut self, ring: &Ring, status: &ExitStatus) {
        self.catch_up(ring);
        self.say(&Reply::Exited { status: status.clone() });
        self.closing = !self.waiting;
    }

    /// Since when its queue has not moved at all.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.stalled
    }

    /// Looks at it anew after another while.
    pub fn forgive_stall(&mut self) {
        self.stalled = self.stalled.map(|_| Instant::now());
    }

    /// From now on it loses output rather than to slow the container down.
    pub fn let_lag(&mut self) {
        if let Some(attached) = &mut self.attached {
            attached.options.may_lag = true;
        }
    }
}
