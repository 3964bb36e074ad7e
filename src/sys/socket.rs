//! Unix sockets: listening and connecting inside a folder, pairs, the peer's user, sends that never block or signal.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, accept_with, bind, connect, listen, recv, send, sendmsg, socket_with, socketpair, sockopt,
};

/// Two connected stream sockets, both closed on exec.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// Listens on `folder/name`, which only its owner may connect to (mode 0600 before the first connection can come).
pub fn listen_in(folder: &Path, name: &str) -> io::Result<OwnedFd> {
    listen_with(new(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?, folder, name)
}

/// The same for a socket that keeps messages apart (SOCK_SEQPACKET). Waiting for a connection blocks.
pub fn listen_for_messages_in(folder: &Path, name: &str) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    listen_with(socket, folder, name)
}

fn listen_with(socket: OwnedFd, folder: &Path, name: &str) -> io::Result<OwnedFd> {
    with_address(folder, name, |address| bind(&socket, address))?;
    // A socket that does not listen yet refuses connections, so there is no moment with wider rights.
    rustix::fs::chmod(folder.join(name), Mode::RUSR | Mode::WUSR)?;
    listen(&socket, 64)?;
    Ok(socket)
}

/// Connects to `folder/name`.
pub fn connect_in(folder: &Path, name: &str) -> io::Result<OwnedFd> {
    let socket = new(SocketFlags::CLOEXEC)?;
    with_address(folder, name, |address| connect(&socket, address))?;
    Ok(socket)
}

/// Connects to `folder/name`, made by [`listen_for_messages_in`].
pub fn connect_for_messages_in(folder: &Path, name: &str) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    with_address(folder, name, |address| connect(&socket, address))?;
    Ok(socket)
}

/// Waits for a connection.
pub fn accept_blocking(listener: impl AsFd) -> io::Result<OwnedFd> {
    loop {
        match accept_with(&listener, SocketFlags::CLOEXEC) {
            Err(rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => {}
            accepted => return Ok(accepted?),
        }
    }
}

/// The next waiting connection, not blocking; `None` if nobody waits.
pub fn accept(listener: impl AsFd) -> io::Result<Option<OwnedFd>> {
    match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(socket) => Ok(Some(socket)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The user id of the process that connected (SO_PEERCRED, unix(7)).
pub fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    Ok(sockopt::socket_peercred(socket)?.uid.as_raw())
}

/// Sends what the peer has room for now: `None` if nothing. Never raises SIGPIPE.
pub fn send_now(socket: impl AsFd, bytes: &[u8]) -> io::Result<Option<usize>> {
    loop {
        match send(&socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(sent) => return Ok(Some(sent)),
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends everything, waiting for the peer where needed. Never raises SIGPIPE.
pub fn send_all(socket: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match send(&socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Sends bytes (at least one) and with them a descriptor.
pub fn send_descriptor(socket: impl AsFd, bytes: &[u8], descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    rustix::io::retry_on_intr(|| sendmsg(&socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives what is there into `buffer`: 0 at the end, `None` if nothing has come yet.
pub fn receive_now(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    receive_with(socket, buffer, RecvFlags::DONTWAIT)
}

/// Receives into `buffer`, waiting for the first byte: 0 at the end.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    receive_with(socket, buffer, RecvFlags::empty())?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
}

/// Receives what is there into `buffer`'s spare capacity, replacing what it held: `Some(0)` at the end, `None` if nothing has come.
/// Only the pages that bytes come into are touched.
pub fn receive_into(socket: impl AsFd, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
    buffer.clear();
    loop {
        match recv(&socket, rustix::buffer::spare_capacity(buffer), RecvFlags::DONTWAIT) {
            Ok((received, _)) => return Ok(Some(received)),
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn receive_with(socket: impl AsFd, buffer: &mut [u8], flags: RecvFlags) -> io::Result<Option<usize>> {
    loop {
        match recv(&socket, &mut *buffer, flags) {
            Ok((received, _)) => return Ok(Some(received)),
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn new(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Calls `act` with an address of `folder/name` that fits into sun_path's 108 bytes however long the folder's path is.
fn with_address(
    folder: &Path,
    name: &str,
    act: impl FnOnce(&SocketAddrUnix) -> rustix::io::Result<()>,
) -> io::Result<()> {
    if let Ok(address) = SocketAddrUnix::new(folder.join(name)) {
        return Ok(act(&address)?);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty())?;
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))?;
    Ok(act(&address)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn connection_in_a_very_long_folder_carries_bytes_and_the_peers_user() {
        let temporary = tempfile::tempdir().expect("temporary folder");
        let folder = temporary.path().join("x".repeat(100)).join("y".repeat(100));
        std::fs::create_dir_all(&folder).expect("folder");
        let listener = listen_in(&folder, "socket").expect("listen");
        assert!(accept(&listener).expect("accept").is_none());
        let client = connect_in(&folder, "socket").expect("connect");
        let server = accept(&listener).expect("accept").expect("a connection");
        assert_eq!(peer_uid(&server).expect("peer"), rustix::process::getuid().as_raw());
        send_all(&client, b"hello").expect("send");
        let mut buffer = [0; 16];
        assert_eq!(receive_now(&server, &mut buffer).expect("receive"), Some(5));
        assert_eq!(receive_now(&server, &mut buffer).expect("receive"), None);
        drop(client);
        assert_eq!(receive_now(&server, &mut buffer).expect("receive"), Some(0));
        let mode = std::fs::metadata(folder.join("socket")).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn send_to_a_closed_peer_is_an_error_not_a_signal() {
        let (one, other) = pair().expect("pair");
        drop(other);
        assert_eq!(send_all(&one, b"x").expect_err("closed").kind(), io::ErrorKind::BrokenPipe);
    }
}
