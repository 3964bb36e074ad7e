//! runtime.md: scope, state, errors and the five operations.

use std::fs;

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, on_every_runtime};
use crate::support::{SECOND, wait_for};

on_every_runtime! {
    state_has_the_required_properties;
    state_id_is_the_containers;
    state_pid_is_the_process_as_the_host_sees_it;
    state_bundle_is_absolute;
    state_annotations_are_the_configs;
    state_of_a_paused_container_is_none_of_the_defined;
    state_without_an_id_is_an_error;
    state_of_an_unknown_container_is_an_error;
    create_without_an_id_is_an_error;
    create_without_a_bundle_is_an_error;
    create_with_a_used_id_is_an_error_and_harms_nothing;
    create_with_an_invalid_id_is_an_error, crun = "1.8.1 takes an id that ends in a slash";
    create_does_not_run_the_program;
    create_makes_all_resources;
    create_ends_in_status_created;
    create_that_fails_leaves_nothing;
    create_ignores_later_changes_of_the_config;
    create_without_a_config_is_an_error;
    start_without_an_id_is_an_error;
    start_of_an_unknown_container_is_an_error;
    start_runs_the_program_and_ends_in_status_running;
    start_of_a_running_container_is_an_error_without_effect;
    start_of_a_stopped_container_is_an_error_without_effect;
    start_without_a_process_is_an_error;
    kill_without_an_id_is_an_error;
    kill_of_an_unknown_container_is_an_error;
    kill_of_a_stopped_container_is_an_error;
    kill_sends_the_signal_to_the_process;
    kill_reaches_a_created_container;
    stopped_is_the_status_however_it_ended;
    delete_without_an_id_is_an_error;
    delete_of_an_unknown_container_is_an_error;
    delete_of_a_running_container_is_an_error_without_effect;
    delete_of_a_created_container_is_an_error_without_effect, crun = "1.8.1 deletes it", runc = "deletes it, by design";
    delete_removes_what_create_made;
    delete_keeps_what_create_did_not_make;
    delete_frees_the_id;
    warnings_do_not_change_the_flow;
}

/// The operation fails with a message.
#[track_caller]
fn is_an_error(lab: &Bundle, arguments: &[&str]) {
    let output = lab.call(arguments);
    assert_ne!(output.code, 0, "it is no error: {output}");
    assert!(!(output.stderr.is_empty() && output.stdout.is_empty()), "no message: {output}");
    output.no_panic();
}

/// The fields of `/proc/PID/stat` after the name; none if the process is gone or a zombie.
fn alive(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// runtime.md, State: "MUST include, at least, the following properties".
fn state_has_the_required_properties(lab: &mut Bundle) {
    lab.sleeping();
    let state = lab.state();
    for name in ["ociVersion", "id", "status", "bundle"] {
        assert!(state[name].as_str().is_some_and(|text| !text.is_empty()), "{name} in {state}");
    }
    assert!(state["pid"].as_i64().is_some_and(|pid| pid > 0), "{state}");
    let version: Vec<&str> = state["ociVersion"].as_str().unwrap().splitn(3, '.').collect();
    assert!(version.len() == 3 && version[0] == "1", "{state}");
    lab.kill("KILL").ok();
}

/// runtime.md, State: `id`.
fn state_id_is_the_containers(lab: &mut Bundle) {
    lab.create().ok();
    assert_eq!(lab.state()["id"], lab.id);
}

/// runtime.md, State: `pid` is "the pid as seen by the runtime", REQUIRED when created or running.
fn state_pid_is_the_process_as_the_host_sees_it(lab: &mut Bundle) {
    lab.config["process"]["args"] = json!(["sleep", "4321"]);
    lab.create().ok();
    let created = lab.pid();
    assert!(alive(created), "{created} does not live");
    lab.start().ok();
    let pid = lab.pid();
    assert_eq!(pid, created);
    wait_for("sleep", SECOND * 30, || {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        (line == b"sleep\x004321\0").then_some(())
    });
}

/// runtime.md, State: `bundle` is "the absolute path to the container's bundle directory".
fn state_bundle_is_absolute(lab: &mut Bundle) {
    lab.write_config();
    lab.call(&["create", "--bundle", "bundle", &lab.id]).ok();
    assert_eq!(lab.state()["bundle"], json!(lab.path()));
}

/// runtime.md, State: `annotations`.
fn state_annotations_are_the_configs(lab: &mut Bundle) {
    lab.config["annotations"] = json!({"org.example.key": "a value", "org.example.empty": ""});
    lab.create().ok();
    let state = lab.state();
    assert_eq!(state["annotations"]["org.example.key"], "a value", "{state}");
    assert_eq!(state["annotations"]["org.example.empty"], "", "{state}");
}

/// runtime.md, State: additional values "MUST be used to represent new runtime states not defined above".
fn state_of_a_paused_container_is_none_of_the_defined(lab: &mut Bundle) {
    lab.sleeping();
    lab.call(&["pause", &lab.id]).ok();
    assert_eq!(lab.status(), "paused");
    lab.call(&["resume", &lab.id]).ok();
    assert_eq!(lab.status(), "running");
}

/// runtime.md, Query State: "MUST generate an error if it is not provided the ID of a container".
fn state_without_an_id_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["state"]);
}

