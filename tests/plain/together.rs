//! Several `teu` at once, and `kill -9` of any of them: nothing doubles, nothing leaks, what is dead is called dead.

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::support::{SECOND, Teu, leaks, wait_for};

fn kill_hard(pid: i32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill");
    assert!(status.success(), "kill -9 {pid}");
}

/// Whether nothing of a process is left but its number, perhaps.
fn is_dead(pid: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Calls `work` in so many threads at once and gives their results.
fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..count {
            let (results, work) = (&results, &work);
            scope.spawn(move || {
                let result = work(number);
                results.lock().expect("no thread panicked").push(result);
            });
        }
    });
    results.into_inner().expect("no thread panicked")
}

/// The monitor of a container: the process that holds its lock, which is the parent of its main process.
fn monitor_of(teu: &Teu, name: &str) -> i32 {
    let pid = teu.inspect(name)["State"]["Pid"].as_i64().expect("a process id");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let parent =
        status.lines().find_map(|row| row.strip_prefix("PPid:")).expect("PPid").trim().parse().expect("a number");
    assert!(leaks::command_line(parent).contains("monitor"), "{}", leaks::command_line(parent));
    parent
}

#[test]
fn monitor_holds_nothing_that_its_caller_had_open() {
    let teu = Teu::new();
    let held = teu.work().join("held");
    let script =
        format!("exec 9>{}; exec {} run -d --name apart host sleep 1000", held.display(), teu.binary().display());
    crate::support::process::run(&mut teu.other("sh", &["-c", &script]), b"", SECOND * 20).ok();
    let links = std::fs::read_dir(format!("/proc/{}/fd", monitor_of(&teu, "apart"))).expect("its descriptors");
    let held_there = links.flatten().filter(|link| std::fs::read_link(link.path()).is_ok_and(|target| target == held));
    assert_eq!(held_there.count(), 0, "a lock of the caller's would be held as long as the container lives");
}

#[test]
fn same_name_is_given_once() {
    let teu = Teu::new();
    for round in 0..3 {
        let name = format!("wanted{round}");
        let codes = at_once(8, |_| teu.run(&["create", "--name", &name, "host", "true"]).code);
        assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    }
    assert_eq!(teu.names().len(), 3);
}

#[test]
fn start_at_once_starts_once() {
    let teu = Teu::new();
    for round in 0..3 {
        let name = format!("single{round}");
        teu.ok(&["create", "--name", &name, "host", "sh", "-c", "echo started; sleep 1000"]);
        let outputs = at_once(6, |_| teu.run(&["start", &name]));
        // Docker calls a second start of a running container a success; none may start a second process.
        assert!(
            outputs.iter().all(|output| output.code == 0),
            "{}",
            outputs.iter().map(ToString::to_string).collect::<String>()
        );
        wait_for("its line", SECOND * 30, || teu.ok(&["logs", &name]).contains("started").then_some(()));
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(teu.ok(&["logs", &name]), "started");
        teu.ok(&["rm", "-f", &name]);
    }
    teu.assert_no_leak();
}

#[test]
fn verbs_at_once_leave_one_truth() {
    let teu = Teu::new();
    for round in 0..3 {
        let name = format!("contested{round}");
        teu.ok(&["run", "-d", "--name", &name, "host", "sleep", "1000"]);
        let verbs: [&[&str]; 6] =
            [&["stop", "-t", "0"], &["kill"], &["restart", "-t", "0"], &["rm", "-f"], &["start"], &["rm", "-f"]];
        let outputs = at_once(verbs.len(), |number| teu.run(&[verbs[number], &[&name]].concat()));
        for output in &outputs {
            output.no_panic();
        }
        teu.run(&["rm", "-f", &name]);
        assert_eq!(teu.state(&name), "");
    }
    teu.assert_no_leak();
}

#[test]
fn many_starts_at_once_all_live() {
    let teu = Teu::new();
    let codes = at_once(8, |worker| {
        (0..3)
            .map(|n| teu.run(&["run", "-d", "--name", &format!("m{worker}-{n}"), "host", "sleep", "1000"]).code)
            .collect::<Vec<_>>()
    });
    assert!(codes.iter().flatten().all(|code| *code == 0), "{codes:?}");
    assert_eq!(teu.ok(&["ps", "-q"]).lines().count(), 24);
    let ids = teu.ok(&["ps", "-q"]);
    let ids: Vec<&str> = ids.lines().collect();
    teu.run(&[&["rm", "-f"], &ids[..]].concat()).ok();
    teu.assert_no_leak();
}

