//! How many of a network's addresses containers have.

use ipnet::IpNet;

use super::Inner;
use crate::model::Network;
use crate::network::{Machine, leasable};

/// The addresses of one subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseCount {
    pub subnet: IpNet,
    pub used: u64,
    /// That can be leased at all, those in use among them.
    pub all: u64,
}

impl Inner {
    /// For each of the network's subnets; nothing where that cannot be seen.
    pub(super) fn leases(&self, network: &Network) -> Vec<LeaseCount> {
        let machine = Machine::open(&self.machine_folder());
        let Ok(leased) = machine.and_then(|machine| machine.leased(network)) else { return Vec::new() };
        let count = |subnet: &crate::model::Subnet| LeaseCount {
            subnet: subnet.subnet,
            used: leased.iter().filter(|address| subnet.subnet.contains(*address)).count() as u64,
            all: leasable(subnet),
        };
        network.subnets.iter().map(count).collect()
    }
}
