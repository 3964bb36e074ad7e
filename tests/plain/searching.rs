//! Searching: Docker Hub's way of answering and private registries at once, from the command line and in the interface.

use std::time::{Duration, Instant};

use crate::support::http::{Reply, Request, Server};
use crate::support::oci::{architecture, sha256};
use crate::support::pty::key;
use crate::support::{SECOND, Teu, tiny};

fn json(text: impl Into<String>) -> Reply {
    Reply::body("application/json", text.into().into_bytes())
}

fn tag(name: &str, day: u32, megabytes: u64) -> String {
    let image = |architecture: &str, bytes: u64| {
        format!(
            r#"{{"os":"linux","architecture":"{architecture}","variant":null,"size":{bytes},"last_pushed":"2026-01-{day:02}T00:00:00Z"}}"#
        )
    };
    let images = [image(architecture(), megabytes << 20), image("s390x", (megabytes + 1) << 20)].join(",");
    format!(r#"{{"name":"{name}","last_updated":"2026-01-{day:02}T00:00:00Z","images":[{images}]}}"#)
}

/// Answers as Docker Hub's search and its web pages do.
fn hub(request: &Request) -> Reply {
    let path = request.path.as_str();
    match path {
        _ if path.starts_with("/v1/search?q=debian&") => json(
            r#"{"num_results":3,"query":"debian","results":[
                {"name":"corp/debian-tools","description":"tools \u001b]0;title\u0007","star_count":3,"is_official":false},
                {"name":"debian","description":"the universal operating system","star_count":5290,"is_official":true},
                {"name":"foo/bar","description":"like debian","star_count":0}]}"#,
        ),
        _ if path.starts_with("/v1/search") => json(r#"{"results":[]}"#),
        "/v2/repositories/library/debian/" => {
            json(r#"{"description":"the universal operating system","star_count":5290,"pull_count":1043000000}"#)
        }
        _ if path.starts_with("/v2/repositories/library/debian/tags/?") && path.contains("name=") => {
            json(format!(r#"{{"count":1,"next":null,"results":[{}]}}"#, tag("12.1-narrowed", 1, 40)))
        }
        _ if path.starts_with("/v2/repositories/library/debian/tags/?") => {
            let tags = [tag("13", 20, 47), tag("latest", 10, 48), tag("12", 5, 46)].join(",");
            json(format!(r#"{{"count":400,"next":"more","results":[{tags}]}}"#))
        }
        _ => Reply::status(404),
    }
}

/// A registry with a catalogue in two pages and an image whose index has two platforms.
fn private() -> Server {
    let image = tiny::empty_image();
    let manifest = image.manifest_bytes();
    let digest = sha256(&manifest);
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
            {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":{},"platform":{{"os":"linux","architecture":"{}"}}}},
            {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{}","size":7,"platform":{{"os":"linux","architecture":"s390x"}}}},
            {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":7,"platform":{{"os":"unknown","architecture":"unknown"}}}}]}}"#,
        manifest.len(),
        architecture(),
        "1".repeat(64)
    );
    Server::registry(image, move |request| {
        let path = request.path.as_str();
        Some(match path {
            "/v2/_catalog?n=1000" => Reply::Full(
                200,
                vec![("Link".into(), "</v2/_catalog?last=other&n=1000>; rel=\"next\"".into())],
                br#"{"repositories":["other","team/debian"]}"#.to_vec(),
            ),
            "/v2/_catalog?last=other&n=1000" => json(r#"{"repositories":["debian-slim","../../etc/debian"]}"#),
            "/v2/team/debian/tags/list?n=1000" => json(r#"{"tags":["1.9","1.10","latest","\u001b[2J"]}"#),
            _ if path.ends_with("/tags/list?n=1000") => Reply::status(404),
            "/v2/team/debian/manifests/latest" => {
                Reply::body("application/vnd.oci.image.index.v1+json", index.clone().into_bytes())
            }
            _ if path.contains("sha256:1111") => Reply::status(404),
            _ => return None,
        })
    })
}

/// Docker Hub at `hub`, and other registries to search.
fn configure(teu: &Teu, hub: &str, others: &[&str]) {
    let mut text = format!("[registries.\"docker.io\"]\nindex = \"http://{hub}\"\n");
    for other in others {
        text.push_str(&format!("[registries.\"{other}\"]\n"));
    }
    let folder = teu.config().join("teu");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("config.toml"), text).expect("written");
}

#[test]
fn all_registries_are_searched_at_once_and_ranked_together() {
    let teu = Teu::new();
    let (hub, private) = (Server::new(hub), private());
    configure(&teu, &hub.address, &[&private.address]);
    let names = teu.ok(&["search", "--format", "{{.Name}}", "debian"]);
    let (own, slim) = (private.reference("team/debian"), private.reference("debian-slim"));
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(names[0], "debian");
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let mut expected = vec!["corp/debian-tools", "debian", "foo/bar", &own, &slim];
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    let table = teu.ok(&["search", "debian"]);
    let heading: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(heading, ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]);
    assert!(table.contains("[OK]") && table.contains("5290") && !table.contains('\u{1b}'), "{table}");
    let official = teu.ok(&["search", "--filter", "is-official=true", "--format", "{{.Name}}", "debian"]);
    assert_eq!(official, "debian");
    assert_eq!(teu.ok(&["search", "--filter", "stars=3", "--limit", "1", "--format", "{{.Name}}", "debian"]), "debian");
    teu.run(&["search", "--filter", "stars=many", "debian"]).fails(125, &["stars=many", "number"]);
    teu.run(&["search", "--limit", "0", "debian"]).explains(&["at least 1"]);
    let json = teu.ok(&["search", "--format", "json", "debian"]);
    assert!(json.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{json}");
}

#[test]
fn registry_that_fails_lies_or_hangs_costs_the_others_nothing() {
    let teu = Teu::new();
    let broken = Server::new(|_| json("<html>"));
    let without = Server::new(|_| Reply::status(404));
    let trickling = Server::new(|_| Reply::Trickle(Vec::new(), vec![b' '; 1000]));
    let hub = Server::new(hub);
    configure(&teu, &hub.address, &[&broken.address, &without.address, &trickling.address, "127.0.0.1:1"]);
    let begun = Instant::now();
    let output = teu.run(&["search", "debian"]).ok();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(output.text().contains("debian"), "{output}");
    let errors = output.errors();
    for address in [&broken.address, &without.address, &trickling.address, "127.0.0.1:1"] {
        assert!(errors.contains(address), "{address} is not told: {errors}");
    }
    assert!(errors.contains("does not list its repositories") && errors.contains("10 seconds"), "{errors}");
    // Where nobody answers there is a failure.
    teu.run(&["search", "--registry", "127.0.0.1:1", "debian"]).fails(1, &["127.0.0.1:1"]);
}

#[test]
fn tags_are_listed_by_flag_and_by_colon() {
    let teu = Teu::new();
    let (hub, private) = (Server::new(hub), private());
    configure(&teu, &hub.address, &[&private.address]);
    let own = private.reference("team/debian");
    let listed = teu.ok(&["search", "--list-tags", &own]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [["NAME", "TAG"], [&own, "latest"], [&own, "1.10"], [&own, "1.9"]];
    assert_eq!(rows, expected);
    assert_eq!(teu.ok(&["search", "--format", "{{.Tag}}", &format!("{own}:1.1")]), "1.10");
    // Of the repositories that are asked for it, one has it: that is enough.
    let output = teu.run(&["search", "--format", "{{.Name}} {{.Tag}}", "debian:"]).ok();
    assert_eq!(output.text(), "debian latest\ndebian 13\ndebian 12", "{output}");
    assert_eq!(output.errors(), "", "{output}");
    teu.run(&["search", "--list-tags", &private.reference("nothing")]).fails(1, &["nothing"]);
}

#[test]
fn image_of_docker_hub_is_looked_at_closely_before_it_is_pulled() {
    let teu = Teu::new();
    let hub = Server::new(hub);
    configure(&teu, &hub.address, &[]);
    let mut pty = teu.pty(&[]);
    pty.wait_for("host");
    pty.send("3");
    pty.send("debian");
    pty.wait_for("✓ official");
    pty.send(key::ENTER);
    pty.send(key::ENTER);
    pty.wait_until("tags, platforms and sizes", SECOND * 20, |screen| {
        ["1.0B pulls", "★ 5.3k", "3 of 400", "linux/s390x", "48 M"].iter().all(|text| screen.contains(text))
    });
    pty.wait_for(&format!("enter pulls debian:latest for linux/{}", architecture()));
    // The registry is asked for what the letters say.
    pty.send("/12.1");
    pty.wait_for("12.1-narrowed");
    pty.send(key::ENTER);
    pty.wait_for("enter pulls debian:12.1-narrowed");
    pty.send("l");
    pty.send(key::DOWN);
    pty.wait_for("for linux/s390x");
    pty.send(key::ESCAPE);
    // What was found stays among the others.
    pty.wait_for("4 of 400");
    pty.send(key::ESCAPE);
    pty.wait_for("corp/debian-tools");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    pty.assert_restored();
    let asked: Vec<String> = hub.requests().into_iter().map(|request| request.path).collect();
    assert!(asked.iter().any(|path| path.contains("name=12.1")), "{asked:?}");
}

#[test]
fn image_of_a_private_registry_is_looked_at_and_pulled() {
    let teu = Teu::new();
    let (hub, private) = (Server::new(hub), private());
    configure(&teu, &hub.address, &[&private.address]);
    let pty = teu.pty(&[]);
    pty.wait_for("host");
    pty.send("3");
    pty.send(&format!("{}/team", private.address));
    pty.wait_for("team/debian");
    pty.send(key::ENTER);
    pty.send("g");
    pty.send(key::ENTER);
    pty.wait_until("tags in order and the platforms of the first", SECOND * 20, |screen| {
        let place = |text: &str| screen.find(text);
        place("latest").is_some() && place("1.10") < place("1.9") && screen.contains("linux/s390x")
    });
    pty.wait_for("layers");
    pty.send(key::ENTER);
    pty.wait_for("Images 2");
    pty.wait_for("● here");
    assert!(teu.ok(&["images"]).contains("team/debian"));
    let asked: Vec<String> = private.requests().into_iter().map(|request| request.path).collect();
    assert!(!asked.iter().any(|path| path.contains("manifests/1.")), "only the chosen tag is looked behind: {asked:?}");
}

#[test]
fn search_screen_stays_responsive_while_a_registry_hangs_and_fits_the_least_terminal() {
    let teu = Teu::new();
    let hub = Server::new(hub);
    let trickling = Server::new(|_| Reply::Trickle(Vec::new(), vec![b' '; 1000]));
    configure(&teu, &hub.address, &[&trickling.address]);
    let mut pty = teu.pty_sized(&[], (60, 20));
    pty.wait_for("No containers");
    pty.send("3");
    pty.send("debian");
    pty.wait_for("✓ official");
    let screen = pty.screen();
    assert!(screen.contains("searching") && screen.contains("✓ docker.io 3"), "{screen}");
    // While the other one hangs, the findings can be walked and looked at.
    pty.send(key::DOWN);
    pty.send(key::ENTER);
    pty.wait_for("3 of 400");
    pty.send(key::ESCAPE);
    pty.wait_for("✗");
    let screen = pty.wait_for("does not answer");
    assert!(screen.contains("corp/debian-tools"), "{screen}");
    pty.send("q");
    assert_eq!(pty.wait_exit(), 0);
    pty.assert_restored();
}
