//! What a monitor makes a container's connections of: the engine decides it, before the container is started.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::names::NamesPlan;
use crate::engine::{Inner, Result};
use crate::model::{ContainerRecord, EndpointWish, Id, Network, NetworkMode, PortWish};

/// What a container's connections are made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub id: Id,
    pub hostname: String,
    pub run_folder: PathBuf,
    /// What this machine, or this user's part of it, has of teu's networks.
    pub machine: PathBuf,
    /// Where the networks are defined.
    pub book: PathBuf,
    pub networks: Vec<(Network, EndpointWish)>,
    pub ports: Vec<PortWish>,
    /// For ports that name no address.
    pub usual_host: IpAddr,
    pub names: NamesPlan,
}

impl Inner {
    /// What the monitor makes the container's connections of; none where it has none.
    pub(in crate::engine) fn wire_plan(&self, record: &ContainerRecord) -> Result<Option<serde_json::Value>> {
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
            machine: self.machine_folder(),
            book: self.networks_folder(),
            networks: found.collect::<Result<_>>()?,
            ports: config.ports.clone(),
            usual_host: self.publish_address,
            names: NamesPlan { name: record.name.clone(), dns: config.dns.clone() },
        };
        Ok(Some(serde_json::to_value(plan).expect("plain values")))
    }

    /// Root's networks are the machine's, a user's are the user's.
    pub(in crate::engine) fn machine_folder(&self) -> PathBuf {
        match rustix::process::geteuid().is_root() {
            true => PathBuf::from(super::MACHINE),
            false => self.folders.run.join("network"),
        }
    }
}
