//! A private registry's repositories: `GET /v2/_catalog`, page by page. A registry that has none may have the old search, and
//! can always be asked for the very name.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use reqwest::Url;
use serde::Deserialize;

use super::rank::is_repository;
use super::{Finder, PAGE_MAX, Registries, Registry};
use crate::image::{ImageError, Result};
use crate::model::SearchHit;

/// Names asked for at once; the most that the reference implementation gives.
const PAGE: usize = 1000;
/// Pages that are read of one registry.
const PAGES_MAX: usize = 100;

#[derive(Deserialize)]
struct Repositories {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct OldAnswer {
    results: Vec<OldFound>,
}

#[derive(Deserialize)]
struct OldFound {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    star_count: Option<u64>,
    #[serde(default)]
    is_official: bool,
}

/// Sends matches as pages come: each that is among the best so far, so that the best of all are among them.
pub(super) async fn search(all: &Registries, name: &str, finder: &Finder<'_>) -> Result<()> {
    let registry = all.open(name)?;
    let error = match pages(&registry, finder).await {
        Ok(Reading::Whole) => return Ok(()),
        Ok(Reading::Cut) => return exact(&registry, finder).await.map(|_| ()).or(Ok(())),
        Err(error) => error,
    };
    if !has_no_catalogue(&error) {
        return Err(error);
    }
    if old_search(&registry, finder).await.is_ok() || matches!(exact(&registry, finder).await, Ok(true)) {
        return Ok(());
    }
    Err(match error {
        ImageError::Unauthorized { .. } => error,
        _ => ImageError::NoCatalogue { registry: name.to_owned() },
    })
}

/// Whether a catalogue was read to its end.
enum Reading {
    Whole,
    Cut,
}

fn has_no_catalogue(error: &ImageError) -> bool {
    match error {
        ImageError::NotInRegistry { .. } | ImageError::Unauthorized { .. } => true,
        ImageError::Status { status, .. } => matches!(status, 400 | 405 | 410 | 415 | 501),
        _ => false,
    }
}

async fn pages(registry: &Registry, finder: &Finder<'_>) -> Result<Reading> {
    let mut best = Best::new(finder.limit);
    let mut path = format!("/v2/_catalog?n={PAGE}");
    let mut last = String::new();
    for number in 0..PAGES_MAX {
        let page = match registry.document(&path, "application/json", "catalogue", PAGE_MAX).await {
            // A smaller page is wanted than the one asked for.
            Err(ImageError::Status { status: 400, .. }) if number == 0 => {
                registry.document("/v2/_catalog", "application/json", "catalogue", PAGE_MAX).await?
            }
            other => other?,
        };
        let answer: Repositories = serde_json::from_slice(&page.bytes)
            .map_err(|error| ImageError::garbage(registry.name(), "catalogue", error))?;
        let names = answer.repositories.unwrap_or_default();
        let full = names.len() >= PAGE;
        let newest = names.last().cloned().unwrap_or_default();
        for name in names.iter().filter(|name| is_repository(name)) {
            if let Some(score) = finder.ranker.name(name)
                && best.takes(score)
            {
                finder.send(repository(registry, name, score)).await;
            }
        }
        // Some registries cut without a link to what follows; asking behind the last name helps where that is understood.
        path = match page.next {
            Some(next) if next != path => next,
            None if full && newest > last && is_repository(&newest) => {
                format!("/v2/_catalog?n={PAGE}&last={}", escaped(&newest))
            }
            _ => return Ok(Reading::Whole),
        };
        last = newest;
    }
    Ok(Reading::Cut)
}

fn escaped(text: &str) -> String {
    let mut url = Url::parse("http://x/").expect("a constant address");
    url.query_pairs_mut().append_key_only(text);
    url.query().unwrap_or_default().to_owned()
}

fn repository(registry: &Registry, name: &str, score: i64) -> SearchHit {
    let name = format!("{}/{name}", registry.name());
    SearchHit { name, registry: registry.name().to_owned(), score, ..SearchHit::default() }
}

/// The search of the first registries, which quay.io and Red Hat's still have.
async fn old_search(registry: &Registry, finder: &Finder<'_>) -> Result<()> {
    let path = format!("/v1/search?q={}&n={}", escaped(finder.text), finder.limit.min(100));
    let page = registry.document(&path, "application/json", "search results", PAGE_MAX).await?;
    let answer: OldAnswer = serde_json::from_slice(&page.bytes)
        .map_err(|error| ImageError::garbage(registry.name(), "search results", error))?;
    for found in answer.results.into_iter().take(finder.limit) {
        if is_repository(&found.name) {
            let stars = found.star_count.unwrap_or(0);
            let score = finder.ranker.repository(&found.name, found.is_official, stars);
            let description = found.description.unwrap_or_default();
            let hit = repository(registry, &found.name, score);
            finder.send(SearchHit { description, stars: found.star_count, official: found.is_official, ..hit }).await;
        }
    }
    Ok(())
}

/// Looks for a repository that is called just so; whether there is one.
async fn exact(registry: &Registry, finder: &Finder<'_>) -> Result<bool> {
    if !is_repository(finder.text) {
        return Ok(false);
    }
    let path = format!("/v2/{}/tags/list?n=1", finder.text);
    registry.document(&path, "application/json", finder.text, PAGE_MAX).await?;
    let score = finder.ranker.name(finder.text).unwrap_or(0);
    finder.send(repository(registry, finder.text, score)).await;
    Ok(true)
}

/// The best scores so far, a bounded number of them.
struct Best {
    scores: BinaryHeap<Reverse<i64>>,
    limit: usize,
}

impl Best {
    fn new(limit: usize) -> Self {
        Self { scores: BinaryHeap::new(), limit: limit.max(1) }
    }

    /// Whether a score is among the best by now.
    fn takes(&mut self, score: i64) -> bool {
        if self.scores.len() >= self.limit {
            if self.scores.peek().is_some_and(|Reverse(least)| *least >= score) {
                return false;
            }
            self.scores.pop();
        }
        self.scores.push(Reverse(score));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_among_the_best_so_far_is_sent() {
        let mut best = Best::new(2);
        let taken: Vec<bool> = [5, 1, 3, 2, 9, 3].iter().map(|score| best.takes(*score)).collect();
        assert_eq!(taken, [true, true, true, false, true, false]);
    }

    #[test]
    fn names_go_into_addresses_escaped() {
        assert_eq!(escaped("a/b c&d"), "a%2Fb+c%26d");
    }
}
