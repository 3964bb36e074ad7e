//! features.md and features-linux.md: what the features document says is true of `create`.

use serde_json::{Value, json};

use crate::support::bundle::{Bundle, on_every_runtime};

on_every_runtime! {
    versions_are_accepted_and_in_order, crun = "1.8.1 has no features document";
    hooks_named_are_called, crun = "1.8.1 has no features document";
    mount_options_named_are_recognized, crun = "1.8.1 has no features document";
    namespaces_named_are_recognized, crun = "1.8.1 has no features document";
    capabilities_named_are_recognized, crun = "1.8.1 has no features document";
    seccomp_words_named_are_recognized, crun = "1.8.1 has no features document";
    properties_are_those_of_the_document, crun = "1.8.1 has no features document";
    spec_makes_a_config_that_runs;
}

fn features(lab: &Bundle) -> Value {
    let text = lab.call(&["features"]).ok().text();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("features is no JSON: {e}\n{text}"))
}

fn words(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap_or_else(|| panic!("no list: {value}"));
    list.iter().map(|word| word.as_str().expect("a string").to_owned()).collect()
}

/// features.md, Specification version: both "MUST [be] accept[ed]" as `ociVersion`; the maximum is not less.
fn versions_are_accepted_and_in_order(lab: &mut Bundle) {
    let features = features(lab);
    let number = |name: &str| -> Vec<u32> {
        let text = features[name].as_str().unwrap_or_else(|| panic!("no {name}"));
        text.split(['.', '-', '+']).take(3).map(|part| part.parse().expect("a number")).collect()
    };
    assert!(number("ociVersionMin") <= number("ociVersionMax"), "{features:#}");
    for name in ["ociVersionMin", "ociVersionMax"] {
        lab.config["ociVersion"] = features[name].clone();
        assert_eq!(lab.script("echo fine"), "fine", "{name}");
    }
    if lab.is_teu() {
        assert!(number("ociVersionMax") >= vec![1, 2, 0], "{features:#}");
    }
}

/// features.md, Hooks.
fn hooks_named_are_called(lab: &mut Bundle) {
    let named = words(&features(lab)["hooks"]);
    for kind in ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] {
        assert!(named.iter().any(|name| name == kind), "{kind} is not named");
    }
    let mut hooks = serde_json::Map::new();
    for kind in &named {
        hooks.insert(kind.clone(), json!([{"path": "/bin/true"}]));
    }
    lab.config["hooks"] = hooks.into();
    lab.create().ok();
}

/// features.md, Mount Options: each is recognized, and not handed to the file system as a word of its own.
fn mount_options_named_are_recognized(lab: &mut Bundle) {
    let named = words(&features(lab)["mountOptions"]);
    let lab_is_teu = lab.is_teu();
    assert!(named.len() > 40, "{named:?}");
    // Those that need something else than a plain mount have tests of their own, as each of the others has.
    let not_plain =
        ["bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup", "mand", "acl", "noacl", "iversion", "lazytime"];
    // Of the recursive ones runc 1.1.5 names some that it cannot do on every kernel.
    let is_meant =
        |name: &&String| lab_is_teu || !name.starts_with('r') || ["ro", "rw", "relatime"].contains(&name.as_str());
    for option in named.iter().filter(|name| !not_plain.contains(&name.as_str())).filter(is_meant) {
        let number = lab.list("/mounts").len();
        lab.bind(&format!("source{number}"), &format!("/mnt/{number}"), &["rbind", option]);
    }
    assert_eq!(lab.script("echo fine"), "fine");
}

/// features-linux.md, Namespaces.
fn namespaces_named_are_recognized(lab: &mut Bundle) {
    let features = features(lab);
    let named = words(&features["linux"]["namespaces"]);
    for kind in ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"] {
        assert!(named.iter().any(|name| name == kind), "{kind} is not named");
    }
    lab.own_user_namespace();
    let list: Vec<Value> = named.iter().map(|kind| json!({"type": kind})).collect();
    lab.config["linux"]["namespaces"] = json!(list);
    lab.create().ok();
}

/// features-linux.md, Capabilities: no warning about any.
fn capabilities_named_are_recognized(lab: &mut Bundle) {
    let named = features(lab)["linux"]["capabilities"].clone();
    assert!(words(&named).len() >= 41, "{named}");
    // What the tests' own bounding set has not nobody can give.
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let own = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).expect("a set").trim();
    let own = u64::from_str_radix(own, 16).expect("hexadecimal");
    let given: Vec<&str> =
        CAPABILITIES.split_whitespace().enumerate().filter(|(n, _)| own >> n & 1 == 1).map(|(_, name)| name).collect();
    assert!(CAPABILITIES.split_whitespace().all(|name| words(&named).iter().any(|other| other == name)), "{named}");
    lab.config["process"]["capabilities"] = json!({"bounding": given, "effective": given, "permitted": given});
    lab.config["process"]["args"] = json!(["grep", "CapBnd", "/proc/self/status"]);
    let output = lab.run().ok();
    assert_eq!(output.errors(), "");
}

