//! A table in a container's own network namespace that moves one address's port: who asks 127.0.0.11 at port 53 speaks to a
//! socket of another port there, so that the container's own servers may have port 53.
//!
//! Ports are rewritten in passing, each way by a rule: no connection is tracked for it, which would cost the container's
//! whole traffic.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::expression::{Expressions, FIRST, Header, Meta};
use super::table::{SUBSYSTEM, Verb};
use super::{NetworkError, Result, failure};
use crate::model::Protocol;
use crate::sys::netlink::{APPEND, ENSURE, Message, Netlink};

const TABLE: &str = "teu-names";
const CHAIN: &str = "names";
const NFPROTO_IPV4: u8 = 2;
/// `NF_INET_LOCAL_OUT`, and the priority of mangling.
const OUTPUT: u32 = 3;
const MANGLE: i32 = -150;

/// Where a header has its ports, and its checksum.
const SOURCE: u32 = 0;
const DESTINATION: u32 = 2;

/// Of what is sent in the network namespace that the calling thread is in: `asked` leads to `socket`, of the same address.
#[derive(Clone, Copy, Debug)]
pub struct Redirect {
    pub protocol: Protocol,
    pub asked: SocketAddrV4,
    pub socket_port: u16,
}

/// Makes the table with these redirections. To be done once in a network namespace: a second time adds rules that find nothing
/// left to do.
pub fn redirect(all: &[Redirect]) -> Result<()> {
    let told = "cannot lead the container's questions for names to teu";
    let mut netlink = Netlink::netfilter().map_err(|error| failure(told, error))?;
    // Deleting a table first, should there be one, would cost milliseconds: the kernel waits until nobody looks at it.
    let mut batch = vec![message(Verb::NewTable, ENSURE).text(1, TABLE)];
    batch.push(
        message(Verb::NewChain, ENSURE)
            .text(1, TABLE)
            .text(3, CHAIN)
            .nest(4, |it| it.network_number(1, OUTPUT).network_number(2, MANGLE.cast_unsigned()))
            .text(7, "filter"),
    );
    for it in all {
        let address = *it.asked.ip();
        batch.push(rewrite(it.protocol, (address, 16, DESTINATION), it.asked.port(), it.socket_port));
        batch.push(rewrite(it.protocol, (address, 12, SOURCE), it.socket_port, it.asked.port()));
    }
    netlink.batch(SUBSYSTEM, &batch).map_err(|error| -> NetworkError { failure(told, error) })
}

/// For packets with this address at `address_at` of their header: port `from` at `port_at` becomes `to`.
fn rewrite(protocol: Protocol, (address, address_at, port_at): (Ipv4Addr, u32, u32), from: u16, to: u16) -> Message {
    message(Verb::NewRule, APPEND).text(1, TABLE).text(2, CHAIN).nest(4, |list| {
        Expressions::new(list)
            .payload(Header::Network, address_at, 4, FIRST)
            .equals(&address.octets())
            .load(Meta::Protocol, FIRST)
            .equals(&[protocol.number()])
            .payload(Header::Transport, port_at, 2, FIRST)
            .equals(&from.to_be_bytes())
            .value(&to.to_be_bytes())
            .put_payload(port_at, 2, checksum_at(protocol))
            .into_list()
    })
}

fn checksum_at(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Tcp => 16,
        Protocol::Udp => 6,
        Protocol::Sctp => 8,
    }
}

fn message(verb: Verb, flags: u16) -> Message {
    Message::new((SUBSYSTEM << 8) | verb as u16, flags, &[NFPROTO_IPV4, 0, 0, 0])
}
