//! A container's connection to the resolver: questions one after the other, each with its length before it (RFC 1035, 4.2.2).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::sys::epoll::Interest;

/// No question is longer.
const MOST_BYTES: usize = 4096;
/// For so long a connection may say nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection.
#[derive(Debug)]
pub struct Stream {
    pub socket: TcpStream,
    received: Vec<u8>,
    out: Vec<u8>,
    /// A question of it is being asked elsewhere.
    busy: bool,
    pub deadline: Instant,
    /// What it is watched for now.
    pub watched: Interest,
}

impl Stream {
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            received: Vec::new(),
            out: Vec::new(),
            busy: false,
            deadline: Instant::now() + PATIENCE,
            watched: Interest::NONE,
        })
    }

    /// Reads what came. False if nothing more will come, or it is no conversation of DNS.
    pub fn receive(&mut self) -> bool {
        let mut buffer = [0; MOST_BYTES + 2];
        match self.socket.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.received.extend_from_slice(&buffer[..length]);
                self.deadline = Instant::now() + PATIENCE;
                self.length().is_none_or(|length| (1..=MOST_BYTES).contains(&length))
            }
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    /// The next question that came whole, unless one is being answered. From then on it is busy.
    pub fn question(&mut self) -> Option<Vec<u8>> {
        let end = 2 + self.length()?;
        if self.busy || !self.out.is_empty() || self.received.len() < end {
            return None;
        }
        self.busy = true;
        let question = self.received[2..end].to_vec();
        self.received.drain(..end);
        Some(question)
    }

    /// Sends an answer, or keeps it until there is room.
    pub fn answer(&mut self, answer: &[u8]) -> bool {
        let Ok(length) = u16::try_from(answer.len()) else { return false };
        self.busy = false;
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(answer);
        self.flush()
    }

    pub fn flush(&mut self) -> bool {
        while !self.out.is_empty() {
            match self.socket.write(&self.out) {
                Ok(0) => return false,
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// What it waits for now: nothing while its question is asked elsewhere.
    pub fn interest(&self) -> Interest {
        match (self.busy, self.out.is_empty()) {
            (_, false) => Interest::WRITE,
            (true, true) => Interest::NONE,
            (false, true) => Interest::READ,
        }
    }

    fn length(&self) -> Option<usize> {
        let bytes = self.received.first_chunk::<2>()?;
        Some(usize::from(u16::from_be_bytes(*bytes)))
    }
}
