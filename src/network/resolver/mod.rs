//! The resolver of one container, at 127.0.0.11 in its network namespace: containers' names answered from the networks' lists,
//! everything else forwarded. It never waits: whoever holds it calls [`Resolver::serve`] when there is something to do.
//!
//! What a container sends is hostile. How many questions are on their way, how many connections are open, how long each may
//! last and how many questions are answered in a moment have limits, and what is beyond them is dropped, as a network does.

mod forward;
mod listing;
mod place;
mod question;
mod stream;
mod upstream;
mod view;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::forward::{Client, Forward, Progress};
pub use self::listing::{Fit, Listed, Listing};
use self::place::Place;
use self::question::{Verdict, Way, failure, judge};
use self::stream::Stream;
use self::upstream::Upstream;
use self::view::View;
use super::{Machine, NetworkError, Result};
use crate::model::Network;
use crate::sys::epoll::{Epoll, Interest, Ready};
use crate::sys::idle;

/// Questions on their way through the world at the same time. Each has a socket.
const MOST_FORWARDS: usize = 256;
/// Connections at the same time; a further one ends the oldest.
const MOST_STREAMS: usize = 32;
/// Questions taken in a tick; more than 10,000 a second wait, and what the socket cannot keep is lost.
const QUESTIONS_A_TICK: usize = 200;
const TICK: Duration = Duration::from_millis(20);
/// No question is longer; an answer may be of any length.
const QUESTION_BYTES: usize = 4096;
const ANSWER_BYTES: usize = 64 << 10;
/// After so long without a question memory is given back.
const REST: Duration = Duration::from_secs(10);

const DATAGRAMS: u64 = 0;
const CONNECTIONS: u64 = 1;
const FORWARD: u64 = 2;
const STREAM: u64 = 3;

/// A container's resolver.
#[derive(Debug)]
pub struct Resolver {
    view: View,
    upstream: Upstream,
    /// Everything that it waits for.
    epoll: Epoll,
    place: Option<Place>,
    forwards: BTreeMap<u32, Forward>,
    streams: BTreeMap<u32, Stream>,
    next: u32,
    /// How many questions were taken since the tick began.
    taken: usize,
    tick: Instant,
    /// Questions wait until then.
    paused_until: Option<Instant>,
    rest_at: Option<Instant>,
    scratch: Vec<u8>,
}

/// Of what a resolver is made.
#[derive(Clone, Debug)]
pub struct ResolverWish {
    pub machine: Machine,
    /// Servers that the user named: asked from the container's place in the network. Otherwise those of `resolv_conf`, from
    /// the caller's.
    pub servers: Vec<IpAddr>,
    /// The machine's.
    pub resolv_conf: PathBuf,
}

impl Resolver {
    /// A resolver that nobody can ask yet.
    pub fn new(wish: ResolverWish) -> Result<Self> {
        let failed = |error| NetworkError::io("wait for questions for names at", "127.0.0.11".as_ref(), error);
        Ok(Self {
            view: View::new(wish.machine),
            upstream: Upstream::new(&wish.servers, wish.resolv_conf),
            epoll: Epoll::new().map_err(failed)?,
            place: None,
            forwards: BTreeMap::new(),
            streams: BTreeMap::new(),
            next: 0,
            taken: 0,
            tick: Instant::now(),
            paused_until: None,
            rest_at: None,
            scratch: Vec::new(),
        })
    }

    /// The container is in these networks from now on. Where several know a name, the first wins.
    pub fn set_networks(&mut self, networks: Vec<Network>) {
        self.view.set_networks(networks);
    }

    /// Answers in this network namespace from now on, until [`close`](Self::close): it is kept for as long.
    pub fn open(&mut self, namespace: OwnedFd) -> Result<()> {
        self.close();
        self.settle(Place::in_namespace(namespace)?)
    }

    /// The same for an ordinary user's container, whose namespaces this process cannot enter.
    pub fn open_inside(&mut self, user: BorrowedFd<'_>, network: BorrowedFd<'_>) -> Result<()> {
        self.close();
        self.settle(Place::inside(user, network)?)
    }

    fn settle(&mut self, place: Place) -> Result<()> {
        let failed = |error| NetworkError::io("wait for questions for names at", "127.0.0.11".as_ref(), error);
        self.epoll.add(&place.datagrams, DATAGRAMS << 32, Interest::READ).map_err(failed)?;
        self.epoll.add(&place.connections, CONNECTIONS << 32, Interest::READ).map_err(failed)?;
        self.place = Some(place);
        Ok(())
    }

