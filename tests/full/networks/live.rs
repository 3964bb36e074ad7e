//! Networks and ports that change while containers run, on a machine of the test's own.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::json;

use super::lab::Lab;
use crate::support::process::run;
use crate::support::{SECOND, wait_for};

/// What a container's `nc` reads from an address.
fn asked(lab: &Lab, from: &str, address: &str, port: &str) -> String {
    lab.run(&["exec", from, "sh", "-c", &format!("sleep 0.3 | nc -w 1 {address} {port}")]).text().trim().to_owned()
}

fn sleeper(lab: &Lab, name: &str, more: &[&str]) {
    lab.ok(&[&["run", "-d", "--name", name], more, &["tiny", "sleep", "1000"]].concat());
}

#[test]
fn running_container_joins_and_leaves_networks() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--subnet", "10.201.1.0/24", "one"]);
    lab.ok(&["network", "create", "--subnet", "10.201.2.0/24", "two"]);
    lab.serve("web", &["--network", "two", "--ip", "10.201.2.9"]);
    sleeper(&lab, "box", &["--network", "one", "--restart", "always"]);
    assert_eq!(asked(&lab, "box", "10.201.2.9", "80"), "", "networks are apart");
    lab.ok(&["network", "connect", "--ip", "10.201.2.77", "--mac-address", "02:42:0a:00:00:07", "two", "box"]);
    wait_for("the other network", SECOND * 30, || (asked(&lab, "box", "10.201.2.9", "80") == "web").then_some(()));
    let links = lab.ok(&["exec", "box", "ip", "addr"]);
    for part in ["eth0", "eth1", "10.201.2.77/24", "02:42:0a:00:00:07"] {
        assert!(links.contains(part), "{part} in\n{links}");
    }
    let inspected = lab.machine.within(|| lab.teu.inspect("box"));
    assert_eq!(inspected["NetworkSettings"]["Networks"]["two"]["IPAddress"], json!("10.201.2.77"));
    lab.fails(&["network", "connect", "two", "box"], &["box", "two", "already"]);
    lab.fails(&["network", "rm", "two"], &["in use"]);
    // It keeps them when its policy starts it again, and when it is started by hand.
    lab.ok(&["restart", "-t", "0", "box"]);
    wait_for("the network again", SECOND * 30, || (asked(&lab, "box", "10.201.2.9", "80") == "web").then_some(()));
    // Leaving the network with the way out: the other one takes over.
    lab.ok(&["network", "disconnect", "one", "box"]);
    let routes = lab.ok(&["exec", "box", "ip", "route"]);
    assert!(routes.contains("default via 10.201.2.1") && !routes.contains("10.201.1."), "{routes}");
    lab.fails(&["network", "disconnect", "one", "box"], &["box", "one", "not in network"]);
    lab.ok(&["network", "rm", "one"]);
    lab.ok(&["network", "disconnect", "two", "box"]);
    assert!(!lab.ok(&["exec", "box", "ip", "addr"]).contains("eth"), "no link is left");
    lab.ok(&["network", "connect", "two", "box"]);
    assert_eq!(asked(&lab, "box", "10.201.2.9", "80"), "web");
    lab.ok(&["rm", "-f", "box", "web"]);
}

