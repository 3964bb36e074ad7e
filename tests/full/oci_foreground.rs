//! `teu oci` as a person uses it: `run` and `exec` in the foreground, signals, terminals, tables, messages and their log.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, LIMIT, Runtime};
use crate::support::process::{self, Running};
use crate::support::{Pty, SECOND, need, wait_for};

fn lab(script: &str) -> Bundle {
    need::root();
    let mut lab = Bundle::new(Runtime::Teu);
    lab.config["process"]["args"] = json!(["sh", "-c", script]);
    lab
}

fn run_command(lab: &Bundle, options: &[&str]) -> Command {
    lab.write_config();
    let bundle = lab.path();
    lab.command(&[&["run", "--bundle", &bundle.to_string_lossy()], options, &[&lab.id]].concat())
}

/// Starts `run` without a terminal; its container prints into a file of the test.
fn run_in_background(lab: &Bundle) -> Running {
    let mut command = run_command(lab, &[]);
    let out = fs::File::create(lab.folder().join("created")).expect("a file");
    command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
    let running = Running { child: command.spawn().expect("start teu") };
    wait_for("the container's word", LIMIT, || lab.printed().contains("ready").then_some(()));
    running
}

fn pty(lab: &mut Bundle, arguments: &[&str]) -> Pty {
    lab.write_config();
    let mut command = lab.command(arguments);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TERM", "xterm");
    Pty::spawn(&command, (80, 24))
}

#[test]
fn run_passes_streams_and_exit_code_and_leaves_nothing() {
    let lab = lab("cat; echo err >&2; exit 7");
    let output = process::run(&mut run_command(&lab, &[]), b"fed\n", LIMIT);
    assert_eq!((output.code, output.text(), output.errors()), (7, "fed".into(), "err".into()), "{output}");
    assert!(lab.left().is_empty(), "{:?}", lab.left());
}

#[test]
fn run_of_a_process_that_a_signal_ends_returns_128_and_its_number() {
    let lab = lab("sh -c 'kill -KILL $$'; echo $?; trap - TERM; echo ready; sleep 1000");
    let mut running = run_in_background(&lab);
    assert!(lab.printed().starts_with("137"));
    lab.call(&["kill", &lab.id, "KILL"]).ok();
    assert_eq!(running.wait(LIMIT), Some(137));
}

#[test]
fn run_forwards_signals() {
    let lab =
        lab("trap 'echo hup' HUP; trap 'echo usr1' USR1; trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done");
    let mut running = run_in_background(&lab);
    let send = |signal: &str| {
        Command::new("kill").args([signal, &running.id().to_string()]).status().expect("kill");
    };
    send("-HUP");
    wait_for("SIGHUP", LIMIT, || lab.printed().contains("hup").then_some(()));
    send("-USR1");
    wait_for("SIGUSR1", LIMIT, || lab.printed().contains("usr1").then_some(()));
    send("-TERM");
    assert_eq!(running.wait(LIMIT), Some(9));
}

#[test]
fn run_with_keep_leaves_a_stopped_container() {
    let lab = lab("exit 3");
    lab.finish(run_command(&lab, &["--keep"])).returns(3);
    assert_eq!(lab.status(), "stopped");
    lab.finish(run_command(&lab, &[])).fails(1, &["exists already", &lab.id]);
    lab.delete().ok();
    lab.call(&["state", &lab.id]).fails(1, &["does not exist"]);
}

#[test]
fn run_detached_writes_the_pid_file_and_returns() {
    let lab = lab("sleep 1000");
    let file = lab.folder().join("pid");
    lab.finish(run_command(&lab, &["--detach", "--pid-file", &file.to_string_lossy()])).ok();
    assert_eq!(fs::read_to_string(&file).expect("pid file"), lab.pid().to_string());
    assert_eq!(lab.status(), "running");
    lab.delete().fails(1, &["not stopped", "--force"]);
    lab.call(&["delete", "-f", &lab.id]).ok();
}

#[test]
fn run_that_is_killed_leaves_a_container_that_runs_and_can_be_deleted() {
    let lab = lab("echo ready; sleep 1000");
    let mut running = run_in_background(&lab);
    running.child.kill().expect("kill");
    running.wait(LIMIT);
    assert_eq!(lab.status(), "running");
    lab.clean();
}

#[test]
fn run_in_a_terminal_is_raw_resizes_and_restores() {
    let mut lab = lab("exec sh");
    lab.config["process"]["terminal"] = json!(true);
    let bundle = lab.path().to_string_lossy().into_owned();
    let id = lab.id.clone();
    let mut pty = pty(&mut lab, &["run", "--bundle", &bundle, &id]);
    pty.send("stty size; tty\r");
    pty.wait_for("24 80");
    pty.wait_for("/dev/pts/0");
    pty.resize((100, 30));
    wait_for("the new size", SECOND * 20, || {
        pty.send("stty size\r");
        std::thread::sleep(Duration::from_millis(100));
        pty.screen().contains("30 100").then_some(())
    });
    // ^C reaches what runs inside, not teu.
    pty.send("sleep 1000\r");
    std::thread::sleep(Duration::from_millis(300));
    pty.send("\u{3}");
    pty.send("echo alive-$((6*7))\r");
    pty.wait_for("alive-42");
    pty.send("exit 6\r");
    assert_eq!(pty.wait_exit(), 6);
    pty.assert_restored();
}

