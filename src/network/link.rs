//! Links, addresses and routes by rtnetlink (rtnetlink(7)).

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use ipnet::IpNet;
use rustix::io::Errno;

use super::{NetworkError, Result};
use crate::sys::inside::open_inside;
use crate::sys::netlink::{CREATE, Message, Netlink, Refusal, attribute, attributes};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;

/// `IFLA_…` of linux/if_link.h.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const PARENT: u16 = 5;
const MASTER: u16 = 10;
const LINK_INFO: u16 = 18;
const NAMESPACE_FD: u16 = 28;
const PER_FAMILY: u16 = 26;
/// `IFLA_INET6_ADDR_GEN_MODE`, and its `IN6_ADDR_GEN_MODE_NONE`.
const SELF_MADE_ADDRESSES: u16 = 8;
const NONE_MADE: u8 = 1;
/// `IFLA_INFO_KIND` and `IFLA_INFO_DATA`.
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
/// `IFLA_INFO_SLAVE_KIND` and `IFLA_INFO_SLAVE_DATA`, with `IFLA_BRPORT_MODE` in a bridge's.
const INFO_SLAVE_KIND: u16 = 4;
const INFO_SLAVE_DATA: u16 = 5;
const HAIRPIN: u16 = 4;

const UP: u32 = 1;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// A link's hardware address.
pub type Mac = [u8; 6];

/// A link as the kernel tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub mac: Option<Mac>,
    /// The bridge it is a port of.
    pub master: Option<u32>,
    pub mtu: u32,
    /// `bridge`, `veth`, …; none for real devices.
    pub kind: Option<String>,
    pub up: bool,
}

/// The end of a link that a container gets.
#[derive(Clone, Debug)]
pub struct Inner<'a> {
    /// As the container sees it: `eth0`.
    pub name: &'a str,
    pub mac: Option<Mac>,
    pub mtu: u32,
    /// The container's network namespace.
    pub namespace: BorrowedFd<'a>,
}

/// What a container's link hangs on where it has no bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    Macvlan,
    /// Of layer 2: its own addresses, the parent's hardware address.
    Ipvlan,
}

/// A route: to a subnet, or the default one where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub to: Option<IpNet>,
    pub gateway: Option<IpAddr>,
    /// Index of the link it leaves by.
    pub link: Option<u32>,
}

/// The links of the network namespace that the calling thread was in when this was opened.
#[derive(Debug)]
pub struct Links {
    netlink: Netlink,
}

impl Links {
    pub fn open() -> Result<Self> {
        let netlink = Netlink::route().map_err(|error| failure("cannot reach rtnetlink", "", error))?;
        Ok(Self { netlink })
    }

    /// Those of a network namespace of this user's that this process is not in; see [`open_inside`].
    pub fn inside(user: BorrowedFd<'_>, network: BorrowedFd<'_>) -> Result<Self> {
        let open = || Ok(vec![Netlink::route().map_err(std::io::Error::other)?.into_socket()]);
        let opened = open_inside(user, network, open);
        let opened = opened.and_then(|mut all| all.pop().ok_or_else(|| std::io::ErrorKind::BrokenPipe.into()));
        let socket =
            opened.map_err(|error| NetworkError::io("reach rtnetlink", "in a user namespace".as_ref(), error))?;
        Ok(Self { netlink: Netlink::of(socket) })
    }

    /// The link of this name, if there is one.
    pub fn find(&mut self, name: &str) -> Result<Option<Link>> {
        match self.netlink.get(&link_message(GET_LINK, 0, 0, 0).text(NAME, name)) {
            Ok(answer) => Ok(Link::of(&answer)),
            Err(refusal) if refusal.errno == Errno::NODEV => Ok(None),
            Err(refusal) => Err(failure("cannot look for link ", name, refusal)),
        }
    }

    pub fn all(&mut self) -> Result<Vec<Link>> {
        let links = self.netlink.dump(&link_message(GET_LINK, 0, 0, 0));
        let links = links.map_err(|error| failure("cannot list links", "", error))?;
        Ok(links.iter().filter_map(|answer| Link::of(answer)).collect())
    }

    /// Makes a bridge, up. Its hardware address is fixed, so that it does not change with the links that come and go.
    pub fn make_bridge(&mut self, name: &str, mac: Mac, mtu: Option<u32>) -> Result<Link> {
        let message = link_message(NEW_LINK, CREATE, 0, UP).text(NAME, name).bytes(ADDRESS, &mac);
        let message = match mtu {
            Some(mtu) => message.number(MTU, mtu),
            None => message,
        };
        let message = message.nest(LINK_INFO, |info| info.text(INFO_KIND, "bridge"));
        self.send(&message, "cannot make bridge ", name)?;
        self.must_find(name)
    }

