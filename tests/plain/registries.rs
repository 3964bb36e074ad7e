//! Registries that send us elsewhere, want to wait, stop in the middle or lie; and the settings that say how to reach them.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::http::{Reply, Request, Server};
use crate::support::process::{self, Output};
use crate::support::{SECOND, Teu, tiny};

/// `user:secret` in base64.
const SECRET: &str = "dXNlcjpzZWNyZXQ=";

fn configure(teu: &Teu, text: &str) {
    let folder = teu.config().join("teu");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("config.toml"), text).expect("write");
}

/// What `docker login` would have written.
fn log_in(teu: &Teu, registry: &str) {
    let folder = teu.folder().join("home/.docker");
    fs::create_dir_all(&folder).expect("a folder");
    let text = format!("{{\"auths\":{{\"{registry}\":{{\"auth\":\"{SECRET}\"}}}}}}");
    fs::write(folder.join("config.json"), text).expect("write");
}

fn header(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

fn unauthorized(challenge: impl Into<String>) -> Reply {
    Reply::Full(401, vec![header("WWW-Authenticate", challenge)], vec![])
}

fn is_manifest(request: &Request) -> bool {
    request.path.contains("/manifests/")
}

fn is_blob(request: &Request) -> bool {
    request.path.contains("/blobs/")
}

#[test]
fn credentials_stay_with_the_registry_when_it_sends_elsewhere() {
    let teu = Teu::new();
    let blobs = tiny::empty_image().blobs();
    // The place that blobs are kept at asks for a password as well: it is none of its business.
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let elsewhere = Server::new(move |request| match ASKED.fetch_add(1, Ordering::Relaxed) {
        0 => unauthorized("Basic realm=\"give me that\""),
        _ => match blobs.get(request.path.rsplit('/').next().unwrap_or_default()) {
            Some(bytes) => Reply::body("application/octet-stream", bytes.clone()),
            None => Reply::status(404),
        },
    });
    let place = elsewhere.address.clone();
    let server = Server::registry(tiny::empty_image(), move |request| {
        if request.header("authorization") != format!("Basic {SECRET}") {
            return Some(unauthorized("Basic realm=\"test\""));
        }
        let target = format!("http://{place}{}", request.path);
        is_blob(request).then(|| Reply::Full(307, vec![header("Location", target)], vec![]))
    });
    log_in(&teu, &server.address);
    teu.run(&["pull", &server.reference("it")]).explains(&["refuses access"]);
    teu.ok(&["pull", &server.reference("it")]);
    assert!(elsewhere.requests().len() >= 3);
    for request in elsewhere.requests() {
        assert_eq!(request.header("authorization"), "", "{request:?}");
    }
}

#[test]
fn password_is_not_sent_to_a_token_service_that_a_stranger_names() {
    let teu = Teu::new();
    let thief = Server::new(|_| Reply::body("application/json", br#"{"token":"x"}"#.to_vec()));
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"x\"", thief.address);
    let elsewhere = Server::new(move |_| unauthorized(realm.clone()));
    let place = elsewhere.address.clone();
    let server = Server::registry(tiny::empty_image(), move |request| {
        let target = format!("http://{place}{}", request.path);
        is_blob(request).then(|| Reply::Full(302, vec![header("Location", target)], vec![]))
    });
    log_in(&teu, &server.address);
    teu.run(&["pull", &server.reference("it")]).explains(&["refuses access"]);
    assert!(thief.requests().is_empty(), "{:?}", thief.requests());
}

#[test]
fn token_that_expires_in_mid_pull_is_renewed() {
    let teu = Teu::new();
    static ISSUED: AtomicUsize = AtomicUsize::new(0);
    let tokens = Server::new(|_| {
        let number = ISSUED.fetch_add(1, Ordering::Relaxed) + 1;
        Reply::body("application/json", format!("{{\"token\":\"t{number}\"}}").into_bytes())
    });
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"s\",scope=\"repository:it:pull\"", tokens.address);
    let server = Server::registry(tiny::empty_image(), move |request| {
        // The first token is good for the manifest only, whatever comes later needs the second.
        let good = if is_manifest(request) { "Bearer t1" } else { "Bearer t2" };
        (request.header("authorization") != good).then(|| unauthorized(realm.clone()))
    });
    teu.ok(&["pull", &server.reference("it")]);
    // Several layers found the token expired at once; one of them fetched the new one.
    assert_eq!(tokens.requests().len(), 2, "{:?}", tokens.requests());
}

#[test]
fn wait_that_a_registry_asks_for_is_kept_and_told() {
    let teu = Teu::new();
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let server = Server::registry(tiny::empty_image(), |request| {
        let first = is_blob(request) && ASKED.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| Reply::Full(503, vec![header("Retry-After", "2")], vec![]))
    });
    let start = Instant::now();
    let output = teu.run(&["pull", &server.reference("busy")]).ok();
    assert!(start.elapsed() >= 2 * SECOND, "{:?}", start.elapsed());
    assert!(output.errors().contains(&format!("{} asks to wait 2 s", server.address)), "{output}");
    let long = Server::new(|_| Reply::Full(429, vec![header("Retry-After", "3600")], vec![]));
    teu.run(&["pull", &long.reference("busy")]).explains(&["too many requests", "3600 seconds"]);
    assert_eq!(long.requests().len(), 1, "it said when to come back");
}