/// Docker's events, also of starts and ends, and of an end that only the next look finds.
#[test]
fn joining_and_leaving_networks_is_told() {
    let lab = Lab::new();
    for network in ["one", "two", "three"] {
        lab.ok(&["network", "create", network]);
    }
    let id = lab.ok(&["run", "-d", "--name", "box", "--network", "one", "--network", "two", "tiny", "sleep", "1000"]);
    lab.ok(&["network", "connect", "three", "box"]);
    lab.ok(&["network", "disconnect", "two", "box"]);
    lab.ok(&["stop", "-t", "0", "box"]);
    lab.ok(&["network", "connect", "two", "box"]);
    lab.ok(&["start", "box"]);
    let monitor = lab.machine.output(&["ps", "-o", "ppid=", "-p", &lab.pid("box")]).trim().to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &monitor]).status().expect("kill").success());
    wait_for("it to be down", SECOND * 30, || (lab.ok(&["ps", "-q"]).is_empty()).then_some(()));
    lab.ok(&["ps", "-a"]);
    let format = "{{.Action}} {{.Name}} {{json .Attributes}}";
    let lines = lab.ok(&["events", "--until", "0s", "--filter", "type=network", "--format", format]);
    let moves: Vec<&str> = lines.lines().filter(|line| !line.starts_with("create ")).collect();
    let attributes = moves.iter().map(|line| line.splitn(3, ' ').nth(2).expect("attributes"));
    for text in attributes {
        let value: serde_json::Value = serde_json::from_str(text).expect(text);
        assert_eq!(value, json!({ "container": id, "type": "bridge" }));
    }
    let mut told: Vec<String> =
        moves.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let lost = told.split_off(told.len() - 3);
    assert_eq!(
        told,
        [
            ["connect one", "connect two", "connect three", "disconnect two"].as_slice(),
            &["disconnect one", "disconnect three"],
            &["connect one", "connect three", "connect two"],
        ]
        .concat()
    );
    assert_eq!(lost, ["disconnect one", "disconnect three", "disconnect two"]);
    let order = lab.ok(&["events", "--until", "0s", "--format", "{{.Type}} {{.Action}}"]);
    let order: Vec<&str> = order.lines().collect();
    let first = |text: &str| order.iter().position(|line| *line == text).expect(text);
    let last = |text: &str| order.iter().rposition(|line| *line == text).expect(text);
    assert!(first("network connect") < first("container start"), "{order:?}");
    assert!(last("container die") < last("network disconnect"), "{order:?}");
    lab.ok(&["rm", "-f", "box"]);
}

#[test]
fn ports_come_and_go_while_the_container_runs_and_stay_in_its_record() {
    let lab = Lab::new();
    lab.serve("web", &["-p", "8080:80"]);
    let reads = |address: &str| lab.read(address).filter(|text| text == "web\n");
    wait_for("the server", SECOND * 30, || reads("127.0.0.1:8080"));
    lab.ok(&["update", "--publish-add", "0.0.0.0:8081:80", "--publish-add", "80", "web"]);
    wait_for("another port", SECOND * 30, || reads("10.91.0.1:8081"));
    wait_for("the first port still", SECOND * 30, || reads("127.0.0.1:8080"));
    let ports = lab.ok(&["port", "web", "80"]);
    assert_eq!(ports.lines().count(), 3, "{ports}");
    let random = ports.lines().last().expect("three").to_owned();
    wait_for("a free port", SECOND * 30, || reads(&random));
    // A port of the machine moves to another of the container in one step.
    lab.ok(&["update", "--publish-rm", "8080:80", "--publish-add", "8080:81", "web"]);
    assert!(lab.ok(&["ps"]).contains("127.0.0.1:8080->81/tcp"), "{}", lab.ok(&["ps"]));
    assert_eq!(lab.read("127.0.0.1:8080"), None, "nobody listens at 81");
    for (words, told) in [
        (vec!["update", "--publish-add", "8080:80", "web"], vec!["web", "publishes", "8080"]),
        (vec!["update", "--publish-rm", "9999:80", "web"], vec!["web", "does not publish", "9999"]),
        (vec!["update", "--publish-add", "x", "web"], vec!["x"]),
    ] {
        lab.fails(&words, &told);
    }
    sleeper(&lab, "other", &["-p", "9090:90"]);
    lab.fails(&["update", "--publish-add", "7070:70", "--publish-add", "9090:80", "web"], &["9090", "container other"]);
    assert!(!lab.ok(&["port", "web"]).contains("7070"), "all or nothing");
    lab.ok(&["run", "--rm", "-p", "7070:70", "tiny", "true"]);
    lab.ok(&["restart", "-t", "0", "web"]);
    wait_for("the port after a restart", SECOND * 30, || reads("10.91.0.1:8081"));
    lab.ok(&["update", "--publish-rm", "80", "--publish-rm", "81", "web"]);
    assert_eq!((lab.ok(&["port", "web"]), lab.read("10.91.0.1:8081")), (String::new(), None));
    lab.ok(&["stop", "-t", "0", "web"]);
    lab.ok(&["update", "--publish-add", "8080:80", "web"]);
    lab.fails(&["update", "--publish-add", "127.0.0.1:8080:90", "web"], &["8080"]);
    lab.ok(&["start", "web"]);
    wait_for("the port of a stopped one", SECOND * 30, || reads("127.0.0.1:8080"));
    lab.ok(&["rm", "-f", "web", "other"]);
}

