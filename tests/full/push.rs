//! Pushing to a real docker-registry, logging in to it, and reaching it by TLS; skopeo sees what was pushed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::oci::{Image, sha256};
use crate::support::pty::key;
use crate::support::{Output, Registry, SECOND, Teu, need, process, tiny};

/// What skopeo says; it believes every certificate.
#[track_caller]
fn skopeo(arguments: &[&str]) -> Output {
    let mut command = Command::new(need::program("skopeo", "skopeo"));
    command.arg("--insecure-policy").args(arguments);
    process::run(&mut command, b"", SECOND * 60)
}

/// The manifest that a registry gives for a name, as it is.
#[track_caller]
fn raw_manifest(image: &str) -> Vec<u8> {
    skopeo(&["inspect", "--tls-verify=false", "--raw", &format!("docker://{image}")]).ok().stdout
}

#[track_caller]
fn pushed(output: &Output, tag: &str) -> String {
    let text = output.text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{tag}: digest: ")));
    line.and_then(|line| line.split(' ').next()).unwrap_or_else(|| panic!("no digest of {tag}: {output}")).to_owned()
}

#[test]
fn image_pushed_is_the_image_pulled() {
    let teu = Teu::new();
    let source = Registry::new();
    let target = Registry::empty();
    let (from, to) = (source.reference("debian:bookworm"), target.reference("team/debian:12"));
    teu.ok(&["pull", &from]);
    teu.ok(&["tag", &from, &to]);
    let output = teu.run(&["push", &to]).ok();
    assert_eq!(output.errors().matches(": Pushed").count(), 4, "{output}");
    let manifest = raw_manifest(&to);
    assert_eq!(manifest, raw_manifest(&from), "the same bytes");
    assert_eq!(pushed(&output, "12"), sha256(&manifest));
    // All of it can be fetched by another program, which checks every digest.
    skopeo(&["copy", "--src-tls-verify=false", &format!("docker://{to}"), &format!("dir:{}", teu.work().display())])
        .ok();
    let again = teu.run(&["push", &to]).ok();
    assert_eq!(again.errors().matches("Layer already exists").count(), 4, "{again}");
    // Another repository of the same registry takes the blobs over.
    let other = target.reference("other/debian:13");
    teu.ok(&["tag", &from, &other]);
    let mounted = teu.run(&["push", &other]).ok();
    assert_eq!(mounted.errors().matches("Mounted from another repository").count(), 4, "{mounted}");
    assert_eq!(raw_manifest(&other), manifest);
    teu.ok(&["rmi", "-f", &from, &to, &other]);
    teu.ok(&["run", "--rm", &other, "true"]);
}

#[test]
fn all_tags_of_a_repository_are_pushed() {
    let teu = Teu::new();
    let registry = Registry::empty();
    teu.import_tiny();
    for name in ["many:1", "many:2", "many:latest", "other:1"] {
        teu.ok(&["tag", "tiny", &registry.reference(name)]);
    }
    let output = teu.run(&["push", "--all-tags", &registry.reference("many")]).ok();
    assert_eq!(output.text().lines().count(), 3, "{output}");
    for name in ["many:1", "many:2", "many:latest"] {
        assert!(!raw_manifest(&registry.reference(name)).is_empty());
    }
    skopeo(&["inspect", "--tls-verify=false", &format!("docker://{}", registry.reference("other:1"))]).returns(1);
    let quiet = teu.run(&["push", "-q", &registry.reference("other:1")]).ok();
    assert_eq!((quiet.text(), quiet.errors()), (registry.reference("other:1"), String::new()));
}

