//! A client's end of an attached session: output and the end to read, input and the window's size to write.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::connection::Connection;
use super::protocol::{Kind, Reply, Request, put_raw, put_word};
use super::{MonitorError, protocol};
use crate::model::{ExitStatus, LogStream, SessionId, Signal, Size};
use crate::sys::socket;

/// What an attached client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachEvent {
    /// Bytes as the process wrote them; hostile. A terminal's all come as `Stdout`.
    Output { stream: LogStream, bytes: Vec<u8> },
    /// Everything before was recent output of before the attachment, everything after is live.
    Replayed,
    /// The client was too slow and these many bytes of output are missing here. A terminal's following output begins with a
    /// reset of the screen and the recent output again.
    Lagged { bytes: u64 },
    /// The session is over. Nothing follows.
    Exited(ExitStatus),
}

/// What a look without waiting found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Event(AttachEvent),
    /// Nothing whole is there yet; poll the descriptor.
    Pending,
    /// The monitor closed the connection: after [`AttachEvent::Exited`], or because it was killed.
    Closed,
}

/// Both directions of an attached session.
#[derive(Debug)]
pub struct Attachment {
    reader: AttachReader,
    writer: AttachWriter,
}

/// The receiving direction. Blocking; poll its descriptor to wait for more than it, and see [`AttachReader::has_buffered`].
#[derive(Debug)]
pub struct AttachReader {
    connection: Connection,
}

/// The sending direction. Writes wait while the process does not read its input.
#[derive(Debug)]
pub struct AttachWriter {
    socket: OwnedFd,
    session: SessionId,
}

impl Attachment {
    pub(super) fn new(connection: Connection, session: SessionId) -> Result<Self, MonitorError> {
        let socket = connection.duplicate()?;
        Ok(Self { reader: AttachReader { connection }, writer: AttachWriter { socket, session } })
    }

    pub fn split(self) -> (AttachReader, AttachWriter) {
        (self.reader, self.writer)
    }
}

impl AttachReader {
    /// Waits for the next event; `None` when the monitor closed the connection.
    #[allow(clippy::should_implement_trait, reason = "an end is no error here, and neither ends an iteration")]
    pub fn next(&mut self) -> Result<Option<AttachEvent>, MonitorError> {
        loop {
            match self.try_next()? {
                Next::Event(event) => return Ok(Some(event)),
                Next::Closed => return Ok(None),
                Next::Pending => {
                    if !self.connection.wait_for_bytes()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The next event without waiting.
    pub fn try_next(&mut self) -> Result<Next, MonitorError> {
        loop {
            if !self.connection.has_frame() {
                match self.connection.receive_now()? {
                    None => return Ok(Next::Pending),
                    Some(0) => return Ok(Next::Closed),
                    Some(_) => {}
                }
            }
            let Some((kind, payload)) = self.connection.buffered_frame()? else { continue };
            let stream = match kind {
                Kind::Stdout => LogStream::Stdout,
                Kind::Stderr => LogStream::Stderr,
                Kind::Stdin => return Err(MonitorError::Protocol("stdin".to_owned())),
                Kind::Control => match event_of(payload)? {
                    Some(event) => return Ok(Next::Event(event)),
                    None => continue,
                },
            };
            return Ok(Next::Event(AttachEvent::Output { stream, bytes: payload.to_vec() }));
        }
    }

    /// Whether [`next`](Self::next) has a whole event already, so that polling the descriptor would miss it.
    pub fn has_buffered(&self) -> bool {
        self.connection.has_frame()
    }
}

/// The event a control frame tells; `None` for words that an attached client need not know.
fn event_of(payload: &[u8]) -> Result<Option<AttachEvent>, MonitorError> {
    Ok(match protocol::parse_reply(payload)? {
        Some(Reply::Replayed) => Some(AttachEvent::Replayed),
        Some(Reply::Lagged { bytes }) => Some(AttachEvent::Lagged { bytes }),
        Some(Reply::Exited { status }) => Some(AttachEvent::Exited(status)),
        _ => None,
    })
}

impl AsFd for AttachReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl AttachWriter {
    /// The session it writes to.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Sends input to the process, waiting while it has too much of it unread.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), MonitorError> {
        let mut frames = Vec::with_capacity(bytes.len() + protocol::HEADER_BYTES);
        put_raw(&mut frames, Kind::Stdin, bytes);
        self.send(&frames)
    }

    /// Makes the session's terminal this large; the last client to say so wins.
    pub fn resize(&mut self, size: Size) -> Result<(), MonitorError> {
        self.say(&Request::Resize { session: self.session, size })
    }

    /// The process reads end of file after what was written so far.
    pub fn close_stdin(&mut self) -> Result<(), MonitorError> {
        self.say(&Request::CloseStdin)
    }

    pub fn signal(&mut self, signal: Signal) -> Result<(), MonitorError> {
        self.say(&Request::Signal { session: self.session, signal })
    }

    /// Leaves on purpose. Without it, the end of the client that started a session ends that session's stdin.
    pub fn detach(&mut self) -> Result<(), MonitorError> {
        self.say(&Request::Detach)
    }

    fn say(&mut self, word: &Request) -> Result<(), MonitorError> {
        let mut frame = Vec::new();
        put_word(&mut frame, word);
        self.send(&frame)
    }

    fn send(&mut self, frames: &[u8]) -> Result<(), MonitorError> {
        socket::send_all(&self.socket, frames).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => MonitorError::Gone,
            _ => MonitorError::Connection(error),
        })
    }
}

impl AsFd for AttachWriter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
