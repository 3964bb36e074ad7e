//! Bridges, links and the firewall in network namespaces of the test's own, looked at with `ip` and `nft`.

mod altering;
mod containers;
mod drivers;
mod faults;
mod interface;
mod isolation;
mod lab;
mod live;
mod names;
mod removal;
mod rootless;
mod traffic;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use teu::model::Protocol;
use teu::network::{Firewall, Inner, Links, NetworkRules, PortRule, Route, Whole};

use crate::support::need;
use crate::support::netns::Netns;

/// A machine with a bridge `teu0` of 10.99.0.0/24 and containers 10.99.0.2, …
struct Machine {
    host: Netns,
    containers: Vec<Netns>,
}

fn bridge_rules(link: &str, subnet: &str) -> NetworkRules {
    NetworkRules { link: link.to_owned(), subnets: vec![subnet.parse().expect("a subnet")], internal: false }
}

fn port(host: Option<&str>, host_port: u16, container: &str, container_port: u16) -> PortRule {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    PortRule {
        protocol: Protocol::Tcp,
        host: host.map(address),
        host_port,
        container: address(container),
        container_port,
    }
}

impl Machine {
    fn new(containers: u8) -> Self {
        need::root();
        let machine = Self { host: Netns::new(), containers: (0..containers).map(|_| Netns::new()).collect() };
        machine.host.within(|| {
            let mut links = Links::open().expect("rtnetlink");
            let bridge = links.make_bridge("teu0", [2, 0, 0, 0, 0, 1], None).expect("make the bridge");
            links.add_address(&bridge, "10.99.0.1/24".parse().expect("an address")).expect("give it an address");
            fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("forward");
            fs::write("/proc/sys/net/ipv4/conf/teu0/route_localnet", "1").expect("route_localnet");
            for (number, container) in (2u8..).zip(&machine.containers) {
                let inner = Inner {
                    name: "eth0",
                    mac: Some([2, 0, 0, 0, 1, number]),
                    mtu: 1500,
                    namespace: std::os::fd::AsFd::as_fd(container),
                };
                links.make_pair(&format!("teu-c{number}"), bridge.index, &inner).expect("make a pair");
            }
        });
        for (number, container) in (2u8..).zip(&machine.containers) {
            container.within(|| {
                let mut links = Links::open().expect("rtnetlink");
                let link = links.find("eth0").expect("look").expect("it is there");
                assert!(!link.up && link.kind.as_deref() == Some("veth"), "{link:?}");
                links.set_up(&link).expect("bring it up");
                let address = format!("10.99.0.{number}/24").parse().expect("an address");
                links.add_address(&link, address).expect("give it an address");
                let gateway = Some(IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1)));
                links.add_route(&Route { to: None, gateway, link: None }).expect("a default route");
            });
        }
        machine
    }

    /// Whether a program in the namespace gets an answer over TCP within two seconds.
    fn reaches(from: &Netns, address: &str) -> bool {
        from.within(|| {
            let address = address.parse().expect("an address");
            let Ok(mut stream) = std::net::TcpStream::connect_timeout(&address, std::time::Duration::from_secs(2))
            else {
                return false;
            };
            let mut text = String::new();
            std::io::Read::read_to_string(&mut stream, &mut text).expect("read");
            text == "hello"
        })
    }

    /// A server in a container that says hello to everybody, `count` times.
    fn serve(&self, container: usize, address: &str, count: usize) {
        let listener = self.containers[container].within(|| std::net::TcpListener::bind(address).expect("bind"));
        std::thread::spawn(move || {
            for stream in listener.incoming().take(count) {
                let _ = std::io::Write::write_all(&mut stream.expect("a connection"), b"hello");
            }
        });
    }
}

#[test]
fn table_is_what_nft_understands() {
    need::root();
    need::program("nft", "nftables");
    let host = Netns::new();
    host.within(|| {
        let mut firewall = Firewall::open().expect("nftables");
        assert!(!firewall.is_there().expect("look"));
        let internal = NetworkRules { internal: true, ..bridge_rules("teu1", "10.89.1.0/24") };
        let six = NetworkRules {
            link: "teu2".to_owned(),
            subnets: vec!["fd00:7e::/64".parse().expect("a subnet")],
            internal: false,
        };
        let udp = PortRule { protocol: Protocol::Udp, ..port(None, 53, "10.88.0.3", 5353) };
        let whole = Whole {
            networks: vec![bridge_rules("teu0", "10.88.0.0/16"), internal, six],
            ports: vec![
                port(Some("127.0.0.1"), 8080, "10.88.0.2", 80),
                udp,
                port(Some("fd00::1"), 443, "fd00:7e::2", 8443),
            ],
        };
        firewall.rebuild(&whole).expect("make the table");
        assert!(firewall.is_there().expect("look"));
        // Once more is the same: nothing is there twice.
        firewall.rebuild(&whole).expect("make it again");
    });
    let listed = host.output(&["nft", "list", "table", "inet", "teu"]);
    let golden = include_str!("networks/table.nft");
    assert_eq!(listed, golden, "nft lists:\n{listed}");
}

