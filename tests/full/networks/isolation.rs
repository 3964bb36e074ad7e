//! What a container does not reach, and what it cannot pretend to be, also where it may forge packets.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::lab::Lab;
use crate::support::netns::Netns;
use crate::support::{SECOND, wait_for};

const MAY_FORGE: [&str; 4] = ["--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"];

fn connects(from: &Netns, address: &str) -> bool {
    let address = address.parse().expect("an address");
    from.within(|| TcpStream::connect_timeout(&address, Duration::from_millis(700)).is_ok())
}

/// Whether the machine hears a word that the container sends from an address.
fn heard(lab: &Lab, container: &Netns, from: &str, to: &str) -> bool {
    // A process that another test has just forked holds the socket of the time before until it executes its program.
    let ears = lab.machine.within(|| wait_for("the port", SECOND * 30, || UdpSocket::bind(to).ok()));
    ears.set_read_timeout(Some(Duration::from_millis(700))).expect("a limit");
    container.within(|| UdpSocket::bind(from).expect("bind").send_to(b"I am another", to).expect("send"));
    ears.recv(&mut [0; 64]).is_ok()
}

#[test]
fn ordinary_container_can_forge_nothing() {
    let lab = Lab::new();
    lab.ok(&["run", "-d", "--name", "box", "--network", "bridge", "tiny", "sleep", "1000"]);
    for forbidden in [
        "ip addr add 10.91.0.77/16 dev eth0",
        "ip link set eth0 address 02:42:0a:5b:00:77",
        "ip route add 127.0.0.2 via 10.91.0.1",
        "ip link set eth0 promisc on",
    ] {
        let output = lab.run(&["exec", "box", "sh", "-c", forbidden]);
        assert!(output.code != 0 && output.to_string().contains("not permitted"), "{forbidden}: {output}");
    }
    let status = lab.exec("box", "grep -i capbnd /proc/self/status");
    let bounds = u64::from_str_radix(status.split_whitespace().last().expect("a mask"), 16).expect("a mask");
    // CAP_NET_ADMIN and CAP_NET_RAW.
    assert_eq!(bounds & (1 << 12 | 1 << 13), 0, "{status}");
}

#[test]
fn container_that_forges_addresses_is_not_heard_by_the_machine() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--subnet", "10.200.1.0/24", "one"]);
    lab.ok(&["network", "create", "--subnet", "10.200.2.0/24", "two"]);
    let base = ["run", "-d", "--name", "liar", "--network", "one"];
    lab.ok(&[&base[..], &MAY_FORGE, &["tiny", "sleep", "1000"]].concat());
    lab.ok(&["run", "-d", "--name", "victim", "--network", "two", "tiny", "sleep", "1000"]);
    let liar = lab.within("liar");
    for address in ["10.200.2.2/32", "203.0.113.7/32", "10.200.2.1/32"] {
        lab.exec("liar", &format!("ip addr add {address} dev eth0"));
    }
    assert!(heard(&lab, &liar, "10.200.1.2:0", "10.200.1.1:5300"), "with its own address it is heard");
    assert!(!heard(&lab, &liar, "10.200.2.2:0", "10.200.1.1:5300"), "another network's container");
    assert!(!heard(&lab, &liar, "203.0.113.7:0", "10.200.1.1:5300"), "somebody in the world");
    // The machine's own address there, as if it came from the machine itself.
    assert!(!heard(&lab, &liar, "10.200.2.1:0", "10.200.1.1:5300"), "the machine itself");
}

