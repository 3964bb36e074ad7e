//! What stands in the table's sets and maps: networks, their subnets, published ports.

use std::net::IpAddr;

use ipnet::IpNet;

use super::table::{ANY, INTERNAL, NETWORKS, PORTS, SUBNETS, TABLE, Verb, WITHIN, message};
use crate::network::{NetworkRules, PortRule};
use crate::sys::netlink::{ENSURE, Message};

/// One entry of a set or map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    set: &'static str,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    /// The first key behind the entry, in sets of ranges; empty where the range goes to the end of all keys.
    end: Option<Vec<u8>>,
}

impl Element {
    fn plain(set: &'static str, key: Vec<u8>) -> Self {
        Self { set, key, value: None, end: None }
    }

    pub(super) fn set(&self) -> &'static str {
        self.set
    }

    /// All elements of one set in one message.
    fn list(verb: Verb, flags: u16, set: &str, elements: &[&Self]) -> Message {
        const INTERVAL_END: u32 = 1;
        message(verb, flags).text(1, TABLE).text(2, set).nest(3, |list| {
            elements.iter().fold(list, |list, element| {
                let list = list.nest(1, |it| {
                    let it = it.nest(1, |key| key.bytes(1, &element.key));
                    match &element.value {
                        Some(value) => it.nest(2, |data| data.bytes(1, value)),
                        None => it,
                    }
                });
                match &element.end {
                    Some(end) if !end.is_empty() => {
                        list.nest(1, |it| it.nest(1, |key| key.bytes(1, end)).network_number(3, INTERVAL_END))
                    }
                    _ => list,
                }
            })
        })
    }
}

/// Elements that one message takes: an attribute's length has 16 bits, and an element takes up to some 120 bytes.
const ELEMENTS_MAX: usize = 400;

fn messages(verb: Verb, flags: u16, elements: &[Element]) -> Vec<Message> {
    let mut sets: Vec<&'static str> = elements.iter().map(Element::set).collect();
    sets.sort_unstable();
    sets.dedup();
    let of = |set: &'static str| elements.iter().filter(move |it| it.set == set).collect::<Vec<_>>();
    let lists = sets.into_iter().flat_map(|set| {
        of(set).chunks(ELEMENTS_MAX).map(|some| Element::list(verb, flags, set, some)).collect::<Vec<_>>()
    });
    lists.collect()
}

pub(super) fn add(elements: &[Element]) -> Vec<Message> {
    messages(Verb::NewElement, ENSURE, elements)
}

/// Made first: what is not there cannot be removed, and would make the whole batch fail.
pub(super) fn remove(elements: &[Element]) -> Vec<Message> {
    let mut all = add(elements);
    all.extend(messages(Verb::DeleteElement, 0, elements));
    all
}

pub(super) fn of_network(network: &NetworkRules) -> Vec<Element> {
    let link = name(&network.link);
    let mut all =
        vec![Element::plain(NETWORKS, link.clone()), Element::plain(WITHIN, [link.clone(), link.clone()].concat())];
    if network.internal {
        all.push(Element::plain(INTERNAL, link));
    }
    all.extend(network.subnets.iter().map(subnet));
    all
}

pub(super) fn of_port(port: &PortRule) -> Element {
    let family = usize::from(port.container.is_ipv6());
    let (protocol, number) = ([port.protocol.number(), 0, 0, 0], two(port.host_port));
    let key = match port.host {
        Some(host) => [octets(host), protocol.to_vec(), number].concat(),
        None => [protocol.to_vec(), number].concat(),
    };
    let set = if port.host.is_some() { PORTS[family] } else { ANY[family] };
    let value = [octets(port.container), two(port.container_port)].concat();
    Element { set, key, value: Some(value), end: None }
}

fn subnet(subnet: &IpNet) -> Element {
    let first = octets(subnet.network());
    // The key behind the last; none behind the last of all.
    let mut end = octets(subnet.broadcast());
    let carried = end.iter_mut().rev().all(|byte| {
        *byte = byte.wrapping_add(1);
        *byte == 0
    });
    if carried {
        end.clear();
    }
    Element { set: SUBNETS[usize::from(subnet.addr().is_ipv6())], key: first, value: None, end: Some(end) }
}

/// A link's name as sets of links have it: 16 bytes, zeros behind it.
fn name(link: &str) -> Vec<u8> {
    let mut bytes = link.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

/// A port as keys and values of several parts have it: in network byte order, in the first half of four bytes.
fn two(port: u16) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    vec![high, low, 0, 0]
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnet_ends_behind_its_last_address() {
        let of = |text: &str| subnet(&text.parse().expect("a subnet"));
        assert_eq!(of("10.88.0.0/16").key, [10, 88, 0, 0]);
        assert_eq!(of("10.88.0.0/16").end, Some(vec![10, 89, 0, 0]));
        assert_eq!(of("10.255.255.0/24").end, Some(vec![11, 0, 0, 0]));
        assert_eq!(of("255.255.255.0/24").end, Some(vec![]), "nothing is behind the last");
        assert_eq!(of("fd00::/64").end.map(|end| (end[7], end[15])), Some((1, 0)));
    }
}
