//! `teu doctor` about networks, on machines of the test's own: what is in the way is named, and the mend mends it.

use crate::support::netns::Netns;
use crate::support::process::{self, Output};
use crate::support::{SECOND, Teu, need};

fn doctor(machine: &Netns, teu: &Teu) -> Output {
    machine.within(|| teu.run(&["doctor"]))
}

/// Does what doctor says, in that machine. This user is root already.
fn mend(machine: &Netns, output: &Output, subject: &str) {
    let text = output.text();
    let mut lines = text.lines().skip_while(|line| !line.contains(subject)).skip(1);
    let mend = lines.next().and_then(|line| line.trim().strip_prefix("mend: ")).unwrap_or_else(|| panic!("{output}"));
    let mend = mend.replace("sudo ", "");
    let mut command = std::process::Command::new("sh");
    command.args(["-ec", &mend]);
    machine.within(|| process::run(&mut command, b"", SECOND * 10)).ok();
}

#[test]
fn firewalls_in_the_way_are_named_and_their_mends_mend() {
    need::root();
    need::program("nft", "nftables");
    need::program("iptables", "iptables");
    let (machine, teu) = (Netns::new(), Teu::new());
    assert!(doctor(&machine, &teu).text().contains("no other program's rules"));
    machine.output(&["nft", "add table inet mine"]);
    machine.output(&["nft", "add chain inet mine onward { type filter hook forward priority 0; policy drop; }"]);
    let output = doctor(&machine, &teu);
    assert!(output.text().contains("chain onward of table inet mine"), "{output}");
    mend(&machine, &output, "firewall");
    assert!(doctor(&machine, &teu).text().contains("no other program's rules"));

    // As Docker leaves it.
    for words in ["-N DOCKER-USER", "-P FORWARD DROP", "-A FORWARD -j DOCKER-USER", "-A DOCKER-USER -j RETURN"] {
        machine.output(&[&["iptables"], &*words.split(' ').collect::<Vec<_>>()].concat());
    }
    let output = doctor(&machine, &teu);
    assert!(output.text().contains("chain FORWARD of table ip filter (Docker's)"), "{output}");
    mend(&machine, &output, "firewall");
    assert!(doctor(&machine, &teu).text().contains("no other program's rules"), "{}", doctor(&machine, &teu));
}

#[test]
fn subnet_that_the_machine_reaches_otherwise_is_named() {
    need::root();
    let (machine, teu) = (Netns::new(), Teu::new());
    machine.within(|| teu.ok(&["network", "create", "--subnet", "10.77.3.0/24", "mine"]));
    assert!(!doctor(&machine, &teu).text().contains("10.77.3.0/24"));
    machine.output(&["ip", "link", "add", "vpn0", "type", "bridge"]);
    machine.output(&["ip", "addr", "add", "10.77.0.9/16", "dev", "vpn0"]);
    machine.output(&["ip", "link", "set", "vpn0", "up"]);
    let output = doctor(&machine, &teu);
    assert!(output.text().contains("10.77.3.0/24 of network mine is also reached by vpn0 (10.77.0.0/16)"), "{output}");
    assert!(output.text().contains("teu network rm mine && teu network create mine"), "{output}");
    machine.within(|| teu.ok(&["network", "rm", "mine"]));
    machine.within(|| teu.ok(&["network", "create", "mine"]));
    let output = doctor(&machine, &teu);
    assert!(!output.text().contains("vpn0"), "{output}");
}
