//! Netlink (netlink(7)): requests that are acknowledged, dumps, and nfnetlink's batches, which the kernel takes whole or not
//! at all. Knows how messages are laid out, not what they say.
#![allow(unsafe_code, reason = "netlink's socket options have no safe wrapper")]

use std::fmt;
use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
};

/// `NLM_F_CREATE`, with `NLM_F_EXCL`: make it, and refuse if it is there.
pub const CREATE: u16 = 0x400 | 0x200;
/// `NLM_F_CREATE` alone: make it unless it is there.
pub const ENSURE: u16 = 0x400;
/// `NLM_F_CREATE` with `NLM_F_APPEND`: put it behind what is there.
pub const APPEND: u16 = 0x400 | 0x800;
/// `NLM_F_CREATE` with `NLM_F_REPLACE`.
pub const REPLACE: u16 = 0x400 | 0x100;

const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const DUMP: u16 = 0x300;
/// In an answer's flags: an extended acknowledgement follows (NLM_F_ACK_TLVS), and the request's body does not (NLM_F_CAPPED).
const ACK_TLVS: u16 = 0x200;
const CAPPED: u16 = 0x100;
/// In an answer's flags: what was dumped changed meanwhile.
const DUMP_INTERRUPTED: u16 = 0x10;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

const HEADER_BYTES: usize = 16;
/// Set in the kind of an attribute that holds others.
const NESTED: u16 = 0x8000;
const KIND_MASK: u16 = 0x3fff;

/// The kernel answers at once; a socket that hears nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers are at most 32 KiB each since Linux 4.9 (netlink_dump).
const ANSWER_BYTES: usize = 64 << 10;

/// The kernel's refusal, or that it could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub errno: Errno,
    /// The kernel's own words (extended acknowledgement), if it had any.
    pub message: Option<String>,
    /// Which message of a batch was refused, counted from 0; none where no single one is to blame.
    pub index: Option<usize>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", io::Error::from(self.errno))?;
        self.message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
    }
}

impl std::error::Error for Refusal {}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, message: None, index: None }
    }
}

/// What every request returns.
pub type Result<T> = std::result::Result<T, Refusal>;

/// A request to be: its kind, flags, the fixed header of its kind, and attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// `header` is the fixed part that the kind asks for, such as a `struct ifinfomsg`.
    pub fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut message = Self { kind, flags, body: header.to_vec() };
        message.pad();
        message
    }

    /// An attribute with these bytes.
    #[must_use]
    pub fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        self.put_header(kind, value.len());
        self.body.extend_from_slice(value);
        self.pad();
        self
    }

    /// A text with the zero byte that the kernel wants behind it.
    #[must_use]
    pub fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// A number in the machine's byte order, as rtnetlink has them.
    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// A number in network byte order, as nfnetlink has them.
    #[must_use]
    pub fn network_number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// An attribute that holds those which `fill` adds.
    #[must_use]
    pub fn nest(mut self, kind: u16, fill: impl FnOnce(Self) -> Self) -> Self {
        let start = self.body.len();
        self.put_header(kind | NESTED, 0);
        let mut filled = fill(self);
        let length = u16::try_from(filled.body.len() - start).expect("attributes of less than 64 KiB");
        filled.body[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        filled
    }

    /// Bytes without an attribute's header, for kinds that nest another fixed header.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.body.extend_from_slice(bytes);
        self.pad();
        self
    }

    fn put_header(&mut self, kind: u16, length: usize) {
        let length = u16::try_from(4 + length).expect("an attribute of less than 64 KiB");
        self.body.extend_from_slice(&length.to_ne_bytes());
        self.body.extend_from_slice(&kind.to_ne_bytes());
    }

    fn pad(&mut self) {
        self.body.resize(self.body.len().next_multiple_of(4), 0);
    }

    fn write(&self, more_flags: u16, sequence: u32, out: &mut Vec<u8>) {
        let length = u32::try_from(HEADER_BYTES + self.body.len()).expect("a message of less than 4 GiB");
        out.extend_from_slice(&length.to_ne_bytes());
        out.extend_from_slice(&self.kind.to_ne_bytes());
        out.extend_from_slice(&(self.flags | more_flags).to_ne_bytes());
        out.extend_from_slice(&sequence.to_ne_bytes());
        out.extend_from_slice(&0u32.to_ne_bytes());
        out.extend_from_slice(&self.body);
    }
}

