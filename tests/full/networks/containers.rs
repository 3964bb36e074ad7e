//! Containers in networks: what a user does, on a machine of the test's own (a network namespace).

use std::net::TcpListener;

use super::lab::Lab;
use crate::support::{SECOND, wait_for};

#[test]
fn container_on_the_default_network_has_an_address_a_name_and_a_way_out() {
    let lab = Lab::new();
    let script = "cat /sys/class/net/eth0/operstate; ip -4 addr show eth0; ip route; cat /etc/hosts";
    let told = lab.ok(&[
        "run",
        "--rm",
        "--network",
        "bridge",
        "-h",
        "box",
        "--add-host",
        "up:host-gateway",
        "tiny",
        "sh",
        "-c",
        script,
    ]);
    for part in ["10.91.0.2/16", "default via 10.91.0.1", "10.91.0.2\tbox", "10.91.0.1\tup"] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    assert_eq!(lab.ok(&["run", "--rm", "tiny", "ls", "/sys/class/net"]).trim(), "lo", "without a flag there is none");
}

#[test]
fn published_port_answers_on_the_machine_until_the_container_ends() {
    let lab = Lab::new();
    lab.serve("web", &["-p", "8080:80", "-p", "0.0.0.0::80"]);
    let ports = lab.ok(&["port", "web"]);
    let any = ports.lines().find_map(|line| line.strip_prefix("80/tcp -> 0.0.0.0:")).expect("a free port").to_owned();
    assert!(ports.contains("80/tcp -> 127.0.0.1:8080"), "{ports}");
    assert_eq!(lab.ok(&["port", "web", "80"]).lines().count(), 2);
    let answered = || lab.read("127.0.0.1:8080").filter(|text| text == "web\n");
    wait_for("the server to answer", SECOND * 30, answered);
    wait_for("an answer on all addresses", SECOND * 30, || {
        lab.read(&format!("10.91.0.1:{any}")).filter(|it| it == "web\n")
    });
    assert_eq!(lab.read("10.91.0.1:8080"), None, "it is published on loopback alone");
    assert!(lab.ok(&["ps"]).contains("127.0.0.1:8080->80/tcp"), "{}", lab.ok(&["ps"]));
    lab.fails(&["run", "--rm", "-p", "8080:80", "tiny", "true"], &["127.0.0.1:8080", "teu"]);
    lab.ok(&["rm", "-f", "web"]);
    assert_eq!(lab.read("127.0.0.1:8080"), None);
    lab.ok(&["run", "--rm", "-p", "8080:80", "tiny", "true"]);
    // The kernel takes a network namespace apart a moment after its last process is gone.
    let clean = || {
        let (links, rules) = lab.traces();
        (links == ["lo", "teu0"] && !rules.contains("8080")).then_some(())
    };
    wait_for("no link or rule to be left", SECOND * 30, clean);
}

#[test]
fn port_of_another_program_is_refused_with_its_name() {
    let lab = Lab::new();
    let listener = lab.machine.within(|| TcpListener::bind("127.0.0.1:8080").expect("bind"));
    let own = format!("({})", std::process::id());
    lab.fails(&["run", "--rm", "-p", "8080:80", "tiny", "true"], &["127.0.0.1:8080", &own]);
    drop(listener);
    // A process that another test has just forked holds it as well until it executes its program.
    let starts = || (lab.run(&["run", "--rm", "-p", "8080:80", "tiny", "true"]).code == 0).then_some(());
    wait_for("the port to be free", SECOND * 30, starts);
}

