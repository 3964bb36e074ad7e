//! Interfaces and what they move, made by hand.

use crate::model::{InterfaceCounters, InterfaceRates};

/// How a container's traffic is divided among its interfaces.
fn shares(container: u8) -> &'static [(&'static str, f64)] {
    match container {
        1 => &[("eth0", 1.0)],
        2 => &[("eth0", 0.7), ("eth1", 0.3)],
        _ => &[],
    }
}

/// What a container's interfaces have moved, of so many bytes a second in all.
pub fn counters(container: u8, bytes: f64) -> Vec<InterfaceCounters> {
    let counters = |(name, share): &(&str, f64)| {
        let (received, sent) = (bytes * 1000.0 * share, bytes * 300.0 * share);
        InterfaceCounters {
            name: (*name).to_owned(),
            received_bytes: received as u64,
            received_packets: (received / 900.0) as u64,
            received_dropped: if *name == "eth1" { 17 } else { 0 },
            sent_bytes: sent as u64,
            sent_packets: (sent / 400.0) as u64,
            ..InterfaceCounters::default()
        }
    };
    shares(container).iter().map(counters).collect()
}

pub fn rates(container: u8, bytes: f64) -> Vec<InterfaceRates> {
    let rates = |(name, share): &(&str, f64)| InterfaceRates {
        name: (*name).to_owned(),
        received: bytes * share,
        sent: bytes * share / 4.0,
        received_packets: bytes * share / 900.0,
        sent_packets: bytes * share / 1600.0,
        lost_packets: 0.0,
    };
    shares(container).iter().map(rates).collect()
}