#[test]
fn pulls_that_are_left_are_told_when_they_are_few() {
    let teu = Teu::new();
    for (remaining, told) in [("7;w=21600", true), ("70;w=21600", false)] {
        let (manifest, digest) = {
            let bytes = tiny::empty_image().manifest_bytes();
            (bytes.clone(), crate::support::oci::sha256(&bytes))
        };
        let server = Server::registry(tiny::empty_image(), move |request| {
            let headers = vec![
                header("Content-Type", crate::support::oci::MANIFEST),
                header("Docker-Content-Digest", digest.clone()),
                header("RateLimit-Limit", "100;w=21600"),
                header("RateLimit-Remaining", remaining),
            ];
            is_manifest(request).then(|| Reply::Full(200, headers, manifest.clone()))
        });
        let output = teu.run(&["pull", &server.reference("limited")]).ok();
        assert_eq!(output.errors().contains("7 of 100 pulls in 6 h are left"), told, "{output}");
    }
}

#[test]
fn registry_that_trickles_or_falls_silent_is_given_up() {
    let teu = Teu::new();
    let trickle = |body: Vec<u8>| Reply::Trickle(vec![], body);
    let documents = Server::new(move |_| trickle(vec![b' '; 4096]));
    let blobs =
        Server::registry(tiny::empty_image(), move |request| is_blob(request).then(|| trickle(vec![0; 100_000])));
    // Takes the request and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = listener.local_addr().expect("bound").to_string();
    let settings = [&documents.address, &blobs.address, &silent]
        .map(|address| format!("[registries.\"{address}\"]\ntimeout = \"1s\"\n"));
    configure(&teu, &settings.concat());
    for (address, words) in
        [(&documents.address, "too slowly"), (&blobs.address, "too slowly"), (&silent, "silent for 1 s")]
    {
        let start = Instant::now();
        teu.run(&["pull", &format!("{address}/it")]).explains(&[words, address]);
        assert!(start.elapsed() < 10 * SECOND, "{words}: {:?}", start.elapsed());
    }
}

