//! Names in networks: the resolver at 127.0.0.11 asked by real clients, each machine and container a network namespace.

mod lab;

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use teu::model::Protocol;
use teu::network::{Redirect, redirect};

use self::lab::{Lab, World};
use crate::support::netns::Netns;
use crate::support::{SECOND, need, wait_for};

const ASKED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 11), 53);
/// Where the machine's own resolver is, as systemd-resolved is: no container reaches it there.
const LOOPBACK: &str = "127.0.0.53:53";
const BY_LOOPBACK: &str = "search lan\nnameserver 127.0.0.53\n";

#[test]
fn redirection_moves_the_port_both_ways_and_leaves_the_containers_own_server_alone() {
    need::root();
    let container = Netns::new();
    container.within(|| {
        let udp = UdpSocket::bind("127.0.0.11:0").expect("bind");
        let tcp = TcpListener::bind("127.0.0.11:0").expect("bind");
        let all = [
            Redirect { protocol: Protocol::Udp, asked: ASKED, socket_port: udp.local_addr().expect("bound").port() },
            Redirect { protocol: Protocol::Tcp, asked: ASKED, socket_port: tcp.local_addr().expect("bound").port() },
        ];
        let begin = Instant::now();
        redirect(&all).expect("redirect");
        println!("a redirection takes {:?}", begin.elapsed());
        let own = UdpSocket::bind("0.0.0.0:53").expect("the container's own server");
        let own_tcp = TcpListener::bind("0.0.0.0:53").expect("the container's own server");
        let client = UdpSocket::bind("127.0.0.1:0").expect("bind");
        client.connect(ASKED).expect("connect");
        client.send(b"question").expect("send");
        let mut buffer = [0; 64];
        let (length, from) = udp.recv_from(&mut buffer).expect("the question");
        assert_eq!(&buffer[..length], b"question");
        udp.send_to(b"answer", from).expect("answer");
        let length = client.recv(&mut buffer).expect("an answer from where it asked");
        assert_eq!(&buffer[..length], b"answer");
        client.connect("127.0.0.1:53").expect("connect");
        client.send(b"other").expect("send");
        assert_eq!(own.recv_from(&mut buffer).expect("its own").0, 5);
        let stream = TcpStream::connect(ASKED).expect("connect");
        let (answering, _) = tcp.accept().expect("accept");
        std::io::Write::write_all(&mut &answering, &[7; 100_000]).expect("write");
        drop(answering);
        let mut all = Vec::new();
        std::io::Read::read_to_end(&mut &stream, &mut all).expect("read");
        assert_eq!(all.len(), 100_000);
        drop(own_tcp);
    });
}

