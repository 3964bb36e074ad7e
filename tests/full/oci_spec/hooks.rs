//! config.md, POSIX-platform Hooks; runtime.md, Lifecycle: when each is called, where, with what, and when it fails.

use std::fs;

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, Runtime, on_every_runtime};
use crate::support::process::copy_program;
use crate::support::{SECOND, wait_for};

on_every_runtime! {
    hooks_are_called_in_order_at_their_time, runc = "1.1.5 calls poststart at create";
    hooks_of_one_kind_are_called_in_the_listed_order;
    hooks_get_the_state_on_stdin;
    hooks_get_their_arguments_and_environment_only;
    hook_path_that_is_relative_is_refused, runc = "1.1.5 does not look";
    hook_timeout_of_zero_is_refused, crun = "1.8.1 takes it for none";
    hook_timeout_ends_the_hook;
    prestart_runs_in_the_runtimes_namespaces;
    create_runtime_runs_in_the_runtimes_namespaces;
    create_runtime_comes_before_pivot_root;
    create_container_runs_in_the_containers_namespaces_before_pivot_root;
    start_container_resolves_and_runs_in_the_container;
    poststart_runs_in_the_runtimes_namespaces_before_start_returns, runc = "1.1.5 calls poststart at create";
    poststop_runs_in_the_runtimes_namespaces_before_delete_returns;
    poststop_comes_after_the_container_is_gone, crun = "1.8.1 calls them first";
    prestart_that_fails_destroys_the_container;
    create_runtime_that_fails_destroys_the_container;
    create_container_that_fails_destroys_the_container;
    start_container_that_fails_stops_the_container;
    poststop_that_fails_is_only_warned_of, runc = "1.1.5 leaves out the hooks that follow";
    hook_that_cannot_be_run_is_an_error;
}

fn lines(file: &std::path::Path) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A hook inside the container: a script of its own shell.
fn inside(script: &str) -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", format!("cat > /dev/null; {script}")], "env": ["PATH=/bin"]})
}

/// A hook that fails, after it has read the state: crun 1.8.1 dies of a hook that does not.
fn failing() -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", "cat > /dev/null; exit 1"], "env": ["PATH=/usr/bin:/bin"]})
}

/// runtime.md, Lifecycle 3 to 13: each kind at its step; prestart before createRuntime before createContainer.
fn hooks_are_called_in_order_at_their_time(lab: &mut Bundle) {
    let out = lab.bind("out", "/mnt", &["bind"]);
    let file = out.join("log");
    let host = |word: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", format!("cat > /dev/null; echo {word} >> {}", file.display())]}]);
    lab.config["hooks"] = json!({
        "poststop": host("poststop"),
        "poststart": host("poststart"),
        "startContainer": [inside("echo startContainer >> /mnt/log")],
        "createContainer": host("createContainer"),
        "createRuntime": host("createRuntime"),
        "prestart": host("prestart"),
    });
    lab.config["process"]["args"] = json!(["sh", "-c", "echo process >> /mnt/log; sleep 1000"]);
    lab.create().ok();
    assert_eq!(lines(&file), ["prestart", "createRuntime", "createContainer"]);
    lab.start().ok();
    wait_for("the process", SECOND * 30, || lines(&file).contains(&"process".to_owned()).then_some(()));
    let mut seen = lines(&file);
    // crun 1.8.1 calls poststart without waiting for the container's own hooks.
    if lab.runtime == Runtime::Crun {
        seen[3..5].sort_by_key(|word| word == "poststart");
    }
    assert_eq!(seen[3], "startContainer");
    seen[4..].sort();
    assert_eq!(seen[4..], ["poststart", "process"]);
    lab.kill("KILL").ok();
    lab.wait_status("stopped");
    assert_eq!(lines(&file).len(), 6, "poststop came before delete");
    lab.delete().ok();
    assert_eq!(lines(&file)[6..], ["poststop"]);
}

/// config.md, Hooks: "Hooks MUST be called in the listed order".
fn hooks_of_one_kind_are_called_in_the_listed_order(lab: &mut Bundle) {
    let (file, first) = lab.hook("log", "sleep 0.05; echo first");
    let second = lab.hook("log", "echo second").1;
    let third = lab.hook("log", "echo third").1;
    for kind in ["createRuntime", "createContainer", "poststart", "poststop"] {
        lab.config["hooks"] = json!({kind: [first, second, third]});
        let _ = fs::remove_file(&file);
        lab.create().ok();
        lab.start().ok();
        lab.wait_status("stopped");
        lab.delete().ok();
        assert_eq!(lines(&file), ["first", "second", "third"], "{kind}");
    }
}

