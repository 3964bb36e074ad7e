//! Limits and restart policies of running containers, read back from the kernel's own files.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{SECOND, Teu, need, wait_for};

/// What the kernel holds for a running container: the file of v1's controller, or of v2.
#[track_caller]
fn kernel(teu: &Teu, name: &str, controller: &str, legacy: &str, unified: &str) -> String {
    let pid = teu.inspect(name)["State"]["Pid"].as_i64().expect("a pid");
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("its cgroups");
    let of = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        names.split(',').any(|name| name == controller).then(|| PathBuf::from(path.trim_start_matches('/')))
    };
    let file = match groups.lines().find_map(of) {
        Some(path) => PathBuf::from("/sys/fs/cgroup").join(controller).join(path).join(legacy),
        None => {
            let path = groups.lines().find_map(|line| line.strip_prefix("0::/")).expect("a v2 cgroup");
            PathBuf::from("/sys/fs/cgroup").join(path).join(unified)
        }
    };
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).trim().to_owned()
}

#[track_caller]
fn memory(teu: &Teu, name: &str) -> String {
    kernel(teu, name, "memory", "memory.limit_in_bytes", "memory.max")
}

#[track_caller]
fn pids(teu: &Teu, name: &str) -> String {
    kernel(teu, name, "pids", "pids.max", "pids.max")
}

/// The quota in microseconds of a period of 100,000; `-1` or `max` for none.
#[track_caller]
fn quota(teu: &Teu, name: &str) -> String {
    let text = kernel(teu, name, "cpu", "cpu.cfs_quota_us", "cpu.max");
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// v1 says so by a number beyond every machine, v2 by `max`.
fn is_unlimited(text: &str) -> bool {
    text == "max" || text == "-1" || text.parse::<u64>().is_ok_and(|bytes| bytes > 1 << 60)
}

/// A container of the host image that runs `script`.
#[track_caller]
fn shell(teu: &Teu, name: &str, flags: &[&str], script: &str) {
    teu.ok(&[&["run", "-d", "--name", name], flags, &["host", "sh", "-c", script]].concat());
}

#[track_caller]
fn field(teu: &Teu, name: &str, format: &str) -> String {
    teu.ok(&["inspect", "--format", format, name])
}

/// The events of one container, each as `action` or `action code`.
#[track_caller]
fn events(teu: &Teu, name: &str) -> Vec<(String, f64)> {
    let text = fs::read_to_string(teu.runroot().join("events.jsonl")).expect("events");
    let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("an event"));
    let seconds = |time: &str| time.parse::<jiff::Timestamp>().expect("a time").as_nanosecond() as f64 / 1e9;
    rows.filter(|row| row["name"] == name)
        .map(|row| {
            let action = row["action"].as_str().expect("an action").to_owned();
            let action = row["exit_code"].as_u64().map_or(action.clone(), |code| format!("{action} {code}"));
            (action, seconds(row["time"].as_str().expect("a time")))
        })
        .collect()
}

fn named(events: &[(String, f64)], action: &str) -> usize {
    events.iter().filter(|(name, _)| name == action).count()
}

#[test]
fn update_of_a_running_container_reaches_the_kernel_and_the_record() {
    need::root();
    let teu = Teu::new();
    shell(&teu, "live", &["--memory", "64m", "--cpus", "0.5", "--pids-limit", "50"], "sleep 1000");
    assert_eq!(
        (memory(&teu, "live"), quota(&teu, "live"), pids(&teu, "live")),
        ("67108864".into(), "50000".into(), "50".into())
    );
    let pid = field(&teu, "live", "{{.State.Pid}}");
    assert_eq!(teu.ok(&["update", "-m", "128m", "--cpus", "1.5", "--pids-limit", "20", "live"]), "live");
    assert_eq!(
        (memory(&teu, "live"), quota(&teu, "live"), pids(&teu, "live")),
        ("134217728".into(), "150000".into(), "20".into())
    );
    assert_eq!(
        field(&teu, "live", "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}"),
        "134217728 1500000000 20"
    );
    assert_eq!(field(&teu, "live", "{{.State.Pid}}"), pid, "the container goes on");
    assert_eq!(named(&events(&teu, "live"), "update"), 1);
    // Smaller again, one at a time; what is not named stays.
    teu.ok(&["update", "--memory", "32m", "live"]);
    assert_eq!((memory(&teu, "live"), pids(&teu, "live")), ("33554432".into(), "20".into()));
    // Zero and -1 take limits away.
    teu.ok(&["update", "--memory", "0", "--pids-limit", "-1", "--cpus", "0", "live"]);
    for value in [memory(&teu, "live"), quota(&teu, "live"), pids(&teu, "live")] {
        assert!(is_unlimited(&value), "{value}");
    }
    teu.ok(&["update", "--memory", "48m", "live"]);
    // The record is what the next start takes.
    teu.ok(&["restart", "-t", "0", "live"]);
    assert_eq!(memory(&teu, "live"), "50331648");
}

