//! What stands in the way of networks: the kernel's switches, other programs' firewalls, subnets that this machine reaches by
//! something else, and for ordinary users pasta. Looked at here, and judged here.

use std::path::Path;

use super::Check;
use super::facts::number;
use super::judge::{fine, missing, note};
use crate::network::{Book, Collision, Firewall, ForeignChain, NetworkError, pasta};

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const TUN: &str = "/dev/net/tun";

/// Everything about networks that is judged.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NetworkFacts {
    /// net.ipv4.ip_forward, and whether this process could set it.
    pub forward: Option<u64>,
    pub forward_writable: bool,
    /// net.bridge.bridge-nf-call-iptables; none where the module is not loaded.
    pub bridge_calls_firewall: Option<u64>,
    /// Other programs' chains for forwarded packets, or why nobody knows (root only).
    pub chains: std::result::Result<Vec<ForeignChain>, String>,
    /// Links of the networks that are defined, by which firewalls know them.
    pub links: Vec<String>,
    pub collisions: Vec<Collision>,
    /// user.max_net_namespaces.
    pub max_namespaces: Option<u64>,
    pub pasta: bool,
    /// The device that pasta makes links with: there, and open to this user.
    pub tun: bool,
    pub tun_open: bool,
}

pub(super) fn look(uid: u32, book: &Result<Book, NetworkError>) -> NetworkFacts {
    let writable = |path: &str| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    let read_write = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
    let is_root = uid == 0;
    NetworkFacts {
        forward: number(FORWARD),
        forward_writable: writable(FORWARD),
        bridge_calls_firewall: number("/proc/sys/net/bridge/bridge-nf-call-iptables"),
        chains: match is_root {
            true => {
                let chains = Firewall::open().and_then(|mut firewall| firewall.foreign_chains());
                chains.map_err(|error| error.to_string())
            }
            false => Ok(Vec::new()),
        },
        links: book
            .as_ref()
            .ok()
            .and_then(|book| book.all().ok())
            .map_or_else(Vec::new, |all| all.into_iter().map(|network| network.link).collect()),
        collisions: book.as_ref().ok().and_then(|book| book.collisions().ok()).unwrap_or_default(),
        max_namespaces: number("/proc/sys/user/max_net_namespaces"),
        pasta: pasta::find().is_some(),
        tun: Path::new(TUN).exists(),
        tun_open: rustix::fs::access(TUN, read_write).is_ok(),
    }
}

pub(super) fn judge(uid: u32, facts: &NetworkFacts) -> Vec<Check> {
    let mut checks = Vec::new();
    if facts.max_namespaces == Some(0) {
        let mend = "sudo sysctl -w user.max_net_namespaces=15000";
        checks.push(missing("networks", "the kernel allows no network namespaces", mend));
    }
    match uid {
        0 => checks.extend([forwarding(facts), firewall(facts)]),
        _ => checks.push(pasta_check(facts)),
    }
    checks.extend(collisions(facts));
    checks
}

/// Root's networks: teu sets the switch itself, with the first network, where it may.
fn forwarding(facts: &NetworkFacts) -> Check {
    let subject = "forwarding";
    let mend = "sudo sysctl -w net.ipv4.ip_forward=1 (or run teu where /proc/sys may be written)";
    match facts.forward {
        Some(0) if !facts.forward_writable => {
            let finding = "net.ipv4.ip_forward is 0 and cannot be set from here, so containers reach nothing outside";
            note(subject, finding, mend)
        }
        Some(0) => fine(subject, "off until teu brings its first network up"),
        _ => fine(subject, "packets between containers and the world are passed on"),
    }
}

/// Other programs' chains, each with the command that lets teu's links pass.
fn firewall(facts: &NetworkFacts) -> Check {
    let subject = "firewall";
    let chains = match &facts.chains {
        Ok(chains) => chains,
        Err(why) => {
            let finding = format!("nftables cannot be reached, so containers have no networks ({why})");
            return note(subject, finding, "sudo modprobe nf_tables, or a kernel with CONFIG_NF_TABLES_INET=y");
        }
    };
    let in_the_way: Vec<&ForeignChain> =
        chains.iter().filter(|chain| !chain.knows_teu && (chain.drops || owner(chain) == Owner::Firewalld)).collect();
    if in_the_way.is_empty() {
        return fine(subject, "no other program's rules keep containers' packets");
    }
    let named: Vec<String> = in_the_way.iter().map(|chain| shown(chain)).collect();
    let mut finding = format!("forwarded packets are dropped by {}", named.join(" and "));
    if facts.bridge_calls_firewall == Some(1) {
        // With it containers of one network do not reach each other either: off again unless somebody needs it.
        finding += ", also between containers of one network (net.bridge.bridge-nf-call-iptables is 1)";
    }
    let mut mends: Vec<String> = Vec::new();
    for chain in in_the_way {
        let mend = mend(chain, &facts.links);
        if !mends.contains(&mend) {
            mends.push(mend);
        }
    }
    note(subject, finding, mends.join(" && "))
}