/// runtime.md, Query State: "Attempting to query a container that does not exist MUST generate an error".
fn state_of_an_unknown_container_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["state", "nobody"]);
}

/// runtime.md, Create: "MUST generate an error if it is not provided a path to the bundle and the container ID".
fn create_without_an_id_is_an_error(lab: &mut Bundle) {
    lab.write_config();
    is_an_error(lab, &["create", "--bundle", &lab.path().to_string_lossy()]);
}

/// runtime.md, Create: the same; the field's command lines take the working folder, so a folder without a bundle.
fn create_without_a_bundle_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["create", &lab.id]);
    is_an_error(lab, &["create", "--bundle", "/nowhere", &lab.id]);
    is_an_error(lab, &["state", &lab.id]);
}

/// runtime.md, Create: "If the ID provided is not unique … MUST generate an error and a new container MUST NOT be created".
fn create_with_a_used_id_is_an_error_and_harms_nothing(lab: &mut Bundle) {
    let pid = lab.sleeping();
    let again = lab.create();
    assert_ne!(again.code, 0, "{again}");
    again.explains(&["exist"]);
    assert_eq!(lab.status(), "running");
    assert_eq!(lab.pid(), pid);
    assert!(alive(pid));
}

/// runtime.md, Create: an ID that "is not valid in any other way".
fn create_with_an_invalid_id_is_an_error(lab: &mut Bundle) {
    for id in ["../up", "a/b", "..", "with space/", "new\nline"] {
        let output = lab.create_as(id);
        assert_ne!(output.code, 0, "{id:?} is accepted: {output}");
    }
    assert!(!lab.folder().join("up").exists());
}

/// runtime.md, Lifecycle 2 and Create: "the user-specified program MUST NOT be run at this time".
fn create_does_not_run_the_program(lab: &mut Bundle) {
    let out = lab.bind("out", "/mnt", &["bind"]);
    lab.config["process"]["args"] = json!(["sh", "-c", "echo ran > /mnt/ran"]);
    lab.create().ok();
    std::thread::sleep(SECOND / 10);
    assert!(!out.join("ran").exists(), "it ran");
    lab.start().ok();
    lab.wait_status("stopped");
    assert!(out.join("ran").exists(), "it did not run");
}

