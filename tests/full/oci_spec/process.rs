//! config.md: version, root, process, user, hostname, annotations, extensibility, valid values; runtime-linux.md.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::json;

use crate::support::bundle::{Bundle, on_every_runtime};
use crate::support::{SECOND, wait_for};

on_every_runtime! {
    version_that_is_no_semver_is_refused, crun = "1.8.1 does not look", runc = "1.1.5 does not look";
    version_of_another_major_is_refused, crun = "1.8.1 does not look", runc = "1.1.5 does not look";
    version_of_this_specification_is_accepted, crun = "1.8.1 knows no build names";
    root_path_may_be_relative_to_the_bundle_or_absolute;
    root_path_without_a_folder_is_refused;
    root_missing_is_refused;
    root_readonly_is_read_only;
    root_readonly_is_off_by_default;
    terminal_is_a_pty_on_the_three_streams;
    console_size_is_ignored_without_a_terminal;
    console_size_is_the_terminals;
    cwd_is_the_working_folder;
    cwd_that_is_relative_is_refused, crun = "1.8.1 takes it";
    env_is_the_whole_environment;
    args_need_one_entry, crun = "1.8.1 says so at start only";
    args_are_looked_up_like_execvp, crun = "1.8.1 puts the working folder before it";
    args_that_cannot_be_run_are_an_error, crun = "1.8.1 does not name the file";
    rlimits_are_as_configured;
    rlimits_of_an_unknown_type_are_refused;
    rlimits_twice_of_one_type_are_refused, crun = "1.8.1 takes the last", runc = "1.1.5 takes the last";
    capabilities_are_as_configured_in_each_set;
    capabilities_unknown_are_warned_of_and_left_out, crun = "1.8.1 refuses them, as the specification before 1.1 had it";
    no_new_privileges_is_set;
    no_new_privileges_is_off_by_default;
    oom_score_is_set;
    oom_score_is_left_alone_when_unset;
    scheduler_is_set, crun = "came with 1.8.5", runc = "came with 1.2";
    scheduler_that_is_unknown_is_refused, crun = "came with 1.8.5", runc = "came with 1.2";
    io_priority_is_set, crun = "came with 1.8.6", runc = "came with 1.2";
    io_priority_of_an_unknown_class_is_refused, crun = "came with 1.8.6", runc = "came with 1.2";
    exec_cpu_affinity_is_set, crun = "came with 1.20", runc = "came with 1.3";
    user_is_as_configured;
    user_umask_is_set;
    hostname_is_set;
    domainname_is_set, runc = "came with 1.2";
    annotations_with_an_empty_key_are_refused, crun = "1.8.1 does not look", runc = "1.1.5 does not look";
    annotations_that_are_no_strings_are_refused, crun = "1.8.1 takes an array";
    annotations_unknown_are_no_error;
    unknown_properties_are_no_error_at_any_depth;
    invalid_values_are_refused, crun = "1.8.1 takes words for numbers";
    descriptors_beyond_the_three_are_closed;
    descriptors_are_preserved_when_asked;
    dev_symlinks_lead_to_the_descriptors;
}

/// config.md, Specification version: MUST be in SemVer format.
fn version_that_is_no_semver_is_refused(lab: &mut Bundle) {
    for version in ["", "1", "one", "1.0", "1.0.0.0", "v1.0.0"] {
        lab.config["ociVersion"] = json!(version);
        lab.refused().explains(&["ociVersion"]);
    }
    lab.config.as_object_mut().expect("an object").remove("ociVersion");
    lab.refused().explains(&["ociVersion"]);
}

/// config.md, Specification version: compatible within a major version only.
fn version_of_another_major_is_refused(lab: &mut Bundle) {
    lab.config["ociVersion"] = json!("2.0.0");
    lab.refused().explains(&["ociVersion"]);
}

fn version_of_this_specification_is_accepted(lab: &mut Bundle) {
    for version in ["1.0.0", "1.0.2-dev", "1.1.0", "1.2.0", "1.2.0+build.5"] {
        lab.config["ociVersion"] = json!(version);
        assert_eq!(lab.script("echo ok"), "ok");
        let state = lab.call(&["delete", "--force", &lab.id]);
        drop(state);
    }
}