#[test]
fn mirrors_are_asked_before_the_registry_which_has_the_last_word() {
    let teu = Teu::new();
    let whole = Server::registry(tiny::empty_image(), |_| None);
    let empty = Server::new(|_| Reply::status(404));
    let broken = Server::new(|_| Reply::status(500));
    let registry = Server::registry(tiny::empty_image(), |_| None);
    let settings = |mirrors: &[&str]| format!("[registries.\"{}\"]\nmirrors = {mirrors:?}\n", registry.address);
    log_in(&teu, &registry.address);

    configure(&teu, &settings(&[&empty.address, &whole.address]));
    teu.ok(&["pull", &registry.reference("a")]);
    assert!(registry.requests().is_empty(), "the second mirror has all: {:?}", registry.requests());
    assert!(teu.ok(&["images"]).contains(&registry.address), "it is the registry's image all the same");
    for request in whole.requests().iter().chain(&empty.requests()) {
        assert_eq!(request.header("authorization"), "", "the registry's credentials are not the mirror's");
    }

    teu.ok(&["rmi", &registry.reference("a")]);
    configure(&teu, &settings(&["127.0.0.1:9", &broken.address, &format!("http://{}", empty.address)]));
    let output = teu.run(&["pull", &registry.reference("a")]).ok();
    assert!(!registry.requests().is_empty());
    for told in ["mirror left out: registry 127.0.0.1:9", &format!("mirror left out: registry {}", broken.address)] {
        assert!(output.errors().contains(told), "{told}: {output}");
    }
    // A 500 is tried once more, and that is that for the whole pull.
    assert_eq!(broken.requests().len(), 2, "{:?}", broken.requests());
}

#[test]
fn short_names_are_docker_hubs_and_its_mirrors() {
    let teu = Teu::new();
    let mirror = Server::registry(tiny::empty_image(), |_| None);
    configure(&teu, &format!("[registries.\"docker.io\"]\nmirrors = [\"http://{}\"]\n", mirror.address));
    for (name, path) in [
        ("debian", "/v2/library/debian/manifests/latest"),
        ("debian:12", "/v2/library/debian/manifests/12"),
        ("team/tool", "/v2/team/tool/manifests/latest"),
        ("docker.io/debian:13", "/v2/library/debian/manifests/13"),
        ("index.docker.io/library/debian:14", "/v2/library/debian/manifests/14"),
    ] {
        teu.ok(&["pull", name]);
        assert!(mirror.requests().iter().any(|request| request.path == path), "{name}: {:?}", mirror.requests());
    }
    let names = teu.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    for name in ["debian:latest", "debian:12", "team/tool:latest", "debian:13", "debian:14"] {
        assert!(names.lines().any(|line| line == name), "{names}");
    }
}

#[test]
fn logins_at_once_are_all_kept() {
    let teu = Teu::new();
    let servers: Vec<Server> =
        (0..6).map(|_| Server::new(|_| Reply::body("application/json", b"{}".to_vec()))).collect();
    let logins: Vec<_> =
        servers.iter().map(|server| teu.spawn(&["login", "-u", "me", "-p", "x", &server.address])).collect();
    for mut login in logins {
        assert_eq!(login.wait(30 * SECOND), Some(0));
    }
    let text = fs::read(teu.folder().join("home/.docker/config.json")).expect("read");
    let file: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    for server in &servers {
        assert_eq!(file["auths"][&server.address]["auth"], "bWU6eA==", "{file}");
    }
}

#[test]
fn proxy_is_used_but_for_hosts_that_need_none() {
    let teu = Teu::new();
    // Plain http to another machine than this is for those who ask for it.
    configure(&teu, "[registries.\"registry.test:5000\"]\ninsecure = true\n");
    let proxy = Server::registry(tiny::empty_image(), |request| {
        assert!(!request.path.contains("127.0.0.1"), "{request:?}");
        (request.method == "CONNECT").then(|| Reply::status(405))
    });
    let pull = |image: &str, no_proxy: &str| -> Output {
        let mut command = teu.command(&["pull", image]);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
            command.env(name, format!("http://{}", proxy.address));
        }
        command.env("NO_PROXY", no_proxy);
        process::run(&mut command, b"", Duration::from_secs(60))
    };
    pull("registry.test:5000/it", "").ok();
    let asked = proxy.requests();
    assert!(asked.iter().any(|it| it.method == "CONNECT"), "https comes first: {asked:?}");
    assert!(
        asked.iter().any(|it| it.path.starts_with("http://registry.test:5000/v2/it/manifests/latest")),
        "{asked:?}"
    );
    let own = Server::registry(tiny::empty_image(), |_| None);
    pull(&own.reference("it"), "").ok();
    pull("registry.test:5000/it", "registry.test").explains(&["registry.test:5000"]);
    assert_eq!(proxy.requests().len(), asked.len(), "{:?}", proxy.requests());
}

