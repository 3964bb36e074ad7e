//! A private registry's repositories and tags: `GET /v2/_catalog`, page by page, matched fuzzily here.

use futures_util::{StreamExt, stream};
use fuzzy_matcher::FuzzyMatcher;
use fuzzy_matcher::skim::SkimMatcherV2;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{PAGE_MAX, Query, Registries, Registry, send};
use crate::image::{ImageError, Result};
use crate::model::{Reference, SearchHit};

/// Pages of 100 names that are read of one registry.
const PAGES_MAX: usize = 200;
/// Tags shown of one repository.
const TAGS_MAX: usize = 10;
/// Repositories asked for their tags at once.
const TAGS_AT_ONCE: usize = 4;

#[derive(Deserialize)]
struct Repositories {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// Sends the best matches of each page as it comes, each tag a hit, until the limit is reached.
pub(super) async fn search(
    registries: &Registries,
    name: &str,
    query: &Query,
    hits: &mpsc::Sender<SearchHit>,
) -> Result<()> {
    let registry = registries.open(name)?;
    // A tag behind the name narrows the tags.
    let (wanted, wanted_tag) = query.text.rsplit_once(':').unwrap_or((&query.text, ""));
    let mut left = query.limit;
    let mut next = Some("/v2/_catalog?n=100".to_owned());
    for _ in 0..PAGES_MAX {
        let Some(path) = next.take() else { break };
        let page = registry.document(&path, "application/json", "catalogue", PAGE_MAX).await?;
        let names: Repositories =
            serde_json::from_slice(&page.bytes).map_err(|error| ImageError::garbage(name, "catalogue", error))?;
        next = page.next.filter(|next| *next != path);
        let found = matches(names.repositories.unwrap_or_default(), wanted);
        let asked: Vec<_> = found.iter().take(left).map(|(_, name)| tags(&registry, name, wanted_tag)).collect();
        let mut answers = stream::iter(asked).buffered(TAGS_AT_ONCE).zip(stream::iter(&found));
        while let Some((answer, (score, repository))) = answers.next().await {
            for tag in answer? {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                let hit = SearchHit {
                    name: format!("{name}/{repository}:{tag}"),
                    registry: name.to_owned(),
                    description: String::new(),
                    stars: None,
                    official: false,
                    score: *score,
                };
                send(hits, hit).await;
            }
        }
    }
    Ok(())
}

/// The names that match, the best first; all of them for an empty query. What is no repository's name is left out: it could
/// not be pulled, and would go into a path.
fn matches(names: Vec<String>, wanted: &str) -> Vec<(i64, String)> {
    let matcher = SkimMatcherV2::default();
    let score = |name: String| {
        let valid = format!("localhost/{name}").parse::<Reference>().is_ok_and(|it| it.repository() == name);
        let score = matcher.fuzzy_match(&name, wanted).filter(|_| valid)?;
        Some((score, name))
    };
    let mut found: Vec<(i64, String)> = names.into_iter().filter_map(score).collect();
    found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    found
}

/// A repository's tags, those that match first, `latest` before others; a repository without any has none to pull.
async fn tags(registry: &Registry, repository: &str, wanted: &str) -> Result<Vec<String>> {
    let path = format!("/v2/{repository}/tags/list");
    let document = match registry.document(&path, "application/json", repository, PAGE_MAX).await {
        Ok(document) => document,
        // Deleted repositories stay in the catalogue.
        Err(ImageError::NotInRegistry { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let tags: Tags =
        serde_json::from_slice(&document.bytes).map_err(|error| ImageError::garbage(registry.name(), "tags", error))?;
    Ok(ranked(tags.tags.unwrap_or_default(), wanted))
}

fn ranked(mut tags: Vec<String>, wanted: &str) -> Vec<String> {
    let matcher = SkimMatcherV2::default();
    tags.retain(|tag| format!("x:{tag}").parse::<Reference>().is_ok() && matcher.fuzzy_match(tag, wanted).is_some());
    tags.sort_by_cached_key(|tag| {
        (std::cmp::Reverse(matcher.fuzzy_match(tag, wanted)), tag != "latest", std::cmp::Reverse(tag.clone()))
    });
    tags.truncate(TAGS_MAX);
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn matches_are_fuzzy_ranked_and_free_of_hostile_names() {
        let names = owned(&["tools/jq", "debian", "my-debian-slim", "../../etc", "a b", "De\u{1b}bian", "alpine"]);
        let found: Vec<String> = matches(names.clone(), "debian").into_iter().map(|(_, name)| name).collect();
        assert_eq!(found, ["debian", "my-debian-slim"]);
        assert_eq!(matches(names.clone(), "").len(), 4);
        assert_eq!(matches(names, "dbslim")[0].1, "my-debian-slim");
    }

    #[test]
    fn tags_are_ranked_with_latest_first_and_cut() {
        assert_eq!(ranked(owned(&["1.6", "latest", "1.7", "\u{1b}[2J"]), ""), ["latest", "1.7", "1.6"]);
        assert_eq!(ranked(owned(&["1.6", "latest", "1.7"]), "1.6"), ["1.6"]);
        assert_eq!(ranked((0..50).map(|n| n.to_string()).collect(), "").len(), TAGS_MAX);
    }
}
