//! Packets that really go: IPv6, UDP, SCTP, ranges, random ports, and ports of the machine reached from its own containers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, ipproto, recv, sendto, socket};

use super::lab::Lab;
use crate::support::netns::Netns;
use crate::support::{SECOND, need, wait_for};

/// A container whose busybox serves the image's /etc over HTTP.
#[track_caller]
fn serve_http(lab: &Lab, name: &str, more: &[&str]) {
    let server = ["tiny", "busybox", "httpd", "-f", "-p", "80", "-h", "/etc"];
    lab.ok(&[&["run", "-d", "--name", name], more, &server].concat());
}

/// What curl gets in a namespace; nothing if there is no answer.
fn curl(from: &Netns, host: &str) -> Option<String> {
    need::program("curl", "curl");
    let address = format!("http://{host}/only-in-the-image");
    let output = from.command(&["curl", "-gsS", "--max-time", "2", &address]);
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[track_caller]
fn answers(from: &Netns, host: &str) {
    wait_for(host, SECOND * 30, || (curl(from, host)? == "tiny").then_some(()));
}

/// Answers each word with where it came from.
fn echo(netns: &Netns, address: &str) {
    let socket = netns.within(|| UdpSocket::bind(address).expect("bind"));
    socket.set_read_timeout(Some(SECOND * 20)).expect("a limit");
    std::thread::spawn(move || {
        while let Ok((_, from)) = socket.recv_from(&mut [0; 64]) {
            let _ = socket.send_to(from.to_string().as_bytes(), from);
        }
    });
}

/// Asks such an echo; nothing if it does not answer.
fn ask(netns: &Netns, address: &str) -> Option<SocketAddr> {
    let any = if address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = netns.within(|| UdpSocket::bind(any).expect("bind"));
    socket.set_read_timeout(Some(Duration::from_millis(700))).expect("a limit");
    netns.within(|| socket.send_to(b"who am I?", address)).ok()?;
    let mut buffer = [0; 64];
    let length = socket.recv(&mut buffer).ok()?;
    String::from_utf8_lossy(&buffer[..length]).parse().ok()
}

#[test]
fn ipv6_containers_reach_each_other_the_world_and_are_reached_by_published_ports() {
    let lab = Lab::new();
    let world = lab.world();
    // As on machines whose bridges do not pass through the firewall; else [::1] is refused, see below.
    let calls = "/proc/sys/net/bridge/bridge-nf-call-ip6tables";
    let bridged = lab.machine.within(|| std::fs::write(calls, "0").is_ok());
    lab.ok(&["network", "create", "--ipv6", "--subnet", "10.200.6.0/24", "--subnet", "fd00:76::/64", "six"]);
    let ports = ["-p", "[::1]:8080:80", "-p", "[::]:8081:80", "-p", "[2001:db8::1]:8082:80", "-p", "8080:80"];
    serve_http(&lab, "web", &[&["--network", "six"], &ports[..]].concat());
    lab.ok(&["run", "-d", "--name", "box", "--network", "six", "--ip6", "fd00:76::9", "tiny", "sleep", "1000"]);
    let container = lab.within("box");
    assert!(lab.exec("box", "ip -6 addr show eth0").contains("fd00:76::9/64"));
    answers(&container, "[fd00:76::2]");
    answers(&lab.machine, "[::1]:8080");
    answers(&lab.machine, "127.0.0.1:8080");
    answers(&lab.machine, "[2001:db8::1]:8081");
    answers(&world, "[2001:db8::1]:8081");
    answers(&world, "[2001:db8::1]:8082");
    answers(&container, "[2001:db8::1]:8081");
    answers(&lab.within("web"), "[2001:db8::1]:8081");
    assert_eq!(curl(&world, "[2001:db8::1]:8080"), None, "what is published on [::1] is not for the world");
    assert_eq!(curl(&world, "198.51.100.1:8081"), None, "[::] is of IPv6 alone");
    // The world knows no way to fd00:76::/64: it sees the machine's address.
    echo(&world, "[2001:db8::2]:5300");
    let seen = wait_for("the world's answer", SECOND * 30, || ask(&container, "[2001:db8::2]:5300"));
    assert_eq!(seen.ip().to_string(), "2001:db8::1");
    let listed = lab.ok(&["port", "web"]);
    assert!(listed.contains("80/tcp -> [::1]:8080") && listed.contains("80/tcp -> [::]:8081"), "{listed}");
    lab.ok(&["rm", "-f", "web"]);
    assert_eq!(curl(&lab.machine, "[::1]:8080"), None);
    if bridged {
        lab.machine.within(|| std::fs::write(calls, "1").expect("set it"));
        let words = ["run", "--rm", "--network", "six", "-p", "[::1]:8080:80", "tiny", "true"];
        lab.fails(&words, &["[::1]", "bridge-nf-call-ip6tables=0"]);
    }
}

#[test]
fn udp_ports_ranges_and_random_ports_answer() {
    let lab = Lab::new();
    let world = lab.world();
    let ports = ["-p", "5000-5003:6000-6003/udp", "-p", "0.0.0.0:7000:6000/udp", "-p", "0.0.0.0::6001/udp"];
    lab.ok(&[&["run", "-d", "--name", "dns"], &ports[..], &["tiny", "sleep", "1000"]].concat());
    let container = lab.within("dns");
    for port in 6000..6004 {
        echo(&container, &format!("0.0.0.0:{port}"));
    }
    for port in 5000..5004 {
        assert!(ask(&lab.machine, &format!("127.0.0.1:{port}")).is_some(), "port {port} of the range");
    }
    let seen = ask(&world, "198.51.100.1:7000").expect("an answer to the world");
    assert_eq!(seen.ip().to_string(), "198.51.100.2", "the container sees who asks");
    let listed = lab.ok(&["port", "dns", "6001/udp"]);
    let random = listed.lines().find_map(|line| line.split("0.0.0.0:").nth(1)).expect("a random port").to_owned();
    assert!(ask(&world, &format!("198.51.100.1:{random}")).is_some(), "{listed}");
    assert_eq!(ask(&world, "198.51.100.1:5000"), None, "the range is on the loopback alone");
    // With a real client too.
    let said = lab.machine.command(&["sh", "-c", "echo hello | nc -u -w 1 127.0.0.1 5000"]);
    assert!(String::from_utf8_lossy(&said.stdout).starts_with("10.91.0.1:"), "{said:?}");
}

#[test]
fn ports_are_reached_from_their_own_container_and_from_other_networks() {
    let lab = Lab::new();
    let _world = lab.world();
    lab.ok(&["network", "create", "--subnet", "10.200.7.0/24", "other"]);
    serve_http(&lab, "web", &["-p", "0.0.0.0:8080:80"]);
    lab.ok(&["run", "-d", "--name", "box", "--network", "other", "tiny", "sleep", "1000"]);
    for who in ["web", "box"] {
        answers(&lab.within(who), "198.51.100.1:8080");
    }
    answers(&lab.machine, "127.0.0.1:8080");
    let got = lab.exec("box", "wget -q -O - http://198.51.100.1:8080/only-in-the-image");
    assert_eq!(got, "tiny", "with the container's own program");
}

#[test]
fn containers_speak_to_the_world_with_the_machines_address() {
    let lab = Lab::new();
    let world = lab.world();
    lab.ok(&["run", "-d", "--name", "box", "--network", "bridge", "tiny", "sleep", "1000"]);
    echo(&world, "198.51.100.2:5300");
    let seen = ask(&lab.within("box"), "198.51.100.2:5300").expect("the world's answer");
    assert_eq!(seen.ip().to_string(), "198.51.100.1");
    let listener = world.within(|| TcpListener::bind("198.51.100.2:7000").expect("bind"));
    let asked = std::thread::spawn(move || listener.accept().map(|(_, from)| from));
    lab.exec("box", "echo hello | nc -w 2 198.51.100.2 7000");
    assert_eq!(asked.join().expect("a thread").expect("a connection").ip().to_string(), "198.51.100.1");
}

/// An SCTP INIT chunk in its packet (RFC 9260, 3.3.2), with the checksum that routers look at.
fn sctp_init(from: u16, to: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    packet.extend([0; 8]);
    packet.extend([1, 0, 0, 20]);
    packet.extend(7u32.to_be_bytes());
    packet.extend(65536u32.to_be_bytes());
    packet.extend([0, 1, 0, 1]);
    packet.extend(9u32.to_be_bytes());
    let sum = crc32c(&packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
    packet
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32| (sum >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(sum & 1));
    !bytes.iter().fold(!0u32, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)))
}