#[test]
fn plain_http_is_for_loopback_and_insecure_registries_only() {
    let teu = Teu::new();
    let proxy =
        Server::registry(tiny::empty_image(), |request| (request.method == "CONNECT").then(|| Reply::status(405)));
    let mut command = teu.command(&["pull", "registry.test:5000/it"]);
    command.env("http_proxy", format!("http://{}", proxy.address));
    command.env("https_proxy", format!("http://{}", proxy.address));
    process::run(&mut command, b"", Duration::from_secs(60)).explains(&["registry.test:5000"]);
    assert!(proxy.requests().iter().all(|request| request.method == "CONNECT"), "{:?}", proxy.requests());
}

#[test]
fn settings_with_mistakes_are_told_with_their_place() {
    let teu = Teu::new();
    configure(&teu, "[registries.\"a:1\"]\nmirrors = [\"ftp://x.y\"]\n");
    teu.run(&["images"]).explains(&["config.toml, line", "ftp"]);
    configure(&teu, "[registries.\"a:1\"]\nca = \"missing.pem\"\n");
    teu.run(&["pull", "a:1/it"]).explains(&["missing.pem"]);
    let file = teu.file("empty.pem", b"nothing here\n");
    configure(&teu, &format!("[registries.\"a:1\"]\nca = \"{}\"\n", file.display()));
    teu.run(&["pull", "a:1/it"]).explains(&["empty.pem", "no certificate"]);
    configure(&teu, "");
    let folder = teu.config().join("docker/certs.d/a:1");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("client.cert"), "").expect("write");
    teu.run(&["pull", "a:1/it"]).explains(&["client.key"]);
}

/// A registry that takes uploads, as much of the specification as a push needs.
#[derive(Default)]
struct Uploads(Mutex<Vec<Vec<u8>>>);

impl Uploads {
    fn reply(&self, request: &Request) -> Reply {
        let mut all = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if request.method == "POST" {
            all.push(Vec::new());
        }
        // /v2/it/blobs/uploads/NUMBER?state=x
        let number = request.path.split(['/', '?']).nth(5).and_then(|number| number.parse().ok());
        let number = number.unwrap_or(all.len().max(1) - 1);
        let mut none = Vec::new();
        let parts = all.get_mut(number).unwrap_or(&mut none);
        let range = |length: usize| header("Range", format!("0-{}", length.max(1) - 1));
        let location = header("Location", format!("/v2/it/blobs/uploads/{number}?state=x"));
        match request.method.as_str() {
            "HEAD" => Reply::status(404),
            "POST" => Reply::Full(202, vec![location], vec![]),
            "PATCH" => {
                let from = request.header("content-range").split('-').next().and_then(|from| from.parse().ok());
                if from != Some(parts.len()) {
                    return Reply::Full(416, vec![location, range(parts.len())], vec![]);
                }
                parts.extend(&request.body);
                Reply::Full(202, vec![location, range(parts.len())], vec![])
            }
            "GET" => Reply::Full(204, vec![location, range(parts.len())], vec![]),
            "PUT" if is_manifest(request) => Reply::Full(201, vec![], vec![]),
            "PUT" => {
                parts.extend(&request.body);
                let digest = crate::support::oci::sha256(parts);
                let right = request.path.ends_with(&format!("state=x&digest={digest}"));
                if right { Reply::Full(201, vec![], vec![]) } else { Reply::status(400) }
            }
            _ => Reply::status(405),
        }
    }
}

