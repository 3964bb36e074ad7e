//! System call filters on the real kernel: actions, arguments, architectures, the notify listener, and the default profile
//! against the ways in that are known.

use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, LIMIT, Runtime, on_every_runtime};
use crate::support::oci::{Entry, tar_of};
use crate::support::{SECOND, Teu, need, wait_for};

on_every_runtime! {
    every_action_is_the_kernels;
    default_action_and_errno_are_obeyed;
    errno_of_an_action_that_gives_none_is_refused, crun = "1.8.1 does not look", runc = "1.1.5 does not look";
    arguments_of_64_bits_are_compared;
    conditions_on_several_arguments_hold_together;
    rules_on_one_call_are_alternatives;
    names_unknown_are_passed_over;
    calls_newer_than_the_profile_do_not_exist, crun = "1.8.1 gives the default's errno";
    calls_of_32_bit_programs_are_filtered_when_listed_and_killed_when_not;
    native_architecture_is_filtered_though_not_listed;
    exec_gets_the_filter;
    flags_are_taken, runc = "1.1.5 does not know SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";
    listener_is_not_needed_by_a_profile_without_notify, crun = "1.8.1 connects anyway";
    agent_that_is_not_there_is_an_error;
    metadata_without_listener_is_refused, crun = "1.8.1 does not look", runc = "1.1.5 does not look";
}

/// How a program enters the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Native,
    /// `int 0x80`: the calls of 32-bit x86.
    Int80,
}

/// A program of one system call, which exits with what it returned, or with the errno.
fn program(gate: Gate, number: u32, arguments: [u64; 3]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let mut code = vec![0xb8];
    code.extend(number.to_le_bytes());
    match gate {
        Gate::Native => {
            // mov rdi, rsi, rdx; syscall
            for (register, value) in [0xbf_u8, 0xbe, 0xba].into_iter().zip(arguments) {
                code.extend([0x48, register]);
                code.extend(value.to_le_bytes());
            }
            code.extend([0x0f, 0x05]);
        }
        Gate::Int80 => {
            // mov ebx, ecx, edx; int 0x80
            for (register, value) in [0xbb_u8, 0xb9, 0xba].into_iter().zip(arguments) {
                code.push(register);
                code.extend((value as u32).to_le_bytes());
            }
            code.extend([0xcd, 0x80]);
        }
    }
    // mov edi, eax; test edi, edi; jns +2; neg edi; mov eax, 60; syscall
    code.extend([0x89, 0xc7, 0x85, 0xff, 0x79, 0x02, 0xf7, 0xdf, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]);
    let size = HEADERS + code.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    file.extend([BASE + HEADERS, 64, 0].iter().flat_map(|value: &u64| value.to_le_bytes()));
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    file.extend([0, BASE, BASE, size, size, 0x1000].iter().flat_map(|value: &u64| value.to_le_bytes()));
    file.extend(code);
    file
}

/// Exit code of a process that SIGSYS killed.
const KILLED: i32 = 128 + 31;
/// umask(2), which returns the mask before: 022, in the container's first process.
const UMASK: u32 = 95;
const ALLOWED: i32 = 0o22;
const EPERM: i32 = 1;
const ENOSYS: i32 = 38;

fn rule(names: &[&str], action: &str, more: Value) -> Value {
    let mut rule = json!({"names": names, "action": action});
    rule.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    rule
}

fn allow_but(rules: &[Value]) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules})
}

fn condition(index: u32, op: &str, value: u64, two: u64) -> Value {
    json!({"index": index, "op": format!("SCMP_CMP_{op}"), "value": value, "valueTwo": two})
}

/// What a call gives in a container with this profile.
#[track_caller]
fn call(lab: &mut Bundle, profile: &Value, gate: Gate, number: u32, arguments: [u64; 3]) -> i32 {
    let file = lab.rootfs().join("bin/call");
    fs::write(&file, program(gate, number, arguments)).expect("write");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("chmod");
    lab.config["linux"]["seccomp"] = profile.clone();
    lab.config["process"]["args"] = json!(["/bin/call"]);
    let output = lab.run();
    lab.call(&["delete", "--force", &lab.id]);
    output.code
}

