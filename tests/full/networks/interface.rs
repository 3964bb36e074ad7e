//! The interface's networks: made, joined, published on, left and removed by keys, on a machine of the test's own.

use super::lab::Lab;
use crate::support::pty::{Pty, key};
use crate::support::{SECOND, wait_for};

fn open(lab: &Lab, size: (u16, u16)) -> Pty {
    lab.machine.within(|| lab.teu.pty_sized(&[], size))
}

#[test]
fn networks_and_ports_are_changed_by_keys_while_the_container_runs() {
    let lab = Lab::new();
    lab.serve("web", &["--network", "bridge"]);
    let pty = open(&lab, (120, 34));
    pty.wait_for("web");
    pty.send("6n");
    pty.wait_for("Make a network");
    // What the engine refuses stays in the form, to be mended there.
    pty.send(&format!("bridge{}", key::ENTER));
    pty.wait_for("a network called bridge exists already");
    pty.send(&format!("\u{15}lan{}{}10.201.7.0/24{}", key::DOWN, key::DOWN, key::ENTER));
    pty.wait_gone("Make a network");
    // It is selected.
    pty.send("c");
    pty.wait_for("Connect a container to lan");
    pty.send(&format!("{}10.201.7.9{}", key::DOWN, key::ENTER));
    pty.wait_gone("Connect a container");
    pty.wait_for("10.201.7.9/24");
    // In its own dialog: a port that another container has is refused with its name, a free one is published at once.
    lab.serve("holder", &["-p", "8080:80"]);
    pty.send("1");
    pty.wait_for("holder");
    pty.send("/web");
    pty.send(key::ENTER);
    pty.wait_gone("holder");
    pty.send("N");
    pty.wait_for("Networks and ports of web");
    pty.wait_for("10.201.7.9/24");
    pty.send(&format!("p8080:80{}", key::ENTER));
    pty.wait_until("who has the port", SECOND * 40, |screen| screen.contains("8080") && screen.contains("holder"));
    pty.send(&format!("\u{15}8081:80{}", key::ENTER));
    pty.wait_gone("Publish ports of web");
    // Its row in the dialog, and not only the message.
    pty.wait_until("the port's row", SECOND * 40, |screen| screen.contains("│  127.0.0.1:8081 → 80/tcp"));
    wait_for("the port", SECOND * 30, || lab.read("127.0.0.1:8081").filter(|text| text == "web\n"));
    // The last row is the port.
    pty.send(&format!("{}{}{}d", key::DOWN, key::DOWN, key::DOWN));
    pty.wait_for("Withdraw this port?");
    pty.send(key::ENTER);
    pty.wait_gone("8081");
    wait_for("the port's end", SECOND * 30, || lab.read("127.0.0.1:8081").is_none().then_some(()));
    pty.send(key::ESCAPE);
    pty.wait_gone("Networks and ports of web");
    // Its traffic, by interface.
    pty.send("b");
    pty.wait_until("both interfaces", SECOND * 40, |screen| {
        screen.contains("eth0 in ") && screen.contains("eth1 in lan")
    });
    pty.send("6");
    pty.wait_for("NETWORK");
    pty.send("C");
    pty.wait_for("Disconnect a container from lan");
    pty.send(key::ENTER);
    pty.wait_for("nobody attached");
    pty.send("dy");
    pty.wait_gone("10.201.7.0/24");
    assert!(!lab.ok(&["network", "ls"]).contains("lan"));
    lab.ok(&["rm", "-f", "web", "holder"]);
}