/// An image with one layer of some MiB that nothing makes smaller.
fn import_large(teu: &Teu, name: &str) {
    let mut bytes = vec![0u8; 3 << 20];
    let mut state = 1u64;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        chunk.copy_from_slice(&(state ^ (state >> 29)).to_le_bytes()[..chunk.len()]);
    }
    let folder = teu.work().join("large");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("noise"), bytes).expect("write");
    teu.ok(&["import", &folder.to_string_lossy(), name]);
}

#[test]
fn upload_that_breaks_goes_on_where_the_registry_has_got() {
    let teu = Teu::new();
    static CUTS: AtomicUsize = AtomicUsize::new(0);
    let uploads = Uploads::default();
    let server = Server::cutting(
        |request| (request.method == "PATCH" && CUTS.fetch_add(1, Ordering::Relaxed) < 2).then_some(1 << 20),
        move |request| uploads.reply(request),
    );
    let image = server.reference("it:1");
    import_large(&teu, &image);
    let output = teu.run(&["push", &image]).ok();
    assert!(output.text().starts_with("1: digest: sha256:"), "{output}");
    let ranges: Vec<String> = server
        .requests()
        .iter()
        .filter(|request| request.method == "PATCH")
        .map(|request| request.header("content-range").split('-').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(ranges, ["0", "1048576", "2097152"], "nothing twice");
}

#[test]
fn registry_without_chunks_gets_blobs_whole() {
    let teu = Teu::new();
    let uploads = Uploads::default();
    let server = Server::new(move |request| match request.method.as_str() {
        "PATCH" => Reply::status(405),
        _ => uploads.reply(request),
    });
    let image = server.reference("it:1");
    import_large(&teu, &image);
    teu.ok(&["push", &image]);
    let whole = |request: &Request| request.method == "PUT" && request.body.len() > 2 << 20;
    assert!(server.requests().iter().any(whole), "no blob came whole");
}

#[test]
fn push_that_is_refused_says_why() {
    let teu = Teu::new();
    let said = br#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#.to_vec();
    let denied = Server::new(move |request| match request.method.as_str() {
        "HEAD" => Reply::status(404),
        _ => Reply::Full(403, vec![header("Content-Type", "application/json")], said.clone()),
    });
    let image = denied.reference("it:1");
    import_large(&teu, &image);
    teu.run(&["push", &image]).explains(&["refuses access", "requested access to the resource is denied", "teu login"]);
    let uploads = Uploads::default();
    let liar = Server::new(move |request| match is_manifest(request) {
        true => Reply::Full(201, vec![header("Docker-Content-Digest", format!("sha256:{}", "0".repeat(64)))], vec![]),
        false => uploads.reply(request),
    });
    let image = liar.reference("it:1");
    import_large(&teu, &image);
    teu.run(&["push", &image]).explains(&["digest"]);
    teu.run(&["push", "nothing:1"]).explains(&["nothing:1", "teu tag"]);
    teu.run(&["push", "-a", &image]).fails(125, &["--all-tags"]);
    teu.run(&["push", &format!("it@sha256:{}", "0".repeat(64))]).fails(125, &["digest"]);
}

#[test]
fn push_is_cancelled_by_control_c() {
    let teu = Teu::new();
    let server = Server::new(|request| match request.method.as_str() {
        "HEAD" => Reply::status(404),
        _ => {
            std::thread::sleep(8 * SECOND);
            Reply::Close
        }
    });
    let image = server.reference("it:1");
    import_large(&teu, &image);
    let mut pty = teu.pty(&["push", &image]);
    crate::support::wait_for("the upload", 20 * SECOND, || {
        server.requests().iter().any(|request| request.method == "POST").then_some(())
    });
    let start = Instant::now();
    pty.send(crate::support::pty::key::CTRL_C);
    assert_eq!(pty.wait_exit(), 130);
    assert!(start.elapsed() < 6 * SECOND, "{:?}", start.elapsed());
    pty.assert_restored();
}
