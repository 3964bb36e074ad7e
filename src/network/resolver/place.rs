//! Where a container asks: sockets at 127.0.0.11 in its network namespace. Port 53 there stays the container's own.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::sockopt::set_ip_freebind;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::model::Protocol;
use crate::network::attach::within;
use crate::network::firewall::{Redirect, redirect};
use crate::network::{NetworkError, Result};
use crate::sys::inside::open_inside;
use crate::sys::interface::loopback_up;

/// Docker's address for it.
const ASKED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 11), 53);
const WAITING_CONNECTIONS: i32 = 32;

/// The sockets. They keep the network namespace for as long as they are open.
#[derive(Debug)]
pub struct Place {
    /// From where servers are asked that the container's user has named; none is this machine's network.
    pub namespace: Option<OwnedFd>,
    pub datagrams: UdpSocket,
    pub connections: TcpListener,
}

impl Place {
    /// Everything is ready before the container's command runs.
    pub fn in_namespace(namespace: OwnedFd) -> Result<Self> {
        let (datagrams, connections) = within(namespace.as_fd(), sockets)??;
        Ok(Self { namespace: Some(namespace), datagrams, connections })
    }

    /// In namespaces of an ordinary user's, which this process cannot enter.
    pub fn inside(user: BorrowedFd<'_>, network: BorrowedFd<'_>) -> Result<Self> {
        let open = || {
            let (datagrams, connections) = sockets().map_err(io::Error::other)?;
            Ok(vec![datagrams.into(), connections.into()])
        };
        let failed = |error| NetworkError::io("listen for questions for names at", "127.0.0.11".as_ref(), error);
        let mut opened = open_inside(user, network, open).map_err(failed)?;
        match (opened.pop(), opened.pop()) {
            (Some(connections), Some(datagrams)) => {
                Ok(Self { namespace: None, datagrams: datagrams.into(), connections: connections.into() })
            }
            _ => Err(failed(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

fn sockets() -> Result<(UdpSocket, TcpListener)> {
    // Without any address of IPv4 here, which a network of IPv6 alone gives none of, the kernel takes every address for a
    // broadcast one when it is bound, and answers would come from another (fib_frontend.c, `__inet_dev_addr_type`).
    let _ = loopback_up();
    let failed = |error| NetworkError::io("listen for questions for names at", "127.0.0.11".as_ref(), error);
    let (datagrams, connections) = bound(0).map_err(failed)?;
    let port = |address: io::Result<std::net::SocketAddr>| address.map(|it| it.port()).map_err(failed);
    let all = [
        Redirect { protocol: Protocol::Udp, asked: ASKED, socket_port: port(datagrams.local_addr())? },
        Redirect { protocol: Protocol::Tcp, asked: ASKED, socket_port: port(connections.local_addr())? },
    ];
    match redirect(&all) {
        Ok(()) => Ok((datagrams, connections)),
        // Without nftables the names are worth more than the port.
        Err(_) => bound(ASKED.port()).map_err(failed),
    }
}

fn bound(port: u16) -> io::Result<(UdpSocket, TcpListener)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let address = SocketAddrV4::new(*ASKED.ip(), port);
    let socket = |kind| -> io::Result<OwnedFd> {
        let socket = socket_with(AddressFamily::INET, kind, flags, None)?;
        set_ip_freebind(&socket, true)?;
        bind(&socket, &address)?;
        Ok(socket)
    };
    let datagrams = socket(SocketType::DGRAM)?;
    let connections = socket(SocketType::STREAM)?;
    listen(&connections, WAITING_CONNECTIONS)?;
    Ok((datagrams.into(), connections.into()))
}
