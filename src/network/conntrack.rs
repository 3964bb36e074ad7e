//! Connections that the kernel remembers, forgotten where published ports change (ctnetlink, linux/netfilter/nfnetlink_conntrack.h).
//!
//! UDP has no end that the kernel sees: packets of a client that goes on sending go where its first one went, whatever the
//! firewall's map says by now. Connections of TCP are left: they end, and new ones find the new way.

use std::collections::HashSet;
use std::net::IpAddr;

use super::{Links, PortRule, Result};
use crate::model::Protocol;
use crate::sys::netlink::{Message, Netlink, attribute};

/// Of the subsystem conntrack, in the upper byte.
const GET: u16 = (1 << 8) | 1;
const DELETE: u16 = (1 << 8) | 2;

/// `CTA_…`
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
/// In a tuple.
const ADDRESSES: u16 = 1;
const PORTS: u16 = 2;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// One way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    protocol: u8,
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
}

/// Forgets the connections that these ports of UDP, which come or go, decide anew.
///
/// A kernel without ctnetlink has no way to be told, and forgets them by itself when nobody sends for 30 s (120 s where it was
/// answered), so there is nothing to report.
pub fn forget(ports: &[&PortRule]) {
    let ports: Vec<&PortRule> = ports.iter().copied().filter(|port| port.protocol == Protocol::Udp).collect();
    for (family, v6) in [(AF_INET, false), (AF_INET6, true)] {
        let of_family: Vec<&PortRule> = ports.iter().copied().filter(|port| port.container.is_ipv6() == v6).collect();
        if !of_family.is_empty() {
            let _ = forget_in(family, &of_family);
        }
    }
}

fn forget_in(family: u8, ports: &[&PortRule]) -> Result<()> {
    // Of what goes elsewhere through this machine, to a port of the same number, nothing is forgotten.
    let own: HashSet<IpAddr> = Links::open()?.addresses()?.into_iter().map(|(_, address)| address.addr()).collect();
    let failed =
        |refusal| super::NetworkError::Kernel { doing: "cannot look for connections", what: String::new(), refusal };
    let mut netlink = Netlink::netfilter().map_err(failed)?;
    for known in netlink.dump(&Message::new(GET, 0, &[family, 0, 0, 0])).map_err(failed)? {
        let Some(known) = known.get(4..) else { continue };
        let (Some(original), Some(reply)) = (way_of(known, ORIGINAL), way_of(known, REPLY)) else { continue };
        if !ports.iter().any(|port| is_decided_by(port, &original, &reply, &own)) {
            continue;
        }
        let tuple = attribute(known, ORIGINAL).unwrap_or_default();
        let message = Message::new(DELETE, 0, &[family, 0, 0, 0]).nest(ORIGINAL, |it| it.raw(tuple));
        let message = [ID, ZONE].into_iter().fold(message, |message, kind| match attribute(known, kind) {
            Some(bytes) => message.bytes(kind, bytes),
            None => message,
        });
        // It may be gone by itself meanwhile.
        let _ = netlink.request(&message);
    }
    Ok(())
}

/// Whether the connection came by the port, or would if it began now.
fn is_decided_by(port: &PortRule, original: &Way, reply: &Way, own: &HashSet<IpAddr>) -> bool {
    if original.protocol != port.protocol.number() {
        return false;
    }
    let (address, number) = original.destination;
    let meant = number == port.host_port && port.host.map_or_else(|| own.contains(&address), |host| host == address);
    meant || (number == port.host_port && reply.source == (port.container, port.container_port))
}

fn way_of(known: &[u8], which: u16) -> Option<Way> {
    let tuple = attribute(known, which)?;
    let (addresses, ports) = (attribute(tuple, ADDRESSES)?, attribute(tuple, PORTS)?);
    // CTA_IP_V4_SRC and _DST are 1 and 2, CTA_IP_V6_SRC and _DST 3 and 4.
    let address = |four: u16, six: u16| {
        let four = attribute(addresses, four).and_then(|it| Some(IpAddr::from(<[u8; 4]>::try_from(it).ok()?)));
        four.or_else(|| Some(IpAddr::from(<[u8; 16]>::try_from(attribute(addresses, six)?).ok()?)))
    };
    // CTA_PROTO_NUM, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT.
    let number = |kind: u16| Some(u16::from_be_bytes(attribute(ports, kind)?.try_into().ok()?));
    Some(Way {
        protocol: *attribute(ports, 1)?.first()?,
        source: (address(1, 3)?, number(2)?),
        destination: (address(2, 4)?, number(3)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(source: &str, destination: &str) -> Way {
        let place = |text: &str| {
            let place: std::net::SocketAddr = text.parse().expect("an address");
            (place.ip(), place.port())
        };
        Way { protocol: 17, source: place(source), destination: place(destination) }
    }

    #[test]
    fn only_connections_of_the_port_are_decided_by_it() {
        let any = PortRule {
            protocol: Protocol::Udp,
            host: None,
            host_port: 53,
            container: "10.91.0.2".parse().expect("an address"),
            container_port: 5353,
        };
        let own = HashSet::from(["192.0.2.1".parse().expect("an address")]);
        let decided = |port: &PortRule, original: Way, reply: Way| is_decided_by(port, &original, &reply, &own);
        let plain = (way("192.0.2.9:4000", "192.0.2.1:53"), way("192.0.2.1:53", "192.0.2.9:4000"));
        assert!(decided(&any, plain.0, plain.1), "it came before the port was published");
        let elsewhere = (way("10.91.0.3:4000", "9.9.9.9:53"), way("9.9.9.9:53", "192.0.2.1:4000"));
        assert!(!decided(&any, elsewhere.0, elsewhere.1), "a question to a resolver elsewhere");
        let sent_on = (way("192.0.2.9:4000", "192.0.2.7:53"), way("10.91.0.2:5353", "192.0.2.9:4000"));
        assert!(decided(&any, sent_on.0, sent_on.1), "to an address that the machine had then");
        let loopback = PortRule { host: Some("127.0.0.1".parse().expect("an address")), ..any.clone() };
        assert!(!decided(&loopback, plain.0, plain.1));
        let tcp = PortRule { protocol: Protocol::Tcp, ..any };
        assert!(!decided(&tcp, plain.0, plain.1));
    }
}
