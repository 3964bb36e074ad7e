//! Networks that are removed while containers start in them or wait to be started again: each is either gone or in use.

use std::time::Duration;

use super::lab::Lab;
use crate::support::{SECOND, wait_for};

/// Names of the bridges of a machine.
fn bridges(lab: &Lab) -> String {
    lab.machine.output(&["ip", "-o", "link", "show", "type", "bridge"])
}

/// What teu keeps of this machine's networks, leases too.
fn kept(lab: &Lab) -> Vec<String> {
    let list = |folder: &str| {
        let entries = std::fs::read_dir(format!("{}/{folder}", lab.state())).into_iter().flatten().flatten();
        entries.map(|entry| format!("{folder}/{}", entry.file_name().to_string_lossy())).collect::<Vec<_>>()
    };
    ["links", "ports", "names", "leases"].iter().flat_map(|folder| list(folder)).collect()
}

#[test]
fn network_that_is_removed_while_a_container_starts_in_it_is_gone_or_has_the_container() {
    let lab = Lab::new();
    let (mut removed, mut stayed) = (0, 0);
    for round in 0..30 {
        lab.ok(&["network", "create", "lan"]);
        let (started, removal) = std::thread::scope(|scope| {
            let run = || lab.run(&["run", "-d", "--name", "box", "--network", "lan", "tiny", "sleep", "1000"]);
            let starting = scope.spawn(run);
            std::thread::sleep(Duration::from_micros(round * 900));
            let removal = lab.run(&["network", "rm", "lan"]);
            (starting.join().expect("a thread"), removal)
        });
        if removal.code == 0 {
            removed += 1;
            assert_ne!(started.code, 0, "round {round}: the container runs in a network that is gone: {started}");
            started.explains(&["no such network", "lan"]);
            lab.run(&["rm", "-f", "box"]);
        } else {
            stayed += 1;
            removal.explains(&["lan", "in use", "box"]);
            started.ok();
            assert!(lab.exec("box", "ip addr show eth0").contains("inet "), "round {round}");
            lab.ok(&["rm", "-f", "box"]);
            lab.ok(&["network", "rm", "lan"]);
        }
        assert_eq!(bridges(&lab), "", "round {round}");
        assert_eq!(kept(&lab), Vec::<String>::new(), "round {round}");
    }
    println!("{removed} were removed, {stayed} stayed");
}

#[test]
fn network_of_a_container_that_waits_to_be_started_again_is_in_use() {
    let lab = Lab::new();
    lab.ok(&["network", "create", "lan"]);
    lab.ok(&["run", "-d", "--name", "box", "--network", "lan", "--restart", "always", "tiny", "false"]);
    // Each wait for the next start is twice as long as the one before.
    wait_for("a long wait", SECOND * 20, || {
        (lab.machine.within(|| lab.teu.inspect("box"))["RestartCount"].as_i64()? > 4).then_some(())
    });
    for _ in 0..20 {
        lab.fails(&["network", "rm", "lan"], &["lan", "in use", "box"]);
        lab.ok(&["network", "prune", "-f"]);
    }
    lab.ok(&["rm", "-f", "box"]);
    lab.ok(&["network", "rm", "lan"]);
    assert_eq!(bridges(&lab), "");
}

#[test]
fn bridge_that_another_program_made_stays_when_a_network_of_its_name_is_removed() {
    let lab = Lab::new();
    lab.machine.output(&["ip", "link", "add", "br0", "type", "bridge"]);
    lab.ok(&["network", "create", "-o", "com.docker.network.bridge.name=br0", "lan"]);
    lab.ok(&["network", "rm", "lan"]);
    assert!(bridges(&lab).contains("br0"));
}