/// config.md, Root: `path` is "either an absolute path or a relative path to the bundle".
fn root_path_may_be_relative_to_the_bundle_or_absolute(lab: &mut Bundle) {
    fs::write(lab.rootfs().join("mark"), "here").expect("write");
    for path in ["rootfs".into(), "./rootfs".into(), lab.rootfs().to_string_lossy().into_owned()] {
        lab.config["root"]["path"] = json!(path);
        assert_eq!(lab.script("cat /mark"), "here", "{path}");
    }
}

/// config.md, Root: "A directory MUST exist at the path declared by the field".
fn root_path_without_a_folder_is_refused(lab: &mut Bundle) {
    lab.config["root"]["path"] = json!("nowhere");
    lab.refused();
    fs::write(lab.path().join("file"), "").expect("write");
    lab.config["root"]["path"] = json!("file");
    lab.refused();
}

/// config.md, Root: "On all other platforms, this field is REQUIRED".
fn root_missing_is_refused(lab: &mut Bundle) {
    lab.config.as_object_mut().expect("an object").remove("root");
    lab.refused();
}

/// config.md, Root: "If true then the root filesystem MUST be read-only inside the container".
fn root_readonly_is_read_only(lab: &mut Bundle) {
    lab.config["root"]["readonly"] = json!(true);
    let text = lab.script("touch /x 2>/dev/null && echo wrote; grep ' / / \\| / / ' /proc/self/mountinfo; awk '$5==\"/\"{print $6}' /proc/self/mountinfo");
    assert!(!text.contains("wrote"), "{text}");
    assert!(text.lines().last().expect("options").split(',').any(|option| option == "ro"), "{text}");
    assert!(!lab.rootfs().join("x").exists());
}

fn root_readonly_is_off_by_default(lab: &mut Bundle) {
    lab.config["root"].as_object_mut().expect("an object").remove("readonly");
    assert_eq!(lab.script("echo written > /x && cat /x"), "written");
    assert!(lab.rootfs().join("x").exists());
}

/// Runs a script in a container with a terminal, whose master the runtime sends to a socket; returns what it printed.
fn in_a_terminal(lab: &mut Bundle, script: &str) -> String {
    use std::io::{IoSliceMut, Read};
    use std::mem::MaybeUninit;
    lab.config["process"]["terminal"] = json!(true);
    lab.config["process"]["args"] = json!(["sh", "-c", script]);
    lab.write_config();
    let socket = lab.folder().join("console.sock");
    let _ = fs::remove_file(&socket);
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("bind");
    let bundle = lab.path();
    let words =
        ["create", "--console-socket", &socket.to_string_lossy(), "--bundle", &bundle.to_string_lossy(), &lab.id];
    lab.call(&words).ok();
    listener.set_nonblocking(true).expect("nonblocking");
    let stream = wait_for("the runtime's connection", SECOND * 30, || listener.accept().ok()).0;
    stream.set_nonblocking(false).expect("blocking");
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
    rustix::net::recvmsg(&stream, &mut [IoSliceMut::new(&mut bytes)], &mut control, rustix::net::RecvFlags::empty())
        .expect("recvmsg");
    let master = control.drain().find_map(|message| match message {
        rustix::net::RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    let mut master = fs::File::from(master.expect("a descriptor came over the console socket"));
    lab.start().ok();
    let mut text = Vec::new();
    // EIO is how a pty tells that its other end is closed.
    let reader = std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = master.read(&mut chunk) {
            text.extend_from_slice(&chunk[..length]);
        }
        String::from_utf8_lossy(&text).replace('\r', "")
    });
    wait_for("the terminal's end", SECOND * 30, || reader.is_finished().then_some(()));
    reader.join().expect("the reader")
}