/// runtime.md, Create: "all of the properties configured in config.json except for process MUST be applied".
fn create_makes_all_resources(lab: &mut Bundle) {
    lab.bind("out", "/mnt", &["bind"]);
    lab.create().ok();
    let pid = lab.pid();
    for kind in ["pid", "ipc", "uts", "mnt"] {
        let own = fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace").to_string_lossy().into_owned();
        assert_ne!(own, lab.runtime_namespace(kind), "{kind}");
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("mountinfo");
    for point in ["/proc", "/dev", "/dev/pts", "/mnt"] {
        assert!(mounts.lines().any(|line| line.split(' ').nth(4) == Some(point)), "{point} in\n{mounts}");
    }
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("cgroup");
    assert!(groups.contains(&lab.id), "{groups}");
}

/// runtime.md, Create: "the status property of this container MUST be created".
fn create_ends_in_status_created(lab: &mut Bundle) {
    lab.create().ok();
    assert_eq!(lab.status(), "created");
}

/// runtime.md, Errors: "MUST leave the state of the environment as if the operation were never attempted".
fn create_that_fails_leaves_nothing(lab: &mut Bundle) {
    lab.mount(json!({"destination": "/mnt", "type": "bind", "source": "/nowhere/at/all", "options": ["bind"]}));
    lab.refused();
    let left = lab.left();
    assert!(left.is_empty(), "{left:?}");
}

/// runtime.md, Lifecycle 2: "Any updates to config.json after this step MUST NOT affect the container".
fn create_ignores_later_changes_of_the_config(lab: &mut Bundle) {
    lab.config["process"]["args"] = json!(["sh", "-c", "echo first $X; hostname"]);
    lab.list("/process/env").push(json!("X=old"));
    lab.create().ok();
    lab.config["process"]["args"] = json!(["sh", "-c", "echo second $X; hostname"]);
    lab.list("/process/env").push(json!("X=new"));
    lab.config["hostname"] = json!("other");
    lab.write_config();
    lab.start().ok();
    lab.wait_status("stopped");
    assert_eq!(lab.printed(), "first old\nmust");
}

/// runtime.md, Create: the bundle has no `config.json`.
fn create_without_a_config_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["create", "--bundle", &lab.path().to_string_lossy(), &lab.id]);
    is_an_error(lab, &["state", &lab.id]);
}

/// runtime.md, Start: "MUST generate an error if it is not provided the container ID".
fn start_without_an_id_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["start"]);
}

/// runtime.md, Start: "Attempting to start a container that … does not exist".
fn start_of_an_unknown_container_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["start", "nobody"]);
}

/// runtime.md, Start: "MUST run the user-specified program", and the status "MUST be running".
fn start_runs_the_program_and_ends_in_status_running(lab: &mut Bundle) {
    lab.config["process"]["args"] = json!(["sh", "-c", "echo started; exec sleep 1000"]);
    lab.create().ok();
    lab.start().ok();
    assert_eq!(lab.status(), "running");
    wait_for("its output", SECOND * 30, || (lab.printed() == "started").then_some(()));
}

/// runtime.md, Start: of a container that is not created "MUST have no effect on the container and MUST generate an error".
fn start_of_a_running_container_is_an_error_without_effect(lab: &mut Bundle) {
    let pid = lab.sleeping();
    is_an_error(lab, &["start", &lab.id]);
    assert_eq!((lab.status().as_str(), lab.pid()), ("running", pid));
}

/// runtime.md, Start: the same of a stopped one.
fn start_of_a_stopped_container_is_an_error_without_effect(lab: &mut Bundle) {
    let out = lab.bind("out", "/mnt", &["bind"]);
    lab.config["process"]["args"] = json!(["sh", "-c", "echo x >> /mnt/runs"]);
    lab.create().ok();
    lab.start().ok();
    lab.wait_status("stopped");
    is_an_error(lab, &["start", &lab.id]);
    assert_eq!(lab.status(), "stopped");
    assert_eq!(fs::read_to_string(out.join("runs")).expect("it ran"), "x\n");
}

/// runtime.md, Start: "MUST generate an error if process was not set". A runtime may refuse it at `create`.
fn start_without_a_process_is_an_error(lab: &mut Bundle) {
    lab.config.as_object_mut().expect("an object").remove("process");
    let created = lab.create();
    if created.code == 0 {
        is_an_error(lab, &["start", &lab.id]);
    } else if lab.is_teu() {
        created.explains(&["process"]);
    }
}

/// runtime.md, Kill: "MUST generate an error if it is not provided the container ID".
fn kill_without_an_id_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["kill"]);
}

fn kill_of_an_unknown_container_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["kill", "nobody", "KILL"]);
}

/// runtime.md, Kill: to a container neither created nor running "MUST have no effect … and MUST generate an error".
fn kill_of_a_stopped_container_is_an_error(lab: &mut Bundle) {
    lab.create().ok();
    lab.start().ok();
    lab.wait_status("stopped");
    is_an_error(lab, &["kill", &lab.id, "TERM"]);
    is_an_error(lab, &["kill", &lab.id, "KILL"]);
    assert_eq!(lab.status(), "stopped");
}

