//! Docker Hub, which has no catalogue but a search of its own: `/v1/search`, as Docker asks it, and the addresses that its web
//! pages are made of (`/v2/repositories/…`), which tell dates, sizes and platforms without counting as pulls.

use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::rank::{Ranker, is_repository, is_tag};
use super::{PAGE_MAX, Registries, Registry};
use crate::image::{ImageError, Result};
use crate::model::{Platform, PlatformFacts, RepositoryFacts, SearchHit, TagFacts, Timestamp};

pub(super) const NAME: &str = "docker.io";
const SEARCH: &str = "https://index.docker.io";
const PAGES: &str = "https://hub.docker.com";
/// Both addresses give no more on one page.
const PAGE: usize = 100;
/// Platforms of one tag that are believed.
const PLATFORMS_MAX: usize = 64;

#[derive(Deserialize)]
struct Answer<T> {
    #[serde(default = "Vec::new")]
    results: Vec<T>,
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    next: Option<String>,
}

/// A finding, in the words of both searches.
#[derive(Deserialize)]
struct Found {
    #[serde(alias = "repo_name")]
    name: String,
    #[serde(default, alias = "short_description")]
    description: Option<String>,
    #[serde(default)]
    star_count: Option<u64>,
    #[serde(default)]
    pull_count: Option<u64>,
    #[serde(default)]
    is_official: bool,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    star_count: Option<u64>,
    #[serde(default)]
    pull_count: Option<u64>,
    #[serde(default)]
    last_updated: Option<String>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    last_updated: Option<String>,
    #[serde(default)]
    images: Option<Vec<Image>>,
}

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    last_pushed: Option<String>,
}

/// Some tags, and what else there would be.
pub(super) struct Tags {
    pub(super) tags: Vec<TagFacts>,
    pub(super) total: Option<u64>,
    pub(super) more: bool,
}

/// The repositories that Docker Hub finds, the best first.
pub(super) async fn search(all: &Registries, ranker: &Ranker, text: &str, limit: usize) -> Result<Vec<SearchHit>> {
    let limit = limit.min(PAGE).to_string();
    let first = ask::<Answer<Found>>(all, SEARCH, "/v1/search", &[("q", text), ("n", &limit)], "search results").await;
    let answer = match first {
        // The way of its web pages, should the old one be given up.
        Err(ImageError::NotInRegistry { .. } | ImageError::Status { .. } | ImageError::Garbage { .. }) => {
            let query = [("query", text), ("page_size", &limit)];
            ask(all, PAGES, "/v2/search/repositories/", &query, "search results").await?
        }
        other => other?,
    };
    Ok(answer.results.into_iter().take(PAGE).filter_map(|found| hit(ranker, found)).collect())
}

fn hit(ranker: &Ranker, found: Found) -> Option<SearchHit> {
    let name = found.name.strip_prefix("library/").unwrap_or(&found.name).to_owned();
    let stars = found.star_count.unwrap_or(0);
    is_repository(&name).then(|| SearchHit {
        score: ranker.repository(&name, found.is_official, stars),
        name,
        registry: NAME.to_owned(),
        description: found.description.unwrap_or_default(),
        stars: Some(stars),
        pulls: found.pull_count,
        official: found.is_official,
    })
}

/// What Docker Hub's page of a repository says.
pub(super) async fn repository(all: &Registries, repository: &str) -> Result<RepositoryFacts> {
    let page: Page = ask(all, PAGES, &format!("/v2/repositories/{repository}/"), &[], repository).await?;
    Ok(RepositoryFacts {
        description: page.description.unwrap_or_default(),
        stars: page.star_count,
        pulls: page.pull_count,
        // The namespace of Docker's own is the mark.
        official: repository.starts_with("library/"),
        updated: time(page.last_updated),
    })
}

/// A page of tags (the first is 1), the newest first; only those that have `narrowed` in them.
pub(super) async fn tags(all: &Registries, repository: &str, narrowed: &str, page: usize) -> Result<Tags> {
    let (size, number) = (PAGE.to_string(), page.to_string());
    let mut query = vec![("page_size", size.as_str()), ("page", &number), ("ordering", "last_updated")];
    if !narrowed.is_empty() {
        query.push(("name", narrowed));
    }
    let answer: Answer<Tag> =
        ask(all, PAGES, &format!("/v2/repositories/{repository}/tags/"), &query, repository).await?;
    let tags = answer.results.into_iter().take(PAGE).filter_map(tag_facts).collect();
    Ok(Tags { tags, total: answer.count, more: answer.next.is_some() })
}

/// One tag.
pub(super) async fn tag(all: &Registries, repository: &str, tag: &str) -> Result<TagFacts> {
    let what = format!("{repository}:{tag}");
    let answer: Tag = ask(all, PAGES, &format!("/v2/repositories/{repository}/tags/{tag}/"), &[], &what).await?;
    tag_facts(answer).ok_or_else(|| ImageError::garbage(NAME, &what, "its name is none"))
}

fn tag_facts(tag: Tag) -> Option<TagFacts> {
    let mut platforms: Vec<PlatformFacts> =
        tag.images.into_iter().flatten().take(PLATFORMS_MAX).filter_map(platform).collect();
    platforms.sort_by_cached_key(|it| it.platform.as_ref().map(Platform::to_string));
    is_tag(&tag.name).then(|| TagFacts {
        name: tag.name,
        digest: tag.digest.and_then(|digest| digest.parse().ok()),
        updated: time(tag.last_updated),
        platforms,
    })
}

/// Attestations are `unknown/unknown`, and no image.
fn platform(image: Image) -> Option<PlatformFacts> {
    let known = |text: Option<String>| text.filter(|text| !text.is_empty() && text != "unknown");
    Some(PlatformFacts {
        platform: Some(Platform {
            os: known(image.os)?,
            architecture: known(image.architecture)?,
            variant: known(image.variant),
        }),
        digest: image.digest.and_then(|digest| digest.parse().ok()),
        compressed_bytes: image.size,
        layers: None,
        created: time(image.last_pushed),
        config: None,
    })
}

fn time(text: Option<String>) -> Option<Timestamp> {
    Some(Timestamp(text?.parse().ok()?))
}

async fn ask<T: DeserializeOwned>(
    all: &Registries,
    base: &str,
    path: &str,
    query: &[(&str, &str)],
    what: &str,
) -> Result<T> {
    let registry: Registry = all.at(NAME, all.hub().unwrap_or(base))?;
    let mut url = Url::parse("http://path/").expect("a constant address");
    url.query_pairs_mut().extend_pairs(query);
    let target = match url.query().filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let document = registry.document(&target, "application/json", what, PAGE_MAX).await?;
    serde_json::from_slice(&document.bytes).map_err(|error| ImageError::garbage(NAME, what, error))
}