#[test]
fn networks_are_apart_and_their_containers_together() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--subnet", "10.200.1.0/24", "one"]);
    lab.ok(&["network", "create", "--subnet", "10.200.2.0/24", "--internal", "two"]);
    lab.serve("first", &["--network", "one", "--ip", "10.200.1.10"]);
    lab.serve("second", &["--network", "two"]);
    let ask = |network: &str, address: &str| {
        let script = format!("sleep 0.5 | nc -w 1 {address} 80");
        lab.run(&["run", "--rm", "--network", network, "tiny", "sh", "-c", &script]).text().trim().to_owned()
    };
    wait_for("the neighbour", SECOND * 30, || (ask("one", "10.200.1.10") == "first").then_some(()));
    wait_for("the other neighbour", SECOND * 30, || (ask("two", "10.200.2.2") == "second").then_some(()));
    assert_eq!(ask("two", "10.200.1.10"), "");
    assert_eq!(ask("one", "10.200.2.2"), "");
    assert_eq!(ask("bridge", "10.200.1.10"), "");
    let inspected: serde_json::Value = serde_json::from_str(&lab.ok(&["network", "inspect", "one"])).expect("JSON");
    let members: Vec<_> = inspected[0]["Containers"].as_object().expect("members").values().collect();
    assert_eq!((members.len(), &members[0]["IPv4Address"]), (1, &serde_json::json!("10.200.1.10/24")));
    let both = ["run", "--rm", "--network", "one", "--network", "two", "tiny", "ip", "-4", "addr"];
    let told = lab.ok(&both);
    assert!(told.contains("10.200.1.") && told.contains("10.200.2."), "{told}");
    for (words, told) in [
        (vec!["network", "rm", "one"], vec!["one", "first"]),
        (vec!["network", "rm", "bridge"], vec!["default network"]),
        (vec!["network", "create", "one"], vec!["one", "exists"]),
        (vec!["network", "create", "--subnet", "10.200.0.0/16", "three"], vec!["10.200.1.0/24", "one"]),
        (vec!["run", "--rm", "--network", "four", "tiny", "true"], vec!["no such network", "four"]),
        (
            vec!["run", "--rm", "--network", "one", "--ip", "10.200.1.10", "tiny", "true"],
            vec!["10.200.1.10", "already"],
        ),
        (vec!["run", "--rm", "--network", "one", "--ip", "10.9.9.9", "tiny", "true"], vec!["10.9.9.9", "outside"]),
    ] {
        lab.fails(&words, &told);
    }
    lab.ok(&["rm", "-f", "first", "second"]);
    assert_eq!(lab.ok(&["network", "prune", "-f"]).lines().count(), 3);
    assert_eq!(lab.traces().0.iter().filter(|link| link.starts_with("teu-")).count(), 0);
}

#[test]
fn addresses_are_never_given_twice_when_many_start_at_once() {
    let lab = Lab::new();
    let told: Vec<String> = std::thread::scope(|scope| {
        let run = |index: usize| {
            let lab = &lab;
            scope.spawn(move || {
                let name = format!("many{index}");
                lab.ok(&["run", "-d", "--name", &name, "--network", "bridge", "tiny", "sleep", "1000"]);
                lab.ok(&["exec", &name, "sh", "-c", "ip -4 -o addr show eth0"])
            })
        };
        let running: Vec<_> = (0..12).map(run).collect();
        running.into_iter().map(|it| it.join().expect("a thread")).collect()
    });
    let mut addresses: Vec<&str> = told.iter().filter_map(|text| text.split_whitespace().nth(3)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 12, "{told:?}");
    let all: Vec<String> = (0..12).map(|index| format!("many{index}")).collect();
    let words: Vec<&str> = ["rm", "-f"].into_iter().chain(all.iter().map(String::as_str)).collect();
    lab.ok(&words);
    wait_for("no link to be left", SECOND * 30, || (lab.traces().0 == ["lo", "teu0"]).then_some(()));
}

#[test]
fn monitor_that_is_killed_leaves_no_link_rule_or_lease() {
    let lab = Lab::new();
    lab.ok(&["run", "--rm", "--network", "bridge", "tiny", "true"]);
    let settled = || Some(lab.traces()).filter(|(links, _)| *links == ["lo", "teu0"]);
    let before = wait_for("the first container's link to be gone", SECOND * 30, settled);
    for round in 0..5 {
        lab.ok(&["run", "-d", "--name", "lost", "-p", "8080:80", "tiny", "sleep", "1000"]);
        let monitor = lab.teu.inspect("lost")["State"]["Pid"].as_i64().expect("a pid");
        let status = std::fs::read_to_string(format!("/proc/{monitor}/status")).expect("status");
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("a parent").trim().to_owned();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(parent.parse().expect("a pid")), nix::sys::signal::SIGKILL)
            .expect("kill the monitor");
        // Half of the times it is the next start that cleans up, else the removal.
        if round % 2 == 0 {
            wait_for("it to be down", SECOND * 30, || (lab.run(&["start", "lost"]).code == 0).then_some(()));
        }
        lab.ok(&["rm", "-f", "lost"]);
        wait_for("links and rules as before", SECOND * 30, || (lab.traces() == before).then_some(()));
    }
    // A flushed firewall is made anew by the next start.
    lab.machine.output(&["nft", "flush", "ruleset"]);
    lab.serve("web", &["-p", "8080:80"]);
    wait_for("an answer", SECOND * 30, || lab.read("127.0.0.1:8080").filter(|text| text == "web\n"));
    lab.ok(&["rm", "-f", "web"]);
}
