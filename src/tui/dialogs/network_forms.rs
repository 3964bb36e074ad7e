//! Forms about networks and ports: make a network, connect and disconnect, publish, prune.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use super::Dialog;
use super::confirm::Confirm;
use super::form::{Form, Row, Wrong};
use super::form_sent::{Preview, failed};
use crate::engine::{NetworkInspect, NetworkWish};
use crate::model::{EndpointWish, Id, Name, NetworkDriver, PortWish, parse_mac, parse_ports};
use crate::tui::action::Problem;
use crate::tui::effect::Effect;
use crate::tui::network_deed::NetworkDeed;
use crate::tui::ports;
use crate::tui::step::Step;
use crate::tui::theme::Role;
use crate::tui::toast::wrap;

use super::About;

/// Which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkForm {
    Create,
    /// One of these containers to a network.
    ConnectContainer {
        network: Name,
        choices: Vec<(Id, Name)>,
    },
    /// A container to one of these networks.
    ConnectNetwork {
        container: (Id, Name),
        choices: Vec<Name>,
    },
    Disconnect {
        network: Name,
        choices: Vec<(Id, Name)>,
    },
    Publish {
        container: (Id, Name),
    },
    Prune,
}

const NAME: usize = 0;
const DRIVER: usize = 1;
const SUBNETS: usize = 2;
const GATEWAYS: usize = 3;
const RANGES: usize = 4;
const REACH: usize = 5;
const IPV6: usize = 6;
const LINK: usize = 7;
const MTU: usize = 8;
const LABELS: usize = 9;

const DRIVERS: [NetworkDriver; 3] = [NetworkDriver::Bridge, NetworkDriver::Macvlan, NetworkDriver::Ipvlan];

/// The rows of a connection; the first is what is chosen.
const CHOSEN: usize = 0;
const ADDRESSES: usize = 1;
const MAC: usize = 2;
const ALIASES: usize = 3;

/// Cells of the lines that say what goes.
const NOTE: usize = 66;

/// Makes a network.
pub fn create() -> Form {
    let rows = vec![
        Row::text("Name", "", "needed", "2 to 128 letters, digits, and _ . -"),
        Row::choice(
            "Driver",
            &["bridge", "macvlan", "ipvlan"],
            0,
            "space changes it: bridge is behind this machine, the others beside it on one of its devices",
        ),
        Row::text(
            "Subnets",
            "",
            "one that is free here",
            "such as 10.5.0.0/24 or fd05::/64; one of IPv4, one of IPv6, or both, divided by a blank",
        ),
        Row::text("Gateways", "", "the first address", "this machine's address in the subnet, one for each subnet"),
        Row::text("Leased from", "", "all of the subnet", "the part of the subnet that containers get addresses of"),
        Row::choice(
            "Reaches",
            &["everything", "only itself"],
            0,
            "space changes it: only itself is Docker's --internal, without a way out or in",
        ),
        Row::switch("IPv6", false, "space changes it: addresses of IPv6 too, of a private prefix if none is given"),
        Row::text("Link", "", "chosen by teu", "the bridge's name; for macvlan and ipvlan the device that they share"),
        Row::text("MTU", "", "1500", "bytes of the largest packet, 576 to 65535"),
        Row::text("Labels", "", "none", "KEY=value, several divided by blanks"),
    ];
    Form::new(About::Network(NetworkForm::Create), "Make a network", "Make", rows)
}

fn connection(label: &'static str, names: Vec<String>, has_v6: bool) -> Vec<Row> {
    let addresses = if has_v6 {
        "addresses of its own in the subnets, IPv4 and IPv6 divided by a blank; empty takes free ones"
    } else {
        "an address of its own in the subnet; empty takes a free one"
    };
    vec![
        Row::list(label, names, "left and right choose, letters find"),
        Row::text("Address", "", "a free one", addresses),
        Row::text("MAC", "", "made of the address", "such as 02:42:0a:5b:00:02"),
        Row::text("Aliases", "", "none", "further names in that network, divided by blanks"),
    ]
}

fn names(choices: &[(Id, Name)]) -> Vec<String> {
    choices.iter().map(|(_, name)| name.to_string()).collect()
}

/// Puts one of the containers into a network.
pub fn connect_container(it: &NetworkInspect, choices: Vec<(Id, Name)>) -> Form {
    let has_v6 = it.network.subnets.iter().any(|subnet| subnet.subnet.addr().is_ipv6());
    let rows = connection("Container", names(&choices), has_v6);
    let network = it.network.name.clone();
    let title = format!("Connect a container to {network}");
    Form::new(About::Network(NetworkForm::ConnectContainer { network, choices }), title, "Connect", rows)
}