#[test]
fn killed_monitor_is_reported_and_nothing_leaks() {
    let teu = Teu::new();
    teu.ok(&["run", "-d", "--name", "orphan", "host", "sh", "-c", "sleep 1000 & sleep 1000"]);
    teu.ok(&["exec", "-d", "orphan", "sleep", "999"]);
    kill_hard(monitor_of(&teu, "orphan"));
    teu.wait_state("orphan", "exited");
    let state = &teu.inspect("orphan")["State"];
    assert_eq!(state["ExitCode"], 137, "{state}");
    assert!(state["Error"].as_str().is_some_and(|why| why.contains("monitor")), "no reason in {state}");
    teu.assert_no_leak();
    // It can live again.
    teu.ok(&["start", "orphan"]);
    assert_eq!(teu.state("orphan"), "running");
}

#[test]
fn killed_command_line_does_not_end_its_container() {
    let teu = Teu::new();
    let running =
        teu.spawn(&["run", "--name", "survivor", "host", "sh", "-c", "while :; do echo on; sleep 0.05; done"]);
    teu.wait_state("survivor", "running");
    kill_hard(running.id());
    drop(running);
    let before = teu.ok(&["logs", "survivor"]).len();
    wait_for("more output", SECOND * 30, || (teu.ok(&["logs", "survivor"]).len() > before).then_some(()));
    assert_eq!(teu.state("survivor"), "running");
}

#[test]
fn command_line_killed_at_any_moment_leaves_a_whole_state() {
    let teu = Teu::new();
    for delay in [0, 1, 2, 3, 4, 6, 8, 10, 13, 16, 20, 25, 30, 40, 60, 90] {
        let running = teu.spawn(&["run", "--rm", "--name", &format!("k{delay}"), "host", "sleep", "0.2"]);
        std::thread::sleep(Duration::from_millis(delay));
        kill_hard(running.id());
        drop(running);
    }
    // Whatever had started ends by itself, and `--rm` still counts: only containers that never ran may be left.
    let rests = |line: &str| line.ends_with("created") || line.ends_with("exited");
    let all_rest = || teu.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).lines().all(rests);
    // A monitor that is still starting counts too.
    wait_for("no container runs", SECOND * 20, || (teu.processes().is_empty() && all_rest()).then_some(()));
    teu.assert_no_leak();
}

#[test]
fn monitor_killed_at_any_moment_leaves_a_whole_state() {
    let teu = Teu::new();
    for delay in [0, 2, 5, 10, 20, 40, 80] {
        let name = format!("n{delay}");
        let mut running = teu.spawn(&["run", "-d", "--name", &name, "host", "sleep", "1000"]);
        std::thread::sleep(Duration::from_millis(delay));
        let is_monitor = |pid: &i32| leaks::command_line(*pid).contains("monitor");
        let monitors: Vec<i32> = teu.processes().into_iter().filter(is_monitor).collect();
        for pid in &monitors {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(std::process::Stdio::null()).status();
        }
        assert!(running.wait(SECOND * 20).is_some(), "`run -d` hangs when its monitor is killed after {delay} ms");
        // Its lock goes with it, a moment after the connection that `run` has seen closed.
        wait_for("the monitors to be dead", SECOND * 20, || monitors.iter().all(|pid| is_dead(*pid)).then_some(()));
        // After no time at all there may have been none to kill yet.
        assert!(monitors.is_empty() || teu.state(&name) != "running", "killed after {delay} ms");
        teu.run(&["rm", "-f", &name]);
        teu.assert_no_leak();
    }
}

#[test]
fn removal_killed_at_any_moment_can_be_repeated() {
    let teu = Teu::new();
    for delay in [0, 1, 2, 4, 6, 9, 12, 16, 24] {
        let name = format!("r{delay}");
        teu.ok(&[
            "run",
            "-d",
            "--name",
            &name,
            "host",
            "sh",
            "-c",
            "mkdir -p /many; for i in $(seq 200); do echo > /many/$i; done; sleep 1000",
        ]);
        let running = teu.spawn(&["rm", "-f", &name]);
        std::thread::sleep(Duration::from_millis(delay));
        kill_hard(running.id());
        drop(running);
        let again = teu.run(&["rm", "-f", &name]);
        assert_eq!(teu.state(&name), "", "killed after {delay} ms; the second try: {again}");
    }
    teu.assert_no_leak();
}
