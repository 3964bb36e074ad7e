//! config-linux.md, Seccomp: actions, arguments, operators, architectures, flags, and the listener's socket.

use std::fs;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixListener;

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, on_every_runtime};
use crate::support::{SECOND, wait_for};

on_every_runtime! {
    action_errno_refuses_with_eperm_by_default;
    action_errno_returns_what_is_configured;
    action_kill_process_ends_it;
    action_kill_thread_ends_it;
    action_trap_sends_sigsys;
    action_log_and_allow_let_it_through;
    default_action_and_its_errno_are_of_what_is_not_listed;
    errno_of_an_action_that_takes_none_is_refused, runc = "1.1.5 ignores it";
    default_errno_of_an_action_that_takes_none_is_refused, runc = "1.1.5 ignores it";
    arguments_are_compared_with_every_operator;
    arguments_of_one_rule_must_all_match;
    arguments_beyond_six_are_refused;
    names_must_not_be_empty, crun = "1.8.1 takes none", runc = "1.1.5 takes none";
    names_unknown_to_this_machine_are_left_out;
    action_unknown_is_refused;
    operator_unknown_is_refused;
    architecture_unknown_is_refused;
    architectures_of_this_machine_are_accepted;
    flags_are_accepted, runc = "came with 1.2";
    flag_unknown_is_refused, crun = "1.8.1 takes it";
    filter_is_there_without_no_new_privileges_as_well;
    listener_gets_the_state_and_the_descriptor;
    listener_that_is_not_there_is_an_error;
    listener_without_a_notify_action_is_ignored, crun = "1.8.1 connects all the same";
    listener_metadata_without_a_listener_is_refused, crun = "1.8.1 does not look", runc = "1.1.5 does not look";
}

/// A filter that allows all but what `rules` say.
fn filter(lab: &mut Bundle, rules: Value) {
    lab.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules});
}

/// Two system calls that busybox's `mkdir` may use.
const MKDIR: [&str; 2] = ["mkdir", "mkdirat"];

fn action_errno_refuses_with_eperm_by_default(lab: &mut Bundle) {
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_ERRNO"}]));
    let text = lab.script("mkdir /tmp/x 2>&1; grep ^Seccomp: /proc/self/status");
    assert!(text.contains("Operation not permitted") && text.ends_with("Seccomp:\t2"), "{text}");
}

fn action_errno_returns_what_is_configured(lab: &mut Bundle) {
    for (errno, words) in [(28, "No space left"), (2, "No such file"), (38, "not implemented")] {
        filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}]));
        let text = lab.script("mkdir /tmp/x 2>&1; true");
        assert!(text.contains(words), "{errno}: {text}");
    }
}

fn ends_by_signal(lab: &mut Bundle, action: &str) {
    filter(lab, json!([{"names": MKDIR, "action": action}]));
    // 128 + SIGSYS of the shell's child.
    assert_eq!(lab.script("(mkdir /tmp/x) 2>/dev/null; echo $?; ls /tmp"), "159");
}

fn action_kill_process_ends_it(lab: &mut Bundle) {
    ends_by_signal(lab, "SCMP_ACT_KILL_PROCESS");
}

fn action_kill_thread_ends_it(lab: &mut Bundle) {
    ends_by_signal(lab, "SCMP_ACT_KILL_THREAD");
    ends_by_signal(lab, "SCMP_ACT_KILL");
}

fn action_trap_sends_sigsys(lab: &mut Bundle) {
    ends_by_signal(lab, "SCMP_ACT_TRAP");
}

fn action_log_and_allow_let_it_through(lab: &mut Bundle) {
    for action in ["SCMP_ACT_LOG", "SCMP_ACT_ALLOW"] {
        filter(lab, json!([{"names": MKDIR, "action": action}]));
        assert_eq!(lab.script("mkdir /tmp/x && rmdir /tmp/x && echo made"), "made", "{action}");
    }
}

/// Everything that the machine has is allowed by name, but `mkdir`.
fn default_action_and_its_errno_are_of_what_is_not_listed(lab: &mut Bundle) {
    let profile: Value = serde_json::from_slice(include_bytes!("../../../assets/seccomp.json")).expect("JSON");
    let mut names = std::collections::BTreeSet::new();
    for rule in profile["syscalls"].as_array().expect("rules").iter().filter(|rule| rule["action"] == "SCMP_ACT_ALLOW")
    {
        names.extend(rule["names"].as_array().expect("names").iter().filter_map(Value::as_str));
    }
    names.retain(|name| !MKDIR.contains(name));
    lab.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 28,
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}]});
    let text = lab.script("mkdir /tmp/x 2>&1; true");
    assert!(text.contains("No space left"), "{text}");
}

