//! `run`'s flags for networks and published ports.

use std::net::IpAddr;

use clap::Args;

use super::failure::Failure;
use crate::model::{DEFAULT_NETWORK, EndpointWish, ExposedPort, NetworkMode, PortWish, parse_mac, parse_ports};

/// Networks and ports.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Networks")]
pub struct NetworkFlags {
    /// Network: bridge, none, host (with --userns host also for ports below 1024), container:NAME (that of another container),
    /// or one that `network create` made; several times for several [default: `network` of config.toml, else bridge, and none
    /// for an ordinary user who has no pasta]
    #[arg(long, alias = "net", value_name = "NAME|name=NAME,ip=…")]
    pub network: Vec<String>,
    /// Publish a port of the container, on 127.0.0.1 unless an address is given
    #[arg(short, long, value_name = "[[IP:]PORT:]PORT[/tcp|udp|sctp]")]
    pub publish: Vec<String>,
    /// Publish each exposed port on a free port of this machine
    #[arg(short = 'P', long)]
    pub publish_all: bool,
    /// Say that it serves a port; -P publishes it
    #[arg(long, value_name = "PORT[-PORT][/tcp|udp|sctp]")]
    pub expose: Vec<String>,
    /// The container's IPv4 address in its network
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// The container's IPv6 address in its network
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<IpAddr>,
    /// The hardware address of the container's link
    #[arg(long, value_name = "ADDRESS", value_parser = mac)]
    mac_address: Option<Mac>,
    /// A further name of the container in its network
    #[arg(long, alias = "net-alias", value_name = "NAME")]
    network_alias: Vec<String>,
}

pub type Mac = [u8; 6];

/// What the flags ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networking {
    /// None is the engine's default.
    pub mode: Option<NetworkMode>,
    pub networks: Vec<EndpointWish>,
    pub ports: Vec<PortWish>,
    pub exposed: Vec<ExposedPort>,
    pub publish_all: bool,
}

impl NetworkFlags {
    pub fn wishes(&self) -> Result<Networking, Failure> {
        let mut networks = self.network.iter().map(|text| endpoint(text)).collect::<Result<Vec<_>, _>>()?;
        let ports = self.publish.iter().map(|text| ports(text)).collect::<Result<Vec<_>, _>>()?.concat();
        let exposed = self.expose.iter().map(|text| exposed(text)).collect::<Result<Vec<_>, _>>()?.concat();
        let alone = networks.iter().find_map(|wish| match wish.network.as_str() {
            "none" => Some(NetworkMode::None),
            "host" => Some(NetworkMode::Host),
            text => text.strip_prefix("container:").map(|target| NetworkMode::Container(target.to_owned())),
        });
        if alone.is_some() && networks.len() > 1 {
            return Err(Failure::usage("--network none, host and container:NAME go with no other network"));
        }
        let wanted = [
            ("--publish", !ports.is_empty()),
            ("--publish-all", self.publish_all),
            ("--ip", self.ip.is_some()),
            ("--ip6", self.ip6.is_some()),
            ("--mac-address", self.mac_address.is_some()),
            ("--network-alias", !self.network_alias.is_empty()),
        ];
        let wanted = wanted.into_iter().find(|(_, wanted)| *wanted);
        if let Some(mode) = alone {
            if let Some((flag, _)) = wanted {
                return Err(Failure::usage(format!("{flag} needs a network of the container's own"))
                    .with_hint("`--network bridge` is the one that is always there"));
            }
            if mode == NetworkMode::Container(String::new()) {
                return Err(Failure::usage("--network container: names no container"));
            }
            return Ok(Networking { mode: Some(mode), exposed, ..Networking::default() });
        }
        let mode = (!networks.is_empty()).then_some(NetworkMode::Networks);
        // Without a name it is the default one.
        if networks.is_empty() && wanted.is_some() {
            networks.push(EndpointWish::default());
        }
        if let Some(first) = networks.first_mut() {
            first.address = self.ip.or(first.address);
            first.address6 = self.ip6.or(first.address6);
            first.mac = self.mac_address.or(first.mac);
            first.aliases.extend(self.network_alias.iter().cloned());
            check_families(first)?;
        }
        Ok(Networking { mode, networks, ports, exposed, publish_all: self.publish_all })
    }
}

/// An address under the flag of the other family would be looked for in the wrong subnet.
pub fn check_families(wish: &EndpointWish) -> Result<(), Failure> {
    match (wish.address, wish.address6) {
        (Some(address), _) if address.is_ipv6() => {
            Err(Failure::usage(format!("--ip {address}: it is an IPv6 address")).with_hint("--ip6 takes it"))
        }
        (_, Some(address)) if address.is_ipv4() => {
            Err(Failure::usage(format!("--ip6 {address}: it is an IPv4 address")).with_hint("--ip takes it"))
        }
        _ => Ok(()),
    }
}

