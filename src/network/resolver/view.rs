//! What a container may know: the names in its own networks, as they are now.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use super::listing::Listed;
use crate::model::{DEFAULT_NETWORK, Network, NetworkDriver};
use crate::network::Machine;

/// Files' times move in steps of the kernel's clock: a list read so shortly after it changed may have changed again since.
const CLOCK_STEP: Duration = Duration::from_millis(50);

/// The names of some networks.
#[derive(Debug)]
pub struct View {
    machine: Machine,
    networks: Vec<(Network, Cached)>,
    /// Several containers of one name take turns.
    turn: usize,
}

/// A network's list and the state of its folder when it was read.
#[derive(Debug, Default)]
struct Cached {
    all: Vec<Listed>,
    read_of: Option<(i64, i64, u64)>,
}

/// Who has an address.
#[derive(Debug, PartialEq, Eq)]
pub enum Reverse {
    /// Names, with their network's behind it.
    Named(Vec<String>),
    /// One of the networks' own addresses, and nobody's now.
    Nobody,
    /// Somebody's in the world.
    Foreign,
}

impl View {
    pub fn new(machine: Machine) -> Self {
        Self { machine, networks: Vec::new(), turn: 0 }
    }

    /// The container is in these networks from now on, the one that is looked in first before the others.
    pub fn set_networks(&mut self, networks: Vec<Network>) {
        self.networks = networks.into_iter().map(|network| (network, Cached::default())).collect();
    }

    /// Whether questions about the world may leave: not from networks that are all internal.
    pub fn may_forward(&self) -> bool {
        self.networks.iter().any(|(network, _)| !network.internal)
    }

    /// Gives memory back.
    pub fn forget(&mut self) {
        self.networks.iter_mut().for_each(|(_, cached)| *cached = Cached::default());
    }

    /// The addresses of whoever is called so, in the first network that knows the name; none if nobody is. `name` is in small
    /// letters, without a dot at its end.
    pub fn addresses(&mut self, name: &str) -> Option<Vec<IpAddr>> {
        let machine = &self.machine;
        let found = self.networks.iter_mut().filter(|(network, _)| has_names(network)).find_map(|(network, cached)| {
            cached.refresh(machine, network);
            let behind = name.strip_suffix(&network.name.as_str().to_ascii_lowercase());
            let short = behind.and_then(|it| it.strip_suffix('.'));
            let of = |name| cached.called(name, machine, network);
            of(name).or_else(|| of(short?))
        });
        let mut found = found?;
        self.turn = self.turn.wrapping_add(1);
        if !found.is_empty() {
            let by = self.turn % found.len();
            found.rotate_left(by);
        }
        Some(found)
    }

    /// What the holder of an address is called.
    pub fn names(&mut self, address: IpAddr) -> Reverse {
        let machine = &self.machine;
        let mut own = false;
        for (network, cached) in self.networks.iter_mut().filter(|(network, _)| has_names(network)) {
            // Only a bridge's subnet is teu's alone.
            let inside = network.subnets.iter().any(|it| it.subnet.contains(&address));
            own |= inside && network.driver == NetworkDriver::Bridge;
            if !inside {
                continue;
            }
            cached.refresh(machine, network);
            let holders = cached.all.iter().filter(|one| one.has(address) && is_believed(one, machine, network));
            let names: Vec<String> = holders.map(|one| format!("{}.{}", one.name, network.name)).collect();
            if !names.is_empty() {
                return Reverse::Named(names);
            }
        }
        if own { Reverse::Nobody } else { Reverse::Foreign }
    }
}

/// As with Docker, containers of the default network do not know each other.
fn has_names(network: &Network) -> bool {
    network.name.as_str() != DEFAULT_NETWORK
}

fn is_believed(one: &Listed, machine: &Machine, network: &Network) -> bool {
    let inside = |it: &IpAddr| network.subnets.iter().any(|subnet| subnet.subnet.contains(it));
    let mut addresses = one.addresses.iter();
    addresses.any(|own| inside(&own.addr())) && one.addresses.iter().all(|own| machine.is_leased(network, *own))
}

impl Cached {
    fn refresh(&mut self, machine: &Machine, network: &Network) {
        let listing = machine.listing();
        let now = fs::metadata(listing.of_network(&network.id)).ok();
        let state = now.as_ref().map(|it| (it.mtime(), it.mtime_nsec(), it.ino()));
        if state.is_some() && state == self.read_of {
            return;
        }
        let changed = now.and_then(|it| it.modified().ok());
        let old = changed.is_some_and(|at| SystemTime::now().duration_since(at).is_ok_and(|it| it > CLOCK_STEP));
        self.all = listing.all(&network.id);
        self.read_of = state.filter(|_| old);
    }

    fn called(&self, name: &str, machine: &Machine, network: &Network) -> Option<Vec<IpAddr>> {
        let fitting = self.all.iter().filter_map(|one| Some((one.fits(name)?, one)));
        let mut fitting: Vec<_> = fitting.filter(|(_, one)| is_believed(one, machine, network)).collect();
        let best = fitting.iter().map(|(fit, _)| *fit).min()?;
        fitting.retain(|(fit, _)| *fit == best);
        Some(fitting.iter().flat_map(|(_, one)| one.addresses.iter().map(|own| own.addr())).collect())
    }
}
