//! What a container's connections hold, and how they are made: addresses, ports, links, rules.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;

use super::{CONNECTED, Connected, Hold, Wires};
use crate::model::{Endpoint, EndpointWish, Network, NetworkDriver, PortWish, PublishedPort};
use crate::monitor::State;
use crate::network::{self, Book, HeldPort, Lease, NetworkError, PortRule};
use crate::sys::file::write_atomically;

impl Wires {
    /// Leases addresses and holds ports. What is had already, from before a restart, is kept.
    pub(super) fn take(&mut self) -> network::Result<()> {
        if self.taken {
            return Ok(());
        }
        let claim = |(number, (network, wish)): (usize, &(Network, EndpointWish))| self.claim(network, wish, number);
        let claimed = self.plan.networks.iter().enumerate().map(claim).collect::<network::Result<Vec<_>>>()?;
        (self.holds, self.endpoints) = claimed.into_iter().unzip();
        self.held = self.plan.ports.iter().map(|wish| self.hold(wish)).collect::<network::Result<_>>()?;
        // Of root's containers the engine has seen to it when it made them.
        let lost = self.held.iter().find(|held| self.target(&held.port).is_none());
        if let Some(lost) = lost.filter(|_| self.way_out.is_some() && !self.endpoints.is_empty()) {
            let port = format!("{}/{}", SocketAddr::new(lost.port.host, lost.port.host_port), lost.port.protocol);
            return Err(NetworkError::NoWayIn { port });
        }
        self.check_way_out()?;
        self.taken = true;
        Ok(())
    }

    /// Leases the addresses for the container's link of this number, in a network that nobody removes from here on.
    pub(super) fn claim(
        &self,
        network: &Network,
        wish: &EndpointWish,
        number: usize,
    ) -> network::Result<(Hold, Endpoint)> {
        let stay = Book::open(&self.plan.book)?.stay(network)?;
        match &self.way_out {
            Some(_) => super::pasta::check_network(network)?,
            None => drop(self.machine.bring_up(network)?),
        }
        let leases = network.subnets.iter().map(|subnet| {
            let v6 = subnet.subnet.addr().is_ipv6();
            let wanted = if v6 { wish.address6 } else { wish.address };
            self.machine.lease(network, subnet, wanted, None)
        });
        let leases = leases.collect::<network::Result<Vec<Lease>>>()?;
        let addresses: Vec<_> = leases.iter().map(Lease::address).collect();
        let bridge = network.driver == NetworkDriver::Bridge;
        let endpoint = Endpoint {
            network: network.id.clone(),
            network_name: network.name.clone(),
            link: format!("eth{number}"),
            outer: (bridge && (self.way_out.is_none() || !super::pasta::is_carried(network)))
                .then(|| format!("teu{}{}", &self.plan.id.as_str()[..10], number)),
            mac: wish.mac.unwrap_or_else(|| network::mac_of(&addresses)),
            addresses,
            gateways: network.subnets.iter().map(|subnet| subnet.gateway).collect(),
            aliases: wish.aliases.clone(),
        };
        Ok((Hold { _leases: leases, _stay: stay }, endpoint))
    }

    /// Holds a port; where a container has it already, the error says which.
    pub(super) fn hold(&self, wish: &PortWish) -> network::Result<HeldPort> {
        network::hold(wish, self.plan.usual_host).map_err(|error| match error {
            NetworkError::Port { protocol, address, holder, source } => {
                let found = match &self.way_out {
                    Some(_) => self.publisher_by_pasta(protocol, address),
                    None => self.machine.publisher(protocol, address),
                };
                let container = found.and_then(|id| {
                    let lives = self.plan.run_folder.parent()?;
                    let state = State::read(&lives.join(id.as_str())).ok().flatten();
                    Some(format!("container {}", state.map_or(id.short().to_owned(), |state| state.name.to_string())))
                });
                NetworkError::Port { protocol, address, holder: container.or(holder), source }
            }
            other => other,
        })
    }

    pub(super) fn join(&self, pid: i32) -> network::Result<()> {
        let namespace = namespace_of(pid)?;
        for (index, ((network, _), endpoint)) in self.plan.networks.iter().zip(&self.endpoints).enumerate() {
            let hub = self.machine.bring_up(network)?;
            network::attach(network, &hub, endpoint, namespace.as_fd(), &self.ways_out(index))?;
        }
        if !self.held.is_empty() {
            self.machine.publish(&self.plan.id, &self.rules())?;
        }
        self.write_connected()
    }

    /// The gateways by which everything else is reached that go with the network at `index`: for each family those of the first
    /// network that leads anywhere.
    pub(super) fn ways_out(&self, index: usize) -> Vec<IpAddr> {
        let leads = |index: usize, v6: bool| {
            let gateways = &self.endpoints[index].gateways;
            let open = !self.plan.networks[index].0.internal;
            gateways.iter().find(|gateway| open && gateway.is_ipv6() == v6).copied()
        };
        let first = |v6: bool| (0..index).all(|earlier| leads(earlier, v6).is_none());
        [false, true].into_iter().filter(|v6| first(*v6)).filter_map(|v6| leads(index, v6)).collect()
    }

    /// Tells whoever asks how the container is connected.
    pub(super) fn write_connected(&self) -> network::Result<()> {
        let path = self.plan.run_folder.join(CONNECTED);
        let bytes = serde_json::to_vec(&self.connected()).expect("plain values");
        write_atomically(&path, &bytes, 0o600).map_err(|source| NetworkError::Io { action: "write", path, source })
    }

    pub(super) fn connected(&self) -> Connected {
        let ports = self.held.iter().map(|held| held.port.clone()).collect();
        Connected { endpoints: self.endpoints.clone(), ports }
    }

    pub(super) fn rules(&self) -> Vec<PortRule> {
        let rule = |held: &HeldPort| {
            let port = &held.port;
            Some(PortRule {
                protocol: port.protocol,
                host: (!port.host.is_unspecified()).then_some(port.host),
                host_port: port.host_port,
                container: self.target(port)?,
                container_port: port.container_port,
            })
        };
        self.held.iter().filter_map(rule).collect()
    }

    /// Ports go to the container's address of the same family in its first network that anybody outside may reach by this
    /// machine; else in one that only the machine itself reaches.
    pub(super) fn target(&self, port: &PublishedPort) -> Option<IpAddr> {
        let in_networks = |internal: bool| {
            let joined = self.plan.networks.iter().zip(&self.endpoints);
            let bridges = joined.filter(move |((network, _), _)| {
                network.driver == NetworkDriver::Bridge && network.internal == internal
            });
            bridges.flat_map(|(_, endpoint)| &endpoint.addresses).map(|address| address.addr())
        };
        in_networks(false).chain(in_networks(true)).find(|address| address.is_ipv6() == port.host.is_ipv6())
    }
}

/// The network namespace of a process.
pub(super) fn namespace_of(pid: i32) -> network::Result<File> {
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    File::open(&path).map_err(|source| NetworkError::Io { action: "open", path, source })
}