/// Whose a chain is, by what its table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Docker,
    Ufw,
    Firewalld,
    Somebody,
}

fn owner(chain: &ForeignChain) -> Owner {
    let has = |name: &str| chain.siblings.iter().any(|sibling| sibling.starts_with(name));
    match chain.table.as_str() {
        "firewalld" => Owner::Firewalld,
        _ if has("ufw-") || has("ufw6-") => Owner::Ufw,
        _ if has("DOCKER-USER") => Owner::Docker,
        _ => Owner::Somebody,
    }
}

fn shown(chain: &ForeignChain) -> String {
    let whose = match owner(chain) {
        Owner::Docker => " (Docker's)",
        Owner::Ufw => " (ufw's)",
        Owner::Firewalld => " (firewalld's)",
        Owner::Somebody => "",
    };
    format!("chain {} of table {} {}{whose}", chain.chain, chain.family, chain.table)
}

fn mend(chain: &ForeignChain, links: &[String]) -> String {
    let each =
        |command: &dyn Fn(&str) -> String| links.iter().map(|link| command(link)).collect::<Vec<_>>().join(" && ");
    match owner(chain) {
        Owner::Docker => {
            let program = if chain.family == "ip6" { "ip6tables" } else { "iptables" };
            let rule = |way: &str| format!("sudo {program} -I DOCKER-USER -{way} teu+ -j ACCEPT");
            format!("{} && {}", rule("i"), rule("o"))
        }
        Owner::Ufw => each(&|link| format!("sudo ufw route allow in on {link} && sudo ufw route allow out on {link}")),
        Owner::Firewalld => {
            let interfaces =
                each(&|link| format!("sudo firewall-cmd --permanent --zone=trusted --add-interface={link}"));
            format!("{interfaces} && sudo firewall-cmd --reload")
        }
        Owner::Somebody => {
            let rule = |way: &str| {
                format!(
                    "sudo nft insert rule {} {} {} {way}ifname '\"teu*\"' accept",
                    chain.family, chain.table, chain.chain
                )
            };
            format!("{} && {}", rule("i"), rule("o"))
        }
    }
}

/// Ordinary users: their containers' way out.
fn pasta_check(facts: &NetworkFacts) -> Check {
    let subject = "pasta";
    if !facts.pasta {
        let finding = "not installed, so containers have no networks but none and host";
        return note(
            subject,
            finding,
            "sudo apt-get install passt (Debian, Ubuntu), or sudo dnf install passt (Fedora)",
        );
    }
    if !facts.tun {
        return note(subject, format!("{TUN} is missing, so containers have no networks"), "sudo modprobe tun");
    }
    if !facts.tun_open {
        let finding = format!("{TUN} is closed to this user, so containers have no networks");
        return note(subject, finding, format!("sudo chmod 666 {TUN}"));
    }
    fine(subject, "carries containers to the world")
}

