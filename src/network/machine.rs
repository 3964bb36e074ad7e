//! What this machine has of teu's networks now: bridges, rules, leases. Kept on a tmpfs beside the kernel's own state, so that every
//! teu of the machine, whatever its data folder, sees the same, and a reboot leaves nothing of either.
//!
//! - `namespace`: which network namespace all this is of, see [`identity`].
//! - `lock`: held while a bridge or the firewall's table is made, and shared by those who change the table's elements.
//! - `links/<link>.json`: the networks that are up, as the firewall knows them.
//! - `ports/<container>.json`: what containers publish, for making a flushed table anew.
//! - `leases/<link>.<4|6>`: locks on bytes, see [`Lease`].
//! - `names/<network>/<container>.json`: who is called what, see [`Listing`].

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ipnet::IpNet;
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::firewall::{Firewall, Whole};
use super::link::{Link, Links, Mac};
use super::{Lease, Listing, NetworkError, NetworkRules, PortRule, Result, conntrack, identity};
use crate::model::{Id, Network, NetworkDriver, Protocol, Subnet};
use crate::sys::file::{Lock, write_atomically};

/// teu's networks in one network namespace of this machine.
#[derive(Debug)]
pub struct Machine {
    folder: PathBuf,
    /// Open from its first use to the end: closing a socket that removed elements waits until the kernel has freed them, which
    /// takes some 15 ms.
    firewall: Mutex<Option<Firewall>>,
}

/// Why root's containers cannot have networks here: root in another engine's container, or a kernel without nftables.
pub fn lack() -> Option<&'static str> {
    use rustix::fs::{Access, access};
    let powers = rustix::thread::capabilities(None);
    if !powers.is_ok_and(|powers| powers.effective.contains(CapabilitySet::NET_ADMIN)) {
        return Some("root has no CAP_NET_ADMIN here");
    }
    if access("/proc/sys/net/ipv4/ip_forward", Access::WRITE_OK).is_err() {
        return Some("/proc/sys is read-only here");
    }
    let answers = Firewall::open().and_then(|mut firewall| firewall.is_there());
    answers.is_err().then_some("the kernel has no nftables for teu here")
}

/// A copy has a socket of its own.
impl Clone for Machine {
    fn clone(&self) -> Self {
        Self { folder: self.folder.clone(), firewall: Mutex::new(None) }
    }
}