/// config-linux.md, Seccomp: `action`.
fn every_action_is_the_kernels(lab: &mut Bundle) {
    for (action, more, expected) in [
        ("SCMP_ACT_ERRNO", json!({}), EPERM),
        ("SCMP_ACT_ERRNO", json!({"errnoRet": 77}), 77),
        ("SCMP_ACT_LOG", json!({}), ALLOWED),
        // Nobody traces.
        ("SCMP_ACT_TRACE", json!({"errnoRet": 7}), ENOSYS),
        ("SCMP_ACT_KILL", json!({}), KILLED),
        ("SCMP_ACT_KILL_THREAD", json!({}), KILLED),
        ("SCMP_ACT_KILL_PROCESS", json!({}), KILLED),
        ("SCMP_ACT_TRAP", json!({}), KILLED),
    ] {
        let profile = allow_but(&[rule(&["umask"], action, more)]);
        assert_eq!(call(lab, &profile, Gate::Native, UMASK, [0; 3]), expected, "{action}");
    }
    assert_eq!(call(lab, &allow_but(&[]), Gate::Native, UMASK, [0; 3]), ALLOWED);
}

/// config-linux.md, Seccomp: `defaultAction`, `defaultErrnoRet`.
fn default_action_and_errno_are_obeyed(lab: &mut Bundle) {
    let mut profile = deny_but_most();
    profile["defaultErrnoRet"] = json!(77);
    profile["syscalls"][0]["names"].as_array_mut().expect("a list").retain(|name| name != "umask");
    lab.config["process"]["noNewPrivileges"] = json!(true);
    assert_eq!(call(lab, &profile, Gate::Native, UMASK, [0; 3]), 77);
    profile["syscalls"][0]["names"].as_array_mut().expect("a list").push(json!("umask"));
    assert_eq!(call(lab, &profile, Gate::Native, UMASK, [0; 3]), ALLOWED);
}

/// config-linux.md, Seccomp: "When the action doesn't support an errno, the runtime MUST print and error and fail".
fn errno_of_an_action_that_gives_none_is_refused(lab: &mut Bundle) {
    lab.config["linux"]["seccomp"] = allow_but(&[rule(&["umask"], "SCMP_ACT_KILL", json!({"errnoRet": 5}))]);
    lab.refused().explains(&["errnoRet"]);
    lab.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 5});
    lab.refused().explains(&["defaultErrnoRet"]);
}

/// config-linux.md, Seccomp: `args`. The call is lseek(2) on a closed descriptor: EBADF when it is let through.
fn arguments_of_64_bits_are_compared(lab: &mut Bundle) {
    const BIG: u64 = 0x1_0000_0005;
    const EBADF: i32 = 9;
    for (op, value, two, argument, forbidden) in [
        ("EQ", BIG, 0, BIG, true),
        ("EQ", BIG, 0, 5, false),
        ("NE", BIG, 0, 5, true),
        ("NE", BIG, 0, BIG, false),
        ("GT", BIG, 0, BIG + 1, true),
        ("GT", BIG, 0, BIG, false),
        ("GE", BIG, 0, BIG, true),
        ("GE", BIG, 0, 6, false),
        ("LT", BIG, 0, 6, true),
        ("LT", BIG, 0, BIG, false),
        ("LE", BIG, 0, BIG, true),
        ("LE", BIG, 0, u64::MAX, false),
        ("MASKED_EQ", 0xf_0000_000f, BIG, 0xffff_fff1_ffff_fff5, true),
        ("MASKED_EQ", 0xf_0000_000f, BIG, 5, false),
    ] {
        let args = json!({"errnoRet": 77, "args": [condition(1, op, value, two)]});
        let profile = allow_but(&[rule(&["lseek"], "SCMP_ACT_ERRNO", args)]);
        let expected = if forbidden { 77 } else { EBADF };
        let got = call(lab, &profile, Gate::Native, 8, [99, argument, 0]);
        assert_eq!(got, expected, "{op} {value:#x} {two:#x} with {argument:#x}");
    }
}

fn conditions_on_several_arguments_hold_together(lab: &mut Bundle) {
    let args = json!({"errnoRet": 77, "args": [condition(0, "EQ", 99, 0), condition(1, "EQ", 3, 0)]});
    let profile = allow_but(&[rule(&["lseek"], "SCMP_ACT_ERRNO", args)]);
    for (arguments, expected) in [([99, 3, 0], 77), ([99, 4, 0], 9), ([98, 3, 0], 9)] {
        assert_eq!(call(lab, &profile, Gate::Native, 8, arguments), expected);
    }
}

