//! The language of monitors and clients: frames, and the JSON words in them.
//!
//! A frame is the payload's length (u32, little-endian), its kind (one byte), and the payload. Control frames carry one JSON
//! word, the others raw bytes. The client's first frame is `hello` with its version, and it may send its requests at once; the
//! monitor's first frame is `hello` with its own. Words and fields are only ever added: an old monitor answers a word
//! it does not know with `failed`/`unsupported` and goes on, and both sides ignore unknown fields.

use std::io;

use serde::{Deserialize, Serialize};

use super::{AttachOptions, MonitorError, MonitorRequest};
use crate::model::{ErrorKind, ExitStatus, Limits, RestartPolicy, SessionId, SessionSummary, Signal, Size};
use crate::runtime::{ExecRequest, StartRequest};

/// The version this teu speaks.
pub const VERSION: u32 = 1;
/// No frame to a monitor is larger; an exec with a large environment and a seccomp profile fits.
pub const MAX_REQUEST_BYTES: usize = 1 << 20;
/// No frame to a client is larger.
pub const MAX_REPLY_BYTES: usize = 1 << 20;
/// Raw bytes a frame carries at most as we write them.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Length and kind.
pub const HEADER_BYTES: usize = 5;

/// What a frame's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Control = 0,
    Stdin = 1,
    Stdout = 2,
    Stderr = 3,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Control, Self::Stdin, Self::Stdout, Self::Stderr].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// What a client says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum Request {
    Hello {
        version: u32,
    },
    /// Only on the socket a monitor is born with: become the monitor of this container.
    Start {
        request: Box<MonitorRequest>,
        attach: Option<AttachOptions>,
    },
    /// From now on this connection carries the session's streams. Answered by `attached`.
    Attach {
        session: SessionId,
        options: AttachOptions,
    },
    /// Runs a command in the container. Answered by `exec-started`, and this connection is attached if asked for.
    Exec {
        request: Box<ExecRequest>,
        tty: bool,
        stdin: bool,
        size: Option<Size>,
        attach: Option<AttachOptions>,
    },
    Signal {
        session: SessionId,
        signal: Signal,
    },
    /// Answered only where the connection is not attached.
    Resize {
        session: SessionId,
        size: Size,
    },
    /// The attached session's stdin ends here.
    CloseStdin,
    /// The client leaves on purpose: the session's stdin stays open.
    Detach,
    Sessions,
    State,
    /// Answered by `exited` when the container has ended and everything of it is cleared away, or it waits to be started again.
    Wait,
    Pause,
    Resume,
    /// From now on these limits and this policy hold: all of it or, after a refusal, nothing.
    Change {
        limits: Box<Limits>,
        restart: RestartPolicy,
        /// What to start it with the next time; needed where the policy starts it again.
        again: Option<Box<StartRequest>>,
    },
    /// Changes the container's connections, by [`Wire::change`](super::Wire::change). Answered by `rewired`.
    Rewire {
        change: serde_json::Value,
    },
}

/// What a monitor says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub enum Reply {
    Hello {
        version: u32,
    },
    /// The container runs.
    Started {
        pid: i32,
    },
    Attached {
        session: SessionId,
        tty: bool,
    },
    /// All output of before the attachment has been sent.
    Replayed,
    /// Output was dropped because this client did not keep up.
    Lagged {
        bytes: u64,
    },
    /// The attached session, or for `wait` the container, has ended.
    Exited {
        status: ExitStatus,
    },
    ExecStarted {
        session: SessionId,
        pid: i32,
    },
    Sessions {
        sessions: Vec<SessionSummary>,
    },
    State {
        state: Box<super::State>,
    },
    Rewired {
        answer: serde_json::Value,
    },
    Done,
    Failed {
        kind: WireKind,
        message: String,
    },
}

/// [`ErrorKind`] on the wire; a kind that is not known reads as `other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireKind {
    InvalidInput,
    NotFound,
    Conflict,
    /// The container has ended for good.
    NotRunning,
    Permission,
    CommandNotFound,
    CommandNotExecutable,
    Corrupt,
    Unsupported,
    #[serde(other)]
    Other,
}

impl From<ErrorKind> for WireKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput => Self::InvalidInput,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Permission => Self::Permission,
            ErrorKind::CommandNotFound => Self::CommandNotFound,
            ErrorKind::CommandNotExecutable => Self::CommandNotExecutable,
            ErrorKind::Corrupt => Self::Corrupt,
            ErrorKind::Network | ErrorKind::Cancelled | ErrorKind::Other => Self::Other,
        }
    }
}

impl From<WireKind> for ErrorKind {
    fn from(kind: WireKind) -> Self {
        match kind {
            WireKind::InvalidInput => Self::InvalidInput,
            WireKind::NotFound => Self::NotFound,
            WireKind::Conflict | WireKind::NotRunning => Self::Conflict,
            WireKind::Permission => Self::Permission,
            WireKind::CommandNotFound => Self::CommandNotFound,
            WireKind::CommandNotExecutable => Self::CommandNotExecutable,
            WireKind::Corrupt => Self::Corrupt,
            WireKind::Unsupported | WireKind::Other => Self::Other,
        }
    }
}