    /// Lets go of the network namespace and of everything that was asked from there.
    pub fn close(&mut self) {
        self.place = None;
        self.forwards.clear();
        self.streams.clear();
        (self.paused_until, self.rest_at) = (None, None);
        self.view.forget();
    }

    /// Readable when there is something to do.
    pub fn watched(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// When there is something to do though nothing is readable.
    pub fn deadline(&self) -> Option<Instant> {
        let forwards = self.forwards.values().map(|it| it.deadline);
        let streams = self.streams.values().map(|it| it.deadline);
        forwards.chain(streams).chain(self.paused_until).chain(self.rest_at).min()
    }

    /// Does what there is to do, without waiting and not for long.
    pub fn serve(&mut self) {
        let mut ready = Vec::new();
        if self.epoll.wait(&mut ready, Some(Duration::ZERO)).is_ok() && !ready.is_empty() {
            self.rest_at = Some(Instant::now() + REST);
            ready.iter().for_each(|event| self.dispatch(event));
        }
        self.meet_deadlines();
    }

    fn dispatch(&mut self, event: &Ready) {
        let number = u32::try_from(event.token & u64::from(u32::MAX)).unwrap_or_default();
        match event.token >> 32 {
            DATAGRAMS => self.take_datagrams(),
            CONNECTIONS => self.accept(),
            FORWARD => self.proceed(number),
            STREAM => self.converse(number, event),
            _ => {}
        }
    }

    fn take_datagrams(&mut self) {
        let mut buffer = [0; QUESTION_BYTES];
        while self.may_take() {
            let Some(place) = &self.place else { return };
            match place.datagrams.recv_from(&mut buffer) {
                // What fills the buffer was longer.
                Ok((QUESTION_BYTES, _)) => {}
                Ok((length, from)) => self.ask(Client::Datagram(from), buffer[..length].to_vec()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Errors of earlier answers that found nobody.
                Err(_) => {}
            }
        }
        self.pause();
    }

    /// Whether one more question may be taken in this tick.
    fn may_take(&mut self) -> bool {
        if self.tick.elapsed() > TICK {
            (self.tick, self.taken) = (Instant::now(), 0);
        }
        self.taken += 1;
        self.taken <= QUESTIONS_A_TICK
    }

    /// Leaves questions where they are until the next tick.
    fn pause(&mut self) {
        if let Some(place) = &self.place
            && self.paused_until.is_none()
            && self.epoll.remove(&place.datagrams).is_ok()
        {
            self.paused_until = Some(self.tick + TICK);
        }
    }

    fn resume(&mut self) {
        self.paused_until = None;
        if let Some(place) = &self.place {
            let _ = self.epoll.add(&place.datagrams, DATAGRAMS << 32, Interest::READ);
        }
    }

    fn accept(&mut self) {
        let Some(place) = &self.place else { return };
        let Ok((socket, _)) = place.connections.accept() else { return };
        let Ok(stream) = Stream::new(socket) else { return };
        if self.streams.len() >= MOST_STREAMS
            && let Some(oldest) = self.streams.keys().next().copied()
        {
            self.end_stream(oldest);
        }
        let number = self.number();
        self.streams.insert(number, stream);
        self.watch_stream(number);
    }

    fn converse(&mut self, number: u32, event: &Ready) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let open = (!event.writable || stream.flush()) && (!event.readable || stream.receive());
        // A hang-up with bytes before it is heard of again when they are read.
        if !open || event.hang_up && !event.readable {
            return self.end_stream(number);
        }
        self.hear(number);
    }

    /// Asks what a connection has asked whole, one after the other.
    fn hear(&mut self, number: u32) {
        while let Some(question) = self.streams.get_mut(&number).and_then(Stream::question) {
            // Whoever asks faster is cut off, as datagrams would be lost.
            if !self.may_take() {
                return self.end_stream(number);
            }
            self.ask(Client::Stream(number), question);
        }
        self.watch_stream(number);
    }

    fn watch_stream(&mut self, number: u32) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let (old, new) = (stream.watched, stream.interest());
        let token = STREAM << 32 | u64::from(number);
        // Without an interest it is taken out: hang-ups would be told all the time.
        let done = match (old == Interest::NONE, new == Interest::NONE) {
            _ if old == new => Ok(()),
            (true, _) => self.epoll.add(&stream.socket, token, new),
            (_, true) => self.epoll.remove(&stream.socket),
            _ => self.epoll.change(&stream.socket, token, new),
        };
        stream.watched = new;
        if done.is_err() {
            self.end_stream(number);
        }
    }