#[test]
fn sctp_associations_are_passed_on_to_the_container() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283, "the check value of CRC-32C");
    let lab = Lab::new();
    let world = lab.world();
    lab.ok(&["run", "-d", "--name", "box", "-p", "0.0.0.0:3868:3869/sctp", "tiny", "sleep", "1000"]);
    let container = lab.within("box");
    // Few kernels here have SCTP sockets of their own: the packet itself is looked at.
    let raw = || socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::SCTP)).expect("a raw socket");
    let ears = container.within(raw);
    rustix::net::sockopt::set_socket_timeout(&ears, rustix::net::sockopt::Timeout::Recv, Some(SECOND * 5))
        .expect("limit");
    let mouth = world.within(raw);
    let to = SocketAddr::from((Ipv4Addr::new(198, 51, 100, 1), 0));
    sendto(&mouth, &sctp_init(40000, 3868), rustix::net::SendFlags::empty(), &to).expect("send");
    let mut buffer = [0; 256];
    let (length, _) =
        recv(&ears, &mut buffer[..], rustix::net::RecvFlags::empty()).expect("the packet in the container");
    let packet = &buffer[20..length];
    assert_eq!(
        packet[..4],
        [40000u16.to_be_bytes(), 3869u16.to_be_bytes()].concat()[..],
        "its port is the container's"
    );
    let listed = lab.ok(&["port", "box"]);
    assert!(listed.contains("3869/sctp -> 0.0.0.0:3868"), "{listed}");
}
