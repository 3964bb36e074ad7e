//! config-linux.md: devices, default devices, the list of allowed devices.

use std::fs;

use serde_json::json;

use crate::support::bundle::{Bundle, on_every_runtime};

on_every_runtime! {
    devices_are_available;
    device_may_stand_outside_of_dev;
    device_of_a_named_pipe_needs_no_numbers;
    device_mode_and_owner_are_as_configured;
    device_over_another_file_is_refused, crun = "1.8.1 keeps what is there", runc = "1.1.5 keeps what is there";
    device_of_an_unknown_type_is_refused, crun = "1.8.1 takes it";
    default_devices_are_there_and_work;
    default_ptmx_is_the_containers;
    allowed_devices_are_applied_in_the_listed_order;
    allowed_devices_of_an_unknown_type_are_refused;
    devices_that_are_denied_cannot_be_used;
    devices_work_in_a_user_namespace;
}

fn fuse() -> serde_json::Value {
    json!({"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666, "uid": 0, "gid": 0})
}

/// config-linux.md, Devices: "lists devices that MUST be available in the container".
fn devices_are_available(lab: &mut Bundle) {
    lab.config["linux"]["devices"] = json!([fuse(), {"path": "/dev/deep/loop", "type": "b", "major": 7, "minor": 99}]);
    let text = lab.script("stat -c '%F %t:%T' /dev/fuse /dev/deep/loop");
    assert_eq!(text, "character special file a:e5\nblock special file 7:63");
}

/// config-linux.md, Devices: "The path MAY be anywhere in the container filesystem".
fn device_may_stand_outside_of_dev(lab: &mut Bundle) {
    lab.config["linux"]["devices"] =
        json!([{"path": "/home/nothing", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]);
    assert_eq!(
        lab.script("stat -c '%F %t:%T' /home/nothing; echo x > /home/nothing && echo written"),
        "character special file 1:3\nwritten"
    );
}

/// config-linux.md, Devices: `major, minor` are "REQUIRED unless type is p".
fn device_of_a_named_pipe_needs_no_numbers(lab: &mut Bundle) {
    lab.config["linux"]["devices"] = json!([{"path": "/dev/pipe", "type": "p", "fileMode": 0o600}]);
    assert_eq!(lab.script("stat -c '%F' /dev/pipe"), "fifo");
}

/// config-linux.md, Devices: `fileMode`, `uid`, `gid`, whatever the umask is.
fn device_mode_and_owner_are_as_configured(lab: &mut Bundle) {
    lab.config["process"]["user"]["umask"] = json!(0o077);
    let mut device = fuse();
    (device["fileMode"], device["uid"], device["gid"]) = (json!(0o642), json!(1000), json!(2000));
    lab.config["linux"]["devices"] = json!([device]);
    assert_eq!(lab.script("stat -c '%a %u %g' /dev/fuse"), "642 1000 2000");
}

/// config-linux.md, Devices: "If a file already exists at path that does not match the requested device, … MUST generate
/// an error".
fn device_over_another_file_is_refused(lab: &mut Bundle) {
    fs::write(lab.rootfs().join("home/taken"), "a file").expect("write");
    lab.config["linux"]["devices"] = json!([{"path": "/home/taken", "type": "c", "major": 1, "minor": 3}]);
    lab.refused();
    assert_eq!(fs::read_to_string(lab.rootfs().join("home/taken")).expect("still there"), "a file");
}

fn device_of_an_unknown_type_is_refused(lab: &mut Bundle) {
    lab.config["linux"]["devices"] = json!([{"path": "/dev/x", "type": "z", "major": 1, "minor": 3}]);
    lab.refused();
}

/// config-linux.md, Default Devices: what "the runtime MUST also supply".
fn default_devices_are_there_and_work(lab: &mut Bundle) {
    let text = lab.script(
        "cd /dev; stat -c '%n %t:%T %a' null zero full random urandom tty; echo x > null && head -c 3 zero | wc -c; \
         (echo x > full) 2>/dev/null || echo full; head -c 2 urandom | wc -c; head -c 2 random | wc -c",
    );
    let expected =
        "null 1:3 666\nzero 1:5 666\nfull 1:7 666\nrandom 1:8 666\nurandom 1:9 666\ntty 5:0 666\n3\nfull\n2\n2";
    assert_eq!(text, expected);
}

/// config-linux.md, Default Devices: "A bind-mount or symlink of the container's /dev/pts/ptmx".
fn default_ptmx_is_the_containers(lab: &mut Bundle) {
    let text = lab.script("stat -L -c '%t:%T' /dev/ptmx; exec 3<>/dev/ptmx && ls /dev/pts");
    assert_eq!(text, "5:2\n0\nptmx");
}

/// `/dev/kmsg`, 1:11, as a node of the image: what opens it is the last rule that speaks of it.
fn allowed_devices_are_applied_in_the_listed_order(lab: &mut Bundle) {
    node(lab, "home/kmsg");
    let rule =
        |allow: bool, access: &str| json!({"allow": allow, "type": "c", "major": 1, "minor": 11, "access": access});
    let all = |allow: bool| json!({"allow": allow, "access": "rwm"});
    for (rules, expected) in [
        (json!([all(false)]), ""),
        (json!([all(false), rule(true, "w")]), "opened"),
        (json!([all(false), rule(true, "rwm"), rule(false, "rw")]), ""),
        (json!([rule(false, "rwm"), all(true)]), "opened"),
        (json!([rule(true, "rwm"), all(false)]), ""),
        (json!([all(true), rule(false, "w")]), ""),
    ] {
        lab.config["linux"]["resources"]["devices"] = rules.clone();
        assert_eq!(lab.script("(: > /home/kmsg) 2>/dev/null && echo opened; true"), expected, "{rules}");
    }
}

fn node(lab: &Bundle, path: &str) {
    let mut command = std::process::Command::new("mknod");
    command.arg(lab.rootfs().join(path)).args(["c", "1", "11"]);
    lab.finish(command).ok();
}

fn allowed_devices_of_an_unknown_type_are_refused(lab: &mut Bundle) {
    lab.config["linux"]["resources"]["devices"] = json!([{"allow": true, "type": "z", "access": "rwm"}]);
    lab.refused();
}

/// A device node of the image gives nothing that the list does not give.
fn devices_that_are_denied_cannot_be_used(lab: &mut Bundle) {
    node(lab, "home/kmsg");
    let text = lab.script("dd if=/home/kmsg of=/dev/null bs=8192 count=1 2>/dev/null && echo read; (: > /home/kmsg) 2>/dev/null && echo opened; echo end");
    assert_eq!(text, "end");
}

/// Where nobody may make device nodes they are bound from the machine's.
fn devices_work_in_a_user_namespace(lab: &mut Bundle) {
    lab.own_user_namespace();
    lab.config["linux"]["devices"] = json!([{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]);
    let text = lab.script("stat -c '%t:%T' /dev/null /dev/fuse; echo x > /dev/null && head -c 2 /dev/urandom | wc -c");
    assert_eq!(text, "1:3\na:e5\n2");
}
