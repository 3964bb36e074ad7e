//! An ordinary user's containers: pasta carries them to the world, in the place of this machine's bridges and firewall.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::{CONNECTED, Connected, Wires};
use crate::model::{DEFAULT_NETWORK, Id, Network, NetworkDriver, Protocol, PublishedPort};
use crate::monitor::WireError;
use crate::network::pasta::{self, Pasta};
use crate::network::{self, Hub, NetworkError};
use crate::runtime::{Entrance, RuntimeError};

/// A running container's way out.
#[derive(Debug, Default)]
pub(super) struct WayOut {
    /// Open while it runs: pasta opens them by this process's descriptors.
    entrance: Option<Entrance>,
    pasta: Option<Pasta>,
    /// What it does.
    carried: Option<(Way, Vec<PublishedPort>)>,
    /// The user's bridges, if the container is in a network that has one.
    hub: Option<Hub>,
    /// When pasta was started last.
    begun: Option<Instant>,
    /// When another one takes the place of a pasta that has died.
    again: Option<Instant>,
    /// Before the next of them.
    pause: Duration,
}

/// Before another pasta takes the place of one that died. Each time that it dies soon the pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What pasta's link to a container is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    link: String,
    mac: Option<[u8; 6]>,
    mtu: Option<u32>,
    /// Each with its gateway.
    addresses: Vec<(IpNet, IpAddr)>,
}

/// Pasta's link beside those of the user's own networks, and its addresses there: of a link (RFC 3927) and of a unique local
/// prefix, so that they are in no network's way.
const LINK: &str = "pasta0";
const OWN_LINK: [(&str, &str); 2] =
    [("169.254.126.2/30", "169.254.126.1"), ("fd7e:7e75:7e75::2/64", "fd7e:7e75:7e75::1")];

impl WayOut {
    /// Root's containers have this machine's own links and need none.
    pub(super) fn of_this_user() -> Option<Self> {
        (!rustix::process::geteuid().is_root()).then(Self::default)
    }

    pub(super) fn open(&mut self, pid: i32, entrance: Option<Entrance>) -> Result<(), WireError> {
        let failed = |error: RuntimeError| WireError {
            kind: error.kind(),
            message: format!(
                "an ordinary user's container cannot share others' namespaces and be in networks: {error}"
            ),
        };
        self.entrance = Some(entrance.map_or_else(|| Entrance::of(pid), Ok).map_err(failed)?);
        Ok(())
    }

    /// The namespaces of the container, while it runs.
    pub(super) fn entrance(&self) -> Option<&Entrance> {
        self.entrance.as_ref()
    }

    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// A child of this process has ended. If it was pasta, another one is to take its place: its link has gone with it.
    pub(super) fn look_after_pasta(&mut self) {
        if self.pasta.as_ref().is_some_and(Pasta::has_ended) {
            self.pasta = None;
            if self.begun.is_some_and(|begun| begun.elapsed() > LONGEST_PAUSE) {
                self.pause = FIRST_PAUSE;
            }
            self.put_off();
        }
    }

    fn put_off(&mut self) {
        let pause = self.pause.max(FIRST_PAUSE);
        self.again = Some(Instant::now() + pause);
        self.pause = (pause * 2).min(LONGEST_PAUSE);
    }

    pub(super) fn replaced_at(&self) -> Option<Instant> {
        self.again
    }
}

/// Whether an ordinary user's container can be in this network.
pub(super) fn check_network(network: &Network) -> network::Result<()> {
    match network.driver {
        NetworkDriver::Bridge => Ok(()),
        driver => Err(NetworkError::RootsOnly { network: network.name.to_string(), driver: driver.name() }),
    }
}

/// The default network is pasta's link itself; others are the user's own bridges.
pub(super) fn is_carried(network: &Network) -> bool {
    network.name.as_str() == DEFAULT_NETWORK
}

impl Wires {
    /// Before anything is started: what cannot be is refused.
    pub(super) fn check_way_out(&self) -> network::Result<()> {
        if self.way_out.is_none() {
            return Ok(());
        }
        if self.way().is_some() && pasta::find().is_none() {
            return Err(NetworkError::NoPasta);
        }
        pasta::check(self.held.iter().map(|held| &held.port))
    }

    /// The container's process to be inherits what is open when it is cloned, and would hold the ports against pasta.
    pub(super) fn leave_ports_to_pasta(&mut self) {
        if self.way_out.is_some() {
            self.held.iter_mut().for_each(network::HeldPort::let_go);
        }
    }

    /// All of the container's networks, and its way out.
    pub(super) fn join_as_user(&mut self) -> network::Result<()> {
        for index in 0..self.endpoints.len() {
            self.attach_as_user(index)?;
        }
        self.carry()?;
        self.write_connected()
    }

    /// A link to the network's bridge, unless pasta's own is meant.
    pub(super) fn attach_as_user(&mut self, index: usize) -> network::Result<()> {
        let network = &self.plan.networks[index].0;
        let Some(way_out) = self.way_out.as_mut().filter(|_| !is_carried(network)) else { return Ok(()) };
        let Some(entrance) = &way_out.entrance else { return Ok(()) };
        let hub = match &mut way_out.hub {
            Some(hub) => hub,
            none => none.insert(Hub::open(&self.plan.machine, &self.plan.id)?),
        };
        hub.attach(network, &self.endpoints[index], entrance.user.as_fd(), entrance.network.as_fd())
    }