/// config.md, Hooks: "The state of the container MUST be passed to hooks over stdin".
fn hooks_get_the_state_on_stdin(lab: &mut Bundle) {
    lab.config["annotations"] = json!({"org.example.key": "value"});
    let mut hooks = serde_json::Map::new();
    let mut files = Vec::new();
    for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        let (file, hook) = lab.hook(kind, "state=$(cat); echo \"$state\"");
        files.push((kind, file));
        hooks.insert(kind.to_owned(), json!([hook]));
    }
    lab.config["hooks"] = hooks.into();
    lab.config["process"]["args"] = json!(["sleep", "1000"]);
    lab.create().ok();
    let pid = lab.pid();
    lab.start().ok();
    lab.kill("KILL").ok();
    lab.wait_status("stopped");
    lab.delete().ok();
    for (kind, file) in files {
        let text = fs::read_to_string(file).expect("the state");
        let state: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{kind}: {e}: {text}"));
        assert_eq!(state["id"], lab.id, "{kind}: {state}");
        assert_eq!(state["bundle"], json!(lab.path()), "{kind}: {state}");
        assert_eq!(state["annotations"]["org.example.key"], "value", "{kind}: {state}");
        assert!(state["ociVersion"].is_string() && state["status"].is_string(), "{kind}: {state}");
        // Of the container as its own processes see it, the pid would be 1.
        if !matches!(kind, "poststop" | "createContainer") {
            assert_eq!(state["pid"], pid, "{kind}: {state}");
        }
    }
}

/// config.md, Hooks: `args` are `execv`'s argv, `env` is the environment.
fn hooks_get_their_arguments_and_environment_only(lab: &mut Bundle) {
    let file = lab.folder().join("log");
    let script = format!(
        "/bin/cat > /dev/null; exec > {}; echo \"$0|$1|$2\"; /usr/bin/env | /bin/grep -v -E '^(PWD|SHLVL|_)='",
        file.display()
    );
    lab.config["hooks"] = json!({"createRuntime": [
        {"path": "/bin/sh", "args": ["any name", "-c", script, "zero", "one", "two words"], "env": ["A=1", "B=x y"]},
    ]});
    lab.create().ok();
    assert_eq!(lines(&file), ["zero|one|two words", "A=1", "B=x y"]);
}

/// config.md, Hooks: "path MUST be absolute".
fn hook_path_that_is_relative_is_refused(lab: &mut Bundle) {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        lab.config["hooks"] = json!({kind: [{"path": "bin/true"}]});
        let output = lab.refused();
        if lab.is_teu() {
            output.explains(&["hooks", "path"]);
        }
    }
}

/// config.md, Hooks: "If set, timeout MUST be greater than zero".
fn hook_timeout_of_zero_is_refused(lab: &mut Bundle) {
    for timeout in [0, -1] {
        lab.config["hooks"] = json!({"createRuntime": [{"path": "/bin/true", "timeout": timeout}]});
        let output = lab.refused();
        if lab.is_teu() {
            output.explains(&["timeout"]);
        }
    }
}