/// Reads a monitor's word; `None` if it is one that this version does not know.
pub fn parse_reply(payload: &[u8]) -> Result<Option<Reply>, MonitorError> {
    match serde_json::from_slice(payload) {
        Ok(reply) => Ok(Some(reply)),
        Err(_) => match serde_json::from_slice::<serde_json::Value>(payload) {
            Ok(value) if value.get("say").is_some() => Ok(None),
            _ => Err(MonitorError::Protocol("no JSON word".to_owned())),
        },
    }
}

/// The five bytes before a payload.
pub fn header(kind: Kind, payload_bytes: usize) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(payload_bytes).expect("frames are far smaller than 4 GiB");
    let [a, b, c, d] = length.to_le_bytes();
    [a, b, c, d, kind as u8]
}

/// Appends a control frame to `out`.
pub fn put_word(out: &mut Vec<u8>, word: &impl Serialize) {
    let start = out.len();
    out.extend_from_slice(&header(Kind::Control, 0));
    serde_json::to_writer(&mut *out, word)
        .expect("words of the protocol have no map with odd keys and memory does not fail");
    let payload = out.len() - start - HEADER_BYTES;
    out[start..start + HEADER_BYTES].copy_from_slice(&header(Kind::Control, payload));
}

/// Appends raw bytes to `out` as frames of at most [`CHUNK_BYTES`].
pub fn put_raw(out: &mut Vec<u8>, kind: Kind, bytes: &[u8]) {
    for chunk in bytes.chunks(CHUNK_BYTES) {
        out.extend_from_slice(&header(kind, chunk.len()));
        out.extend_from_slice(chunk);
    }
}

/// Collects received bytes and gives them back as frames.
#[derive(Debug)]
pub struct Deframer {
    buffer: Vec<u8>,
    /// Bytes at the buffer's start that were given out already.
    used: usize,
    limit: usize,
}

impl Deframer {
    /// Refuses frames whose payload is larger than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), used: 0, limit }
    }

    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.used > 0 {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// An unknown kind, or a length beyond the limit: the stream can't be trusted any more.
    pub fn next(&mut self) -> io::Result<Option<(Kind, &[u8])>> {
        let Some(length) = self.frame_bytes()? else {
            self.shrink();
            return Ok(None);
        };
        let start = self.used + HEADER_BYTES;
        let kind = Kind::from_byte(self.buffer[start - 1]).ok_or_else(|| invalid("unknown kind of frame"))?;
        self.used = start + length;
        Ok(Some((kind, &self.buffer[start..start + length])))
    }

    /// Whether a whole frame is waiting (or one that [`next`](Self::next) refuses).
    pub fn has_frame(&self) -> bool {
        !matches!(self.frame_bytes(), Ok(None))
    }

    /// The payload's length of the next frame, if it is here whole.
    fn frame_bytes(&self) -> io::Result<Option<usize>> {
        let rest = &self.buffer[self.used..];
        let Some(&[a, b, c, d, _]) = rest.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).map_err(|_| invalid("frame too large"))?;
        if length > self.limit {
            return Err(invalid("frame too large"));
        }
        Ok((rest.len() >= HEADER_BYTES + length).then_some(length))
    }

    /// Gives memory back when everything was read: an idle monitor keeps no buffers.
    fn shrink(&mut self) {
        if self.used == self.buffer.len() && self.buffer.capacity() > 0 {
            self.buffer = Vec::new();
            self.used = 0;
        }
    }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_however_they_are_cut() {
        let mut bytes = Vec::new();
        put_word(&mut bytes, &Request::Signal { session: SessionId(3), signal: Signal::TERM });
        put_raw(&mut bytes, Kind::Stdin, &vec![7; CHUNK_BYTES + 1]);
        for step in [1, 2, 5, 1000, bytes.len()] {
            let mut deframer = Deframer::new(MAX_REQUEST_BYTES);
            let mut frames = Vec::new();
            for part in bytes.chunks(step) {
                deframer.push(part);
                while let Some((kind, payload)) = deframer.next().expect("valid") {
                    frames.push((kind, payload.to_vec()));
                }
            }
            assert_eq!(
                frames.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
                [Kind::Control, Kind::Stdin, Kind::Stdin]
            );
            let word: Request = serde_json::from_slice(&frames[0].1).expect("a word");
            assert!(matches!(word, Request::Signal { session: SessionId(3), signal: Signal::TERM }));
            assert_eq!(frames[1].1.len() + frames[2].1.len(), CHUNK_BYTES + 1);
            assert!(!deframer.has_frame());
        }
    }

    #[test]
    fn frame_too_large_or_of_unknown_kind_is_an_error() {
        let mut deframer = Deframer::new(10);
        deframer.push(&[11, 0, 0, 0, 0]);
        assert!(deframer.has_frame());
        assert!(deframer.next().is_err());
        let mut deframer = Deframer::new(10);
        deframer.push(&[0, 0, 0, 0, 9]);
        assert!(deframer.next().is_err());
    }

    #[test]
    fn word_with_unknown_fields_is_read_and_unknown_kind_is_other() {
        let reply: Reply =
            serde_json::from_str(r#"{"say":"failed","kind":"brand-new","message":"m","more":1}"#).expect("readable");
        assert!(matches!(reply, Reply::Failed { kind: WireKind::Other, .. }));
    }
}