/// Puts a container into one of the networks.
pub fn connect_network(container: (Id, Name), choices: Vec<Name>) -> Form {
    let rows = connection("Network", choices.iter().map(ToString::to_string).collect(), true);
    let title = format!("Connect {} to a network", container.1);
    Form::new(About::Network(NetworkForm::ConnectNetwork { container, choices }), title, "Connect", rows)
}

/// Takes one of the containers out of a network.
pub fn disconnect_container(it: &NetworkInspect, choices: Vec<(Id, Name)>) -> Form {
    let rows = vec![Row::list("Container", names(&choices), "left and right choose, letters find")];
    let network = it.network.name.clone();
    let title = format!("Disconnect a container from {network}");
    Form::new(About::Network(NetworkForm::Disconnect { network, choices }), title, "Disconnect", rows)
}

/// Publishes ports of a container, running or not.
pub fn publish(container: (Id, Name)) -> Form {
    let help = "8080:80, 127.0.0.1:8080:80, 8000-8009:80-89, 53:53/udp; this machine's port comes first";
    let rows = vec![Row::text("Ports", "", "8080:80", help)];
    let title = format!("Publish ports of {}", container.1);
    Form::new(About::Network(NetworkForm::Publish { container }), title, "Publish", rows)
}

/// Removes networks that no container is made for, after what goes was seen.
pub fn prune() -> Form {
    let rows = vec![Row::text("Label", "", "any", "only networks with this label, as key or key=value")];
    Form::new(About::Network(NetworkForm::Prune), "Prune networks that no container is made for", "Remove", rows)
        .looking()
}

impl NetworkForm {
    /// What Enter comes to, or what is wrong.
    pub fn apply(&self, form: &Form) -> Result<Vec<Step>, Vec<Wrong>> {
        let deed = match self {
            Self::Create => NetworkDeed::Create(Box::new(wish(form)?)),
            Self::ConnectContainer { network, choices } => {
                let container = choices[form.chosen(CHOSEN)].clone();
                NetworkDeed::Connect { container, wish: endpoint(form, network)? }
            }
            Self::ConnectNetwork { container, choices } => {
                let wish = endpoint(form, &choices[form.chosen(CHOSEN)])?;
                NetworkDeed::Connect { container: container.clone(), wish }
            }
            Self::Disconnect { network, choices } => {
                NetworkDeed::Disconnect { container: choices[form.chosen(CHOSEN)].clone(), network: network.clone() }
            }
            Self::Publish { container } => {
                NetworkDeed::Publish { container: container.clone(), add: wanted_ports(&form.text(CHOSEN))? }
            }
            Self::Prune => {
                let notes = form.notes.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join(" ");
                let effect = Effect::Network(NetworkDeed::Prune(label(form)));
                let question = Confirm::grave("Remove unused networks?", notes, "Remove", effect).of_form();
                return Ok(vec![Step::Open(Box::new(Dialog::Confirm(question)))]);
            }
        };
        Ok(vec![Step::Do(Effect::Network(deed))])
    }

    /// What it comes to, where that is said while it is filled in.
    pub fn notes(&self, form: &Form) -> Option<Vec<(String, Role)>> {
        match self {
            Self::Publish { .. } => {
                let wishes = wanted_ports(&form.text(CHOSEN)).unwrap_or_default();
                let mut notes: Vec<(String, Role)> =
                    wishes.iter().take(3).map(|wish| (ports::wish(wish), Role::Accent)).collect();
                if wishes.len() > 3 {
                    notes.push((format!("and {} more", wishes.len() - 3), Role::Dim));
                }
                Some(notes)
            }
            _ => None,
        }
    }
}

fn wrong(row: usize, text: impl Into<String>) -> Vec<Wrong> {
    vec![(row, text.into())]
}

/// Words of a row, each read by itself.
fn words<T: FromStr>(form: &Form, row: usize, what: &str) -> Result<Vec<T>, Vec<Wrong>> {
    let text = form.text(row);
    let read = |word: &str| word.parse().map_err(|_| wrong(row, format!("{word} is no {what}")));
    text.split_whitespace().map(read).collect()
}