#[test]
fn containers_find_each_other_by_every_name_and_by_address() {
    let lab = Lab::new(BY_LOOPBACK);
    let _world = World::at(&lab.machine, LOOPBACK, Ipv4Addr::new(192, 0, 2, 1));
    lab.ok(&["network", "create", "lan"]);
    lab.ok(&["network", "create", "other"]);
    lab.idle("web", &["--network", "lan", "--network-alias", "Db", "--hostname", "front"]);
    lab.idle("asker", &["--network", "lan"]);
    lab.idle("stranger", &["--network", "other"]);
    let id = lab.ok(&["ps", "-q", "--filter", "name=web"]).trim().to_owned();
    let address = lab.address("web");
    for name in ["web", "WEB", "db", "front", &id, "web.lan", "web."] {
        assert_eq!(lab.dig("asker", &[name]), [address.as_str()], "{name}");
        assert_eq!(lab.dig("asker", &["+tcp", name]), [address.as_str()], "{name} by TCP");
    }
    let told = lab.inside("asker", &["getent", "hosts", "web"]);
    assert!(told.starts_with(&address), "{told}");
    assert_eq!(lab.dig("asker", &["-x", &address]), ["web.lan."]);
    assert_eq!(lab.status("asker", &["AAAA", "web"]), "NOERROR");
    assert_eq!(lab.dig("asker", &["AAAA", "web"]), Vec::<String>::new());
    assert_eq!(lab.status("asker", &["-x", "10.92.0.250"]), "NXDOMAIN", "nobody there");
    assert_eq!(lab.status("stranger", &["web"]), "NXDOMAIN", "another network knows nothing of it");
    assert_eq!(lab.dig("stranger", &["world.example"]), ["192.0.2.1"], "the machine's loopback is asked for it");
    // Two of a name take turns; what somebody calls himself never wins over a name that was given.
    lab.idle("second", &["--network", "lan", "--network-alias", "db", "--hostname", "web"]);
    assert_eq!(lab.dig("asker", &["db"]).len(), 2);
    assert_eq!(lab.dig("asker", &["web"]), [address.as_str()]);
    lab.ok(&["rename", "web", "shop"]);
    assert_eq!(lab.dig("asker", &["shop"]), [address.as_str()]);
    let second = lab.address("second");
    assert_eq!(lab.dig("asker", &["web"]), [second.as_str()], "now only a hostname says so");
    lab.ok(&["rm", "-f", "shop"]);
    assert_eq!(lab.status("asker", &["shop"]), "NXDOMAIN");
    assert_eq!(lab.dig("asker", &["db"]), [second.as_str()]);
}

#[test]
fn running_container_learns_names_of_networks_that_it_joins() {
    let lab = Lab::new("nameserver 192.0.2.9\n");
    for name in ["one", "two"] {
        lab.ok(&["network", "create", "--internal", name]);
    }
    lab.idle("web", &["--network", "one"]);
    lab.idle("asker", &["--network", "two", "--hostname", "box"]);
    assert_eq!(lab.status("asker", &["web"]), "NXDOMAIN");
    lab.ok(&["network", "connect", "--alias", "extra", "one", "asker"]);
    assert_eq!(lab.dig("asker", &["web"]), [lab.address("web")]);
    let found = lab.dig("web", &["extra"]);
    assert_eq!(found.len(), 1, "{found:?}");
    let hosts = lab.inside("asker", &["cat", "/etc/hosts"]);
    assert!(hosts.contains(&format!("{}\tbox", found[0])) && hosts.contains("127.0.0.1\tlocalhost"), "{hosts}");
    lab.ok(&["network", "disconnect", "one", "asker"]);
    assert_eq!(lab.status("asker", &["web"]), "NXDOMAIN");
    assert_eq!(lab.status("web", &["extra"]), "NXDOMAIN");
    let hosts = lab.inside("asker", &["cat", "/etc/hosts"]);
    assert!(!hosts.contains(&format!("{}\tbox", found[0])), "{hosts}");
}

