//! `kill -9` of `teu oci` between any two of its steps: `state` then tells the truth, and `delete --force` leaves nothing.
//!
//! The same of the engine's monitor is in `tests/plain/together.rs`.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, Runtime};
use crate::support::process::Running;
use crate::support::{SECOND, need};

fn lab() -> Bundle {
    need::root();
    let mut lab = Bundle::new(Runtime::Teu);
    lab.config["process"]["args"] = json!(["sleep", "1000"]);
    lab.mount(json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}));
    lab.namespace("network", Some(json!({"type": "network"})));
    lab.write_config();
    lab
}

/// Starts `teu oci WORDS` and kills it after `microseconds`; whether it had ended before.
fn kill_after(lab: &Bundle, words: &[&str], microseconds: u64) -> bool {
    let mut command = lab.command(words);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running { child: command.spawn().expect("start") };
    std::thread::sleep(Duration::from_micros(microseconds));
    let ended = running.child.try_wait().expect("wait").is_some();
    let _ = running.child.kill();
    assert!(running.wait(SECOND * 10).is_some(), "it cannot be killed");
    ended
}

/// Whether a process lives and is no zombie.
fn alive(pid: i64) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// What `state` says holds: of a pid that it gives, and of the command that runs or does not run yet.
#[track_caller]
fn state_is_true(lab: &Bundle, moment: &str) {
    // What dies with its creator, or of a signal just sent, needs a moment for it: longer where the machine is busy.
    let begun = Instant::now();
    std::thread::sleep(Duration::from_millis(15));
    while let Err(lie) = look_at_state(lab, moment) {
        assert!(begun.elapsed() < SECOND * 10, "{moment}: {lie}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn look_at_state(lab: &Bundle, moment: &str) -> Result<(), String> {
    let output = lab.call(&["state", &lab.id]);
    output.no_panic();
    if output.code != 0 {
        assert!(output.errors().contains("not exist"), "{moment}: {output}");
        return Ok(());
    }
    let state: Value = serde_json::from_str(&output.text()).unwrap_or_else(|e| panic!("{moment}: {e}: {output}"));
    let pid = state["pid"].as_i64().unwrap_or(0);
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let runs = command.starts_with(b"sleep");
    match state["status"].as_str() {
        Some(status @ ("created" | "running")) if !alive(pid) => Err(format!("{status}, but {pid} is dead")),
        Some("created") if runs => Err("created, but the command runs".to_owned()),
        Some("created" | "running") => Ok(()),
        Some("stopped" | "creating") if pid != 0 && runs => Err(format!("{state}, but {pid} lives")),
        Some("stopped" | "creating") => Ok(()),
        _ => panic!("{moment}: {state}"),
    }
}

/// `delete --force` succeeds or finds nothing, and nothing is left.
#[track_caller]
fn is_cleaned(lab: &Bundle, moment: &str) {
    let output = lab.call(&["delete", "--force", &lab.id]);
    output.no_panic();
    assert!(output.code == 0 || output.errors().contains("not exist"), "{moment}: {output}");
    let left = lab.left();
    assert!(left.is_empty(), "{moment}: left behind:\n  {}", left.join("\n  "));
    let again = lab.call(&["state", &lab.id]);
    assert_ne!(again.code, 0, "{moment}: {again}");
}

/// Moments from the start to a little after the usual end, denser at first.
fn moments(usual: Duration, count: u64) -> Vec<u64> {
    let whole = u64::try_from(usual.as_micros()).expect("a short time") * 12 / 10;
    (0..count).map(|number| whole * number / count).collect()
}

fn usual_time(lab: &Bundle, words: &[&str]) -> Duration {
    let took = lab.call(words).ok().took;
    took.max(Duration::from_millis(4))
}

#[test]
fn killed_create_leaves_a_true_state_and_is_deleted_wholly() {
    let lab = lab();
    let bundle = lab.path().to_string_lossy().into_owned();
    let words = ["create", "--bundle", &bundle, &lab.id];
    let usual = usual_time(&lab, &words);
    is_cleaned(&lab, "unkilled");
    for moment in moments(usual, 36) {
        kill_after(&lab, &words, moment);
        let moment = format!("create killed after {moment} µs");
        state_is_true(&lab, &moment);
        is_cleaned(&lab, &moment);
    }
    // And the id is as good as new.
    lab.create().ok();
    lab.start().ok();
    assert_eq!(lab.status(), "running");
}

#[test]
fn killed_run_leaves_a_true_state_and_is_deleted_wholly() {
    let lab = lab();
    let bundle = lab.path().to_string_lossy().into_owned();
    let words = ["run", "--detach", "--bundle", &bundle, &lab.id];
    let usual = usual_time(&lab, &words);
    is_cleaned(&lab, "unkilled");
    for moment in moments(usual, 24) {
        kill_after(&lab, &words, moment);
        let moment = format!("run killed after {moment} µs");
        state_is_true(&lab, &moment);
        is_cleaned(&lab, &moment);
    }
}

#[test]
fn killed_start_leaves_a_true_state_and_is_deleted_wholly() {
    let lab = lab();
    lab.create().ok();
    let usual = usual_time(&lab, &["start", &lab.id]);
    is_cleaned(&lab, "unkilled");
    for moment in moments(usual, 20) {
        lab.create().ok();
        kill_after(&lab, &["start", &lab.id], moment);
        let moment = format!("start killed after {moment} µs");
        state_is_true(&lab, &moment);
        is_cleaned(&lab, &moment);
    }
}

#[test]
fn killed_delete_can_be_done_again() {
    let lab = lab();
    lab.create().ok();
    let usual = usual_time(&lab, &["delete", "--force", &lab.id]);
    for moment in moments(usual, 20) {
        lab.create().ok();
        lab.start().ok();
        kill_after(&lab, &["delete", "--force", &lab.id], moment);
        let moment = format!("delete killed after {moment} µs");
        state_is_true(&lab, &moment);
        is_cleaned(&lab, &moment);
    }
}

#[test]
fn killed_exec_and_kill_harm_nothing() {
    let lab = lab();
    lab.create().ok();
    lab.start().ok();
    let pid = lab.pid();
    let usual = usual_time(&lab, &["exec", &lab.id, "true"]);
    for moment in moments(usual, 12) {
        kill_after(&lab, &["exec", &lab.id, "true"], moment);
        kill_after(&lab, &["kill", &lab.id, "CONT"], moment / 2);
        kill_after(&lab, &["update", "--pids-limit", "100", &lab.id], moment / 2);
    }
    assert_eq!((lab.status().as_str(), lab.pid()), ("running", pid));
    lab.call(&["exec", &lab.id, "true"]).ok();
    is_cleaned(&lab, "after all");
}

/// What the container's first process is killed in the middle of leaves an error, and nothing else.
#[test]
fn killed_first_process_during_create_is_an_error() {
    let lab = lab();
    let bundle = lab.path().to_string_lossy().into_owned();
    let usual = usual_time(&lab, &["create", "--bundle", &bundle, &lab.id]);
    is_cleaned(&lab, "unkilled");
    for moment in moments(usual, 12) {
        let mut command = lab.command(&["create", "--bundle", &bundle, &lab.id]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = Running { child: command.spawn().expect("start") };
        std::thread::sleep(Duration::from_micros(moment));
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.id())).unwrap_or_default();
        for child in children.split_whitespace() {
            let _ = std::process::Command::new("kill").args(["-9", child]).stderr(Stdio::null()).status();
        }
        assert!(running.wait(SECOND * 10).is_some(), "create hangs when its child is killed after {moment} µs");
        let moment = format!("child killed after {moment} µs");
        state_is_true(&lab, &moment);
        is_cleaned(&lab, &moment);
    }
}