fn wish(form: &Form) -> Result<NetworkWish, Vec<Wrong>> {
    let name = form.text(NAME);
    let name = match name.as_str() {
        "" => Err(wrong(NAME, "a name is needed")),
        "host" | "none" => Err(wrong(NAME, format!("{name} is what a container without a network of teu's has"))),
        _ => name.parse().map_err(|error| wrong(NAME, format!("{error}"))),
    };
    let subnets = words(form, SUBNETS, "subnet: write it as 10.5.0.0/24");
    let gateways = words(form, GATEWAYS, "address");
    let ranges = words(form, RANGES, "part of a subnet: write it as 10.5.0.128/25");
    let mtu = match form.text(MTU).as_str() {
        "" => Ok(None),
        text => {
            let mtu = text.parse().ok().filter(|mtu| (576..=65_535).contains(mtu));
            mtu.map(Some).ok_or_else(|| wrong(MTU, format!("{text} is no number of bytes from 576 to 65535")))
        }
    };
    let driver = DRIVERS[form.chosen(DRIVER)];
    let link = Some(form.text(LINK)).filter(|text| !text.is_empty());
    let link = match link {
        None if driver != NetworkDriver::Bridge => {
            Err(wrong(LINK, format!("{} needs the device of this machine that it shares", driver.name())))
        }
        link => Ok(link),
    };
    let labels = labels(form);
    let problems: Vec<Wrong> = [
        name.as_ref().err(),
        subnets.as_ref().err(),
        gateways.as_ref().err(),
        ranges.as_ref().err(),
        link.as_ref().err(),
        mtu.as_ref().err(),
        labels.as_ref().err(),
    ]
    .into_iter()
    .flatten()
    .flatten()
    .cloned()
    .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(NetworkWish {
        name: name?,
        driver,
        subnets: subnets?,
        gateways: gateways?,
        ranges: ranges?,
        ipv6: form.is_on(IPV6),
        internal: form.chosen(REACH) == 1,
        mtu: mtu?,
        link: link?,
        labels: labels?,
        options: BTreeMap::new(),
    })
}

fn labels(form: &Form) -> Result<BTreeMap<String, String>, Vec<Wrong>> {
    let text = form.text(LABELS);
    let pair = |word: &str| match word.split_once('=') {
        Some(("", _)) => Err(wrong(LABELS, format!("{word} has no key"))),
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Ok((word.to_owned(), String::new())),
    };
    text.split_whitespace().map(pair).collect()
}

fn endpoint(form: &Form, network: &Name) -> Result<EndpointWish, Vec<Wrong>> {
    let mut wish = EndpointWish { network: network.to_string(), ..EndpointWish::default() };
    for address in words::<IpAddr>(form, ADDRESSES, "address")? {
        let place = if address.is_ipv4() { &mut wish.address } else { &mut wish.address6 };
        if place.replace(address).is_some() {
            return Err(wrong(ADDRESSES, "at most one address of IPv4 and one of IPv6"));
        }
    }
    let mac = form.text(MAC);
    if !mac.is_empty() {
        wish.mac = Some(parse_mac(&mac).map_err(|why| wrong(MAC, why))?);
    }
    wish.aliases = form.text(ALIASES).split_whitespace().map(str::to_owned).collect();
    Ok(wish)
}

/// Ports as `-p` takes them, several divided by blanks.
pub fn read_ports(text: &str) -> Result<Vec<PortWish>, String> {
    let read = |word: &str| parse_ports(word).map_err(|why| format!("{word}: {why}"));
    Ok(text.split([' ', ',']).filter(|word| !word.is_empty()).map(read).collect::<Result<Vec<_>, _>>()?.concat())
}

fn wanted_ports(text: &str) -> Result<Vec<PortWish>, Vec<Wrong>> {
    match read_ports(text) {
        Ok(wishes) if wishes.is_empty() => Err(wrong(CHOSEN, "a port is needed, such as 8080:80")),
        Ok(wishes) => Ok(wishes),
        Err(why) => Err(wrong(CHOSEN, why)),
    }
}

/// The label that a prune is about; no value is any.
pub fn label(form: &Form) -> Option<(String, Option<String>)> {
    let text = form.text(0);
    match text.split_once('=') {
        _ if text.is_empty() => None,
        Some((key, value)) => Some((key.to_owned(), Some(value.to_owned()))),
        None => Some((text, None)),
    }
}

/// The question what a prune would take.
pub fn preview(form: &Form) -> Vec<Step> {
    vec![Step::Do(Effect::Network(NetworkDeed::PreviewPrune(label(form))))]
}

/// What has to be asked when something in a form is another.
pub fn changed(form: &Form, about: &NetworkForm) -> Vec<Step> {
    match about {
        NetworkForm::Prune => preview(form),
        NetworkForm::Create if form.focus == DRIVER => vec![Step::Do(Effect::Network(NetworkDeed::Devices))],
        _ => Vec::new(),
    }
}