#[test]
fn container_reaches_neither_the_loopback_nor_another_network() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--ipv6", "--subnet", "10.200.1.0/24", "--subnet", "fd00:71::/64", "one"]);
    lab.ok(&["network", "create", "--ipv6", "--subnet", "10.200.2.0/24", "--subnet", "fd00:72::/64", "two"]);
    let base = ["run", "-d", "--name", "box", "--network", "one"];
    lab.ok(&[&base[..], &MAY_FORGE, &["tiny", "sleep", "1000"]].concat());
    lab.serve("other", &["--network", "two", "-p", "8080:80"]);
    wait_for("the other's server", SECOND * 30, || lab.read("127.0.0.1:8080"));
    let _four = lab.machine.within(|| TcpListener::bind("127.0.0.1:7000").expect("bind"));
    let _six = lab.machine.within(|| TcpListener::bind("[::1]:7000").expect("bind"));
    for command in [
        "ip addr del 127.0.0.1/8 dev lo",
        "ip addr del ::1/128 dev lo",
        "ip route add 127.0.0.0/8 via 10.200.1.1 dev eth0",
        "ip -6 route add ::1/128 via fd00:71::1 dev eth0",
    ] {
        lab.exec("box", command);
    }
    let container = lab.within("box");
    container.within(|| std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").expect("route_localnet"));
    let _ready = lab.machine.within(|| TcpListener::bind("10.200.1.1:7001").expect("bind"));
    assert!(connects(&container, "10.200.1.1:7001"), "the machine itself it reaches");
    for address in ["127.0.0.1:7000", "127.0.0.1:8080", "[::1]:7000", "10.200.2.2:80", "[fd00:72::2]:80"] {
        assert!(!connects(&container, address), "{address}");
    }
}

#[test]
fn neighbours_of_the_machine_reach_containers_by_published_ports_alone() {
    let lab = Lab::new();
    let world = lab.world();
    lab.serve("web", &["-p", "198.51.100.1:8080:80", "-p", "8081:80"]);
    world.output(&["ip", "route", "add", "10.91.0.0/16", "via", "198.51.100.1"]);
    world.output(&["ip", "route", "add", "127.0.0.0/9", "via", "198.51.100.1", "table", "main"]);
    world.within(|| std::fs::write("/proc/sys/net/ipv4/conf/out0/route_localnet", "1").expect("route_localnet"));
    wait_for("the published port", SECOND * 30, || connects(&world, "198.51.100.1:8080").then_some(()));
    assert!(!connects(&world, "10.91.0.2:80"), "not by a route of their own");
    assert!(!connects(&world, "198.51.100.1:8081"), "nor what is published on the loopback");
    assert!(!connects(&world, "127.0.0.1:8081"), "even if they ask for it");
}

#[test]
fn internal_network_reaches_not_even_the_machine_but_the_machine_reaches_it() {
    let lab = Lab::new();
    let world = lab.world();
    let _out = world.within(|| TcpListener::bind("198.51.100.2:7000").expect("bind"));
    lab.ok(&["network", "create", "--internal", "--subnet", "10.200.3.0/24", "inner"]);
    lab.serve("web", &["--network", "inner"]);
    lab.serve("peer", &["--network", "inner"]);
    let _here = lab.machine.within(|| TcpListener::bind("0.0.0.0:7000").expect("bind"));
    let container = lab.within("web");
    assert!(!connects(&container, "10.200.3.1:7000"));
    assert!(!connects(&container, "198.51.100.2:7000"));
    wait_for("its neighbour", SECOND * 30, || connects(&container, "10.200.3.3:80").then_some(()));
    wait_for("the machine", SECOND * 30, || lab.read("10.200.3.2:80").filter(|text| text == "web\n"));
    let words = ["run", "--rm", "--network", "inner", "-p", "8080:80", "tiny", "true"];
    lab.fails(&words, &["8080:80", "internal"]);
}

#[test]
fn machine_and_containers_believe_no_router_on_a_bridge() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--ipv6", "six"]);
    lab.ok(&["run", "-d", "--name", "box", "--network", "bridge", "--network", "six", "tiny", "sleep", "1000"]);
    let read = |netns: &Netns, path: &str| {
        netns
            .within(|| std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{path}")).expect(path))
            .trim()
            .to_owned()
    };
    assert_eq!(read(&lab.machine, "teu0/disable_ipv6"), "1", "a network without IPv6 has none on its bridge either");
    let container = lab.within("box");
    assert_eq!([read(&container, "eth0/accept_ra"), read(&container, "eth1/accept_ra")], ["0", "0"]);
    let addresses = lab.exec("box", "ip -6 addr show eth0");
    assert!(!addresses.contains("fe80"), "eth0 has no address that was not leased: {addresses}");
    assert!(lab.exec("box", "ip -6 addr show eth1").contains("inet6 fd"), "eth1 has");
}