#[test]
fn published_port_is_reached_from_the_machine_and_from_containers() {
    let machine = Machine::new(2);
    machine.host.within(|| {
        let mut firewall = Firewall::open().expect("nftables");
        let whole = Whole { networks: vec![bridge_rules("teu0", "10.99.0.0/24")], ports: vec![] };
        firewall.rebuild(&whole).expect("make the table");
        let ports = [port(Some("127.0.0.1"), 8080, "10.99.0.2", 80), port(None, 8081, "10.99.0.2", 80)];
        firewall.publish(&ports).expect("publish");
        firewall.publish(&ports).expect("publish the same again");
        let other = port(Some("127.0.0.1"), 8080, "10.99.0.3", 80);
        assert!(firewall.publish(&[other]).is_err(), "a port is published to one container only");
    });
    machine.serve(0, "0.0.0.0:80", 6);
    let [first, second] = &machine.containers[..] else { panic!("two containers") };
    assert!(Machine::reaches(&machine.host, "127.0.0.1:8080"), "from the machine's loopback");
    assert!(Machine::reaches(&machine.host, "10.99.0.1:8081"), "from the machine by its own address");
    assert!(Machine::reaches(second, "10.99.0.1:8081"), "from another container by the machine's address");
    assert!(Machine::reaches(first, "10.99.0.1:8081"), "from itself by the machine's address");
    assert!(Machine::reaches(second, "10.99.0.2:80"), "from another container of the network");
    assert!(!Machine::reaches(second, "10.99.0.1:8080"), "what is published on loopback is not for others");
    machine.host.within(|| {
        let mut firewall = Firewall::open().expect("nftables");
        firewall.withdraw(&[port(None, 8081, "10.99.0.2", 80), port(None, 9999, "10.99.0.2", 80)]).expect("withdraw");
    });
    assert!(!Machine::reaches(second, "10.99.0.1:8081"), "it is withdrawn");
    assert!(Machine::reaches(&machine.host, "127.0.0.1:8080"), "the other one stays");
}

#[test]
fn container_does_not_reach_the_machines_loopback() {
    let machine = Machine::new(1);
    machine.host.within(|| {
        let whole = Whole { networks: vec![bridge_rules("teu0", "10.99.0.0/24")], ports: vec![] };
        Firewall::open().and_then(|mut firewall| firewall.rebuild(&whole)).expect("make the table");
    });
    let listener = machine.host.within(|| std::net::TcpListener::bind("127.0.0.1:7000").expect("bind"));
    std::thread::spawn(move || listener.incoming().take(1).for_each(drop));
    let container = &machine.containers[0];
    container.output(&["ip", "route", "add", "127.0.0.2/32", "via", "10.99.0.1"]);
    container.output(&["ip", "addr", "del", "127.0.0.1/8", "dev", "lo"]);
    container.output(&["ip", "route", "add", "127.0.0.1/32", "via", "10.99.0.1"]);
    container.within(|| fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").expect("route_localnet"));
    assert!(!Machine::reaches(container, "127.0.0.1:7000"));
}

#[test]
fn thousandth_port_costs_what_the_first_did() {
    need::root();
    let host = Netns::new();
    host.within(|| {
        let mut firewall = Firewall::open().expect("nftables");
        let mut whole = Whole { networks: vec![bridge_rules("teu0", "10.88.0.0/16")], ports: vec![] };
        whole.ports.extend((1..=5000).map(|number| port(None, 20_000 + number, "10.88.0.9", number)));
        firewall.rebuild(&whole).expect("a table of five thousand ports");
        let mut took = Vec::new();
        for number in 1..=200u16 {
            let one = [port(None, number, "10.88.0.2", number)];
            let begin = std::time::Instant::now();
            firewall.publish(&one).expect("publish");
            took.push(begin.elapsed());
            firewall.withdraw(&one).expect("withdraw");
        }
        took.sort_unstable();
        assert!(
            took[100] < std::time::Duration::from_millis(20),
            "the median of a port among thousands is {:?}",
            took[100]
        );
        println!("a port among 5,000: median {:?}, worst {:?}", took[100], took[199]);
        firewall.remove().expect("remove the table");
        firewall.remove().expect("what is gone is gone");
        assert!(!firewall.is_there().expect("look"));
    });
}