/// config.md, Process: "the pseudoterminal pty is duplicated on the process's standard streams"; and `/dev/console`.
fn terminal_is_a_pty_on_the_three_streams(lab: &mut Bundle) {
    let script = "for n in 0 1 2; do test -t $n && echo tty $n; done; tty; stat -c '%t:%T' $(readlink -f /proc/self/fd/0) /dev/console; \
        grep -c ' /dev/console ' /proc/self/mountinfo; setsid -c true; echo > /dev/tty && echo controlling";
    let text = in_a_terminal(lab, script);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines[..3], ["tty 0", "tty 1", "tty 2"], "{text}");
    assert!(lines[3].starts_with("/dev/"), "{text}");
    assert_eq!(lines[4], lines[5], "/dev/console is another terminal: {text}");
    assert_eq!(lines[6], "1", "/dev/console is no mount: {text}");
    assert_eq!(lines.last(), Some(&"controlling"), "{text}");
}

/// config.md, Process: "Runtimes MUST ignore consoleSize if terminal is false or unset".
fn console_size_is_ignored_without_a_terminal(lab: &mut Bundle) {
    lab.config["process"]["consoleSize"] = json!({"height": 11, "width": 22});
    assert_eq!(lab.script("echo fine; test -t 0 || echo none"), "fine\nnone");
}

fn console_size_is_the_terminals(lab: &mut Bundle) {
    lab.config["process"]["consoleSize"] = json!({"height": 33, "width": 77});
    assert_eq!(in_a_terminal(lab, "stty size").trim(), "33 77");
}

/// config.md, Process: `cwd`; one that is missing is made, as the field does it.
fn cwd_is_the_working_folder(lab: &mut Bundle) {
    for cwd in ["/", "/home/app", "/proc/self", "/not/there/yet"] {
        lab.config["process"]["cwd"] = json!(cwd);
        let expected = if cwd == "/proc/self" { "/proc/1" } else { cwd };
        assert_eq!(lab.script("pwd -P"), expected);
    }
}

/// config.md, Process: `cwd` "MUST be an absolute path".
fn cwd_that_is_relative_is_refused(lab: &mut Bundle) {
    for cwd in ["home", "./", ""] {
        lab.config["process"]["cwd"] = json!(cwd);
        let output = lab.refused();
        if lab.is_teu() {
            output.explains(&["process.cwd"]);
        }
    }
}

/// config.md, Process: `env` is the process's `environ`: nothing of the runtime's own comes through.
fn env_is_the_whole_environment(lab: &mut Bundle) {
    lab.config["process"]["env"] = json!(["PATH=/bin", "A=1", "B=two words", "C=x=y", "EMPTY=", "HOME=/home/app"]);
    lab.config["process"]["args"] = json!(["env"]);
    let text = lab.run().ok().text();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["A=1", "B=two words", "C=x=y", "EMPTY=", "HOME=/home/app", "PATH=/bin"]);
}

/// config.md, Process: "at least one entry is REQUIRED".
fn args_need_one_entry(lab: &mut Bundle) {
    lab.config["process"]["args"] = json!([]);
    lab.refused();
    lab.config["process"].as_object_mut().expect("an object").remove("args");
    lab.refused();
}

/// config.md, Process: the first entry has the semantics of `execvp`'s file: the container's PATH, its own folders.
fn args_are_looked_up_like_execvp(lab: &mut Bundle) {
    let script = lab.rootfs().join("home/app/tool");
    fs::write(&script, "#!/bin/sh\necho tool $0 $1\n").expect("write");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    symlink("tool", lab.rootfs().join("home/app/link")).expect("a link");
    lab.config["process"]["env"] = json!(["PATH=/nowhere:/home/app:/bin"]);
    lab.config["process"]["cwd"] = json!("/home/app");
    for (word, expected) in [("tool", "/home/app/tool"), ("/home/app/tool", "/home/app/tool"), ("./link", "./link")] {
        lab.config["process"]["args"] = json!([word, "one"]);
        assert_eq!(lab.run().ok().text(), format!("tool {expected} one"));
    }
}

