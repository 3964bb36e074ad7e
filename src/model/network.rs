//! Networks: how they are defined, what a container wants of them, and what it got.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Id, Name, Timestamp};

/// The network that is always there, Docker's name for it.
pub const DEFAULT_NETWORK: &str = "bridge";

/// What a network is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkDriver {
    /// A bridge of this machine's own, behind address translation.
    #[default]
    Bridge,
    /// Each container is a host of its own in the network of a device of this machine.
    Macvlan,
    /// As macvlan, with the device's hardware address.
    Ipvlan,
}

impl NetworkDriver {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
        }
    }
}

impl FromStr for NetworkDriver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Bridge, Self::Macvlan, Self::Ipvlan];
        let found = known.into_iter().find(|driver| driver.name() == text);
        found.ok_or_else(|| format!("no network driver is called {text}; there are bridge, macvlan and ipvlan"))
    }
}

/// A network's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    pub subnet: IpNet,
    pub gateway: IpAddr,
    /// The part that containers get addresses of; all of the subnet if none.
    #[serde(default)]
    pub range: Option<IpNet>,
}

/// A network as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub id: Id,
    pub name: Name,
    pub driver: NetworkDriver,
    pub created: Timestamp,
    /// At most one of IPv4 and one of IPv6, IPv4 first.
    pub subnets: Vec<Subnet>,
    /// Its containers reach each other and nothing else.
    #[serde(default)]
    pub internal: bool,
    /// Bytes of the largest packet; 1500 if none.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// The bridge's name, or that of the device that containers share.
    pub link: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// What has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// The number that packets carry (IANA's protocol numbers).
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(format!("no protocol is called {text}; there are tcp, udp and sctp")),
        }
    }
}

/// A port that a container publishes (`-p`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortWish {
    pub protocol: Protocol,
    /// The address of this machine; none is the configured one, 127.0.0.1 unless said otherwise.
    pub host: Option<IpAddr>,
    /// None is a free one.
    pub host_port: Option<u16>,
    pub container_port: u16,
}

/// A port that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    pub protocol: Protocol,
    pub host: IpAddr,
    pub host_port: u16,
    pub container_port: u16,
}

/// A port that a container says it serves (`EXPOSE`, `--expose`): `80/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExposedPort {
    pub port: u16,
    pub protocol: Protocol,
}

impl fmt::Display for ExposedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

impl ExposedPort {
    /// `PORT[-LAST][/PROTOCOL]`, of TCP where it does not say.
    pub fn parse(text: &str) -> Result<Vec<Self>, String> {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = protocol.parse()?;
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        match (first.parse(), last.parse()) {
            (Ok(first @ 1..), Ok(last)) if first <= last => {
                Ok((first..=last).map(|port| Self { port, protocol }).collect())
            }
            _ => Err("a port is 1 to 65535, a range FIRST-LAST".to_owned()),
        }
    }
}

/// How a container wants to be in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointWish {
    /// The network's name or id.
    pub network: String,
    pub address: Option<IpAddr>,
    pub address6: Option<IpAddr>,
    pub mac: Option<[u8; 6]>,
    /// Further names in that network.
    pub aliases: Vec<String>,
}

/// How a container asks for names. Empty parts are as on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DnsWish {
    /// Servers; asked for everything that is no container's name.
    pub servers: Vec<IpAddr>,
    /// Domains that are put behind short names; a lone `.` is none.
    pub search: Vec<String>,
    /// As in resolv.conf(5).
    pub options: Vec<String>,
}

impl DnsWish {
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How a container is in a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub network: Id,
    pub network_name: Name,
    /// As the container calls it: `eth0`.
    pub link: String,
    /// This machine's end; none where there is none.
    pub outer: Option<String>,
    /// Each with its subnet's length.
    pub addresses: Vec<IpNet>,
    pub gateways: Vec<IpAddr>,
    pub mac: [u8; 6],
    pub aliases: Vec<String>,
}