#[test]
fn terminal_is_fed_from_a_pipe_and_ends_with_it() {
    let mut lab = lab("cat; tty");
    lab.config["process"]["terminal"] = json!(true);
    let output = process::run(&mut run_command(&lab, &[]), b"one\n", LIMIT);
    assert_eq!(output.code, 0, "{output}");
    assert!(output.text().contains("one") && output.text().contains("/dev/pts/0"), "{output}");
    // More than a terminal's buffers hold, both ways.
    lab.config["process"]["args"] =
        json!(["sh", "-c", "stty raw -echo; echo ready; head -c 300000 /dev/zero | tr '\\0' x; echo end"]);
    let output = process::run(&mut run_command(&lab, &[]), b"", LIMIT);
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'x').count(), 300_000);
    assert!(output.text().ends_with("end"), "the last words are there");
}

#[test]
fn terminal_without_anybody_to_serve_it_is_refused() {
    let mut lab = lab("true");
    lab.config["process"]["terminal"] = json!(true);
    lab.refused().explains(&["--console-socket", "process.terminal"]);
    lab.finish(run_command(&lab, &["--detach"])).fails(1, &["--console-socket"]);
    lab.config["process"]["terminal"] = json!(false);
    lab.finish(run_command(&lab, &["--console-socket", "/nowhere"])).fails(1, &["no terminal"]);
}

#[test]
fn exec_takes_its_options() {
    let mut lab = lab("");
    lab.sleeping();
    let id = lab.id.clone();
    let exec = |words: &[&str]| lab.call(&[&["exec"], words].concat());
    let script = "id -u; id -g; id -G; pwd; echo $A; exit 5";
    let options = ["-u", "5:6", "-g", "7", "--cwd", "/tmp", "-e", "A=b", &id, "sh", "-c", script];
    let output = exec(&options);
    assert_eq!((output.code, output.text()), (5, "5\n6\n6 7\n/tmp\nb".to_owned()), "{output}");
    exec(&[&id, "nope"]).fails(255, &["nope", "executable file not found"]);
    exec(&[&id]).fails(255, &["no command", "--process"]);
    exec(&["-u", "root", &id, "true"]).fails(255, &["--user", "numbers"]);
    exec(&["--cap", "CAP_FLY", &id, "true"]).fails(255, &["CAP_FLY"]);
    let capabilities = |words: &[&str]| {
        let output = exec(&[words, &[&id, "grep", "CapBnd", "/proc/self/status"]].concat()).ok().text();
        u64::from_str_radix(output.split_whitespace().last().unwrap_or_default(), 16).expect("a set")
    };
    assert_eq!(capabilities(&["--cap", "net_admin"]) & !capabilities(&[]), 1 << 12);

    let process = lab.folder().join("process.json");
    let mut value = lab.config["process"].clone();
    value["args"] = json!(["sh", "-c", "echo from-file; exit 4"]);
    fs::write(&process, value.to_string()).expect("write");
    let output = exec(&["--process", &process.to_string_lossy(), &id]);
    assert_eq!((output.code, output.text()), (4, "from-file".to_owned()), "{output}");
    fs::write(&process, "{").expect("write");
    exec(&["--process", &process.to_string_lossy(), &id]).fails(255, &["process.json"]);

    let pid_file = lab.folder().join("exec.pid");
    let path = pid_file.to_string_lossy().into_owned();
    exec(&["--detach", "--pid-file", &path, &id, "sleep", "1000"]).ok();
    let pid: i64 = fs::read_to_string(&pid_file).expect("pid file").parse().expect("a pid");
    let listed: Vec<i64> = serde_json::from_str(&lab.call(&["ps", "-f", "json", &id]).ok().text()).expect("json");
    assert!(listed.contains(&pid) && listed.len() == 2, "{listed:?}");
    assert!(lab.call(&["ps", &id]).ok().text().contains("sleep 1000"));
    assert_eq!(lab.call(&["ps", &id, "-o", "pid,comm"]).ok().text().lines().count(), 3);
    lab.call(&["ps", &id, "-o", "comm"]).fails(1, &["PID"]);
    lab.call(&["kill", "--all", &id, "KILL"]).ok();
    lab.wait_status("stopped");
    exec(&[&id, "true"]).fails(255, &["stopped"]);
}

#[test]
fn exec_in_a_terminal_works() {
    let mut lab = lab("");
    lab.sleeping();
    let id = lab.id.clone();
    let mut pty = pty(&mut lab, &["exec", "-t", &id, "sh"]);
    pty.send("stty size; tty; exit 3\r");
    pty.wait_for("24 80");
    pty.wait_for("/dev/pts/");
    assert_eq!(pty.wait_exit(), 3);
    pty.assert_restored();
}