impl Machine {
    /// That of the network namespace which the caller is in: another has other links, and so another folder in `base`.
    pub fn open(base: &Path) -> Result<Self> {
        let own = Path::new("/proc/thread-self/ns/net");
        let inode = fs::metadata(own).map_err(|error| NetworkError::io("look at", own, error))?.ino();
        let folder = base.join(inode.to_string());
        identity::settle(base, &folder)?;
        for name in ["links", "ports", "leases"] {
            let path = folder.join(name);
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|error| NetworkError::io("make", &path, error))?;
        }
        Ok(Self { folder, firewall: Mutex::new(None) })
    }

    fn with_firewall<T>(&self, act: impl FnOnce(&mut Firewall) -> Result<T>) -> Result<T> {
        let mut kept = self.firewall.lock().unwrap_or_else(PoisonError::into_inner);
        let firewall = match &mut *kept {
            Some(firewall) => firewall,
            none => none.insert(Firewall::open()?),
        };
        let done = act(firewall);
        firewall.rest();
        done
    }

    /// Sees to it that the network's bridge is there, up, with its addresses, and known to the firewall. Returns its link.
    pub fn bring_up(&self, network: &Network) -> Result<Link> {
        let mut links = Links::open()?;
        if network.driver != NetworkDriver::Bridge {
            let missing = || NetworkError::NoParent { network: network.name.to_string(), parent: network.link.clone() };
            return links.find(&network.link)?.ok_or_else(missing);
        }
        self.with_firewall(|firewall| {
            if let Some(link) = self.ready(network, &mut links, firewall)? {
                return Ok(link);
            }
            let _lock = self.lock()?;
            match self.ready(network, &mut links, firewall)? {
                Some(link) => Ok(link),
                None => self.make(network, &mut links, firewall),
            }
        })
    }

    /// Makes what is not there of a network. To be called with the lock held.
    fn make(&self, network: &Network, links: &mut Links, firewall: &mut Firewall) -> Result<Link> {
        let link = match links.find(&network.link)? {
            Some(link) if link.kind.as_deref() == Some("bridge") => link,
            Some(_) => return Err(NetworkError::NoBridge { link: network.link.clone() }),
            None => {
                // Of a bridge that was deleted by somebody else.
                self.remove("links", &network.link)?;
                links.make_bridge(&network.link, bridge_mac(network), network.mtu)?
            }
        };
        let v6 = network.subnets.iter().any(|subnet| subnet.subnet.addr().is_ipv6());
        secure(&network.link, v6)?;
        for subnet in &network.subnets {
            let address = IpNet::new(subnet.gateway, subnet.subnet.prefix_len()).expect("the subnet's own length");
            links.add_address(&link, address)?;
        }
        links.set_up(&link)?;
        if v6 {
            links.answer_loopback(&link)?;
        }
        forward(network)?;
        // The table anew, also where only this network is missing: once in a network's life, and right whatever was there.
        let mut whole = self.whole(links)?;
        whole.networks.retain(|known| known.link != network.link);
        whole.networks.push(rules(network));
        firewall.rebuild(&whole)?;
        // Last, as the others' sign that all is done.
        self.write("links", &network.link, &rules(network))?;
        Ok(link)
    }

    /// The network's bridge, if all is as [`Machine::bring_up`] would make it.
    fn ready(&self, network: &Network, links: &mut Links, firewall: &mut Firewall) -> Result<Option<Link>> {
        let known = self.read::<NetworkRules>("links", &network.link)?.is_some_and(|it| it == rules(network));
        if !known || !firewall.is_there()? {
            return Ok(None);
        }
        Ok(links.find(&network.link)?.filter(|link| link.up && link.kind.as_deref() == Some("bridge")))
    }

    /// Takes the network's bridge away, with its rules. What is not there is passed over.
    pub fn take_down(&self, network: &Network) -> Result<()> {
        self.listing().forget_network(&network.id)?;
        if network.driver != NetworkDriver::Bridge {
            return Ok(());
        }
        let _lock = self.lock()?;
        let mut links = Links::open()?;
        let known = self.file("links", &network.link).exists();
        // A link of this name that somebody else made stays, whatever the network was to be.
        let own = |link: &Link| link.kind.as_deref() == Some("bridge") && link.mac == Some(bridge_mac(network));
        let bridge = links.find(&network.link)?.filter(own);
        if bridge.is_some() {
            links.delete(&network.link)?;
        }
        if known || bridge.is_some() {
            self.with_firewall(|firewall| match firewall.is_there()? {
                true => firewall.remove_network(&rules(network)),
                false => Ok(()),
            })?;
        }
        // Last, so that who was refused something before can come again.
        self.remove("links", &network.link)?;
        for family in ["4", "6"] {
            self.remove_file(&self.folder.join("leases").join(format!("{}.{family}", network.link)))?;
        }
        Ok(())
    }

    /// Leases an address; see [`Lease::take`].
    pub fn lease(
        &self,
        network: &Network,
        subnet: &Subnet,
        wanted: Option<std::net::IpAddr>,
        before: Option<std::net::IpAddr>,
    ) -> Result<Lease> {
        Lease::take(&self.lease_file(network, subnet), subnet, wanted, before)
    }

    /// The addresses of a network that are leased now.
    pub fn leased(&self, network: &Network) -> Result<Vec<std::net::IpAddr>> {
        let held = network.subnets.iter().map(|subnet| Lease::held(&self.lease_file(network, subnet), subnet));
        Ok(held.collect::<Result<Vec<_>>>()?.concat())
    }

    /// Whether an address of a network, with its subnet's length, is leased now.
    pub fn is_leased(&self, network: &Network, address: IpNet) -> bool {
        let subnet = network.subnets.iter().find(|subnet| subnet.subnet.contains(&address.addr()));
        subnet.is_some_and(|subnet| Lease::is_held(&self.lease_file(network, subnet), subnet, address.addr()))
    }

    /// Who is called what in which network.
    pub fn listing(&self) -> Listing {
        Listing::at(self.folder.join("names"))
    }

    fn lease_file(&self, network: &Network, subnet: &Subnet) -> PathBuf {
        let family = if subnet.subnet.addr().is_ipv6() { "6" } else { "4" };
        self.folder.join("leases").join(format!("{}.{family}", network.link))
    }

    /// Publishes a container's ports, and none else of its. A table that was flushed is made anew.
    pub fn publish(&self, container: &Id, ports: &[PortRule]) -> Result<()> {
        let before: Vec<PortRule> = self.read("ports", container.as_str())?.unwrap_or_default();
        if before.is_empty() && ports.is_empty() {
            return Ok(());
        }
        let fresh: Vec<PortRule> = ports.iter().filter(|port| !before.contains(port)).cloned().collect();
        let gone: Vec<PortRule> = before.into_iter().filter(|port| !ports.contains(port)).collect();
        let published = self.with_firewall(|firewall| {
            // Who makes the table anew reads these files and then replaces it: what changes in between would be lost.
            let shared = self.lock_shared()?;
            if !gone.is_empty() {
                firewall.withdraw(&gone)?;
            }
            match ports {
                [] => return self.remove("ports", container.as_str()),
                _ => self.write("ports", container.as_str(), &ports)?,
            }
            match firewall.publish(ports) {
                Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::NOENT => {
                    drop(shared);
                    let _lock = self.lock()?;
                    firewall.rebuild(&self.whole(&mut Links::open()?)?)
                }
                Err(error) => {
                    self.remove("ports", container.as_str())?;
                    Err(error)
                }
                Ok(()) => Ok(()),
            }
        });
        conntrack::forget(&gone.iter().chain(&fresh).collect::<Vec<_>>());
        published
    }

    /// The container that publishes a port which nobody else can have beside it, if it is one.
    pub fn publisher(&self, protocol: Protocol, address: SocketAddr) -> Option<Id> {
        let same = |port: &PortRule| {
            let meets = port.host.is_none_or(|host| host == address.ip()) || address.ip().is_unspecified();
            (port.protocol, port.host_port) == (protocol, address.port()) && meets
        };
        let publishes = |id: &Id| {
            let ports = self.read::<Vec<PortRule>>("ports", id.as_str()).ok().flatten();
            ports.is_some_and(|ports| ports.iter().any(same))
        };
        self.publishers().ok()?.into_iter().find(publishes)
    }

    /// Everything that belongs into the firewall: networks whose bridge is there, ports as they were published.
    fn whole(&self, links: &mut Links) -> Result<Whole> {
        let there: Vec<String> = links.all()?.into_iter().map(|link| link.name).collect();
        let networks = self.read_all::<NetworkRules>("links")?.into_iter().filter(|it| there.contains(&it.link));
        let ports = self.read_all::<Vec<PortRule>>("ports")?;
        Ok(Whole { networks: networks.collect(), ports: ports.concat() })
    }

    /// Containers that have something here, by their ids.
    pub fn publishers(&self) -> Result<Vec<Id>> {
        Ok(self.names("ports")?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn lock(&self) -> Result<Lock> {
        let path = self.folder.join("lock");
        Lock::exclusive(&path).map_err(|error| NetworkError::io("lock", &path, error))
    }

    fn lock_shared(&self) -> Result<Lock> {
        let path = self.folder.join("lock");
        Lock::shared(&path).map_err(|error| NetworkError::io("lock", &path, error))
    }

    fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.folder.join(folder).join(format!("{name}.json"))
    }

    fn write<T: Serialize>(&self, folder: &str, name: &str, value: &T) -> Result<()> {
        let path = self.file(folder, name);
        let bytes = serde_json::to_vec(value).expect("plain values");
        write_atomically(&path, &bytes, 0o600).map_err(|error| NetworkError::io("write", &path, error))
    }

    /// What a file says; none if it is missing, or not whole (then it is made anew).
    fn read<T: DeserializeOwned>(&self, folder: &str, name: &str) -> Result<Option<T>> {
        let path = self.file(folder, name);
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(NetworkError::io("read", &path, error)),
        }
    }

    fn names(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.folder.join(folder);
        let entries = fs::read_dir(&path).map_err(|error| NetworkError::io("list", &path, error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect())
    }

    fn read_all<T: DeserializeOwned>(&self, folder: &str) -> Result<Vec<T>> {
        let read = self.names(folder)?.into_iter().map(|name| self.read(folder, &name));
        Ok(read.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    fn remove(&self, folder: &str, name: &str) -> Result<()> {
        self.remove_file(&self.file(folder, name))
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(NetworkError::io("remove", path, error)),
            _ => Ok(()),
        }
    }
}

fn rules(network: &Network) -> NetworkRules {
    NetworkRules {
        link: network.link.clone(),
        subnets: network.subnets.iter().map(|subnet| subnet.subnet).collect(),
        internal: network.internal,
    }
}

/// Made of the network's id, so that the bridge's address outlives its links, and locally administered (RFC 7042, 2.1).
pub(super) fn bridge_mac(network: &Network) -> Mac {
    let digits = network.id.as_str().as_bytes();
    let byte = |at: usize| {
        let nibble = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
        (nibble(digits[at]) << 4) | nibble(digits[at + 1])
    };
    [0x02, 0x42, byte(0), byte(2), byte(4), byte(6)]
}

/// No container may tell this machine where the world is (CVE-2020-13401), and on a network without IPv6 nobody speaks it.
fn secure(link: &str, v6: bool) -> Result<()> {
    let folder = format!("/proc/sys/net/ipv6/conf/{link}");
    if !Path::new(&folder).is_dir() {
        return Ok(());
    }
    set(format!("{folder}/accept_ra"), "0")?;
    set(format!("{folder}/disable_ipv6"), if v6 { "0" } else { "1" })
}

/// Lets the kernel pass packets on, and lets ports that are published on 127.0.0.1 reach the bridge (the table's chain `guard`
/// keeps what comes from there away from the loopback, CVE-2020-8558). Before the whole machine forwards IPv6, links that
/// learn their routes from routers are told to go on so.
fn forward(network: &Network) -> Result<()> {
    let link = &network.link;
    for subnet in &network.subnets {
        if subnet.subnet.addr().is_ipv6() {
            keep_learning_routes()?;
            set("/proc/sys/net/ipv6/conf/all/forwarding".to_owned(), "1")?;
        } else {
            set("/proc/sys/net/ipv4/ip_forward".to_owned(), "1")?;
            set(format!("/proc/sys/net/ipv4/conf/{link}/route_localnet"), "1")?;
        }
    }
    Ok(())
}

/// Forwarding machines ignore routers' announcements, and would lose their own way out, unless `accept_ra` is 2.
fn keep_learning_routes() -> Result<()> {
    let base = "/proc/sys/net/ipv6/conf";
    if fs::read_to_string(format!("{base}/all/forwarding")).is_ok_and(|now| now.trim() == "1") {
        return Ok(());
    }
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = format!("{base}/{}/accept_ra", entry.file_name().to_string_lossy());
        if fs::read_to_string(&path).is_ok_and(|now| now.trim() == "1") {
            set(path, "2")?;
        }
    }
    Ok(())
}

fn set(path: String, value: &str) -> Result<()> {
    let path = PathBuf::from(path);
    match fs::read_to_string(&path) {
        Ok(now) if now.trim() == value => Ok(()),
        _ => fs::write(&path, value).map_err(|error| NetworkError::io("set", &path, error)),
    }
}
