//! The expressions of nftables' rules (linux/netfilter/nf_tables.h): registers are loaded, compared, looked up.

use crate::sys::netlink::Message;

/// `NFT_REG_VERDICT`: what is done with the packet.
const VERDICT: u32 = 0;
/// The first of the four registers of 16 bytes (`NFT_REG_1`).
pub(super) const FIRST: u32 = 1;

/// Attributes that all expressions have (`NFTA_LIST_ELEM`, `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`).
const ELEMENT: u16 = 1;
const NAME: u16 = 1;
const DATA: u16 = 2;
/// `NFTA_DATA_VALUE` and `NFTA_DATA_VERDICT`.
const VALUE: u16 = 1;
const VERDICT_DATA: u16 = 2;

/// Which header a payload is read of (`enum nft_payload_bases`).
#[derive(Clone, Copy)]
pub(super) enum Header {
    Network = 1,
    Transport = 2,
}

/// What is known of a packet besides its bytes (`enum nft_meta_keys`).
#[derive(Clone, Copy)]
pub(super) enum Meta {
    ArrivedBy = 6,
    LeavesBy = 7,
    /// `NFPROTO_IPV4` or `NFPROTO_IPV6`, one byte.
    Family = 15,
    /// `IPPROTO_TCP` and so on, one byte.
    Protocol = 16,
}

/// What is known of a connection (`enum nft_ct_keys`).
#[derive(Clone, Copy)]
pub(super) enum Connection {
    State = 0,
    Status = 2,
}

/// What becomes of a packet.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    Drop,
    Accept,
    /// Goes on in another chain, and comes back from it.
    Jump(&'static str),
}

/// A rule's expressions, one behind the other.
pub(super) struct Expressions(Message);

impl Expressions {
    pub(super) fn new(list: Message) -> Self {
        Self(list)
    }

    pub(super) fn into_list(self) -> Message {
        self.0
    }

    fn put(self, name: &str, fill: impl FnOnce(Message) -> Message) -> Self {
        Self(self.0.nest(ELEMENT, |element| element.text(NAME, name).nest(DATA, fill)))
    }

    pub(super) fn load(self, key: Meta, register: u32) -> Self {
        self.put("meta", |it| it.network_number(1, register).network_number(2, key as u32))
    }

    pub(super) fn payload(self, header: Header, offset: u32, length: u32, register: u32) -> Self {
        self.put("payload", |it| {
            it.network_number(1, register)
                .network_number(2, header as u32)
                .network_number(3, offset)
                .network_number(4, length)
        })
    }

    /// Puts a value into the first register.
    pub(super) fn value(self, value: &[u8]) -> Self {
        self.put("immediate", |it| it.network_number(1, FIRST).nest(2, |data| data.bytes(VALUE, value)))
    }

    /// Writes the first register into the transport header and mends the checksum there (`NFT_PAYLOAD_CSUM_INET`).
    pub(super) fn put_payload(self, offset: u32, length: u32, checksum_offset: u32) -> Self {
        const CHECKSUM: u32 = 1;
        self.put("payload", |it| {
            it.network_number(5, FIRST)
                .network_number(2, Header::Transport as u32)
                .network_number(3, offset)
                .network_number(4, length)
                .network_number(6, CHECKSUM)
                .network_number(7, checksum_offset)
        })
    }

    /// Goes on if the first register begins with `value`.
    pub(super) fn equals(self, value: &[u8]) -> Self {
        self.compare(0, value)
    }

    fn compare(self, operator: u32, value: &[u8]) -> Self {
        self.put("cmp", |it| {
            it.network_number(1, FIRST).network_number(2, operator).nest(3, |data| data.bytes(VALUE, value))
        })
    }

    /// Goes on unless the first register begins with `value`.
    fn differs(self, value: &[u8]) -> Self {
        self.compare(1, value)
    }

    /// Goes on for packets of any protocol but this one.
    pub(super) fn other_than(self, protocol: u8) -> Self {
        self.load(Meta::Protocol, FIRST).differs(&[protocol])
    }

