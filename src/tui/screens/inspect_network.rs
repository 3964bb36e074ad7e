//! What is known of a network, put into sections of lines.

use super::inspect_lines::{Line, section};
use crate::engine::NetworkInspect;
use crate::tui::figures;

/// A network's sections.
pub fn of_network(it: &NetworkInspect) -> Vec<Line> {
    let network = &it.network;
    let mut lines = Vec::new();
    let yes_no = |on: bool| if on { "yes" } else { "no" };
    section(
        &mut lines,
        "Network",
        vec![
            Line::pair("Name", network.name.as_str()),
            Line::pair("Id", network.id.as_str()),
            Line::pair("Driver", network.driver.name()),
            Line::pair("Created", figures::date(network.created)),
            Line::pair("Link", &network.link),
            Line::pair("Largest packet", format!("{} bytes", network.mtu.unwrap_or(1500))),
            Line::pair("Internal", yes_no(network.internal)),
        ],
    );
    for subnet in &network.subnets {
        let mut facts = vec![
            Line::pair("Subnet", subnet.subnet.to_string()),
            Line::pair("Gateway", subnet.gateway.to_string()),
            Line::pair("Leased from", subnet.range.map_or("all of it".to_owned(), |range| range.to_string())),
        ];
        let count = it.leases.iter().find(|count| count.subnet == subnet.subnet);
        facts.extend(
            count.map(|count| Line::pair("Leased", format!("{} of {}", count.used, figures::thousands(count.all)))),
        );
        section(&mut lines, if subnet.subnet.addr().is_ipv6() { "IPv6" } else { "IPv4" }, facts);
    }
    for (id, name, endpoint) in &it.containers {
        let addresses: Vec<String> = endpoint.addresses.iter().map(ToString::to_string).collect();
        let mut facts = vec![
            Line::pair("Id", id.short()),
            Line::pair(
                "Link",
                match &endpoint.outer {
                    Some(outer) => format!("{}, here {outer}", endpoint.link),
                    None => endpoint.link.clone(),
                },
            ),
            Line::pair("Addresses", addresses.join("  ")),
            Line::pair("Hardware address", endpoint.mac.map(|byte| format!("{byte:02x}")).join(":")),
        ];
        if !endpoint.aliases.is_empty() {
            facts.push(Line::pair("Aliases", endpoint.aliases.join(", ")));
        }
        section(&mut lines, &format!("Container {name}"), facts);
    }
    let pairs = |pairs: &std::collections::BTreeMap<String, String>| {
        pairs.iter().map(|(key, value)| Line::pair(key, value)).collect::<Vec<_>>()
    };
    section(&mut lines, "Options", pairs(&network.options));
    section(&mut lines, "Labels", pairs(&network.labels));
    lines
}

/// The same as JSON.
pub fn json(it: &NetworkInspect) -> serde_json::Value {
    let containers: Vec<_> = it
        .containers
        .iter()
        .map(|(id, name, endpoint)| serde_json::json!({ "id": id, "name": name, "endpoint": endpoint }))
        .collect();
    let leases: Vec<_> = it
        .leases
        .iter()
        .map(|count| serde_json::json!({ "subnet": count.subnet, "used": count.used, "all": count.all }))
        .collect();
    serde_json::json!({ "network": it.network, "containers": containers, "leases": leases })
}
