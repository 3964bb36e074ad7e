//! Killed at any moment, rebooted, flushed, exhausted: what is left afterwards is what was there before.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use teu::model::{Id, Protocol};
use teu::network::{Book, Machine, PortRule};

use super::lab::Lab;
use crate::support::{SECOND, leaks, wait_for};

/// Everything that a container could leave on its machine: links and rules, files, leases.
type Traces = ((Vec<String>, String), std::collections::BTreeSet<String>, Vec<IpAddr>);

fn traces(lab: &Lab) -> Traces {
    let leased = lab.machine.within(|| {
        let network = Book::open(&lab.teu.root().join("networks")).and_then(|book| book.find("bridge")).expect("it");
        Machine::open(Path::new("/run/teu/network")).and_then(|machine| machine.leased(&network)).expect("look")
    });
    (lab.traces(), lab.files(), leased)
}

/// Numbers that look random, the same in each run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn kill_hard(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// The monitors of this lab's containers.
fn monitors(lab: &Lab) -> Vec<i32> {
    let named = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it == "teu-monitor\n");
    lab.teu.processes().into_iter().filter(named).collect()
}

#[test]
fn killed_at_fifty_moments_of_start_and_stop_it_leaves_no_link_rule_lease_or_file() {
    let lab = Lab::new();
    let start = ["run", "-d", "--name", "xx", "-p", "8080:80", "-p", "0.0.0.0::80/udp", "tiny", "sleep", "1000"];
    lab.ok(&start);
    lab.ok(&["rm", "-f", "xx"]);
    lab.settle();
    let before = traces(&lab);
    let mut dice = Dice(7);
    for round in 0..50 {
        let stops = round % 5 == 4;
        if stops {
            lab.ok(&start);
        }
        let words: &[&str] = if stops { &["rm", "-f", "xx"] } else { &start };
        let mut face = lab.machine.within(|| lab.teu.spawn(words));
        std::thread::sleep(Duration::from_micros(500 + dice.below(if stops { 40_000 } else { 90_000 })));
        // The monitor's part of it is as long as the face's own.
        if round % 2 == 0 {
            monitors(&lab).into_iter().for_each(kill_hard);
        } else {
            kill_hard(face.id());
        }
        assert!(face.wait(SECOND * 10).is_some(), "it ended");
        // Whatever lives of it is removed as by a user; it may also not be there at all.
        wait_for("its removal", SECOND * 30, || {
            (lab.run(&["rm", "-f", "xx"]).code == 0).then_some(()).or_else(|| lab.teu.names().is_empty().then_some(()))
        });
    }
    let same = || (traces(&lab) == before).then_some(());
    let deadline = std::time::Instant::now() + SECOND * 5;
    while same().is_none() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(traces(&lab), before);
    assert_eq!(monitors(&lab), Vec::<i32>::new());
    let left: Vec<_> = lab.teu.processes().into_iter().map(leaks::command_line).collect();
    assert!(left.is_empty(), "{left:?}");
    // And everything can be had again.
    lab.ok(&start);
    lab.ok(&["rm", "-f", "xx"]);
}

#[test]
fn what_a_reboot_or_another_program_took_away_is_there_after_the_next_start() {
    let lab = Lab::new();
    let check = |what: &str| {
        lab.serve("web", &["-p", "8080:80"]);
        wait_for(what, SECOND * 30, || lab.read("127.0.0.1:8080").filter(|text| text == "web\n"));
        lab.ok(&["rm", "-f", "web"]);
        lab.settle();
    };
    check("an answer");
    lab.machine.output(&["nft", "flush", "ruleset"]);
    check("an answer after the firewall was flushed");
    lab.machine.output(&["ip", "link", "del", "teu0"]);
    check("an answer after the bridge was deleted");
    lab.machine.output(&["nft", "delete", "table", "inet", "teu"]);
    lab.machine.output(&["nft", "add", "table", "inet", "teu"]);
    check("an answer after the table was replaced by an empty one");
    lab.machine.output(&["nft", "flush", "ruleset"]);
    lab.machine.output(&["ip", "link", "del", "teu0"]);
    std::fs::remove_dir_all(lab.state()).expect("remove the state");
    lab.machine.within(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "0").expect("ip_forward"));
    check("an answer after a reboot");
}

#[test]
fn flushed_firewall_has_the_running_containers_ports_again_after_the_next_start() {
    let lab = Lab::new();
    lab.serve("old", &["-p", "8080:80"]);
    wait_for("an answer", SECOND * 30, || lab.read("127.0.0.1:8080"));
    lab.machine.output(&["nft", "flush", "ruleset"]);
    assert_eq!(lab.read("127.0.0.1:8080"), None);
    lab.ok(&["run", "--rm", "--network", "bridge", "tiny", "true"]);
    wait_for("the old one's answer", SECOND * 30, || lab.read("127.0.0.1:8080").filter(|text| text == "old\n"));
}

#[test]
fn exhausted_subnet_is_told_and_usable_again() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "--subnet", "10.200.5.0/29", "small"]);
    let run = |name: &str| {
        lab.run(&["run", "-d", "--name", name, "--network", "small", "--restart", "no", "tiny", "sleep", "1000"])
    };
    for name in ["aa", "bb", "cc", "dd", "ee"] {
        run(name).ok();
    }
    let output = run("ff");
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["10.200.5.0/29", "leased"]);
    lab.ok(&["rm", "-f", "ff", "cc"]);
    run("gg").ok();
    assert!(lab.exec("gg", "ip -4 addr show eth0").contains("10.200.5.4/29"), "the one that was given back");
}

