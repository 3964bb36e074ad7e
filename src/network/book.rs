//! The networks that users defined: a file each in the data folder, written whole, and the default one that needs none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::link::Links;
use super::{NetworkError, Result};
use crate::model::{DEFAULT_NETWORK, Id, Name, Network, NetworkDriver, Subnet, Timestamp};
use crate::sys::file::{Lock, write_atomically};
use crate::sys::random;

/// The default network's bridge and id. All stores of the machine share it, so it is the same everywhere.
const DEFAULT_LINK: &str = "teu0";
const DEFAULT_ID: [u8; 32] = [0x7e; 32];
/// Where the default network's addresses are, unless the machine has them for something else: then the next that fits.
const DEFAULT_SUBNETS: [&str; 4] = ["10.91.0.0/16", "172.29.0.0/16", "10.203.0.0/16", "192.168.224.0/20"];
/// Where other networks get theirs: /24 each.
const POOLS: [&str; 3] = ["10.92.0.0/14", "172.30.0.0/15", "192.168.240.0/20"];
const POOL_LENGTH: u8 = 24;

/// What a new network is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkWish {
    pub name: Name,
    pub driver: NetworkDriver,
    /// At most one of each family.
    pub subnets: Vec<IpNet>,
    /// Of the subnet that it is in; the first address if none.
    pub gateways: Vec<IpAddr>,
    pub ranges: Vec<IpNet>,
    /// Also addresses of IPv6, of a random unique local prefix (RFC 4193) if no subnet is given.
    pub ipv6: bool,
    pub internal: bool,
    pub mtu: Option<u32>,
    /// The device that macvlan and ipvlan share; the bridge's name for bridges.
    pub link: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
}

/// A network whose subnet this machine reaches by something else too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collision {
    pub network: Name,
    pub subnet: IpNet,
    /// The other subnet, and the link that leads there.
    pub other: IpNet,
    pub holder: String,
}

/// The definitions in one data folder.
#[derive(Clone, Debug)]
pub struct Book {
    folder: PathBuf,
}

/// While this lives, in whichever process, nobody removes the network: a shared lock on its definition.
#[derive(Debug)]
pub struct Stay {
    _lock: Lock,
}

/// A network that nobody is in and nobody can join, to be removed: the exclusive lock on its definition.
#[derive(Debug)]
pub struct Closed {
    path: PathBuf,
    _lock: Lock,
}

impl Closed {
    /// Forgets the definition: who waited to join finds no network of this name.
    pub fn forget(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| NetworkError::io("remove", &self.path, error))
    }
}