#[test]
fn world_is_asked_as_the_machine_says_at_that_moment() {
    let lab = Lab::new(BY_LOOPBACK);
    let first = World::at(&lab.machine, LOOPBACK, Ipv4Addr::new(192, 0, 2, 1));
    let _second = World::at(&lab.machine, "127.0.0.54:53", Ipv4Addr::new(192, 0, 2, 2));
    lab.ok(&["network", "create", "lan"]);
    lab.idle("asker", &["--network", "lan"]);
    assert_eq!(lab.dig("asker", &["world.example"]), ["192.0.2.1"]);
    assert_eq!(lab.dig("asker", &["+tcp", "world.example"]), ["192.0.2.1"]);
    assert_eq!(lab.dig("asker", &["big.example"]).len(), 200, "asked again by TCP, as it was cut");
    assert_eq!(lab.status("asker", &["nothing.example"]), "NXDOMAIN");
    lab.resolve_by("nameserver 127.0.0.54\n");
    assert_eq!(lab.dig("asker", &["world.example"]), ["192.0.2.2"]);
    // Nobody listens at the first, and the second does not answer: the third is asked, and after that first.
    let deaf = lab.machine.within(|| UdpSocket::bind("127.0.0.77:53").expect("bind"));
    lab.resolve_by("nameserver 127.0.0.99\nnameserver 127.0.0.77\nnameserver 127.0.0.54\n");
    let begin = Instant::now();
    assert_eq!(lab.dig("asker", &["world.example"]), ["192.0.2.2"]);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    deaf.set_nonblocking(true).expect("a flag");
    let heard = || std::iter::from_fn(|| deaf.recv(&mut [0; 512]).ok()).count();
    assert!(heard() > 0, "it was asked once");
    assert_eq!(lab.dig("asker", &["world.example"]), ["192.0.2.2"]);
    assert_eq!(heard(), 0, "it is asked again");
    drop(deaf);
    lab.resolve_by("nameserver 127.0.0.99\n");
    assert_eq!(lab.status("asker", &["world.example"]), "SERVFAIL");
    lab.resolve_by("");
    assert_eq!(lab.status("asker", &["world.example"]), "SERVFAIL");
    // Servers that the user named are asked from the container's own place.
    lab.resolve_by(BY_LOOPBACK);
    lab.idle("server", &["--network", "lan"]);
    let address = lab.address("server");
    let server = lab.beside("server", || UdpSocket::bind("0.0.0.0:53").expect("port 53 is the container's own"));
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, from) = server.recv_from(&mut buffer).expect("a question");
        buffer[2] |= 0x80;
        buffer[3] = 0x83;
        server.send_to(&buffer[..length], from).expect("answer");
    });
    lab.idle("picky", &["--network", "lan", "--dns", &address]);
    let asked = first.asked().len();
    assert_eq!(lab.status("picky", &["world.example"]), "NXDOMAIN");
    assert_eq!(first.asked().len(), asked, "the machine's resolver was not asked");
}

#[test]
fn internal_networks_ask_nobody_in_the_world() {
    let lab = Lab::new(BY_LOOPBACK);
    let world = World::at(&lab.machine, LOOPBACK, Ipv4Addr::new(192, 0, 2, 1));
    lab.ok(&["network", "create", "--internal", "inside"]);
    lab.idle("web", &["--network", "inside"]);
    lab.idle("asker", &["--network", "inside", "--dns", "127.0.0.53"]);
    for container in ["web", "asker"] {
        assert_eq!(lab.status(container, &["world.example"]), "NXDOMAIN");
        assert_eq!(lab.status(container, &["+tcp", "world.example"]), "NXDOMAIN");
        assert_eq!(lab.status(container, &["-x", "192.0.2.1"]), "NXDOMAIN");
    }
    assert_eq!(lab.dig("asker", &["web"]), [lab.address("web")]);
    assert_eq!(world.asked(), Vec::<String>::new());
}

#[test]
fn files_of_names_say_what_was_asked_for() {
    let lab = Lab::new("search lan\nnameserver 10.255.255.1\noptions timeout:1\n");
    lab.ok(&["network", "create", "--subnet", "10.200.3.0/24", "one"]);
    let show = |words: &[&str]| {
        let script = "cat /etc/resolv.conf /etc/hosts /etc/hostname";
        lab.ok(&[&["run", "--rm"], words, &["tiny", "sh", "-c", script]].concat())
    };
    let told = show(&["--network", "one", "-h", "box", "--add-host", "up:host-gateway", "--add-host", "db:10.0.0.5"]);
    let wanted = "nameserver 127.0.0.11\nsearch lan\noptions timeout:1 ndots:0\n127.0.0.1\tlocalhost\n";
    assert!(told.starts_with(wanted), "{told}");
    assert!(told.trim_end().ends_with("10.200.3.2\tbox\n10.200.3.1\tup\n10.0.0.5\tdb\nbox"), "{told}");
    let told =
        show(&["--network", "one", "--dns-search", "a.example", "--dns-search", "b.example", "--dns-opt", "ndots:2"]);
    assert!(told.starts_with("nameserver 127.0.0.11\nsearch a.example b.example\noptions ndots:2\n"), "{told}");
    let told = show(&["--network", "bridge", "--dns-search", "."]);
    assert!(told.starts_with("nameserver 127.0.0.11\noptions timeout:1\n127"), "{told}");
    let told = show(&["--network", "none", "--dns", "10.0.0.9", "--add-host", "db:10.0.0.5", "-h", "box"]);
    assert!(told.starts_with("nameserver 10.0.0.9\nsearch lan\noptions timeout:1\n"), "{told}");
    assert!(told.contains("127.0.1.1\tbox\n10.0.0.5\tdb\n"), "{told}");
    let told = show(&["--network", "host", "--add-host", "up:host-gateway"]);
    assert!(told.contains("nameserver 10.255.255.1\n") && told.contains("127.0.0.1\tup\n"), "{told}");
    lab.fails(
        &["run", "--rm", "--network", "none", "--add-host", "a:host-gateway", "tiny"],
        &["host-gateway", "network"],
    );
    lab.fails(&["run", "--rm", "--dns-search", "a b", "tiny"], &["search domain", "a b"]);
    lab.fails(&["run", "--rm", "--dns", "nowhere", "tiny"], &["--dns", "nowhere"]);
}

