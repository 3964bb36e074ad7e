//! Sockets of namespaces that this process is not in and cannot enter: a child process goes there, opens them and sends them
//! back. Who made a user namespace has all capabilities in it from outside (user_namespaces(7)), so that they can be used here.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, recvmsg, socketpair,
};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::clone::{CloneOptions, Cloned, clone3};
use super::{program, socket};

const DESCRIPTOR: u8 = b'd';
const FAILURE: u8 = b'e';

/// What `open` opens in a user namespace of this user's and a network namespace that belongs to it. This process must have a
/// single thread.
pub fn open_inside(
    user: BorrowedFd<'_>,
    network: BorrowedFd<'_>,
    open: impl FnOnce() -> io::Result<Vec<OwnedFd>>,
) -> io::Result<Vec<OwnedFd>> {
    let (own, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    match clone3(&CloneOptions::default())? {
        Cloned::Child => {
            drop(own);
            let opened = enter(user, network).and_then(|()| open());
            let told = opened.and_then(|all| {
                all.iter().try_for_each(|one| socket::send_descriptor(&other, &[DESCRIPTOR], one.as_fd()))
            });
            if let Err(error) = told {
                let _ = socket::send_all(&other, &[&[FAILURE], error.to_string().as_bytes()].concat());
            }
            program::exit_now(0)
        }
        Cloned::Parent { pidfd, .. } => {
            drop(other);
            let heard = hear(&own);
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            heard
        }
    }
}

/// A process in other namespaces that does nothing: programs find those by its id in /proc, also once they have entered the
/// user namespace, from where they see no process outside. Dropping this ends it.
#[derive(Debug)]
pub struct Anchor {
    pub pid: i32,
    pidfd: OwnedFd,
    line: OwnedFd,
}

impl Anchor {
    /// For namespaces as in [`open_inside`].
    pub fn drop_into(user: BorrowedFd<'_>, network: BorrowedFd<'_>) -> io::Result<Self> {
        let (own, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        match clone3(&CloneOptions::default())? {
            Cloned::Child => {
                drop(own);
                let told = match enter(user, network) {
                    Ok(()) => socket::send_all(&other, &[DESCRIPTOR]),
                    Err(error) => socket::send_all(&other, &[&[FAILURE], error.to_string().as_bytes()].concat()),
                };
                // Until the other side is closed.
                let _ = told.and_then(|()| socket::receive(&other, &mut [0]));
                program::exit_now(0)
            }
            Cloned::Parent { pid, pidfd } => {
                drop(other);
                let mut bytes = [0; 512];
                let anchor = Self { pid, pidfd, line: own };
                let count = socket::receive(&anchor.line, &mut bytes)?;
                match bytes.get(..count) {
                    Some([DESCRIPTOR]) => Ok(anchor),
                    Some([FAILURE, why @ ..]) => Err(io::Error::other(String::from_utf8_lossy(why).into_owned())),
                    _ => Err(io::ErrorKind::BrokenPipe.into()),
                }
            }
        }
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}

fn enter(user: BorrowedFd<'_>, network: BorrowedFd<'_>) -> io::Result<()> {
    move_into_link_name_space(user, Some(LinkNameSpaceType::User))?;
    Ok(move_into_link_name_space(network, Some(LinkNameSpaceType::Network))?)
}

/// Everything the child sends, to the end.
fn hear(line: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let mut opened = Vec::new();
    loop {
        let mut bytes = [0; 512];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let count = match recvmsg(line, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                opened.extend(descriptors);
            }
        }
        match bytes.get(..count) {
            Some([FAILURE, why @ ..]) => return Err(io::Error::other(String::from_utf8_lossy(why).into_owned())),
            Some([_, ..]) => {}
            _ => return Ok(opened),
        }
    }
}
