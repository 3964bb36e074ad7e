//! A container's life by command: create, start, stop, kill, restart, pause, rename, wait, logs, exec, remove.

use std::time::{Duration, Instant};

use crate::support::{SECOND, Teu, wait_for};

const SLEEP: &str = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done";

/// A running container that returns 7 at SIGTERM and has already printed `ready`.
#[track_caller]
fn running(teu: &Teu, name: &str) {
    teu.ok(&["run", "-d", "--name", name, "host", "sh", "-c", SLEEP]);
    wait_for("the container's first line", SECOND * 30, || teu.ok(&["logs", name]).contains("ready").then_some(()));
}

#[test]
fn detached_container_lives_on_and_is_listed() {
    let teu = Teu::new();
    let id = teu.ok(&["run", "-d", "--name", "lives", "host", "sleep", "1000"]);
    assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id:?}");
    assert_eq!(teu.state("lives"), "running");
    let listed = teu.ok(&["ps"]);
    for word in
        ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES", &id[..12], "host", "Up", "lives"]
    {
        assert!(listed.contains(word), "{word} in:\n{listed}");
    }
    assert_eq!(teu.ok(&["ps", "-q"]), id[..12]);
    assert_eq!(teu.ok(&["ps", "-q", "--no-trunc"]), id);
    let inspected = teu.inspect("lives");
    assert_eq!(inspected["Id"], *id);
    assert_eq!(inspected["State"]["Running"], true);
    let pid = inspected["State"]["Pid"].as_i64().expect("a process id");
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    teu.ok(&["rm", "-f", &id[..6]]);
    assert_eq!(teu.state("lives"), "");
    teu.assert_no_leak();
}

#[test]
fn names_are_generated_in_dockers_manner() {
    let teu = Teu::new();
    for _ in 0..5 {
        teu.ok(&["create", "host", "true"]);
    }
    let names = teu.names();
    assert_eq!(names.len(), 5);
    for name in names {
        let parts: Vec<&str> = name.split('_').collect();
        assert!(
            parts.len() == 2 && parts.iter().all(|p| p.len() > 1 && p.bytes().all(|b| b.is_ascii_lowercase())),
            "{name}"
        );
    }
}