#[test]
fn killed_monitors_container_is_nobodys_name_any_more() {
    let lab = Lab::new(BY_LOOPBACK);
    let _world = World::at(&lab.machine, LOOPBACK, Ipv4Addr::new(192, 0, 2, 1));
    lab.ok(&["network", "create", "lan"]);
    lab.idle("web", &["--network", "lan"]);
    lab.idle("asker", &["--network", "lan"]);
    assert_eq!(lab.dig("asker", &["web"]), [lab.address("web")]);
    assert_eq!(lab.listed().len(), 2);
    let container = lab.pid("web");
    let status = std::fs::read_to_string(format!("/proc/{container}/status")).expect("it runs");
    let monitor = status.lines().find_map(|line| line.strip_prefix("PPid:\t")).expect("its monitor").to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &monitor]).status().expect("kill").success());
    // Its file is there still, and is not believed.
    let gone = || (lab.status("asker", &["web"]) == "NXDOMAIN").then_some(());
    wait_for("its name to be nobody's", SECOND * 30, gone);
    lab.run(&["ps", "-a"]);
    lab.run(&["start", "web"]);
    wait_for("it to be found again", SECOND * 30, || {
        (lab.dig("asker", &["web"]) == [lab.address("web")]).then_some(())
    });
    lab.ok(&["rm", "-f", "web", "asker"]);
    assert_eq!(lab.listed(), Vec::<String>::new());
}

#[test]
fn floods_and_garbage_neither_stop_the_monitor_nor_the_resolver() {
    let lab = Lab::new(BY_LOOPBACK);
    let _world = World::at(&lab.machine, LOOPBACK, Ipv4Addr::new(192, 0, 2, 1));
    lab.ok(&["network", "create", "lan"]);
    lab.idle("web", &["--network", "lan"]);
    lab.idle("bad", &["--network", "lan"]);
    let address = lab.address("web");
    lab.beside("bad", || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        socket.connect(ASKED).expect("connect");
        let mut state = 88_172_645_463_325_252_u64;
        let mut byte = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        };
        let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06silent\x07example\x00\x00\x01\x00\x01";
        let begin = Instant::now();
        let mut sent = 0;
        while begin.elapsed() < Duration::from_secs(3) {
            let mut garbage: Vec<u8> = (0..usize::from(byte()) * 5).map(|_| byte()).collect();
            let _ = socket.send(&garbage);
            // Nearly a question: one byte of it is wrong, or its end is missing.
            garbage = question.to_vec();
            let at = usize::from(byte()) % garbage.len();
            garbage[at] = byte();
            garbage.truncate(garbage.len() - usize::from(byte()) % 4);
            let _ = socket.send(&garbage);
            let _ = socket.send(&[&[byte(), byte()], &question[2..]].concat());
            sent += 3;
        }
        println!("{sent} datagrams in three seconds");
        // Connections that say nothing, or nonsense, and are left open.
        let streams: Vec<TcpStream> = (0..200).filter_map(|_| TcpStream::connect(ASKED).ok()).collect();
        for mut stream in &streams {
            let _ = std::io::Write::write_all(&mut stream, &[0, 7, 1, 2, 3]);
        }
        let mut last = TcpStream::connect(ASKED).expect("connect");
        let _ = std::io::Write::write_all(&mut last, &vec![0xff; 100_000]);
    });
    wait_for("it to answer after the flood", SECOND * 30, || {
        (lab.dig("bad", &["web"]) == [address.clone()]).then_some(())
    });
    assert_eq!(lab.dig("bad", &["+tcp", "web"]), [address.as_str()]);
    assert_eq!(lab.dig("bad", &["world.example"]), ["192.0.2.1"]);
    assert_eq!(lab.dig("web", &["bad"]).len(), 1, "others are not touched");
    let begin = Instant::now();
    lab.ok(&["rm", "-f", "bad"]);
    assert!(begin.elapsed() < Duration::from_secs(8));
}

