//! What a container's connections hold, and how they are made: addresses, ports, links, rules.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

use super::{CONNECTED, Connected, Wires};
use crate::model::{Endpoint, NetworkDriver, PublishedPort};
use crate::network::{self, HeldPort, Lease, NetworkError, PortRule};
use crate::sys::file::write_atomically;

impl Wires {
    /// Leases addresses and holds ports. What is had already, from before a restart, is kept.
    pub(super) fn take(&mut self) -> network::Result<()> {
        if !self.endpoints.is_empty() {
            return Ok(());
        }
        let (mut leases, mut endpoints) = (Vec::new(), Vec::new());
        for (index, (network, wish)) in self.plan.networks.iter().enumerate() {
            self.machine.bring_up(network)?;
            let own = network.subnets.iter().map(|subnet| {
                let v6 = subnet.subnet.addr().is_ipv6();
                let wanted = if v6 { wish.address6 } else { wish.address };
                self.machine.lease(network, subnet, wanted, None)
            });
            let own = own.collect::<network::Result<Vec<Lease>>>()?;
            let addresses: Vec<_> = own.iter().map(Lease::address).collect();
            let bridge = network.driver == NetworkDriver::Bridge;
            endpoints.push(Endpoint {
                network: network.id.clone(),
                network_name: network.name.clone(),
                link: format!("eth{index}"),
                outer: bridge.then(|| format!("teu{}{}", &self.plan.id.as_str()[..10], index)),
                mac: wish.mac.unwrap_or_else(|| network::mac_of(&addresses)),
                addresses,
                gateways: network.subnets.iter().map(|subnet| subnet.gateway).collect(),
                aliases: wish.aliases.clone(),
            });
            leases.push(own);
        }
        let held = self.plan.ports.iter().map(|wish| network::hold(wish, self.plan.usual_host));
        self.held = held.collect::<network::Result<_>>()?;
        (self.leases, self.endpoints) = (leases, endpoints);
        Ok(())
    }

    pub(super) fn join(&self, pid: i32) -> network::Result<()> {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        let namespace =
            File::open(&path).map_err(|source| NetworkError::Io { action: "open", path: path.clone(), source })?;
        for (index, ((network, _), endpoint)) in self.plan.networks.iter().zip(&self.endpoints).enumerate() {
            let hub = self.machine.bring_up(network)?;
            network::attach(network, &hub, endpoint, namespace.as_fd(), index == 0)?;
        }
        if !self.held.is_empty() {
            self.machine.publish(&self.plan.id, &self.rules())?;
        }
        let path = self.plan.run_folder.join(CONNECTED);
        let ports = self.held.iter().map(|held| held.port.clone()).collect();
        let connected = Connected { endpoints: self.endpoints.clone(), ports };
        let bytes = serde_json::to_vec(&connected).expect("plain values");
        write_atomically(&path, &bytes, 0o600).map_err(|source| NetworkError::Io { action: "write", path, source })
    }

    /// Ports go to the container's address of the same family in its first network.
    fn rules(&self) -> Vec<PortRule> {
        let address_for = |port: &PublishedPort| {
            let addresses = self.endpoints.iter().flat_map(|endpoint| &endpoint.addresses).map(|it| it.addr());
            addresses.into_iter().find(|address| address.is_ipv6() == port.host.is_ipv6())
        };
        let rule = |held: &HeldPort| {
            let port = &held.port;
            Some(PortRule {
                protocol: port.protocol,
                host: (!port.host.is_unspecified()).then_some(port.host),
                host_port: port.host_port,
                container: address_for(port)?,
                container_port: port.container_port,
            })
        };
        self.held.iter().filter_map(rule).collect()
    }
}
