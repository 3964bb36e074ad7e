//! The line between the process that starts and the one that becomes the container: signs down, reports up.
//!
//! A pair of SOCK_SEQPACKET sockets, close-on-exec: when the command is executed the upper end reads its end.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::RuntimeError;

/// The starting process's end.
#[derive(Debug)]
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
    /// A stage has cloned this process.
    Cloned {
        pid: i32,
        pidfd: OwnedFd,
    },
    /// It waits while hooks run in the starting process's namespaces.
    HooksDue,
    /// Everything is made and it waits to be released: OCI's "created".
    Held,
    /// The line has ended.
    Closed,
}

const EXECUTING: u8 = 0;
const FAILED: u8 = 1;
const TERMINAL: u8 = 2;
const CLONED: u8 = 3;
const HOOKS_DUE: u8 = 4;
const HELD: u8 = 5;

/// Signs that go down.
const GO: u8 = 0;
const DESCRIPTORS: u8 = 1;
const ANNOUNCED: u8 = 2;

/// Descriptors in one message; the kernel's own limit is 253.
const BATCH: usize = 64;

/// Longest report; errors are cut to it.
const MESSAGE_BYTES: usize = 4096;

pub(super) fn line() -> io::Result<(Upper, Lower)> {
    let (upper, lower) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Upper(upper), Lower(lower)))
}

impl Upper {
    /// A connection to a process that waits on its start socket.
    pub fn connected(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Lets the lower end go on from [`Lower::wait`].
    pub fn go(&self) -> io::Result<()> {
        send(&self.0, &[GO], &[])
    }

    /// The same, and tells the process how this end sees it: for [`Lower::wait_for_pid`].
    pub fn go_as(&self, pid: i32) -> io::Result<()> {
        let mut message = vec![GO];
        message.extend(pid.to_le_bytes());
        send(&self.0, &message, &[])
    }

    /// Gives the lower end copies of descriptors, for [`Lower::receive`]. An empty list is a list too.
    pub fn hand(&self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let count = u32::try_from(descriptors.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut message = vec![DESCRIPTORS];
        message.extend(count.to_le_bytes());
        let mut batches = descriptors.chunks(BATCH);
        send(&self.0, &message, batches.next().unwrap_or_default())?;
        batches.try_for_each(|batch| send(&self.0, &message, batch))
    }

    /// Tells a held process that it is known, and that it is released by who connects to `listener`. It keeps `lock` meanwhile.
    pub fn announce(&self, listener: BorrowedFd<'_>, lock: BorrowedFd<'_>) -> io::Result<()> {
        send(&self.0, &[ANNOUNCED], &[listener, lock])
    }

    pub fn next(&self) -> io::Result<Report> {
        let Some((message, descriptors)) = receive(&self.0)? else { return Ok(Report::Closed) };
        parse(&message, descriptors.into_iter().next())
            .ok_or_else(|| io::Error::other("garbled report from the container's set-up"))
    }
}

/// How a held process goes on.
pub(super) enum Release {
    Now,
    /// When somebody connects here.
    Later {
        listener: OwnedFd,
        /// To be kept open, and so locked, till execve.
        lock: OwnedFd,
    },
}

impl Lower {
    /// Waits for one [`Upper::go`]. An end of the line is an error: nobody is there any more.
    pub fn wait(&self) -> io::Result<()> {
        let mut sign = [GO];
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut sign))? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            _ if sign == [GO] => Ok(()),
            _ => Err(unexpected()),
        }
    }

    /// Waits for one [`Upper::go_as`].
    pub fn wait_for_pid(&self) -> io::Result<i32> {
        let mut sign = [GO; 5];
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut sign))? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            5 => match sign {
                [GO, pid @ ..] => Ok(i32::from_le_bytes(pid)),
                _ => Err(unexpected()),
            },
            _ => Err(unexpected()),
        }
    }

    /// Another end of the same line, for another thread.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Waits for one [`Upper::hand`].
    pub fn receive(&self) -> io::Result<Vec<OwnedFd>> {
        let mut received = Vec::new();
        loop {
            let (message, descriptors) = receive(&self.0)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let [DESCRIPTORS, count @ ..] = message.as_slice() else { return Err(unexpected()) };
            let count = u32::from_le_bytes(count.try_into().map_err(|_| unexpected())?) as usize;
            if descriptors.is_empty() && count > received.len() {
                return Err(io::Error::other("descriptors got lost on their way"));
            }
            received.extend(descriptors);
            if received.len() >= count {
                return Ok(received);
            }
        }
    }

    /// Waits, when held, for the creator's word: [`Upper::go`] or [`Upper::announce`].
    pub fn await_release(&self) -> io::Result<Release> {
        let (message, descriptors) = receive(&self.0)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut descriptors = descriptors.into_iter();
        match (message.as_slice(), descriptors.next(), descriptors.next()) {
            ([GO], None, None) => Ok(Release::Now),
            ([ANNOUNCED], Some(listener), Some(lock)) => Ok(Release::Later { listener, lock }),
            _ => Err(unexpected()),
        }
    }

    /// Reports to this connection from now on; the starting process reads its end of the old line.
    pub fn move_to(&mut self, connection: &OwnedFd) -> io::Result<()> {
        Ok(rustix::io::dup3(connection, &mut self.0, rustix::io::DupFlags::CLOEXEC)?)
    }

    pub fn executing(&self) -> io::Result<()> {
        send(&self.0, &[EXECUTING], &[])
    }

    pub fn hooks_due(&self) -> io::Result<()> {
        send(&self.0, &[HOOKS_DUE], &[])
    }

    pub fn held(&self) -> io::Result<()> {
        send(&self.0, &[HELD], &[])
    }

    /// Tells why. There is nobody else to tell if that fails.
    pub fn failed(&self, error: &RuntimeError) {
        let _ = send(&self.0, &encode(error), &[]);
    }

    pub fn terminal(&self, master: &OwnedFd) -> io::Result<()> {
        send(&self.0, &[TERMINAL], &[master.as_fd()])
    }

    pub fn cloned(&self, pid: i32, pidfd: &OwnedFd) -> io::Result<()> {
        let mut message = vec![CLONED];
        message.extend(pid.to_le_bytes());
        send(&self.0, &message, &[pidfd.as_fd()])
    }
}