    pub(super) fn detach_as_user(&mut self, index: usize) -> network::Result<()> {
        let hub = self.way_out.as_mut().and_then(|way_out| way_out.hub.as_mut());
        hub.map_or(Ok(()), |hub| hub.detach(&self.endpoints[index]))
    }

    /// Lets go of the user's bridges where the container is in no network any more that has one.
    pub(super) fn leave_hub(&mut self) {
        if self.endpoints.iter().all(|endpoint| endpoint.outer.is_none())
            && let Some(way_out) = &mut self.way_out
        {
            way_out.hub = None;
        }
    }

    /// Lets pasta do what is so now. It cannot change its ports while it runs, so another one takes its place where something
    /// is different; what the first had open is cut.
    pub(super) fn carry(&mut self) -> network::Result<()> {
        pasta::check(self.held.iter().map(|held| &held.port))?;
        self.leave_ports_to_pasta();
        let way = self.way();
        let ports: Vec<PublishedPort> = self.held.iter().map(|held| held.port.clone()).collect();
        let Some(way_out) = &mut self.way_out else { return Ok(()) };
        let done = way.map(|way| (way, ports));
        if way_out.pasta.is_some() && way_out.carried == done {
            return Ok(());
        }
        (way_out.pasta, way_out.carried) = (None, None);
        let (Some((way, ports)), Some(entrance)) = (done, &way_out.entrance) else { return Ok(()) };
        let wish = pasta::Wish {
            user: entrance.user.as_fd(),
            network: entrance.network.as_fd(),
            folder: &self.plan.run_folder,
            link: &way.link,
            mac: way.mac,
            mtu: way.mtu,
            addresses: way.addresses.clone(),
            ports: ports.clone(),
        };
        way_out.pasta = Some(Pasta::start(&wish)?);
        way_out.carried = Some((way, ports));
        (way_out.begun, way_out.again) = (Some(Instant::now()), None);
        Ok(())
    }

    /// Where pasta has died and the pause after that is over.
    pub(super) fn replace_pasta(&mut self) {
        let due = |way_out: &WayOut| way_out.again.is_some_and(|at| at <= Instant::now());
        if !self.way_out.as_ref().is_some_and(due) {
            return;
        }
        let carried = self.carry();
        if let Some(way_out) = &mut self.way_out {
            match carried {
                Ok(()) => way_out.again = None,
                Err(_) => way_out.put_off(),
            }
        }
    }

    /// The link by which the container reaches the world: that of the default network, or one beside those of its networks;
    /// none if it may not.
    fn way(&self) -> Option<Way> {
        let joined = || self.plan.networks.iter().map(|(network, _)| network).zip(&self.endpoints);
        if let Some((network, endpoint)) = joined().find(|(network, _)| is_carried(network)) {
            let pairs = endpoint.addresses.iter().copied().zip(endpoint.gateways.iter().copied());
            let (link, mac) = (endpoint.link.clone(), Some(endpoint.mac));
            return Some(Way { link, mac, mtu: network.mtu, addresses: pairs.collect() });
        }
        let mut open = joined().filter(|(network, _)| !network.internal).peekable();
        open.peek()?;
        let v6 = open.any(|(_, endpoint)| endpoint.addresses.iter().any(|address| address.addr().is_ipv6()));
        let own = OWN_LINK.iter().filter(|(address, _)| !address.contains(':') || v6);
        let parsed = own.map(|(address, gateway)| {
            (address.parse().expect("a constant address"), gateway.parse().expect("a constant address"))
        });
        Some(Way { link: LINK.to_owned(), mac: None, mtu: None, addresses: parsed.collect() })
    }

    /// The address by which the container reaches this machine: the one that packets to the world leave by. There is none on a
    /// machine that is in no network, nor for a container that may not leave its own.
    pub(super) fn this_machine(&self) -> Option<IpAddr> {
        self.way()?;
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        // Sends nothing: the kernel only looks which way it would go (an address of RFC 5737, which nobody has).
        socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    }

    /// The running container of this store that has published a port.
    pub(super) fn publisher_by_pasta(&self, protocol: Protocol, address: SocketAddr) -> Option<Id> {
        let lives = std::fs::read_dir(self.plan.run_folder.parent()?).ok()?.flatten();
        let publishes = |id: &Id| {
            let path = self.plan.run_folder.with_file_name(id.as_str()).join(CONNECTED);
            let connected = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Connected>(&bytes).ok());
            let same = |port: &PublishedPort| {
                (port.protocol, port.host_port) == (protocol, address.port())
                    && (port.host == address.ip() || port.host.is_unspecified() || address.ip().is_unspecified())
            };
            *id != self.plan.id && connected.is_some_and(|connected| connected.ports.iter().any(same))
        };
        lives.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(publishes)
    }
}