    fn end_stream(&mut self, number: u32) {
        self.streams.remove(&number);
        self.forwards.retain(|_, forward| forward.client != Client::Stream(number));
    }

    fn ask(&mut self, client: Client, question: Vec<u8>) {
        let way = if matches!(client, Client::Stream(_)) { Way::Stream } else { Way::Datagram };
        match judge(&question, way, &mut self.view) {
            Verdict::Answer(answer) => self.answer(client, &answer),
            Verdict::Forward(end) => self.forward(client, question, end),
            Verdict::Ignore => {
                if let Client::Stream(number) = client {
                    self.end_stream(number);
                }
            }
        }
    }

    fn forward(&mut self, client: Client, question: Vec<u8>, end: usize) {
        // Who asks again while the question is on its way gets one answer.
        let is_same = |it: &Forward| it.client == client && it.question == question;
        if self.forwards.values().any(is_same) {
            return;
        }
        if self.forwards.len() >= MOST_FORWARDS {
            if matches!(client, Client::Stream(_)) {
                self.answer(client, &failure(&question, end));
            }
            return;
        }
        let number = self.number();
        let forward = Forward::new(client, question, end, self.upstream.servers());
        self.forwards.insert(number, forward);
        self.ask_next(number);
    }

    fn ask_next(&mut self, number: u32) {
        let place = self.place.as_ref().filter(|_| self.upstream.are_named());
        let Some(forward) = self.forwards.get_mut(&number) else { return };
        let asked = forward.ask_next(place.and_then(|place| place.namespace.as_ref()).map(AsFd::as_fd));
        let token = FORWARD << 32 | u64::from(number);
        let watched = match forward.watch().filter(|_| asked) {
            Some((socket, interest)) => self.epoll.add(socket, token, interest).is_ok(),
            None => false,
        };
        if !watched {
            let Some(mut forward) = self.forwards.remove(&number) else { return };
            let answer = forward.last_word().unwrap_or_else(|| failure(&forward.question, forward.question_end));
            self.finish(forward.client, &answer);
        }
    }

    fn proceed(&mut self, number: u32) {
        self.scratch.resize(ANSWER_BYTES, 0);
        let Some(forward) = self.forwards.get_mut(&number) else { return };
        let before = forward.watch().map(|(_, interest)| interest);
        match forward.proceed(&mut self.scratch) {
            Progress::Waits => {
                if let Some((socket, interest)) = forward.watch().filter(|(_, now)| Some(*now) != before) {
                    let _ = self.epoll.change(socket, FORWARD << 32 | u64::from(number), interest);
                }
            }
            Progress::Next => self.ask_next(number),
            Progress::Answered(answer, later_server) => {
                let Some(forward) = self.forwards.remove(&number) else { return };
                later_server.into_iter().for_each(|server| self.upstream.prefer(server));
                self.finish(forward.client, &answer);
            }
        }
    }

    /// Answers what was asked elsewhere; a connection may have asked more meanwhile.
    fn finish(&mut self, client: Client, answer: &[u8]) {
        self.answer(client, answer);
        if let Client::Stream(number) = client {
            self.hear(number);
        }
    }

    fn answer(&mut self, client: Client, answer: &[u8]) {
        match client {
            // A client that is gone, or takes no more, has lost its answer.
            Client::Datagram(address) => {
                let _ = self.place.as_ref().map(|place| place.datagrams.send_to(answer, address));
            }
            Client::Stream(number) => {
                if !self.streams.get_mut(&number).is_some_and(|stream| stream.answer(answer)) {
                    self.end_stream(number);
                }
            }
        }
    }

    fn meet_deadlines(&mut self) {
        let now = Instant::now();
        if self.paused_until.is_some_and(|at| at <= now) {
            self.resume();
        }
        let late: Vec<u32> = self.forwards.iter().filter(|(_, it)| it.deadline <= now).map(|(it, _)| *it).collect();
        late.into_iter().for_each(|number| self.ask_next(number));
        let silent: Vec<u32> = self.streams.iter().filter(|(_, it)| it.deadline <= now).map(|(it, _)| *it).collect();
        silent.into_iter().for_each(|number| self.end_stream(number));
        if self.rest_at.is_some_and(|at| at <= now) {
            self.rest_at = None;
            self.view.forget();
            self.scratch = Vec::new();
            idle::give_back();
        }
    }

    fn number(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }
}