/// runtime.md, Lifecycle: a program that cannot be run is an error of `create` or of `start`, and says what it is about.
fn args_that_cannot_be_run_are_an_error(lab: &mut Bundle) {
    fs::write(lab.rootfs().join("plain"), "no program").expect("write");
    for word in ["not-there", "/not/there", "/plain", "/etc"] {
        lab.config["process"]["args"] = json!([word]);
        let output = lab.run();
        assert_ne!(output.code, 0, "{output}");
        output.explains(&[word]);
        lab.call(&["delete", "--force", &lab.id]);
    }
}

/// config.md, POSIX process: `rlim_cur` and `rlim_max` MUST match the configured values.
fn rlimits_are_as_configured(lab: &mut Bundle) {
    lab.config["process"]["rlimits"] = json!([
        {"type": "RLIMIT_NOFILE", "soft": 321, "hard": 654},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_STACK", "soft": 1_048_576, "hard": 2_097_152},
        {"type": "RLIMIT_MSGQUEUE", "soft": 1000, "hard": 2000},
        {"type": "RLIMIT_FSIZE", "soft": 123_456, "hard": 18_446_744_073_709_551_615_u64},
    ]);
    let text = lab.script("cat /proc/self/limits");
    let row = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
        line[name.len()..].split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("Max open files"), "321 654");
    assert_eq!(row("Max core file size"), "0 0");
    assert_eq!(row("Max stack size"), "1048576 2097152");
    assert_eq!(row("Max msgqueue size"), "1000 2000");
    assert_eq!(row("Max file size"), "123456 unlimited");
}

/// config.md, POSIX process: "MUST generate an error for any values which cannot be mapped".
fn rlimits_of_an_unknown_type_are_refused(lab: &mut Bundle) {
    for name in ["RLIMIT_BOGUS", "NOFILE", ""] {
        lab.config["process"]["rlimits"] = json!([{"type": name, "soft": 1, "hard": 1}]);
        lab.refused();
    }
}

/// config.md, POSIX process: "If rlimits contains duplicated entries with same type … MUST generate an error".
fn rlimits_twice_of_one_type_are_refused(lab: &mut Bundle) {
    let entry = json!({"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200});
    lab.config["process"]["rlimits"] = json!([entry, entry]);
    lab.refused();
}

/// The hexadecimal capability sets of `/proc/self/status` as numbers: inheritable, permitted, effective, bounding, ambient.
fn capability_sets(text: &str) -> Vec<u64> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("Cap")?.split_whitespace().nth(1));
    rows.map(|hex| u64::from_str_radix(hex, 16).expect("hexadecimal")).collect()
}

/// config.md, Linux Process: the five sets "that are kept for the process".
fn capabilities_are_as_configured_in_each_set(lab: &mut Bundle) {
    lab.config["process"]["capabilities"] = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_NET_BIND_SERVICE"],
        "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "effective": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"],
        "inheritable": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "ambient": ["CAP_NET_BIND_SERVICE"],
    });
    lab.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let text = lab.script("cat /proc/self/status");
    let (kill, setuid, bind) = (1 << 5, 1 << 7, 1 << 10);
    // Of an ordinary user exec keeps the ambient ones; those of root's file capabilities do not come in.
    assert_eq!(capability_sets(&text), [kill | bind, bind, bind, 1 | kill | setuid | bind, bind], "{text}");
}

/// config.md, Linux Process: what cannot be mapped "MUST be logged as a warning", and SHOULD NOT fail.
fn capabilities_unknown_are_warned_of_and_left_out(lab: &mut Bundle) {
    lab.list("/process/capabilities/bounding").push(json!("CAP_BOGUS"));
    lab.config["process"]["args"] = json!(["echo", "ran"]);
    let output = lab.run().ok();
    assert_eq!(output.text(), "ran");
    assert!(output.errors().contains("CAP_BOGUS"), "no warning: {output}");
}

