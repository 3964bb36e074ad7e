//! Changes of a running container's connections: each is done as a whole, or undone.

use std::os::fd::{AsFd, BorrowedFd};

use serde::{Deserialize, Serialize};

use super::take::namespace_of;
use super::{Connected, Hold, Wires};
use crate::model::{Endpoint, EndpointWish, Id, Name, Network, PortWish};
use crate::network::{self, HeldPort, NetworkError};

/// Links of one container are numbered in two digits, as their outer ends' names have 15 characters.
const LINKS: usize = 100;

/// What is to be different. Written into records of the protocol between teu and monitors of other versions: only ever added to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Change {
    Connect {
        network: Box<Network>,
        wish: EndpointWish,
    },
    Disconnect {
        network: Id,
    },
    Ports {
        add: Vec<PortWish>,
        /// Places among the ports there are, and what is there.
        remove: Vec<(usize, PortWish)>,
    },
    Rename {
        name: Name,
    },
}

impl Wires {
    /// Does it, and tells how the container is connected then.
    pub(super) fn alter(&mut self, pid: i32, change: Change) -> network::Result<Connected> {
        match change {
            Change::Connect { network, wish } => self.enter(pid, *network, wish)?,
            Change::Disconnect { network } => self.leave(pid, &network)?,
            Change::Ports { add, remove } => self.change_ports(add, &remove)?,
            Change::Rename { name } => {
                self.plan.names.name = name;
                self.list()?;
            }
        }
        Ok(self.connected())
    }

    fn enter(&mut self, pid: i32, network: Network, wish: EndpointWish) -> network::Result<()> {
        if self.endpoints.iter().any(|endpoint| endpoint.network == network.id) {
            return Err(NetworkError::InAlready { network: network.name.to_string() });
        }
        let free = |number: &usize| !self.endpoints.iter().any(|endpoint| endpoint.link == format!("eth{number}"));
        let number = (0..LINKS).find(free).ok_or(NetworkError::TooManyNetworks)?;
        let namespace = namespace_of(pid)?;
        let (hold, endpoint) = self.claim(&network, &wish, number)?;
        self.push(network, wish, hold, endpoint);
        let entered = self.attach_last(namespace.as_fd()).and_then(|()| self.tell());
        entered.inspect_err(|_| {
            // Half of a link may be there.
            let last = self.endpoints.len() - 1;
            let _ = self.detach_from(last, namespace.as_fd());
            let came = self.pop(last);
            let _ = self.tell();
            drop(came);
        })
    }

    fn attach_last(&mut self, namespace: BorrowedFd<'_>) -> network::Result<()> {
        let index = self.endpoints.len() - 1;
        if self.way_out.is_some() {
            return self.attach_as_user(index);
        }
        let network = &self.plan.networks[index].0;
        let hub = self.machine.bring_up(network)?;
        network::attach(network, &hub, &self.endpoints[index], namespace, &self.ways_out(index))
    }

    fn leave(&mut self, pid: i32, network: &Id) -> network::Result<()> {
        let index = self.endpoints.iter().position(|endpoint| endpoint.network == *network);
        let index = index.ok_or_else(|| NetworkError::NotIn { network: network.short().to_owned() })?;
        let namespace = namespace_of(pid)?;
        self.detach_from(index, namespace.as_fd())?;
        // From here on it is out: what fails now is told, and the rest done all the same.
        let before: Vec<_> = (0..self.endpoints.len()).map(|index| self.ways_out(index)).collect();
        let gone = self.pop(index);
        drop(gone);
        let mut done = Ok(());
        for (now, endpoint) in self.endpoints.iter().enumerate() {
            let had = &before[if now < index { now } else { now + 1 }];
            let more: Vec<_> = self.ways_out(now).into_iter().filter(|gateway| !had.contains(gateway)).collect();
            if !more.is_empty() && self.way_out.is_none() {
                done = done.and(network::lead_out(endpoint, namespace.as_fd(), &more));
            }
        }
        self.tell().and(done)
    }

    fn detach_from(&mut self, index: usize, namespace: BorrowedFd<'_>) -> network::Result<()> {
        match self.way_out {
            Some(_) => self.detach_as_user(index),
            None => network::detach(&self.endpoints[index], namespace),
        }
    }

    fn change_ports(&mut self, add: Vec<PortWish>, remove: &[(usize, PortWish)]) -> network::Result<()> {
        if remove.iter().any(|(index, wish)| self.plan.ports.get(*index) != Some(wish)) {
            return Err(NetworkError::PortsChanged);
        }
        let goes = |index: usize| remove.iter().any(|(gone, _)| *gone == index);
        let added = add.iter().map(|wish| self.hold_or_keep(wish, &goes)).collect::<network::Result<Vec<_>>>()?;
        let before = std::mem::take(&mut self.plan.ports).into_iter().zip(std::mem::take(&mut self.held)).enumerate();
        let (gone, kept): (Vec<_>, Vec<_>) = before.partition(|(index, _)| goes(*index));
        let places: Vec<usize> = kept.iter().map(|(index, _)| *index).collect();
        let now = kept.into_iter().map(|(_, port)| port).chain(add.into_iter().zip(added));
        (self.plan.ports, self.held) = now.unzip();
        self.tell().inspect_err(|_| {
            let now = std::mem::take(&mut self.plan.ports).into_iter().zip(std::mem::take(&mut self.held));
            let mut all: Vec<_> = places.into_iter().zip(now).chain(gone).collect();
            all.sort_by_key(|(index, _)| *index);
            (self.plan.ports, self.held) = all.into_iter().map(|(_, port)| port).unzip();
            let _ = self.tell();
        })
    }

    /// Holds a port. One that goes, to come back for another port of the container, is held all the while.
    fn hold_or_keep(&self, wish: &PortWish, goes: &dyn Fn(usize) -> bool) -> network::Result<HeldPort> {
        let host = wish.host.unwrap_or(self.plan.usual_host);
        let same = self.held.iter().enumerate().find(|(index, held)| {
            let port = &held.port;
            goes(*index)
                && wish.host_port == Some(port.host_port)
                && (host, wish.protocol) == (port.host, port.protocol)
        });
        match same {
            Some((_, held)) => held.also_for(wish.container_port),
            None => self.hold(wish),
        }
    }

    /// Brings the firewall to what is so now, and tells it to others, their resolvers too. Goes on after failures and returns the first.
    fn tell(&mut self) -> network::Result<()> {
        let led = match self.way_out {
            Some(_) => self.carry(),
            None => self.machine.publish(&self.plan.id, &self.rules()),
        };
        led.and(self.write_connected()).and(self.list())
    }

    fn push(&mut self, network: Network, wish: EndpointWish, hold: Hold, endpoint: Endpoint) {
        self.plan.networks.push((network, wish));
        self.holds.push(hold);
        self.endpoints.push(endpoint);
    }

    fn pop(&mut self, index: usize) -> Option<(Hold, Endpoint)> {
        if index >= self.endpoints.len() {
            return None;
        }
        self.plan.networks.remove(index);
        let gone = (self.holds.remove(index), self.endpoints.remove(index));
        self.leave_hub();
        Some(gone)
    }
}
