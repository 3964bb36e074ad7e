//! The fixtures themselves: a test that stands on a broken registry or user would fail for the wrong reason.

use std::process::Command;
use std::time::Duration;

use crate::support::user::Range;
use crate::support::{Registry, User, need, process};

#[test]
fn registry_serves_both_images_to_another_program() {
    let registry = Registry::new();
    let skopeo = need::program("skopeo", "skopeo");
    for (name, layers) in [("busybox:1", 1), ("debian:bookworm", 4)] {
        let mut command = Command::new(&skopeo);
        command.args(["inspect", "--tls-verify=false", &format!("docker://{}", registry.reference(name))]);
        let text = process::run(&mut command, b"", Duration::from_secs(60)).ok().text();
        let value: serde_json::Value = serde_json::from_str(&text).expect("skopeo prints JSON");
        assert_eq!(value["Layers"].as_array().map(Vec::len), Some(layers), "{text}");
    }
}

#[test]
fn registry_with_password_wants_it() {
    let registry = Registry::with_password();
    let skopeo = need::program("skopeo", "skopeo");
    for (credentials, code) in [("user:wrong", 1), ("user:secret", 0)] {
        let mut command = Command::new(&skopeo);
        command.args(["inspect", "--tls-verify=false", "--creds", credentials]);
        command.arg(format!("docker://{}", registry.reference("busybox:1")));
        process::run(&mut command, b"", Duration::from_secs(60)).returns(code);
    }
}

#[test]
fn users_of_tests_have_a_range_or_none() {
    for range in [Range::Given, Range::Missing] {
        let user = User::new(range);
        let subuid = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
        assert_eq!(subuid.contains(&format!("{}:", user.name)), range == Range::Given);
        let words = user.prefix();
        let id = process::run(Command::new(&words[0]).args(&words[1..]).arg("id"), b"", Duration::from_secs(10)).ok();
        assert!(id.text().contains(&format!("uid={}", user.uid)), "{id}");
    }
}
