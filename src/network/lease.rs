//! Addresses leased to containers: a lock on one byte for each, so that none is ever given twice, and one whose holder died is
//! free at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ipnet::IpNet;

use super::{NetworkError, Result};
use crate::model::{EndpointWish, Network, Subnet};
use crate::sys::byte_lock::ByteLock;

/// Hosts of an IPv6 subnet that are numbered by a lock's offset: 62 bits.
const HOSTS_MAX: u128 = 1 << 62;

/// An address that is one container's for as long as this lives.
#[derive(Debug)]
pub struct Lease {
    address: IpAddr,
    subnet: IpNet,
    _lock: ByteLock,
}

impl Lease {
    /// The address with its subnet's length, as links are given it.
    pub fn address(&self) -> IpNet {
        IpNet::new(self.address, self.subnet.prefix_len()).expect("the subnet's own length")
    }

    /// Leases an address of a subnet: `wanted` or none other; else `before`, which the container had last, if it is free; else
    /// the lowest free one. `file` holds the locks of this network.
    pub fn take(file: &Path, subnet: &Subnet, wanted: Option<IpAddr>, before: Option<IpAddr>) -> Result<Self> {
        if let Some(address) = wanted {
            check(subnet, address)?;
            let taken = || NetworkError::AddressTaken { address };
            return try_take(file, subnet, address)?.ok_or_else(taken);
        }
        if let Some(address) = before.filter(|address| check(subnet, *address).is_ok())
            && let Some(lease) = try_take(file, subnet, address)?
        {
            return Ok(lease);
        }
        let (first, last) = hosts(subnet);
        let mut from = first;
        loop {
            let failed = |error| NetworkError::io("lease an address in", file, error);
            let free = ByteLock::first_free(file, from, last).map_err(failed)?;
            let full = || NetworkError::NoAddressLeft { range: subnet.range.unwrap_or(subnet.subnet) };
            let number = free.ok_or_else(full)?;
            let address = at(subnet.subnet, number);
            if address != subnet.gateway
                && let Some(lease) = try_take(file, subnet, address)?
            {
                return Ok(lease);
            }
            from = number + 1;
        }
    }

    /// Whether an address is leased now. One that cannot be looked for is not.
    pub fn is_held(file: &Path, subnet: &Subnet, address: IpAddr) -> bool {
        let number = number_of(subnet.subnet, address);
        matches!(ByteLock::first_held(file, number, number), Ok(Some(_)))
    }

