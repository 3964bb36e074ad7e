//! Networks: bridges, links, addresses and routes by rtnetlink, the firewall by nfnetlink. Runs no other program.

mod attach;
mod book;
mod conntrack;
mod error;
mod firewall;
mod hub;
mod identity;
mod lease;
mod link;
mod machine;
pub mod pasta;
mod ports;
mod resolver;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::Protocol;

pub use attach::{attach, detach, lead_out, mac_of};
pub use book::{Book, Closed, Collision, NetworkWish, Stay};
pub use error::NetworkError;
pub use firewall::{Firewall, ForeignChain, Redirect, Whole, redirect};
pub use hub::Hub;
pub use lease::{Lease, check_wish, leasable};
pub use link::{Inner, Link, Links, Mac, Route, Shared};
pub use machine::{Machine, lack};
pub use ports::{HeldPort, hold};
pub use resolver::{Fit, Listed, Listing, Resolver, ResolverWish};

/// What every function of this room returns.
pub type Result<T> = std::result::Result<T, NetworkError>;

/// A network as the firewall knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRules {
    /// The bridge's name, at most 15 bytes.
    pub link: String,
    pub subnets: Vec<IpNet>,
    /// Reaches nothing outside, and nothing outside reaches it.
    pub internal: bool,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRule {
    pub protocol: Protocol,
    /// The address of this machine it is published on; none is all of them.
    pub host: Option<IpAddr>,
    pub host_port: u16,
    pub container: IpAddr,
    pub container_port: u16,
}
