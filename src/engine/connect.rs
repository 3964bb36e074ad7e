//! `network connect`, `network disconnect`, and what is decided of published ports that come and go: of containers that run or not.

use std::net::IpAddr;

use super::wires::Change;
use super::{Connected, Engine, EngineError, Inner, Result};
use crate::model::{
    ContainerConfig, ContainerRecord, CreateRequest, DEFAULT_NETWORK, EndpointWish, Event, EventAction, Id, Network,
    NetworkDriver, NetworkMode, PortWish,
};
use crate::monitor::MonitorError;
use crate::network::{self, NetworkError};

/// What is to become of a container: its record then, and what its monitor is to do where it runs.
pub(super) type Decision = (ContainerRecord, Change);

impl Engine {
    /// Puts a container into a network: at once where it runs, and for each later start. `wish.network` is not looked at.
    pub fn network_connect(&self, network: &str, container: &str, wish: EndpointWish) -> Result<()> {
        let network = self.0.networks()?.find(network)?;
        let wish = EndpointWish { network: network.name.to_string(), ..wish };
        check_wish(&network, &wish)?;
        let decide = |old: &ContainerRecord, runs: bool| {
            let mut new = old.clone();
            check_mode(old, runs)?;
            if old.config.networks.iter().any(|wish| is_wish_for(wish, &network)) {
                let (container, network) = (old.name.clone(), network.name.clone());
                return Err(EngineError::Connected { container, network });
            }
            new.config.network = NetworkMode::Networks;
            new.config.networks.push(wish.clone());
            Ok((new, Change::Connect { network: Box::new(network.clone()), wish: wish.clone() }))
        };
        let running = self.0.rewire(container, &decide, Force::No)?;
        self.0.tell_move(EventAction::Connect, Some(&network), running.as_ref());
        Ok(())
    }

    /// Takes a container out of a network. With `force` also where its monitor does not do it.
    pub fn network_disconnect(&self, network: &str, container: &str, force: bool) -> Result<()> {
        let known = match self.0.networks()?.find(network) {
            Ok(known) => Some(known),
            // Removed meanwhile, but a container that is down may be made for it still.
            Err(NetworkError::NoSuchNetwork { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let decide = |old: &ContainerRecord, runs: bool| {
            let mut new = old.clone();
            let named = |wish: &EndpointWish| match &known {
                Some(known) => is_wish_for(wish, known),
                None => wish.network == network,
            };
            new.config.networks.retain(|wish| !named(wish));
            let shown = known.as_ref().map_or(network, |known| known.name.as_str()).to_owned();
            if new.config.networks.len() == old.config.networks.len() {
                return Err(EngineError::NotConnected { container: old.name.clone(), network: shown });
            }
            match (&known, runs) {
                (Some(known), _) => Ok((new, Change::Disconnect { network: known.id.clone() })),
                (None, false) => Ok((new, Change::Ports { add: Vec::new(), remove: Vec::new() })),
                (None, true) => Err(NetworkError::NoSuchNetwork { target: shown }.into()),
            }
        };
        let running = self.0.rewire(container, &decide, if force { Force::Yes } else { Force::No })?;
        self.0.tell_move(EventAction::Disconnect, known.as_ref(), running.as_ref());
        Ok(())
    }
}

/// Whether a container's record changes even if its monitor does not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Force {
    No,
    Yes,
}

/// Whether there is a monitor to ask what is so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    No,
    Yes,
}

impl Inner {
    /// A container that runs has joined or left a network. Of one that does not its next start tells.
    fn tell_move(&self, action: EventAction, network: Option<&Network>, running: Option<&Id>) {
        if let (Some(network), Some(container)) = (network, running) {
            self.tell_event(Event::of_network(action, network, Some(container)));
        }
    }

    /// Decides under the container's lock, given whether it runs, and does it. Returns which it is if it runs.
    fn rewire(
        &self,
        target: &str,
        decide: &dyn Fn(&ContainerRecord, bool) -> Result<Decision>,
        force: Force,
    ) -> Result<Option<Id>> {
        self.settled_and_locked(target, &|old, runs| {
            let (new, change) = decide(old, runs)?;
            if runs {
                self.rewire_running(old, (new, change), force)?;
                return Ok(Some(old.id.clone()));
            }
            self.write_record(&new)?;
            self.tell(EventAction::Update, &new, None);
            Ok(None)
        })
    }

