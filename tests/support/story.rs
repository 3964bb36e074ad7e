//! The main job as a new user does it, key by key; told once, lived by root and by ordinary users.

use std::time::{Duration, Instant};

use super::pty::{Pty, key};
use super::{SECOND, Teu};

/// Waits for a shell's prompt in the pane.
#[track_caller]
pub fn wait_for_prompt(pty: &Pty) {
    let is_prompt = |line: &str| line.trim_end_matches(['│', ' ', '┃', '▐', '█', '┆']).trim_end().ends_with(['#', '$']);
    pty.wait_until("a shell's prompt", SECOND * 20, |screen| screen.lines().any(is_prompt));
}

/// Opens the interface, runs `host` by its form with nothing but Enter, and stands in its shell.
#[track_caller]
pub fn open_host_shell(pty: &Pty) {
    pty.wait_for("host");
    pty.send("2");
    pty.wait_for("IMAGE");
    pty.send(key::ENTER);
    pty.wait_for("Run host");
    pty.wait_until("a generated name", SECOND * 5, |screen| {
        screen.lines().any(|l| l.contains("Name") && l.contains('_'))
    });
    pty.send(key::ENTER);
    wait_for_prompt(pty);
}

/// "What a new user does", whole.
#[track_caller]
pub fn first_use(teu: &Teu) {
    let mut pty = teu.pty(&[]);
    open_host_shell(&pty);
    pty.send("echo in-$((6*7))\r");
    pty.wait_for("in-42");
    // The way out is always on screen.
    pty.wait_for("F12");
    pty.send("while :; do :; done &\r");
    pty.send(key::F12);
    pty.send("1");
    pty.wait_for("CPU");
    let name = teu.ok(&["ps", "--format", "{{.Names}}"]);
    pty.wait_for(&name);
    // The row of the list says `running` and then the percents of one core; long names may be cut.
    let works = |screen: &str| {
        let rows = screen.lines().filter(|line| line.contains(&name[..8]));
        let percent = |row: &str| row.split_once("running")?.1.split_whitespace().next()?.parse::<f64>().ok();
        rows.filter_map(percent).any(|percent| percent > 20.0)
    };
    pty.wait_until("CPU moves while the shell works", SECOND * 20, works);

    // A second shell beside the first.
    pty.send("e");
    pty.wait_until("a second prompt", SECOND * 20, |screen| {
        screen.contains("in-42") && screen.matches("# ").count() >= 2
    });
    pty.send("echo second-$((40+4))\r");
    let both = pty.wait_for("second-44");
    assert!(both.contains("in-42"), "the first shell is not beside the second{pty}");
    pty.send(key::F12);
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    pty.assert_restored();
    assert_eq!(teu.state(&name), "running");

    // Start it again: the container runs, its shell is where it was left.
    let mut pty = teu.pty(&[]);
    pty.wait_for(&name);
    pty.send("1");
    pty.send(key::ENTER);
    pty.wait_for("in-42");
    pty.send("\recho again-$((30+3))\r");
    pty.wait_for("again-33");
    pty.send(key::F12);
    pty.send("1");
    pty.wait_for("CPU");
    pty.send("s");
    stop_is_done(teu, &pty, &name);
    pty.send("d");
    pty.wait_for("Cancel");
    pty.send("y");
    super::wait_for("the container is removed", SECOND * 20, || teu.names().is_empty().then_some(()));
    pty.wait_gone(&name);
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    pty.assert_restored();
    teu.assert_all_removable();
}

/// A shell as the first process ignores SIGTERM, so the stop takes its whole time-out; a question may come before it.
#[track_caller]
fn stop_is_done(teu: &Teu, pty: &Pty, name: &str) {
    let start = Instant::now();
    while teu.state(name) != "exited" {
        if pty.screen().contains("Cancel (esc)") {
            pty.send("y");
        }
        assert!(start.elapsed() < SECOND * 30, "it does not stop{pty}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