    /// The addresses that are leased now.
    pub fn held(file: &Path, subnet: &Subnet) -> Result<Vec<IpAddr>> {
        let failed = |error| NetworkError::io("look for leases in", file, error);
        let (first, last) = hosts(subnet);
        let mut held = Vec::new();
        let mut from = first;
        while from <= last {
            let free = ByteLock::first_free(file, from, last).map_err(failed)?.unwrap_or(last + 1);
            held.extend((from..free).map(|number| at(subnet.subnet, number)));
            // Behind a free one there may be more that are held; past the last of them all is free.
            match ByteLock::first_held(file, free, last).map_err(failed)? {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(held)
    }
}

/// How many addresses of a subnet containers may have.
pub fn leasable(subnet: &Subnet) -> u64 {
    let (first, last) = hosts(subnet);
    let gateway = number_of(subnet.subnet, subnet.gateway);
    let all = (last + 1).saturating_sub(first);
    if (first..=last).contains(&gateway) { all.saturating_sub(1) } else { all }
}

/// Whether a network has the addresses that a container wishes for.
pub fn check_wish(network: &Network, wish: &EndpointWish) -> Result<()> {
    for (address, v6) in [(wish.address, false), (wish.address6, true)] {
        let Some(address) = address else { continue };
        let outside = || NetworkError::OutsideSubnets { what: format!("address {address}") };
        let subnet = network.subnets.iter().find(|it| it.subnet.addr().is_ipv6() == v6).ok_or_else(outside)?;
        check(subnet, address)?;
    }
    Ok(())
}

fn try_take(file: &Path, subnet: &Subnet, address: IpAddr) -> Result<Option<Lease>> {
    let number = number_of(subnet.subnet, address);
    let lock =
        ByteLock::try_take(file, number).map_err(|error| NetworkError::io("lease an address in", file, error))?;
    Ok(lock.map(|lock| Lease { address, subnet: subnet.subnet, _lock: lock }))
}

/// Whether a container may have the address.
fn check(subnet: &Subnet, address: IpAddr) -> Result<()> {
    let reason = if !subnet.subnet.contains(&address) {
        "it is outside the subnet"
    } else if address == subnet.gateway {
        "it is the gateway's"
    } else if is_reserved(subnet.subnet, address) {
        "it stands for the subnet itself or all of its hosts"
    } else {
        return Ok(());
    };
    Err(NetworkError::AddressUnfit { address, subnet: subnet.subnet, reason })
}

fn is_reserved(subnet: IpNet, address: IpAddr) -> bool {
    match subnet {
        IpNet::V4(it) if it.prefix_len() < 31 => address == it.network() || address == it.broadcast(),
        IpNet::V4(_) => false,
        IpNet::V6(it) => it.prefix_len() < 127 && address == it.network(),
    }
}

/// Numbers of the first and the last host of the subnet, or of the range in it, that may be leased.
fn hosts(subnet: &Subnet) -> (u64, u64) {
    let part = subnet.range.unwrap_or(subnet.subnet);
    let first = number_of(subnet.subnet, part.network());
    let last = number_of(subnet.subnet, part.broadcast());
    let up = u64::from(is_reserved(subnet.subnet, part.network()));
    let down = u64::from(is_reserved(subnet.subnet, part.broadcast()));
    (first + up, last.saturating_sub(down))
}

fn number_of(subnet: IpNet, address: IpAddr) -> u64 {
    let number = |address| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    };
    let host = number(address).saturating_sub(number(subnet.network())).min(HOSTS_MAX);
    u64::try_from(host).expect("at most 2^62")
}

fn at(subnet: IpNet, number: u64) -> IpAddr {
    match subnet.network() {
        IpAddr::V4(first) => {
            Ipv4Addr::from(u32::from(first).saturating_add(u32::try_from(number).unwrap_or(u32::MAX))).into()
        }
        IpAddr::V6(first) => Ipv6Addr::from(u128::from(first).saturating_add(u128::from(number))).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(subnet: &str, gateway: &str, range: Option<&str>) -> Subnet {
        Subnet {
            subnet: subnet.parse().expect("a subnet"),
            gateway: gateway.parse().expect("an address"),
            range: range.map(|range| range.parse().expect("a subnet")),
        }
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn addresses_are_leased_from_the_lowest_and_never_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("leases");
        let four = subnet("10.9.0.0/29", "10.9.0.1", None);
        let take = |wanted: Option<IpAddr>, before| Lease::take(&file, &four, wanted, before);
        let mut leases: Vec<Lease> = (0..5).map(|_| take(None, None).expect("an address")).collect();
        let shown: Vec<String> = leases.iter().map(|lease| lease.address().to_string()).collect();
        assert_eq!(shown, ["10.9.0.2/29", "10.9.0.3/29", "10.9.0.4/29", "10.9.0.5/29", "10.9.0.6/29"]);
        assert!(matches!(take(None, None), Err(NetworkError::NoAddressLeft { .. })));
        assert_eq!(leasable(&four), 5);
        assert!(matches!(take(address("10.9.0.4"), None), Err(NetworkError::AddressTaken { .. })));
        leases.remove(2);
        assert_eq!(Lease::held(&file, &four).expect("look").len(), 4);
        assert_eq!(take(None, address("10.9.0.4")).expect("the one it had").address, address("10.9.0.4").expect("one"));
        leases.clear();
        let kept = take(None, address("10.9.0.5")).expect("the one it had");
        assert_eq!(Lease::held(&file, &four).expect("look"), [kept.address]);
        for unfit in ["10.9.0.1", "10.9.0.0", "10.9.0.7", "10.9.1.2", "fd00::2"] {
            assert!(matches!(take(address(unfit), None), Err(NetworkError::AddressUnfit { .. })), "{unfit}");
        }
    }

    #[test]
    fn range_and_large_subnets_are_kept_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("leases");
        let part = subnet("10.9.0.0/16", "10.9.128.0", Some("10.9.128.0/31"));
        assert_eq!(Lease::take(&file, &part, None, None).expect("one").address, address("10.9.128.1").expect("one"));
        let six = subnet("fd00::/64", "fd00::1", None);
        let file = folder.path().join("leases6");
        let lease = Lease::take(&file, &six, None, None).expect("one");
        assert_eq!(lease.address().to_string(), "fd00::2/64");
        assert_eq!(Lease::held(&file, &six).expect("look"), [lease.address]);
    }
}
