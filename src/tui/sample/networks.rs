//! Networks, who is in them, and what interfaces move, made by hand.

use super::{before, id};
use crate::engine::{LeaseCount, NetworkInspect};
use crate::model::{
    Endpoint, InterfaceCounters, InterfaceRates, Network, NetworkDriver, Protocol, PublishedPort, Subnet,
};

/// How a container's traffic is divided among its interfaces.
fn shares(container: u8) -> &'static [(&'static str, f64)] {
    match container {
        1 | 4 => &[("eth0", 1.0)],
        2 => &[("eth0", 0.7), ("eth1", 0.3)],
        _ => &[],
    }
}

/// What a container's interfaces have moved, of so many bytes a second in all.
pub fn counters(container: u8, bytes: f64) -> Vec<InterfaceCounters> {
    let counters = |(name, share): &(&str, f64)| {
        let (received, sent) = (bytes * 1000.0 * share, bytes * 300.0 * share);
        InterfaceCounters {
            name: (*name).to_owned(),
            received_bytes: received as u64,
            received_packets: (received / 900.0) as u64,
            received_dropped: if *name == "eth1" { 17 } else { 0 },
            sent_bytes: sent as u64,
            sent_packets: (sent / 400.0) as u64,
            ..InterfaceCounters::default()
        }
    };
    shares(container).iter().map(counters).collect()
}

pub fn rates(container: u8, bytes: f64) -> Vec<InterfaceRates> {
    let rates = |(name, share): &(&str, f64)| InterfaceRates {
        name: (*name).to_owned(),
        received: bytes * share,
        sent: bytes * share / 4.0,
        received_packets: bytes * share / 900.0,
        sent_packets: bytes * share / 1600.0,
        lost_packets: 0.0,
    };
    shares(container).iter().map(rates).collect()
}

fn subnet(subnet: &str, gateway: &str, range: Option<&str>) -> Subnet {
    Subnet {
        subnet: subnet.parse().expect("a subnet"),
        gateway: gateway.parse().expect("an address"),
        range: range.map(|range| range.parse().expect("a subnet")),
    }
}

fn network(number: u8, name: &str, link: &str, subnets: Vec<Subnet>) -> Network {
    Network {
        id: id(number),
        name: name.parse().expect("a name"),
        driver: NetworkDriver::Bridge,
        created: before(3600 * i64::from(number)),
        subnets,
        internal: false,
        mtu: None,
        link: link.to_owned(),
        labels: Default::default(),
        options: Default::default(),
    }
}

/// The default network, one of both families, an internal one with hostile labels, and one on a device of the machine.
fn all() -> Vec<Network> {
    let bridge = network(0x7e, "bridge", "teu0", vec![subnet("10.91.0.0/16", "10.91.0.1", None)]);
    let both = vec![
        subnet("10.92.0.0/24", "10.92.0.1", Some("10.92.0.128/25")),
        subnet("fd3a:91c4:77de::/64", "fd3a:91c4:77de::1", None),
    ];
    let mut shop = network(3, "shop", "teu-0303030303", both);
    shop.labels = [("team".to_owned(), "web".to_owned())].into();
    shop.mtu = Some(9000);
    let mut vault = network(5, "vault", "teu-0505050505", vec![subnet("10.92.1.0/29", "10.92.1.1", None)]);
    vault.internal = true;
    vault.labels = [("org.example.note".to_owned(), "\u{1b}[7mkeys only".to_owned())].into();
    let mut office =
        network(9, "office-network-of-the-third-floor", "enp3s0", vec![subnet("192.168.7.0/24", "192.168.7.1", None)]);
    office.driver = NetworkDriver::Macvlan;
    office.options = [("parent".to_owned(), "enp3s0".to_owned())].into();
    vec![bridge, office, shop, vault]
}

fn endpoint(network: &Network, index: u8, host: u8, aliases: &[&str]) -> Endpoint {
    let addresses = network.subnets.iter().map(|it| {
        let address = match it.subnet.network() {
            std::net::IpAddr::V4(first) => std::net::Ipv4Addr::from(u32::from(first) + u32::from(host)).into(),
            std::net::IpAddr::V6(first) => std::net::Ipv6Addr::from(u128::from(first) + u128::from(host)).into(),
        };
        ipnet::IpNet::new(address, it.subnet.prefix_len()).expect("the subnet's own length")
    });
    Endpoint {
        network: network.id.clone(),
        network_name: network.name.clone(),
        link: format!("eth{index}"),
        outer: Some(format!("teu{host:010}{index}")),
        addresses: addresses.collect(),
        gateways: network.subnets.iter().map(|it| it.gateway).collect(),
        mac: [2, 0x42, 10, 92, 0, host],
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
    }
}

/// How a running sample is connected.
pub fn endpoints(container: u8) -> Vec<Endpoint> {
    let all = all();
    match container {
        1 => vec![endpoint(&all[2], 0, 130, &["db", "cache"])],
        2 => vec![endpoint(&all[2], 0, 131, &["www"]), endpoint(&all[0], 1, 2, &[])],
        4 => vec![endpoint(&all[3], 0, 2, &[])],
        _ => Vec::new(),
    }
}

pub fn published(container: u8) -> Vec<PublishedPort> {
    let port = |host: &str, host_port, container_port, protocol| PublishedPort {
        protocol,
        host: host.parse().expect("an address"),
        host_port,
        container_port,
    };
    match container {
        2 => vec![
            port("127.0.0.1", 8080, 80, Protocol::Tcp),
            port("::1", 8080, 80, Protocol::Tcp),
            port("0.0.0.0", 8443, 443, Protocol::Tcp),
        ],
        1 => vec![port("127.0.0.1", 32_768, 53, Protocol::Udp)],
        _ => Vec::new(),
    }
}

pub fn networks() -> Vec<NetworkInspect> {
    let names = [(1, "brave_hopper"), (2, "web"), (4, "paused_wright")];
    let inspect = |network: Network| {
        let member = |(number, name): &(u8, &str)| {
            let endpoint = endpoints(*number).into_iter().find(|it| it.network == network.id)?;
            Some((id(*number), name.parse().expect("a name"), endpoint))
        };
        let containers: Vec<_> = names.iter().filter_map(member).collect();
        let leases = network.subnets.iter().map(|it| LeaseCount {
            subnet: it.subnet,
            used: containers.len() as u64,
            all: match it.range.unwrap_or(it.subnet).prefix_len() {
                16 => 65_533,
                24 => 253,
                25 => 127,
                29 => 5,
                _ => (1 << 62) - 2,
            },
        });
        NetworkInspect { leases: leases.collect(), containers, network }
    };
    all().into_iter().map(inspect).collect()
}
