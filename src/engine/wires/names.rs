//! What a container's surroundings are called: its /etc/hosts and /etc/resolv.conf, its name in its networks, its resolver.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Wires;
use super::pasta::WayOut;
use super::take::namespace_of;
use crate::engine::naming::{HOST_GATEWAY, RESOLV_CONF, resolv_conf};
use crate::model::{DEFAULT_NETWORK, DnsWish, ErrorKind, Id, Name, Network, NetworkDriver};
use crate::monitor::WireError;
use crate::network::{self, Listed, Machine, Resolver, ResolverWish};
use crate::runtime::NameFiles;
use crate::sys::in_root::Folder;

/// Where a container asks, as with Docker.
const RESOLVER: &str = "127.0.0.11";
/// A file of names is small; what a container made of it may not be.
const MOST_BYTES: u64 = 1 << 20;

/// What the engine knows of a container's names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NamesPlan {
    pub name: Name,
    pub dns: DnsWish,
}

/// What there is of it.
#[derive(Debug)]
pub(super) struct Names {
    pub resolver: Resolver,
    /// The lines of /etc/hosts with the container's own addresses.
    own_lines: Vec<String>,
    /// Networks that list it.
    listed: Vec<Id>,
}

impl Names {
    pub(super) fn new(plan: &NamesPlan, machine: &Machine) -> network::Result<Self> {
        let wish = ResolverWish {
            machine: machine.clone(),
            servers: plan.dns.servers.clone(),
            resolv_conf: PathBuf::from(RESOLV_CONF),
        };
        Ok(Self { resolver: Resolver::new(wish)?, own_lines: Vec::new(), listed: Vec::new() })
    }
}

impl Wires {
    /// What /etc/hosts and /etc/resolv.conf say. `wanted` may be what this made for an earlier start.
    pub(super) fn name_files(&mut self, wanted: &NameFiles) -> Result<NameFiles, WireError> {
        let now = self.own_lines();
        let before = std::mem::replace(&mut self.names.own_lines, now);
        let bridges = self.plan.networks.iter().filter(|(network, _)| network.driver == NetworkDriver::Bridge);
        let gateways: Vec<_> = match &self.way_out {
            Some(_) => self.this_machine().into_iter().collect(),
            None => bridges.take(1).flat_map(|(network, _)| &network.subnets).map(|it| it.gateway).collect(),
        };
        let mut hosts = self.names.own_lines.clone();
        for line in wanted
            .hosts
            .iter()
            .filter(|line| !before.contains(line) && !hosts.contains(line))
            .cloned()
            .collect::<Vec<_>>()
        {
            match line.strip_prefix(HOST_GATEWAY) {
                Some(_) if gateways.is_empty() => return Err(no_gateway()),
                Some(name) => hosts.extend(gateways.iter().map(|gateway| format!("{gateway}{name}"))),
                None => hosts.push(line),
            }
        }
        let usual: &[&str] = if self.plan.networks.iter().any(|(it, _)| has_names(it)) { &["ndots:0"] } else { &[] };
        let machine = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
        let resolver = resolv_conf(&machine, &self.plan.names.dns, &[RESOLVER.to_owned()], usual);
        Ok(NameFiles { hosts, hosts_file: None, resolver: Some(resolver) })
    }

    /// The container is connected: others may know its name, and it may ask for theirs.
    pub(super) fn open_names(&mut self, pid: i32) -> network::Result<()> {
        self.list()?;
        match self.way_out.as_ref().and_then(WayOut::entrance) {
            Some(entrance) => self.names.resolver.open_inside(entrance.user.as_fd(), entrance.network.as_fd()),
            None => self.names.resolver.open(OwnedFd::from(namespace_of(pid)?)),
        }
    }

    /// Its addresses may have changed while it runs.
    pub(super) fn change_own_lines(&mut self, pid: i32) {
        let now = self.own_lines();
        let before = std::mem::replace(&mut self.names.own_lines, now);
        if before != self.names.own_lines {
            // What the container has put in the place of the file is its own affair.
            let _ = rewrite_hosts(pid, &before, &self.names.own_lines);
        }
    }

