//! `search`: names in Docker Hub and in private registries' catalogues, as they come.

mod catalog;
mod hub;

use futures_util::future::{self, BoxFuture};
use tokio::sync::mpsc;

use super::registry::{Registries, Registry};
use super::{ImageError, Result};
use crate::model::SearchHit;

const HUB: &str = "https://index.docker.io";
const LIMIT: usize = 25;
/// The most that is read of one page of an answer.
const PAGE_MAX: u64 = 4 << 20;

/// Where to search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchOptions {
    /// Registries whose catalogue is searched besides Docker Hub, such as `127.0.0.1:5000`.
    pub registries: Vec<String>,
    /// Hits of each registry at most; 25 if none.
    pub limit: Option<usize>,
    /// Base address of Docker Hub's search, `https://index.docker.io` if none; empty leaves Docker Hub out.
    pub hub: Option<String>,
}

/// What is asked, and how many hits are wanted.
#[derive(Clone, Debug)]
struct Query {
    text: String,
    limit: usize,
}

/// Asks all registries at once and sends what they find, hostile text included, as it comes; ends early when `hits` is closed.
///
/// A query that begins with a registry (`127.0.0.1:5000/jq`) asks that one only. One registry's failure does not keep the
/// others' hits back: the first error is returned when all have answered.
pub async fn search(
    all: &Registries,
    query: &str,
    options: &SearchOptions,
    hits: mpsc::Sender<SearchHit>,
) -> Result<()> {
    let (registry, text) = split(query.trim());
    if text.is_empty() && registry.is_none() {
        let reason = "there is nothing to search for".to_owned();
        return Err(ImageError::Reference { text: query.to_owned(), reason });
    }
    let query = Query { text: text.to_owned(), limit: options.limit.unwrap_or(LIMIT).max(1) };
    let hub = options.hub.as_deref().unwrap_or(HUB);
    let registries = match &registry {
        Some(registry) => std::slice::from_ref(registry),
        None => &options.registries[..],
    };
    let mut searches: Vec<BoxFuture<'_, Result<()>>> = Vec::new();
    if registry.is_none() && !hub.is_empty() {
        searches.push(Box::pin(hub::search(all, hub, &query, &hits)));
    }
    for name in registries {
        searches.push(Box::pin(catalog::search(all, name, &query, &hits)));
    }
    let all = async {
        let results = future::join_all(searches).await;
        results.into_iter().find(Result::is_err).unwrap_or(Ok(()))
    };
    tokio::select! {
        biased;
        // Whoever asked has left.
        () = hits.closed() => Ok(()),
        result = all => result,
    }
}

/// A registry before the first slash, by the rule of references.
fn split(query: &str) -> (Option<String>, &str) {
    match query.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first.to_owned()), rest),
        _ => (None, query),
    }
}

async fn send(hits: &mpsc::Sender<SearchHit>, hit: SearchHit) {
    // A closed channel ends the whole search elsewhere.
    let _ = hits.send(hit).await;
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn query_with_a_registry_is_split() {
        assert_eq!(split("127.0.0.1:5000/jq"), (Some("127.0.0.1:5000".to_owned()), "jq"));
        assert_eq!(split("localhost/"), (Some("localhost".to_owned()), ""));
        assert_eq!(split("library/debian"), (None, "library/debian"));
        assert_eq!(split("debian"), (None, "debian"));
    }

    /// Answers every request by `answer` of its path, each on a connection of its own; lives as long as the test's process.
    fn serve(answer: fn(&str) -> (&'static str, &'static str, String)) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("another descriptor"));
                while reader.read_line(&mut request).is_ok_and(|length| length > 2) {}
                let path = request.split(' ').nth(1).unwrap_or_default();
                let (status, header, body) = answer(path);
                let head = format!("HTTP/1.1 {status}\r\n{header}Connection: close\r\nContent-Length: {}", body.len());
                let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
            }
        });
        address
    }

    async fn found(query: &str, options: &SearchOptions) -> (Result<()>, Vec<SearchHit>) {
        let (sender, mut receiver) = mpsc::channel(1);
        let gather = async {
            let mut hits = Vec::new();
            while let Some(hit) = receiver.recv().await {
                hits.push(hit);
            }
            hits
        };
        let registries = Registries::default();
        tokio::join!(search(&registries, query, options, sender), gather)
    }

    #[tokio::test]
    async fn hub_and_catalogue_are_searched_at_once_and_one_may_fail() {
        let hub = serve(|path| {
            assert_eq!(path, "/v1/search?q=jq&n=25");
            let body = r#"{"results":[{"name":"library/jq","description":null,"star_count":7,"is_official":true},{"name":"a/jq"}]}"#;
            ("200 OK", "", body.to_owned())
        });
        let private = serve(|path| match path {
            "/v2/_catalog?n=100" => (
                "200 OK",
                "Link: </v2/_catalog?last=x>; rel=\"next\"\r\n",
                r#"{"repositories":["tools/jq","x"]}"#.to_owned(),
            ),
            "/v2/_catalog?last=x" => ("200 OK", "", r#"{"repositories":["jq-static","gone/jq"]}"#.to_owned()),
            "/v2/tools/jq/tags/list" => ("200 OK", "", r#"{"tags":["1.7","latest"]}"#.to_owned()),
            "/v2/jq-static/tags/list" => ("200 OK", "", r#"{"tags":null}"#.to_owned()),
            _ => ("404 Not Found", "", String::new()),
        });
        let broken = serve(|_| ("200 OK", "", "<html>".to_owned()));
        let options = SearchOptions {
            registries: vec![private.clone(), broken.clone()],
            limit: None,
            hub: Some(format!("http://{hub}")),
        };
        let (result, hits) = found("jq", &options).await;
        let mut names: Vec<&str> = hits.iter().map(|hit| hit.name.as_str()).collect();
        names.sort_unstable();
        let (latest, tagged) = (format!("{private}/tools/jq:latest"), format!("{private}/tools/jq:1.7"));
        assert_eq!(names, [tagged.as_str(), &latest, "a/jq", "jq"]);
        let official = hits.iter().find(|hit| hit.name == "jq").expect("found");
        assert_eq!((official.stars, official.official), (Some(7), true));
        assert!(result.expect_err("one is broken").to_string().contains(&broken));
    }

    #[tokio::test]
    async fn search_ends_when_nobody_listens() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let options = SearchOptions { hub: Some("http://127.0.0.1:9".to_owned()), ..SearchOptions::default() };
        assert!(search(&Registries::default(), "jq", &options, sender).await.is_ok());
    }
}
