//! `update` of limits, ports and mounts at once: what is refused of it leaves all as it was.

use serde_json::Value;

use super::lab::Lab;
use crate::support::{SECOND, wait_for};

/// What `update` may change of a container, and what its kernel says.
fn facts(lab: &Lab, name: &str) -> (Value, Value, Value, Value, String) {
    let told = lab.machine.within(|| lab.teu.inspect(name));
    let host = &told["HostConfig"];
    let limits = serde_json::json!([host["Memory"], host["PidsLimit"], host["RestartPolicy"]]);
    let ports = told["NetworkSettings"]["Ports"].clone();
    let kernel = lab.run(&["stats", "--no-stream", "--format", "{{.MemUsage}}", name]).text();
    let limit = kernel.split('/').nth(1).unwrap_or_default().trim().to_owned();
    (limits, host["PortBindings"].clone(), told["Mounts"].clone(), ports, limit)
}

#[test]
fn refused_part_of_an_update_leaves_the_others_as_they_were() {
    let lab = Lab::new();
    lab.serve("web", &["-p", "80", "-p", "0.0.0.0:8080:80", "--memory", "128m"]);
    lab.serve("other", &["-p", "9090:80"]);
    wait_for("the server", SECOND * 30, || lab.read("127.0.0.1:8080"));
    let before = facts(&lab, "web");
    let traces = lab.traces();
    let random = lab.ok(&["port", "web", "80"]);
    for (words, told) in [
        (
            vec!["--memory", "64m", "--publish-add", "7070:80", "--publish-add", "9090:80"],
            vec!["9090", "container other"],
        ),
        (
            vec!["--restart", "always", "--publish-rm", "80", "--publish-add", "9090:80"],
            vec!["9090", "container other"],
        ),
        (vec!["--publish-add", "7070:80", "--memory", "1k"], vec!["memory"]),
        (vec!["--publish-rm", "80", "--memory", "64m", "--memory-swap", "32m"], vec!["--memory-swap"]),
        (vec!["--publish-add", "7070:80", "--mount-add", "data:/data"], vec!["web", "is running"]),
        (vec!["--memory", "64m", "--publish-rm", "9999:80"], vec!["does not publish", "9999"]),
    ] {
        let words = [&["update"], &words[..], &["web"]].concat();
        lab.fails(&words, &told);
        assert_eq!(facts(&lab, "web"), before, "{words:?}");
        assert_eq!(lab.traces(), traces, "{words:?}");
        assert_eq!(lab.ok(&["port", "web", "80"]), random, "{words:?}");
    }
    for address in random.lines() {
        let address = address.replace("0.0.0.0", "127.0.0.1");
        wait_for("the same port", SECOND * 30, || lab.read(&address).filter(|text| text == "web\n"));
    }
    // And together.
    lab.ok(&["update", "--memory", "64m", "--publish-add", "7070:80", "--publish-rm", "8080:80", "web"]);
    wait_for("the new port", SECOND * 30, || lab.read("127.0.0.1:7070"));
    assert_eq!(lab.read("127.0.0.1:8080"), None);
    assert_ne!(facts(&lab, "web").0, before.0);
    lab.ok(&["rm", "-f", "web", "other"]);
}

#[test]
fn refused_part_of_an_update_leaves_a_stopped_container_as_it_was() {
    let lab = Lab::new();
    lab.ok(&["create", "--name", "web", "-p", "8080:80", "-v", "old:/old", "tiny", "true"]);
    let before = facts(&lab, "web");
    let volumes = lab.ok(&["volume", "ls", "-q"]);
    for (words, told) in [
        (vec!["--publish-add", "7070:80", "--mount-add", "data:/data", "--memory", "1k"], vec!["memory"]),
        (vec!["--publish-add", "8080:80", "--mount-add", "data:/data"], vec!["8080"]),
        (vec!["--memory", "64m", "--publish-add", "7070:80", "--mount-add", "data:/old"], vec!["/old"]),
        (vec!["--memory", "64m", "--publish-add", "7070:80", "--mount-rm", "/data"], vec!["/data"]),
    ] {
        let words = [&["update"], &words[..], &["web"]].concat();
        lab.fails(&words, &told);
        assert_eq!(facts(&lab, "web"), before, "{words:?}");
        assert_eq!(lab.ok(&["volume", "ls", "-q"]), volumes, "{words:?}");
    }
    lab.ok(&["update", "--memory", "64m", "--publish-add", "7070:80", "--mount-add", "data:/data", "web"]);
    let after = facts(&lab, "web");
    assert!(after.0 != before.0 && after.1 != before.1 && after.2 != before.2, "{after:?}");
}
