//! The firewall: address translation, published ports, isolation; nftables by netlink, no program run.
//!
//! All is in one table, `inet teu`, whose rules never change: a container or network adds and removes elements of sets and
//! maps, in one batch that the kernel takes whole or not at all.

mod element;
mod expression;
mod others;
mod redirect;
mod table;

use rustix::io::Errno;

use self::element::Element;
pub use self::others::ForeignChain;
pub use self::redirect::{Redirect, redirect};
use self::table::{SUBSYSTEM, TABLE, Verb, message};
use super::{NetworkError, NetworkRules, PortRule, Result};
use crate::sys::netlink::{Message, Netlink, Refusal};

/// Everything that is to stand in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    pub networks: Vec<NetworkRules>,
    pub ports: Vec<PortRule>,
}

/// The table of the network namespace that the calling thread was in.
#[derive(Debug)]
pub struct Firewall {
    netlink: Netlink,
}

impl Firewall {
    pub fn open() -> Result<Self> {
        let netlink = Netlink::netfilter().map_err(|error| failure("cannot reach nftables", error))?;
        Ok(Self { netlink })
    }

    /// Holds next to no memory until it is used again.
    pub fn rest(&mut self) {
        self.netlink.rest();
    }

    /// Whether the table is there, with this teu's rules. It is not after the machine's start, when somebody flushed the
    /// ruleset, or when another version of teu made it.
    pub fn is_there(&mut self) -> Result<bool> {
        match self.netlink.get(&message(Verb::GetTable, 0).text(1, TABLE)) {
            Ok(answer) => Ok(table::is_current(&answer)),
            Err(refusal) if refusal.errno == Errno::NOENT => Ok(false),
            Err(refusal) => Err(failure("cannot look for the table inet teu", refusal)),
        }
    }

    /// Makes the table anew with all that belongs into it, in one step: no packet sees it half made.
    pub fn rebuild(&mut self, whole: &Whole) -> Result<()> {
        let mut elements: Vec<Element> = whole.networks.iter().flat_map(element::of_network).collect();
        elements.extend(whole.ports.iter().map(element::of_port));
        let mut batch = table::anew();
        batch.extend(element::add(&elements));
        self.send(&batch, "cannot make the table inet teu")
    }

    /// Adds a network's link and subnets.
    pub fn add_network(&mut self, network: &NetworkRules) -> Result<()> {
        let batch = element::add(&element::of_network(network));
        self.send(&batch, "cannot add the network to the table inet teu")
    }

    pub fn remove_network(&mut self, network: &NetworkRules) -> Result<()> {
        let batch = element::remove(&element::of_network(network));
        self.send(&batch, "cannot remove the network from the table inet teu")
    }

    /// Publishes all of these ports, or none. One that is published already, to another container, is refused.
    pub fn publish(&mut self, ports: &[PortRule]) -> Result<()> {
        let elements: Vec<Element> = ports.iter().map(element::of_port).collect();
        self.send(&element::add(&elements), "cannot publish ports")
    }

    /// Takes back what [`Firewall::publish`] did. What is not there is passed over, also the whole table.
    pub fn withdraw(&mut self, ports: &[PortRule]) -> Result<()> {
        let elements: Vec<Element> = ports.iter().map(element::of_port).collect();
        match self.send(&element::remove(&elements), "cannot withdraw ports") {
            Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::NOENT => Ok(()),
            // Another container's is there by now: only what is ours goes, one by one.
            Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::EXIST => {
                let one_by_one = elements.iter().map(|element| {
                    match self.send(&element::remove(std::slice::from_ref(element)), "cannot withdraw a port") {
                        Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::EXIST => Ok(()),
                        result => result,
                    }
                });
                one_by_one.collect()
            }
            result => result,
        }
    }

    /// Removes the table, and with it everything that teu has in the firewall.
    pub fn remove(&mut self) -> Result<()> {
        match self.send(&[message(Verb::DeleteTable, 0).text(1, TABLE)], "cannot remove the table inet teu") {
            Err(NetworkError::Kernel { refusal, .. }) if refusal.errno == Errno::NOENT => Ok(()),
            result => result,
        }
    }

    fn send(&mut self, batch: &[Message], doing: &'static str) -> Result<()> {
        self.netlink.batch(SUBSYSTEM, batch).map_err(|error| failure(doing, error))
    }
}

fn failure(doing: &'static str, refusal: Refusal) -> NetworkError {
    NetworkError::Kernel { doing, what: String::new(), refusal }
}