/// config-linux.md, Seccomp: "When the action doesn't support an errno, the runtime MUST print and error and fail".
fn errno_of_an_action_that_takes_none_is_refused(lab: &mut Bundle) {
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG"] {
        filter(lab, json!([{"names": MKDIR, "action": action, "errnoRet": 5}]));
        lab.refused();
    }
}

fn default_errno_of_an_action_that_takes_none_is_refused(lab: &mut Bundle) {
    filter(lab, json!([]));
    lab.config["linux"]["seccomp"]["defaultErrnoRet"] = json!(5);
    lab.refused();
}

/// `kill` with signal 0 and different pids is the call whose arguments are compared: `kill(pid, 0)` from a shell.
fn arguments_are_compared_with_every_operator(lab: &mut Bundle) {
    // Each row: the operator on kill's second argument, value, second value, and the signals that are refused of 10, 12, 18.
    let rows = [
        ("SCMP_CMP_EQ", 12, 0, "12"),
        ("SCMP_CMP_NE", 12, 0, "10 18"),
        ("SCMP_CMP_LT", 12, 0, "10"),
        ("SCMP_CMP_LE", 12, 0, "10 12"),
        ("SCMP_CMP_GT", 12, 0, "18"),
        ("SCMP_CMP_GE", 12, 0, "12 18"),
        // 10 is 01010, 12 is 01100, 18 is 10010 in binary.
        ("SCMP_CMP_MASKED_EQ", 2, 2, "10 18"),
    ];
    for (operator, value, second, refused) in rows {
        filter(
            lab,
            json!([{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28,
            "args": [{"index": 1, "value": value, "valueTwo": second, "op": operator}]}]),
        );
        let script = "trap : USR1 USR2 CONT; out=; for n in 10 12 18; do kill -$n $$ 2>/dev/null || out=\"$out $n\"; done; echo $out";
        assert_eq!(lab.script(script), refused, "{operator}");
    }
}

fn arguments_of_one_rule_must_all_match(lab: &mut Bundle) {
    let argument = |index: u32, value: u64| json!({"index": index, "value": value, "op": "SCMP_CMP_EQ"});
    filter(lab, json!([{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [argument(0, 1), argument(1, 10)]}]));
    let script = "trap : USR1 USR2; sleep 5 & kill -USR1 1 2>/dev/null || echo both; kill -USR2 1 && echo one; kill -USR1 $! && echo other";
    assert_eq!(lab.script(script), "both\none\nother");
}

