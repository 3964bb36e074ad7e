//! teu's one table, `inet teu`: its sets, maps, chains and rules, as messages. Only elements change while it lives, so the
//! thousandth published port costs what the first did.
//!
//! A packet that our chains accept still passes those of the machine's own firewall: an accept ends one base chain only.

use std::net::Ipv6Addr;

use super::expression::{Connection, Expressions, FIRST, Header, Meta, Verdict};
use crate::sys::netlink::{APPEND, ENSURE, Message, attribute};

pub(super) const TABLE: &str = "teu";
/// Stands in the table as its comment: a table with other rules is made anew. To be counted up when anything but elements changes.
const LAYOUT: &str = "teu's own, layout 2";

/// `NFNL_SUBSYS_NFTABLES`.
pub(super) const SUBSYSTEM: u16 = 10;
const NFPROTO_INET: u8 = 1;
pub(super) const IPV4: u8 = 2;
pub(super) const IPV6: u8 = 10;

/// `enum nf_tables_msg_types`.
#[derive(Clone, Copy)]
pub(super) enum Verb {
    NewTable = 0,
    GetTable = 1,
    DeleteTable = 2,
    NewChain = 3,
    GetChain = 4,
    NewRule = 6,
    GetRule = 7,
    NewSet = 9,
    NewElement = 12,
    DeleteElement = 14,
}

pub(super) fn message(verb: Verb, flags: u16) -> Message {
    Message::new((SUBSYSTEM << 8) | verb as u16, flags, &[NFPROTO_INET, 0, 0, 0])
}

/// The names of a type in nft's words, six bits each, so that `nft list` prints what they mean.
mod kind {
    pub(super) const IPV4: u32 = 7;
    pub(super) const IPV6: u32 = 8;
    pub(super) const PROTOCOL: u32 = 12;
    pub(super) const SERVICE: u32 = 13;
    pub(super) const LINK: u32 = 41;

    pub(super) const fn of(parts: &[u32]) -> u32 {
        let (mut all, mut at) = (0, 0);
        while at < parts.len() {
            all = (all << 6) | parts[at];
            at += 1;
        }
        all
    }
}

/// A set or map: what is looked up in it, and what a map gives for it.
pub(super) struct Set {
    pub(super) name: &'static str,
    key: (u32, u32),
    value: Option<(u32, u32)>,
    interval: bool,
}

/// Links of all networks, and of those that reach nothing outside.
pub(super) const NETWORKS: &str = "networks";
pub(super) const INTERNAL: &str = "internal";
/// Pairs of links between which packets may pass: each network's with itself.
pub(super) const WITHIN: &str = "within";
pub(super) const SUBNETS: [&str; 2] = ["subnets4", "subnets6"];
/// Published ports of one address of this machine, and of all.
pub(super) const PORTS: [&str; 2] = ["ports4", "ports6"];
pub(super) const ANY: [&str; 2] = ["any4", "any6"];

pub(super) const SETS: [Set; 9] = [
    Set::plain(NETWORKS, (kind::LINK, 16)),
    Set::plain(INTERNAL, (kind::LINK, 16)),
    Set::plain(WITHIN, (kind::of(&[kind::LINK, kind::LINK]), 32)),
    Set { interval: true, ..Set::plain(SUBNETS[0], (kind::IPV4, 4)) },
    Set { interval: true, ..Set::plain(SUBNETS[1], (kind::IPV6, 16)) },
    Set::map(PORTS[0], (kind::of(&[kind::IPV4, kind::PROTOCOL, kind::SERVICE]), 12), (kind::IPV4, 4)),
    Set::map(ANY[0], (kind::of(&[kind::PROTOCOL, kind::SERVICE]), 8), (kind::IPV4, 4)),
    Set::map(PORTS[1], (kind::of(&[kind::IPV6, kind::PROTOCOL, kind::SERVICE]), 24), (kind::IPV6, 16)),
    Set::map(ANY[1], (kind::of(&[kind::PROTOCOL, kind::SERVICE]), 8), (kind::IPV6, 16)),
];

impl Set {
    const fn plain(name: &'static str, key: (u32, u32)) -> Self {
        Self { name, key, value: None, interval: false }
    }

    /// A map to an address of this kind and a port.
    const fn map(name: &'static str, key: (u32, u32), address: (u32, u32)) -> Self {
        Self { name, key, value: Some((kind::of(&[address.0, kind::SERVICE]), address.1 + 4)), interval: false }
    }

