//! Published ports: each is held by a socket of the container's monitor, so that no other program takes it meanwhile.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, ipproto, socket_with};

use super::{NetworkError, Result};
use crate::model::{PortWish, Protocol, PublishedPort};

/// A port of this machine that is held. The firewall sends its packets elsewhere before this socket could see one.
#[derive(Debug)]
pub struct HeldPort {
    pub port: PublishedPort,
    /// None for SCTP on a kernel that has no such sockets: then no other program can take the port either; and once somebody
    /// else holds it for the container.
    socket: Option<OwnedFd>,
}

impl HeldPort {
    /// Leaves the port to a program that serves it for the container.
    pub fn let_go(&mut self) {
        self.socket = None;
    }

    /// The same port for another one of the container: who holds it lets go when both are dropped.
    pub fn also_for(&self, container_port: u16) -> Result<Self> {
        let failed = |error: Errno| NetworkError::Port {
            protocol: self.port.protocol,
            address: SocketAddr::new(self.port.host, self.port.host_port),
            holder: None,
            source: error.into(),
        };
        let socket = self.socket.as_ref().map(|socket| fcntl_dupfd_cloexec(socket, 3)).transpose().map_err(failed)?;
        Ok(Self { port: PublishedPort { container_port, ..self.port.clone() }, socket })
    }
}

/// Takes a port, or any free one where the wish names none. `usual` is the address for wishes without one.
pub fn hold(wish: &PortWish, usual: IpAddr) -> Result<HeldPort> {
    let host = wish.host.unwrap_or(usual);
    let by_firewall = rustix::process::geteuid().is_root();
    if by_firewall && host == IpAddr::V6(Ipv6Addr::LOCALHOST) && bridges_pass_the_firewall() {
        return Err(NetworkError::LoopbackBridged);
    }
    let address = SocketAddr::new(host, wish.host_port.unwrap_or(0));
    let held = take(wish.protocol, address).map_err(|source| refused(wish.protocol, address, source));
    let (socket, host_port) = held?;
    let port = PublishedPort { protocol: wish.protocol, host, host_port, container_port: wish.container_port };
    Ok(HeldPort { port, socket })
}

/// Then the kernel puts `[::1]` back into answers before it looks whether anything from outside is for `[::1]`, which it drops.
fn bridges_pass_the_firewall() -> bool {
    std::fs::read("/proc/sys/net/bridge/bridge-nf-call-ip6tables").is_ok_and(|value| value.starts_with(b"1"))
}

/// Why a port cannot be had, and who has it.
pub(super) fn refused(protocol: Protocol, address: SocketAddr, source: io::Error) -> NetworkError {
    if source.kind() == io::ErrorKind::PermissionDenied && !rustix::process::geteuid().is_root() {
        return NetworkError::LowPort { protocol, address };
    }
    NetworkError::Port { protocol, address, holder: holder_of(protocol, address.port()), source }
}

fn take(protocol: Protocol, address: SocketAddr) -> io::Result<(Option<OwnedFd>, u16)> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
    };
    // Neither SO_REUSEADDR nor SO_REUSEPORT: the port is to be nobody else's.
    let socket = match socket_with(family, kind, SocketFlags::CLOEXEC, Some(number)) {
        Err(Errno::PROTONOSUPPORT) if protocol == Protocol::Sctp && address.port() != 0 => {
            return Ok((None, address.port()));
        }
        Err(Errno::PROTONOSUPPORT) if protocol == Protocol::Sctp => {
            let why = "this kernel has no SCTP and cannot choose a port: name one, or load its module sctp";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        socket => socket?,
    };
    if protocol == Protocol::Tcp && !rustix::process::geteuid().is_root() {
        // pasta's connections that ended a moment ago keep nobody from serving the port anew; who listens there does.
        set_socket_reuseaddr(&socket, true)?;
    }
    if address.is_ipv6() {
        // Or [::] would have the port of IPv4 too.
        set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)?;
    let bound = SocketAddr::try_from(getsockname(&socket)?).map_err(|error| io::Error::other(error.to_string()))?;
    Ok((Some(socket), bound.port()))
}

/// Who has a port, as `program (pid)`: found in /proc, if it can be.
fn holder_of(protocol: Protocol, port: u16) -> Option<String> {
    let inodes = inodes_of(protocol, port);
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    for process in processes {
        let name = process.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok()).any(|target| {
            target
                .to_str()
                .and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']'))
                .is_some_and(|inode| inodes.iter().any(|known| known == inode))
        });
        if holds {
            let program = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} ({pid})", crate::model::printable_line(program.trim_end())));
        }
    }
    None
}

/// The sockets that are bound to a port (proc_net(5): the local address is the second word, the inode the tenth).
fn inodes_of(protocol: Protocol, port: u16) -> Vec<String> {
    let mut found = Vec::new();
    for family in ["", "6"] {
        let text = std::fs::read_to_string(format!("/proc/thread-self/net/{protocol}{family}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let local = words.nth(1).and_then(|address| address.rsplit_once(':'));
            let same = local.is_some_and(|(_, text)| u16::from_str_radix(text, 16) == Ok(port));
            match words.nth(7) {
                Some(inode) if same && inode != "0" => found.push(inode.to_owned()),
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_held_once_and_its_holder_is_named() {
        let usual = IpAddr::from([127, 0, 0, 1]);
        let free = PortWish { protocol: Protocol::Tcp, host: None, host_port: None, container_port: 80 };
        let held = hold(&free, usual).expect("a free port");
        assert!(held.port.host_port > 0 && held.port.host == usual);
        let again = PortWish { host_port: Some(held.port.host_port), ..free.clone() };
        let listening = std::net::TcpListener::bind((usual, held.port.host_port));
        assert!(listening.is_err(), "no other program gets it");
        drop(held);
        let taken = std::net::TcpListener::bind((usual, again.host_port.expect("one"))).expect("free again");
        let error = hold(&again, usual).expect_err("taken").to_string();
        assert!(error.contains(&format!("({})", std::process::id())), "{error}");
        drop(taken);
    }
}