    /// It has ended. Goes on after failures: its addresses are free in a moment, and then nobody believes the list.
    pub(super) fn close_names(&mut self) {
        self.names.resolver.close();
        for network in std::mem::take(&mut self.names.listed) {
            let _ = self.machine.listing().remove(&network, &self.plan.id);
        }
    }

    /// Brings the networks' lists, and the resolver's view, to what is so now.
    pub(super) fn list(&mut self) -> network::Result<()> {
        let listing = self.machine.listing();
        let joined = self.plan.networks.iter().zip(&self.endpoints).filter(|((network, _), _)| has_names(network));
        let mut listed = Vec::new();
        for ((network, _), endpoint) in joined {
            let entry = Listed {
                id: self.plan.id.clone(),
                name: self.plan.names.name.to_string(),
                hostname: self.plan.hostname.clone(),
                aliases: endpoint.aliases.clone(),
                addresses: endpoint.addresses.clone(),
            };
            listed.push(network.id.clone());
            if !self.names.listed.contains(&network.id) {
                self.names.listed.push(network.id.clone());
            }
            listing.put(&network.id, &entry)?;
        }
        for gone in self.names.listed.iter().filter(|network| !listed.contains(network)) {
            listing.remove(gone, &self.plan.id)?;
        }
        self.names.listed = listed;
        self.names.resolver.set_networks(self.plan.networks.iter().map(|(network, _)| network.clone()).collect());
        Ok(())
    }

    fn own_lines(&self) -> Vec<String> {
        let addresses = self.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
        addresses.map(|address| format!("{}\t{}", address.addr(), self.plan.hostname)).collect()
    }
}

/// As with Docker, the containers of the default network do not know each other by name.
fn has_names(network: &Network) -> bool {
    network.name.as_str() != DEFAULT_NETWORK
}

fn no_gateway() -> WireError {
    let message = "--add-host …:host-gateway needs a network of driver bridge: from no other is this machine reached";
    WireError { kind: ErrorKind::InvalidInput, message: message.to_owned() }
}

/// Puts other lines in the place of some of a running container's /etc/hosts. No symlink leads out of its root, and nothing but
/// a plain file is written to.
fn rewrite_hosts(pid: i32, before: &[String], now: &[String]) -> std::io::Result<()> {
    let root = Folder::open(&PathBuf::from(format!("/proc/{pid}/root")))?;
    let etc = root.resolve(OsStr::new("etc"))?;
    let mut text = String::new();
    etc.read_file(OsStr::new("hosts"))?.take(MOST_BYTES).read_to_string(&mut text)?;
    etc.write_file(OsStr::new("hosts"))?.write_all(replaced(&text, before, now).as_bytes())
}

/// The text with the lines `now` where the first of `before` was, or at its end.
fn replaced(text: &str, before: &[String], now: &[String]) -> String {
    let is_old = |line: &&str| before.iter().any(|old| old == line);
    let at = text.lines().position(|line| is_old(&line)).unwrap_or(usize::MAX);
    let kept = |lines: &mut dyn Iterator<Item = &str>| {
        lines.filter(|line| !is_old(line)).map(|line| format!("{line}\n")).collect::<String>()
    };
    let own: String = now.iter().map(|line| format!("{line}\n")).collect();
    kept(&mut text.lines().take(at)) + &own + &kept(&mut text.lines().skip(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_lines_are_replaced_where_they_were() {
        let lines = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let text = "127.0.0.1\tlocalhost\n10.0.0.2\tbox\n10.9.9.9\tmine";
        let now = replaced(text, &lines(&["10.0.0.2\tbox"]), &lines(&["10.0.0.2\tbox", "10.1.0.2\tbox"]));
        assert_eq!(now, "127.0.0.1\tlocalhost\n10.0.0.2\tbox\n10.1.0.2\tbox\n10.9.9.9\tmine\n");
        assert_eq!(replaced("a\n", &lines(&["b"]), &lines(&["c"])), "a\nc\n");
        assert_eq!(replaced("a\nb\n", &lines(&["b"]), &[]), "a\n");
    }
}