    fn message(&self, id: u32) -> Message {
        const INTERVAL: u32 = 4;
        const MAP: u32 = 8;
        let flags = if self.interval { INTERVAL } else { 0 } | if self.value.is_some() { MAP } else { 0 };
        let made = message(Verb::NewSet, ENSURE)
            .text(1, TABLE)
            .text(2, self.name)
            .network_number(3, flags)
            .network_number(4, self.key.0)
            .network_number(5, self.key.1);
        let made = match self.value {
            Some((kind, bytes)) => made.network_number(6, kind).network_number(7, bytes),
            None => made,
        };
        let made = made.network_number(10, id);
        match self.key.0 {
            // For `nft list` alone: NFTNL_UDATA_SET_KEYBYTEORDER, 4 bytes, the machine's order, which names of links have.
            kind::LINK => made.bytes(13, &[[0, 4].as_slice(), &1u32.to_ne_bytes()].concat()),
            _ => made,
        }
    }
}

/// A chain's name, and where it is hooked in: its type, hook and priority.
type Chain = (&'static str, Option<(&'static str, u32, i32)>);

/// `enum nf_inet_hooks`.
const PREROUTING: u32 = 0;
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;

const CHAINS: [Chain; 7] = [
    ("published", None),
    ("arriving", Some(("nat", PREROUTING, -100))),
    ("leaving", Some(("nat", OUTPUT, -100))),
    ("departing", Some(("nat", POSTROUTING, 100))),
    ("guard", Some(("filter", PREROUTING, -300))),
    ("between", Some(("filter", FORWARD, 0))),
    ("inward", Some(("filter", INPUT, 0))),
];

fn chain((name, hook): Chain) -> Message {
    let made = message(Verb::NewChain, ENSURE).text(1, TABLE).text(3, name);
    match hook {
        Some((sort, hook, priority)) => {
            made.nest(4, |it| it.network_number(1, hook).network_number(2, priority.cast_unsigned())).text(7, sort)
        }
        None => made,
    }
}

fn rule(chain: &str, fill: impl FnOnce(Expressions) -> Expressions) -> Message {
    message(Verb::NewRule, APPEND)
        .text(1, TABLE)
        .text(2, chain)
        .nest(4, |list| fill(Expressions::new(list)).into_list())
}

/// The table without an element, in the place of whatever there was.
pub(super) fn anew() -> Vec<Message> {
    let table = |verb| message(verb, if matches!(verb, Verb::NewTable) { ENSURE } else { 0 }).text(1, TABLE);
    let mut all =
        vec![table(Verb::NewTable), table(Verb::DeleteTable), table(Verb::NewTable).bytes(USER_DATA, &layout())];
    all.extend((1..).zip(&SETS).map(|(id, set)| set.message(id)));
    all.extend(CHAINS.map(chain));
    all.extend(published());
    for name in ["arriving", "leaving"] {
        all.push(rule(name, |it| it.for_this_machine().verdict(Verdict::Jump("published"))));
    }
    all.extend(departing());
    all.extend(guard());
    all.extend(between());
    all.extend(inward());
    all
}

/// `NFTA_TABLE_USERDATA`.
const USER_DATA: u16 = 6;

/// A comment as nft has them: NFTNL_UDATA_TABLE_COMMENT (0), its length, and text with a zero byte.
fn layout() -> Vec<u8> {
    let length = u8::try_from(LAYOUT.len() + 1).expect("a short text");
    [&[0, length], LAYOUT.as_bytes(), &[0]].concat()
}

/// Whether the kernel's description of the table is that of one with these rules.
pub(super) fn is_current(answer: &[u8]) -> bool {
    answer.get(4..).and_then(|rest| attribute(rest, USER_DATA)) == Some(&layout())
}

/// What comes from a container never reaches the machine's loopback, though route_localnet lets published ports do so; and it
/// comes from its own network's addresses, whatever it may forge.
fn guard() -> [Message; 2] {
    let arriving = |it: Expressions| it.load(Meta::ArrivedBy, FIRST).in_set(NETWORKS);
    [
        rule("guard", |it| {
            let it = arriving(it).family(IPV4);
            it.payload(Header::Network, 16, 1, FIRST).equals(&[127]).verdict(Verdict::Drop)
        }),
        rule("guard", |it| arriving(it).sent_from_elsewhere().verdict(Verdict::Drop)),
    ]
}