fn rules_on_one_call_are_alternatives(lab: &mut Bundle) {
    let one = |value: u64| json!({"errnoRet": 77, "args": [condition(0, "EQ", value, 0)]});
    let two = rule(&["lseek"], "SCMP_ACT_ERRNO", json!({"errnoRet": 78, "args": [condition(1, "EQ", 5, 0)]}));
    let profile =
        allow_but(&[rule(&["lseek"], "SCMP_ACT_ERRNO", one(97)), rule(&["lseek"], "SCMP_ACT_ERRNO", one(98)), two]);
    for (arguments, expected) in [([97, 0, 0], 77), ([98, 0, 0], 77), ([99, 0, 0], 9), ([99, 5, 0], 78)] {
        assert_eq!(call(lab, &profile, Gate::Native, 8, arguments), expected);
    }
}

fn names_unknown_are_passed_over(lab: &mut Bundle) {
    let profile = allow_but(&[rule(&["no_such_call", "umask"], "SCMP_ACT_ERRNO", json!({"errnoRet": 77}))]);
    assert_eq!(call(lab, &profile, Gate::Native, UMASK, [0; 3]), 77);
}

/// As runc since 1.0: programs try a new call, and fall back to an older one on ENOSYS but not on EPERM.
fn calls_newer_than_the_profile_do_not_exist(lab: &mut Bundle) {
    let profile = allow_but(&[]);
    assert_eq!(call(lab, &profile, Gate::Native, 4000, [0; 3]), ENOSYS, "the kernel itself");
    let mut profile = deny_but_most();
    assert_eq!(call(lab, &profile, Gate::Native, 4000, [0; 3]), ENOSYS);
    profile["defaultAction"] = json!("SCMP_ACT_KILL_PROCESS");
    profile.as_object_mut().expect("an object").remove("defaultErrnoRet");
    assert_eq!(call(lab, &profile, Gate::Native, 4000, [0; 3]), ENOSYS);
}

/// A profile that forbids, as engines' defaults do, but what any runtime and program need.
fn deny_but_most() -> Value {
    let default: Value = serde_json::from_str(include_str!("../../assets/seccomp.json")).expect("JSON");
    let plain = |rule: &&Value| rule.get("includes").is_none() && rule.get("args").is_none();
    let names: Vec<Value> = default["syscalls"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(plain)
        .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW")
        .flat_map(|rule| rule["names"].as_array().expect("a list").clone())
        .collect();
    json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}]})
}

fn calls_of_32_bit_programs_are_filtered_when_listed_and_killed_when_not(lab: &mut Bundle) {
    // umask(2) has number 60 there.
    let mut profile = allow_but(&[rule(&["umask"], "SCMP_ACT_ERRNO", json!({"errnoRet": 77}))]);
    assert_eq!(call(lab, &profile, Gate::Int80, 60, [0; 3]), KILLED);
    profile["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
    assert_eq!(call(lab, &profile, Gate::Int80, 60, [0; 3]), 77);
    assert_eq!(call(lab, &profile, Gate::Int80, 64, [0; 3]), 0, "getppid is let through");
    // x32: the kernel has none, the filter is asked first.
    assert_eq!(call(lab, &profile, Gate::Native, 0x4000_0000 | UMASK, [0; 3]), KILLED);
}

/// The specification's own example lists x86 and x32 only, for a machine of x86_64.
fn native_architecture_is_filtered_though_not_listed(lab: &mut Bundle) {
    let mut profile = allow_but(&[rule(&["umask"], "SCMP_ACT_ERRNO", json!({"errnoRet": 77}))]);
    profile["architectures"] = json!(["SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    assert_eq!(call(lab, &profile, Gate::Native, UMASK, [0; 3]), 77);
    assert_eq!(call(lab, &profile, Gate::Int80, 60, [0; 3]), 77);
}

/// Nothing of teu's own comes between the filter and execve. Its peers need more calls than this.
#[test]
fn strictest_profile_lets_the_command_begin() {
    need::root();
    let mut lab = Bundle::new(Runtime::Teu);
    let profile = json!({"defaultAction": "SCMP_ACT_KILL_PROCESS", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["execve", "exit"], "action": "SCMP_ACT_ALLOW"}]});
    lab.config["process"]["noNewPrivileges"] = json!(true);
    // exit(2) with code 5.
    assert_eq!(call(&mut lab, &profile, Gate::Native, 60, [5, 0, 0]), 5);
}

fn exec_gets_the_filter(lab: &mut Bundle) {
    lab.config["linux"]["seccomp"] =
        allow_but(&[rule(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO", json!({"errnoRet": 17}))]);
    lab.sleeping();
    let output = lab.call(&["exec", &lab.id, "mkdir", "/tmp/new"]);
    assert!(output.code != 0 && output.errors().contains("File exists"), "{output}");
}

fn flags_are_taken(lab: &mut Bundle) {
    let mut profile = allow_but(&[rule(&["umask"], "SCMP_ACT_ERRNO", json!({"errnoRet": 77}))]);
    profile["flags"] = json!([
        "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"
    ]);
    assert_eq!(call(lab, &profile, Gate::Native, UMASK, [0; 3]), 77);
}

/// Takes one connection: what was said, and what the descriptor is. Then it goes away, and the kernel answers notified
/// calls with ENOSYS.
fn agent(path: &Path) -> JoinHandle<(Value, Vec<String>)> {
    let listener = UnixListener::bind(path).expect("bind");
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("accept");
        let (mut text, descriptors) = receive(&connection);
        connection.read_to_end(&mut text).expect("the rest");
        let kinds = descriptors.iter().map(|descriptor| {
            let link = fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd())).expect("a link");
            link.to_string_lossy().into_owned()
        });
        (serde_json::from_slice(&text).expect("JSON"), kinds.collect())
    })
}