/// features-linux.md, Seccomp: actions, operators, architectures and flags.
fn seccomp_words_named_are_recognized(lab: &mut Bundle) {
    let seccomp = features(lab)["linux"]["seccomp"].clone();
    assert_eq!(seccomp["enabled"], true, "{seccomp:#}");
    let mut rules = Vec::new();
    for (number, action) in
        words(&seccomp["actions"]).into_iter().enumerate().filter(|(_, name)| name != "SCMP_ACT_NOTIFY")
    {
        let call = [
            "swapon",
            "swapoff",
            "reboot",
            "sethostname",
            "setdomainname",
            "acct",
            "pivot_root",
            "mount",
            "umount2",
            "quotactl",
        ];
        rules.push(json!({"names": [call[number]], "action": action}));
    }
    for operator in words(&seccomp["operators"]) {
        let argument = json!({"index": 0, "value": 77, "valueTwo": 77, "op": operator});
        rules.push(json!({"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [argument]}));
    }
    lab.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules});
    lab.create().ok();
    lab.call(&["delete", "--force", &lab.id]);
    // A filter is of one byte order.
    let big = ["MIPS", "MIPS64", "MIPS64N32", "PPC", "PPC64", "S390", "S390X", "PARISC", "PARISC64", "M68K", "SHEB"];
    let is_little = |name: &String| !big.iter().any(|other| name.strip_prefix("SCMP_ARCH_") == Some(other));
    let archs: Vec<String> = words(&seccomp["archs"]).into_iter().filter(is_little).collect();
    assert!(archs.iter().any(|name| name == "SCMP_ARCH_X86_64" || name == "SCMP_ARCH_AARCH64"), "{archs:?}");
    lab.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": archs, "syscalls": []});
    lab.create().ok();
    lab.call(&["delete", "--force", &lab.id]);
    let flags: Vec<String> = words(seccomp.get("supportedFlags").unwrap_or(&json!([])));
    lab.config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [],
        "flags": flags.iter().filter(|name| !name.contains("WAIT_KILLABLE")).collect::<Vec<_>>()});
    lab.create().ok();
}

/// features.md: "MUST NOT contain properties that are not defined in this version"; what is not there is absent, not empty.
fn properties_are_those_of_the_document(lab: &mut Bundle) {
    let features = features(lab);
    let known = [
        "ociVersionMin",
        "ociVersionMax",
        "hooks",
        "mountOptions",
        "linux",
        "annotations",
        "potentiallyUnsafeConfigAnnotations",
    ];
    for name in features.as_object().expect("an object").keys() {
        assert!(known.contains(&name.as_str()), "{name}");
    }
    let known = [
        "namespaces",
        "capabilities",
        "cgroup",
        "seccomp",
        "apparmor",
        "selinux",
        "intelRdt",
        "mountExtensions",
        "netDevices",
        "memoryPolicy",
    ];
    for name in features["linux"].as_object().expect("an object").keys() {
        assert!(known.contains(&name.as_str()), "linux.{name}");
    }
    for (name, value) in features["annotations"].as_object().into_iter().flatten() {
        assert!(value.is_string() && !name.is_empty(), "{name}: {value}");
    }
    if lab.is_teu() {
        let mounts = &features["linux"]["mountExtensions"]["idmap"]["enabled"];
        assert_eq!(*mounts, true, "{features:#}");
    }
}

/// In the order of their numbers: linux/capability.h.
const CAPABILITIES: &str = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID \
    CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER \
    CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE \
    CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP \
    CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF \
    CAP_CHECKPOINT_RESTORE";

/// The field's `spec` writes a config that its own `run` takes.
fn spec_makes_a_config_that_runs(lab: &mut Bundle) {
    let mut command = std::process::Command::new("sh");
    let inner = lab.command(&["spec"]);
    command.args(["-c", "cd \"$0\" && exec \"$@\""]).arg(lab.path()).arg(inner.get_program()).args(inner.get_args());
    if lab.is_teu() {
        lab.finish(command).ok();
    } else {
        let name = format!("{:?}", lab.runtime).to_lowercase();
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "cd \"$0\" && exec \"$@\""]).arg(lab.path()).args([&name, "spec"]);
        lab.finish(command).ok();
    }
    let text = std::fs::read_to_string(lab.path().join("config.json")).expect("config.json");
    lab.config = serde_json::from_str(&text).expect("JSON");
    lab.config["process"]["terminal"] = json!(false);
    lab.config["process"]["args"] = json!(["echo", "ran"]);
    lab.config["process"]["rlimits"] = json!([]);
    assert_eq!(lab.run().ok().text(), "ran");
}
