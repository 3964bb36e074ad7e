//! Docker Hub's search: `GET /v1/search?q=…&n=…`.

use reqwest::Url;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{PAGE_MAX, Query, Registries, send};
use crate::image::{ImageError, Result};
use crate::model::SearchHit;

const NAME: &str = "docker.io";

#[derive(Deserialize)]
struct Answer {
    results: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    star_count: u64,
    #[serde(default)]
    is_official: bool,
}

pub(super) async fn search(
    registries: &Registries,
    base: &str,
    query: &Query,
    hits: &mpsc::Sender<SearchHit>,
) -> Result<()> {
    let registry = registries.at(NAME, base)?;
    let mut url = Url::parse("http://path/v1/search").expect("a constant address");
    url.query_pairs_mut().append_pair("q", &query.text).append_pair("n", &query.limit.min(100).to_string());
    let path = format!("/v1/search?{}", url.query().unwrap_or_default());
    let page = registry.document(&path, "application/json", "search results", PAGE_MAX).await?;
    let answer: Answer =
        serde_json::from_slice(&page.bytes).map_err(|error| ImageError::garbage(NAME, "search results", error))?;
    for (place, found) in answer.results.into_iter().take(query.limit).enumerate() {
        let hit = SearchHit {
            name: found.name.strip_prefix("library/").unwrap_or(&found.name).to_owned(),
            registry: NAME.to_owned(),
            description: found.description.unwrap_or_default(),
            stars: Some(found.star_count),
            official: found.is_official,
            // Its own order is kept; a fuzzy score of the name would put it aside.
            score: 1_000_000 - i64::try_from(place).unwrap_or(0),
        };
        send(hits, hit).await;
    }
    Ok(())
}