impl Book {
    pub fn open(folder: &Path) -> Result<Self> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| NetworkError::io("make", folder, error))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// All networks, the default one first, then by name.
    pub fn all(&self) -> Result<Vec<Network>> {
        let mut all = self.defined()?;
        all.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        all.insert(0, default_network()?);
        Ok(all)
    }

    /// The network of this name, id or beginning of an id.
    pub fn find(&self, target: &str) -> Result<Network> {
        if target == DEFAULT_NETWORK || target == "default" {
            return default_network();
        }
        let all = self.all()?;
        if let Some(found) = all.iter().find(|it| it.name.as_str() == target || it.id.as_str() == target) {
            return Ok(found.clone());
        }
        let mut fitting = all.into_iter().filter(|it| !target.is_empty() && it.id.as_str().starts_with(target));
        match (fitting.next(), fitting.next()) {
            (Some(found), None) => Ok(found),
            (Some(_), Some(_)) => Err(NetworkError::Ambiguous { target: target.to_owned() }),
            (None, _) => Err(NetworkError::NoSuchNetwork { target: target.to_owned() }),
        }
    }

    /// Defines a network. Nothing of the machine is changed: its bridge is made when the first container joins.
    pub fn create(&self, wish: &NetworkWish) -> Result<Network> {
        let _lock = self.lock()?;
        let others = self.all()?;
        let reserved = ["none", "host", "default", "container"];
        if reserved.contains(&wish.name.as_str()) || others.iter().any(|it| it.name == wish.name) {
            return Err(NetworkError::NameTaken { name: wish.name.to_string() });
        }
        let id = Id::from_bytes(random::bytes().map_err(|error| NetworkError::io("name", &self.folder, error))?);
        let link = link_of(wish, &id)?;
        if wish.driver == NetworkDriver::Bridge && others.iter().any(|it| it.link == link) {
            return Err(NetworkError::LinkTaken { link });
        }
        let network = Network {
            subnets: subnets_of(wish, &others)?,
            id,
            name: wish.name.clone(),
            driver: wish.driver,
            created: Timestamp::now(),
            internal: wish.internal,
            mtu: wish.mtu,
            link,
            labels: wish.labels.clone(),
            options: wish.options.clone(),
        };
        let path = self.file(&network);
        let bytes = serde_json::to_vec_pretty(&network).expect("plain values");
        write_atomically(&path, &bytes, 0o600).map_err(|error| NetworkError::io("write", &path, error))?;
        Ok(network)
    }

    /// Subnets that this machine has, or has routes to, by other links than the networks' own: what appeared after a network
    /// was defined, such as a VPN. Packets of its containers, or of that link, go astray.
    pub fn collisions(&self) -> Result<Vec<Collision>> {
        let taken = taken_by_machine(&mut Links::open()?)?;
        let bridges = self.all()?.into_iter().filter(|network| network.driver == NetworkDriver::Bridge);
        let of_network = |network: Network| {
            let mut found: Vec<Collision> = Vec::new();
            for subnet in network.subnets.iter().map(|it| it.subnet) {
                for (other, holder) in
                    taken.iter().filter(|(other, link)| overlap(subnet, *other) && *link != network.link)
                {
                    if !found.iter().any(|known| known.holder == *holder && overlap(known.other, *other)) {
                        let (other, holder) = (*other, holder.clone());
                        found.push(Collision { network: network.name.clone(), subnet, other, holder });
                    }
                }
            }
            found
        };
        Ok(bridges.flat_map(of_network).collect())
    }

    /// Keeps a network from being removed; fails if it has been. Nothing is kept of the default one, which stays.
    pub fn stay(&self, network: &Network) -> Result<Option<Stay>> {
        if network.name.as_str() == DEFAULT_NETWORK {
            return Ok(None);
        }
        let path = self.file(network);
        Lock::existing_shared(&path)
            .map(|lock| Some(Stay { _lock: lock }))
            .map_err(|error| not_there(network, &path, error))
    }

    /// The right to remove a network, which nobody can join meanwhile; none while somebody stays in it.
    pub fn close(&self, network: &Network) -> Result<Option<Closed>> {
        if network.name.as_str() == DEFAULT_NETWORK {
            return Err(NetworkError::DefaultStays);
        }
        let path = self.file(network);
        let lock = Lock::try_existing(&path).map_err(|error| not_there(network, &path, error))?;
        Ok(lock.map(|lock| Closed { path, _lock: lock }))
    }

    fn defined(&self) -> Result<Vec<Network>> {
        let entries = fs::read_dir(&self.folder).map_err(|error| NetworkError::io("list", &self.folder, error))?;
        let mut all = Vec::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match fs::read(&path) {
                Ok(bytes) => {
                    let network = serde_json::from_slice(&bytes).map_err(io::Error::from);
                    all.push(network.map_err(|error| NetworkError::io("read", &path, error))?);
                }
                // Removed this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(NetworkError::io("read", &path, error)),
            }
        }
        Ok(all)
    }

    fn file(&self, network: &Network) -> PathBuf {
        self.folder.join(format!("{}.json", network.id))
    }

    fn lock(&self) -> Result<Lock> {
        let path = self.folder.join("lock");
        Lock::exclusive(&path).map_err(|error| NetworkError::io("lock", &path, error))
    }
}

fn not_there(network: &Network, path: &Path, error: io::Error) -> NetworkError {
    match error.kind() {
        io::ErrorKind::NotFound => NetworkError::NoSuchNetwork { target: network.name.to_string() },
        _ => NetworkError::io("lock", path, error),
    }
}

