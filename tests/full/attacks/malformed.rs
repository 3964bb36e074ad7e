//! Broken `config.json`: every field in turn, and the file as a whole. `teu oci create` never panics, hangs or leaves
//! anything, and says which field it is about.

use std::fs;

use serde_json::{Map, Value, json};

use crate::support::bundle::{Bundle, Runtime};
use crate::support::process::Output;
use crate::support::{SECOND, need};

fn lab() -> Bundle {
    need::root();
    let mut lab = Bundle::new(Runtime::Teu);
    full(&mut lab);
    lab
}

/// Every part of the specification that this machine can give, so that the unchanged config is created.
fn full(lab: &mut Bundle) {
    lab.namespace("network", Some(json!({"type": "network"})));
    lab.namespace("cgroup", Some(json!({"type": "cgroup"})));
    let config = &mut lab.config;
    config["domainname"] = json!("example.test");
    config["annotations"] = json!({"org.example.key": "value"});
    let process = &mut config["process"];
    process["consoleSize"] = json!({"height": 25, "width": 80});
    process["user"] = json!({"uid": 0, "gid": 0, "umask": 18, "additionalGids": [5, 6]});
    process["rlimits"] =
        json!([{"type": "RLIMIT_NOFILE", "soft": 512, "hard": 1024}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]);
    process["oomScoreAdj"] = json!(100);
    process["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 4});
    process["scheduler"] = json!({"policy": "SCHED_OTHER", "nice": 1});
    for set in ["inheritable", "ambient"] {
        process["capabilities"][set] = json!([]);
    }
    let hook = json!([{"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}]);
    config["hooks"] = json!({"prestart": hook, "createRuntime": hook, "createContainer": hook, "startContainer": hook, "poststart": hook, "poststop": hook});
    let linux = &mut config["linux"];
    linux["devices"] =
        json!([{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0}]);
    linux["sysctl"] = json!({"net.core.somaxconn": "256"});
    linux["rootfsPropagation"] = json!("private");
    linux["personality"] = json!({"domain": "LINUX", "flags": []});
    linux["resources"] = json!({
        "devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}],
        "memory": {"limit": 536_870_912, "reservation": 268_435_456, "swap": 536_870_912, "disableOOMKiller": false},
        "cpu": {"shares": 1024, "quota": 100_000, "period": 100_000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 100},
        "blockIO": {"throttleReadBpsDevice": [{"major": 7, "minor": 0, "rate": 600}]},
        "hugepageLimits": [], "network": {}, "rdma": {}, "unified": {},
    });
    config["linux"]["resources"]["blockIO"] = json!({});
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"], "flags": [],
        "syscalls": [{"names": ["getcwd", "chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
            "args": [{"index": 0, "value": 1, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]}],
    });
}

/// The pointers of everything in a document, the document itself aside.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        // The first two of a list stand for the others.
        Value::Array(list) => {
            list.iter().take(2).enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return,
    };
    for (name, child) in children {
        let pointer = format!("{at}/{name}");
        found.push(pointer.clone());
        pointers(child, &pointer, found);
    }
}

/// What a field may be broken into; the name is for messages.
fn changes(value: &Value) -> Vec<(&'static str, Option<Value>)> {
    let wrong = match value {
        Value::String(_) => json!({"a": 1}),
        Value::Number(_) => json!("text"),
        Value::Bool(_) => json!("true"),
        Value::Array(_) => json!({"a": []}),
        Value::Object(_) => json!(["a"]),
        Value::Null => json!(1),
    };
    let mut all = vec![("of a wrong type", Some(wrong)), ("removed", None)];
    all.extend(
        match value {
            Value::String(_) => vec![
                ("empty", json!("")),
                ("huge", json!("x".repeat(70_000))),
                ("with NUL", json!("a\0b")),
                ("with dots", json!("../../../../etc")),
                ("null", Value::Null),
            ],
            Value::Number(_) => vec![
                ("negative", json!(-7)),
                ("huge", json!(u64::MAX)),
                ("a fraction", json!(1.5)),
                ("null", Value::Null),
            ],
            Value::Array(_) => vec![
                ("empty", json!([])),
                ("of nulls", json!([null, null])),
                ("huge", json!(vec![0; 5000])),
                ("null", Value::Null),
            ],
            Value::Object(_) => vec![("empty", json!({})), ("null", Value::Null)],
            Value::Bool(_) | Value::Null => vec![("null", Value::Null), ("a number", json!(2))],
        }
        .into_iter()
        .map(|(name, value)| (name, Some(value))),
    );
    all
}

fn changed(config: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut config = config.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let name = name.replace("~1", "/").replace("~0", "~");
    match (config.pointer_mut(parent).expect("a parent"), value) {
        (Value::Object(map), Some(value)) => drop(map.insert(name, value)),
        (Value::Object(map), None) => drop(map.remove(&name)),
        (Value::Array(list), Some(value)) => list[name.parse::<usize>().expect("an index")] = value,
        (Value::Array(list), None) => drop(list.remove(name.parse().expect("an index"))),
        _ => panic!("{pointer} has no parent"),
    }
    config
}

/// Created or refused with a message, in a short time, without a panic; then nothing is left.
#[track_caller]
fn ends_well(lab: &Bundle, what: &str) -> Output {
    let bundle = lab.path();
    let output = lab.call(&["create", "--bundle", &bundle.to_string_lossy(), &lab.id]);
    output.no_panic();
    assert!(output.code < 128, "{what}: ended by a signal: {output}");
    assert!(output.took < SECOND * 25, "{what}: {output}");
    if output.code != 0 {
        let errors = output.errors();
        assert!(!errors.is_empty(), "{what}: no message: {output}");
        assert!(errors.len() < 4000, "{what}: a message of {} bytes", errors.len());
        assert!(!errors.contains('\u{1b}') && !errors.contains('\0'), "{what}: {output}");
    }
    let state =
        fs::read_dir(lab.state_folder()).map(|list| list.flatten().filter(|e| e.path().is_dir()).count()).unwrap_or(0);
    assert_eq!(state, usize::from(output.code == 0), "{what}: state is left, or none is there: {output}");
    if output.code == 0 {
        lab.call(&["delete", "--force", &lab.id]).ok();
    }
    output
}

/// Whether a message names the field or what it is part of: the last two names of the pointer.
fn names(errors: &str, pointer: &str) -> bool {
    let is_index = |name: &&str| name.bytes().all(|byte| byte.is_ascii_digit());
    let lower = errors.to_lowercase();
    pointer.rsplit('/').filter(|name| !is_index(name)).take(2).any(|name| lower.contains(&name.to_lowercase()))
}

/// A quarter of the fields in each test, so that they run side by side.
fn break_fields(part: usize) {
    let mut lab = lab();
    lab.write_config();
    let output = ends_well(&lab, "unchanged");
    assert_eq!(output.code, 0, "{output}");
    let whole = lab.config.clone();
    let mut all = Vec::new();
    pointers(&whole, "", &mut all);
    assert!(all.len() > 150, "{} fields", all.len());
    let mut unnamed = Vec::new();
    for (number, pointer) in all.iter().enumerate().filter(|(number, _)| number % 4 == part) {
        let changes = changes(whole.pointer(pointer).expect("there"));
        // Each field gets the first two, and two of the others in turn: the whole product would take minutes.
        let others = changes.len() - 2;
        let picked = [0, 1, 2 + number / 4 % others, 2 + (number / 4 + 1) % others];
        for index in picked {
            let (name, value) = &changes[index];
            lab.config = changed(&whole, pointer, value.clone());
            lab.write_config();
            let what = format!("{pointer} {name}");
            let output = ends_well(&lab, &what);
            if output.code != 0 && index == 0 && !names(&output.errors(), pointer) {
                unnamed.push(format!("{what}: {}", output.errors()));
            }
        }
    }
    let left = lab.left();
    assert!(left.is_empty(), "{left:?}");
    assert!(unnamed.is_empty(), "{} messages do not name their field:\n  {}", unnamed.len(), unnamed.join("\n  "));
}

#[test]
fn every_field_broken_1_of_4() {
    break_fields(0);
}

#[test]
fn every_field_broken_2_of_4() {
    break_fields(1);
}

#[test]
fn every_field_broken_3_of_4() {
    break_fields(2);
}

#[test]
fn every_field_broken_4_of_4() {
    break_fields(3);
}

/// What `tests/fuzz` does for hours, for a moment and always alike: bytes of a whole config, changed at random. The parser
/// gives a specification or an error, and understands what it has understood when that is written down.
#[test]
fn random_changes_of_the_bytes_never_panic() {
    let lab = lab();
    let whole = serde_json::to_vec(&lab.config).expect("JSON");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("a small number")
    };
    let words: [&[u8]; 14] = [
        b"null",
        b"-1",
        b"18446744073709551616",
        b"1e400",
        b"\"\"",
        b"[]",
        b"{}",
        b"true",
        b"\"\\u0000\"",
        b"\xff",
        b"\"SCMP_ACT_NOTIFY\"",
        b"\"/..\"",
        b",",
        b"\"CAP_ALL\"",
    ];
    let mut understood = 0;
    for _ in 0..2500 {
        let mut bytes = whole.clone();
        for _ in 0..=random(3) {
            let place = random(bytes.len());
            let end = (place + random(12)).min(bytes.len());
            match random(5) {
                0 => bytes[place] = u8::try_from(random(256)).expect("a byte"),
                1 => drop(bytes.drain(place..end)),
                2 => drop(bytes.splice(place..end, words[random(words.len())].iter().copied())),
                3 => {
                    // A whole value gives way to a word, which stays JSON more often.
                    let start = bytes[place..].iter().position(|byte| *byte == b':').map_or(place, |at| place + at + 1);
                    let end = bytes[start..]
                        .iter()
                        .position(|byte| matches!(byte, b',' | b'}' | b']'))
                        .map_or(start, |at| start + at);
                    bytes.splice(start..end, words[random(words.len())].iter().copied());
                }
                _ => {
                    let copy = bytes[place..end].to_vec();
                    bytes.splice(place..place, copy);
                }
            }
        }
        let read = std::panic::catch_unwind(|| teu::runtime::read_spec(&bytes));
        let read = read.unwrap_or_else(|_| panic!("a panic at:\n{}", String::from_utf8_lossy(&bytes)));
        match read {
            Ok(read) => {
                understood += 1;
                let text = serde_json::to_vec(&read.spec).expect("JSON");
                let again = teu::runtime::read_spec(&text);
                assert!(again.is_ok(), "{:?}:\n{}", again.err(), String::from_utf8_lossy(&text));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!((200..2400).contains(&understood), "{understood} of 2500 were understood: the changes are no good test");
}

/// The file as a whole: truncated, doubled keys, deep, huge, not text, no JSON.
#[test]
fn whole_file_broken() {
    let lab = lab();
    let text = serde_json::to_vec(&lab.config).expect("JSON");
    let file = lab.path().join("config.json");
    let offer = |what: &str, bytes: &[u8]| {
        fs::write(&file, bytes).expect("write");
        ends_well(&lab, what)
    };
    for number in 0..60 {
        let length = text.len() * number / 60;
        let output = offer(&format!("{length} bytes of {}", text.len()), &text[..length]);
        assert_ne!(output.code, 0, "{length} bytes: {output}");
        output.explains(&["config.json"]);
    }
    for depth in [100, 10_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let bytes = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_ne!(offer(&format!("{depth} levels of {open}"), bytes.as_bytes()).code, 0);
            let inner = format!("{{\"ociVersion\":\"1.0.2\",\"x\":{bytes}}}");
            offer(&format!("{depth} levels of {open} in an unknown field"), inner.as_bytes());
        }
    }
    let twice = String::from_utf8(text.clone()).expect("text").replacen(
        '{',
        "{\"ociVersion\":\"0.0.1\",\"root\":{\"path\":\"/\"},",
        1,
    );
    offer("keys twice", twice.as_bytes());
    let mut not_text = text.clone();
    for place in [10, text.len() / 2, text.len() - 10] {
        not_text[place] = 0xff;
        offer("no UTF-8", &not_text);
    }
    let mut huge: Map<String, Value> = lab.config.as_object().expect("an object").clone();
    huge.insert("annotations".to_owned(), json!({"org.example.big": "x".repeat(10 << 20)}));
    offer("10 MB", &serde_json::to_vec(&huge).expect("JSON"));
    for (what, bytes) in [
        ("a NUL", &b"\0"[..]),
        ("null", b"null"),
        ("a number", b"1"),
        ("a list", b"[]"),
        ("an empty object", b"{}"),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("two documents", b"{}{}"),
        ("a huge number", b"{\"ociVersion\": 1e999999}"),
        ("a lone surrogate", b"{\"ociVersion\": \"\\ud800\"}"),
    ] {
        let output = offer(what, bytes);
        assert_ne!(output.code, 0, "{what}: {output}");
        output.explains(&[]);
    }
    // What stands in its place: a folder, a fifo that nobody writes to, a link to nothing, an endless file.
    fs::remove_file(&file).expect("remove");
    fs::create_dir(&file).expect("a folder");
    assert_ne!(ends_well(&lab, "a folder").code, 0);
    fs::remove_dir(&file).expect("remove");
    for (what, target) in
        [("a link to nothing", "/not/there"), ("an endless file", "/dev/zero"), ("itself", "config.json")]
    {
        std::os::unix::fs::symlink(target, &file).expect("a link");
        assert_ne!(ends_well(&lab, what).code, 0, "{what}");
        fs::remove_file(&file).expect("remove");
    }
    let mut command = std::process::Command::new("mkfifo");
    command.arg(&file);
    lab.finish(command).ok();
    assert_ne!(ends_well(&lab, "a fifo").code, 0);
}
