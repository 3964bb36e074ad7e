//! Containers that behave badly: bombs, deaf and stopped processes, too many terminals, zombies, and many at once.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::bundle::{Bundle, Runtime};
use crate::support::process::Running;
use crate::support::{SECOND, Teu, need, wait_for};

fn teu() -> Teu {
    let teu = Teu::new();
    teu.import_tiny();
    teu
}

/// The machine goes on, the container can be asked and removed, and nothing of the bomb is left.
#[test]
fn fork_bomb_stays_below_its_pids_limit() {
    let teu = teu();
    // A shell that cannot fork ends, so the first one has forked for the last time when it is full.
    let bomb = "(b() { b | b & }; b) 2>/dev/null & (while :; do sleep 1000 & done) 2>/dev/null & wait; exec sleep 1000";
    teu.ok(&["run", "-d", "--name", "bomb", "--pids-limit", "60", "tiny", "sh", "-c", bomb]);
    let most = wait_for("the bomb", SECOND * 20, || {
        // Where the bomb took every place before the sleepers had theirs, it has died of that.
        teu.run(&["exec", "-d", "bomb", "sh", "-c", "while :; do sleep 1000 & done 2>/dev/null"]);
        let count = teu.ok(&["stats", "--no-stream", "--format", "{{.PIDs}}", "bomb"]).trim().parse::<u32>().ok()?;
        (count >= 40).then_some(count)
    });
    assert!(most <= 60, "{most} processes");
    assert_eq!(teu.state("bomb"), "running");
    assert_eq!(teu.ok(&["run", "--rm", "tiny", "echo", "alive"]), "alive");
    let start = Instant::now();
    teu.ok(&["rm", "-f", "bomb"]);
    assert!(start.elapsed() < SECOND * 15, "{:?}", start.elapsed());
}

/// The reason is out of memory, and not only "killed".
#[test]
fn memory_bomb_is_reported_as_out_of_memory() {
    let teu = teu();
    // Half a gigabyte in one process; the shell that waits for it is the container's first one.
    let output =
        teu.run(&["run", "--name", "bomb", "-m", "24m", "tiny", "sh", "-c", "exec tail -c 500000000 /dev/zero"]);
    assert_eq!(output.code, 137, "{output}");
    let state = teu.inspect("bomb");
    assert_eq!(state["State"]["OOMKilled"], true, "{:#}", state["State"]);
    assert!(teu.ok(&["ps", "-a"]).to_lowercase().contains("memory"), "{}", teu.ok(&["ps", "-a"]));
}

/// From inside nobody stops PID 1; stopped from outside it can still be ended and removed.
#[test]
fn container_with_a_stopped_first_process_can_be_stopped_and_removed() {
    let teu = teu();
    teu.ok(&["run", "-d", "--name", "frozen", "tiny", "sh", "-c", "kill -STOP $$; while :; do sleep 0.1; done"]);
    let state =
        teu.ok(&["exec", "frozen", "sh", "-c", "kill -STOP 1; sleep 0.1; grep State /proc/1/status | cut -c 8"]);
    assert!(["S", "R"].contains(&state.as_str()), "the kernel does not stop it from inside: {state}");
    teu.ok(&["kill", "-s", "STOP", "frozen"]);
    let start = Instant::now();
    teu.ok(&["stop", "-t", "1", "frozen"]);
    assert!(start.elapsed() < SECOND * 8, "{:?}", start.elapsed());
    assert_eq!(teu.state("frozen"), "exited");
    teu.ok(&["run", "-d", "--name", "frozen2", "tiny", "sleep", "1000"]);
    teu.ok(&["kill", "-s", "STOP", "frozen2"]);
    teu.ok(&["rm", "-f", "frozen2"]);
}

#[test]
fn container_that_ignores_sigterm_is_killed_after_its_time() {
    let teu = teu();
    teu.ok(&[
        "run",
        "-d",
        "--name",
        "deaf",
        "tiny",
        "sh",
        "-c",
        "trap '' TERM INT HUP QUIT; while :; do sleep 0.1; done",
    ]);
    let start = Instant::now();
    teu.ok(&["stop", "-t", "1", "deaf"]);
    let took = start.elapsed();
    assert!(took >= SECOND * 9 / 10 && took < SECOND * 8, "{took:?}");
    assert_eq!(teu.inspect("deaf")["State"]["ExitCode"], 137);
}

/// PID 1 without a handler is not ended by a signal whose default would; with a handler it gets it; `--init` hands it on.
#[test]
fn first_process_gets_signals_as_pid_1_does() {
    let teu = teu();
    teu.ok(&["run", "-d", "--name", "plain", "tiny", "sleep", "1000"]);
    teu.ok(&["kill", "-s", "TERM", "plain"]);
    teu.ok(&["kill", "-s", "USR1", "plain"]);
    std::thread::sleep(SECOND / 5);
    assert_eq!(teu.state("plain"), "running");
    assert_eq!(teu.ok(&["exec", "plain", "sh", "-c", "kill -9 1; kill -TERM 1; sleep 0.1; echo lives"]), "lives");
    teu.ok(&["kill", "-s", "KILL", "plain"]);
    teu.wait_state("plain", "exited");

    let script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    teu.ok(&["run", "-d", "--name", "handler", "tiny", "sh", "-c", script]);
    wait_for("its handler", SECOND * 20, || teu.ok(&["logs", "handler"]).contains("ready").then_some(()));
    teu.ok(&["kill", "-s", "TERM", "handler"]);
    teu.wait_state("handler", "exited");
    assert_eq!(teu.inspect("handler")["State"]["ExitCode"], 9);

    teu.ok(&["run", "-d", "--init", "--name", "init", "tiny", "sleep", "1000"]);
    teu.ok(&["kill", "-s", "TERM", "init"]);
    teu.wait_state("init", "exited");
    assert_eq!(teu.inspect("init")["State"]["ExitCode"], 143);
}

