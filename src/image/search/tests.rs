//! Searches against servers of the tests' own.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Instant;

use super::*;
use crate::model::{DetailEvent, RegistryEntry, RegistrySettings};

#[test]
fn question_with_a_registry_is_split() {
    assert_eq!(split("127.0.0.1:5000/jq"), (Some("127.0.0.1:5000".to_owned()), "jq"));
    assert_eq!(split("localhost/"), (Some("localhost".to_owned()), ""));
    assert_eq!(split("library/debian"), (None, "library/debian"));
    assert_eq!(split("debian"), (None, "debian"));
    assert_eq!(split_tag("a/jq:1"), ("a/jq", Some("1")));
    assert_eq!(split_tag("a:1/jq"), ("a:1/jq", None));
    assert_eq!(split_tag("jq:"), ("jq", Some("")));
}

type Reply = (&'static str, &'static str, String);

fn json(text: impl Into<String>) -> Reply {
    ("200 OK", "", text.into())
}

fn missing() -> Reply {
    ("404 Not Found", "", String::new())
}

/// Answers every request by `answer` of its path, each on a connection of its own; lives as long as the test's process.
fn serve(answer: fn(&str) -> Reply) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut request = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("another descriptor"));
                while reader.read_line(&mut request).is_ok_and(|length| length > 2) {}
                let path = request.split(' ').nth(1).unwrap_or_default();
                let (status, header, body) = answer(path);
                let head = format!("HTTP/1.1 {status}\r\n{header}Connection: close\r\nContent-Length: {}", body.len());
                let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
            });
        }
    });
    address
}

/// Registries with Docker Hub at an address.
fn hub_at(address: &str) -> Registries {
    let index = Some(format!("http://{address}"));
    let entries = vec![RegistryEntry { name: hub::NAME.to_owned(), index, search: true, ..RegistryEntry::default() }];
    Registries::new(RegistrySettings { entries, ..RegistrySettings::default() })
}

/// What a search finds, the best first, and the troubles by registry.
async fn found(all: &Registries, question: &str, registries: &[&str]) -> (Vec<SearchHit>, Vec<(String, Trouble)>) {
    let (sender, mut receiver) = mpsc::channel(1);
    let gather = async {
        let (mut hits, mut troubles): (Vec<SearchHit>, _) = (Vec::new(), Vec::new());
        while let Some(event) = receiver.recv().await {
            match event {
                SearchEvent::Found(hit) => {
                    hits.retain(|known| known.name != hit.name);
                    hits.push(hit);
                }
                SearchEvent::Ended { registry, trouble: Some(trouble) } => troubles.push((registry, trouble)),
                SearchEvent::Asked(_) | SearchEvent::Ended { .. } => {}
            }
        }
        (hits, troubles)
    };
    let registries = registries.iter().map(|name| (*name).to_owned()).collect();
    let options = SearchOptions { registries, limit: Some(25), patience: Some(Duration::from_secs(2)) };
    let (result, (mut hits, troubles)) = tokio::join!(search(all, question, &options, sender), gather);
    result.expect("a question");
    hits.sort_by(SearchHit::order);
    (hits, troubles)
}

fn names(hits: &[SearchHit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.name.as_str()).collect()
}