/// The network that is always there. Where its bridge is up it has the bridge's subnet, whatever else the machine has by now.
fn default_network() -> Result<Network> {
    let mut links = Links::open()?;
    let subnet = match subnet_of_bridge(&mut links)? {
        Some(subnet) => subnet,
        None => {
            let taken = taken_by_machine(&mut links)?;
            // Once more: the bridge that another container's monitor made this moment may be among what the machine has.
            match subnet_of_bridge(&mut links)? {
                Some(subnet) => subnet,
                None => {
                    let fitting = DEFAULT_SUBNETS.iter().map(|text| known(text)).find(|it| !overlaps(*it, &taken));
                    plain_subnet(fitting.ok_or(NetworkError::NoSubnetLeft)?)
                }
            }
        }
    };
    Ok(Network {
        id: Id::from_bytes(DEFAULT_ID),
        name: DEFAULT_NETWORK.parse().expect("a constant name"),
        driver: NetworkDriver::Bridge,
        created: Timestamp::EPOCH,
        subnets: vec![subnet],
        internal: false,
        mtu: None,
        link: DEFAULT_LINK.to_owned(),
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
    })
}

/// The default network's subnet where its bridge is there and has its address.
fn subnet_of_bridge(links: &mut Links) -> Result<Option<Subnet>> {
    let Some(bridge) = links.find(DEFAULT_LINK)? else { return Ok(None) };
    let addresses = links.addresses()?;
    let own = addresses.iter().find(|(link, address)| *link == bridge.index && address.addr().is_ipv4());
    Ok(own.map(|(_, address)| Subnet { subnet: address.trunc(), gateway: address.addr(), range: None }))
}

fn link_of(wish: &NetworkWish, id: &Id) -> Result<String> {
    let fits = |name: &String| {
        (1..16).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
    };
    match (&wish.link, wish.driver) {
        (Some(name), _) if fits(name) => Ok(name.clone()),
        (Some(name), _) => Err(NetworkError::LinkName { name: name.clone() }),
        (None, NetworkDriver::Bridge) => Ok(format!("teu-{}", &id.as_str()[..10])),
        (None, driver) => Err(NetworkError::ParentWanted { driver: driver.name() }),
    }
}

fn subnets_of(wish: &NetworkWish, others: &[Network]) -> Result<Vec<Subnet>> {
    let of_family = |v6: bool| wish.subnets.iter().filter(move |it| it.addr().is_ipv6() == v6);
    if of_family(false).count() > 1 || of_family(true).count() > 1 {
        return Err(NetworkError::Subnets);
    }
    let mut taken: Vec<(IpNet, String)> = others
        .iter()
        .flat_map(|network| network.subnets.iter().map(|it| (it.subnet, format!("network {}", network.name))))
        .collect();
    taken.extend(taken_by_machine(&mut Links::open()?)?);
    let mut subnets = Vec::new();
    match of_family(false).next() {
        Some(subnet) => subnets.push(subnet.trunc()),
        None if of_family(true).next().is_some() && !wish.ipv6 => {}
        None => subnets.push(free_subnet(&taken)?),
    }
    match of_family(true).next() {
        Some(subnet) => subnets.push(subnet.trunc()),
        None if wish.ipv6 => subnets.push(local_prefix()?),
        None => {}
    }
    // Containers that share a device are in that device's own subnet.
    if wish.driver == NetworkDriver::Bridge {
        for subnet in &subnets {
            if let Some((other, holder)) = taken.iter().find(|(other, _)| overlap(*subnet, *other)) {
                return Err(NetworkError::Overlap { subnet: *subnet, other: *other, holder: holder.clone() });
            }
        }
    }
    let mut made: Vec<Subnet> = subnets.into_iter().map(plain_subnet).collect();
    for subnet in &made {
        if subnet.subnet.prefix_len() + 2 > subnet.subnet.max_prefix_len() {
            return Err(NetworkError::TooSmall { subnet: subnet.subnet });
        }
    }
    for gateway in &wish.gateways {
        let subnet = made.iter_mut().find(|it| it.subnet.contains(gateway));
        subnet.ok_or(NetworkError::OutsideSubnets { what: gateway.to_string() })?.gateway = *gateway;
    }
    for range in &wish.ranges {
        let subnet = made.iter_mut().find(|it| it.subnet.contains(range));
        subnet.ok_or(NetworkError::OutsideSubnets { what: range.to_string() })?.range = Some(range.trunc());
    }
    Ok(made)
}

