//! A repository's tags: from Docker Hub's pages with dates and sizes, from other registries by `tags/list`.

use std::time::Duration;

use futures_util::future;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::rank::is_tag;
use super::{Finder, PAGE_MAX, PATIENCE, Registries, Registry, hub, within};
use crate::image::{ImageError, Result};
use crate::model::{DetailEvent, Reference, SearchHit, TagFacts};

/// Names asked for at once.
const PAGE: usize = 1000;
/// Tags that are read of one repository, at most.
const TAGS_MAX: usize = 20_000;

/// Which tags are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagsWish {
    /// Only tags that have this in them; all if empty.
    pub narrowed: String,
    /// Enough are told when there are so many; 20,000 if none.
    pub limit: Option<usize>,
    /// How long the registry may take; 10 seconds if none.
    pub patience: Option<Duration>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// Tells what a repository is and its tags, a page at a time, in the registry's order; ends early when `events` is closed.
pub async fn tags(
    all: &Registries,
    repository: &Reference,
    wish: &TagsWish,
    events: mpsc::Sender<DetailEvent>,
) -> Result<()> {
    let patience = wish.patience.unwrap_or(PATIENCE);
    let asking = async {
        if repository.registry() != hub::NAME {
            return listed(&all.open(repository.registry())?, repository.repository(), wish, &events).await;
        }
        let (_, tags) = future::join(facts(all, repository, &events), hub_tags(all, repository, wish, &events)).await;
        match tags {
            // Its web pages may be out of reach where the registry itself, or a mirror, is not.
            Err(error) => {
                let registry = all.open(hub::NAME)?;
                listed(&registry, repository.repository(), wish, &events).await.map_err(|_| error)
            }
            Ok(()) => Ok(()),
        }
    };
    tokio::select! {
        biased;
        () = events.closed() => Ok(()),
        result = within(patience, repository.registry(), asking) => result,
    }
}

async fn facts(all: &Registries, repository: &Reference, events: &mpsc::Sender<DetailEvent>) {
    // Without them tags are still worth showing.
    if let Ok(facts) = hub::repository(all, repository.repository()).await {
        let _ = events.send(DetailEvent::Repository(facts)).await;
    }
}

async fn hub_tags(
    all: &Registries,
    repository: &Reference,
    wish: &TagsWish,
    events: &mpsc::Sender<DetailEvent>,
) -> Result<()> {
    let limit = wish.limit.unwrap_or(TAGS_MAX);
    let mut told = 0;
    for page in 1.. {
        let answer = hub::tags(all, repository.repository(), &wish.narrowed, page).await?;
        let count = answer.tags.len();
        told += count;
        let _ = events.send(DetailEvent::Tags { tags: answer.tags, total: answer.total }).await;
        if !answer.more || count == 0 || told >= limit {
            break;
        }
    }
    Ok(())
}

async fn listed(
    registry: &Registry,
    repository: &str,
    wish: &TagsWish,
    events: &mpsc::Sender<DetailEvent>,
) -> Result<()> {
    let mut pages = Pages::new(registry, repository);
    let (limit, narrowed) = (wish.limit.unwrap_or(TAGS_MAX).min(TAGS_MAX), wish.narrowed.to_lowercase());
    let mut told = 0;
    while let Some(names) = pages.next().await? {
        let wanted = names.into_iter().filter(|name| name.to_lowercase().contains(&narrowed));
        let tags: Vec<TagFacts> = wanted.map(|name| TagFacts { name, ..TagFacts::default() }).collect();
        told += tags.len();
        let _ = events.send(DetailEvent::Tags { tags, total: None }).await;
        if told >= limit {
            return Ok(());
        }
    }
    let _ = events.send(DetailEvent::Tags { tags: Vec::new(), total: Some(told as u64) }).await;
    Ok(())
}