#[tokio::test]
async fn hub_and_catalogues_are_searched_at_once_and_one_that_fails_or_hangs_spoils_nothing() {
    let hub = serve(|path| {
        assert_eq!(path, "/v1/search?q=jq&n=25");
        json(
            r#"{"results":[{"name":"library/jq","description":null,"star_count":7,"is_official":true},{"name":"a/jq"},
                {"name":"jq","description":"again"},{"name":"evil/\u001b[2J"}]}"#,
        )
    });
    let private = serve(|path| match path {
        "/v2/_catalog?n=1000" => (
            "200 OK",
            "Link: </v2/_catalog?last=x>; rel=\"next\"\r\n",
            r#"{"repositories":["tools/jq","x","../jq"]}"#.to_owned(),
        ),
        "/v2/_catalog?last=x" => json(r#"{"repositories":["jq-static","gone/jq","tools/jq"]}"#),
        _ => missing(),
    });
    let broken = serve(|_| json("<html>"));
    let hanging = serve(|_| {
        std::thread::sleep(Duration::from_secs(30));
        missing()
    });
    let begun = Instant::now();
    let registries = ["docker.io", &private, &broken, &hanging, "index.docker.io", &private];
    let (hits, troubles) = found(&hub_at(&hub), "jq", &registries).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "the slow one is not waited for");
    let at = |name: &str| format!("{private}/{name}");
    let expected = ["jq", &at("gone/jq"), &at("tools/jq"), "a/jq", &at("jq-static")];
    let mut all = names(&hits);
    assert_eq!(all[0], "jq", "exact and official");
    all.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(all, expected);
    assert_eq!((hits[0].stars, hits[0].official, hits[0].description.as_str()), (Some(7), true, "again"));
    let mut failed: Vec<&str> = troubles.iter().map(|(registry, _)| registry.as_str()).collect();
    failed.sort_unstable();
    let mut expected = vec![broken.as_str(), &hanging];
    expected.sort_unstable();
    assert_eq!(failed, expected);
    assert!(troubles.iter().any(|(_, trouble)| trouble.message.contains("does not answer within 2 seconds")));
}

#[tokio::test]
async fn hub_whose_old_search_is_gone_is_asked_the_new_way() {
    let hub = serve(|path| match path {
        "/v2/search/repositories/?query=jq&page_size=25" => json(
            r#"{"count":1,"results":[{"repo_name":"jq","short_description":"d","star_count":1,"pull_count":9,"is_official":true}]}"#,
        ),
        _ => missing(),
    });
    let (hits, troubles) = found(&hub_at(&hub), "jq", &["docker.io"]).await;
    assert!(troubles.is_empty(), "{troubles:?}");
    assert_eq!((names(&hits), hits[0].pulls, hits[0].description.as_str()), (vec!["jq"], Some(9), "d"));
}

