//! A face's connection to a monitor: words out, frames in, blocking.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::MonitorError;
use super::protocol::{
    self, CHUNK_BYTES, Deframer, Kind, MAX_REPLY_BYTES, Reply, Request, VERSION, WireKind, put_word,
};
use super::request::SOCKET;
use crate::sys::socket;

/// A connected socket and what was received on it but not yet read.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    received: Deframer,
    /// Words not yet sent: the hello goes out together with the first request.
    outgoing: Vec<u8>,
}

impl Connection {
    /// Connects to the monitor of the container whose run folder this is.
    pub fn open(run_folder: &Path) -> Result<Self, MonitorError> {
        let socket = socket::connect_in(run_folder, SOCKET).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => MonitorError::NotRunning,
            _ => MonitorError::Connection(error),
        })?;
        Ok(Self::over(socket))
    }

    /// Speaks over a socket that is connected to a monitor already.
    pub fn over(socket: OwnedFd) -> Self {
        let mut outgoing = Vec::new();
        put_word(&mut outgoing, &Request::Hello { version: VERSION });
        Self { socket, received: Deframer::new(MAX_REPLY_BYTES), outgoing }
    }

    pub fn duplicate(&self) -> Result<OwnedFd, MonitorError> {
        self.socket.try_clone().map_err(MonitorError::Connection)
    }

    pub fn say(&mut self, word: &Request) -> Result<(), MonitorError> {
        put_word(&mut self.outgoing, word);
        let outgoing = std::mem::take(&mut self.outgoing);
        socket::send_all(&self.socket, &outgoing).map_err(lost)
    }

    /// Says `word` and waits for what is answered; a refusal is an error.
    pub fn ask(&mut self, word: &Request) -> Result<Reply, MonitorError> {
        self.say(word)?;
        self.reply()
    }

    /// Waits for the next word. The monitor's hello and words that came with a newer version are passed over.
    pub fn reply(&mut self) -> Result<Reply, MonitorError> {
        loop {
            while let Some((kind, payload)) = self.received.next().map_err(MonitorError::Connection)? {
                if kind != Kind::Control {
                    return Err(MonitorError::Protocol("output before an answer".to_owned()));
                }
                match protocol::parse_reply(payload)? {
                    Some(Reply::Hello { .. }) | None => {}
                    Some(Reply::Failed { kind: WireKind::Unsupported, message }) => {
                        return Err(MonitorError::Older { message });
                    }
                    Some(Reply::Failed { kind: WireKind::NotRunning, .. }) => return Err(MonitorError::NotRunning),
                    Some(Reply::Failed { kind, message }) => {
                        return Err(MonitorError::Refused { kind: kind.into(), message });
                    }
                    Some(reply) => return Ok(reply),
                }
            }
            if !self.wait_for_bytes()? {
                return Err(MonitorError::Gone);
            }
        }
    }

    pub fn has_frame(&self) -> bool {
        self.received.has_frame()
    }

    pub fn buffered_frame(&mut self) -> Result<Option<(Kind, &[u8])>, MonitorError> {
        self.received.next().map_err(MonitorError::Connection)
    }

    /// Receives what is there: `Some(0)` at the end, `None` if nothing has come.
    pub fn receive_now(&mut self) -> Result<Option<usize>, MonitorError> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let received = match socket::receive_now(&self.socket, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Some(0),
            received => received.map_err(lost)?,
        };
        self.received.push(&buffer[..received.unwrap_or(0)]);
        Ok(received)
    }

    /// Waits until something was received; false at the end.
    pub fn wait_for_bytes(&mut self) -> Result<bool, MonitorError> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let received = match socket::receive(&self.socket, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            received => received.map_err(lost)?,
        };
        self.received.push(&buffer[..received]);
        Ok(received > 0)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn lost(error: io::Error) -> MonitorError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => MonitorError::Gone,
        _ => MonitorError::Connection(error),
    }
}
