//! What can go wrong with networks.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::model::{ErrorKind, Protocol};
use crate::sys::netlink::Refusal;

/// Why a network cannot be made, joined or left.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("{doing}{what}: {refusal}")]
    Kernel { doing: &'static str, what: String, refusal: Refusal },
    #[error("no such network: {target}")]
    NoSuchNetwork { target: String },
    #[error("several networks' ids begin with {target}")]
    Ambiguous { target: String },
    #[error("a network called {name} exists already")]
    NameTaken { name: String },
    #[error("another network's bridge is called {link} already")]
    LinkTaken { link: String },
    #[error("the default network stays: it is made when a container wants it")]
    DefaultStays,
    #[error("{name:?} is no name for a link: at most 15 letters, digits and signs, no / and no :")]
    LinkName { name: String },
    #[error("a network of driver {driver} needs the device that it shares: give it with -o parent=NAME")]
    ParentWanted { driver: &'static str },
    #[error("a network has at most one subnet of IPv4 and one of IPv6")]
    Subnets,
    #[error("subnet {subnet} overlaps with {other} of {holder}")]
    Overlap { subnet: IpNet, other: IpNet, holder: String },
    #[error("subnet {subnet} has no room for a gateway and a container")]
    TooSmall { subnet: IpNet },
    #[error("{what} is in none of the network's subnets")]
    OutsideSubnets { what: String },
    #[error("every subnet that teu would choose is in use on this machine: give one with --subnet")]
    NoSubnetLeft,
    #[error("network {network} needs the device {parent}, which this machine has not")]
    NoParent { network: String, parent: String },
    #[error("this machine's kernel has no {driver} devices: run `modprobe {driver}`, or take another driver")]
    NoDriver { driver: &'static str },
    #[error("{link} is no bridge of teu's: another program has a link of that name")]
    NoBridge { link: String },
    #[error("cannot publish {address}/{protocol}: {}{source}", holder.as_ref().map(|it| format!("{it} has it: ")).unwrap_or_default())]
    Port { protocol: Protocol, address: SocketAddr, holder: Option<String>, source: io::Error },
    #[error(
        "cannot publish on [::1] here: bridges pass through the firewall on this machine, and answers for [::1] do not get through. Publish on [::] or another address, or run `sysctl -w net.bridge.bridge-nf-call-ip6tables=0`"
    )]
    LoopbackBridged,
    #[error("address {address} is another container's already")]
    AddressTaken { address: IpAddr },
    #[error("no container can have the address {address} in {subnet}: {reason}")]
    AddressUnfit { address: IpAddr, subnet: IpNet, reason: &'static str },
    #[error("the container is in network {network} already")]
    InAlready { network: String },
    #[error("the container is not in network {network}")]
    NotIn { network: String },
    #[error("a container can be in 100 networks at once, and is in as many")]
    TooManyNetworks,
    #[error(
        "cannot publish {port}: none of the container's networks leads there; that takes one of driver bridge that is not internal, for an IPv6 address one made with --ipv6"
    )]
    NoWayIn { port: String },
    #[error("the container's ports were changed by another meanwhile; try again")]
    PortsChanged,
    #[error(
        "cannot publish {address}/{protocol}: low ports are root's; choose a higher one, or: sudo sysctl -w net.ipv4.ip_unprivileged_port_start={}",
        address.port()
    )]
    LowPort { protocol: Protocol, address: SocketAddr },
    #[error(
        "an ordinary user's containers reach networks by pasta, which is not installed: sudo apt-get install passt (Debian, Ubuntu), sudo dnf install passt (Fedora); or use --network none or host"
    )]
    NoPasta,
    #[error(
        "network {network} needs root: an ordinary user may not share this machine's devices, which driver {driver} does; driver bridge can be had"
    )]
    RootsOnly { network: String, driver: &'static str },
    #[error("pasta cannot make links: /dev/net/tun is missing or closed to this user; {cure}")]
    NoTun { cure: &'static str },
    #[error("pasta cannot publish {what}: root's containers can")]
    PastaKnowsNot { what: String },
    #[error("cannot publish {address}: this machine has no way out by IPv6, and without one pasta does not speak it")]
    NoIpv6Out { address: SocketAddr },
    #[error("pasta cannot connect the container: {why}")]
    Pasta { why: String },
    #[error("all addresses of {range} are leased")]
    NoAddressLeft { range: IpNet },
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl NetworkError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub fn kind(&self) -> ErrorKind {
        use rustix::io::Errno;
        match self {
            Self::Kernel { refusal, .. } => match refusal.errno {
                Errno::PERM | Errno::ACCESS => ErrorKind::Permission,
                Errno::EXIST | Errno::BUSY => ErrorKind::Conflict,
                _ => ErrorKind::Network,
            },
            Self::NoParent { .. } | Self::NoSuchNetwork { .. } => ErrorKind::NotFound,
            Self::NameTaken { .. } | Self::LinkTaken { .. } | Self::DefaultStays | Self::Overlap { .. } => {
                ErrorKind::Conflict
            }
            Self::NoSubnetLeft => ErrorKind::Conflict,
            Self::Ambiguous { .. } | Self::LinkName { .. } | Self::ParentWanted { .. } | Self::Subnets => {
                ErrorKind::InvalidInput
            }
            Self::TooSmall { .. } | Self::OutsideSubnets { .. } => ErrorKind::InvalidInput,
            Self::Port { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            Self::Port { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => ErrorKind::InvalidInput,
            Self::LoopbackBridged | Self::NoDriver { .. } => ErrorKind::Permission,
            Self::Port { .. } | Self::NoBridge { .. } => ErrorKind::Conflict,
            Self::InAlready { .. } | Self::TooManyNetworks | Self::PortsChanged => ErrorKind::Conflict,
            Self::NotIn { .. } => ErrorKind::NotFound,
            Self::NoWayIn { .. } => ErrorKind::InvalidInput,
            Self::AddressTaken { .. } | Self::NoAddressLeft { .. } => ErrorKind::Conflict,
            Self::AddressUnfit { .. } | Self::PastaKnowsNot { .. } => ErrorKind::InvalidInput,
            Self::LowPort { .. } | Self::NoTun { .. } | Self::RootsOnly { .. } => ErrorKind::Permission,
            Self::NoPasta | Self::NoIpv6Out { .. } => ErrorKind::NotFound,
            Self::Pasta { .. } => ErrorKind::Network,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            Self::Io { .. } => ErrorKind::Other,
        }
    }
}