fn unexpected() -> io::Error {
    io::Error::other("an unexpected sign from the starting process")
}

fn send(socket: &OwnedFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("no room for the descriptors"));
    }
    rustix::io::retry_on_intr(|| sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// One message with its descriptors; `None` at the end of the line.
fn receive(socket: &OwnedFd) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MESSAGE_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        match recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            // CONNRESET, told once: the other end closed with unread messages in its queue. What it sent before is still to
            // be read, then the end.
            Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
            received => break received?,
        }
    };
    let rights = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptors: Vec<OwnedFd> = rights.flatten().collect();
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::other("a message of the container's set-up is too long"));
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    bytes.truncate(received.bytes);
    Ok(Some((bytes, descriptors)))
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
        RuntimeError::Hook(text) => (b'h', 0, text.clone()),
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
        CLONED => Some(Report::Cloned { pid: i32::from_le_bytes(rest.try_into().ok()?), pidfd: descriptor? }),
        HOOKS_DUE => Some(Report::HooksDue),
        HELD => Some(Report::Held),
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
        b'h' => RuntimeError::Hook(text),
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
    fn long_list_of_descriptors_travels_down_whole() {
        let (upper, lower) = line().expect("line");
        let (reader, _writer) = rustix::pipe::pipe().expect("pipe");
        for count in [0, 1, BATCH, 2 * BATCH + 3] {
            upper.hand(&vec![reader.as_fd(); count]).expect("hand");
            assert_eq!(lower.receive().expect("receive").len(), count);
        }
        upper.go().expect("go");
        assert!(lower.receive().is_err(), "a sign is no list");
    }

    #[test]
    fn line_that_moved_reports_to_its_new_end() {
        let (upper, mut lower) = line().expect("line");
        let (other, connection) = line().expect("line");
        lower.move_to(&connection.0).expect("move");
        drop(connection);
        lower.executing().expect("report");
        assert!(matches!(other.next().expect("report"), Report::Executing));
        assert!(matches!(upper.next().expect("end"), Report::Closed));
    }

    #[test]
    fn failure_is_heard_from_an_end_that_left_signs_unread() {
        let (upper, lower) = line().expect("line");
        upper.go().expect("go");
        lower.failed(&RuntimeError::InvalidRequest("why".to_owned()));
        drop(lower);
        assert!(matches!(upper.next().expect("report"), Report::Failed(error) if error.to_string() == "why"));
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