    /// Makes a veth pair: one end up in a bridge of this namespace, the other in the container's from the beginning (moving
    /// it there afterwards takes some 25 ms, as every deletion in a namespace that lives on does). That other end is still
    /// down: the kernel brings none up that has no peer yet.
    pub fn make_pair(&mut self, outer: &str, bridge: u32, inner: &Inner<'_>) -> Result<()> {
        /// `VETH_INFO_PEER`, which holds a struct ifinfomsg before its attributes.
        const PEER: u16 = 1;
        let pair = link_message(NEW_LINK, CREATE, 0, UP)
            .text(NAME, outer)
            .number(MASTER, bridge)
            .number(MTU, inner.mtu)
            .nest(LINK_INFO, |info| {
                info.text(INFO_KIND, "veth")
                    .nest(INFO_DATA, |data| data.nest(PEER, |peer| inner.put(peer.raw(&link_header(0, 0)))))
            });
        // Where bridges pass through the firewall (br_netfilter), a container's packet to its own published port goes back
        // through the port it came by. Only a link that is in a bridge already can be told so. A port has no address of its
        // own either: it would speak to the container about it.
        let port = without_own_addresses(link_message(NEW_LINK, 0, 0, 0).text(NAME, outer)).nest(LINK_INFO, |info| {
            info.text(INFO_SLAVE_KIND, "bridge").nest(INFO_SLAVE_DATA, |data| data.bytes(HAIRPIN, &[1]))
        });
        match self.send_all(&[pair.clone(), port.clone()], "cannot make a link to the bridge, ", outer) {
            // Left by a container whose end nobody saw, and whose namespace lives on.
            Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::EXIST => {
                self.delete(outer)?;
                self.send_all(&[pair, port], "cannot make a link to the bridge, ", outer)
            }
            result => result,
        }
    }

    /// Makes a container's link that shares a device of this machine.
    pub fn make_shared(&mut self, kind: Shared, parent: u32, inner: &Inner<'_>) -> Result<()> {
        let (name, mode) = match kind {
            // MACVLAN_MODE_BRIDGE
            Shared::Macvlan => ("macvlan", 4u32.to_ne_bytes().to_vec()),
            // IPVLAN_MODE_L2
            Shared::Ipvlan => ("ipvlan", 0u16.to_ne_bytes().to_vec()),
        };
        let message = inner
            .put(link_message(NEW_LINK, CREATE, 0, UP))
            .number(PARENT, parent)
            .nest(LINK_INFO, |info| info.text(INFO_KIND, name).nest(INFO_DATA, |data| data.bytes(1, &mode)));
        match self.send(&message, "cannot make a shared link, ", inner.name) {
            Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::OPNOTSUPP => {
                Err(NetworkError::NoDriver { driver: name })
            }
            result => result,
        }
    }

    /// Deletes a link; one that is gone already is no error.
    pub fn delete(&mut self, name: &str) -> Result<()> {
        match self.send(&link_message(DELETE_LINK, 0, 0, 0).text(NAME, name), "cannot delete link ", name) {
            Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::NODEV => Ok(()),
            result => result,
        }
    }

    pub fn set_up(&mut self, link: &Link) -> Result<()> {
        self.send(&link_message(NEW_LINK, 0, link.index, UP), "cannot bring up ", &link.name)
    }

    /// Gives a link that has none yet its addresses, brings it up and makes default routes by it: all of it in one call of the
    /// kernel. It gets no address besides, if none of these is of IPv6.
    pub fn configure(&mut self, link: &Link, addresses: &[IpNet], gateways: &[IpAddr]) -> Result<()> {
        let mut messages = Vec::new();
        if !addresses.iter().any(|address| address.addr().is_ipv6()) {
            messages.push(without_own_addresses(link_message(NEW_LINK, 0, link.index, 0)));
        }
        messages.extend(addresses.iter().map(|it| address_message(NEW_ADDRESS, CREATE, link.index, *it)));
        messages.push(link_message(NEW_LINK, 0, link.index, UP));
        let default = |gateway: &IpAddr| Route { to: None, gateway: Some(*gateway), link: Some(link.index) };
        messages.extend(gateways.iter().map(|gateway| route_message(&default(gateway))));
        self.send_all(&messages, "cannot give addresses and routes to ", &link.name)
    }

