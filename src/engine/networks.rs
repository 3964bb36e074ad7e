//! `network …`: the networks that containers can be in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::connect::is_wish_for;
use super::leases::LeaseCount;
use super::place::{Entry, names_in};
use super::state::Life;
use super::wires::{Connected, machine};
use super::{Engine, EngineError, Inner, Result};
use crate::model::{
    ContainerRecord, ContainerSummary, Endpoint, ErrorKind, Event, EventAction, Id, Name, Network, NetworkDriver,
    NetworkMode, PublishedPort,
};
use crate::network::{Book, Closed, Links, NetworkError, NetworkWish};

/// How long a removal waits for a container that has come to its end to leave the network.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything known of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInspect {
    pub network: Network,
    /// Running containers that are in it.
    pub containers: Vec<(Id, Name, Endpoint)>,
    /// Addresses in use, for each subnet where this user leases them.
    pub leases: Vec<LeaseCount>,
}

impl Engine {
    /// Defines a network; its bridge is made when the first container joins.
    pub fn network_create(&self, wish: &NetworkWish) -> Result<Network> {
        if wish.driver != NetworkDriver::Bridge
            && let Some(device) = &wish.link
            && Links::open()?.find(device)?.is_none()
        {
            let network = wish.name.to_string();
            return Err(NetworkError::NoParent { network, parent: device.clone() }.into());
        }
        let network = self.0.networks()?.create(wish)?;
        self.0.tell_event(Event::of_network(EventAction::Create, &network, None));
        Ok(network)
    }

    /// All networks, the default one first.
    pub fn networks(&self) -> Result<Vec<Network>> {
        Ok(self.0.networks()?.all()?)
    }

    /// Every network and who is in it, in one pass over the running containers.
    pub fn networks_overview(&self) -> Result<Vec<NetworkInspect>> {
        let running = self.list(false)?;
        let overview = |network: Network| {
            let of = |container: &ContainerSummary| {
                let endpoint = container.networks.iter().find(|endpoint| endpoint.network == network.id)?;
                Some((container.id.clone(), container.name.clone(), endpoint.clone()))
            };
            let containers = running.iter().filter_map(of).collect();
            let leases = self.0.leases(&network);
            NetworkInspect { network, containers, leases }
        };
        Ok(self.networks()?.into_iter().map(overview).collect())
    }

    /// A network by name, id or the beginning of an id, and who is in it.
    pub fn network_inspect(&self, target: &str) -> Result<NetworkInspect> {
        let network = self.0.networks()?.find(target)?;
        let containers = self.0.members(&network)?;
        let leases = self.0.leases(&network);
        Ok(NetworkInspect { network, containers, leases })
    }

    /// Removes a network, and its bridge. Refused while a running container is in it.
    pub fn network_remove(&self, target: &str) -> Result<Network> {
        let network = self.0.networks()?.find(target)?;
        let closed = self.0.close(&network)?;
        if rustix::process::geteuid().is_root() {
            machine()?.take_down(&network)?;
        }
        closed.forget()?;
        self.0.tell_event(Event::of_network(EventAction::Destroy, &network, None));
        Ok(network)
    }

    /// Removes the networks that no container is made for, running or not, and returns them.
    pub fn network_prune(&self, labels: &BTreeMap<String, Option<String>>) -> Result<Vec<Network>> {
        let mut removed = Vec::new();
        for network in self.network_prune_preview(labels)? {
            match self.network_remove(network.id.as_str()) {
                Ok(network) => removed.push(network),
                // Removed by somebody else, or joined meanwhile: not for a prune to take.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    /// What [`Engine::network_prune`] would remove.
    pub fn network_prune_preview(&self, labels: &BTreeMap<String, Option<String>>) -> Result<Vec<Network>> {
        let records = self.0.all_records()?;
        let wanted = |network: &Network| {
            labels.iter().all(|(key, value)| {
                network.labels.get(key).is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
            })
        };
        let unused = self
            .networks()?
            .into_iter()
            .skip(1)
            .filter(|network| wanted(network) && !records.iter().any(|record| is_made_for(record, network)));
        Ok(unused.collect())
    }

    /// How a container is connected now; nothing if it does not run or has no network of teu's.
    pub fn connected(&self, id: &Id) -> Result<Connected> {
        self.0.connected(id)
    }

    /// The ports that a container publishes now.
    pub fn ports(&self, target: &str) -> Result<Vec<PublishedPort>> {
        let record = self.0.find(target)?;
        Ok(self.0.connected(&record.id)?.ports)
    }
}

impl Inner {
    pub(super) fn networks(&self) -> Result<Book> {
        Ok(Book::open(&self.networks_folder())?)
    }

    pub(super) fn networks_folder(&self) -> PathBuf {
        self.folders.data.join("networks")
    }

    /// All containers' records, those that cannot be read left out.
    fn all_records(&self) -> Result<Vec<ContainerRecord>> {
        let names = names_in(&self.containers())?;
        let ids = names.iter().filter_map(|name| match Entry::of(name) {
            Entry::Container(id) => Some(id),
            Entry::Unfinished(_) | Entry::Foreign => None,
        });
        Ok(ids.filter_map(|id| self.record(&id).ok().flatten()).collect())
    }

    /// Sees to it that nobody is in a network or joins it. Refused while a container is in it, is about to be started there, or
    /// waits to be started again.
    fn close(&self, network: &Network) -> Result<Closed> {
        let book = self.networks()?;
        let in_use = |container| EngineError::NetworkInUse { network: network.name.clone(), container };
        let end = Instant::now() + PATIENCE;
        loop {
            // Those that an older teu started keep no network from being removed.
            if let Some((_, name, _)) = self.members(network)?.into_iter().next() {
                return Err(in_use(name));
            }
            if let Some(closed) = book.close(network)? {
                return Ok(closed);
            }
            if let Some(name) = self.comer(network)? {
                return Err(in_use(name));
            }
            if Instant::now() > end {
                return Err(EngineError::NetworkBusy { network: network.name.clone() });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A container for the network that has a monitor and has not come to its end.
    fn comer(&self, network: &Network) -> Result<Option<Name>> {
        for record in self.all_records()?.into_iter().filter(|record| is_made_for(record, network)) {
            let comes = matches!(self.life(&record.id)?, Life::Up(_) | Life::Starting);
            if comes && self.settled(&record.id)?.is_none() {
                return Ok(Some(record.name));
            }
        }
        Ok(None)
    }

    /// The running containers in a network.
    fn members(&self, network: &Network) -> Result<Vec<(Id, Name, Endpoint)>> {
        let mut members = Vec::new();
        for record in self.all_records()?.into_iter().filter(|record| record.config.network == NetworkMode::Networks) {
            let alive = self.state(&record)?.is_some_and(|state| state.is_running());
            let endpoints = if alive { self.connected(&record.id)?.endpoints } else { Vec::new() };
            if let Some(endpoint) = endpoints.into_iter().find(|endpoint| endpoint.network == network.id) {
                members.push((record.id, record.name, endpoint));
            }
        }
        members.sort_by(|(_, a, _), (_, b, _)| a.cmp(b));
        Ok(members)
    }
}

fn is_made_for(record: &ContainerRecord, network: &Network) -> bool {
    record.config.networks.iter().any(|wish| is_wish_for(wish, network))
}