/// config.md, Linux Process: `noNewPrivileges`.
fn no_new_privileges_is_set(lab: &mut Bundle) {
    assert_eq!(lab.script("grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1");
}

fn no_new_privileges_is_off_by_default(lab: &mut Bundle) {
    lab.config["process"].as_object_mut().expect("an object").remove("noNewPrivileges");
    assert_eq!(lab.script("grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t0");
}

/// config.md, Linux Process: "If oomScoreAdj is set, the runtime MUST set oom_score_adj to the given value".
fn oom_score_is_set(lab: &mut Bundle) {
    for score in [0, 100, 1000] {
        lab.config["process"]["oomScoreAdj"] = json!(score);
        assert_eq!(lab.script("cat /proc/self/oom_score_adj"), score.to_string());
    }
}

/// config.md, Linux Process: "If oomScoreAdj is not set, the runtime MUST NOT change the value".
fn oom_score_is_left_alone_when_unset(lab: &mut Bundle) {
    lab.write_config();
    lab.config["process"]["args"] = json!(["cat", "/proc/self/oom_score_adj"]);
    lab.write_config();
    let bundle = lab.path();
    let inner = lab.command(&["run", "--bundle", &bundle.to_string_lossy(), &lab.id]);
    let mut command = Command::new("sh");
    command.args(["-c", "echo 123 > /proc/self/oom_score_adj && exec \"$@\"", "sh"]);
    command.arg(inner.get_program()).args(inner.get_args());
    if let Some(folder) = inner.get_current_dir() {
        command.current_dir(folder);
    }
    assert_eq!(lab.finish(command).ok().text(), "123");
}

/// config.md, Linux Process: `scheduler`; what is not set MUST be 0.
fn scheduler_is_set(lab: &mut Bundle) {
    lab.config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH", "nice": 7});
    assert_eq!(lab.script("awk '{print $19, $41}' /proc/self/stat"), "7 3");
    lab.config["process"]["scheduler"] = json!({"policy": "SCHED_BATCH"});
    assert_eq!(lab.script("awk '{print $19, $41}' /proc/self/stat"), "0 3");
}

fn scheduler_that_is_unknown_is_refused(lab: &mut Bundle) {
    lab.config["process"]["scheduler"] = json!({"policy": "SCHED_BOGUS"});
    lab.refused().explains(&["scheduler"]);
}

/// config.md, Linux Process: `ioPriority`.
fn io_priority_is_set(lab: &mut Bundle) {
    lab.config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 6});
    assert_eq!(lab.script("ionice -p 1"), "best-effort: prio 6");
    lab.config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0});
    assert!(lab.script("ionice -p 1").starts_with("idle"));
}

fn io_priority_of_an_unknown_class_is_refused(lab: &mut Bundle) {
    lab.config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BOGUS", "priority": 0});
    lab.refused().explains(&["ioPriority"]);
}

/// config.md, Linux Process: `execCPUAffinity` is of `exec`, and not of the container's first process.
fn exec_cpu_affinity_is_set(lab: &mut Bundle) {
    lab.config["process"]["execCPUAffinity"] = json!({"initial": "0", "final": "0"});
    lab.sleeping();
    let show = ["exec", &lab.id, "grep", "Cpus_allowed_list", "/proc/self/status", "/proc/1/status"];
    let text = lab.call(&show).ok().text();
    let lists: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(lists[0], "0", "{text}");
    let own = fs::read_to_string("/proc/self/status").expect("status");
    let own = own.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("a list").trim().to_owned();
    assert_eq!(lists[1], own, "{text}");
}

/// config.md, User: `uid`, `gid`, `additionalGids`.
fn user_is_as_configured(lab: &mut Bundle) {
    lab.config["process"]["user"] = json!({"uid": 1000, "gid": 2000, "additionalGids": [5, 6000]});
    let text = lab.script("grep -E '^(Uid|Gid|Groups)' /proc/self/status");
    let rows: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows, ["Uid: 1000 1000 1000 1000", "Gid: 2000 2000 2000 2000", "Groups: 5 6000"]);
}

/// config.md, User: `umask`.
fn user_umask_is_set(lab: &mut Bundle) {
    lab.config["process"]["user"]["umask"] = json!(0o027);
    assert_eq!(lab.script("umask"), "0027");
}

/// config.md, Hostname.
fn hostname_is_set(lab: &mut Bundle) {
    lab.config["hostname"] = json!("mrs-dalloway");
    assert_eq!(lab.script("hostname; cat /proc/sys/kernel/hostname"), "mrs-dalloway\nmrs-dalloway");
}