    /// Gives a link an address. One that it has already is no error.
    pub fn add_address(&mut self, link: &Link, address: IpNet) -> Result<()> {
        match self.send(
            &address_message(NEW_ADDRESS, CREATE, link.index, address),
            "cannot give an address to ",
            &link.name,
        ) {
            Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::EXIST => Ok(()),
            result => result,
        }
    }

    pub fn delete_address(&mut self, link: &Link, address: IpNet) -> Result<()> {
        self.send(&address_message(DELETE_ADDRESS, 0, link.index, address), "cannot take an address from ", &link.name)
    }

    /// All addresses: index of the link, and the address with its subnet's length.
    pub fn addresses(&mut self) -> Result<Vec<(u32, IpNet)>> {
        let all = self.netlink.dump(&Message::new(GET_ADDRESS, 0, &[0; 8]));
        let all = all.map_err(|error| failure("cannot list addresses", "", error))?;
        Ok(all.iter().filter_map(|answer| address_of(answer)).collect())
    }

    pub fn add_route(&mut self, route: &Route) -> Result<()> {
        let shown = route.to.map_or("default".to_owned(), |to| to.to_string());
        self.send(&route_message(route), "cannot make route ", &shown)
    }

    /// Lets answers that a link brings for connections from `[::1]` reach them: a port that is published there is a container's.
    /// Whatever else comes for `[::1]` from outside, the kernel drops before it looks at routes.
    pub fn answer_loopback(&mut self, link: &Link) -> Result<()> {
        /// `RTA_PRIORITY`: behind the kernel's own route by lo.
        const METRIC: u16 = 6;
        /// `RT_TABLE_LOCAL`, `RTPROT_BOOT`, `RT_SCOPE_UNIVERSE`, `RTN_LOCAL`.
        const HEADER: [u8; 12] = [AF_INET6, 128, 0, 0, 255, 3, 0, 2, 0, 0, 0, 0];
        let loopback = octets(IpAddr::V6(Ipv6Addr::LOCALHOST));
        let route = Message::new(NEW_ROUTE, CREATE, &HEADER).bytes(TO, &loopback);
        let route = route.number(OUT, link.index).number(METRIC, 1024);
        match self.send(&route, "cannot route answers for [::1] from ", &link.name) {
            Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::EXIST => Ok(()),
            result => result,
        }
    }

    /// The routes of the main table.
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        let all = self.netlink.dump(&Message::new(GET_ROUTE, 0, &[0; 12]));
        let all = all.map_err(|error| failure("cannot list routes", "", error))?;
        Ok(all.iter().filter_map(|answer| route_of(answer)).collect())
    }

    fn must_find(&mut self, name: &str) -> Result<Link> {
        self.find(name)?.ok_or_else(|| failure("cannot find link ", name, Errno::NODEV.into()))
    }

    fn send_all(&mut self, messages: &[Message], doing: &'static str, what: &str) -> Result<()> {
        self.netlink.requests(messages).map_err(|error| failure(doing, what, error))
    }

    fn send(&mut self, message: &Message, doing: &'static str, what: &str) -> Result<()> {
        self.netlink.request(message).map_err(|error| failure(doing, what, error))
    }
}

impl Inner<'_> {
    fn put(&self, message: Message) -> Message {
        let fd = self.namespace.as_raw_fd().cast_unsigned();
        let message = message.text(NAME, self.name).number(MTU, self.mtu).number(NAMESPACE_FD, fd);
        match self.mac {
            Some(mac) => message.bytes(ADDRESS, &mac),
            None => message,
        }
    }
}

impl Link {
    fn of(answer: &[u8]) -> Option<Self> {
        let header = answer.get(..16)?;
        let rest = &answer[16..];
        let number = |kind| Some(u32::from_ne_bytes(attribute(rest, kind)?.try_into().ok()?));
        Some(Self {
            index: u32::from_ne_bytes(header[4..8].try_into().ok()?),
            name: text(attribute(rest, NAME)?),
            mac: attribute(rest, ADDRESS).and_then(|bytes| bytes.try_into().ok()),
            master: number(MASTER),
            mtu: number(MTU).unwrap_or(0),
            kind: attribute(rest, LINK_INFO).and_then(|info| attribute(info, INFO_KIND)).map(text),
            up: u32::from_ne_bytes(header[8..12].try_into().ok()?) & UP != 0,
        })
    }
}

