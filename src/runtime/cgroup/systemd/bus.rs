//! A connection to a D-Bus daemon or to systemd itself: one thread, one call at a time, each with a time limit.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::message::{Body, Call, Kind, Message, whole_length};

/// How long one call may take: systemd answers in milliseconds, unless it just starts a machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    deadline: Instant,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    Io(io::Error),
    /// The other side's own word: the error's name and message.
    Told(String, String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Bus {
    /// Connects and shows who is asking: the kernel tells the other side the user. On a bus it also gets a name.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path)?;
        let mut bus = Self { stream, serial: 0, deadline: Instant::now() + PATIENCE };
        bus.stream.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        let first = bus.line()?;
        let answer = if first == "DATA" { bus.line()? } else { first };
        if !answer.starts_with("OK ") {
            let why = format!("{} refuses this user: {answer}", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into());
        }
        // systemd's own socket has no bus and gives no names.
        if !path.ends_with("systemd/private") {
            bus.call(&Call {
                destination: "org.freedesktop.DBus",
                path: "/org/freedesktop/DBus",
                interface: "org.freedesktop.DBus",
                member: "Hello",
                signature: "",
                body: Body::default(),
            })?;
        }
        Ok(bus)
    }

    /// Calls and waits for the answer. Signals that come meanwhile are handed to `heard`.
    pub fn call(&mut self, call: &Call<'_>) -> Result<Message, Failure> {
        let mut signals = Vec::new();
        self.call_hearing(call, &mut signals)
    }

    /// As [`Self::call`]; signals that come before the answer are kept in `signals`.
    pub fn call_hearing(&mut self, call: &Call<'_>, signals: &mut Vec<Message>) -> Result<Message, Failure> {
        self.deadline = Instant::now() + PATIENCE;
        self.serial += 1;
        self.stream.write_all(&call.encode(self.serial))?;
        loop {
            let message = self.next()?;
            match message.kind {
                Kind::Return if message.reply_to == self.serial => return Ok(message),
                Kind::Error if message.reply_to == self.serial => {
                    return Err(Failure::Told(
                        message.error_name,
                        message.texts.into_iter().next().unwrap_or_default(),
                    ));
                }
                Kind::Signal => signals.push(message),
                Kind::Return | Kind::Error | Kind::Other => {}
            }
        }
    }

    /// The next message, within the time of the last call.
    pub fn next(&mut self) -> io::Result<Message> {
        let mut head = [0; 16];
        self.fill(&mut head)?;
        let mut bytes = head.to_vec();
        bytes.resize(whole_length(&head)?, 0);
        self.fill(&mut bytes[16..])?;
        Message::decode(&bytes)
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => buffer = &mut buffer[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One line of the greeting, byte by byte: what follows it belongs to messages.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.fill(&mut byte)?;
            line.push(byte[0]);
            if line.len() > 1024 {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a greeting without end"));
            }
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// The socket in a D-Bus address such as `unix:path=/run/user/1000/bus`; the first of several that is a path.
pub(super) fn socket_of(address: &str) -> Option<PathBuf> {
    let options = address.split(';').filter_map(|one| one.strip_prefix("unix:")).flat_map(|one| one.split(','));
    options.filter_map(|option| option.strip_prefix("path=")).map(PathBuf::from).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_their_socket() {
        assert_eq!(socket_of("unix:path=/run/user/1/bus"), Some(PathBuf::from("/run/user/1/bus")));
        assert_eq!(socket_of("tcp:host=x;unix:path=/b,guid=5"), Some(PathBuf::from("/b")));
        assert_eq!(socket_of("unix:abstract=/tmp/x"), None);
    }
}
