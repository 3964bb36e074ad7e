//! Shells in real terminals by the command line: run -it, attach, detach, resize, many clients.

use std::time::Duration;

use crate::support::pty::key;
use crate::support::{SECOND, Teu, wait_for};

#[test]
fn interactive_shell_has_a_terminal_of_the_right_size() {
    let teu = Teu::new();
    let mut pty = teu.pty_sized(&["run", "-it", "--rm", "host", "sh"], (100, 30));
    pty.wait_until("a prompt", SECOND * 20, |screen| screen.contains("# ") || screen.trim_end().ends_with('#'));
    pty.send("stty size; tty; echo $TERM\r");
    pty.wait_for("30 100");
    pty.wait_for("/dev/");
    pty.resize((60, 20));
    wait_for("the new size inside", SECOND * 30, || {
        pty.send("stty size\r");
        std::thread::sleep(Duration::from_millis(100));
        pty.screen().contains("20 60").then_some(())
    });
    pty.send("exit 3\r");
    assert_eq!(pty.wait_exit(), 3);
    pty.assert_restored();
    assert!(teu.names().is_empty());
}

#[test]
fn control_c_goes_to_the_process_in_the_terminal() {
    let teu = Teu::new();
    let mut pty = teu.pty(&[
        "run",
        "-it",
        "--rm",
        "host",
        "sh",
        "-c",
        "trap 'echo caught; exit 4' INT; echo ready; sleep 1000 & wait",
    ]);
    pty.wait_for("ready");
    pty.send(key::CTRL_C);
    pty.wait_for("caught");
    assert_eq!(pty.wait_exit(), 4);
    pty.assert_restored();
}

#[test]
fn detach_keys_leave_and_attach_comes_back_with_the_screen() {
    let teu = Teu::new();
    let mut pty = teu.pty(&["run", "-it", "--name", "stay", "host", "sh"]);
    pty.wait_until("a prompt", SECOND * 20, |screen| screen.contains('#'));
    pty.send("echo mark-$((40+2))\r");
    pty.wait_for("mark-42");
    pty.send(key::CTRL_P);
    pty.send(key::CTRL_Q);
    assert_eq!(pty.wait_exit(), 0);
    pty.assert_restored();
    assert_eq!(teu.state("stay"), "running");
    let mut again = teu.pty(&["attach", "stay"]);
    again.wait_for("mark-42");
    again.send("echo more-$((50+5))\r");
    again.wait_for("more-55");
    again.send("exit 6\r");
    assert_eq!(again.wait_exit(), 6);
    again.assert_restored();
    assert_eq!(teu.state("stay"), "exited");
}

#[test]
fn own_detach_keys_replace_the_default() {
    let teu = Teu::new();
    let mut pty = teu.pty(&["run", "-it", "--detach-keys", "ctrl-x,d", "--name", "keys", "host", "sh"]);
    pty.wait_until("a prompt", SECOND * 20, |screen| screen.contains('#'));
    pty.send("\u{18}d");
    assert_eq!(pty.wait_exit(), 0);
    assert_eq!(teu.state("keys"), "running");
}

#[test]
fn many_clients_see_and_type_the_same() {
    let teu = Teu::new();
    teu.ok(&["run", "-dit", "--name", "shared", "host", "sh"]);
    let clients: Vec<_> = (0..4).map(|_| teu.pty(&["attach", "shared"])).collect();
    for (number, client) in clients.iter().enumerate() {
        // Who is not attached yet misses what was said before.
        wait_for("a client to be attached", SECOND * 20, || {
            client.send(&format!("echo here-$(({number}+500))\r"));
            std::thread::sleep(Duration::from_millis(50));
            client.screen().contains(&format!("here-{}", number + 500)).then_some(())
        });
    }
    for (number, client) in clients.iter().enumerate() {
        client.send(&format!("echo from-$(({number}+100))\r"));
        for other in &clients {
            other.wait_for(&format!("from-{}", number + 100));
        }
    }
    // One that is killed takes nobody with it.
    drop(clients.into_iter().next());
    assert_eq!(teu.state("shared"), "running");
    assert_eq!(teu.ok(&["exec", "shared", "echo", "fine"]), "fine");
}

#[test]
fn lost_terminal_does_not_end_the_container() {
    let teu = Teu::new();
    let mut pty = teu.pty(&["run", "-it", "--name", "lost", "host", "sh"]);
    pty.wait_until("a prompt", SECOND * 20, |screen| screen.contains('#'));
    pty.hang_up();
    pty.wait_exit();
    assert_eq!(teu.state("lost"), "running");
    let again = teu.pty(&["attach", "lost"]);
    again.send("echo back-$((1+1))\r");
    again.wait_for("back-2");
}

#[test]
fn exec_with_terminal_is_its_own_session() {
    let teu = Teu::new();
    teu.ok(&["run", "-d", "--name", "base", "host", "sleep", "1000"]);
    let mut pty = teu.pty_sized(&["exec", "-it", "base", "sh"], (90, 25));
    pty.wait_until("a prompt", SECOND * 20, |screen| screen.contains('#'));
    pty.send("stty size\r");
    pty.wait_for("25 90");
    pty.send("exit 11\r");
    assert_eq!(pty.wait_exit(), 11);
    pty.assert_restored();
    assert_eq!(teu.state("base"), "running");
}

#[test]
fn tty_without_a_terminal_is_refused_with_a_hint() {
    let teu = Teu::new();
    let output = teu.run(&["run", "-it", "--rm", "host", "true"]);
    assert_ne!(output.code, 0, "{output}");
    output.explains(&["terminal"]);
}

#[test]
fn foreground_run_passes_signals_on() {
    let teu = Teu::new();
    let mut running = teu.spawn(&[
        "run",
        "--rm",
        "--name",
        "fore",
        "host",
        "sh",
        "-c",
        "trap 'exit 12' TERM; echo ready; while :; do sleep 0.05; done",
    ]);
    teu.wait_state("fore", "running");
    // A first process without a handler is not ended by the signal.
    wait_for("its handler", SECOND * 20, || teu.ok(&["logs", "fore"]).contains("ready").then_some(()));
    let status = std::process::Command::new("kill").args(["-TERM", &running.id().to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()));
    assert_eq!(running.wait(SECOND * 20), Some(12));
    assert!(teu.names().is_empty());
}
