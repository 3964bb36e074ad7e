//! The full-screen interface in a real terminal: the main job, lists that live, search and pull, logs, faults.

use std::time::Duration;

use crate::support::http::{Reply, Server};
use crate::support::pty::key;
use crate::support::story::{first_use, open_host_shell, wait_for_prompt};
use crate::support::{SECOND, Teu, tiny};

#[test]
fn first_use_from_nothing_to_removed() {
    first_use(&Teu::new());
}

#[test]
fn lists_show_what_others_do_at_once() {
    let teu = Teu::new();
    teu.ok(&["create", "--name", "already-here", "host", "true"]);
    let mut pty = teu.pty(&[]);
    pty.send("1");
    pty.wait_for("already-here");
    teu.ok(&["run", "-d", "--name", "came-later", "host", "sleep", "1000"]);
    pty.wait_until("the new container", SECOND * 3, |screen| screen.contains("came-later"));
    teu.ok(&["rm", "-f", "came-later"]);
    pty.wait_until("the removed one gone", SECOND * 3, |screen| !screen.contains("came-later"));
    teu.ok(&["rename", "already-here", "renamed"]);
    pty.wait_until("the new name", SECOND * 3, |screen| screen.contains("renamed"));
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
}

#[test]
fn filter_is_fuzzy_and_can_be_cleared() {
    let teu = Teu::new();
    for name in ["blue-whale", "red-fox", "brown-weasel"] {
        teu.ok(&["create", "--name", name, "host", "true"]);
    }
    let pty = teu.pty(&[]);
    pty.send("1");
    pty.wait_for("red-fox");
    pty.send("/bwhl");
    pty.wait_gone("red-fox");
    assert!(pty.screen().contains("blue-whale"), "{pty}");
    pty.send(key::ESCAPE);
    pty.wait_for("red-fox");
}

#[test]
fn help_is_made_of_the_keymap() {
    let teu = Teu::new();
    std::fs::create_dir_all(teu.config().join("teu")).expect("a folder");
    std::fs::write(teu.config().join("teu/config.toml"), "[keys]\nlogs = [\"f9\"]\n").expect("write");
    let pty = teu.pty_sized(&[], (120, 60));
    pty.wait_for("host");
    pty.send("?");
    pty.wait_for("Keys");
    let screen = pty.screen();
    assert!(screen.contains("F9") && screen.contains("show its output"), "the user's own key is not in the help{pty}");
}

#[test]
fn search_pull_run_and_attach_from_a_registry() {
    let teu = Teu::new();
    let server = Server::registry(tiny::empty_image(), |request| {
        let path = request.path.split('?').next()?;
        let body = match path {
            "/v2/_catalog" => r#"{"repositories":["fleet/harbour","fleet/mast","other"]}"#,
            _ if path.ends_with("/tags/list") => r#"{"name":"x","tags":["latest","v2"]}"#,
            _ => return None,
        };
        Some(Reply::body("application/json", body.as_bytes().to_vec()))
    });
    let pty = teu.pty(&[]);
    pty.wait_for("host");
    pty.send("3");
    pty.send(&format!("{}/harb", server.address));
    pty.send(key::ENTER);
    pty.wait_for("fleet/harbour");
    assert!(!pty.screen().contains("fleet/mast"), "{pty}");
    // To the best hit, in front of what was typed as it stands.
    pty.send("g");
    pty.send("p");
    // The tab's title counts them.
    pty.wait_for("Images 2");
    assert!(teu.ok(&["images"]).contains("fleet/harbour"), "{}{pty}", teu.ok(&["images"]));
    pty.send(key::ESCAPE);
    pty.send("2");
    // Its row, which is too narrow for all of it.
    pty.wait_for("/fleet/harb");
}