/// runtime.md, Kill: "MUST send the specified signal to the container process", by number, name and short name.
fn kill_sends_the_signal_to_the_process(lab: &mut Bundle) {
    let script = "trap 'echo usr1' USR1; trap 'echo usr2' USR2; trap 'echo hup' HUP; trap 'echo term; exit 7' TERM; \
        echo ready; while :; do sleep 0.02; done";
    lab.config["process"]["args"] = json!(["sh", "-c", script]);
    lab.create().ok();
    lab.start().ok();
    for (signal, word) in [("", "ready"), ("SIGUSR1", "usr1"), ("USR2", "usr2"), ("1", "hup"), ("TERM", "term")] {
        if !signal.is_empty() {
            lab.kill(signal).ok();
        }
        wait_for(word, SECOND * 30, || lab.printed().lines().any(|line| line == word).then_some(()));
    }
    lab.wait_status("stopped");
    assert_eq!(lab.printed().lines().count(), 5, "{}", lab.printed());
}

/// runtime.md, Kill: a created container can be sent signals.
fn kill_reaches_a_created_container(lab: &mut Bundle) {
    lab.create().ok();
    lab.kill("KILL").ok();
    lab.wait_status("stopped");
}

/// runtime.md, Lifecycle 10, State: `stopped` once the process has exited, whatever ended it.
fn stopped_is_the_status_however_it_ended(lab: &mut Bundle) {
    for script in ["exit 0", "exit 3", "kill -9 $$; sleep 10"] {
        lab.config["linux"]["namespaces"].as_array_mut().expect("a list").retain(|n| n["type"] != "pid");
        lab.config["process"]["args"] = json!(["sh", "-c", script]);
        lab.create().ok();
        lab.start().ok();
        lab.wait_status("stopped");
        lab.delete().ok();
    }
}

/// runtime.md, Delete: "MUST generate an error if it is not provided the container ID".
fn delete_without_an_id_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["delete"]);
}

fn delete_of_an_unknown_container_is_an_error(lab: &mut Bundle) {
    is_an_error(lab, &["delete", "nobody"]);
}

/// runtime.md, Delete: "a container that is not stopped MUST have no effect on the container and MUST generate an error".
fn delete_of_a_running_container_is_an_error_without_effect(lab: &mut Bundle) {
    let pid = lab.sleeping();
    is_an_error(lab, &["delete", &lab.id]);
    assert_eq!((lab.status().as_str(), lab.pid()), ("running", pid));
    assert!(alive(pid));
}

/// runtime.md, Delete: the same of a created one.
fn delete_of_a_created_container_is_an_error_without_effect(lab: &mut Bundle) {
    lab.create().ok();
    is_an_error(lab, &["delete", &lab.id]);
    assert_eq!(lab.status(), "created");
}

/// runtime.md, Delete and Lifecycle 12: "MUST delete the resources that were created during the create step".
fn delete_removes_what_create_made(lab: &mut Bundle) {
    lab.mount(json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"}));
    lab.create().ok();
    lab.start().ok();
    lab.wait_status("stopped");
    lab.delete().ok();
    let left = lab.left();
    assert!(left.is_empty(), "{left:?}");
    is_an_error(lab, &["state", &lab.id]);
}

/// runtime.md, Delete: resources "not created by this container MUST NOT be deleted".
fn delete_keeps_what_create_did_not_make(lab: &mut Bundle) {
    let out = lab.bind("out", "/mnt", &["bind"]);
    fs::write(out.join("mine"), "kept").expect("write");
    lab.create().ok();
    lab.start().ok();
    lab.wait_status("stopped");
    lab.delete().ok();
    assert_eq!(fs::read_to_string(out.join("mine")).expect("still there"), "kept");
    assert!(lab.rootfs().join("bin/busybox").exists() && lab.path().join("config.json").exists());
}

/// runtime.md, Delete: "Once a container is deleted its ID MAY be used by a subsequent container".
fn delete_frees_the_id(lab: &mut Bundle) {
    for _ in 0..2 {
        lab.create().ok();
        lab.start().ok();
        lab.wait_status("stopped");
        lab.delete().ok();
    }
}

/// runtime.md, Warnings: logging "MUST NOT change the flow of the operation".
fn warnings_do_not_change_the_flow(lab: &mut Bundle) {
    lab.config["process"]["somethingNew"] = json!({"deep": [1, 2, {"x": Value::Null}]});
    lab.config["org.example.unknown"] = json!("ignored");
    assert_eq!(lab.script("echo fine"), "fine");
}
