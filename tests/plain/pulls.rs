//! Pulling from a registry of the test's own that does everything right, and everything wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::http::{Reply, Request, Server};
use crate::support::oci::{architecture, sha256};
use crate::support::{Teu, tiny};

/// Pulls and fails with a message that has these words, and leaves nothing in the store.
#[track_caller]
fn pull_fails(teu: &Teu, server: &Server, words: &[&str]) {
    let output = teu.run(&["pull", &server.reference("it:latest")]);
    assert_ne!(output.code, 0, "{output}");
    let errors = output.errors();
    assert!(errors.lines().count() <= 3, "more than a short message: {output}");
    output.explains(words);
    assert!(!teu.ok(&["images"]).contains("it"), "{}", teu.ok(&["images"]));
    let run = teu.run(&["run", "--rm", &server.reference("it:latest"), "true"]);
    assert_eq!(run.code, 125, "{run}");
    for folder in ["layers", "partial"] {
        let left = std::fs::read_dir(teu.root().join("image").join(folder)).into_iter().flatten().flatten();
        // What had come of a blob waits for the next pull.
        let left: Vec<_> = left.map(|e| e.path()).filter(|path| path.extension() != Some("part".as_ref())).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

fn is_manifest(request: &Request) -> bool {
    request.path.contains("/manifests/")
}

fn is_blob(request: &Request) -> bool {
    request.path.contains("/blobs/")
}

#[test]
fn image_is_pulled_by_tag_and_digest_and_removed() {
    let teu = Teu::new();
    let image = tiny::empty_image();
    let server = Server::registry(image.clone(), |_| None);
    let text = teu.ok(&["pull", &server.reference("a/b:v1")]);
    assert!(text.ends_with(&server.reference("a/b:v1")), "{text}");
    let by_digest = server.reference(&format!("a/c@{}", sha256(&image.manifest_bytes())));
    teu.ok(&["pull", &by_digest]);
    let listed = teu.ok(&["images", "--no-trunc"]);
    assert!(listed.contains("a/b") && listed.contains("v1"), "{listed}");
    let config = sha256(&image.config_bytes());
    assert!(listed.contains(&config), "the image's id is its configuration's digest: {listed}");
    // A second pull asks for the manifest only.
    let before = server.requests().iter().filter(|r| is_blob(r)).count();
    teu.ok(&["pull", &server.reference("a/b:v1")]);
    assert_eq!(server.requests().iter().filter(|r| is_blob(r)).count(), before, "blobs are fetched twice");
    let inspected = teu.inspect(&server.reference("a/b:v1"));
    assert_eq!(inspected["Id"], *config);
    teu.ok(&["rmi", &server.reference("a/b:v1")]);
    teu.ok(&["rmi", "-f", config.trim_start_matches("sha256:")]);
    assert_eq!(std::fs::read_dir(teu.root().join("image/layers")).map_or(0, Iterator::count), 0);
}

#[test]
fn all_tags_of_a_repository_are_pulled() {
    let teu = Teu::new();
    let server = Server::registry(tiny::empty_image(), |request| {
        let tags = br#"{"name":"many","tags":["1","1.1","latest"]}"#.to_vec();
        request.path.starts_with("/v2/many/tags/list").then(|| Reply::body("application/json", tags))
    });
    let text = teu.ok(&["pull", "--quiet", "--all-tags", &server.reference("many")]);
    let expected: Vec<String> = ["1", "1.1", "latest"].map(|tag| server.reference(&format!("many:{tag}"))).to_vec();
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    let blobs = server.requests().iter().filter(|request| is_blob(request)).count();
    assert_eq!(blobs, 3, "one configuration and two layers for all three");
    teu.run(&["pull", "-a", &server.reference("many:1")]).explains(&["--all-tags"]);
    teu.run(&["pull", "-a", &server.reference("other")]).explains(&["other"]);
}

#[test]
fn policy_says_when_run_and_create_pull() {
    let teu = Teu::new();
    let server = Server::registry(tiny::empty_image(), |_| None);
    let image = server.reference("policy");
    let asked = || server.requests().iter().filter(|request| is_manifest(request)).count();
    for verb in ["run", "create"] {
        teu.run(&[verb, "--pull", "never", &image]).explains(&["policy"]);
        assert_eq!(asked(), 0, "{verb}");
    }
    teu.ok(&["create", "--pull", "missing", &image]);
    assert_eq!(asked(), 1);
    teu.ok(&["create", "--pull", "missing", &image]);
    teu.ok(&["create", &image]);
    assert_eq!(asked(), 1, "it is there");
    teu.ok(&["create", "--pull", "always", &image]);
    assert_eq!(asked(), 2);
    teu.ok(&["create", "--pull", "never", &image]);
    teu.run(&["create", "--pull", "sometimes", &image]).explains(&["always", "missing", "never"]);
    assert_eq!(asked(), 2);
}

#[test]
fn whiteouts_are_not_files() {
    let teu = Teu::new();
    let server = Server::registry(tiny::empty_image(), |_| None);
    teu.ok(&["pull", &server.reference("w")]);
    let layers = teu.root().join("image/layers");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(layers).expect("layers").flatten() {
        let etc = entry.path().join("fs/etc");
        found.extend(
            std::fs::read_dir(etc)
                .into_iter()
                .flatten()
                .flatten()
                .map(|e| e.file_name().to_string_lossy().into_owned()),
        );
    }
    assert!(found.iter().any(|name| name == "more") && found.iter().any(|name| name == "hello"), "{found:?}");
    assert!(!found.iter().any(|name| name.starts_with(".wh.")), "{found:?}");
}

#[test]
fn statuses_are_told_in_words() {
    let teu = Teu::new();
    for (code, words) in [
        (401, &["login"][..]),
        (403, &[]),
        (404, &["has no"]),
        (429, &["too many requests"]),
        (500, &["500"]),
        (503, &["503"]),
    ] {
        let server = Server::registry(tiny::empty_image(), move |r| is_manifest(r).then(|| Reply::status(code)));
        let output = teu.run(&["pull", &server.reference("it")]);
        assert_ne!(output.code, 0, "{code}: {output}");
        if !words.iter().all(|word| output.errors().to_lowercase().contains(word)) && code != 401 {
            panic!("{code} is not told by {words:?}: {output}");
        }
        pull_fails(&teu, &server, &[]);
        let on_blobs = Server::registry(tiny::empty_image(), move |r| is_blob(r).then(|| Reply::status(code)));
        pull_fails(&teu, &on_blobs, &[]);
    }
}

#[test]
fn too_many_requests_are_retried_when_the_registry_says_when() {
    let teu = Teu::new();
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let server = Server::registry(tiny::empty_image(), |request| {
        let first = is_manifest(request) && ASKED.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| Reply::Full(429, vec![("Retry-After".into(), "1".into())], vec![]))
    });
    teu.ok(&["pull", &server.reference("patient")]);
}

#[test]
fn connection_that_closes_or_lies_is_told() {
    let teu = Teu::new();
    let garbage = b"\x16\x03\x01 this is not HTTP at all \x1b[31m\r\n\r\n".to_vec();
    for reply in [Reply::Close, Reply::Raw(garbage), Reply::body("application/json", b"{ not json \x1b[2J".to_vec())] {
        let everywhere = reply.clone();
        pull_fails(&teu, &Server::registry(tiny::empty_image(), move |_| Some(everywhere.clone())), &[]);
        let manifests = reply.clone();
        pull_fails(
            &teu,
            &Server::registry(tiny::empty_image(), move |r| is_manifest(r).then(|| manifests.clone())),
            &[],
        );
    }
    pull_fails(&teu, &Server::registry(tiny::empty_image(), |r| is_blob(r).then_some(Reply::Close)), &[]);
}

#[test]
fn blob_that_is_cut_short_once_is_fetched_again_or_refused() {
    let teu = Teu::new();
    let blobs = tiny::empty_image().blobs();
    let server = Server::registry(tiny::empty_image(), move |request| {
        let bytes = blobs.get(request.path.rsplit('/').next()?)?;
        Some(Reply::Cut(vec![], bytes.clone(), bytes.len() / 2))
    });
    pull_fails(&teu, &server, &[]);
}

#[test]
fn wrong_digest_is_refused() {
    let teu = Teu::new();
    let blobs = tiny::empty_image().blobs();
    let server = Server::registry(tiny::empty_image(), move |request| {
        let mut bytes = blobs.get(request.path.rsplit('/').next()?)?.clone();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        Some(Reply::body("application/octet-stream", bytes))
    });
    pull_fails(&teu, &server, &["digest"]);
    let other = Server::registry(tiny::empty_image(), |_| None);
    let wrong = format!("it@sha256:{}", "0".repeat(64));
    teu.run(&["pull", &other.reference(&wrong)]).explains(&["digest"]);
}

#[test]
fn text_of_a_registry_is_shown_and_never_obeyed() {
    let teu = Teu::new();
    let body =
        b"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\\u001b]0;owned\\u0007\\u001b[2J\\u202egnp.exe\"}]}".to_vec();
    let server = Server::registry(tiny::empty_image(), move |_| {
        Some(Reply::Full(403, vec![("Content-Type".into(), "application/json".into())], body.clone()))
    });
    let output = teu.run(&["pull", &server.reference("it")]);
    assert_ne!(output.code, 0, "{output}");
    for bytes in [&output.stdout, &output.stderr] {
        assert!(!bytes.contains(&0x1b) && !bytes.contains(&0x07), "{output}");
        assert!(!String::from_utf8_lossy(bytes).contains('\u{202e}'), "{output}");
    }
}

#[test]
fn token_is_fetched_where_the_registry_sends_for_it() {
    let teu = Teu::new();
    let token_server =
        Server::new(|_| Reply::body("application/json", br#"{"token":"abc123","access_token":"abc123"}"#.to_vec()));
    let realm =
        format!("Bearer realm=\"http://{}/token\",service=\"test\",scope=\"repository:it:pull\"", token_server.address);
    let server = Server::registry(tiny::empty_image(), move |request| {
        let authorized = request.headers.get("authorization").is_some_and(|value| value == "Bearer abc123");
        (!authorized).then(|| Reply::Full(401, vec![("WWW-Authenticate".into(), realm.clone())], vec![]))
    });
    teu.ok(&["pull", &server.reference("it")]);
    assert!(
        token_server.requests().iter().any(|request| request.path.contains("scope=")),
        "{:?}",
        token_server.requests()
    );
}

#[test]
fn silent_registry_is_given_up_and_control_c_works() {
    let teu = Teu::new();
    let blobs = tiny::empty_image().blobs();
    let server = Server::registry(tiny::empty_image(), move |request| {
        let bytes = blobs.get(request.path.rsplit('/').next()?)?;
        Some(Reply::Trickle(vec![], bytes.clone()))
    });
    let mut pty = teu.pty(&["pull", &server.reference("slow")]);
    crate::support::wait_for("the first blob is asked for", Duration::from_secs(20), || {
        server.requests().iter().any(is_blob).then_some(())
    });
    let start = Instant::now();
    pty.send(crate::support::pty::key::CTRL_C);
    assert_ne!(pty.wait_exit(), 0);
    assert!(start.elapsed() < Duration::from_secs(8), "Ctrl-C took {:?}", start.elapsed());
    pty.assert_restored();
}

#[test]
fn unreachable_registry_is_named() {
    let teu = Teu::new();
    // Port 9 is discard: nothing answers.
    teu.run(&["pull", "127.0.0.1:9/it"]).explains(&["127.0.0.1:9"]);
    teu.run(&["run", "--rm", "--pull", "never", "nothing-here", "true"]).fails(125, &["nothing-here"]);
    for bad in ["UPPER", "a//b", "x:", "sha256:abc"] {
        let output = teu.run(&["pull", bad]);
        assert_ne!(output.code, 0, "{output}");
        output.explains(&[]);
    }
}

#[test]
fn blob_that_breaks_off_is_taken_up_where_it_broke() {
    for ranges in [true, false] {
        let teu = Teu::new();
        let blobs = tiny::empty_image().blobs();
        let broken = std::sync::Mutex::new(std::collections::BTreeSet::new());
        let server = Server::registry(tiny::empty_image(), move |request| {
            let digest = request.path.rsplit('/').next()?;
            let bytes = blobs.get(digest)?;
            if broken.lock().expect("not poisoned").insert(digest.to_owned()) {
                return Some(Reply::Cut(vec![], bytes.clone(), bytes.len() / 2));
            }
            Some(if ranges { Reply::blob(request, bytes) } else { Reply::body("x/y", bytes.clone()) })
        });
        teu.ok(&["pull", &server.reference("patched")]);
        let resumed = server.requests().iter().any(|request| request.headers.contains_key("range"));
        assert!(resumed, "asked for the rest, not for all of it: {:?}", server.requests());
    }
}

#[test]
fn index_gives_this_machines_image_or_names_what_there_is() {
    let machine = architecture();
    let image = tiny::empty_image();
    let (digest, size) = (sha256(&image.manifest_bytes()), image.manifest_bytes().len());
    for (architecture, there) in [(machine, true), ("s390x", false)] {
        let teu = Teu::new();
        let index = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
            "manifests": [
                {"mediaType": "x", "digest": format!("sha256:{}", "0".repeat(64)), "size": 1,
                 "platform": {"os": "unknown", "architecture": "unknown"}},
                {"mediaType": "x", "digest": digest, "size": size,
                 "platform": {"os": "linux", "architecture": architecture, "variant": "v8"}},
            ],
        });
        let index = index.to_string().into_bytes();
        let index_digest = sha256(&index);
        let server = Server::registry(image.clone(), move |request| {
            let by_index = request.path.ends_with("/manifests/latest") || request.path.ends_with(&sha256(&index));
            by_index.then(|| Reply::body("application/vnd.docker.distribution.manifest.list.v2+json", index.clone()))
        });
        if there {
            teu.ok(&["pull", &server.reference("many")]);
            teu.ok(&["pull", &server.reference(&format!("many@{index_digest}"))]);
            // Known by the index's digest as well, which is what people copy from registries.
            teu.inspect(&server.reference(&format!("many@{index_digest}")));
        } else {
            pull_fails(&teu, &server, &["linux/s390x/v8", machine]);
        }
    }
}