#[test]
fn udp_port_that_moves_is_not_held_by_old_connections() {
    let lab = Lab::new();
    for name in ["first", "second"] {
        sleeper(&lab, name, &["--network", "bridge"]);
        let server = lab.within(name).within(|| UdpSocket::bind("0.0.0.0:53").expect("bind"));
        // It ends when nobody has asked for a while.
        server.set_read_timeout(Some(SECOND * 10)).expect("a time limit");
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((_, client)) = server.recv_from(&mut buffer) {
                let _ = server.send_to(name.as_bytes(), client);
            }
        });
    }
    let client = lab.machine.within(|| UdpSocket::bind("127.0.0.1:0").expect("bind"));
    client.connect("127.0.0.1:5353").expect("connect");
    client.set_read_timeout(Some(Duration::from_millis(300))).expect("a time limit");
    let answered = || {
        let mut buffer = [0; 64];
        let _ = client.send(b"x\n");
        let count = client.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..count]).into_owned())
    };
    assert_eq!(answered(), None, "nobody listens yet");
    for (to, from) in [("first", None), ("second", Some("first")), ("first", Some("second"))] {
        if let Some(from) = from {
            lab.ok(&["update", "--publish-rm", "5353:53/udp", from]);
        }
        lab.ok(&["update", "--publish-add", "5353:53/udp", to]);
        // The client speaks all the while, so the kernel would never forget where its packets went.
        wait_for(to, SECOND * 30, || (answered()? == to).then_some(()));
    }
    lab.ok(&["rm", "-f", "first", "second"]);
}

#[test]
fn container_in_anothers_network_shares_its_links_ports_and_names() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "lan"]);
    sleeper(&lab, "pod", &["--network", "lan", "-p", "8080:80", "--add-host", "extra:10.1.2.3"]);
    let links = |name: &str| lab.ok(&["exec", name, "ip", "-4", "addr"]);
    for more in [&[][..], &["--userns", "host"], &["--user", "1000"]] {
        let words = [&["--network", "container:pod"], more].concat();
        lab.serve("side", &words);
        assert_eq!(links("side"), links("pod"));
        wait_for("the port of the other", SECOND * 30, || lab.read("127.0.0.1:8080").filter(|text| text == "side\n"));
        let files = ["exec", "side", "cat", "/etc/hosts", "/etc/resolv.conf"];
        let shared = ["exec", "pod", "cat", "/etc/hosts", "/etc/resolv.conf"];
        assert!(lab.ok(&files).contains("10.1.2.3\textra"), "{}", lab.ok(&files));
        assert_eq!(lab.ok(&files), lab.ok(&shared));
        let inspected = lab.machine.within(|| lab.teu.inspect("side"));
        let mode = inspected["HostConfig"]["NetworkMode"].as_str().expect("a mode").to_owned();
        assert_eq!(
            mode,
            format!("container:{}", lab.machine.within(|| lab.teu.inspect("pod"))["Id"].as_str().expect("id"))
        );
        lab.ok(&["rm", "-f", "side"]);
    }
    for (words, told) in [
        (vec!["run", "--rm", "--network", "container:none", "tiny", "true"], vec!["No such container", "none"]),
        (vec!["run", "--rm", "--network", "container:pod", "-p", "80", "tiny", "true"], vec!["--publish"]),
        (vec!["run", "--rm", "--network", "container:", "tiny", "true"], vec!["names no container"]),
    ] {
        lab.fails(&words, &told);
    }
    lab.serve("side", &["--network", "container:pod"]);
    lab.fails(&["network", "connect", "lan", "side"], &["side", "in the network of container"]);
    lab.fails(&["update", "--publish-add", "80", "side"], &["side", "in the network of container"]);
    lab.ok(&["rm", "-f", "pod"]);
    lab.ok(&["rm", "-f", "side"]);
    let left = lab.run(&["run", "-d", "--name", "late", "--network", "container:pod", "tiny", "true"]);
    left.explains(&["No such container", "pod"]);
    assert!(!lab.teu.names().contains("late"), "nothing is made");
}

