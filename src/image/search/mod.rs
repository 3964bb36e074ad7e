//! `search`: names in Docker Hub and in private registries' catalogues, as they come; and what registries say of an image
//! before anybody pulls it: tags, platforms, sizes.
//!
//! Each registry has its own time limit and its own trouble: none keeps the others' findings back.

mod catalog;
mod details;
mod hub;
mod rank;
mod tags;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use tokio::sync::mpsc;

pub use details::details;
pub use tags::{TagsWish, tag_names, tags};

use super::registry::{Registries, Registry};
use super::{ImageError, Result};
use crate::model::{Reference, SearchEvent, SearchHit, Trouble};
use rank::Ranker;

const LIMIT: usize = 25;
/// The most that is read of one page of an answer.
const PAGE_MAX: u64 = 4 << 20;
/// How long one registry may take for all of its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where to search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchOptions {
    /// `docker.io` for Docker Hub's search; of others the catalogue is searched.
    pub registries: Vec<String>,
    /// Hits of each registry at most; 25 if none.
    pub limit: Option<usize>,
    /// How long one registry may take; 10 seconds if none.
    pub patience: Option<Duration>,
}

/// What is looked for in one registry, and where findings go.
struct Finder<'a> {
    text: &'a str,
    ranker: &'a Ranker,
    limit: usize,
    events: mpsc::Sender<SearchEvent>,
}

impl Finder<'_> {
    async fn send(&self, hit: SearchHit) {
        // A closed channel ends the whole search elsewhere.
        let _ = self.events.send(SearchEvent::Found(hit)).await;
    }
}

/// Asks all registries at once and sends what they find, hostile text included, as it comes; ends early when `events` is closed.
///
/// A question that begins with a registry (`127.0.0.1:5000/jq`) asks that one only; one with a tag or a colon at its end
/// (`jq:1.7`, `jq:`) looks for the tags of that repository. A hit that comes again, by its name, replaces the one before. An
/// error says that there is nothing to ask; a registry's failure is an event.
pub async fn search(
    all: &Registries,
    question: &str,
    options: &SearchOptions,
    events: mpsc::Sender<SearchEvent>,
) -> Result<()> {
    let (registry, text) = split(question.trim());
    if text.is_empty() && registry.is_none() {
        let reason = "there is nothing to search for".to_owned();
        return Err(ImageError::Reference { text: question.to_owned(), reason });
    }
    let registries = asked(registry.map_or_else(|| options.registries.clone(), |registry| vec![registry]));
    let _ = events.send(SearchEvent::Asked(registries.clone())).await;
    let (limit, patience) = (options.limit.unwrap_or(LIMIT).max(1), options.patience.unwrap_or(PATIENCE));
    let (name, tag) = split_tag(text);
    let ranker = Ranker::new(tag.unwrap_or(name));
    let (sender, findings) = mpsc::channel(64);
    let searches: Vec<BoxFuture<'_, ()>> = registries
        .iter()
        .map(|registry| {
            let finder = Finder { text: name, ranker: &ranker, limit, events: sender.clone() };
            let asking = async move {
                let trouble = within(patience, registry, ask(all, registry, &finder, tag)).await.err().map(trouble);
                let _ = finder.events.send(SearchEvent::Ended { registry: registry.clone(), trouble }).await;
            };
            Box::pin(asking) as BoxFuture<'_, ()>
        })
        .collect();
    drop(sender);
    tokio::select! {
        biased;
        // Whoever asked has left.
        () = events.closed() => {}
        _ = future::join(future::join_all(searches), forward(findings, &events)) => {}
    }
    Ok(())
}

async fn ask(all: &Registries, registry: &str, finder: &Finder<'_>, tag: Option<&str>) -> Result<()> {
    match (tag, registry) {
        (Some(tag), _) => tags::search(all, registry, finder, tag).await,
        (None, hub::NAME) => {
            for hit in hub::search(all, finder.ranker, finder.text, finder.limit).await? {
                finder.send(hit).await;
            }
            Ok(())
        }
        (None, _) => catalog::search(all, registry, finder).await,
    }
}

/// Ends what takes too long: what it did until then stays.
async fn within<T>(patience: Duration, registry: &str, asking: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(patience, asking).await.unwrap_or_else(|_| {
        let reason = format!("it does not answer within {} seconds", patience.as_secs_f32());
        Err(ImageError::Connection { registry: registry.to_owned(), reason })
    })
}

/// Passes findings on; what is found twice is told again only where that says more.
async fn forward(mut findings: mpsc::Receiver<SearchEvent>, events: &mpsc::Sender<SearchEvent>) {
    let mut known: HashMap<String, SearchHit> = HashMap::new();
    while let Some(event) = findings.recv().await {
        let SearchEvent::Found(hit) = event else {
            let _ = events.send(event).await;
            continue;
        };
        // `debian` and `docker.io/library/debian` are one image.
        let key = hit.name.parse::<Reference>().map_or_else(|_| hit.name.clone(), |reference| reference.to_string());
        let told = match known.entry(key) {
            Entry::Vacant(place) => place.insert(hit).clone(),
            Entry::Occupied(mut place) => {
                let before = place.get().clone();
                place.get_mut().merge(hit);
                if *place.get() == before {
                    continue;
                }
                place.get().clone()
            }
        };
        let _ = events.send(SearchEvent::Found(told)).await;
    }
}

/// Each registry once, Docker Hub by its usual name.
fn asked(names: Vec<String>) -> Vec<String> {
    let mut asked: Vec<String> = Vec::new();
    for name in names {
        let name = if name == "index.docker.io" { hub::NAME.to_owned() } else { name };
        if !asked.contains(&name) {
            asked.push(name);
        }
    }
    asked
}

/// A registry before the first slash, by the rule of references.
fn split(question: &str) -> (Option<String>, &str) {
    match question.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first.to_owned()), rest),
        _ => (None, question),
    }
}

/// A repository and the beginning of its tag, if there is a colon behind its last slash.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let last = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[last..].find(':') {
        Some(colon) => (&text[..last + colon], Some(&text[last + colon + 1..])),
        None => (text, None),
    }
}

fn trouble(error: ImageError) -> Trouble {
    Trouble { message: error.to_string(), hint: error.hint(), kind: error.kind() }
}

#[cfg(test)]
mod tests;