/// A process whose parent is gone is reaped: by `--init` in the container, and none is left to the machine.
#[test]
fn zombies_are_reaped() {
    let teu = teu();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c 'sleep 0.05 & exit' &); done; sleep 0.6; \
        zombies() { grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l; }; \
        for i in $(seq 200); do [ $(zombies) = 0 ] && break; sleep 0.1; done; zombies";
    assert_eq!(teu.ok(&["run", "--rm", "--init", "tiny", "sh", "-c", script]), "0");
    // What a container leaves to its first process ends with that one.
    let mut lab = oci();
    lab.config["process"]["args"] = json!(["sh", "-c", "sleep 1000 & sleep 1000 & exit 0"]);
    lab.create().ok();
    let pid = lab.pid();
    lab.start().ok();
    lab.wait_status("stopped");
    let children = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    assert!(children.is_empty() || children.contains("State:\tZ"), "{children}");
}

/// Each group of three takes terminals of the container's own /dev/pts; the machine's count returns.
#[test]
fn thousand_terminals_are_given_back() {
    let count = || fs::read_to_string("/proc/sys/kernel/pty/nr").expect("nr").trim().parse::<i64>().expect("a number");
    let teu = teu();
    let before = count();
    let script = "i=0; while [ $i -lt 145 ]; do (exec 3<>/dev/ptmx 4<>/dev/ptmx 5<>/dev/ptmx 6<>/dev/ptmx 7<>/dev/ptmx \
        8<>/dev/ptmx 9<>/dev/ptmx; sleep 1000) & i=$((i+1)); done; echo made; wait";
    teu.ok(&["run", "-d", "--name", "many", "--pids-limit", "400", "tiny", "sh", "-c", script]);
    let made = wait_for("the terminals", SECOND * 30, || Some(count() - before).filter(|made| *made >= 900));
    assert!(made >= 900, "{made}");
    // The container, another one, and a terminal of teu's still work.
    let mut pty = teu.pty(&["exec", "-it", "many", "tty"]);
    assert_eq!(pty.wait_exit(), 0, "{pty}");
    teu.ok(&["rm", "-f", "many"]);
    wait_for("the terminals' return", SECOND * 30, || (count() - before < 50).then_some(()));
}

fn oci() -> Bundle {
    need::root();
    Bundle::new(Runtime::Teu)
}

/// Five hundred containers that are alive at the same time, made by eight callers, then deleted.
#[test]
fn five_hundred_containers_live_at_once() {
    const COUNT: usize = 500;
    let mut lab = oci();
    lab.config["process"]["args"] = json!(["sleep", "1000"]);
    let folders = (0..8).map(|caller| {
        let folder = lab.folder().join(format!("bundle{caller}"));
        fs::create_dir(&folder).expect("a folder");
        folder
    });
    let folders: Vec<_> = folders.collect();
    lab.config["root"]["path"] = json!(lab.rootfs());
    let failures = Mutex::new(Vec::new());
    let each = |deed: &(dyn Fn(usize, usize) -> Result<(), String> + Sync)| {
        std::thread::scope(|scope| {
            for caller in 0..8 {
                let failures = &failures;
                scope.spawn(move || {
                    for number in (caller..COUNT).step_by(8) {
                        if let Err(why) = deed(caller, number) {
                            failures.lock().unwrap().push(why);
                        }
                    }
                });
            }
        });
    };
    let (program, state, config, id) = (lab.program.clone(), lab.state_folder(), lab.config.clone(), lab.id.clone());
    let call = |words: &[&str]| -> Result<(), String> {
        let mut command = Command::new(&program);
        command.arg("oci").arg("--root").arg(&state).args(words).stdin(Stdio::null()).stdout(Stdio::null());
        let error = tempfile::tempfile().expect("a file");
        command.stderr(error.try_clone().expect("dup"));
        let code = Running { child: command.spawn().expect("start") }.wait(SECOND * 30);
        if code == Some(0) {
            return Ok(());
        }
        use std::io::{Read, Seek};
        let (mut error, mut text) = (error, String::new());
        let _ = error.rewind().and_then(|()| error.read_to_string(&mut text));
        Err(format!("{words:?}: {code:?}: {text}"))
    };
    let start = Instant::now();
    each(&|caller, number| {
        let mut config = config.clone();
        config["linux"]["cgroupsPath"] = json!(format!("/{id}-{number}"));
        fs::write(folders[caller].join("config.json"), config.to_string()).map_err(|e| e.to_string())?;
        call(&["run", "--detach", "--bundle", &folders[caller].to_string_lossy(), &format!("{id}-{number}")])
    });
    let made = start.elapsed();
    let list = lab.call(&["list", "--format", "json"]).ok().text();
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let running = list.as_array().expect("a list").iter().filter(|entry| entry["status"] == "running").count();
    let start = Instant::now();
    each(&|_, number| call(&["delete", "--force", &format!("{id}-{number}")]));
    println!("{COUNT} made in {made:?}, deleted in {:?}", start.elapsed());
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failed, such as\n{}", failures.len(), failures[0]);
    assert_eq!(running, COUNT);
    assert!(made < Duration::from_secs(120), "{made:?}");
}