#[test]
fn exposed_ports_are_published_with_a_capital_p() {
    let lab = Lab::new();
    let file = lab.teu.file("exposing.tar", &crate::support::tiny::busybox_tar());
    lab.ok(&["import", "--change", "EXPOSE 80 53/udp", "--change", "CMD [\"sh\"]", &file.to_string_lossy(), "serving"]);
    let serve = "while true; do echo web | nc -l -p 80; done";
    lab.ok(&["run", "-d", "--name", "web", "-P", "--expose", "7000-7001", "serving", "sh", "-c", serve]);
    let ports = lab.ok(&["port", "web"]);
    assert_eq!(ports.lines().count(), 4, "{ports}");
    let web = ports.lines().find_map(|line| line.strip_prefix("80/tcp -> ")).expect("port 80");
    wait_for("an answer", SECOND * 30, || lab.read(web).filter(|text| text == "web\n"));
    let inspected = lab.machine.within(|| lab.teu.inspect("web"));
    assert_eq!(inspected["HostConfig"]["PublishAllPorts"], json!(true));
    let exposed: Vec<_> = inspected["Config"]["ExposedPorts"].as_object().expect("ports").keys().cloned().collect();
    assert_eq!(exposed, ["53/udp", "7000/tcp", "7001/tcp", "80/tcp"]);
    sleeper(&lab, "quiet", &["--network", "bridge", "--expose", "7000-7001", "-p", "8080:80"]);
    assert!(lab.ok(&["ps"]).contains("127.0.0.1:8080->80/tcp, 7000-7001/tcp"), "{}", lab.ok(&["ps"]));
    lab.ok(&["rm", "-f", "web", "quiet"]);
}