/// `struct ifinfomsg`: of these flags, those in `up` are set.
fn link_header(index: u32, up: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[0] = AF_UNSPEC;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&up.to_ne_bytes());
    header[12..16].copy_from_slice(&up.to_ne_bytes());
    header
}

fn link_message(kind: u16, flags: u16, index: u32, up: u32) -> Message {
    Message::new(kind, flags, &link_header(index, up))
}

/// No address that the kernel would make by itself (`fe80::…`), and so no packet about it. A kernel without IPv6 refuses the word.
fn without_own_addresses(message: Message) -> Message {
    if !Path::new("/proc/sys/net/ipv6").exists() {
        return message;
    }
    message
        .nest(PER_FAMILY, |families| families.nest(AF_INET6.into(), |six| six.bytes(SELF_MADE_ADDRESSES, &[NONE_MADE])))
}

fn address_message(kind: u16, flags: u16, link: u32, address: IpNet) -> Message {
    const LOCAL: u16 = 2;
    const BROADCAST: u16 = 4;
    const FLAGS: u16 = 8;
    /// `IFA_F_NODAD`: the address is ours by lease, so nobody has to be asked for a second whether it is free.
    const NO_DETECTION: u32 = 2;
    let family = if address.addr().is_ipv6() { AF_INET6 } else { AF_INET };
    let [a, b, c, d] = link.to_ne_bytes();
    let message = Message::new(kind, flags, &[family, address.prefix_len(), 0, 0, a, b, c, d]);
    let octets = octets(address.addr());
    let message = message.bytes(LOCAL, &octets).bytes(ADDRESS, &octets);
    match address {
        IpNet::V4(subnet) if subnet.prefix_len() < 31 => message.bytes(BROADCAST, &subnet.broadcast().octets()),
        IpNet::V4(_) => message,
        IpNet::V6(_) => message.number(FLAGS, NO_DETECTION),
    }
}

fn address_of(answer: &[u8]) -> Option<(u32, IpNet)> {
    let header = answer.get(..8)?;
    let rest = &answer[8..];
    let bytes = attribute(rest, 2).or_else(|| attribute(rest, 1))?;
    let index = u32::from_ne_bytes(header[4..8].try_into().ok()?);
    Some((index, IpNet::new(address(bytes)?, header[1]).ok()?))
}

const TO: u16 = 1;
const OUT: u16 = 4;
const GATEWAY: u16 = 5;
/// `RT_TABLE_MAIN`, and `RTN_UNICAST`.
const MAIN: u8 = 254;
const UNICAST: u8 = 1;

fn route_message(route: &Route) -> Message {
    /// `RTPROT_BOOT`, and the scopes `RT_SCOPE_UNIVERSE` and `RT_SCOPE_LINK`.
    const BOOT: u8 = 3;
    let scope = if route.gateway.is_some() { 0 } else { 253 };
    let v6 = route.to.map(|to| to.addr().is_ipv6()).or(route.gateway.map(|it| it.is_ipv6())).unwrap_or(false);
    let family = if v6 { AF_INET6 } else { AF_INET };
    let length = route.to.map_or(0, |to| to.prefix_len());
    let message = Message::new(NEW_ROUTE, CREATE, &[family, length, 0, 0, MAIN, BOOT, scope, UNICAST, 0, 0, 0, 0]);
    let message = match route.to {
        Some(to) => message.bytes(TO, &octets(to.network())),
        None => message,
    };
    let message = match route.gateway {
        Some(gateway) => message.bytes(GATEWAY, &octets(gateway)),
        None => message,
    };
    match route.link {
        Some(link) => message.number(OUT, link),
        None => message,
    }
}

fn route_of(answer: &[u8]) -> Option<Route> {
    let header = answer.get(..12)?;
    if header[4] != MAIN || header[7] != UNICAST {
        return None;
    }
    let rest = &answer[12..];
    let mut route = Route { to: None, gateway: None, link: None };
    for (kind, value) in attributes(rest) {
        match kind {
            TO => route.to = Some(IpNet::new(address(value)?, header[1]).ok()?),
            GATEWAY => route.gateway = address(value),
            OUT => route.link = value.try_into().ok().map(u32::from_ne_bytes),
            _ => {}
        }
    }
    Some(route)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn failure(doing: &'static str, what: &str, refusal: Refusal) -> NetworkError {
    NetworkError::Kernel { doing, what: what.to_owned(), refusal }
}