#[test]
fn index_is_pushed_with_all_its_images() {
    let teu = Teu::new();
    let registry = Registry::empty();
    let layout = teu.work().join("layout");
    let (one, two) = (tiny::empty_image(), Image::new(json!({ "Cmd": ["/two"] }), tiny::empty_image().layers));
    one.write_layout(&layout, "one");
    for (digest, bytes) in two.blobs() {
        fs::write(layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:")), bytes).expect("write");
    }
    let child = |image: &Image, architecture: &str| {
        let bytes = image.manifest_bytes();
        let (digest, size) = (sha256(&bytes), bytes.len());
        fs::write(layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:")), bytes).expect("write");
        json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
                "platform": { "os": "linux", "architecture": architecture } })
    };
    let kind = "application/vnd.oci.image.index.v1+json";
    let index =
        json!({ "schemaVersion": 2, "mediaType": kind, "manifests": [child(&one, "amd64"), child(&two, "arm64")] });
    let index = index.to_string().into_bytes();
    let digest = sha256(&index);
    fs::write(layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:")), &index).expect("write");
    let top = json!({ "schemaVersion": 2, "manifests": [{ "mediaType": kind, "digest": digest, "size": index.len(),
        "annotations": { "org.opencontainers.image.ref.name": "many" } }] });
    fs::write(layout.join("index.json"), top.to_string()).expect("write");
    // Another program puts it into the store.
    teu.ok(&["images"]);
    let name = registry.reference("many:1");
    let store = format!("oci:{}:{name}", teu.root().join("image").display());
    skopeo(&["copy", "--all", &format!("oci:{}:many", layout.display()), &store]).ok();
    let output = teu.run(&["push", &name]).ok();
    assert_eq!(pushed(&output, "1"), digest);
    assert_eq!(raw_manifest(&name), index);
    for image in [&one, &two] {
        let child = format!("{}@{}", registry.reference("many"), sha256(&image.manifest_bytes()));
        assert_eq!(raw_manifest(&child), image.manifest_bytes());
    }
}

/// A layer of 40 MiB needs two chunks; both connections break in the middle, and the registry itself remembers what it had.
#[test]
fn large_layer_arrives_though_connections_break() {
    let teu = Teu::new();
    let registry = Registry::empty();
    let folder = teu.work().join("large");
    fs::create_dir(&folder).expect("a folder");
    let noise = fs::File::open("/dev/urandom").expect("open");
    let mut file = fs::File::create(folder.join("noise")).expect("create");
    std::io::copy(&mut std::io::Read::take(noise, 40 << 20), &mut file).expect("copy");
    let breaking = breaking_relay(registry.address.clone(), &[6 << 20, 20 << 20]);
    let name = format!("{breaking}/large:1");
    teu.ok(&["import", &folder.to_string_lossy(), &name]);
    let output = teu.run(&["push", &name]).ok();
    let manifest = raw_manifest(&registry.reference("large:1"));
    assert_eq!(pushed(&output, "1"), sha256(&manifest));
    let copy = format!("dir:{}", teu.work().join("copy").display());
    skopeo(&["copy", "--src-tls-verify=false", &format!("docker://{}", registry.reference("large:1")), &copy]).ok();
}

/// An address that leads to `target`, and breaks its first connections that carry much after so many bytes each.
fn breaking_relay(target: String, breaks: &[usize]) -> String {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let breaks = std::sync::Arc::new(std::sync::Mutex::new(breaks.to_vec()));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&target) else { return };
            let (mut from, mut to) = (client.try_clone().expect("dup"), server.try_clone().expect("dup"));
            let breaks = breaks.clone();
            std::thread::spawn(move || {
                let (mut sent, mut buffer) = (0, vec![0; 64 << 10]);
                while let Ok(read) = from.read(&mut buffer) {
                    if read == 0 || to.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                    sent += read;
                    let mut breaks = breaks.lock().unwrap_or_else(|e| e.into_inner());
                    if breaks.first().is_some_and(|limit| sent > *limit) {
                        breaks.remove(0);
                        let _ = from.shutdown(Shutdown::Both);
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

#[test]
fn login_is_checked_kept_and_forgotten() {
    let teu = Teu::new();
    let registry = Registry::empty_with_password();
    let image = registry.reference("private/tiny:1");
    teu.import_tiny();
    teu.ok(&["tag", "tiny", &image]);
    teu.run(&["push", &image]).explains(&["refuses access", &format!("teu login {}", registry.address)]);

    let folder = teu.folder().join("home/.docker");
    let file = folder.join("config.json");
    let login =
        |password: &[u8]| teu.run_fed(&["login", "-u", "user", "--password-stdin", &registry.address], password);
    login(b"wrong\n").fails(1, &["refuses the password of user"]);
    assert!(!file.exists(), "what was refused is not kept");
    fs::create_dir_all(&folder).expect("a folder");
    let before = json!({ "psFormat": "table", "auths": { "other.lan": { "auth": "eDp5" } }, "unknown": [1, 2] });
    fs::write(&file, before.to_string()).expect("write");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("chmod");
    let output = login(b"secret\n").ok();
    assert_eq!(output.text(), "Login Succeeded");
    assert!(output.errors().contains("config.json"), "{output}");

    let read = || -> Value { serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON") };
    let after = read();
    assert_eq!(after["auths"][&registry.address]["auth"], "dXNlcjpzZWNyZXQ=");
    for key in ["psFormat", "unknown"] {
        assert_eq!(after[key], before[key]);
    }
    assert_eq!(after["auths"]["other.lan"], before["auths"]["other.lan"]);
    assert_eq!(fs::metadata(&file).expect("stat").permissions().mode() & 0o777, 0o600);

    teu.ok(&["push", &image]);
    // Another program takes it for docker's own.
    let mut inspect = teu.other("skopeo", &["inspect", "--tls-verify=false"]);
    inspect.arg(format!("docker://{image}"));
    process::run(&mut inspect, b"", SECOND * 30).ok();

    assert_eq!(teu.ok(&["logout", &registry.address]), format!("Removing login credentials for {}", registry.address));
    assert_eq!(read()["auths"], before["auths"]);
    assert_eq!(teu.ok(&["logout", &registry.address]), format!("Not logged in to {}", registry.address));
    teu.run(&["push", &image]).explains(&["refuses access"]);

    let seen = teu.run(&["login", "-u", "user", "-p", "secret", &registry.address]).ok();
    assert!(seen.errors().contains("--password-stdin"), "{seen}");
    fs::write(&file, "{ not json").expect("write");
    login(b"secret\n").explains(&["config.json"]);
    assert_eq!(fs::read_to_string(&file).expect("read"), "{ not json", "what cannot be read is not replaced");
}

#[test]
fn login_asks_without_an_echo_and_restores_the_terminal() {
    let teu = Teu::new();
    let registry = Registry::empty_with_password();
    let mut pty = teu.pty(&["login", &registry.address]);
    pty.wait_for("Username:");
    pty.send("user\r");
    pty.wait_for("Password:");
    pty.send("wrong\u{15}secret\r");
    pty.wait_for("Login Succeeded");
    assert_eq!(pty.wait_exit(), 0);
    assert!(!pty.raw().contains("secret") && !pty.raw().contains("wrong"), "{pty}");
    pty.assert_restored();
    let mut given_up = teu.pty(&["login", "-u", "user", &registry.address]);
    given_up.wait_for("Password:");
    given_up.send(key::CTRL_C);
    assert_eq!(given_up.wait_exit(), 130);
    given_up.assert_restored();
    teu.run(&["login", &registry.address]).fails(125, &["terminal", "--password-stdin"]);
}

#[test]
fn credential_helper_keeps_the_password() {
    let teu = Teu::new();
    let registry = Registry::empty_with_password();
    let tools = teu.work().join("tools");
    fs::create_dir(&tools).expect("a folder");
    let helper = tools.join("docker-credential-chest");
    let kept = teu.work().join("kept");
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat > {0};;\nget) [ -s {0} ] && cat {0} || {{ echo 'credentials not found'; exit 1; }};;\n\
         erase) [ \"$(cat)\" = {1} ] && rm {0};;\nesac\n",
        kept.display(),
        registry.address
    );
    fs::write(&helper, script).expect("write");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("chmod");
    let folder = teu.folder().join("home/.docker");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config.json"), r#"{"credsStore":"chest"}"#).expect("write");
    let run = |arguments: &[&str], stdin: &[u8]| {
        let mut command = teu.command(arguments);
        command.env("PATH", format!("{}:/usr/bin:/bin", tools.display()));
        process::run(&mut command, stdin, SECOND * 60)
    };
    run(&["login", "-u", "user", "--password-stdin", &registry.address], b"secret").ok();
    let wish: Value = serde_json::from_slice(&fs::read(&kept).expect("the helper has it")).expect("JSON");
    assert_eq!(wish, json!({ "ServerURL": registry.address, "Username": "user", "Secret": "secret" }));
    let file = fs::read_to_string(folder.join("config.json")).expect("read");
    assert!(!file.contains("c2VjcmV0") && !file.contains("secret"), "{file}");
    let image = registry.reference("tiny:1");
    teu.import_tiny();
    teu.ok(&["tag", "tiny", &image]);
    run(&["push", &image], b"").ok();
    run(&["logout", &registry.address], b"").ok();
    assert!(!kept.exists());
    run(&["push", &image], b"").explains(&["refuses access"]);
    fs::remove_file(&helper).expect("remove");
    run(&["login", "-u", "user", "--password-stdin", &registry.address], b"secret")
        .explains(&["docker-credential-chest"]);
}