#[test]
fn container_cannot_speak_for_another_nor_ask_its_resolver() {
    let lab = Lab::new("nameserver 192.0.2.9\n");
    lab.ok(&["network", "create", "--internal", "lan"]);
    lab.idle("web", &["--network", "lan"]);
    lab.idle("asker", &["--network", "lan"]);
    lab.idle("bad", &["--network", "lan", "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW"]);
    let (web, asker) = (lab.address("web"), lab.address("asker"));
    // With the address of another, and answers that nobody asked for.
    let hostile: [&[&str]; 3] = [
        &["addr", "add", &format!("{web}/24"), "dev", "eth0"],
        &["addr", "del", "127.0.0.1/8", "dev", "lo"],
        &["route", "add", "127.0.0.11/32", "via", &asker],
    ];
    for words in hostile {
        lab.ok(&[&["exec", "bad", "ip"], words].concat());
    }
    let sockets = lab.beside("asker", || std::fs::read_to_string("/proc/thread-self/net/udp").expect("udp"));
    let port = sockets.lines().find_map(|line| line.split_once("0B00007F:")).expect("its resolver's socket").1;
    let port = u16::from_str_radix(&port[..4], 16).expect("a port");
    lab.beside("bad", || {
        let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x00\x00\x01\x00\x01";
        let socket = UdpSocket::bind("0.0.0.0:0").expect("bind");
        socket.set_read_timeout(Some(Duration::from_millis(700))).expect("a time limit");
        for target in
            [format!("{asker}:{port}"), format!("{asker}:53"), format!("127.0.0.11:{port}"), "127.0.0.11:53".to_owned()]
        {
            let _ = socket.send_to(question, &target);
        }
        let mut buffer = [0; 512];
        let heard = socket.recv_from(&mut buffer);
        assert!(heard.is_err(), "somebody answered: {heard:?}");
        for id in 0..=u16::MAX {
            let mut forged = question.to_vec();
            forged[..2].copy_from_slice(&id.to_be_bytes());
            forged[2] = 0x81;
            let _ = socket.send_to(&forged, format!("{asker}:{port}"));
        }
    });
    assert_eq!(lab.dig("asker", &["web"]), [web.as_str()]);
    assert_eq!(lab.dig("asker", &["-x", &web]), ["web.lan."]);
}

#[test]
fn containers_own_server_has_port_53() {
    let lab = Lab::new("nameserver 192.0.2.9\n");
    lab.ok(&["network", "create", "lan"]);
    lab.idle("web", &["--network", "lan"]);
    let (datagrams, connections) = lab.beside("web", || {
        (UdpSocket::bind("0.0.0.0:53").expect("bind"), TcpListener::bind("0.0.0.0:53").expect("bind"))
    });
    assert_eq!(lab.dig("web", &["web"]), [lab.address("web")]);
    assert_eq!(lab.dig("web", &["+tcp", "web"]), [lab.address("web")]);
    drop((datagrams, connections));
}