    /// The record with further ports and without others, and what the monitor is to do for that.
    pub(super) fn republished(
        &self,
        old: &ContainerRecord,
        runs: Runs,
        add: &[PortWish],
        remove: &[PortWish],
    ) -> Result<Decision> {
        let usual_host = self.publish_address;
        check_mode(old, true)?;
        let live = if runs == Runs::Yes { self.connected(&old.id)?.ports } else { Vec::new() };
        let ports = &old.config.ports;
        let mut gone = Vec::new();
        for wish in remove {
            let there = (0..ports.len()).filter(|index| !gone.contains(index));
            let fits = |index: &usize| {
                let (is, live) = (&ports[*index], live.get(*index));
                let host_port = live.map(|port| port.host_port).or(is.host_port);
                let host = is.host.unwrap_or(usual_host);
                (is.protocol, is.container_port) == (wish.protocol, wish.container_port)
                    && wish.host.is_none_or(|wanted| wanted == host)
                    && (wish.host_port.is_none() || wish.host_port == host_port)
            };
            let found: Vec<usize> = there.filter(fits).collect();
            if found.is_empty() {
                return Err(EngineError::NotPublished { container: old.name.clone(), port: shown(wish) });
            }
            gone.extend(found);
        }
        let stays = (0..ports.len()).filter(|index| !gone.contains(index)).map(|index| ports[index].clone());
        let mut new = old.clone();
        new.config.ports = stays.collect();
        for wish in add {
            let key = |it: &PortWish| (it.protocol, it.host.unwrap_or(usual_host), it.host_port);
            let same = new.config.ports.iter().find(|other| key(other) == key(wish));
            if let Some(same) = same.filter(|_| wish.host_port.is_some()) {
                return Err(EngineError::Published { container: old.name.clone(), port: shown(same) });
            }
            new.config.ports.push(wish.clone());
        }
        self.check_ways_in(&old.config, add)?;
        let remove = gone.into_iter().map(|index| (index, ports[index].clone())).collect();
        Ok((new, Change::Ports { add: add.to_vec(), remove }))
    }

    /// The record first: what is recorded and not done is done at the next start, and what is done and not recorded would be lost.
    pub(super) fn rewire_running(
        &self,
        old: &ContainerRecord,
        (new, change): Decision,
        force: Force,
    ) -> Result<Connected> {
        self.write_record(&new)?;
        let change = serde_json::to_value(change).expect("plain values");
        let done = match self.ask_monitor(&new, |client| client.rewire(change)) {
            Ok(answer) => serde_json::from_value(answer)
                .map_err(|error| EngineError::Monitor(MonitorError::Protocol(error.to_string()))),
            Err(EngineError::Monitor(MonitorError::Older { .. })) => {
                Err(EngineError::OldMonitor { name: new.name.clone() })
            }
            Err(error) => Err(error),
        };
        match done {
            Err(error) if force == Force::No => {
                // The first failure is the one to report.
                let _ = self.write_record(old);
                Err(error)
            }
            done => {
                self.tell(EventAction::Update, &new, None);
                done.or_else(|_| self.connected(&new.id))
            }
        }
    }

    /// Whether one of the container's networks leads from each port of the machine to the container. Who takes a container out of
    /// its networks later leaves it with ports that nobody reaches, as Docker does.
    pub(super) fn check_ways_in(&self, config: &ContainerConfig, ports: &[PortWish]) -> Result<()> {
        // Ordinary users' ports go another way.
        if ports.is_empty() || !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let book = self.networks()?;
        let networks: Vec<Network> = config.networks.iter().filter_map(|wish| book.find(&wish.network).ok()).collect();
        let leads = |v6: bool| {
            let open = |network: &&Network| network.driver == NetworkDriver::Bridge && !network.internal;
            let bridges = networks.iter().filter(open);
            bridges.flat_map(|network| &network.subnets).any(|subnet| subnet.subnet.addr().is_ipv6() == v6)
        };
        let lost = ports.iter().find(|wish| !leads(wish.host.unwrap_or(self.publish_address).is_ipv6()));
        lost.map_or(Ok(()), |wish| Err(NetworkError::NoWayIn { port: shown(wish) }.into()))
    }