/// All tags of a repository, as its registry lists them.
pub async fn tag_names(all: &Registries, repository: &Reference) -> Result<Vec<String>> {
    let registry = all.open(repository.registry())?;
    let mut pages = Pages::new(&registry, repository.repository());
    let mut names = Vec::new();
    while let Some(page) = pages.next().await? {
        names.extend(page);
    }
    Ok(names)
}

/// The pages of a registry's `tags/list`.
struct Pages<'a> {
    registry: &'a Registry,
    repository: &'a str,
    next: Option<String>,
    last: String,
    read: usize,
}

impl<'a> Pages<'a> {
    fn new(registry: &'a Registry, repository: &'a str) -> Self {
        let next = Some(format!("/v2/{repository}/tags/list?n={PAGE}"));
        Self { registry, repository, next, last: String::new(), read: 0 }
    }

    /// The next page's tags without what cannot be one; none behind the last page.
    async fn next(&mut self) -> Result<Option<Vec<String>>> {
        let Some(path) = self.next.take() else { return Ok(None) };
        let page = self.registry.document(&path, "application/json", self.repository, PAGE_MAX).await?;
        let listed: Listed = serde_json::from_slice(&page.bytes)
            .map_err(|error| ImageError::garbage(self.registry.name(), "tags", error))?;
        let tags = listed.tags.unwrap_or_default();
        self.read += tags.len();
        let newest = tags.last().cloned().unwrap_or_default();
        if self.read < TAGS_MAX && !tags.is_empty() {
            self.next = match page.next {
                Some(next) => (next != path).then_some(next),
                // Cut without a link to what follows.
                None if tags.len() == PAGE && newest > self.last && is_tag(&newest) => {
                    Some(format!("/v2/{}/tags/list?n={PAGE}&last={newest}", self.repository))
                }
                None => None,
            };
        }
        self.last = newest;
        Ok(Some(tags.into_iter().filter(|tag| is_tag(tag)).collect()))
    }
}

/// The tags of the repository that is looked for, each a hit.
pub(super) async fn search(all: &Registries, registry: &str, finder: &Finder<'_>, wanted: &str) -> Result<()> {
    let text = format!("{registry}/{}", finder.text);
    let repository = text
        .parse::<Reference>()
        .map_err(|error| ImageError::Reference { text: finder.text.to_owned(), reason: error.to_string() })?;
    let (events, mut tags) = mpsc::channel(4);
    let wish = TagsWish {
        // Docker Hub finds a part of a name itself; elsewhere loose letters are matched here.
        narrowed: if registry == hub::NAME { wanted.to_owned() } else { String::new() },
        limit: (registry == hub::NAME).then_some(finder.limit),
        patience: Some(Duration::from_secs(3600)),
    };
    let familiar = repository.familiar_repository();
    let take = async {
        let (mut description, mut found) = (String::new(), Vec::new());
        while let Some(event) = tags.recv().await {
            match event {
                DetailEvent::Repository(facts) => description = facts.description,
                DetailEvent::Tags { tags, .. } => found.extend(tags),
                DetailEvent::Platforms(_) => {}
            }
        }
        found.sort_by(TagFacts::order);
        let mut ranked: Vec<(i64, TagFacts)> =
            found.into_iter().filter_map(|tag| Some((finder.ranker.name(&tag.name)?, tag))).collect();
        if !wanted.is_empty() {
            ranked.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        }
        let all = i64::try_from(ranked.len()).unwrap_or(i64::MAX);
        for (place, (_, tag)) in (0..).zip(ranked.into_iter().take(finder.limit)) {
            let hit = SearchHit {
                name: format!("{familiar}:{}", tag.name),
                registry: registry.to_owned(),
                description: description.clone(),
                // Their order is what counts, so that is their score.
                score: all - place,
                ..SearchHit::default()
            };
            finder.send(hit).await;
        }
    };
    future::join(self::tags(all, &repository, &wish, events), take).await.0
}
