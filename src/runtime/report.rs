//! The line between the process that starts and the one that becomes the container: signs down, reports up.
//!
//! A pair of SOCK_SEQPACKET sockets, close-on-exec: when the command is executed the upper end reads its end.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::RuntimeError;

/// The starting process's end.
pub(super) struct Upper(OwnedFd);

/// The end of the process that is being set up.
pub(super) struct Lower(OwnedFd);

/// What comes up.
pub(super) enum Report {
    /// The next thing is execve: the end of the line from here on is success.
    Executing,
    Failed(RuntimeError),
    /// The terminal's master side.
    Terminal(OwnedFd),
    /// An exec's middle stage has cloned the process with this pid.
    Cloned(i32),
    /// The line has ended.
    Closed,
}

const EXECUTING: u8 = 0;
const FAILED: u8 = 1;
const TERMINAL: u8 = 2;
const CLONED: u8 = 3;

/// Longest report; errors are cut to it.
const MESSAGE_BYTES: usize = 4096;

pub(super) fn line() -> io::Result<(Upper, Lower)> {
    let (upper, lower) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Upper(upper), Lower(lower)))
}

impl Upper {
    /// Lets the lower end go on from [`Lower::wait`].
    pub fn go(&self) -> io::Result<()> {
        send(&self.0, &[0], None)
    }

    pub fn next(&self) -> io::Result<Report> {
        let mut bytes = [0; MESSAGE_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                // The lower end was killed with unread signs in its queue.
                Err(rustix::io::Errno::CONNRESET) => return Ok(Report::Closed),
                received => break received?,
            }
        };
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(io::Error::other("a report from the container's set-up is too long"));
        }
        let message = bytes.get(..received.bytes).unwrap_or_default();
        parse(message, descriptor).ok_or_else(|| io::Error::other("garbled report from the container's set-up"))
    }
}

impl Lower {
    /// Waits for one [`Upper::go`]. An end of the line is an error: nobody is there any more.
    pub fn wait(&self) -> io::Result<()> {
        let mut sign = [0];
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut sign))? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            _ => Ok(()),
        }
    }

    pub fn executing(&self) -> io::Result<()> {
        send(&self.0, &[EXECUTING], None)
    }

    /// Tells why. There is nobody else to tell if that fails.
    pub fn failed(&self, error: &RuntimeError) {
        let _ = send(&self.0, &encode(error), None);
    }

    pub fn terminal(&self, master: &OwnedFd) -> io::Result<()> {
        send(&self.0, &[TERMINAL], Some(master))
    }

    pub fn cloned(&self, pid: i32) -> io::Result<()> {
        let mut message = vec![CLONED];
        message.extend(pid.to_le_bytes());
        send(&self.0, &message, None)
    }
}

fn send(socket: &OwnedFd, bytes: &[u8], descriptor: Option<&OwnedFd>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.map(|descriptor| [descriptor.as_fd()]);
    if let Some(descriptors) = &descriptors
        && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
    {
        return Err(io::Error::other("no room for a descriptor"));
    }
    rustix::io::retry_on_intr(|| sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Errors as bytes: `FAILED`, the variant, the errno, the text.
fn encode(error: &RuntimeError) -> Vec<u8> {
    let errno = |source: &io::Error| source.raw_os_error().unwrap_or(0);
    let with_source = |text: &str, source: &io::Error| match source.raw_os_error() {
        Some(_) => text.to_owned(),
        None => format!("{text}: {source}"),
    };
    let (variant, errno, text) = match error {
        RuntimeError::CommandNotFound(text) => (b'n', 0, text.clone()),
        RuntimeError::CommandNotExecutable(text) => (b'x', 0, text.clone()),
        RuntimeError::InvalidRequest(text) => (b'i', 0, text.clone()),
        RuntimeError::Forbidden { what, source } => (b'f', errno(source), with_source(what, source)),
        RuntimeError::Step { step, source } => (b's', errno(source), with_source(step, source)),
        other => (b'i', 0, other.to_string()),
    };
    let mut bytes = vec![FAILED, variant];
    bytes.extend(i32::to_le_bytes(errno));
    bytes.extend(text.as_bytes());
    bytes.truncate(MESSAGE_BYTES);
    bytes
}

fn parse(message: &[u8], descriptor: Option<OwnedFd>) -> Option<Report> {
    let Some((tag, rest)) = message.split_first() else { return Some(Report::Closed) };
    match *tag {
        EXECUTING => Some(Report::Executing),
        FAILED => decode(rest).map(Report::Failed),
        TERMINAL => descriptor.map(Report::Terminal),
        CLONED => Some(Report::Cloned(i32::from_le_bytes(rest.try_into().ok()?))),
        _ => None,
    }
}

fn decode(bytes: &[u8]) -> Option<RuntimeError> {
    let (variant, rest) = bytes.split_first()?;
    let (errno, text) = rest.split_at_checked(4)?;
    let errno = i32::from_le_bytes(errno.try_into().ok()?);
    let text = String::from_utf8_lossy(text).into_owned();
    let source = match errno {
        0 => io::Error::other("set-up refused"),
        errno => io::Error::from_raw_os_error(errno),
    };
    Some(match variant {
        b'n' => RuntimeError::CommandNotFound(text),
        b'x' => RuntimeError::CommandNotExecutable(text),
        b'f' => RuntimeError::Forbidden { what: text, source },
        b's' => RuntimeError::Step { step: text, source },
        _ => RuntimeError::InvalidRequest(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ErrorKind;

    #[test]
    fn errors_keep_kind_and_text_over_the_line() {
        let (upper, lower) = line().expect("line");
        lower.failed(&RuntimeError::CommandNotFound("exec: \"x\": gone".to_owned()));
        lower.failed(&RuntimeError::step("mount /proc", io::Error::from_raw_os_error(1)));
        lower.failed(&RuntimeError::InvalidRequest("y".repeat(2 * MESSAGE_BYTES)));
        let mut errors = Vec::new();
        for _ in 0..3 {
            match upper.next().expect("report") {
                Report::Failed(error) => errors.push(error),
                _ => panic!("not a failure"),
            }
        }
        assert_eq!((errors[0].kind(), errors[0].to_string()), (ErrorKind::CommandNotFound, "exec: \"x\": gone".into()));
        assert_eq!(errors[1].kind(), ErrorKind::Permission);
        assert!(errors[1].to_string().starts_with("mount /proc: Operation not permitted"), "{}", errors[1]);
        assert_eq!(errors[2].kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn descriptor_travels_and_end_is_closed() {
        let (upper, lower) = line().expect("line");
        let (reader, writer) = rustix::pipe::pipe().expect("pipe");
        lower.terminal(&writer).expect("send");
        drop(writer);
        let Report::Terminal(travelled) = upper.next().expect("report") else { panic!("no descriptor") };
        rustix::io::write(&travelled, b"x").expect("write");
        let mut byte = [0];
        assert_eq!(rustix::io::read(&reader, &mut byte).expect("read"), 1);
        drop(lower);
        assert!(matches!(upper.next().expect("end"), Report::Closed));
    }

    #[test]
    fn wait_without_upper_end_is_an_error() {
        let (upper, lower) = line().expect("line");
        upper.go().expect("go");
        drop(upper);
        lower.wait().expect("the sign was sent before");
        assert!(lower.wait().is_err());
    }
}