/// config.md, Domainname.
fn domainname_is_set(lab: &mut Bundle) {
    lab.config["domainname"] = json!("foobarbaz.test");
    assert_eq!(lab.script("cat /proc/sys/kernel/domainname"), "foobarbaz.test");
}

/// config.md, Annotations: "Keys MUST NOT be an empty string".
fn annotations_with_an_empty_key_are_refused(lab: &mut Bundle) {
    lab.config["annotations"] = json!({"": "value"});
    lab.refused().explains(&["annotations"]);
}

/// config.md, Annotations: "Values MUST be strings", and the map a map.
fn annotations_that_are_no_strings_are_refused(lab: &mut Bundle) {
    for wrong in [json!({"a": {"b": "c"}}), json!(["a"])] {
        lab.config["annotations"] = wrong;
        lab.refused();
    }
}

/// config.md, Annotations: "Runtimes MUST handle unknown annotation keys like any other unknown property".
fn annotations_unknown_are_no_error(lab: &mut Bundle) {
    lab.config["annotations"] = json!({"org.opencontainers.not.there": "x", "sp ace": "y", "org.systemd.unknown": "z"});
    assert_eq!(lab.script("echo fine"), "fine");
}

/// config.md, Extensibility: runtimes "MUST otherwise ignore" unknown properties.
fn unknown_properties_are_no_error_at_any_depth(lab: &mut Bundle) {
    lab.config["solaris"] = json!({"milestone": "x"});
    for place in
        ["/process", "/root", "/linux", "/process/user", "/linux/resources", "/mounts/0", "/linux/namespaces/0"]
    {
        lab.config.pointer_mut(place).expect("a place")["unknownProperty"] = json!({"a": [1]});
    }
    assert_eq!(lab.script("echo fine"), "fine");
}

/// config.md, Valid values: "Runtimes MUST generate an error when invalid or unsupported values are encountered".
fn invalid_values_are_refused(lab: &mut Bundle) {
    let good = lab.config.clone();
    let edits = [
        ("/process/user/uid", json!("root")),
        ("/process/args", json!("true")),
        ("/process/env", json!({"A": "b"})),
        ("/linux/namespaces/0/type", json!("bogus")),
        ("/mounts/0/type", json!("no-such-file-system")),
        ("/linux/cgroupsPath", json!(5)),
    ];
    for (place, value) in edits {
        lab.config = good.clone();
        *lab.config.pointer_mut(place).expect("a place") = value;
        lab.refused();
    }
}

/// runtime-linux.md, File descriptors: only stdin, stdout and stderr are kept open.
fn descriptors_beyond_the_three_are_closed(lab: &mut Bundle) {
    // `ls` itself opens the folder, as the next free number.
    assert_eq!(lab.script("ls /proc/self/fd").split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}

/// runtime-linux.md, File descriptors: additional ones MAY be passed (`--preserve-fds`).
fn descriptors_are_preserved_when_asked(lab: &mut Bundle) {
    lab.config["process"]["args"] = json!(["sh", "-c", "cat <&3; ls /proc/self/fd"]);
    lab.write_config();
    fs::write(lab.folder().join("three"), "three\n").expect("write");
    let bundle = lab.path();
    let inner = lab.command(&["run", "--preserve-fds", "1", "--bundle", &bundle.to_string_lossy(), &lab.id]);
    let mut command = Command::new("sh");
    let three = lab.folder().join("three");
    let script = format!("exec 3< {0} 4< {0}; exec \"$@\"", three.display());
    command.args(["-c", &script, "sh"]).arg(inner.get_program()).args(inner.get_args()).current_dir(lab.folder());
    let text = lab.finish(command).ok().text();
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["three", "0", "1", "2", "3", "4"]);
}

/// runtime-linux.md, Dev symbolic links: MUST be made if the source file exists after the mounts.
fn dev_symlinks_lead_to_the_descriptors(lab: &mut Bundle) {
    let text = lab.script("for name in fd stdin stdout stderr; do readlink /dev/$name; done");
    assert_eq!(text, "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2");
}