fn receive(connection: &UnixStream) -> (Vec<u8>, Vec<OwnedFd>) {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let mut bytes = vec![0; 65536];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
    let got = recvmsg(connection, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC).expect("a message").bytes;
    let descriptors = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
        _ => Vec::new(),
    });
    let descriptors = descriptors.collect();
    bytes.truncate(got);
    (bytes, descriptors)
}

/// config-linux.md, Seccomp: `listenerPath`, `listenerMetadata`; The Container Process State.
///
/// crun and runc keep the listener open themselves, so that calls wait for ever when the agent goes away.
#[test]
fn listener_goes_to_the_agent_with_the_containers_state() {
    need::root();
    let lab = &mut Bundle::new(Runtime::Teu);
    for no_new_privileges in [true, false] {
        let path = lab.folder().join(format!("agent-{no_new_privileges}"));
        let agent = agent(&path);
        let mut profile = allow_but(&[rule(&["umask", "mkdir"], "SCMP_ACT_NOTIFY", json!({}))]);
        profile["listenerPath"] = json!(path);
        profile["listenerMetadata"] = json!("from the test");
        lab.config["process"]["noNewPrivileges"] = json!(no_new_privileges);
        lab.config["annotations"] = json!({"org.test.key": "value"});
        assert_eq!(call(lab, &profile, Gate::Native, UMASK, [0; 3]), ENOSYS, "the agent closes");
        wait_for("the agent", LIMIT, || agent.is_finished().then_some(()));
        let (said, descriptors) = agent.join().expect("an agent");
        assert_eq!(descriptors, ["anon_inode:seccomp notify"]);
        assert_eq!(said["fds"], json!(["seccompFd"]));
        assert_eq!(said["metadata"], "from the test");
        let state = &said["state"];
        assert_eq!((&state["id"], &state["annotations"]["org.test.key"]), (&json!(lab.id), &json!("value")));
        assert!(said["pid"].as_i64().is_some_and(|pid| pid > 1) && said["pid"] == state["pid"], "{said}");
        assert!(state["bundle"].as_str().is_some_and(|bundle| bundle.ends_with("/bundle")), "{said}");
        assert!(said["ociVersion"].is_string() && state["ociVersion"].is_string() && state["status"].is_string());
    }
}

fn listener_is_not_needed_by_a_profile_without_notify(lab: &mut Bundle) {
    let mut profile = allow_but(&[rule(&["umask"], "SCMP_ACT_ERRNO", json!({"errnoRet": 77}))]);
    profile["listenerPath"] = json!("/nobody/listens/here");
    assert_eq!(call(lab, &profile, Gate::Native, UMASK, [0; 3]), 77);
}

fn agent_that_is_not_there_is_an_error(lab: &mut Bundle) {
    let mut profile = allow_but(&[rule(&["umask"], "SCMP_ACT_NOTIFY", json!({}))]);
    profile["listenerPath"] = json!(lab.folder().join("nobody"));
    lab.config["linux"]["seccomp"] = profile.clone();
    lab.config["process"]["args"] = json!(["true"]);
    let output = lab.run();
    assert_ne!(output.code, 0, "{output}");
    if lab.is_teu() {
        output.explains(&["linux.seccomp.listenerPath", "nobody"]);
        profile.as_object_mut().expect("an object").remove("listenerPath");
        lab.config["linux"]["seccomp"] = profile;
        lab.refused().explains(&["linux.seccomp.listenerPath"]);
    }
}

/// config-linux.md, Seccomp: `listenerMetadata` MUST NOT be set if `listenerPath` is not set.
fn metadata_without_listener_is_refused(lab: &mut Bundle) {
    let mut profile = allow_but(&[]);
    profile["listenerMetadata"] = json!("x");
    lab.config["linux"]["seccomp"] = profile;
    lab.refused().explains(&["listenerMetadata"]);
}

