//! Networks whose containers share a device of the machine: macvlan and ipvlan, with a real neighbour behind the device.

use std::net::TcpListener;

use super::lab::Lab;
use crate::support::netns::Netns;
use crate::support::{SECOND, wait_for};

/// A neighbour that says hello to whoever connects to its port 7000.
fn greet(world: &Netns) {
    let listener = world.within(|| TcpListener::bind("198.51.100.2:7000").expect("bind"));
    std::thread::spawn(move || {
        for stream in listener.incoming().take(8).flatten() {
            let _ = std::io::Write::write_all(&mut { stream }, b"hello\n");
        }
    });
}

fn create(driver: &str) -> Vec<&str> {
    let rest = ["--subnet", "198.51.100.0/24", "--gateway", "198.51.100.2", "--ip-range", "198.51.100.64/28"];
    [&["network", "create", "-d", driver, "-o", "parent=up0"], &rest[..], &["lan"]].concat()
}

/// What containers of both drivers can do.
fn live_on_the_lan(lab: &Lab, world: &Netns) {
    greet(world);
    lab.serve("one", &["--network", "lan"]);
    lab.ok(&["run", "-d", "--name", "two", "--network", "lan", "--ip", "198.51.100.70", "tiny", "sleep", "1000"]);
    let route = lab.exec("one", "ip route");
    assert!(route.contains("default via 198.51.100.2"), "{route}");
    assert!(lab.exec("one", "ip -4 addr show eth0").contains("198.51.100.64/24"));
    let ask = |from: &str, address: &str| lab.exec(from, &format!("sleep 0.5 | nc -w 2 {address}"));
    wait_for("the neighbour's answer", SECOND * 30, || (ask("two", "198.51.100.2 7000") == "hello").then_some(()));
    wait_for("the other container's answer", SECOND * 30, || (ask("two", "198.51.100.64 80") == "one").then_some(()));
    let asked = || {
        let output = world.command(&["nc", "-N", "-w", "2", "198.51.100.64", "80"]);
        (output.stdout == b"one\n").then_some(())
    };
    wait_for("an answer to the neighbour", SECOND * 30, asked);
    lab.fails(&["network", "rm", "lan"], &["lan", "one"]);
    lab.ok(&["rm", "-f", "one", "two"]);
    lab.ok(&["network", "rm", "lan"]);
    let links = lab.machine.output(&["ip", "-o", "link"]);
    assert!(links.contains("up0:"), "the device is not teu's to remove: {links}");
}

#[test]
fn macvlan_containers_are_hosts_of_the_devices_network() {
    let lab = Lab::new();
    let world = lab.world();
    lab.ok(&create("macvlan"));
    live_on_the_lan(&lab, &world);
}

#[test]
fn ipvlan_containers_are_hosts_of_the_devices_network_or_the_kernel_is_named() {
    let lab = Lab::new();
    let world = lab.world();
    lab.ok(&create("ipvlan"));
    if lab.machine.command(&["ip", "link", "add", "probe", "link", "up0", "type", "ipvlan"]).status.success() {
        lab.machine.output(&["ip", "link", "del", "probe"]);
        return live_on_the_lan(&lab, &world);
    }
    lab.fails(&["run", "--rm", "--network", "lan", "tiny", "true"], &["ipvlan", "kernel", "modprobe"]);
    lab.ok(&["network", "rm", "lan"]);
}

#[test]
fn device_that_is_not_there_is_named() {
    let lab = Lab::new();
    lab.fails(&create("macvlan"), &["lan", "up0", "ip link"]);
    assert!(!lab.ok(&["network", "ls"]).contains("macvlan"), "nothing half made");
    lab.machine.output(&["ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1"]);
    lab.ok(&create("macvlan"));
    lab.machine.output(&["ip", "link", "del", "up0"]);
    lab.fails(&["run", "--rm", "--network", "lan", "tiny", "true"], &["lan", "up0"]);
    lab.fails(&["network", "create", "-d", "macvlan", "other"], &["parent"]);
}
