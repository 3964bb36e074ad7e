//! `network …` and `port`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::failure::{Failure, Outcome};
use super::filter::{Filters, label_holds, name_holds};
use super::format::{Column, Format, Row, show};
use super::inspect::{show_found, template};
use super::lifecycle::reported;
use super::output::Output;
use super::{networking, wording};
use crate::engine::{Engine, NetworkInspect, NetworkWish};
use crate::model::{DEFAULT_NETWORK, EndpointWish, Id, Network, NetworkDriver};

/// Networks that containers can be in.
#[derive(Subcommand, Clone, Debug)]
pub enum NetworkCommand {
    Create(Create),
    /// List networks
    #[command(alias = "list")]
    Ls(List),
    Inspect(Inspect),
    #[command(alias = "remove")]
    Rm(Remove),
    Prune(Prune),
    Connect(Connect),
    Disconnect(Disconnect),
}

/// Define a network; its bridge is made when the first container joins.
#[derive(Args, Clone, Debug)]
pub struct Create {
    /// bridge, macvlan or ipvlan
    #[arg(short, long, default_value = "bridge")]
    driver: NetworkDriver,
    /// Its addresses, such as 10.5.0.0/24; one of IPv4 and one of IPv6
    #[arg(long, value_name = "SUBNET")]
    subnet: Vec<IpNet>,
    /// The machine's address in it
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<IpAddr>,
    /// The part of the subnet that containers get addresses of
    #[arg(long, value_name = "SUBNET")]
    ip_range: Vec<IpNet>,
    /// Also IPv6
    #[arg(long)]
    ipv6: bool,
    /// Its containers reach each other and nothing else
    #[arg(long)]
    internal: bool,
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// parent=DEVICE for macvlan and ipvlan; com.docker.network.bridge.name=NAME; com.docker.network.driver.mtu=BYTES
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    #[arg(value_name = "NETWORK")]
    name: String,
}