    /// Goes on for IPv4 (2) or IPv6 (10) only.
    pub(super) fn family(self, family: u8) -> Self {
        self.load(Meta::Family, FIRST).equals(&[family])
    }

    /// Goes on if what begins in the first register is in the set.
    pub(super) fn in_set(self, set: &str) -> Self {
        self.put("lookup", |it| it.text(1, set).network_number(2, FIRST))
    }

    pub(super) fn not_in_set(self, set: &str) -> Self {
        self.put("lookup", |it| it.text(1, set).network_number(2, FIRST).network_number(5, 1))
    }

    /// Goes on with the map's value in the first register, if there is one for what begins in it.
    pub(super) fn map(self, map: &str) -> Self {
        self.put("lookup", |it| it.text(1, map).network_number(2, FIRST).network_number(3, FIRST))
    }

    /// Goes on if one of these bits of the connection is set.
    pub(super) fn connection_has(self, what: Connection, bits: u32) -> Self {
        self.connection_bits(what, bits).differs(&[0; 4])
    }

    /// Goes on if all of these bits of the connection are clear.
    pub(super) fn connection_lacks(self, what: Connection, bits: u32) -> Self {
        self.connection_bits(what, bits).equals(&[0; 4])
    }

    /// These bits of the connection, in the first register.
    fn connection_bits(self, what: Connection, bits: u32) -> Self {
        self.put("ct", |it| it.network_number(1, FIRST).network_number(2, what as u32)).put("bitwise", |it| {
            it.network_number(1, FIRST)
                .network_number(2, FIRST)
                .network_number(3, 4)
                .nest(4, |data| data.bytes(VALUE, &bits.to_ne_bytes()))
                .nest(5, |data| data.bytes(VALUE, &[0; 4]))
        })
    }

    /// Goes on if an answer to the packet would not leave by the link that it arrived by: its source is not there.
    pub(super) fn sent_from_elsewhere(self) -> Self {
        const LINK_INDEX: u32 = 1;
        /// `NFTA_FIB_F_SADDR`, `NFTA_FIB_F_IIF`, and `NFTA_FIB_F_PRESENT`: only whether there is such a route.
        const OF_SOURCE_BY_ARRIVAL: u32 = 1 | 8 | 32;
        self.put("fib", |it| {
            it.network_number(1, FIRST).network_number(2, LINK_INDEX).network_number(3, OF_SOURCE_BY_ARRIVAL)
        })
        .equals(&[0; 4])
    }

    /// Goes on if the packet is for this machine itself (`RTN_LOCAL` of the routing table).
    pub(super) fn for_this_machine(self) -> Self {
        const ADDRESS_TYPE: u32 = 3;
        const OF_DESTINATION: u32 = 2;
        const LOCAL: u32 = 2;
        self.put("fib", |it| {
            it.network_number(1, FIRST).network_number(2, ADDRESS_TYPE).network_number(3, OF_DESTINATION)
        })
        .equals(&LOCAL.to_ne_bytes())
    }

    /// Sends the packet to the address in the first register and the port in `port_register`.
    pub(super) fn destination(self, family: u8, port_register: u32) -> Self {
        self.put("nat", |it| {
            it.network_number(1, 1)
                .network_number(2, u32::from(family))
                .network_number(3, FIRST)
                .network_number(5, port_register)
        })
    }

    /// Gives the packet the address of the link it leaves by.
    pub(super) fn masquerade(self) -> Self {
        self.put("masq", |it| it)
    }

    pub(super) fn verdict(self, verdict: Verdict) -> Self {
        let code = match verdict {
            Verdict::Drop => 0,
            Verdict::Accept => 1,
            Verdict::Jump(_) => (-3i32).cast_unsigned(),
        };
        self.put("immediate", |it| {
            it.network_number(1, VERDICT).nest(2, |data| {
                data.nest(VERDICT_DATA, |told| match verdict {
                    Verdict::Jump(chain) => told.network_number(1, code).text(2, chain),
                    _ => told.network_number(1, code),
                })
            })
        })
    }
}