#[test]
fn of_many_who_want_one_port_one_gets_it() {
    let lab = Lab::new();
    let won: usize = std::thread::scope(|scope| {
        let run = |index: usize| {
            let lab = &lab;
            let name = format!("w{index}");
            scope.spawn(move || {
                let output = lab.run(&["run", "-d", "--name", &name, "-p", "8080:80", "tiny", "sleep", "1000"]);
                let code = output.code;
                if code != 0 {
                    output.explains(&["127.0.0.1:8080"]);
                }
                usize::from(code == 0)
            })
        };
        let running: Vec<_> = (0..6).map(run).collect();
        running.into_iter().map(|it| it.join().expect("a thread")).sum()
    });
    assert_eq!(won, 1);
}

/// Several monitors at the same time, as each sees the machine's networks.
fn together(lab: &Lab, works: Vec<Box<dyn FnOnce(Machine) + Send + '_>>) {
    let barrier = std::sync::Barrier::new(works.len());
    std::thread::scope(|scope| {
        for work in works {
            let barrier = &barrier;
            scope.spawn(move || {
                lab.machine.within(|| {
                    let machine = Machine::open(Path::new("/run/teu/network")).expect("the machine");
                    barrier.wait();
                    work(machine);
                });
            });
        }
    });
}

#[test]
fn port_published_while_another_network_comes_up_is_in_the_firewall() {
    let lab = Lab::new();
    let book = || Book::open(&lab.teu.root().join("networks")).expect("the definitions");
    lab.ok(&["network", "create", "--subnet", "10.200.6.0/24", "other"]);
    let (bridge, other) =
        lab.machine.within(|| (book().find("bridge").expect("it"), book().find("other").expect("it")));
    together(&lab, vec![Box::new(|machine| drop(machine.bring_up(&bridge).expect("up")))]);
    let rule = |number: u8| PortRule {
        protocol: Protocol::Tcp,
        host: None,
        host_port: 20_000 + u16::from(number),
        container: IpAddr::from([10, 91, 0, 9]),
        container_port: 80,
    };
    let id = |number: u8| Id::from_bytes([number; 32]);
    for round in 0..20 {
        let publish = |machine: Machine| {
            (0..50).for_each(|number| machine.publish(&id(number), &[rule(number)]).expect("published"));
        };
        let up = |machine: Machine| drop(machine.bring_up(&other).expect("up"));
        together(&lab, vec![Box::new(publish), Box::new(up)]);
        let table = lab.machine.output(&["nft", "list", "map", "inet", "teu", "any4"]);
        for number in 0..50 {
            let port = rule(number).host_port;
            assert!(table.contains(&format!("tcp . {port} : 10.91.0.9")), "round {round}, port {port}:\n{table}");
        }
        let clear = |machine: Machine| {
            (0..50).for_each(|number| machine.publish(&id(number), &[]).expect("withdrawn"));
            machine.take_down(&other).expect("down");
        };
        together(&lab, vec![Box::new(clear)]);
    }
}

#[test]
fn default_network_that_two_containers_bring_up_at_once_has_one_subnet() {
    let lab = Lab::new();
    let find = || Book::open(&lab.teu.root().join("networks")).and_then(|book| book.find("bridge")).expect("it");
    for round in 0..60 {
        let bring_up = |machine: Machine| drop(machine.bring_up(&find()).expect("up"));
        let look = |_: Machine| {
            for _ in 0..30 {
                assert_eq!(find().subnets[0].subnet.to_string(), "10.91.0.0/16", "round {round}");
            }
        };
        together(&lab, vec![Box::new(bring_up), Box::new(look), Box::new(look)]);
        lab.machine.output(&["ip", "link", "delete", "teu0"]);
    }
}

#[test]
fn what_a_namespace_of_the_same_inode_has_left_is_not_believed() {
    let lab = Lab::new();
    // Ports, names and rules as of a container that ran in a namespace that had this one's inode before.
    let stranger = "5".repeat(64);
    let state = lab.state();
    for folder in ["ports", "links", "leases", "names/7e7e"] {
        std::fs::create_dir_all(format!("{state}/{folder}")).expect("a folder");
    }
    let port =
        r#"[{"protocol":"tcp","host":"127.0.0.1","host_port":8080,"container":"10.91.0.9","container_port":80}]"#;
    std::fs::write(format!("{state}/ports/{stranger}.json"), port).expect("a file");
    std::fs::write(format!("{state}/namespace"), "01234567-89ab-cdef-0123-456789abcdef 77").expect("a file");
    lab.serve("web", &["-p", "8080:80"]);
    wait_for("its own port", SECOND * 30, || lab.read("127.0.0.1:8080").filter(|text| text == "web\n"));
    assert!(!lab.traces().1.contains("10.91.0.9"), "{}", lab.traces().1);
    assert!(!lab.files().iter().any(|file| file.contains(&stranger)), "{:?}", lab.files());
    // Its own is believed.
    let before = lab.files();
    lab.ok(&["run", "--rm", "--network", "bridge", "tiny", "true"]);
    assert_eq!(lab.files(), before);
    lab.ok(&["rm", "-f", "web"]);
}
