//! A container's place in networks, made in its monitor's process: the engine decides what, the monitor says when, the
//! network room does it.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{EngineError, Inner, Result};
use crate::model::{
    ContainerRecord, Endpoint, EndpointWish, ErrorKind, Id, Network, NetworkDriver, NetworkMode, PortWish,
    PublishedPort,
};
use crate::monitor::{Wire, WireError, serve};
use crate::network::{self, HeldPort, Lease, Machine, NetworkError, PortRule};
use crate::runtime::{NameFiles, StartRequest};
use crate::sys::file::write_atomically;

/// One folder for all stores of the machine: links and ports are the machine's.
const MACHINE: &str = "/run/teu/network";
/// How a running container is connected, in its run folder.
const CONNECTED: &str = "network.json";
/// What a host in /etc/hosts is called that stands for this machine, as its containers reach it.
const HOST_GATEWAY: &str = "host-gateway";

/// The hidden verb `monitor`.
pub fn monitor_verb() -> i32 {
    serve::main(|plan| {
        let broken = |error: serde_json::Error| WireError { kind: ErrorKind::Corrupt, message: error.to_string() };
        Ok(Box::new(Wires::new(serde_json::from_value(plan).map_err(broken)?)?))
    })
}

/// What a container's connections are made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Plan {
    id: Id,
    hostname: String,
    run_folder: PathBuf,
    networks: Vec<(Network, EndpointWish)>,
    ports: Vec<PortWish>,
    /// For ports that name no address.
    usual_host: IpAddr,
}

/// How a container is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    pub endpoints: Vec<Endpoint>,
    pub ports: Vec<PublishedPort>,
}

impl Inner {
    /// What the monitor makes the container's connections of; none where it has none.
    pub(super) fn wire_plan(&self, record: &ContainerRecord) -> Result<Option<serde_json::Value>> {
        let config = &record.config;
        if config.network != NetworkMode::Networks {
            return Ok(None);
        }
        let book = self.networks()?;
        let found = config.networks.iter().map(|wish| Ok((book.find(&wish.network)?, wish.clone())));
        let plan = Plan {
            id: record.id.clone(),
            hostname: config.hostname.clone(),
            run_folder: self.life_folder(&record.id),
            networks: found.collect::<Result<_>>()?,
            ports: config.ports.clone(),
            usual_host: IpAddr::from([127, 0, 0, 1]),
        };
        Ok(Some(serde_json::to_value(plan).expect("plain values")))
    }

    /// How a container is connected now; nothing if it does not run.
    pub(super) fn connected(&self, id: &Id) -> Result<Connected> {
        let path = self.life_folder(id).join(CONNECTED);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| EngineError::Damaged { path, why: error.to_string() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Connected::default()),
            Err(error) => Err(EngineError::io("read", &path)(error)),
        }
    }

    /// Takes back what a container published whose monitor was killed. Its links went with its network namespace.
    pub(super) fn withdraw_ports(&self, id: &Id) -> Result<()> {
        if !rustix::process::geteuid().is_root() || !Path::new(MACHINE).exists() {
            return Ok(());
        }
        Ok(Machine::open(Path::new(MACHINE))?.publish(id, &[])?)
    }
}

/// The machine's networks as this process's network namespace has them.
pub(super) fn machine() -> Result<Machine> {
    if !rustix::process::geteuid().is_root() {
        return Err(EngineError::Invalid {
            what: "networks of teu's own need root for now; an ordinary user's containers have --network none or host"
                .to_owned(),
        });
    }
    Ok(Machine::open(Path::new(MACHINE))?)
}

/// A container's connections: while this lives, nobody else gets its addresses and ports.
#[derive(Debug)]
struct Wires {
    plan: Plan,
    machine: Machine,
    leases: Vec<Vec<Lease>>,
    held: Vec<HeldPort>,
    endpoints: Vec<Endpoint>,
}

impl Wires {
    fn new(plan: Plan) -> std::result::Result<Self, WireError> {
        let machine = Machine::open(Path::new(MACHINE)).map_err(refused)?;
        Ok(Self { plan, machine, leases: Vec::new(), held: Vec::new(), endpoints: Vec::new() })
    }

    /// Leases addresses and holds ports. What is had already, from before a restart, is kept.
    fn take(&mut self) -> network::Result<()> {
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

    fn join(&self, pid: i32) -> network::Result<()> {
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

    /// What /etc/hosts and /etc/resolv.conf say.
    fn names(&self, wanted: &NameFiles) -> NameFiles {
        let addresses = self.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
        let own = addresses.map(|address| format!("{}\t{}", address.addr(), self.plan.hostname));
        let gateway = self.endpoints.first().and_then(|endpoint| endpoint.gateways.first());
        let more = wanted.hosts.iter().filter_map(|line| match (line.strip_prefix(HOST_GATEWAY), gateway) {
            (Some(rest), Some(gateway)) => Some(format!("{gateway}{rest}")),
            (Some(_), None) => None,
            (None, _) => Some(line.clone()),
        });
        NameFiles {
            hosts: own.chain(more).collect(),
            resolver: Some(wanted.resolver.clone().unwrap_or_else(|| reachable_resolver(&read("/etc/resolv.conf")))),
        }
    }
}

impl Wire for Wires {
    fn prepare(&mut self, start: &mut StartRequest) -> std::result::Result<(), WireError> {
        self.take().map_err(refused)?;
        start.names = self.names(&start.names);
        Ok(())
    }

    fn connect(&mut self, pid: i32) -> std::result::Result<(), WireError> {
        self.join(pid).map_err(refused)
    }

    fn disconnect(&mut self) {
        // A firewall that cannot be reached has no rule of ours either.
        let _ = self.machine.publish(&self.plan.id, &[]);
        let _ = fs::remove_file(self.plan.run_folder.join(CONNECTED));
    }
}

fn refused(error: NetworkError) -> WireError {
    WireError { kind: error.kind(), message: error.to_string() }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The machine's resolvers without those on its loopback, which a container does not reach; systemd-resolved tells what is
/// behind its own.
fn reachable_resolver(machine: &str) -> String {
    let on_loopback = |line: &&str| {
        let address =
            line.trim().strip_prefix("nameserver").map(str::trim).and_then(|text| text.parse::<IpAddr>().ok());
        address.is_some_and(|address| address.is_loopback())
    };
    if !machine.lines().any(|line| on_loopback(&line)) {
        return machine.to_owned();
    }
    let behind = read("/run/systemd/resolve/resolv.conf");
    if !behind.is_empty() {
        return behind;
    }
    machine.lines().filter(|line| !on_loopback(line)).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_on_loopback_are_left_out() {
        let machine = "search lan\nnameserver 127.0.0.53\nnameserver 10.0.0.1\n";
        let told = reachable_resolver(machine);
        assert!(!told.contains("127.0.0.53"), "{told}");
        assert_eq!(reachable_resolver("nameserver 9.9.9.9\n"), "nameserver 9.9.9.9\n");
    }
}