#[test]
fn created_container_starts_and_starts_again() {
    let teu = Teu::new();
    teu.ok(&["create", "--name", "twice", "host", "sh", "-c", "echo run >> /count; wc -l < /count"]);
    assert_eq!(teu.state("twice"), "created");
    assert_eq!(teu.ok(&["start", "-a", "twice"]).trim(), "1");
    assert_eq!(teu.state("twice"), "exited");
    assert_eq!(teu.ok(&["start", "twice"]), "twice");
    teu.wait_state("twice", "exited");
    assert_eq!(teu.ok(&["logs", "twice"]).split_whitespace().collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn stop_sends_the_signal_and_waits() {
    let teu = Teu::new();
    running(&teu, "polite");
    let start = Instant::now();
    assert_eq!(teu.ok(&["stop", "polite"]), "polite");
    assert!(start.elapsed() < SECOND * 8, "waited for the time-out although the process had ended");
    assert_eq!(teu.inspect("polite")["State"]["ExitCode"], 7);
    assert_eq!(teu.ok(&["wait", "polite"]), "7");
    teu.assert_no_leak();
}

#[test]
fn stop_kills_after_the_timeout() {
    let teu = Teu::new();
    teu.ok(&["run", "-d", "--name", "deaf", "host", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]);
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    teu.ok(&["stop", "-t", "1", "deaf"]);
    let took = start.elapsed();
    assert!(took > Duration::from_millis(900) && took < SECOND * 8, "{took:?}");
    assert_eq!(teu.inspect("deaf")["State"]["ExitCode"], 137);
}

#[test]
fn stop_uses_the_containers_own_signal_and_timeout() {
    let teu = Teu::new();
    let script = "trap 'exit 9' USR1; trap '' TERM; echo ready; while :; do sleep 0.05; done";
    teu.ok(&[
        "run",
        "-d",
        "--name",
        "own",
        "--stop-signal",
        "USR1",
        "--stop-timeout",
        "30",
        "host",
        "sh",
        "-c",
        script,
    ]);
    wait_for("ready", SECOND * 30, || teu.ok(&["logs", "own"]).contains("ready").then_some(()));
    teu.ok(&["stop", "own"]);
    assert_eq!(teu.ok(&["wait", "own"]), "9");
    teu.ok(&[
        "run",
        "-d",
        "--name",
        "short",
        "--stop-timeout",
        "1",
        "host",
        "sh",
        "-c",
        "trap '' TERM; while :; do sleep 0.1; done",
    ]);
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    teu.ok(&["stop", "short"]);
    assert!(start.elapsed() < SECOND * 8);
}

#[test]
fn kill_sends_any_signal() {
    let teu = Teu::new();
    teu.ok(&[
        "run",
        "-d",
        "--name",
        "target",
        "host",
        "sh",
        "-c",
        "trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done",
    ]);
    wait_for("ready", SECOND * 30, || teu.ok(&["logs", "target"]).contains("ready").then_some(()));
    teu.ok(&["kill", "-s", "HUP", "target"]);
    wait_for("the trap's line", SECOND * 30, || teu.ok(&["logs", "target"]).contains("hup").then_some(()));
    assert_eq!(teu.state("target"), "running");
    teu.ok(&["kill", "target"]);
    teu.wait_state("target", "exited");
    assert_eq!(teu.inspect("target")["State"]["ExitCode"], 137);
    teu.run(&["kill", "target"]).fails(1, &["not running"]);
    teu.run(&["kill", "-s", "NOPE", "target"]).explains(&["signal"]);
}

#[test]
fn restart_gives_a_new_process() {
    let teu = Teu::new();
    running(&teu, "again");
    let before = teu.inspect("again")["State"]["Pid"].clone();
    teu.ok(&["restart", "again"]);
    assert_eq!(teu.state("again"), "running");
    assert_ne!(teu.inspect("again")["State"]["Pid"], before);
    teu.ok(&["stop", "again"]);
    teu.ok(&["restart", "again"]);
    assert_eq!(teu.state("again"), "running");
}

#[test]
fn pause_holds_every_process_still() {
    let teu = Teu::new();
    teu.ok(&["run", "-d", "--name", "clock", "host", "sh", "-c", "while :; do echo tick; sleep 0.02; done"]);
    let paused = teu.run(&["pause", "clock"]);
    if teu.is_rootless() && paused.code != 0 {
        // Without a delegated cgroup there is no freezer: that must be said, not pretended.
        paused.explains(&["cgroup"]);
        return;
    }
    paused.ok();
    assert_eq!(teu.state("clock"), "paused");
    let before = teu.ok(&["logs", "clock"]).len();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(teu.ok(&["logs", "clock"]).len(), before, "it ticks although it is paused");
    teu.ok(&["unpause", "clock"]);
    wait_for("it ticks again", SECOND * 30, || (teu.ok(&["logs", "clock"]).len() > before).then_some(()));
    teu.ok(&["pause", "clock"]);
    teu.ok(&["rm", "-f", "clock"]);
    teu.assert_no_leak();
}

#[test]
fn rename_keeps_the_container_and_frees_the_name() {
    let teu = Teu::new();
    running(&teu, "old");
    teu.ok(&["rename", "old", "new"]);
    assert_eq!(teu.state("new"), "running");
    assert_eq!(teu.state("old"), "");
    teu.ok(&["create", "--name", "old", "host", "true"]);
    teu.run(&["rename", "old", "new"]).fails(1, &["new", "use"]);
    assert_eq!(teu.ok(&["exec", "new", "echo", "works"]), "works");
    teu.ok(&["stop", "new"]);
}

#[test]
fn name_taken_is_refused() {
    let teu = Teu::new();
    teu.ok(&["create", "--name", "mine", "host", "true"]);
    teu.run(&["create", "--name", "mine", "host", "true"]).fails(1, &["mine", "use"]);
    teu.run(&["run", "--name", "mine", "host", "true"]).fails(125, &["mine", "use"]);
    assert_eq!(teu.names().len(), 1);
    for name in ["", "-x", "a/b", "a b", "\u{1b}[31mred", "é"] {
        let output = teu.run(&["create", &format!("--name={name}"), "host", "true"]);
        assert_ne!(output.code, 0, "{output}");
        output.explains(&["name"]);
    }
    assert_eq!(teu.names().len(), 1);
}

#[test]
fn unknown_container_is_named_in_the_message() {
    let teu = Teu::new();
    for command in
        ["start", "stop", "kill", "restart", "rm", "inspect", "logs", "wait", "top", "attach", "pause", "unpause"]
    {
        teu.run(&[command, "nobody"]).fails(1, &["nobody", "no such"]);
    }
    teu.run(&["exec", "nobody", "true"]).fails(1, &["nobody"]);
    teu.run(&["rename", "nobody", "x"]).fails(1, &["nobody"]);
}

#[test]
fn remove_of_a_running_container_needs_force() {
    let teu = Teu::new();
    running(&teu, "busy");
    teu.run(&["rm", "busy"]).fails(1, &["busy", "-f"]);
    assert_eq!(teu.state("busy"), "running");
    teu.ok(&["rm", "-f", "busy"]);
    teu.run(&["rm", "-f", "busy"]);
    teu.assert_no_leak();
}

#[test]
fn several_targets_are_all_tried() {
    let teu = Teu::new();
    for name in ["a1", "a2"] {
        teu.ok(&["create", "--name", name, "host", "true"]);
    }
    let output = teu.run(&["rm", "a1", "nobody", "a2"]).fails(1, &["nobody"]);
    assert_eq!(output.text(), "a1\na2");
    assert!(teu.names().is_empty());
}

#[test]
fn exec_runs_beside_the_main_process() {
    let teu = Teu::new();
    running(&teu, "host1");
    assert_eq!(
        teu.ok(&["exec", "host1", "sh", "-c", "cat /proc/1/comm; echo $$ > /from-exec; echo $HOSTNAME"]).lines().next(),
        Some("sh")
    );
    assert_eq!(teu.ok(&["exec", "-e", "A=b c", "-w", "/etc", "host1", "sh", "-c", "echo $A; pwd"]), "b c\n/etc");
    assert_eq!(teu.run_fed(&["exec", "-i", "host1", "cat"], b"through\n").ok().text(), "through");
    teu.run(&["exec", "host1", "sh", "-c", "exit 33"]).returns(33);
    teu.run(&["exec", "host1", "no-such-command"]).fails(127, &["no-such-command"]);
    teu.run(&["exec", "host1", "/etc/passwd"]).fails(126, &["/etc/passwd"]);
    teu.run(&["exec", "host1", "sh", "-c", "kill -9 $$"]).returns(137);
    teu.ok(&["exec", "-d", "host1", "sh", "-c", "sleep 0.2; echo late > /late"]);
    wait_for("the detached exec's file", SECOND * 30, || {
        (teu.run(&["exec", "host1", "test", "-e", "/late"]).code == 0).then_some(())
    });
    let large = teu.run(&["exec", "host1", "sh", "-c", "head -c 5000000 /dev/zero"]).ok();
    assert_eq!(large.stdout.len(), 5_000_000);
    teu.ok(&["stop", "host1"]);
    teu.run(&["exec", "host1", "true"]).fails(1, &["not running"]);
}

#[test]
fn exec_children_end_with_the_container() {
    let teu = Teu::new();
    running(&teu, "outer");
    teu.ok(&["exec", "-d", "outer", "sleep", "1000"]);
    teu.ok(&["stop", "outer"]);
    teu.assert_no_leak();
}

#[test]
fn logs_follow_tail_and_since() {
    let teu = Teu::new();
    teu.ok(&["run", "--name", "talks", "host", "sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done; echo bad >&2"]);
    let output = teu.run(&["logs", "talks"]).ok();
    assert_eq!(output.text(), "line 1\nline 2\nline 3\nline 4\nline 5");
    assert_eq!(output.errors(), "bad");
    assert_eq!(teu.run(&["logs", "--tail", "2", "talks"]).ok().text(), "line 5");
    assert_eq!(teu.ok(&["logs", "--tail", "0", "talks"]), "");
    assert_eq!(teu.ok(&["logs", "--since", "2999-01-01T00:00:00Z", "talks"]), "");
    assert_eq!(teu.ok(&["logs", "--since", "10m", "talks"]).lines().count(), 5);
    let stamped = teu.ok(&["logs", "-t", "talks"]);
    let first = stamped.lines().next().expect("a line");
    assert!(first.starts_with("20") && first.contains('T') && first.ends_with("Z line 1"), "{first}");
    teu.ok(&["run", "-d", "--name", "slow", "host", "sh", "-c", "for i in 1 2 3; do echo now $i; sleep 0.2; done"]);
    // Following ends when the container does.
    assert_eq!(teu.ok(&["logs", "-f", "slow"]), "now 1\nnow 2\nnow 3");
}

#[test]
fn wait_returns_when_the_container_ends() {
    let teu = Teu::new();
    teu.ok(&["run", "-d", "--name", "brief", "host", "sh", "-c", "sleep 0.3; exit 5"]);
    assert_eq!(teu.ok(&["wait", "brief"]), "5");
    assert_eq!(teu.ok(&["wait", "brief"]), "5");
}

#[test]
fn restarted_monitorless_state_is_told_by_filters_and_formats() {
    let teu = Teu::new();
    teu.ok(&["create", "--name", "c1", "-l", "kind=a", "host", "true"]);
    teu.ok(&["run", "-d", "--name", "r1", "-l", "kind=b", "host", "sleep", "100"]);
    let names = |arguments: &[&str]| teu.ok(&[&["ps", "-a", "--format", "{{.Names}}"], arguments].concat());
    assert_eq!(names(&["--filter", "status=running"]), "r1");
    assert_eq!(names(&["--filter", "status=created"]), "c1");
    assert_eq!(names(&["--filter", "label=kind=a"]), "c1");
    assert_eq!(names(&["--filter", "name=r"]), "r1");
    let json = teu.ok(&["ps", "-a", "--format", "json"]);
    assert_eq!(json.lines().count(), 2, "{json}");
    for line in json.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        assert!(value["Names"] == "c1" || value["Names"] == "r1", "{line}");
    }
    assert_eq!(teu.ok(&["inspect", "--format", "{{.State.Status}} {{.Name}}", "r1"]).replace('/', ""), "running r1");
}

#[test]
fn statistics_and_processes_of_a_running_container() {
    let teu = Teu::new();
    teu.ok(&["run", "-d", "--name", "works", "host", "sh", "-c", "while :; do :; done"]);
    let text = teu.ok(&["stats", "--no-stream"]);
    for word in ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS", "works"]
    {
        assert!(text.contains(word), "{word} in:\n{text}");
    }
    // On a machine that is busy with other things it gets less of it at times.
    wait_for("a busy loop to show", SECOND * 30, || {
        let cpu = teu.ok(&["stats", "--no-stream", "--format", "{{.CPUPerc}}", "works"]);
        let percent: f64 = cpu.trim_end_matches('%').parse().unwrap_or_else(|_| panic!("{cpu}"));
        (percent > 5.0).then_some(())
    });
    let top = teu.ok(&["top", "works"]);
    assert!(top.contains("PID") && top.contains("while"), "{top}");
}