/// The attributes in `bytes`, each its kind and its value. Ends at the first that is not whole.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, kind) = (u16_at(rest, 0)?, u16_at(rest, 2)?);
        let value = rest.get(4..usize::from(length))?;
        rest = rest.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
        Some((kind & KIND_MASK, value))
    })
}

/// The value of the first attribute of a kind.
pub fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A netlink socket of the network namespace that the calling thread is in.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// For links, addresses and routes (rtnetlink(7)).
    pub fn route() -> Result<Self> {
        Self::open(None)
    }

    /// For nftables.
    pub fn netfilter() -> Result<Self> {
        Self::open(Some(NETFILTER))
    }

    /// The socket of another process, or for one: see [`inside`](super::inside).
    pub fn of(socket: OwnedFd) -> Self {
        Self { socket, sequence: 0, buffer: vec![0; ANSWER_BYTES] }
    }

    pub fn into_socket(self) -> OwnedFd {
        self.socket
    }

    fn open(protocol: Option<Protocol>) -> Result<Self> {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            set_option(&socket, option)?;
        }
        Ok(Self::of(socket))
    }

    /// Sends one request and waits for its acknowledgement.
    pub fn request(&mut self, message: &Message) -> Result<()> {
        let sequence = self.send(std::slice::from_ref(message), REQUEST | ACKNOWLEDGE)?;
        self.answers(sequence, |_, _| {})
    }

    /// Sends several requests at once and waits for all their acknowledgements. Each is done for itself, also behind one that
    /// is refused; the first refusal is returned, with its index.
    pub fn requests(&mut self, messages: &[Message]) -> Result<()> {
        let Some(last) = messages.len().checked_sub(1) else { return Ok(()) };
        let first = self.sequence.wrapping_add(1);
        self.send(messages, REQUEST | ACKNOWLEDGE)?;
        let (mut answered, mut refused) = (0, None);
        while answered <= last {
            let answers = self.receive(|header, body| (header.sequence, acknowledgement(header, body)))?;
            for (sequence, acknowledged) in answers.into_iter().flatten() {
                let index = sequence.wrapping_sub(first) as usize;
                let Some(result) = acknowledged.filter(|_| index <= last) else { continue };
                answered += 1;
                if let Err(refusal) = result {
                    refused.get_or_insert(Refusal { index: Some(index), ..refusal });
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Sends one request and returns the one answer it brings: its kind's fixed header and attributes.
    pub fn get(&mut self, message: &Message) -> Result<Vec<u8>> {
        let sequence = self.send(std::slice::from_ref(message), REQUEST | ACKNOWLEDGE)?;
        let mut answer = Vec::new();
        self.answers(sequence, |_, body| answer = body.to_vec())?;
        Ok(answer)
    }

    /// Asks for all of a kind: the fixed headers and attributes of each. Asked anew when it changes meanwhile.
    pub fn dump(&mut self, message: &Message) -> Result<Vec<Vec<u8>>> {
        for _ in 0..8 {
            let sequence = self.send(std::slice::from_ref(message), REQUEST | DUMP)?;
            let (mut all, mut torn) = (Vec::new(), false);
            self.answers(sequence, |flags, body| {
                torn |= flags & DUMP_INTERRUPTED != 0;
                all.push(body.to_vec());
            })?;
            if !torn {
                return Ok(all);
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Sends an nfnetlink batch for a subsystem: the kernel does all of it in one step, or nothing.
    pub fn batch(&mut self, subsystem: u16, messages: &[Message]) -> Result<()> {
        let Some(last) = messages.len().checked_sub(1) else { return Ok(()) };
        let marker = |kind| {
            let [high, low] = subsystem.to_be_bytes();
            Message::new(kind, 0, &[0, 0, high, low])
        };
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(256 * messages.len());
        marker(BATCH_BEGIN).write(REQUEST, first, &mut bytes);
        for (index, message) in messages.iter().enumerate() {
            let flags = if index == last { REQUEST | ACKNOWLEDGE } else { REQUEST };
            message.write(flags, first.wrapping_add(1 + index as u32), &mut bytes);
        }
        self.sequence = first.wrapping_add(2 + last as u32);
        marker(BATCH_END).write(REQUEST, self.sequence, &mut bytes);
        self.make_room(bytes.len())?;
        self.put(&bytes)?;
        let mut refused: Option<Refusal> = None;
        loop {
            let Some(answer) = self.receive(|header, body| (header.sequence, acknowledgement(header, body)))? else {
                continue;
            };
            for (sequence, acknowledged) in answer {
                let index = sequence.wrapping_sub(first.wrapping_add(1)) as usize;
                if let Some(Err(refusal)) = &acknowledged {
                    let index = (index <= last).then_some(index);
                    refused.get_or_insert_with(|| Refusal { index, ..refusal.clone() });
                }
                // Either the whole batch is refused at its beginning, or the last message's answer comes last.
                if sequence == first || index == last {
                    return refused.map_or(Ok(()), Err);
                }
            }
        }
    }

    /// Gives back what answers are read into, until the next request: for a socket that is kept and seldom used.
    pub fn rest(&mut self) {
        self.buffer = Vec::new();
    }

    fn send(&mut self, messages: &[Message], flags: u16) -> Result<u32> {
        let mut bytes = Vec::new();
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            message.write(flags, self.sequence, &mut bytes);
        }
        self.put(&bytes)?;
        Ok(self.sequence)
    }

    fn put(&self, bytes: &[u8]) -> Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        loop {
            match sendto(&self.socket, bytes, SendFlags::NOSIGNAL, &kernel) {
                Err(Errno::INTR) => {}
                Ok(sent) if sent == bytes.len() => return Ok(()),
                Ok(_) => return Err(Errno::MSGSIZE.into()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// A batch is one datagram, so the socket's buffer must hold it; SO_SNDBUFFORCE needs CAP_NET_ADMIN, as batches do.
    fn make_room(&self, bytes: usize) -> Result<()> {
        if bytes > 64 << 10 {
            let wanted = bytes + (bytes >> 2);
            if rustix::net::sockopt::set_socket_send_buffer_size_force(&self.socket, wanted).is_err() {
                rustix::net::sockopt::set_socket_send_buffer_size(&self.socket, wanted)?;
            }
        }
        Ok(())
    }

    /// Reads answers until the acknowledgement or the end of the dump.
    fn answers(&mut self, sequence: u32, mut take: impl FnMut(u16, &[u8])) -> Result<()> {
        loop {
            let ends = self.receive(|header, body| {
                if header.sequence != sequence {
                    return None;
                }
                let acknowledged = acknowledgement(header, body);
                if acknowledged.is_none() {
                    take(header.flags, body);
                }
                acknowledged
            })?;
            if let Some(end) = ends.into_iter().flatten().flatten().next() {
                return end;
            }
        }
    }

    /// One datagram of answers, each given to `read`; none if it was no answer of the kernel's.
    fn receive<T>(&mut self, mut read: impl FnMut(&Header, &[u8]) -> T) -> Result<Option<Vec<T>>> {
        self.buffer.resize(ANSWER_BYTES, 0);
        let length = loop {
            match recv(&self.socket, &mut self.buffer[..], RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                Ok((length, _)) => break length,
                Err(errno) => return Err(errno.into()),
            }
        };
        let mut rest = &self.buffer[..length];
        let mut all = Vec::new();
        while let Some(header) = Header::of(rest) {
            let Some(body) = rest.get(HEADER_BYTES..header.length) else { break };
            all.push(read(&header, body));
            rest = rest.get(header.length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok((!all.is_empty()).then_some(all))
    }
}

struct Header {
    length: usize,
    kind: u16,
    flags: u16,
    sequence: u32,
}

impl Header {
    fn of(bytes: &[u8]) -> Option<Self> {
        let length = usize::try_from(u32_at(bytes, 0)?).ok().filter(|length| *length >= HEADER_BYTES)?;
        Some(Self { length, kind: u16_at(bytes, 4)?, flags: u16_at(bytes, 6)?, sequence: u32_at(bytes, 8)? })
    }
}

/// What an answer says of its request; none if it is data.
fn acknowledgement(header: &Header, body: &[u8]) -> Option<Result<()>> {
    match header.kind {
        NLMSG_DONE | NLMSG_ERROR => {}
        _ => return None,
    }
    let code = u32_at(body, 0).map_or(0, u32::cast_signed);
    if code == 0 {
        return Some(Ok(()));
    }
    let errno = Errno::from_raw_os_error(code.wrapping_neg());
    // Behind the code comes the request's header, the request's body unless it was cut off, and then the kernel's words.
    let told = match header.flags {
        flags if header.kind == NLMSG_ERROR && flags & ACK_TLVS != 0 && flags & CAPPED != 0 => {
            body.get(4 + HEADER_BYTES..)
        }
        flags if header.kind == NLMSG_ERROR && flags & ACK_TLVS != 0 => {
            u32_at(body, 4).and_then(|length| body.get(4 + usize::try_from(length).ok()?.next_multiple_of(4)..))
        }
        _ => None,
    };
    // NLMSGERR_ATTR_MSG
    let message = told.and_then(|told| attribute(told, 1)).map(|text| {
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    });
    Some(Err(Refusal { errno, message, index: None }))
}

fn set_option(socket: impl AsFd, option: i32) -> Result<()> {
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).expect("four bytes");
    // SAFETY: the option's value is an int that stays during the call, and its length is given.
    let result = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), libc::SOL_NETLINK, option, (&raw const on).cast(), length)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_laid_out_as_the_kernel_reads_it() {
        let message =
            Message::new(16, CREATE, &[0; 16]).text(3, "abc").nest(18, |inner| inner.text(1, "veth").number(2, 7));
        let mut bytes = Vec::new();
        message.write(REQUEST, 9, &mut bytes);
        assert_eq!(u32_at(&bytes, 0), Some(u32::try_from(bytes.len()).expect("small")));
        assert_eq!(u16_at(&bytes, 6), Some(CREATE | REQUEST));
        let body = &bytes[HEADER_BYTES + 16..];
        assert_eq!(attribute(body, 3), Some(&b"abc\0"[..]));
        let inner = attribute(body, 18).expect("nested");
        assert_eq!(attribute(inner, 1), Some(&b"veth\0"[..]));
        assert_eq!(attribute(inner, 2), Some(&7u32.to_ne_bytes()[..]));
    }

    #[test]
    fn attributes_that_are_cut_short_end_the_list() {
        assert_eq!(attributes(&[]).count(), 0);
        assert_eq!(attributes(&[8, 0, 1, 0, 1, 2]).count(), 0);
        assert_eq!(attributes(&[2, 0, 1, 0]).count(), 0, "shorter than its own header");
        assert_eq!(attributes(&[5, 0, 1, 0, 9]).collect::<Vec<_>>(), [(1, &[9u8][..])]);
    }

    #[test]
    fn loopback_is_found_and_a_missing_link_is_refused() {
        let mut netlink = Netlink::route().expect("a socket");
        // RTM_GETLINK with a struct ifinfomsg.
        let links = netlink.dump(&Message::new(18, 0, &[0; 16])).expect("links");
        assert!(links.iter().any(|link| attribute(&link[16..], 3) == Some(b"lo\0")));
        let missing = Message::new(18, 0, &[0; 16]).text(3, "teu-missing");
        assert_eq!(netlink.get(&missing).expect_err("no such link").errno, Errno::NODEV);
        assert!(
            netlink.get(&Message::new(18, 0, &[0; 16]).text(3, "lo")).is_ok(),
            "the socket is good after a refusal"
        );
    }
}
