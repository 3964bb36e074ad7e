//! A container's place in a network: its link, made in the container's own network namespace, with addresses and routes.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use ipnet::IpNet;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::link::{Inner, Link, Links, Mac, Route, Shared};
use super::{NetworkError, Result};
use crate::model::{Endpoint, Network, NetworkDriver};

/// Bytes of the largest packet where nothing else is said.
const MTU: u32 = 1500;

/// Puts a container into a network whose bridge is up. Its ways to everywhere lead by the gateways in `ways_out`.
///
/// Everything goes with the container's network namespace.
pub fn attach(
    network: &Network,
    hub: &Link,
    endpoint: &Endpoint,
    namespace: BorrowedFd<'_>,
    ways_out: &[IpAddr],
) -> Result<()> {
    let mut links = Links::open()?;
    let mtu = network.mtu.unwrap_or(if network.driver == NetworkDriver::Bridge { MTU } else { hub.mtu });
    let inner = Inner { name: &endpoint.link, mac: Some(endpoint.mac), mtu, namespace };
    match (network.driver, &endpoint.outer) {
        (NetworkDriver::Bridge, Some(outer)) => links.make_pair(outer, hub.index, &inner)?,
        (NetworkDriver::Bridge, None) => return Err(NetworkError::NoBridge { link: network.link.clone() }),
        (NetworkDriver::Macvlan, _) => links.make_shared(Shared::Macvlan, hub.index, &inner)?,
        (NetworkDriver::Ipvlan, _) => links.make_shared(Shared::Ipvlan, hub.index, &Inner { mac: None, ..inner })?,
    }
    within(namespace, || configure(endpoint, ways_out))?
}

/// Lets a container's ways to everywhere lead by gateways of a network that it is in already.
pub fn lead_out(endpoint: &Endpoint, namespace: BorrowedFd<'_>, ways_out: &[IpAddr]) -> Result<()> {
    within(namespace, || {
        let mut links = Links::open()?;
        let missing = || NetworkError::NoBridge { link: endpoint.link.clone() };
        let link = links.find(&endpoint.link)?.ok_or_else(missing)?;
        add_ways_out(&mut links, &link, ways_out)
    })?
}

/// Takes a container out of a network: its end of the link goes with this one.
pub fn detach(endpoint: &Endpoint, namespace: BorrowedFd<'_>) -> Result<()> {
    match &endpoint.outer {
        Some(outer) => Links::open()?.delete(outer),
        None => within(namespace, || Links::open()?.delete(&endpoint.link))?,
    }
}

/// To be done in the container's network namespace.
fn configure(endpoint: &Endpoint, ways_out: &[IpAddr]) -> Result<()> {
    let mut links = Links::open()?;
    let missing = || NetworkError::NoBridge { link: endpoint.link.clone() };
    let link = links.find(&endpoint.link)?.ok_or_else(missing)?;
    distrust_routers(endpoint);
    links.configure(&link, &endpoint.addresses, ways_out)
}

fn add_ways_out(links: &mut Links, link: &Link, ways_out: &[IpAddr]) -> Result<()> {
    for gateway in ways_out {
        match links.add_route(&Route { to: None, gateway: Some(*gateway), link: Some(link.index) }) {
            // A container that may change its network has made its own way out.
            Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == rustix::io::Errno::EXIST => {}
            result => result?,
        }
    }
    Ok(())
}

/// The way out of a bridge is known: no neighbour may tell the container another (RFC 4861, 6.1; as CVE-2020-13401 did to hosts).
/// A machine without IPv6 has no such file.
fn distrust_routers(endpoint: &Endpoint) {
    if endpoint.outer.is_some() {
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{}/accept_ra", endpoint.link), "0");
    }
}

/// Does something in another network namespace and comes back. Only the calling thread goes there.
pub(super) fn within<T>(namespace: BorrowedFd<'_>, act: impl FnOnce() -> T) -> Result<T> {
    let own = std::path::Path::new("/proc/thread-self/ns/net");
    let home = std::fs::File::open(own).map_err(|error| NetworkError::io("open", own, error))?;
    let enter = |fd: BorrowedFd<'_>| move_into_link_name_space(fd, Some(LinkNameSpaceType::Network));
    let failed = |errno: rustix::io::Errno| NetworkError::io("enter the network namespace of", own, errno.into());
    enter(namespace).map_err(failed)?;
    let done = act();
    // Who came from there may go back there; a thread that could not would do everything else in the wrong place.
    enter(std::os::fd::AsFd::as_fd(&home)).expect("a thread can return to its own network namespace");
    Ok(done)
}

/// The hardware address that goes with an address, as Docker makes it: another address is another neighbour.
pub fn mac_of(addresses: &[IpNet]) -> Mac {
    match addresses.first().map(IpNet::addr) {
        Some(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            [0x02, 0x42, a, b, c, d]
        }
        Some(IpAddr::V6(address)) => {
            let octets = address.octets();
            [0x02, 0x46, octets[12], octets[13], octets[14], octets[15]]
        }
        None => [0x02, 0x42, 0, 0, 0, 1],
    }
}