/// This machine's devices are known: those that a network beside this machine can share.
pub fn devices(form: &mut Form, names: &[String]) {
    if form.about != About::Network(NetworkForm::Create) {
        return;
    }
    let is_bridge = DRIVERS[form.chosen(DRIVER)] == NetworkDriver::Bridge;
    form.rows[LINK].placeholder = if is_bridge { "chosen by teu" } else { "needed: a device of this machine" };
    form.notes = match (is_bridge, names) {
        (true, _) => Vec::new(),
        (false, []) => vec![("This machine has no device that can be shared.".to_owned(), Role::Warn)],
        (false, names) => vec![(format!("Devices of this machine: {}", names.join(", ")), Role::Accent)],
    };
}

/// What a prune would take has been found out.
pub fn told(
    form: &mut Form,
    asked: &Option<(String, Option<String>)>,
    result: &Result<Vec<Name>, Problem>,
) -> Vec<Step> {
    if form.about != About::Network(NetworkForm::Prune) || label(form) != *asked {
        return Vec::new();
    }
    let lines = |text: &str, role| wrap(text, NOTE).into_iter().map(move |line| (line, role));
    match result {
        Err(problem) => form.previewed(Preview::Failed, failed(problem)),
        Ok(names) if names.is_empty() => {
            let text = match asked {
                None => "Every network is the default one, or a container is made for it.",
                Some(_) => "No network with that label is unused.",
            };
            form.previewed(Preview::Nothing, vec![(text.to_owned(), Role::Text)])
        }
        Ok(names) => {
            let title = match names.len() {
                1 => "One network goes:".to_owned(),
                count => format!("{count} networks go:"),
            };
            let names = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let notes = std::iter::once((title, Role::Accent)).chain(lines(&names, Role::Text).take(3)).collect();
            form.previewed(Preview::Something, notes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(mut form: Form, texts: &[(usize, &str)]) -> Form {
        for (row, text) in texts {
            form.rows[*row] = Row::text("", text, "", "");
        }
        form
    }

    #[test]
    fn network_form_comes_to_a_wish() {
        let texts = [(NAME, "lan"), (SUBNETS, "10.5.0.0/24 fd05::/64"), (RANGES, "10.5.0.128/25"), (LABELS, "a=b c")];
        let wish = wish(&filled(create(), &texts)).expect("all is right");
        assert_eq!((wish.name.as_str(), wish.subnets.len(), wish.driver), ("lan", 2, NetworkDriver::Bridge));
        assert_eq!(wish.labels, BTreeMap::from([("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())]));
        assert_eq!((wish.mtu, wish.internal, wish.link), (None, false, None));
    }

    #[test]
    fn network_form_says_everything_that_is_wrong_at_once() {
        let texts = [(SUBNETS, "10.5.0/24"), (GATEWAYS, "x"), (MTU, "12"), (LABELS, "=x")];
        let mut form = filled(create(), &texts);
        form.rows[DRIVER] = Row::choice("", &["", "", ""], 1, "");
        let rows: Vec<usize> = wish(&form).expect_err("all is wrong").into_iter().map(|(row, _)| row).collect();
        assert_eq!(rows, [NAME, SUBNETS, GATEWAYS, LINK, MTU, LABELS]);
        assert!(wish(&filled(create(), &[(NAME, "host")])).is_err());
    }

    #[test]
    fn connection_takes_one_address_of_each_family() {
        let lan: Name = "lan".parse().expect("a name");
        let form = |address: &str, mac: &str| {
            let container = (Id::from_bytes([1; 32]), "web".parse().expect("a name"));
            filled(connect_network(container, vec![lan.clone()]), &[(ADDRESSES, address), (MAC, mac), (ALIASES, "a b")])
        };
        let wish = endpoint(&form("fd05::9 10.5.0.9", "02:42:0a:5b:00:02"), &lan).expect("right");
        assert_eq!(wish.address.map(|it| it.to_string()).as_deref(), Some("10.5.0.9"));
        assert_eq!((wish.address6.is_some(), wish.mac, wish.aliases.len()), (true, Some([2, 66, 10, 91, 0, 2]), 2));
        assert!(endpoint(&form("10.5.0.9 10.5.0.10", ""), &lan).is_err());
        assert!(endpoint(&form("", "01:00:00:00:00:00"), &lan).is_err());
    }

    #[test]
    fn ports_are_read_as_the_command_line_reads_them() {
        assert_eq!(read_ports("8080:80, 53:53/udp 9000-9001").expect("right").len(), 4);
        assert!(read_ports("80:").expect_err("wrong").starts_with("80:: "));
        assert!(wanted_ports(" ").is_err());
    }
}