fn collisions(facts: &NetworkFacts) -> Vec<Check> {
    let check = |collision: &Collision| {
        let Collision { network, subnet, other, holder } = collision;
        let finding = format!("{subnet} of network {network} is also reached by {holder} ({other})");
        let mend = match network.as_str() {
            crate::model::DEFAULT_NETWORK => {
                "stop its containers and: sudo ip link delete teu0 (the next start takes a subnet that is free)"
                    .to_owned()
            }
            name => format!("stop its containers and: teu network rm {name} && teu network create {name}"),
        };
        note("subnets", finding, mend)
    };
    facts.collisions.iter().map(check).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::doctor::Verdict;

    pub(in crate::engine::doctor) fn good() -> NetworkFacts {
        NetworkFacts {
            forward: Some(1),
            forward_writable: true,
            bridge_calls_firewall: Some(1),
            chains: Ok(Vec::new()),
            links: vec!["teu0".to_owned()],
            collisions: Vec::new(),
            max_namespaces: Some(1000),
            pasta: true,
            tun: true,
            tun_open: true,
        }
    }

    fn chain(table: &str, siblings: &[&str], drops: bool) -> ForeignChain {
        let siblings = siblings.iter().map(|name| (*name).to_owned()).collect();
        let (table, chain) = (table.to_owned(), "FORWARD".to_owned());
        ForeignChain { family: "ip", table, chain, drops, knows_teu: false, siblings }
    }

    fn only(uid: u32, facts: &NetworkFacts) -> Check {
        let mut bad = judge(uid, facts).into_iter().filter(|check| check.verdict != Verdict::Fine);
        let check = bad.next().expect("one check that is not fine");
        assert_eq!(bad.next(), None);
        check
    }

    #[test]
    fn machine_without_others_in_the_way_is_fine() {
        for uid in [0, 1000] {
            assert!(judge(uid, &good()).iter().all(|check| check.verdict == Verdict::Fine && check.mend.is_none()));
        }
        let lets_pass = chain("filter", &["FORWARD", "DOCKER-USER"], false);
        let told = ForeignChain { knows_teu: true, ..chain("filter", &["FORWARD", "DOCKER-USER"], true) };
        let facts = NetworkFacts { chains: Ok(vec![lets_pass, told]), ..good() };
        assert!(judge(0, &facts).iter().all(|check| check.verdict == Verdict::Fine));
    }

    #[test]
    fn each_firewall_in_the_way_is_named_with_its_own_mend() {
        let cases = [
            (chain("filter", &["FORWARD", "DOCKER-USER"], true), "Docker's", "iptables -I DOCKER-USER -i teu+"),
            (chain("filter", &["FORWARD", "ufw-user-forward"], true), "ufw's", "ufw route allow in on teu0"),
            (chain("firewalld", &["filter_FORWARD"], false), "firewalld's", "--add-interface=teu0"),
            (chain("mine", &["FORWARD"], true), "table ip mine", "nft insert rule ip mine FORWARD iifname '\"teu*\"'"),
        ];
        for (chain, whose, mend) in cases {
            let check = only(0, &NetworkFacts { chains: Ok(vec![chain]), ..good() });
            assert!(check.finding.contains(whose) && check.finding.contains("bridge-nf-call-iptables"), "{check:?}");
            assert!(check.mend.as_deref().is_some_and(|text| text.contains(mend)), "{check:?}");
        }
    }

    #[test]
    fn other_lacks_name_their_mend() {
        type Change = fn(&mut NetworkFacts);
        let cases: [(u32, Change, &str); 6] = [
            (0, |f| (f.forward, f.forward_writable) = (Some(0), false), "net.ipv4.ip_forward=1"),
            (0, |f| f.chains = Err("no".to_owned()), "modprobe nf_tables"),
            (0, |f| f.max_namespaces = Some(0), "user.max_net_namespaces"),
            (1000, |f| f.pasta = false, "apt-get install passt"),
            (1000, |f| f.tun = false, "modprobe tun"),
            (1000, |f| f.tun_open = false, "chmod 666 /dev/net/tun"),
        ];
        for (uid, change, mend) in cases {
            let mut facts = good();
            change(&mut facts);
            let check = only(uid, &facts);
            assert!(check.mend.as_deref().is_some_and(|text| text.contains(mend)), "{check:?}");
        }
    }

    #[test]
    fn colliding_subnet_is_named_with_its_mend() {
        let collision = |network: &str| Collision {
            network: network.parse().expect("a name"),
            subnet: "10.92.0.0/24".parse().expect("a subnet"),
            other: "10.0.0.0/8".parse().expect("a subnet"),
            holder: "tun0".to_owned(),
        };
        let check = only(0, &NetworkFacts { collisions: vec![collision("mine")], ..good() });
        assert!(check.finding.contains("10.92.0.0/24 of network mine") && check.finding.contains("tun0 (10.0.0.0/8)"));
        assert!(check.mend.is_some_and(|mend| mend.contains("teu network rm mine && teu network create mine")));
        let check = only(0, &NetworkFacts { collisions: vec![collision("bridge")], ..good() });
        assert!(check.mend.is_some_and(|mend| mend.contains("ip link delete teu0")));
    }
}