#[test]
fn every_limit_is_enforced_from_the_start_and_changed_live() {
    need::root();
    let teu = Teu::new();
    shell(
        &teu,
        "all",
        &[
            "-m",
            "64m",
            "--memory-reservation",
            "32m",
            "--memory-swap",
            "96m",
            "-c",
            "512",
            "--cpu-quota",
            "20000",
            "--cpu-period",
            "50000",
            "--cpuset-cpus",
            "0",
            "--cpuset-mems",
            "0",
            "--blkio-weight",
            "200",
        ],
        "sleep 1000",
    );
    let unified = fs::metadata("/sys/fs/cgroup/cgroup.controllers").is_ok();
    let read = || {
        let get = |controller: &str, legacy: &str, new: &str| kernel(&teu, "all", controller, legacy, new);
        [
            get("memory", "memory.soft_limit_in_bytes", "memory.low"),
            get("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
            get("cpu", "cpu.shares", "cpu.weight"),
            quota(&teu, "all"),
            get("cpuset", "cpuset.cpus", "cpuset.cpus"),
            get("cpuset", "cpuset.mems", "cpuset.mems"),
        ]
    };
    let swap = |legacy: &str, new: &str| if unified { new.to_owned() } else { legacy.to_owned() };
    let weight = |legacy: &str, new: &str| if unified { new.to_owned() } else { legacy.to_owned() };
    let first =
        ["33554432".into(), swap("100663296", "33554432"), weight("512", "20"), "20000".into(), "0".into(), "0".into()];
    assert_eq!(read(), first);
    teu.ok(&[
        "update",
        "--memory-reservation",
        "16m",
        "--memory-swap",
        "128m",
        "--cpu-shares",
        "2048",
        "--cpus",
        "0.25",
        "--cpuset-cpus",
        "0-1",
        "all",
    ]);
    let second = [
        "16777216".into(),
        swap("134217728", "67108864"),
        weight("2048", "79"),
        "25000".into(),
        "0-1".into(),
        "0".into(),
    ];
    assert_eq!(read(), second);
    assert_eq!(
        field(&teu, "all", "{{.HostConfig.CpuQuota}} {{.HostConfig.NanoCpus}}"),
        "0 250000000",
        "one drives the other out"
    );
}

#[test]
fn memory_below_what_is_in_use_is_refused_in_words_and_nothing_changes() {
    need::root();
    let teu = Teu::new();
    // A shell that holds 30 MB of its own.
    shell(
        &teu,
        "full",
        &["-m", "128m", "--pids-limit", "50"],
        "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo ready; sleep 1000",
    );
    wait_for("the memory is in use", SECOND * 20, || teu.ok(&["logs", "full"]).contains("ready").then_some(()));
    teu.run(&["update", "--pids-limit", "10", "--memory", "10m", "full"])
        .fails(1, &["10.0 MiB", "uses now", "nothing was changed"]);
    assert_eq!((memory(&teu, "full"), pids(&teu, "full")), ("134217728".into(), "50".into()));
    assert_eq!(
        field(&teu, "full", "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.State.Status}}"),
        "134217728 50 running"
    );
    assert_eq!(named(&events(&teu, "full"), "update"), 0);
}

#[test]
fn wrong_updates_are_refused_before_anything_is_written() {
    need::root();
    let teu = Teu::new();
    shell(&teu, "strict", &["-m", "64m"], "sleep 1000");
    for (flags, words) in [
        (vec!["--memory", "1m"], "6m"),
        (vec!["--memory-swap", "32m"], "--memory-swap"),
        (vec!["--memory-reservation", "65m"], "--memory-reservation"),
        (vec!["--cpus", "4096"], "CPUs"),
        (vec!["--cpus", "1", "--cpu-quota", "5000"], "one of them"),
        (vec!["--cpuset-cpus", "4095"], "not available"),
        (vec!["--cpuset-cpus", "a-b"], "--cpuset-cpus"),
        (vec!["--blkio-weight", "5"], "--blkio-weight"),
        (vec!["--cpu-shares", "1"], "--cpu-shares"),
    ] {
        let output = teu.run(&[&["update"], &flags[..], &["strict"]].concat());
        assert!(output.code != 0 && output.errors().contains(words), "{flags:?}: {}", output.errors());
    }
    teu.run(&["update", "strict"]).fails(125, &["at least one flag"]);
    teu.run(&["update", "--restart", "sometimes", "strict"]).fails(125, &["on-failure"]);
    teu.run(&["update", "-m", "64m", "nobody"]).fails(1, &["nobody"]);
    assert_eq!(memory(&teu, "strict"), "67108864");
    assert_eq!(named(&events(&teu, "strict"), "update"), 0);
    // Several at once: the good ones are done, the exit code tells of the others.
    shell(&teu, "other", &[], "sleep 1000");
    teu.run(&["update", "--pids-limit", "9", "strict", "nobody", "other"]).fails(1, &["nobody"]);
    assert_eq!((pids(&teu, "strict"), pids(&teu, "other")), ("9".into(), "9".into()));
}

#[test]
fn on_failure_restarts_so_often_with_growing_pauses_and_the_log_goes_on() {
    need::root();
    let teu = Teu::new();
    shell(&teu, "retry", &["--restart", "on-failure:3"], "echo try; exit 3");
    teu.wait_state("retry", "exited");
    assert_eq!(field(&teu, "retry", "{{.RestartCount}} {{.State.ExitCode}} {{.State.Restarting}}"), "3 3 false");
    assert_eq!(teu.ok(&["logs", "retry"]), "try\ntry\ntry\ntry");
    let events = events(&teu, "retry");
    assert_eq!((named(&events, "start"), named(&events, "die 3")), (4, 4), "{events:?}");
    let times =
        |action: &str| events.iter().filter(|(name, _)| name == action).map(|(_, time)| *time).collect::<Vec<_>>();
    let pauses: Vec<f64> =
        times("die 3").iter().zip(times("start").iter().skip(1)).map(|(die, start)| start - die).collect();
    for (pause, least) in pauses.iter().zip([0.1, 0.2, 0.4]) {
        assert!(*pause >= least && *pause < least + 3.0, "{pauses:?}");
    }
    // A start by hand counts anew; success is an end.
    shell(&teu, "fine", &["--restart", "on-failure"], "exit 0");
    teu.wait_state("fine", "exited");
    assert_eq!(field(&teu, "fine", "{{.RestartCount}}"), "0");
}

#[test]
fn always_goes_on_until_it_is_stopped_killed_or_removed() {
    need::root();
    let teu = Teu::new();
    for (name, policy, end) in [
        ("one", "always", vec!["stop", "-t", "5", "one"]),
        ("two", "unless-stopped", vec!["kill", "two"]),
        ("three", "always", vec!["rm", "-f", "three"]),
    ] {
        shell(&teu, name, &["--restart", policy], "exit 0");
        wait_for("two restarts", SECOND * 20, || {
            (field(&teu, name, "{{.RestartCount}}").parse::<u32>().expect("a number") >= 2).then_some(())
        });
        teu.ok(&end);
        if name == "three" {
            assert_eq!(teu.state(name), "");
        } else {
            assert_eq!(teu.state(name), "exited");
            std::thread::sleep(Duration::from_millis(1500));
            assert_eq!(teu.state(name), "exited", "it stays down");
        }
    }
    // Ended in the middle of its pause: at once, and cleanly.
    shell(&teu, "slow", &["--restart", "always"], "exit 7");
    wait_for("a long pause", SECOND * 30, || {
        (field(&teu, "slow", "{{.RestartCount}}").parse::<u32>().expect("a number") >= 4).then_some(())
    });
    teu.wait_state("slow", "restarting");
    assert!(teu.ok(&["ps", "--format", "{{.Status}}"]).contains("Restarting (7) "));
    teu.run(&["exec", "slow", "true"]).fails(1, &["restart"]);
    teu.run(&["attach", "slow"]).fails(1, &["again"]);
    teu.run(&["rm", "slow"]).fails(1, &["stop"]);
    let start = Instant::now();
    teu.ok(&["stop", "slow"]);
    assert!(start.elapsed() < SECOND * 8, "{:?}", start.elapsed());
    assert_eq!(field(&teu, "slow", "{{.State.Status}} {{.State.ExitCode}}"), "exited 7");
}

#[test]
fn restart_policy_of_a_running_container_can_be_changed() {
    need::root();
    let teu = Teu::new();
    shell(&teu, "turn", &["-m", "64m"], "sleep 1000");
    let pid = || field(&teu, "turn", "{{.State.Pid}}");
    let kill =
        |pid: &str| assert!(std::process::Command::new("kill").args(["-9", pid]).status().expect("kill").success());
    teu.ok(&["update", "--restart", "always", "--memory", "48m", "turn"]);
    let first = pid();
    kill(&first);
    wait_for("another process", SECOND * 20, || (![first.as_str(), "0"].contains(&pid().as_str())).then_some(()));
    assert_eq!(field(&teu, "turn", "{{.RestartCount}} {{.HostConfig.RestartPolicy.Name}}"), "1 always");
    assert_eq!(memory(&teu, "turn"), "50331648", "the limit of now, not that of the first start");
    teu.ok(&["update", "--memory", "56m", "turn"]);
    let second = pid();
    kill(&second);
    wait_for("a third process", SECOND * 20, || (![second.as_str(), "0"].contains(&pid().as_str())).then_some(()));
    assert_eq!(memory(&teu, "turn"), "58720256");
    teu.ok(&["update", "--restart", "no", "turn"]);
    kill(&pid());
    teu.wait_state("turn", "exited");
    assert_eq!(field(&teu, "turn", "{{.RestartCount}} {{.State.ExitCode}}"), "2 137");
    teu.ok(&["start", "turn"]);
    assert_eq!(field(&teu, "turn", "{{.RestartCount}}"), "0", "a start by hand counts anew");
}

#[test]
fn attached_client_is_told_the_first_end_as_with_docker() {
    need::root();
    let teu = Teu::new();
    let output =
        teu.run(&["run", "--name", "told", "--restart", "on-failure:1", "host", "sh", "-c", "echo seen; exit 4"]);
    assert_eq!((output.code, output.text().as_str()), (4, "seen"));
    teu.wait_state("told", "exited");
    assert_eq!(teu.ok(&["logs", "told"]), "seen\nseen");
    teu.run(&["run", "--rm", "--restart", "always", "host", "true"]).fails(125, &["--restart", "--rm"]);
    let create = |flags: &[&str]| teu.run(&[&["create"], flags, &["host", "true"]].concat());
    create(&["--restart", "always:3"]).fails(125, &["on-failure"]);
}

#[test]
fn monitor_killed_between_end_and_restart_leaves_the_truth() {
    need::root();
    let teu = Teu::new();
    shell(&teu, "lost", &["--restart", "always"], "exit 9");
    wait_for("a long pause", SECOND * 30, || {
        (field(&teu, "lost", "{{.RestartCount}}").parse::<u32>().expect("a number") >= 4).then_some(())
    });
    teu.wait_state("lost", "restarting");
    let id = field(&teu, "lost", "{{.Id}}");
    let state = fs::read_to_string(teu.runroot().join("containers").join(&id).join("state.json")).expect("state");
    let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
    let monitor = state["monitor_pid"].as_i64().expect("a pid").to_string();
    assert!(std::process::Command::new("kill").args(["-9", &monitor]).status().expect("kill").success());
    teu.wait_state("lost", "exited");
    assert_eq!(field(&teu, "lost", "{{.State.ExitCode}}"), "9");
    assert!(field(&teu, "lost", "{{.State.Error}}").contains("monitor was killed"));
    teu.ok(&["start", "lost"]);
    teu.ok(&["rm", "-f", "lost"]);
}

#[test]
fn out_of_memory_is_the_reason_everywhere_and_a_policy_restarts_after_it() {
    need::root();
    let teu = Teu::new();
    let bomb = "exec tail /dev/zero";
    let output = teu.run(&["run", "--name", "bomb", "-m", "16m", "--memory-swap", "16m", "host", "sh", "-c", bomb]);
    assert_eq!(output.code, 137, "{}", output.errors());
    assert_eq!(field(&teu, "bomb", "{{.State.OOMKilled}} {{.State.ExitReason}}"), "true out-of-memory");
    assert!(teu.ok(&["ps", "-a", "--format", "{{.Status}}"]).contains("(out of memory)"));
    assert_eq!(named(&events(&teu, "bomb"), "oom"), 1);
    // The killed one is a child, and its parent passes the code on.
    shell(
        &teu,
        "child",
        &["-m", "16m", "--memory-swap", "16m", "--restart", "on-failure:1"],
        "tail /dev/zero; exit $?",
    );
    teu.wait_state("child", "exited");
    assert_eq!(field(&teu, "child", "{{.State.OOMKilled}} {{.RestartCount}}"), "true 1");
    assert_eq!(named(&events(&teu, "child"), "oom"), 2);
}

#[test]
fn start_lost_brings_back_what_a_reboot_ended_and_its_policy_wants() {
    need::root();
    let teu = Teu::new();
    for (name, policy) in
        [("forever", "always"), ("unless", "unless-stopped"), ("failing", "on-failure"), ("plain", "no")]
    {
        shell(&teu, name, &["--restart", policy], "sleep 1000");
    }
    shell(&teu, "stopped", &["--restart", "unless-stopped"], "sleep 1000");
    teu.ok(&["stop", "-t", "0", "stopped"]);
    // As a reboot does: no monitor lives, and what they had on the tmpfs is gone.
    for name in ["forever", "unless", "failing", "plain"] {
        let id = field(&teu, name, "{{.Id}}");
        let folder = teu.runroot().join("containers").join(id);
        let state = fs::read_to_string(folder.join("state.json")).expect("state");
        let state: serde_json::Value = serde_json::from_str(&state).expect("JSON");
        for pid in [state["state"]["pid"].as_i64(), state["monitor_pid"].as_i64()].into_iter().rev().flatten() {
            let _ = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().expect("kill");
        }
        teu.wait_state(name, "exited");
    }
    assert_eq!(teu.ok(&["start", "--lost"]), "forever\nunless");
    assert_eq!((teu.state("forever").as_str(), teu.state("unless").as_str()), ("running", "running"));
    assert_eq!((teu.state("stopped").as_str(), teu.state("plain").as_str()), ("exited", "exited"));
    assert_eq!(teu.ok(&["start", "--lost"]), "");
    teu.run(&["start", "--lost", "plain"]).fails(125, &["--lost"]);
}

#[test]
fn memory_kills_are_told_and_counted_while_the_container_goes_on() {
    need::root();
    let teu = Teu::new();
    shell(&teu, "survivor", &["-m", "16m", "--memory-swap", "16m"], "tail /dev/zero; echo goes on; exec sleep 1000");
    wait_for("the event", SECOND * 20, || (named(&events(&teu, "survivor"), "oom") == 1).then_some(()));
    wait_for("its parent", SECOND * 20, || teu.ok(&["logs", "survivor"]).contains("goes on").then_some(()));
    assert_eq!(teu.state("survivor"), "running");
    assert_eq!(teu.ok(&["stats", "--no-stream", "--format", "{{.OOMKills}}", "survivor"]), "1");
    teu.ok(&["stop", "-t", "0", "survivor"]);
    assert_eq!(named(&events(&teu, "survivor"), "oom"), 1, "told once");
    // A limit that comes later is watched from then on.
    shell(&teu, "later", &[], "while [ ! -e /tmp/go ]; do sleep 0.05; done; tail /dev/zero; exec sleep 1000");
    teu.ok(&["update", "--memory", "16m", "--memory-swap", "16m", "later"]);
    teu.ok(&["exec", "later", "touch", "/tmp/go"]);
    wait_for("the event", SECOND * 20, || (named(&events(&teu, "later"), "oom") == 1).then_some(()));
}

#[test]
fn pressure_and_throttling_are_measured() {
    need::root();
    let teu = Teu::new();
    shell(&teu, "held", &["--cpus", "0.1"], "while :; do :; done");
    let figures =
        || teu.ok(&["stats", "--no-stream", "--format", "{{.CPUPressure}} {{.Throttled}} {{.ThrottledTime}}", "held"]);
    let throttled = |text: &str| -> Option<f64> { text.split(' ').nth(3)?.strip_suffix('%')?.parse().ok() };
    wait_for("it is throttled", SECOND * 20, || {
        throttled(&figures()).is_some_and(|percent| percent > 20.0).then_some(())
    });
    teu.ok(&["update", "--cpus", "0", "held"]);
    wait_for("it is let go", SECOND * 20, || throttled(&figures()).is_none_or(|percent| percent == 0.0).then_some(()));
    let seconds: f64 =
        figures().rsplit(' ').next().and_then(|time| time.strip_suffix('s')?.parse().ok()).expect("a time");
    assert!(seconds > 0.0);
}

/// Dying takes processor time as well: many processes with a thousandth of a processor need longer than anybody waits.
#[test]
fn throttled_container_is_stopped_and_removed_at_once() {
    let teu = Teu::new();
    let script = "trap '' TERM; for i in $(seq 200); do sleep 1000 & done; echo up; wait";
    for (name, words) in [("removed", &["rm", "-f", "removed"][..]), ("stopped", &["stop", "-t", "1", "stopped"])] {
        shell(&teu, name, &[], script);
        wait_for("all of it to run", SECOND * 60, || teu.ok(&["logs", name]).contains("up").then_some(()));
        teu.ok(&["update", "--cpu-period", "1000000", "--cpu-quota", "1000", name]);
        let start = Instant::now();
        teu.ok(words);
        assert!(start.elapsed() < SECOND * 9, "{words:?}: {:?}", start.elapsed());
    }
    teu.ok(&["rm", "stopped"]);
    teu.assert_no_leak();
}