#[test]
fn refused_wishes_leave_nothing() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--subnet", "10.202.0.0/29", "small"]);
    lab.ok(&["network", "create", "--subnet", "10.202.1.0/24", "--internal", "inside"]);
    lab.ok(&["network", "create", "--subnet", "10.202.2.0/24", "lan"]);
    sleeper(&lab, "box", &["--network", "lan"]);
    for index in 0..5 {
        sleeper(&lab, &format!("full{index}"), &["--network", "small"]);
    }
    // Bridges stay when their last container has gone.
    lab.ok(&["run", "--rm", "--network", "inside", "tiny", "true"]);
    let lasting = || {
        let (links, rules) = lab.traces();
        (links.iter().filter(|link| link.contains("@")).count() == 6).then_some((links, rules))
    };
    let before = wait_for("the last container's link to be gone", SECOND * 30, lasting);
    let leases = || lab.ok(&["network", "inspect", "small", "inside", "lan"]);
    let held = leases();
    for (words, told) in [
        (vec!["run", "--network", "lan", "--network", "lan", "tiny", "true"], vec!["lan", "twice"]),
        (vec!["run", "--network", "nowhere", "tiny", "true"], vec!["no such network", "nowhere", "network create"]),
        (vec!["run", "--network", "lan", "--ip", "10.9.9.9", "tiny", "true"], vec!["10.9.9.9", "outside"]),
        (vec!["run", "--network", "lan", "--ip6", "fd00::5", "tiny", "true"], vec!["fd00::5"]),
        (vec!["run", "--network", "lan", "--ip", "fd00::5", "tiny", "true"], vec!["--ip6"]),
        (vec!["run", "--network", "lan", "--ip", "10.202.2.1", "tiny", "true"], vec!["10.202.2.1", "gateway"]),
        (vec!["run", "--network", "bridge", "--network-alias", "db", "tiny", "true"], vec!["default network"]),
        (vec!["run", "-p", "80:80", "-p", "80:81", "tiny", "true"], vec!["80/tcp", "twice"]),
        (vec!["network", "connect", "nowhere", "box"], vec!["no such network", "nowhere"]),
        (vec!["network", "connect", "lan", "nobody"], vec!["No such container", "nobody"]),
        (vec!["network", "connect", "lan", "box"], vec!["box", "lan", "already"]),
        (vec!["network", "connect", "--ip", "10.9.9.9", "inside", "box"], vec!["10.9.9.9", "outside"]),
        (vec!["network", "connect", "small", "box"], vec!["10.202.0.0/29", "leased"]),
        (vec!["network", "connect", "--ip", "10.202.0.2", "small", "box"], vec!["10.202.0.2", "another container"]),
        (vec!["network", "disconnect", "inside", "box"], vec!["box", "inside", "not in network"]),
        (vec!["network", "disconnect", "nowhere", "box"], vec!["box", "nowhere"]),
        (vec!["run", "--network", "lan", "-p", "[::]:8080:80", "tiny", "true"], vec!["[::]:8080", "--ipv6"]),
        (vec!["update", "--publish-add", "[::]:8080:80", "box"], vec!["[::]:8080", "--ipv6"]),
        (vec!["update", "--publish-add", "203.0.113.5:8080:80", "box"], vec!["203.0.113.5"]),
        (vec!["network", "rm", "lan"], vec!["lan", "box"]),
    ] {
        lab.fails(&words, &told);
        assert_eq!(lab.traces(), before, "{words:?}");
        assert_eq!(leases(), held, "{words:?}");
    }
    // At start, what can only be known then.
    lab.fails(&["run", "--rm", "--network", "small", "tiny", "true"], &["10.202.0.0/29", "leased"]);
    wait_for("links as before", SECOND * 30, || (lab.traces() == before).then_some(()));
    assert_eq!(leases(), held, "an address of the exhausted network");
    let names = lab.ok(&["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(names.lines().count(), 6, "{names}");
    // A container without networks has to be down to get one.
    lab.ok(&["run", "-d", "--name", "alone", "--network", "none", "tiny", "sleep", "1000"]);
    lab.fails(&["network", "connect", "lan", "alone"], &["alone", "--network none"]);
    lab.fails(&["update", "--publish-add", "80", "alone"], &["alone", "--network none"]);
    lab.ok(&["stop", "-t", "0", "alone"]);
    lab.ok(&["network", "connect", "lan", "alone"]);
    lab.ok(&["start", "alone"]);
    assert!(lab.ok(&["exec", "alone", "ip", "addr"]).contains("10.202.2."));
    // One that has left all of its networks keeps its ports for the next one, and runs.
    lab.ok(&["update", "--publish-add", "8088:80", "alone"]);
    lab.ok(&["network", "disconnect", "lan", "alone"]);
    lab.ok(&["restart", "-t", "0", "alone"]);
    assert!(!lab.ok(&["exec", "alone", "ip", "addr"]).contains("eth"));
    lab.ok(&["network", "connect", "lan", "alone"]);
    assert!(lab.traces().1.contains("8088"), "published again: {}", lab.traces().1);
    // A network that went away is left by a container that is down.
    lab.ok(&["stop", "-t", "0", "alone", "box"]);
    lab.ok(&["network", "rm", "lan"]);
    lab.fails(&["start", "alone"], &["no such network", "lan"]);
    lab.ok(&["network", "disconnect", "lan", "alone"]);
    lab.ok(&["start", "alone"]);
    lab.ok(&["ps", "-a", "-q"]).lines().for_each(|id| drop(lab.ok(&["rm", "-f", id])));
}

#[test]
fn configuration_sets_the_default_network_and_the_address_of_ports() {
    let lab = Lab::new();
    let folder = lab.teu.config().join("teu");
    std::fs::create_dir_all(&folder).expect("a folder");
    let configure = |text: &str| std::fs::write(folder.join("config.toml"), text).expect("write");
    configure("network = 'bridge'\npublish_address = '0.0.0.0'\n");
    lab.serve("web", &["-p", "8080:80"]);
    assert_eq!(lab.ok(&["port", "web"]).trim(), "80/tcp -> 0.0.0.0:8080");
    wait_for("an answer everywhere", SECOND * 30, || lab.read("10.91.0.1:8080").filter(|text| text == "web\n"));
    lab.ok(&["network", "create", "--subnet", "10.203.0.0/24", "lan"]);
    configure("network = 'lan'\n");
    assert!(lab.ok(&["run", "--rm", "tiny", "ip", "addr"]).contains("10.203.0.2/24"));
    assert!(lab.ok(&["run", "--rm", "--ip", "10.203.0.7", "tiny", "ip", "addr"]).contains("10.203.0.7/24"));
    configure("network = 'host'\n");
    assert!(lab.ok(&["run", "--rm", "tiny", "ip", "link"]).contains("teu0"));
    lab.fails(&["run", "--rm", "-p", "80:80", "tiny", "true"], &["--network bridge"]);
    configure("network = 'nowhere'\n");
    lab.fails(&["run", "--rm", "tiny", "true"], &["no such network", "nowhere"]);
    configure("network = 'no/where'\n");
    lab.fails(&["run", "--rm", "tiny", "true"], &["config.toml", "no/where"]);
    configure("publish_address = 'everywhere'\n");
    lab.fails(&["ps"], &["config.toml", "line 1"]);
    std::fs::remove_file(folder.join("config.toml")).expect("remove");
    assert!(lab.ok(&["run", "--rm", "tiny", "ip", "addr"]).contains("10.91.0."), "root's containers are in the bridge");
    lab.ok(&["rm", "-f", "web"]);
}

#[test]
fn container_has_no_network_where_root_may_make_none_and_nobody_asked_for_one() {
    let lab = Lab::new();
    std::fs::write(lab.teu.config().join("teu/config.toml"), "").expect("no configuration");
    let powerless = |more: &[&str]| {
        let drop = ["--bounding-set", "-net_admin", "--inh-caps", "-net_admin"];
        let binary = lab.teu.binary().to_str().expect("utf-8").to_owned();
        let words = [&drop[..], &[&binary, "run", "--rm"], more, &["tiny", "sh", "-c", "ip addr; echo ran"]].concat();
        lab.machine.within(|| run(&mut lab.teu.other("setpriv", &words), b"", SECOND * 20))
    };
    let told = powerless(&[]).ok();
    assert!(told.errors().contains("no network, since root has no CAP_NET_ADMIN"), "{told}");
    assert!(told.text().ends_with("ran") && !told.text().contains("eth0"), "{told}");
    assert_eq!(powerless(&["--network", "none"]).ok().errors(), "");
    powerless(&["--network", "bridge"]).fails(125, &["bridge"]);
    // Where root may, the default is the bridge.
    assert!(lab.ok(&["run", "--rm", "tiny", "ip", "addr"]).contains("eth0"));
}
