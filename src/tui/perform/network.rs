//! Does what is asked of networks and published ports.

use std::collections::BTreeMap;

use crate::engine::{Engine, EngineError};
use crate::model::{Id, Name, PublishedPort, printable_line};
use crate::tui::action::Problem;
use crate::tui::network_deed::{NetworkDeed, NetworkTold};
use crate::tui::ports;

/// Does it, and says what to tell.
pub fn perform(engine: &Engine, deed: NetworkDeed) -> NetworkTold {
    match deed {
        NetworkDeed::List => NetworkTold::Networks(engine.networks_overview().map_err(Problem::from)),
        NetworkDeed::PreviewPrune(label) => {
            let unused = engine.network_prune_preview(&labels(label.clone()));
            let names = |unused: Vec<crate::model::Network>| unused.into_iter().map(|network| network.name).collect();
            NetworkTold::WouldPrune { label, result: unused.map(names).map_err(Problem::from) }
        }
        NetworkDeed::Look(id) => {
            let result = engine.inspect(id.as_str()).map(Box::new).map_err(Problem::from);
            NetworkTold::Looked { id, result }
        }
        NetworkDeed::Devices => NetworkTold::Devices(devices()),
        NetworkDeed::Remove(networks) => NetworkTold::Done(remove(engine, &networks)),
        NetworkDeed::Create(wish) => match engine.network_create(&wish) {
            Ok(network) => {
                let subnets: Vec<String> = network.subnets.iter().map(|subnet| subnet.subnet.to_string()).collect();
                let text = format!("{} has {}", network.name, subnets.join(" and "));
                NetworkTold::Created { id: network.id, text, networks: engine.networks_overview().ok() }
            }
            Err(error) => NetworkTold::Done(Err(error.into())),
        },
        deed => NetworkTold::Done(done(engine, deed).map_err(Problem::from)),
    }
}

/// As the kernel lists them for the network namespace that teu is in, without loopback and those of teu's own networks.
fn devices() -> Vec<String> {
    let list = std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let names = list.lines().filter_map(|line| Some(line.split_once(':')?.0.trim()));
    let own = |name: &&str| *name != "lo" && !name.starts_with("teu") && !name.starts_with("veth");
    names.filter(own).map(|name| printable_line(name).into_owned()).collect()
}

fn labels(label: Option<(String, Option<String>)>) -> BTreeMap<String, Option<String>> {
    label.into_iter().collect()
}

/// What to say when it is done.
fn done(engine: &Engine, deed: NetworkDeed) -> Result<String, EngineError> {
    Ok(match deed {
        NetworkDeed::Prune(label) => {
            let names: Vec<String> =
                engine.network_prune(&labels(label))?.into_iter().map(|network| network.name.to_string()).collect();
            match names.len() {
                0 => "no network was unused".to_owned(),
                1 => format!("{} is removed", names[0]),
                count => format!("{count} networks are removed"),
            }
        }
        NetworkDeed::Connect { container: (id, name), wish } => {
            let network = wish.network.clone();
            engine.network_connect(&network, id.as_str(), wish)?;
            format!("{name} is in {network}{}", address_of(engine, &id, &network))
        }
        NetworkDeed::Disconnect { container: (id, name), network } => {
            engine.network_disconnect(network.as_str(), id.as_str(), false)?;
            format!("{name} is in {network} no more")
        }
        NetworkDeed::Publish { container: (id, name), add } => {
            let published = engine.publish(id.as_str(), &add, &[])?;
            let new: Vec<PublishedPort> =
                published.into_iter().filter(|port| add.iter().any(|wish| ports::is_of(port, wish))).collect();
            match new.is_empty() {
                true => format!("{name} publishes it from its next start"),
                false => format!("{name}: {}", ports::lines(&new).join(", ")),
            }
        }
        NetworkDeed::Unpublish { container: (id, name), remove } => {
            engine.publish(id.as_str(), &[], &remove)?;
            format!("{name} publishes it no more")
        }
        NetworkDeed::List
        | NetworkDeed::Create(_)
        | NetworkDeed::PreviewPrune(_)
        | NetworkDeed::Look(_)
        | NetworkDeed::Devices
        | NetworkDeed::Remove(_) => unreachable!("these have answers of their own"),
    })
}

/// ` as 10.5.0.2/24`, if it runs.
fn address_of(engine: &Engine, id: &Id, network: &str) -> String {
    let endpoints = engine.connected(id).map(|connected| connected.endpoints).unwrap_or_default();
    let own = endpoints.into_iter().find(|endpoint| endpoint.network_name.as_str() == network);
    let addresses: Vec<String> =
        own.iter().flat_map(|endpoint| &endpoint.addresses).map(|address| address.addr().to_string()).collect();
    if addresses.is_empty() { " from its next start".to_owned() } else { format!(" as {}", addresses.join(" and ")) }
}

/// Removes them one by one; what could not go does not keep the others.
fn remove(engine: &Engine, networks: &[(Id, Name)]) -> Result<String, Problem> {
    let mut first = None;
    let mut removed = 0;
    for (id, _) in networks {
        match engine.network_remove(id.as_str()) {
            Ok(_) => removed += 1,
            Err(error) => {
                first.get_or_insert(Problem::from(error));
            }
        }
    }
    match (first, networks) {
        (None, [(_, name)]) => Ok(format!("{name} is removed")),
        (None, networks) => Ok(format!("{} networks are removed", networks.len())),
        (Some(problem), [_]) => Err(problem),
        (Some(problem), networks) => {
            let message = format!("{removed} of {} removed: {}", networks.len(), problem.message);
            Err(Problem { message, ..problem })
        }
    }
}
