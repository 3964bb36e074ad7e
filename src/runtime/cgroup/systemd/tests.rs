//! The driver against a socket that speaks the greeting and the messages of a bus with systemd on it.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;

/// What a fake systemd was asked: the member and the whole message.
type Asked = Vec<(String, Vec<u8>)>;

/// Answers one connection until it is closed. `result` is how jobs end; with `refusal`, calls to systemd fail so.
fn serve(listener: UnixListener, result: &'static str, refusal: Option<&'static str>) -> Asked {
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut greeting = vec![0; b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".len()];
    stream.read_exact(&mut greeting).expect("a greeting");
    assert_eq!(greeting[0], 0);
    stream.write_all(b"DATA\r\nOK 0123456789abcdef\r\n").expect("write");
    let mut asked = Asked::new();
    loop {
        let mut head = [0; 16];
        if stream.read_exact(&mut head).is_err() {
            return asked;
        }
        let mut bytes = head.to_vec();
        bytes.resize(message::whole_length(&head).expect("a length"), 0);
        stream.read_exact(&mut bytes[16..]).expect("a message");
        let serial = u32::from_ne_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        let member = Message::decode(&bytes).expect("a call").member;
        let of_systemd = !matches!(member.as_str(), "Hello" | "AddMatch");
        match refusal.filter(|_| of_systemd) {
            Some(name) => answer(&mut stream, 3, serial, name, &["it cannot be"]),
            None if member == "StartTransientUnit" => {
                // The job may end before its name is known.
                answer(&mut stream, 4, 0, "JobRemoved", &["/job/1", "other.scope", "done"]);
                answer(&mut stream, 4, 0, "JobRemoved", &["/job/7", "x.scope", result]);
                answer(&mut stream, 2, serial, "", &["/job/7"]);
            }
            None => answer(&mut stream, 2, serial, "", &[]),
        }
        asked.push((member, bytes));
    }
}

/// A return (2), an error (3, `name` is its name) or a signal (4, `name` is its member) with texts.
fn answer(stream: &mut impl Write, kind: u8, reply_to: u32, name: &str, texts: &[&str]) {
    let mut body = Body::default();
    for text in texts {
        body.text(text);
    }
    let signature = "s".repeat(texts.len());
    stream.write_all(&message::answer(kind, reply_to, name, &signature, &body)).expect("write");
}

/// Runs `test` with the address of a fake system bus; what that was asked.
fn with_systemd<T>(result: &'static str, refusal: Option<&'static str>, test: impl FnOnce(&Path) -> T) -> (T, Asked) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let socket = folder.path().join("bus");
    let listener = UnixListener::bind(&socket).expect("bind");
    let server = std::thread::spawn(move || serve(listener, result, refusal));
    let value = test(&socket);
    (value, server.join().expect("the fake systemd"))
}

fn scope() -> Unit {
    Unit { slice: "machine.slice".to_owned(), name: "x.scope".to_owned() }
}

fn members(asked: &Asked) -> Vec<&str> {
    asked.iter().map(|(member, _)| member.as_str()).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn scope_is_started_with_its_process_and_limits() {
    let resources = serde_json::json!({"pids": {"limit": 9}, "memory": {"limit": 4096}});
    let resources: LinuxResources = serde_json::from_value(resources).expect("resources");
    let (path, asked) = with_systemd("done", None, |socket| {
        let mut bus = Bus::open(socket).expect("connect");
        start_on(&mut bus, &scope(), i32::MAX, Some(&resources), Version::Unified)
    });
    assert_eq!(path.expect("started"), "machine.slice/x.scope");
    assert_eq!(members(&asked), ["Hello", "Subscribe", "AddMatch", "StartTransientUnit"]);
    let call = &asked[3].1;
    for text in ["x.scope", "replace", "machine.slice", "Delegate", "PIDs", "TasksMax", "MemoryMax"] {
        assert!(contains(call, text), "{text}");
    }
    assert!(call.windows(4).any(|window| window == i32::MAX.to_ne_bytes()), "the process");
}

#[test]
fn job_that_fails_and_systemd_that_refuses_are_told() {
    let start = |socket: &Path| {
        let mut bus = Bus::open(socket).expect("connect");
        start_on(&mut bus, &scope(), 1, None, Version::Unified).expect_err("refused").to_string()
    };
    let (error, _) = with_systemd("failed", None, start);
    assert!(error.contains("x.scope") && error.contains("failed"), "{error}");
    let (error, _) = with_systemd("done", Some("org.freedesktop.systemd1.UnitExists"), start);
    assert!(error.contains("it cannot be (org.freedesktop.systemd1.UnitExists)"), "{error}");
}

#[test]
fn unit_that_is_gone_is_stopped_already() {
    let stop = |socket: &Path| stop_on(&mut Bus::open(socket).expect("connect"), &scope());
    let (done, asked) = with_systemd("done", Some("org.freedesktop.systemd1.NoSuchUnit"), stop);
    done.expect("no error");
    assert_eq!(members(&asked), ["Hello", "StopUnit", "ResetFailedUnit"]);
    let (done, _) = with_systemd("done", Some("org.freedesktop.DBus.Error.AccessDenied"), stop);
    assert!(done.expect_err("refused").to_string().contains("AccessDenied"));
}

#[test]
fn limits_are_changed_as_properties() {
    let resources: LinuxResources =
        serde_json::from_value(serde_json::json!({"cpu": {"shares": 2}})).expect("resources");
    let (done, asked) = with_systemd("done", None, |socket| {
        update_on(&mut Bus::open(socket).expect("connect"), &scope(), &resources, Version::Unified)
    });
    done.expect("updated");
    assert_eq!(members(&asked), ["Hello", "SetUnitProperties"]);
    assert!(contains(&asked[1].1, "CPUWeight"));
}

#[test]
fn server_that_closes_early_is_an_error() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let socket = folder.path().join("bus");
    let listener = UnixListener::bind(&socket).expect("bind");
    let server = std::thread::spawn(move || drop(listener.accept().expect("a connection")));
    assert!(Bus::open(&socket).is_err());
    server.join().expect("the server");
}

#[test]
fn sockets_are_the_buses_of_the_one_who_asks() {
    let none = |_: &str| None;
    assert_eq!(sockets(true, none), [Path::new("/run/dbus/system_bus_socket"), Path::new("/run/systemd/private")]);
    let runtime = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| "/run/user/5".to_owned());
    assert_eq!(sockets(false, runtime), [Path::new("/run/user/5/bus"), Path::new("/run/user/5/systemd/private")]);
    let named = |name: &str| (name == "DBUS_SYSTEM_BUS_ADDRESS").then(|| "unix:path=/x".to_owned());
    assert_eq!(sockets(true, named), [Path::new("/x")]);
}

#[test]
fn place_is_where_the_kernel_says() {
    let v2 = "0::/user.slice/user-1.slice/user@1.service/user.slice/x.scope\n";
    let path = place_in(v2, "x.scope");
    assert_eq!(path.as_deref(), Some("user.slice/user-1.slice/user@1.service/user.slice/x.scope"));
    assert_eq!(
        place_in("4:memory:/a\n1:name=systemd:/m.slice/x.scope\n0::/\n", "x.scope").as_deref(),
        Some("m.slice/x.scope")
    );
    assert_eq!(place_in("0::/elsewhere\n", "x.scope"), None);
}