#[test]
fn failed_pull_is_a_toast_with_advice() {
    let teu = Teu::new();
    let server = Server::registry(tiny::empty_image(), |request| {
        let path = request.path.split('?').next()?;
        match path {
            "/v2/_catalog" => Some(Reply::body("application/json", br#"{"repositories":["broken"]}"#.to_vec())),
            _ if path.ends_with("/tags/list") => {
                Some(Reply::body("application/json", br#"{"name":"x","tags":["latest"]}"#.to_vec()))
            }
            _ if path.contains("/blobs/") => Some(Reply::status(500)),
            _ => None,
        }
    });
    let mut pty = teu.pty(&[]);
    pty.wait_for("host");
    pty.send("3");
    pty.send(&format!("{}/broken", server.address));
    pty.send(key::ENTER);
    pty.wait_until("the hit", SECOND * 20, |screen| screen.matches("broken").count() >= 2);
    pty.send("p");
    pty.wait_for("500");
    pty.send(key::ESCAPE);
    pty.send(key::CTRL_C);
    assert_eq!(pty.wait_exit(), 0);
    pty.assert_restored();
}

#[test]
fn logs_follow_in_the_interface() {
    let teu = Teu::new();
    teu.ok(&[
        "run",
        "-d",
        "--name",
        "ticker",
        "host",
        "sh",
        "-c",
        "i=0; while :; do i=$((i+1)); echo tick-$i; sleep 0.1; done",
    ]);
    let pty = teu.pty(&[]);
    pty.send("1");
    pty.wait_for("ticker");
    pty.send("l");
    pty.wait_for("tick-2");
    let last = |screen: &str| {
        screen
            .split("tick-")
            .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok())
            .max()
    };
    let before = last(&pty.screen()).unwrap_or(0);
    pty.wait_until("newer lines", SECOND * 10, |screen| last(screen) > Some(before + 5));
    pty.send("f");
    pty.settle(Duration::from_millis(400));
}

#[test]
fn container_that_ends_shows_its_code() {
    let teu = Teu::new();
    teu.ok(&["run", "-d", "--name", "short-lived", "host", "sh", "-c", "sleep 1; exit 3"]);
    let pty = teu.pty(&[]);
    pty.send("1");
    pty.wait_for("short-lived");
    pty.wait_until("its exit", SECOND * 20, |screen| {
        let row = screen.lines().find(|line| line.contains("short-lived")).unwrap_or_default().to_lowercase();
        row.contains("exit") && row.contains('3')
    });
}

#[test]
fn shell_that_exits_is_told_and_the_interface_lives() {
    let teu = Teu::new();
    let mut pty = teu.pty(&[]);
    open_host_shell(&pty);
    pty.send("exit 7\r");
    pty.wait_until("that it has exited", SECOND * 20, |screen| {
        screen.to_lowercase().contains("exit") && screen.contains('7')
    });
    pty.send(key::F12);
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    pty.assert_restored();
}

#[test]
fn several_containers_have_their_own_panes() {
    let teu = Teu::new();
    for name in ["alpha", "beta"] {
        teu.ok(&["run", "-dit", "--name", name, "-e", &format!("ME={name}"), "host", "sh"]);
    }
    let pty = teu.pty(&[]);
    pty.send("1");
    for name in ["alpha", "beta"] {
        pty.wait_for(name);
        pty.send("/");
        pty.send(name);
        pty.send(key::ENTER);
        pty.send(key::ENTER);
        wait_for_prompt(&pty);
        pty.send("echo I-am-$ME\r");
        pty.wait_for(&format!("I-am-{name}"));
        pty.send(key::F12);
        pty.send("1");
        pty.wait_for("CPU");
        pty.send(key::ESCAPE);
    }
}

#[test]
fn killed_interface_leaves_containers_and_no_process() {
    let teu = Teu::new();
    let mut pty = teu.pty(&[]);
    open_host_shell(&pty);
    pty.send("echo kept-$((1+1))\r");
    pty.wait_for("kept-2");
    pty.running.child.kill().expect("kill");
    pty.wait_exit();
    let name = teu.ok(&["ps", "--format", "{{.Names}}"]);
    assert_eq!(teu.state(&name), "running");
    let pty = teu.pty(&["attach", &name]);
    pty.wait_for("kept-2");
}

#[test]
fn configuration_chooses_the_theme() {
    let teu = Teu::new();
    let colours = |theme: &str| {
        std::fs::create_dir_all(teu.config().join("teu")).expect("a folder");
        std::fs::write(teu.config().join("teu/config.toml"), format!("theme = \"{theme}\"\n")).expect("write");
        let pty = teu.pty(&[]);
        pty.wait_for("host");
        pty.settle(Duration::from_millis(200));
        pty.with_screen(|screen| {
            let cells =
                (0..screen.size().0.get()).flat_map(|row| (0..screen.size().1.get()).map(move |column| (row, column)));
            let backgrounds =
                cells.filter_map(|(row, column)| screen.cell(row, column).map(|cell| format!("{:?}", cell.bgcolor())));
            backgrounds.collect::<std::collections::BTreeSet<_>>()
        })
    };
    assert_ne!(colours("dark"), colours("light"));
}

#[test]
fn limits_form_says_what_is_wrong_and_changes_a_running_container() {
    let teu = Teu::new();
    teu.ok(&["run", "-d", "--name", "changing", "host", "sleep", "1000"]);
    let mut pty = teu.pty(&[]);
    pty.wait_for("changing");
    pty.send("u");
    pty.wait_for("Limits of changing");
    pty.wait_for("used now");
    // Up from the first row is the last one: the restart policy.
    pty.send(key::UP);
    pty.send("sometimes");
    pty.wait_for("no restart policy");
    pty.send("\r");
    pty.wait_for("Limits of changing");
    pty.send("\x15on-failure:4");
    pty.wait_gone("no restart policy");
    pty.send("\r");
    pty.wait_gone("Limits of changing");
    crate::support::wait_for("the policy is recorded", SECOND * 20, || {
        let policy = teu.ok(&[
            "inspect",
            "--format",
            "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}",
            "changing",
        ]);
        (policy == "on-failure 4").then_some(())
    });
    pty.wait_for("the limits of changing are changed");
    // What holds is what the form shows the next time.
    pty.send("u");
    pty.wait_for("on-failure:4");
    pty.send("\x1b");
    pty.wait_gone("Limits of changing");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    pty.assert_restored();
}