#[test]
fn networks_and_servers_of_ipv6_alone_are_as_good() {
    let lab = Lab::new("nameserver ::1\n");
    let world = World::at(&lab.machine, "[::1]:53", Ipv4Addr::new(192, 0, 2, 1));
    lab.ok(&["network", "create", "--subnet", "fd00:6::/64", "six"]);
    lab.idle("web", &["--network", "six", "--ip6", "fd00:6::77"]);
    lab.idle("asker", &["--network", "six"]);
    for way in ["+notcp", "+tcp"] {
        assert_eq!(lab.dig("asker", &[way, "AAAA", "web"]), ["fd00:6::77"]);
        assert_eq!(lab.dig("asker", &[way, "-x", "fd00:6::77"]), ["web.six."]);
        assert_eq!(lab.dig("asker", &[way, "world.example"]), ["192.0.2.1"], "the machine's server is asked by IPv6");
        assert_eq!(lab.status("asker", &[way, "A", "web"]), "NOERROR");
    }
    let told = lab.inside("asker", &["getent", "ahosts", "web"]);
    assert!(told.starts_with("fd00:6::77"), "{told}");
    // A server of link-local address, by its link's number, after one that nobody has.
    let asked = world.asked().len();
    lab.resolve_by("nameserver 2001:db8::dead\nnameserver ::1%1\n");
    assert_eq!(lab.dig("asker", &["world.example"]), ["192.0.2.1"]);
    assert!(world.asked().len() > asked);
    // One that the user named is asked from the container's own place.
    let server = lab.beside("web", || UdpSocket::bind("[::]:53").expect("port 53 is the container's own"));
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        let (length, from) = server.recv_from(&mut buffer).expect("a question");
        buffer[2] |= 0x80;
        buffer[3] = 0x83;
        server.send_to(&buffer[..length], from).expect("answer");
    });
    lab.idle("picky", &["--network", "six", "--dns", "fd00:6::77"]);
    assert_eq!(lab.status("picky", &["world.example"]), "NXDOMAIN");
}

#[test]
fn fifty_containers_of_a_network_have_an_address_each_and_all_find_each_other() {
    let lab = Lab::new("nameserver 192.0.2.9\n");
    lab.ok(&["network", "create", "lan"]);
    std::thread::scope(|scope| {
        for worker in 0..5 {
            let lab = &lab;
            scope.spawn(move || {
                (0..10).for_each(|number| lab.idle(&format!("c{}", worker * 10 + number), &["--network", "lan"]));
            });
        }
    });
    let inspected: serde_json::Value = serde_json::from_str(&lab.ok(&["network", "inspect", "lan"])).expect("JSON");
    let members = inspected[0]["Containers"].as_object().expect("containers");
    let address = |member: &serde_json::Value| member["IPv4Address"].as_str().expect("an address").to_owned();
    let addresses: std::collections::BTreeSet<String> = members.values().map(address).collect();
    assert_eq!((members.len(), addresses.len()), (50, 50), "{addresses:?}");
    let names: Vec<String> = (0..50).map(|number| format!("c{number}")).collect();
    let words = [&["+short", "+tries=1", "+time=8"], &*names.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    for asker in ["c0", "c49"] {
        let told = lab.inside(asker, &[&["dig"], &words[..]].concat());
        let found: std::collections::BTreeSet<&str> = told.lines().collect();
        let wanted = addresses.iter().map(|address| address.split('/').next().expect("one")).collect();
        assert_eq!(found, wanted, "{asker}");
    }
    lab.ok(&[&["rm", "-f"], &names.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    assert_eq!(lab.listed(), Vec::<String>::new());
    lab.ok(&["network", "rm", "lan"]);
}