#[test]
fn paused_container_takes_no_exec_and_dies_of_sigkill() {
    let mut lab = lab("");
    lab.sleeping();
    let id = lab.id.clone();
    lab.call(&["resume", &id]).fails(1, &["not paused"]);
    lab.call(&["pause", &id]).ok();
    assert_eq!(lab.status(), "paused");
    lab.call(&["pause", &id]).fails(1, &["paused"]);
    lab.call(&["exec", &id, "true"]).fails(255, &["paused", "--ignore-paused"]);
    lab.call(&["delete", &id]).fails(1, &["paused"]);
    lab.call(&["kill", &id, "SIGKILL"]).ok();
    lab.wait_status("stopped");
    lab.call(&["kill", &id]).fails(1, &["container not running"]);
    lab.delete().ok();
}

#[test]
fn update_changes_limits_and_events_tell_of_them() {
    let mut lab = lab("");
    lab.sleeping();
    let id = lab.id.clone();
    let limit = |lab: &Bundle| -> Value {
        let text = lab.call(&["events", "--stats", &lab.id]).ok().text();
        let event: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!((&event["type"], &event["id"]), (&"stats".into(), &json!(lab.id)));
        assert!(event["data"]["pids"]["current"].as_u64().is_some_and(|count| count >= 1), "{event}");
        event["data"]["memory"]["usage"]["limit"].clone()
    };
    lab.call(&["update", "--memory", "64m", "--pids-limit", "33", &id]).ok();
    assert_eq!(limit(&lab), json!(64 << 20));
    let file = lab.folder().join("resources.json");
    fs::write(&file, r#"{"memory":{"limit":100663296,"reservation":0},"cpu":{"shares":0}}"#).expect("write");
    lab.call(&["update", "-r", &file.to_string_lossy(), &id]).ok();
    assert_eq!(limit(&lab), json!(96 << 20));
    lab.call(&["update", &id]).fails(1, &["nothing to update"]);
    lab.call(&["update", "--memory", "much", &id]).fails(1, &["much"]);
    lab.kill("KILL").ok();
    lab.wait_status("stopped");
    lab.call(&["update", "--memory", "64m", &id]).fails(1, &["stopped"]);
    lab.call(&["events", "--stats", &id]).fails(1, &["stopped"]);
}

#[test]
fn list_shows_every_container_in_both_shapes() {
    let mut lab = lab("");
    assert_eq!(lab.call(&["list", "-q"]).ok().text(), "");
    assert_eq!(lab.call(&["list", "-f", "json"]).ok().text(), "[]");
    let pid = lab.sleeping();
    let table = lab.call(&["list"]).ok().text();
    let row: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!((row[0], row[1], row[2]), (&*lab.id, &*pid.to_string(), "running"));
    assert_eq!(lab.call(&["list", "-q"]).ok().text(), lab.id);
    let list: Value = serde_json::from_str(&lab.call(&["list", "-f", "json"]).ok().text()).expect("json");
    assert_eq!((&list[0]["id"], &list[0]["status"]), (&json!(lab.id), &json!("running")));
}

#[test]
fn failures_go_to_standard_error_and_to_the_log() {
    let lab = lab("true");
    let log = lab.folder().join("log.json");
    let path = log.to_string_lossy().into_owned();
    let words = ["--log", &path, "--log-format", "json"];
    lab.call(&[&words[..], &["start", "missing"]].concat()).fails(1, &["missing", "does not exist"]);
    lab.call(&[&words[..], &["fly"]].concat()).fails(1, &["fly", "--help"]);
    let text = fs::read_to_string(&log).expect("log");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    assert_eq!(rows.len(), 2, "{text}");
    assert!(rows.iter().all(|row| row["level"] == "error" && row["time"].is_string()), "{text}");
    assert!(rows[0]["msg"].as_str().is_some_and(|message| message.contains("does not exist")), "{text}");
    lab.call(&["--log", "/nowhere/log", "list"]).fails(1, &["/nowhere/log"]);
}

#[test]
fn runtime_answers_to_its_name() {
    let lab = lab("true");
    let link = lab.folder().join("teu-oci");
    symlink(env!("CARGO_BIN_EXE_teu"), &link).expect("a link");
    let mut command = Command::new(&link);
    command.arg("--version");
    let text = lab.finish(command).ok().text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("teu-oci version ") && lines[1].starts_with("commit: "), "{text}");
    assert!(lines[2].starts_with("spec: 1.2."), "{text}");
}

#[test]
fn spec_templates_run() {
    let mut lab = lab("true");
    for options in [&[][..], &["--rootless"]] {
        let config = lab.path().join("config.json");
        let _ = fs::remove_file(&config);
        let bundle = lab.path().to_string_lossy().into_owned();
        lab.call(&[&["spec", "--bundle", &bundle], options].concat()).ok();
        lab.call(&["spec", "--bundle", &bundle]).fails(1, &["exists already"]);
        lab.config = serde_json::from_str(&fs::read_to_string(&config).expect("config")).expect("json");
        lab.config["process"]["terminal"] = json!(false);
        lab.config["process"]["args"] = json!(["sh", "-c", "id -u; hostname"]);
        let output = lab.run();
        assert_eq!((output.code, output.text()), (0, "0\nteu".to_owned()), "{options:?}: {output}");
    }
}
