//! The files in a container that say what hosts are called: /etc/hosts, /etc/resolv.conf.

use std::fs;
use std::net::IpAddr;

use super::Wires;
use crate::runtime::NameFiles;

/// What a host in /etc/hosts is called that stands for this machine, as its containers reach it.
const HOST_GATEWAY: &str = "host-gateway";

impl Wires {
    /// What /etc/hosts and /etc/resolv.conf say.
    pub(super) fn names(&self, wanted: &NameFiles) -> NameFiles {
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