fn arguments_beyond_six_are_refused(lab: &mut Bundle) {
    filter(
        lab,
        json!([{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]),
    );
    lab.refused();
}

/// config-linux.md, Seccomp: "names MUST contain at least one entry".
fn names_must_not_be_empty(lab: &mut Bundle) {
    filter(lab, json!([{"names": [], "action": "SCMP_ACT_ERRNO"}]));
    lab.refused();
}

/// Profiles of the field name calls of every architecture and of newer kernels.
fn names_unknown_to_this_machine_are_left_out(lab: &mut Bundle) {
    filter(
        lab,
        json!([{"names": ["arm_fadvise64_64", "no_such_call_yet", "mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]),
    );
    assert!(lab.script("mkdir /tmp/x 2>&1; true").contains("not permitted"));
}

fn action_unknown_is_refused(lab: &mut Bundle) {
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_BOGUS"}]));
    lab.refused();
}

fn operator_unknown_is_refused(lab: &mut Bundle) {
    filter(
        lab,
        json!([{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 1, "op": "SCMP_CMP_BOGUS"}]}]),
    );
    lab.refused();
}

fn architecture_unknown_is_refused(lab: &mut Bundle) {
    filter(lab, json!([]));
    lab.config["linux"]["seccomp"]["architectures"] = json!(["SCMP_ARCH_BOGUS"]);
    lab.refused();
}

fn architectures_of_this_machine_are_accepted(lab: &mut Bundle) {
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_ERRNO"}]));
    lab.config["linux"]["seccomp"]["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    assert!(lab.script("mkdir /tmp/x 2>&1; true").contains("not permitted"));
}

fn flags_are_accepted(lab: &mut Bundle) {
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_ERRNO"}]));
    for flags in [
        json!(["SECCOMP_FILTER_FLAG_LOG"]),
        json!(["SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG"]),
        json!([]),
    ] {
        lab.config["linux"]["seccomp"]["flags"] = flags;
        assert!(lab.script("mkdir /tmp/x 2>&1; true").contains("not permitted"));
    }
}

fn flag_unknown_is_refused(lab: &mut Bundle) {
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_ERRNO"}]));
    lab.config["linux"]["seccomp"]["flags"] = json!(["SECCOMP_FILTER_FLAG_BOGUS"]);
    lab.refused();
}

fn filter_is_there_without_no_new_privileges_as_well(lab: &mut Bundle) {
    lab.config["process"]["noNewPrivileges"] = json!(false);
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_ERRNO"}]));
    let text = lab.script("mkdir /tmp/x 2>&1; grep NoNewPrivs /proc/self/status");
    assert!(text.contains("not permitted") && text.ends_with("NoNewPrivs:\t0"), "{text}");
}

/// What came over one connection until its end: the text, and how many descriptors.
fn one_message(listener: &UnixListener) -> (String, Vec<std::os::fd::OwnedFd>, usize) {
    listener.set_nonblocking(true).expect("nonblocking");
    let (mut stream, _) = wait_for("the runtime's connection", SECOND * 30, || listener.accept().ok());
    stream.set_nonblocking(false).expect("blocking");
    stream.set_read_timeout(Some(SECOND * 5)).expect("a limit");
    let mut bytes = vec![0; 65536];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        &stream,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        rustix::net::RecvFlags::empty(),
    );
    let length = received.expect("recvmsg").bytes;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let rustix::net::RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let mut text = String::from_utf8_lossy(&bytes[..length]).into_owned();
    // The connection "MUST be closed after sending": without that this read would not end.
    stream.read_to_string(&mut text).expect("the end");
    let count = descriptors.len();
    (text, descriptors, count)
}

/// config-linux.md, Seccomp, `listenerPath`, and The Container Process State.
fn listener_gets_the_state_and_the_descriptor(lab: &mut Bundle) {
    let socket = lab.folder().join("agent.sock");
    let listener = UnixListener::bind(&socket).expect("bind");
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_NOTIFY"}]));
    lab.config["linux"]["seccomp"]["listenerPath"] = json!(socket);
    lab.config["linux"]["seccomp"]["listenerMetadata"] = json!("any text");
    lab.config["annotations"] = json!({"org.example.key": "value"});
    lab.config["process"]["args"] = json!(["sh", "-c", "mkdir /tmp/x 2>&1; echo went on; sleep 1000"]);
    lab.create().ok();
    lab.start().ok();
    let (text, descriptors, count) = one_message(&listener);
    let sent: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("no single JSON document: {e}: {text}"));
    assert_eq!(count, 1, "{sent:#}");
    assert_eq!(sent["fds"], json!(["seccompFd"]), "{sent:#}");
    assert_eq!(sent["metadata"], "any text", "{sent:#}");
    assert!(sent["ociVersion"].is_string(), "{sent:#}");
    assert_eq!(sent["pid"], lab.pid(), "{sent:#}");
    assert_eq!(sent["state"]["id"], lab.id, "{sent:#}");
    assert_eq!(sent["state"]["bundle"], json!(lab.path()), "{sent:#}");
    assert_eq!(sent["state"]["annotations"]["org.example.key"], "value", "{sent:#}");
    let link =
        fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&descriptors[0]))).expect("a link");
    assert!(link.to_string_lossy().contains("seccomp"), "{}", link.display());
    assert_eq!(lab.printed(), "", "the call did not wait for the agent");
    // Without an agent the kernel answers ENOSYS.
    drop(descriptors);
    wait_for("the process to go on", SECOND * 30, || lab.printed().ends_with("went on").then_some(()));
    assert!(lab.printed().contains("not implemented"), "{}", lab.printed());
}

/// config-linux.md, Seccomp: "If sending to this socket fails, the runtime MUST generate an error".
fn listener_that_is_not_there_is_an_error(lab: &mut Bundle) {
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_NOTIFY"}]));
    lab.config["linux"]["seccomp"]["listenerPath"] = json!("/not/there.sock");
    let output = lab.run();
    assert_ne!(output.code, 0, "{output}");
    output.explains(&[]);
}

/// config-linux.md, Seccomp: "If the SCMP_ACT_NOTIFY action is not used this value is ignored".
fn listener_without_a_notify_action_is_ignored(lab: &mut Bundle) {
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_ERRNO"}]));
    lab.config["linux"]["seccomp"]["listenerPath"] = json!("/not/there.sock");
    assert_eq!(lab.script("echo fine"), "fine");
}

/// config-linux.md, Seccomp: `listenerMetadata` "MUST NOT be set if listenerPath is not set".
fn listener_metadata_without_a_listener_is_refused(lab: &mut Bundle) {
    filter(lab, json!([{"names": MKDIR, "action": "SCMP_ACT_ERRNO"}]));
    lab.config["linux"]["seccomp"]["listenerMetadata"] = json!("text");
    lab.refused();
}