    /// The wish with the engine's defaults in it, its networks looked up and its other container found.
    pub(super) fn with_networks(&self, request: &CreateRequest) -> Result<CreateRequest> {
        let mut request = request.clone();
        let wanted = !request.networks.is_empty() || !request.ports.is_empty() || request.publish_all;
        let mode = match request.network.take() {
            Some(mode) => mode,
            None => match self.default_network() {
                "host" => NetworkMode::Host,
                // Whoever publishes a port or wants an address wants a network.
                "none" if wanted => NetworkMode::Networks,
                "none" => NetworkMode::None,
                _ => NetworkMode::Networks,
            },
        };
        request.network = Some(match mode {
            NetworkMode::Container(target) => NetworkMode::Container(self.find(&target)?.id.to_string()),
            mode => mode,
        });
        if request.network != Some(NetworkMode::Networks) {
            check_without_networks(&request)?;
            return Ok(request);
        }
        if request.networks.is_empty() {
            request.networks.push(EndpointWish::default());
        }
        let usual = if self.default_network() == "none" { DEFAULT_NETWORK } else { self.default_network() };
        let book = self.networks()?;
        let mut seen: Vec<Network> = Vec::new();
        for wish in &mut request.networks {
            if wish.network.is_empty() {
                usual.clone_into(&mut wish.network);
            }
            let network = book.find(&wish.network)?;
            check_wish(&network, wish)?;
            if seen.iter().any(|other| other.id == network.id) {
                return Err(EngineError::Invalid { what: format!("network {} is named twice", network.name) });
            }
            seen.push(network);
        }
        Ok(request)
    }
}

fn check_without_networks(request: &CreateRequest) -> Result<()> {
    let invalid = |what: &str| Err(EngineError::Invalid { what: what.to_owned() });
    match &request.network {
        _ if !request.ports.is_empty() || request.publish_all || !request.networks.is_empty() => invalid(
            "ports, addresses and names need a network of the container's own: `--network bridge` is the one that is always there",
        ),
        Some(NetworkMode::Container(_)) if !request.extra_hosts.is_empty() => {
            invalid("--add-host and --network container: conflict: the files of names are the other container's")
        }
        _ => Ok(()),
    }
}

/// Whether the wish is for this network: by its name, or its id's beginning.
pub(super) fn is_wish_for(wish: &EndpointWish, network: &Network) -> bool {
    let text = wish.network.as_str();
    text == network.name.as_str() || (text.len() >= 4 && network.id.as_str().starts_with(text))
}

fn check_wish(network: &Network, wish: &EndpointWish) -> Result<()> {
    network::check_wish(network, wish)?;
    if network.name.as_str() == DEFAULT_NETWORK && !wish.aliases.is_empty() {
        let what = "the default network has no names, and so no aliases: `teu network create NAME` makes one that has";
        return Err(EngineError::Invalid { what: what.to_owned() });
    }
    let word =
        |alias: &String| !alias.is_empty() && alias.len() <= 253 && alias.bytes().all(|byte| byte.is_ascii_graphic());
    match wish.aliases.iter().find(|alias| !word(alias)) {
        Some(alias) => Err(EngineError::Invalid { what: format!("{alias:?} is no name of a host") }),
        None => Ok(()),
    }
}

/// Whether a container can be in networks.
fn check_mode(record: &ContainerRecord, runs: bool) -> Result<()> {
    let name = &record.name;
    let what = match &record.config.network {
        NetworkMode::Networks => return Ok(()),
        NetworkMode::None if !runs => return Ok(()),
        NetworkMode::None => format!(
            "container {name} has no network (--network none): `teu network connect {DEFAULT_NETWORK} {name}` gives it one while it is stopped"
        ),
        NetworkMode::Host => {
            format!("container {name} is in the machine's own network (--network host) and can be in no other")
        }
        NetworkMode::Container(other) => {
            let other = other.get(..12).unwrap_or(other);
            format!("container {name} is in the network of container {other}: connect that one, or publish its ports")
        }
    };
    Err(EngineError::OtherNetwork { what })
}

fn shown(wish: &PortWish) -> String {
    let host = match wish.host {
        Some(IpAddr::V6(host)) => format!("[{host}]:"),
        Some(host) => format!("{host}:"),
        None => String::new(),
    };
    let port = wish.host_port.map(|port| format!("{port}:")).unwrap_or_default();
    format!("{host}{port}{}/{}", wish.container_port, wish.protocol)
}