#[tokio::test]
async fn registry_without_catalogue_is_asked_for_the_very_name() {
    let all = Registries::default();
    let none = serve(|path| match path {
        "/v2/tools/jq/tags/list?n=1" => json(r#"{"tags":["1"]}"#),
        _ => missing(),
    });
    let (hits, troubles) = found(&all, "tools/jq", &[&none]).await;
    assert!(troubles.is_empty(), "{troubles:?}");
    assert_eq!(names(&hits), [format!("{none}/tools/jq")]);
    let (hits, troubles) = found(&all, "jq", &[&none]).await;
    assert!(hits.is_empty());
    assert!(troubles[0].1.message.contains("does not list its repositories"), "{troubles:?}");
    let old = serve(|path| match path {
        "/v1/search?q=j+q&n=25" => json(r#"{"results":[{"name":"team/jq","description":"old","star_count":2}]}"#),
        _ => ("405 Method Not Allowed", "", String::new()),
    });
    let (hits, _) = found(&all, "j q", &[&old]).await;
    assert_eq!((names(&hits), hits[0].stars), (vec![format!("{old}/team/jq").as_str()], Some(2)));
}

#[tokio::test]
async fn catalogue_without_links_is_read_on_by_its_last_name_and_an_endless_one_ends() {
    let unlinked = serve(|path| match path {
        "/v2/_catalog?n=1000" => {
            let names: Vec<String> = (0..1000).map(|number| format!("r{number:04}")).collect();
            json(serde_json::json!({"repositories": names}).to_string())
        }
        "/v2/_catalog?n=1000&last=r0999" => json(r#"{"repositories":["wanted"]}"#),
        _ => missing(),
    });
    let all = Registries::default();
    let (hits, troubles) = found(&all, "wanted", &[&unlinked]).await;
    assert!(troubles.is_empty(), "{troubles:?}");
    assert_eq!(names(&hits), [format!("{unlinked}/wanted")]);
    let endless = serve(|path| {
        let at: u64 = path.rsplit('=').next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let link: &'static str = format!("Link: </v2/_catalog?last={}>; rel=\"next\"\r\n", at + 1).leak();
        ("200 OK", link, r#"{"repositories":["debian","b/debian"]}"#.to_owned())
    });
    let (hits, _) = found(&all, "debian", &[&endless]).await;
    assert_eq!(hits.len(), 2);
}

#[tokio::test]
async fn question_with_a_colon_finds_tags() {
    let private = serve(|path| match path {
        "/v2/tools/jq/tags/list?n=1000" => (
            "200 OK",
            "Link: </v2/tools/jq/tags/list?last=x>; rel=\"next\"\r\n",
            r#"{"tags":["1.10","1.9","\u001b[2J"]}"#.to_owned(),
        ),
        "/v2/tools/jq/tags/list?last=x" => json(r#"{"tags":["latest","slim"]}"#),
        _ => missing(),
    });
    let all = Registries::default();
    let (hits, troubles) = found(&all, &format!("{private}/tools/jq:"), &[]).await;
    assert!(troubles.is_empty(), "{troubles:?}");
    let tags: Vec<&str> = hits.iter().filter_map(|hit| hit.name.rsplit(':').next()).collect();
    assert_eq!(tags, ["latest", "slim", "1.10", "1.9"]);
    let (hits, _) = found(&all, &format!("{private}/tools/jq:1.9"), &[]).await;
    assert_eq!(names(&hits), [format!("{private}/tools/jq:1.9")]);
}

#[tokio::test]
async fn search_ends_when_nobody_listens() {
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    let options = SearchOptions { registries: vec!["127.0.0.1:9".to_owned()], ..SearchOptions::default() };
    assert!(search(&Registries::default(), "jq", &options, sender).await.is_ok());
    let (sender, _receiver) = mpsc::channel(1);
    assert!(search(&Registries::default(), "  ", &options, sender).await.is_err());
}

async fn gathered(
    asking: impl Future<Output = Result<()>>,
    mut events: mpsc::Receiver<DetailEvent>,
) -> Vec<DetailEvent> {
    let gather = async {
        let mut told = Vec::new();
        while let Some(event) = events.recv().await {
            told.push(event);
        }
        told
    };
    let (result, told) = tokio::join!(asking, gather);
    result.expect("an answer");
    told
}

#[tokio::test]
async fn tags_of_docker_hub_come_with_dates_sizes_and_platforms() {
    let hub = serve(|path| match path {
        "/v2/repositories/library/debian/" => json(
            r#"{"description":"the universal one","star_count":5,"pull_count":77,"last_updated":"2026-11-01T00:00:00Z"}"#,
        ),
        "/v2/repositories/library/debian/tags/?page_size=100&page=1&ordering=last_updated&name=12" => json(
            r#"{"count":2,"next":"http://elsewhere/","results":[{"name":"12","last_updated":"2026-11-02T01:02:03.4Z","images":[
                {"os":"linux","architecture":"arm64","variant":"v8","size":48,"digest":"sha256:x"},
                {"os":"linux","architecture":"amd64","variant":null,"size":49},
                {"os":"unknown","architecture":"unknown","size":1}]}]}"#,
        ),
        "/v2/repositories/library/debian/tags/?page_size=100&page=2&ordering=last_updated&name=12" => {
            json(r#"{"count":2,"next":null,"results":[{"name":"12-slim"},{"name":"\u001b"}]}"#)
        }
        _ => missing(),
    });
    let all = hub_at(&hub);
    let repository: Reference = "debian".parse().expect("a reference");
    let wish = TagsWish { narrowed: "12".to_owned(), ..TagsWish::default() };
    let (sender, receiver) = mpsc::channel(1);
    let told = gathered(tags(&all, &repository, &wish, sender), receiver).await;
    let mut names = Vec::new();
    for event in &told {
        match event {
            DetailEvent::Repository(facts) => assert!(facts.official && facts.pulls == Some(77)),
            DetailEvent::Tags { tags, total } => {
                assert_eq!(*total, Some(2));
                names.extend(tags.iter().map(|tag| (tag.name.as_str(), tag.platforms.len())));
            }
            DetailEvent::Platforms(_) => unreachable!("not asked for"),
        }
    }
    assert_eq!(names, [("12", 2), ("12-slim", 0)]);
}