fn exposed(text: &str) -> Result<Vec<ExposedPort>, Failure> {
    ExposedPort::parse(text).map_err(|why| {
        Failure::usage(format!("invalid exposed port {text:?}: {why}")).with_hint("write 80, 53/udp or 8000-8009")
    })
}

/// A network's name, or `name=…,ip=…,ip6=…,mac-address=…,alias=…`.
fn endpoint(text: &str) -> Result<EndpointWish, Failure> {
    let mut wish = EndpointWish::default();
    if !text.contains('=') {
        wish.network = if text == "default" { DEFAULT_NETWORK.to_owned() } else { text.to_owned() };
        return Ok(wish);
    }
    let bad = |part: &str, why: String| Failure::usage(format!("invalid --network part {part:?}: {why}"));
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(|| bad(part, "write KEY=VALUE".to_owned()))?;
        let address = || value.parse::<IpAddr>().map_err(|error| bad(part, error.to_string()));
        match key {
            "name" => wish.network = value.to_owned(),
            "ip" => wish.address = Some(address()?),
            "ip6" => wish.address6 = Some(address()?),
            "mac-address" => wish.mac = Some(mac(value).map_err(|why| bad(part, why))?),
            "alias" => wish.aliases.push(value.to_owned()),
            _ => return Err(bad(part, "there are name, ip, ip6, mac-address and alias".to_owned())),
        }
    }
    if wish.network.is_empty() {
        return Err(bad(text, "its name is missing".to_owned()));
    }
    Ok(wish)
}

pub fn mac(text: &str) -> Result<Mac, String> {
    parse_mac(text)
}

/// `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, where both ports may be ranges of the same length.
pub fn ports(text: &str) -> Result<Vec<PortWish>, Failure> {
    let bad = |why: String| {
        Failure::usage(format!("invalid published port {text:?}: {why}"))
            .with_hint("write 80, 8080:80, 127.0.0.1:8080:80, 8000-8009:80-89 or 53:53/udp")
    };
    parse_ports(text).map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let wishes = ports(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let one = |wish: &PortWish| {
            let host = wish.host.map_or("-".to_owned(), |host| host.to_string());
            let port = wish.host_port.map_or("-".to_owned(), |port| port.to_string());
            format!("{host} {port} {} {}", wish.container_port, wish.protocol)
        };
        wishes.iter().map(one).collect()
    }

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        assert_eq!(shown("80"), ["- - 80 tcp"]);
        assert_eq!(shown("8080:80"), ["- 8080 80 tcp"]);
        assert_eq!(shown("0.0.0.0:53:53/udp"), ["0.0.0.0 53 53 udp"]);
        assert_eq!(shown("127.0.0.1::80"), ["127.0.0.1 - 80 tcp"]);
        assert_eq!(shown("[::1]:8080:80/SCTP"), ["::1 8080 80 sctp"]);
        assert_eq!(shown("8000-8001:80-81"), ["- 8000 80 tcp", "- 8001 81 tcp"]);
        for wrong in ["", "0", "x", "80:", "65536", "1-2:3", "2-1", "a:80:80", "80/icmp", "1:2:3:4"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_hosts_and_addresses_are_read() {
        let of = |flags: NetworkFlags| flags.wishes();
        let network = |names: &[&str]| NetworkFlags {
            network: names.iter().map(|name| (*name).to_owned()).collect(),
            ..NetworkFlags::default()
        };
        assert_eq!(of(network(&[])).expect("nothing"), Networking::default());
        assert_eq!(of(network(&["host"])).expect("host").mode, Some(NetworkMode::Host));
        let other = Some(NetworkMode::Container("web".to_owned()));
        assert_eq!(of(network(&["container:web"])).expect("another's").mode, other);
        let two = of(network(&["bridge", "name=lan,ip=10.0.0.9,alias=db"])).expect("two networks");
        assert_eq!(two.networks[1].aliases, ["db"]);
        assert_eq!(two.networks[1].address, Some(IpAddr::from([10, 0, 0, 9])));
        assert!(of(network(&["host", "lan"])).is_err());
        assert!(of(network(&["name=lan,color=red"])).is_err());
        let published = NetworkFlags { publish: vec!["80".to_owned()], ..NetworkFlags::default() };
        assert_eq!(of(published.clone()).expect("a port").networks, [EndpointWish::default()]);
        assert!(of(NetworkFlags { network: vec!["container:web".to_owned()], ..published.clone() }).is_err());
        assert!(of(NetworkFlags { network: vec!["none".to_owned()], ..published }).is_err());
        assert_eq!(mac("02:42:0a:00:00:02"), Ok([2, 0x42, 10, 0, 0, 2]));
        assert!(mac("01:00:5e:00:00:01").is_err() && mac("2:42").is_err());
    }
}