/// An agent that answers: the call of an exec'd process is carried out for it, and the state names both processes.
#[test]
fn listener_of_an_exec_names_its_process_and_the_container() {
    need::root();
    let mut lab = Bundle::new(Runtime::Teu);
    let path = lab.folder().join("agent");
    let first = agent(&path);
    let mut profile = allow_but(&[rule(&["mkdir", "mkdirat"], "SCMP_ACT_NOTIFY", json!({}))]);
    profile["listenerPath"] = json!(path);
    lab.config["linux"]["seccomp"] = profile;
    let pid = lab.sleeping();
    first.join().expect("an agent");
    fs::remove_file(&path).expect("remove");
    let second = agent(&path);
    let output = lab.call(&["exec", &lab.id, "mkdir", "/tmp/new"]);
    assert!(output.code != 0 && output.errors().contains("not implemented"), "{output}");
    wait_for("the agent", SECOND * 30, || second.is_finished().then_some(()));
    let (said, _) = second.join().expect("an agent");
    assert_eq!(said["state"]["pid"], json!(pid));
    assert!(said["pid"].as_i64().is_some_and(|own| own != i64::from(pid) && own > 1), "{said}");
    assert_eq!(said["state"]["status"], "running");
}

/// What a call gives in a container of `teu run` with these flags.
fn in_engine(teu: &Teu, flags: &[&str], gate: Gate, number: u32, arguments: [u64; 3]) -> i32 {
    let call = tar_of(&[Entry::program("call", &program(gate, number, arguments))]);
    teu.run_fed(&["import", "-", "call"], &call).ok();
    let command = [&["run", "--rm", "--network", "none"], flags, &["call", "/call"]].concat();
    teu.run(&command).code
}

/// Docker's AF_ALG way out, CVE-2026-31431 ("Copy Fail"): a socket of the kernel's cryptography writes into the page cache
/// of files that the process may only read, the host's and other containers' among them.
///
/// By socket(2), by socket(2) with bits that the kernel does not look at (Docker's filter does), by the 32-bit call, and by
/// 32-bit socketcall(2), which has its arguments in memory. Without a filter none of them is forbidden.
#[test]
fn cve_2026_31431_af_alg_sockets_cannot_be_made() {
    let teu = Teu::new();
    const SOCK_SEQPACKET: u64 = 5;
    let family = |family: u64| [family, SOCK_SEQPACKET, 0];
    // The program's own headers are its arguments in memory: whatever they say, the call is forbidden.
    let in_memory = [1, 0x40_0000, 0];
    for (gate, number, arguments) in [
        (Gate::Native, 41, family(38)),
        (Gate::Native, 41, family(0x1_0000_0026)),
        (Gate::Native, 41, family(40)),
        (Gate::Native, 53, family(38)),
        (Gate::Int80, 359, family(38)),
        (Gate::Int80, 102, in_memory),
        (Gate::Int80, 102, [0x1_0001, 0x40_0000, 0]),
    ] {
        assert_eq!(in_engine(&teu, &[], gate, number, arguments), EPERM, "call {number} {arguments:x?}");
        let unconfined = in_engine(&teu, &["--security-opt", "seccomp=unconfined"], gate, number, arguments);
        assert_ne!(unconfined, EPERM, "the test's own call {number} {arguments:x?}");
    }
    assert_ne!(in_engine(&teu, &[], Gate::Native, 41, [1, 1, 0]), EPERM, "AF_UNIX is there");
}

/// io_uring makes system calls that no filter sees, keyrings are the machine's, userfaultfd and bpf help exploits.
#[test]
fn calls_beyond_dockers_default_are_forbidden() {
    let teu = Teu::new();
    for (name, number) in [
        ("io_uring_setup", 425),
        ("add_key", 248),
        ("request_key", 249),
        ("keyctl", 250),
        ("userfaultfd", 323),
        ("bpf", 321),
        ("unshare", 272),
        ("mount", 165),
        ("kexec_load", 246),
        ("open_by_handle_at", 304),
        ("perf_event_open", 298),
    ] {
        assert_eq!(in_engine(&teu, &[], Gate::Native, number, [0; 3]), EPERM, "{name}");
    }
    assert_eq!(in_engine(&teu, &[], Gate::Native, 435, [0; 3]), ENOSYS, "clone3: C libraries fall back to clone");
    assert_eq!(in_engine(&teu, &[], Gate::Native, 4000, [0; 3]), ENOSYS, "a call of a kernel to come");
}
