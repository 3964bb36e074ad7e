//! What `inspect` says of a container's networks and ports, with Docker's keys.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::network::mac;
use crate::model::{
    ContainerConfig, ContainerInspect, DEFAULT_NETWORK, Endpoint, EndpointWish, ExposedPort, NetworkMode,
};

/// `NetworkMode`: `none`, `host`, `container:ID` or the first network's name.
pub fn mode(config: &ContainerConfig) -> String {
    match &config.network {
        NetworkMode::None => "none".to_owned(),
        NetworkMode::Host => "host".to_owned(),
        NetworkMode::Networks => config.networks.first().map_or("none", |wish| wish.network.as_str()).to_owned(),
        NetworkMode::Container(target) => format!("container:{target}"),
    }
}

/// `HostConfig`'s part: what was asked for.
pub fn host(config: &ContainerConfig) -> Map<String, Value> {
    let mut bindings: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for wish in &config.ports {
        let key = ExposedPort { port: wish.container_port, protocol: wish.protocol }.to_string();
        let text = |part: Option<String>| part.unwrap_or_default();
        bindings.entry(key).or_default().push(json!({
            "HostIp": text(wish.host.map(|host| host.to_string())),
            "HostPort": text(wish.host_port.map(|port| port.to_string())),
        }));
    }
    let hosts: Vec<String> = config.extra_hosts.iter().filter_map(|line| extra_host(line)).collect();
    let value = json!({
        "NetworkMode": mode(config),
        "PortBindings": bindings,
        "PublishAllPorts": config.publish_all,
        "ExtraHosts": hosts,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A line of /etc/hosts as `--add-host` takes it.
fn extra_host(line: &str) -> Option<String> {
    let (address, name) = line.split_once('\t')?;
    Some(format!("{name}:{address}"))
}

/// `Config.ExposedPorts`: what the image and the user say it serves, and what is published.
pub fn exposed(config: &ContainerConfig) -> Value {
    let published = config.ports.iter().map(|wish| ExposedPort { port: wish.container_port, protocol: wish.protocol });
    let all = config.exposed.iter().copied().chain(published);
    Value::Object(all.map(|port| (port.to_string(), json!({}))).collect())
}

/// `NetworkSettings`: how it is connected now.
pub fn settings(inspect: &ContainerInspect) -> Value {
    let config = &inspect.record.config;
    let running = inspect.state.is_running();
    let mut networks = Map::new();
    match &config.network {
        NetworkMode::Networks => {
            for wish in &config.networks {
                let endpoint = inspect.networks.iter().find(|endpoint| is_for(wish, endpoint));
                let name = endpoint.map_or(wish.network.as_str(), |endpoint| endpoint.network_name.as_str());
                networks.insert(name.to_owned(), network(wish, endpoint));
            }
        }
        NetworkMode::None | NetworkMode::Host => {
            networks.insert(mode(config), network(&EndpointWish::default(), None));
        }
        NetworkMode::Container(_) => {}
    }
    let mut ports: BTreeMap<String, Value> = BTreeMap::new();
    if running {
        for port in &config.exposed {
            ports.insert(port.to_string(), Value::Null);
        }
        for port in &inspect.ports {
            let key = ExposedPort { port: port.container_port, protocol: port.protocol }.to_string();
            let binding = json!({"HostIp": port.host.to_string(), "HostPort": port.host_port.to_string()});
            match ports.entry(key).or_insert(Value::Null) {
                Value::Array(bindings) => bindings.push(binding),
                empty => *empty = json!([binding]),
            }
        }
    }
    let mut value = json!({
        "SandboxKey": inspect.state.pid().map(|pid| format!("/proc/{pid}/ns/net")).unwrap_or_default(),
        "Ports": ports,
        "Networks": networks,
    });
    // Docker's older keys, which only the default network has.
    let first = inspect.networks.iter().find(|endpoint| endpoint.network_name.as_str() == DEFAULT_NETWORK);
    if let Some(object) = value.as_object_mut() {
        object.extend(addresses(first));
        object.insert("MacAddress".to_owned(), first.map(|endpoint| mac(endpoint.mac)).unwrap_or_default().into());
    }
    value
}

/// Whether the endpoint is what the wish came to.
fn is_for(wish: &EndpointWish, endpoint: &Endpoint) -> bool {
    let text = wish.network.as_str();
    text == endpoint.network_name.as_str() || (text.len() >= 4 && endpoint.network.as_str().starts_with(text))
}

fn network(wish: &EndpointWish, endpoint: Option<&Endpoint>) -> Value {
    let wished = [("IPv4Address", wish.address), ("IPv6Address", wish.address6)];
    let wished: Map<String, Value> = wished
        .into_iter()
        .filter_map(|(key, address)| Some((key.to_owned(), Value::from(address?.to_string()))))
        .collect();
    let mut value = json!({
        "IPAMConfig": if wished.is_empty() { Value::Null } else { Value::Object(wished) },
        "Aliases": wish.aliases,
        "NetworkID": endpoint.map(|endpoint| endpoint.network.to_string()).unwrap_or_default(),
        "MacAddress": endpoint.map(|endpoint| mac(endpoint.mac)).unwrap_or_default(),
        "Link": endpoint.map(|endpoint| endpoint.link.clone()).unwrap_or_default(),
    });
    if let Some(object) = value.as_object_mut() {
        object.extend(addresses(endpoint));
    }
    value
}

fn addresses(endpoint: Option<&Endpoint>) -> Map<String, Value> {
    let address = |v6: bool| -> Option<IpNet> {
        endpoint?.addresses.iter().find(|address| address.addr().is_ipv6() == v6).copied()
    };
    let gateway = |v6: bool| -> Option<IpAddr> { endpoint?.gateways.iter().find(|it| it.is_ipv6() == v6).copied() };
    let text = |part: Option<IpAddr>| part.map(|it| it.to_string()).unwrap_or_default();
    let length = |address: Option<IpNet>| address.map_or(0, |address| address.prefix_len());
    let value = json!({
        "IPAddress": text(address(false).map(|it| it.addr())),
        "IPPrefixLen": length(address(false)),
        "Gateway": text(gateway(false)),
        "GlobalIPv6Address": text(address(true).map(|it| it.addr())),
        "GlobalIPv6PrefixLen": length(address(true)),
        "IPv6Gateway": text(gateway(true)),
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContainerState, PortWish, Protocol, PublishedPort, Timestamp};

    #[test]
    fn settings_have_dockers_shape() {
        let mut inspect = super::super::inspect::sample();
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        inspect.state = ContainerState::Running { pid: 7, started: Timestamp::EPOCH };
        let config = &mut inspect.record.config;
        config.network = NetworkMode::Networks;
        config.networks = vec![
            EndpointWish { network: "bridge".to_owned(), ..EndpointWish::default() },
            EndpointWish {
                network: "lan".to_owned(),
                address: Some(address("10.5.0.9")),
                aliases: vec!["db".to_owned()],
                ..EndpointWish::default()
            },
        ];
        config.exposed = ExposedPort::parse("443").expect("a port");
        config.ports =
            vec![PortWish { protocol: Protocol::Tcp, host: None, host_port: Some(8080), container_port: 80 }];
        config.extra_hosts = vec!["10.0.0.5\tdb".to_owned()];
        inspect.ports = vec![PublishedPort {
            protocol: Protocol::Tcp,
            host: address("127.0.0.1"),
            host_port: 8080,
            container_port: 80,
        }];
        inspect.networks = vec![Endpoint {
            network: crate::model::Id::from_bytes([9; 32]),
            network_name: "bridge".parse().expect("a name"),
            link: "eth0".to_owned(),
            outer: None,
            addresses: vec!["10.91.0.2/16".parse().expect("a subnet"), "fd00::2/64".parse().expect("a subnet")],
            gateways: vec![address("10.91.0.1"), address("fd00::1")],
            mac: [2, 0x42, 10, 91, 0, 2],
            aliases: vec![],
        }];
        let config = &inspect.record.config;
        let all =
            json!({"NetworkSettings": settings(&inspect), "HostConfig": host(config), "ExposedPorts": exposed(config)});
        insta::assert_snapshot!(serde_json::to_string_pretty(&all).expect("json"));
    }
}