/// Containers of internal networks do not reach this machine either, but answer it. Neighbours are found all the same.
fn inward() -> [Message; 1] {
    const ICMPV6: u8 = 58;
    [rule("inward", |it| {
        let it = it.load(Meta::ArrivedBy, FIRST).in_set(INTERNAL).other_than(ICMPV6);
        it.connection_lacks(Connection::State, ESTABLISHED_OR_RELATED).verdict(Verdict::Drop)
    })]
}

/// Registers behind the first for a key's or value's second and third part: they are of 4 bytes each (`NFT_REG32_00` is 8).
const BEHIND_IPV4: [u32; 2] = [9, 10];
const BEHIND_IPV6: [u32; 2] = [12, 13];

/// `IP_CT_ESTABLISHED` and `IP_CT_RELATED` as bits of a state, and `IPS_DST_NAT`.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
const DESTINATION_CHANGED: u32 = 0x20;

/// Where a packet for a published port goes.
fn published() -> Vec<Message> {
    let port = |it: Expressions, register| it.payload(Header::Transport, 2, 2, register);
    let families = [(IPV4, (16, 4), BEHIND_IPV4), (IPV6, (24, 16), BEHIND_IPV6)];
    let of_family = |index: usize, (family, (offset, length), behind): (u8, (u32, u32), [u32; 2])| {
        [
            rule("published", |it| {
                let it = it.family(family).payload(Header::Network, offset, length, FIRST);
                let it = port(it.load(Meta::Protocol, behind[0]), behind[1]);
                it.map(PORTS[index]).destination(family, behind[0])
            }),
            rule("published", |it| {
                let it = port(it.family(family).load(Meta::Protocol, FIRST), BEHIND_IPV4[0]);
                it.map(ANY[index]).destination(family, behind[0])
            }),
        ]
    };
    families.into_iter().enumerate().flat_map(|(index, family)| of_family(index, family)).collect()
}

/// Containers speak to the world with the machine's address; and with the bridge's where they come back to a container by a
/// port published by this machine, whose answer would otherwise go past it.
fn departing() -> Vec<Message> {
    let families = [(IPV4, 12, 4, SUBNETS[0]), (IPV6, 8, 16, SUBNETS[1])];
    let from = |it: Expressions, (family, offset, length, subnets): (u8, u32, u32, &str)| {
        it.family(family).payload(Header::Network, offset, length, FIRST).in_set(subnets).load(Meta::LeavesBy, FIRST)
    };
    let mut all =
        families.map(|family| rule("departing", |it| from(it, family).not_in_set(NETWORKS).masquerade())).to_vec();
    all.extend(families.map(|family| {
        rule("departing", |it| {
            from(it, family).in_set(NETWORKS).connection_has(Connection::Status, DESTINATION_CHANGED).masquerade()
        })
    }));
    all.push(rule("departing", |it| {
        let it = it.family(IPV4).payload(Header::Network, 12, 1, FIRST).equals(&[127]);
        it.load(Meta::LeavesBy, FIRST).in_set(NETWORKS).masquerade()
    }));
    all.push(rule("departing", |it| {
        let it = it.family(IPV6).payload(Header::Network, 8, 16, FIRST).equals(&Ipv6Addr::LOCALHOST.octets());
        it.load(Meta::LeavesBy, FIRST).in_set(NETWORKS).masquerade()
    }));
    all
}

/// Who may speak to whom: networks never to each other, and nobody to a container but by its published ports.
fn between() -> Vec<Message> {
    vec![
        rule("between", |it| it.connection_has(Connection::State, ESTABLISHED_OR_RELATED).verdict(Verdict::Accept)),
        rule("between", |it| {
            // Each part of a key of several takes whole registers: the second link's name begins in the second register.
            it.load(Meta::ArrivedBy, FIRST).load(Meta::LeavesBy, FIRST + 1).in_set(WITHIN).verdict(Verdict::Accept)
        }),
        rule("between", |it| it.load(Meta::ArrivedBy, FIRST).in_set(INTERNAL).verdict(Verdict::Drop)),
        rule("between", |it| it.load(Meta::LeavesBy, FIRST).in_set(INTERNAL).verdict(Verdict::Drop)),
        rule("between", |it| it.connection_has(Connection::Status, DESTINATION_CHANGED).verdict(Verdict::Accept)),
        rule("between", |it| it.load(Meta::LeavesBy, FIRST).in_set(NETWORKS).verdict(Verdict::Drop)),
    ]
}