/// With the first address for the gateway.
fn plain_subnet(subnet: IpNet) -> Subnet {
    let gateway = subnet.hosts().next().unwrap_or(subnet.network());
    // An IPv6 subnet's first host is the subnet itself, which routers answer to (RFC 4291, 2.6.1).
    let gateway = match (subnet, gateway) {
        (IpNet::V6(it), IpAddr::V6(first)) if first == it.network() => IpAddr::V6((u128::from(first) + 1).into()),
        _ => gateway,
    };
    Subnet { subnet, gateway, range: None }
}

/// The first subnet of the pools that nothing else has.
fn free_subnet(taken: &[(IpNet, String)]) -> Result<IpNet> {
    let pools = POOLS.iter().map(|text| known(text));
    let mut all = pools.flat_map(|pool| pool.subnets(POOL_LENGTH).expect("pools are larger"));
    all.find(|subnet| !overlaps(*subnet, taken)).ok_or(NetworkError::NoSubnetLeft)
}

/// A /64 of a random unique local prefix (RFC 4193).
fn local_prefix() -> Result<IpNet> {
    let failed = |error| NetworkError::io("make", Path::new("a random prefix"), error);
    let [a, b, c, d, e, f, g]: [u8; 7] = random::bytes().map_err(failed)?;
    let octets = [0xfd, a, b, c, d, e, f, g, 0, 0, 0, 0, 0, 0, 0, 0];
    Ok(Ipv6Net::new(octets.into(), 64).expect("a length of 64").into())
}

/// What the machine's own addresses and routes reach, and by what.
fn taken_by_machine(links: &mut Links) -> Result<Vec<(IpNet, String)>> {
    let names: BTreeMap<u32, String> = links.all()?.into_iter().map(|link| (link.index, link.name)).collect();
    let shown =
        |index: Option<u32>| index.and_then(|index| names.get(&index)).map_or("a route", String::as_str).to_owned();
    let mut taken: Vec<(IpNet, String)> =
        links.addresses()?.into_iter().map(|(link, address)| (address.trunc(), shown(Some(link)))).collect();
    for route in links.routes()? {
        if let Some(to) = route.to.filter(|to| to.prefix_len() > 0) {
            taken.push((to.trunc(), shown(route.link)));
        }
    }
    Ok(taken)
}

fn overlaps(subnet: IpNet, taken: &[(IpNet, String)]) -> bool {
    taken.iter().any(|(other, _)| overlap(subnet, *other))
}

fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

