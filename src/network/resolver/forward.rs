//! A question on its way through the world: asked of one server after the other, each on a socket of its own, until one answers.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use super::question::{answers, is_unhelpful};
use crate::network::attach::within;
use crate::sys::epoll::Interest;
use crate::sys::random;

/// How long a server has.
const PATIENCE: Duration = Duration::from_secs(2);
/// A lone server is asked again: datagrams get lost.
const LEAST_TRIES: usize = 2;

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Datagram(SocketAddr),
    /// A connection's number.
    Stream(u32),
}

/// A question that is being asked.
#[derive(Debug)]
pub struct Forward {
    pub client: Client,
    /// As it came.
    pub question: Vec<u8>,
    pub question_end: usize,
    servers: Vec<SocketAddr>,
    tries: usize,
    line: Option<Line>,
    /// The question with the id that the present server was sent.
    sent: Vec<u8>,
    pub deadline: Instant,
    /// What a server said that did not know.
    unhelpful: Option<Vec<u8>>,
}

/// The socket to the present server.
#[derive(Debug)]
enum Line {
    Datagram(UdpSocket),
    Stream { socket: TcpStream, out: Vec<u8>, received: Vec<u8> },
}

/// How far a question has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    Waits,
    /// The present server will not answer.
    Next,
    /// The answer, as if it were to the question as it came. The server was not the first that was asked, if it is named.
    Answered(Vec<u8>, Option<SocketAddr>),
}

impl Forward {
    pub fn new(client: Client, question: Vec<u8>, question_end: usize, servers: Vec<SocketAddr>) -> Self {
        Self {
            client,
            question,
            question_end,
            servers,
            tries: 0,
            line: None,
            sent: Vec::new(),
            deadline: Instant::now(),
            unhelpful: None,
        }
    }

    /// Asks the next server, from a network namespace if one is given. False if nobody is left.
    pub fn ask_next(&mut self, from: Option<BorrowedFd<'_>>) -> bool {
        let most = self.servers.len().max(LEAST_TRIES);
        while self.tries < most && !self.servers.is_empty() {
            let server = self.servers[self.tries % self.servers.len()];
            self.tries += 1;
            // A guess at the answer would have to know the socket's port and this id.
            let Ok(id) = random::bytes::<2>() else { return false };
            self.sent.clone_from(&self.question);
            self.sent[..2].copy_from_slice(&id);
            let open = || self.open(server);
            let opened = match from {
                Some(namespace) => within(namespace, open).unwrap_or_else(|error| Err(io::Error::other(error))),
                None => open(),
            };
            if let Ok(line) = opened {
                self.line = Some(line);
                self.deadline = Instant::now() + PATIENCE;
                return true;
            }
        }
        self.line = None;
        false
    }

    fn open(&self, server: SocketAddr) -> io::Result<Line> {
        if let Client::Stream(_) = self.client {
            let family = if server.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket: OwnedFd = socket_with(family, SocketType::STREAM, flags, None)?;
            match connect(&socket, &server) {
                Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
                Err(error) => return Err(error.into()),
            }
            let length = u16::try_from(self.sent.len()).map_err(io::Error::other)?;
            let out = [&length.to_be_bytes(), &self.sent[..]].concat();
            return Ok(Line::Stream { socket: socket.into(), out, received: Vec::new() });
        }
        let any: SocketAddr =
            if server.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        // Connected: the kernel takes nothing from anybody else, and tells if nobody listens there.
        socket.connect(server)?;
        socket.send(&self.sent)?;
        Ok(Line::Datagram(socket))
    }

    /// The present socket and what to wait for on it.
    pub fn watch(&self) -> Option<(BorrowedFd<'_>, Interest)> {
        match self.line.as_ref()? {
            Line::Datagram(socket) => Some((socket.as_fd(), Interest::READ)),
            Line::Stream { socket, out, .. } => {
                Some((socket.as_fd(), if out.is_empty() { Interest::READ } else { Interest::WRITE }))
            }
        }
    }

    /// Takes what came. `buffer` is room for the largest answer.
    pub fn proceed(&mut self, buffer: &mut [u8]) -> Progress {
        let answer = match &mut self.line {
            None => return Progress::Next,
            Some(Line::Datagram(socket)) => loop {
                match socket.recv(buffer) {
                    Ok(length) if answers(&buffer[..length], &self.sent, self.question_end) => {
                        break buffer[..length].to_vec();
                    }
                    // Not to this question: late, or made up.
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Waits,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return Progress::Next,
                }
            },
            Some(Line::Stream { socket, out, received }) => match converse(socket, out, received, buffer) {
                Ok(Some(answer)) if answers(&answer, &self.sent, self.question_end) => answer,
                Ok(None) => return Progress::Waits,
                Ok(Some(_)) | Err(_) => return Progress::Next,
            },
        };
        self.take(answer)
    }

    fn take(&mut self, mut answer: Vec<u8>) -> Progress {
        answer[..2].copy_from_slice(&self.question[..2]);
        if is_unhelpful(&answer) && self.tries < self.servers.len() {
            self.unhelpful = Some(answer);
            return Progress::Next;
        }
        let server = self.servers[(self.tries - 1) % self.servers.len()];
        Progress::Answered(answer, (self.tries > 1).then_some(server))
    }

    /// What somebody said who did not know, if anybody said anything.
    pub fn last_word(&mut self) -> Option<Vec<u8>> {
        self.unhelpful.take()
    }
}

/// Sends what is left of a question, then reads until the answer is whole.
fn converse(
    socket: &mut TcpStream,
    out: &mut Vec<u8>,
    received: &mut Vec<u8>,
    buffer: &mut [u8],
) -> io::Result<Option<Vec<u8>>> {
    let later = |error: &io::Error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
    if !out.is_empty() {
        match socket.write(out) {
            Ok(sent) => drop(out.drain(..sent)),
            Err(error) if later(&error) => {}
            Err(error) => return Err(error),
        }
        return Ok(None);
    }
    match socket.read(buffer) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => received.extend_from_slice(&buffer[..length]),
        Err(error) if later(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    let Some(length) = received.first_chunk::<2>().map(|bytes| usize::from(u16::from_be_bytes(*bytes))) else {
        return Ok(None);
    };
    Ok(received.get(2..2 + length).map(<[u8]>::to_vec))
}
