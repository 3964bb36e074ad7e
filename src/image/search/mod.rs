//! `search`: names in Docker Hub and in private registries' catalogues, as they come.

mod catalog;
mod hub;

use futures_util::future::{self, BoxFuture};
use tokio::sync::mpsc;

use super::registry::Registry;
use super::{ImageError, Result};
use crate::model::{Reference, SearchHit};

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
pub async fn search(query: &str, options: &SearchOptions, hits: mpsc::Sender<SearchHit>) -> Result<()> {
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
        searches.push(Box::pin(hub::search(hub, &query, &hits)));
    }
    for name in registries {
        searches.push(Box::pin(catalog::search(name, &query, &hits)));
    }
    let all = async {
        let results = future::join_all(searches).await;
        results.into_iter().find(Result::is_err).unwrap_or(Ok(()))
    };
    tokio::select! {
        result = all => result,
        // Whoever asked has left.
        () = hits.closed() => Ok(()),
    }
}

/// A registry before the first slash, by the rule of references.
fn split(query: &str) -> (Option<String>, &str) {
    match query.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first.to_owned()), rest),
        _ => (None, query),
    }
}

/// Whether plain http may be spoken to it.
fn is_loopback(registry: &str) -> Result<bool> {
    let reference = format!("{registry}/x").parse::<Reference>();
    let reference =
        reference.map_err(|error| ImageError::Reference { text: registry.to_owned(), reason: error.to_string() })?;
    Ok(reference.is_loopback_registry())
}

async fn send(hits: &mpsc::Sender<SearchHit>, hit: SearchHit) {
    // A closed channel ends the whole search elsewhere.
    let _ = hits.send(hit).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_with_a_registry_is_split() {
        assert_eq!(split("127.0.0.1:5000/jq"), (Some("127.0.0.1:5000".to_owned()), "jq"));
        assert_eq!(split("localhost/"), (Some("localhost".to_owned()), ""));
        assert_eq!(split("library/debian"), (None, "library/debian"));
        assert_eq!(split("debian"), (None, "debian"));
    }
}