fn known(text: &str) -> IpNet {
    text.parse::<Ipv4Net>().expect("a constant subnet").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(name: &str) -> NetworkWish {
        NetworkWish {
            name: name.parse().expect("a name"),
            driver: NetworkDriver::Bridge,
            subnets: vec![],
            gateways: vec![],
            ranges: vec![],
            ipv6: false,
            internal: false,
            mtu: None,
            link: None,
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
        }
    }

    fn book() -> (tempfile::TempDir, Book) {
        let folder = tempfile::tempdir().expect("a folder");
        let book = Book::open(&folder.path().join("networks")).expect("open");
        (folder, book)
    }

    fn with_subnet(name: &str, subnet: &str) -> NetworkWish {
        NetworkWish { subnets: vec![subnet.parse().expect("a subnet")], ..wish(name) }
    }

    #[test]
    fn networks_get_subnets_of_their_own_and_are_found_again() {
        let (_folder, book) = book();
        let (one, two) = (book.create(&wish("one")).expect("one"), book.create(&wish("two")).expect("two"));
        assert!(!overlap(one.subnets[0].subnet, two.subnets[0].subnet), "{one:?} {two:?}");
        assert_eq!(one.subnets[0].subnet.prefix_len(), 24);
        assert_eq!(book.find("one").expect("by name"), one);
        assert_eq!(book.find(&two.id.as_str()[..12]).expect("by id"), two);
        assert_eq!(book.find(DEFAULT_NETWORK).expect("always there").link, DEFAULT_LINK);
        let names: Vec<_> = book.all().expect("all").into_iter().map(|it| it.name.to_string()).collect();
        assert_eq!(names, ["bridge", "one", "two"]);
        let stay = book.stay(&one).expect("it is there");
        let with_another = book.stay(&one).expect("for many");
        drop(stay);
        assert!(book.close(&one).expect("it is there").is_none(), "somebody stays in it");
        drop(with_another);
        let closed = book.close(&one).expect("it is there").expect("nobody is in it");
        let waiting = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| book.stay(&one));
            std::thread::sleep(std::time::Duration::from_millis(50));
            closed.forget().expect("remove");
            waiting.join().expect("the thread")
        });
        assert!(matches!(waiting, Err(NetworkError::NoSuchNetwork { .. })), "{waiting:?}");
        assert!(matches!(book.close(&one), Err(NetworkError::NoSuchNetwork { .. })));
        assert!(matches!(book.find("one"), Err(NetworkError::NoSuchNetwork { .. })));
        let default = book.find("bridge").expect("it");
        assert!(matches!(book.close(&default), Err(NetworkError::DefaultStays)));
        assert!(book.stay(&default).expect("always").is_none());
    }

    #[test]
    fn wishes_that_cannot_be_are_refused() {
        let (_folder, book) = book();
        book.create(&with_subnet("aa", "10.200.7.0/24")).expect("a network");
        for taken in ["aa", "host", "none", "bridge"] {
            assert!(matches!(book.create(&wish(taken)), Err(NetworkError::NameTaken { .. })), "{taken}");
        }
        let error = book.create(&with_subnet("bb", "10.200.0.0/16")).expect_err("overlaps").to_string();
        assert!(error.contains("10.200.7.0/24") && error.contains("network aa"), "{error}");
        assert!(matches!(book.create(&with_subnet("cc", "127.0.0.0/24")), Err(NetworkError::Overlap { .. })));
        assert!(matches!(book.create(&with_subnet("dd", "10.201.0.0/31")), Err(NetworkError::TooSmall { .. })));
        let gateway = "10.202.0.1".parse().expect("an address");
        let outside = NetworkWish { gateways: vec![gateway], ..with_subnet("ee", "10.203.0.0/24") };
        assert!(matches!(book.create(&outside), Err(NetworkError::OutsideSubnets { .. })));
        let parentless = NetworkWish { driver: NetworkDriver::Macvlan, ..wish("ff") };
        assert!(matches!(book.create(&parentless), Err(NetworkError::ParentWanted { .. })));
        let long = NetworkWish { link: Some("a-name-too-long-for-a-link".to_owned()), ..wish("gg") };
        assert!(matches!(book.create(&long), Err(NetworkError::LinkName { .. })));
        assert_eq!(book.all().expect("all").len(), 2, "nothing was half made");
    }

    #[test]
    fn ipv6_networks_have_a_local_prefix_and_a_gateway() {
        let (_folder, book) = book();
        let both = book.create(&NetworkWish { ipv6: true, ..wish("both") }).expect("a network");
        let [four, six] = &both.subnets[..] else { panic!("two subnets: {both:?}") };
        assert!(four.subnet.addr().is_ipv4() && six.subnet.to_string().starts_with("fd"));
        assert!(six.gateway.to_string().ends_with("::1"), "{six:?}");
        let only = book.create(&with_subnet("only", "fd12:3456::/64")).expect("a network");
        assert_eq!(only.subnets.len(), 1);
    }
}