#[derive(Args, Clone, Debug)]
pub struct List {
    /// Only ids
    #[arg(short, long)]
    quiet: bool,
    /// Do not cut ids
    #[arg(long)]
    no_trunc: bool,
    /// json, a template such as {{.Name}}, or table and a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// name=, id=, driver=, label=, scope=local, type=builtin|custom, dangling=true|false (no running container in it)
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

/// Everything known of networks, as JSON.
#[derive(Args, Clone, Debug)]
pub struct Inspect {
    /// A template such as {{.Driver}}, or json
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

/// Remove networks.
#[derive(Args, Clone, Debug)]
pub struct Remove {
    /// No error for one that is not there
    #[arg(short, long)]
    force: bool,
    #[arg(required = true, value_name = "NETWORK")]
    networks: Vec<String>,
}

/// Remove networks that no container is made for.
#[derive(Args, Clone, Debug)]
pub struct Prune {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// label=
    #[arg(long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

/// Put a container into a network, at once if it runs, and for each later start.
#[derive(Args, Clone, Debug)]
pub struct Connect {
    /// Its IPv4 address there
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Its IPv6 address there
    #[arg(long, value_name = "ADDRESS")]
    ip6: Option<IpAddr>,
    /// The hardware address of its link there
    #[arg(long, value_name = "ADDRESS", value_parser = networking::mac)]
    mac_address: Option<networking::Mac>,
    /// A further name of it there
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    #[arg(value_name = "NETWORK")]
    network: String,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// Take a container out of a network, at once if it runs, and for each later start.
#[derive(Args, Clone, Debug)]
pub struct Disconnect {
    /// Also if its monitor does not do it
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "NETWORK")]
    network: String,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// List the ports that a container publishes.
#[derive(Args, Clone, Debug)]
pub struct Port {
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// Only this port of the container
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

const SHOWN: [Column; 4] = [("ID", "NETWORK ID"), ("Name", "NAME"), ("Driver", "DRIVER"), ("Scope", "SCOPE")];
const ALL: [Column; 5] =
    [("IPv4", "IPV4"), ("IPv6", "IPV6"), ("Internal", "INTERNAL"), ("Labels", "LABELS"), ("CreatedAt", "CREATED AT")];

pub fn network(engine: &Engine, command: &NetworkCommand) -> Outcome {
    match command {
        NetworkCommand::Create(wish) => create(engine, wish),
        NetworkCommand::Ls(wish) => list(engine, wish),
        NetworkCommand::Inspect(wish) => inspect(engine, wish),
        NetworkCommand::Rm(wish) => remove(engine, wish),
        NetworkCommand::Prune(wish) => prune(engine, wish),
        NetworkCommand::Connect(wish) => connect(engine, wish),
        NetworkCommand::Disconnect(wish) => {
            engine.network_disconnect(&wish.network, &wish.container, wish.force)?;
            Ok(0)
        }
    }
}

fn create(engine: &Engine, wish: &Create) -> Outcome {
    let options = pairs(&wish.opt)?;
    let option = |keys: &[&str]| keys.iter().find_map(|key| options.get(*key)).cloned();
    let mtu = option(&["com.docker.network.driver.mtu", "mtu"]).map(|text| {
        let mtu = text.parse().ok().filter(|mtu| (576..=65_535).contains(mtu));
        mtu.ok_or_else(|| Failure::usage(format!("invalid mtu {text:?}: 576 to 65535 bytes")))
    });
    let known = ["com.docker.network.driver.mtu", "mtu", "com.docker.network.bridge.name", "parent"];
    if let Some(unknown) = options.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(Failure::usage(format!("unknown network option {unknown:?}"))
            .with_hint(format!("there are {}", known.join(", "))));
    }
    let name = wish.name.parse();
    let name = name.map_err(|error| Failure::usage(format!("invalid network name {:?}: {error}", wish.name)))?;
    let network = engine.network_create(&NetworkWish {
        name,
        driver: wish.driver,
        subnets: wish.subnet.clone(),
        gateways: wish.gateway.clone(),
        ranges: wish.ip_range.clone(),
        ipv6: wish.ipv6,
        internal: wish.internal,
        mtu: mtu.transpose()?,
        link: option(&["parent", "com.docker.network.bridge.name"]),
        labels: pairs(&wish.label)?,
        options,
    })?;
    let mut out = Output::open();
    out.line(network.id.as_str())?;
    out.flush()?;
    Ok(0)
}

fn connect(engine: &Engine, wish: &Connect) -> Outcome {
    let endpoint = EndpointWish {
        network: wish.network.clone(),
        address: wish.ip,
        address6: wish.ip6,
        mac: wish.mac_address,
        aliases: wish.alias.clone(),
    };
    networking::check_families(&endpoint)?;
    engine.network_connect(&wish.network, &wish.container, endpoint)?;
    Ok(0)
}

fn pairs(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.is_empty() {
            Err(Failure::usage(format!("{text:?} has no key")))
        } else {
            Ok((key.to_owned(), value.to_owned()))
        }
    };
    texts.iter().map(pair).collect()
}

fn list(engine: &Engine, wish: &List) -> Outcome {
    let filters = Filters::parse(&wish.filter, &["name", "id", "driver", "label", "scope", "type", "dangling"])?;
    let used: Vec<Id> = match filters.has("dangling") {
        true => engine
            .networks_overview()?
            .into_iter()
            .filter(|it| !it.containers.is_empty())
            .map(|it| it.network.id)
            .collect(),
        false => Vec::new(),
    };
    let passes = |network: &Network| {
        filters.pass("name", |pattern| name_holds(network.name.as_str(), pattern))
            && filters.pass("id", |id| network.id.as_str().starts_with(id))
            && filters.pass("driver", |driver| network.driver.name() == driver)
            && filters.pass("scope", |scope| scope == "local")
            && filters.pass("type", |kind| (kind == "builtin") == (network.name.as_str() == DEFAULT_NETWORK))
            && filters.pass("dangling", |dangling| (dangling != "false") != used.contains(&network.id))
            && filters.pass_all("label", |label| label_holds(&network.labels, label))
    };
    let networks: Vec<Network> = engine.networks()?.into_iter().filter(passes).collect();
    let id = |network: &Network| if wish.no_trunc { network.id.to_string() } else { network.id.short().to_owned() };
    let mut out = Output::open();
    if wish.quiet && wish.format.is_none() {
        for network in &networks {
            out.line(&id(network))?;
        }
        out.flush()?;
        return Ok(0);
    }
    let has =
        |network: &Network, v6: bool| network.subnets.iter().any(|it| it.subnet.addr().is_ipv6() == v6).to_string();
    let row = |network: &Network| {
        let labels: Vec<String> = network.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let mut row = Row::new([
            ("ID", id(network)),
            ("Name", network.name.to_string()),
            ("Driver", network.driver.name().to_owned()),
            ("Scope", "local".to_owned()),
            ("IPv4", has(network, false)),
            ("IPv6", has(network, true)),
            ("Internal", network.internal.to_string()),
            ("Labels", labels.join(",")),
            ("CreatedAt", wording::moment(network.created)),
        ]);
        row.labels = Some(network.labels.clone());
        row
    };
    let mut rows: Vec<Row> = networks.iter().map(row).collect();
    if wish.filter.is_empty() {
        rows.extend(["host", "none"].map(|name| {
            let driver = if name == "none" { "null" } else { "host" };
            let fields = [("ID", String::new()), ("Name", name.to_owned()), ("Driver", driver.to_owned())];
            Row::new(fields.into_iter().chain([("Scope", "local".to_owned())]))
        }));
    }
    let format = wish.format.clone().unwrap_or_default();
    show(&mut out, &format, &SHOWN, &ALL, &rows)?;
    Ok(0)
}

fn inspect(engine: &Engine, wish: &Inspect) -> Outcome {
    let template = template(wish.format.as_deref())?;
    let mut worst = 0;
    let mut found = Vec::new();
    for target in &wish.networks {
        match engine.network_inspect(target) {
            Ok(network) => found.push(described(&network)),
            Err(error) => worst = reported(&error.into(), worst),
        }
    }
    show_found(found, template, wish.format.as_deref())?;
    Ok(worst)
}

/// Docker's keys.
pub fn described(it: &NetworkInspect) -> Value {
    let network = &it.network;
    let subnets: Vec<Value> = network
        .subnets
        .iter()
        .map(|subnet| {
            let mut shown = json!({"Subnet": subnet.subnet.to_string(), "Gateway": subnet.gateway.to_string()});
            if let Some(range) = subnet.range {
                shown["IPRange"] = range.to_string().into();
            }
            shown
        })
        .collect();
    let members: Map<String, Value> = it
        .containers
        .iter()
        .map(|(id, name, endpoint)| {
            let address = |v6: bool| {
                let found = endpoint.addresses.iter().find(|address| address.addr().is_ipv6() == v6);
                found.map(ToString::to_string).unwrap_or_default()
            };
            let shown = json!({
                "Name": name.to_string(),
                "MacAddress": mac(endpoint.mac),
                "IPv4Address": address(false),
                "IPv6Address": address(true),
            });
            (id.to_string(), shown)
        })
        .collect();
    json!({
        "Name": network.name.to_string(),
        "Id": network.id.to_string(),
        "Created": network.created.to_string(),
        "Scope": "local",
        "Driver": network.driver.name(),
        "EnableIPv4": network.subnets.iter().any(|it| it.subnet.addr().is_ipv4()),
        "EnableIPv6": network.subnets.iter().any(|it| it.subnet.addr().is_ipv6()),
        "IPAM": {"Driver": "default", "Config": subnets},
        "Internal": network.internal,
        "Containers": members,
        "Options": network.options,
        "Labels": network.labels,
        "Link": network.link,
    })
}

/// A hardware address as people write it.
pub fn mac(bytes: [u8; 6]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

fn remove(engine: &Engine, wish: &Remove) -> Outcome {
    let mut out = Output::open();
    let mut code = 0;
    for target in &wish.networks {
        match engine.network_remove(target) {
            Ok(network) => out.line(network.name.as_str())?,
            Err(error) if wish.force && error.kind() == crate::model::ErrorKind::NotFound => {}
            Err(error) => {
                out.flush()?;
                Failure::from(error).report();
                code = 1;
            }
        }
    }
    out.flush()?;
    Ok(code)
}

fn prune(engine: &Engine, wish: &Prune) -> Outcome {
    let filters = Filters::parse(&wish.filter, &["label"])?;
    let labels = filters.values("label").map(|label| match label.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (label.to_owned(), None),
    });
    let question = "This removes all networks that no container is made for.";
    if !wish.force && !super::prune::confirmed(question)? {
        return Ok(1);
    }
    let mut out = Output::open();
    let removed = engine.network_prune(&labels.collect())?;
    if !removed.is_empty() {
        out.line("Deleted Networks:")?;
    }
    for network in removed {
        out.line(network.name.as_str())?;
    }
    out.flush()?;
    Ok(0)
}

pub fn port(engine: &Engine, wish: &Port) -> Outcome {
    let wanted = match &wish.port {
        Some(text) => {
            let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
            let port: u16 = port.parse().map_err(|_| Failure::usage(format!("invalid port {text:?}")))?;
            Some((port, protocol.parse().map_err(|why: String| Failure::usage(why))?))
        }
        None => None,
    };
    let mut out = Output::open();
    let mut found = false;
    for port in engine.ports(&wish.container)? {
        let host = std::net::SocketAddr::new(port.host, port.host_port);
        match wanted {
            Some(wanted) if wanted == (port.container_port, port.protocol) => out.line(&host.to_string())?,
            Some(_) => continue,
            None => out.line(&format!("{}/{} -> {host}", port.container_port, port.protocol))?,
        }
        found = true;
    }
    out.flush()?;
    match (found, &wish.port) {
        (false, Some(port)) => Err(Failure::new(format!("no public port '{port}' published for {}", wish.container))),
        _ => Ok(0),
    }
}