/// config.md, Hooks: `timeout` is "the number of seconds before aborting the hook", which then has failed.
fn hook_timeout_ends_the_hook(lab: &mut Bundle) {
    lab.config["hooks"] = json!({"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "20"], "timeout": 1}]});
    let output = lab.refused();
    assert!(output.took < SECOND * 10, "{output}");
}

const NAMESPACES: [&str; 4] = ["pid", "ipc", "uts", "mnt"];

fn show_namespaces() -> String {
    NAMESPACES.map(|kind| format!("readlink /proc/self/ns/{kind}")).join("; ")
}

#[track_caller]
fn is_in_the_runtimes_namespaces(lab: &Bundle, file: &std::path::Path) {
    let seen = lines(file);
    for (kind, namespace) in NAMESPACES.iter().zip(&seen) {
        assert_eq!(*namespace, lab.runtime_namespace(kind), "{kind}");
    }
    assert_eq!(seen.len(), NAMESPACES.len(), "{seen:?}");
}

/// config.md, Prestart: "MUST be executed in the runtime namespace".
fn prestart_runs_in_the_runtimes_namespaces(lab: &mut Bundle) {
    let (file, hook) = lab.hook("log", &show_namespaces());
    lab.config["hooks"] = json!({"prestart": [hook]});
    lab.create().ok();
    is_in_the_runtimes_namespaces(lab, &file);
}

/// config.md, CreateRuntime Hooks: the same.
fn create_runtime_runs_in_the_runtimes_namespaces(lab: &mut Bundle) {
    let (file, hook) = lab.hook("log", &show_namespaces());
    lab.config["hooks"] = json!({"createRuntime": [hook]});
    lab.create().ok();
    is_in_the_runtimes_namespaces(lab, &file);
}

/// config.md, CreateRuntime Hooks: after the environment "has been created" but before `pivot_root`; the namespaces are
/// there, and the container's process still sees the machine's root.
fn create_runtime_comes_before_pivot_root(lab: &mut Bundle) {
    let script = "state=$(cat); pid=$(echo \"$state\" | sed -E 's/.*\"pid\": ?([0-9]+).*/\\1/' | tr -d '\\n'); readlink /proc/$pid/ns/mnt; \
        test -e /proc/$pid/root/etc/passwd && grep -q ^app: /proc/$pid/root/etc/passwd || echo machine";
    let (file, hook) = lab.hook("log", script);
    lab.config["hooks"] = json!({"createRuntime": [hook]});
    lab.create().ok();
    let seen = lines(&file);
    let pid = lab.pid();
    let mine = fs::read_link(format!("/proc/{pid}/ns/mnt")).expect("a namespace");
    assert_eq!(seen[0], mine.to_string_lossy());
    assert_eq!(seen.get(1).map(String::as_str), Some("machine"), "{seen:?}");
}

/// config.md, CreateContainer Hooks: path of the runtime's namespace, run in the container's, before `pivot_root`.
fn create_container_runs_in_the_containers_namespaces_before_pivot_root(lab: &mut Bundle) {
    let script = format!(
        "readlink /proc/self/ns/mnt; readlink /proc/self/ns/uts; test -d {} && echo machine",
        lab.folder().display()
    );
    let (file, hook) = lab.hook("log", &script);
    lab.config["hooks"] = json!({"createContainer": [hook]});
    lab.create().ok();
    let pid = lab.pid();
    let namespace =
        |kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("one").to_string_lossy().into_owned();
    assert_eq!(lines(&file), [namespace("mnt"), namespace("uts"), "machine".to_owned()]);
}

/// config.md, StartContainer Hooks: path and namespaces are the container's, before the program, as part of `start`.
fn start_container_resolves_and_runs_in_the_container(lab: &mut Bundle) {
    copy_program(&lab.rootfs().join("bin/busybox"), &lab.rootfs().join("home/app/only-here"));
    let out = lab.bind("out", "/mnt", &["bind"]);
    let script =
        "readlink /proc/self/ns/mnt > /mnt/log; hostname >> /mnt/log; head -n 1 /etc/passwd | cut -c 1-4 >> /mnt/log";
    lab.config["hooks"] = json!({"startContainer": [
        {"path": "/home/app/only-here", "args": ["sh", "-c", script], "env": ["PATH=/bin"]},
    ]});
    lab.config["process"]["args"] = json!(["sh", "-c", "cp /mnt/log /mnt/before; sleep 1000"]);
    lab.create().ok();
    assert!(!out.join("log").exists(), "it came with create");
    lab.start().ok();
    let namespace = fs::read_link(format!("/proc/{}/ns/mnt", lab.pid())).expect("a namespace");
    wait_for("the program", SECOND * 30, || (lines(&out.join("before")).len() == 3).then_some(()));
    assert_eq!(lines(&out.join("before")), [namespace.to_string_lossy().into_owned(), "must".into(), "root".into()]);
}

/// config.md, Poststart: "before the start operation returns", in the runtime's namespaces.
fn poststart_runs_in_the_runtimes_namespaces_before_start_returns(lab: &mut Bundle) {
    let (file, hook) = lab.hook("log", &format!("sleep 0.2; {}", show_namespaces()));
    lab.config["hooks"] = json!({"poststart": [hook]});
    lab.config["process"]["args"] = json!(["sleep", "1000"]);
    lab.create().ok();
    assert!(lines(&file).is_empty(), "it came with create");
    lab.start().ok();
    is_in_the_runtimes_namespaces(lab, &file);
}

/// config.md, Poststop: "before the delete operation returns", in the runtime's namespaces.
fn poststop_runs_in_the_runtimes_namespaces_before_delete_returns(lab: &mut Bundle) {
    let (file, hook) = lab.hook("log", &format!("sleep 0.2; {}", show_namespaces()));
    lab.config["hooks"] = json!({"poststop": [hook]});
    lab.create().ok();
    lab.start().ok();
    lab.wait_status("stopped");
    assert!(lines(&file).is_empty(), "it came before delete");
    lab.delete().ok();
    is_in_the_runtimes_namespaces(lab, &file);
}

/// config.md, Poststop: "MUST be called after the container is deleted": its cgroups are gone.
fn poststop_comes_after_the_container_is_gone(lab: &mut Bundle) {
    let script = format!("find /sys/fs/cgroup -maxdepth 2 -name '*{}*'; echo end", lab.id);
    let (file, hook) = lab.hook("log", &script);
    lab.config["hooks"] = json!({"poststop": [hook]});
    lab.create().ok();
    lab.start().ok();
    lab.wait_status("stopped");
    lab.delete().ok();
    assert_eq!(lines(&file), ["end"]);
}

/// runtime.md, Lifecycle 3 to 5: "MUST generate an error, stop the container, and continue the lifecycle at step 12", so
/// the poststop hooks are called.
#[track_caller]
fn failing_at_create(lab: &mut Bundle, kind: &str) {
    let (file, stop) = lab.hook("stop", "echo poststop");
    lab.config["hooks"] = json!({kind: [failing()], "poststop": [stop]});
    lab.refused();
    let left = lab.left();
    assert!(left.is_empty(), "{left:?}");
    if lab.is_teu() {
        assert_eq!(lines(&file), ["poststop"]);
    }
}

fn prestart_that_fails_destroys_the_container(lab: &mut Bundle) {
    failing_at_create(lab, "prestart");
}

fn create_runtime_that_fails_destroys_the_container(lab: &mut Bundle) {
    failing_at_create(lab, "createRuntime");
}

fn create_container_that_fails_destroys_the_container(lab: &mut Bundle) {
    failing_at_create(lab, "createContainer");
}

/// runtime.md, Lifecycle 7: an error of `start`, the program does not run, and the container is stopped or gone.
fn start_container_that_fails_stops_the_container(lab: &mut Bundle) {
    let out = lab.bind("out", "/mnt", &["bind"]);
    lab.config["hooks"] = json!({"startContainer": [{"path": "/bin/false"}]});
    lab.config["process"]["args"] = json!(["sh", "-c", "echo > /mnt/ran"]);
    lab.create().ok();
    let started = lab.start();
    // crun and runc notice it in the container's first process only, after `start` has returned.
    if lab.is_teu() {
        assert_ne!(started.code, 0, "{started}");
        started.explains(&[]);
    }
    wait_for("the end", SECOND * 30, || {
        let state = lab.call(&["state", &lab.id]);
        (state.code != 0 || state.text().contains("\"stopped\"")).then_some(())
    });
    assert!(!out.join("ran").exists(), "the program ran");
}

/// runtime.md, Lifecycle 13: "MUST log a warning, but the remaining hooks and lifecycle continue".
fn poststop_that_fails_is_only_warned_of(lab: &mut Bundle) {
    let (file, last) = lab.hook("log", "echo last");
    lab.config["hooks"] = json!({"poststop": [failing(), last]});
    lab.create().ok();
    lab.start().ok();
    lab.wait_status("stopped");
    let output = lab.delete().ok();
    assert_eq!(lines(&file), ["last"], "{output}");
    if lab.is_teu() {
        assert!(!output.stderr.is_empty(), "no warning: {output}");
    }
}

fn hook_that_cannot_be_run_is_an_error(lab: &mut Bundle) {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        lab.config["hooks"] = json!({kind: [{"path": "/not/there"}]});
        lab.refused();
    }
}
