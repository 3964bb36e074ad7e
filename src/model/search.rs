//! What a search finds, and what registries say of an image before it is pulled.

use std::cmp::{Ordering, Reverse};

use serde::{Deserialize, Serialize};

use super::{Digest, ErrorKind, ImageConfig, Platform, Timestamp};

/// One finding of a search. Its text is a registry's, and hostile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchHit {
    /// What `pull` takes, such as `debian` or `127.0.0.1:5000/tools/jq`; with a tag where tags were looked for.
    pub name: String,
    /// The registry it was found in.
    pub registry: String,
    pub description: String,
    pub stars: Option<u64>,
    pub pulls: Option<u64>,
    pub official: bool,
    /// Higher is a better match; only good for ordering.
    pub score: i64,
}

impl SearchHit {
    /// The better match first; names decide between equals, so that the order is the same whoever answers first.
    pub fn order(&self, other: &Self) -> Ordering {
        let key = |hit: &Self| (Reverse(hit.score), Reverse(hit.stars));
        let names = || (&self.name, &self.registry).cmp(&(&other.name, &other.registry));
        key(self).cmp(&key(other)).then_with(names)
    }

    /// Takes over what another finding of the same image knows and this one does not.
    pub fn merge(&mut self, other: Self) {
        if self.description.is_empty() {
            self.description = other.description;
        }
        self.stars = self.stars.max(other.stars);
        self.pulls = self.pulls.max(other.pulls);
        self.official |= other.official;
        self.score = self.score.max(other.score);
    }
}

/// Why a registry could not answer, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    pub kind: ErrorKind,
}

/// What a search tells while it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchEvent {
    /// These registries are asked. Comes once, first.
    Asked(Vec<String>),
    Found(SearchHit),
    /// A registry has answered, or failed; what it found before stays good.
    Ended {
        registry: String,
        trouble: Option<Trouble>,
    },
}

/// What a registry says of a repository. Only Docker Hub says any of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryFacts {
    pub description: String,
    pub stars: Option<u64>,
    pub pulls: Option<u64>,
    pub official: bool,
    pub updated: Option<Timestamp>,
}

/// One tag of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagFacts {
    pub name: String,
    /// Of what the tag names: an index, or the manifest of one platform.
    pub digest: Option<Digest>,
    pub updated: Option<Timestamp>,
    /// Empty where the registry does not tell it with the tag.
    pub platforms: Vec<PlatformFacts>,
}

impl TagFacts {
    /// `latest`, then the newest by date, then those without a date by number: `12.10` before `12.9`.
    pub fn order(&self, other: &Self) -> Ordering {
        let latest = |tag: &Self| tag.name != "latest";
        let names = || natural(&other.name, &self.name).then_with(|| self.name.cmp(&other.name));
        latest(self).cmp(&latest(other)).then(other.updated.cmp(&self.updated)).then_with(names)
    }
}

/// One platform's image behind a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformFacts {
    /// None where the registry has one image and its configuration has not been read yet.
    pub platform: Option<Platform>,
    /// Of its manifest.
    pub digest: Option<Digest>,
    /// Bytes that a pull into an empty store fetches.
    pub compressed_bytes: Option<u64>,
    pub layers: Option<usize>,
    pub created: Option<Timestamp>,
    pub config: Option<Box<ImageConfig>>,
}

/// What registries tell of a repository or an image, as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetailEvent {
    Repository(RepositoryFacts),
    /// Some more tags; `total` is how many the repository has, where that is known.
    Tags {
        tags: Vec<TagFacts>,
        total: Option<u64>,
    },
    /// All platforms of the tag, with what is known of them by now. Replaces what came before.
    Platforms(Vec<PlatformFacts>),
}

/// Compares texts with runs of digits as numbers; what is written behind a `-` makes a text less: `12` is more than `12-slim`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (x, y) = match (a.first(), b.first()) {
            (Some(x), Some(y)) => (x, y),
            (None, None) => return Ordering::Equal,
            (None, Some(b'-')) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (Some(b'-'), None) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
        };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (number, rest) = digits(a);
            let (other, others_rest) = digits(b);
            match number.len().cmp(&other.len()).then_with(|| number.cmp(other)) {
                Ordering::Equal => (a, b) = (rest, others_rest),
                unequal => return unequal,
            }
        } else if x == y {
            (a, b) = (&a[1..], &b[1..]);
        } else {
            return x.cmp(y);
        }
    }
}

/// A run of digits without the zeros before it, and what is behind.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let zeros = text[..end].iter().position(|byte| *byte != b'0').unwrap_or(end);
    (&text[zeros..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_without_dates_are_ordered_by_their_numbers_with_latest_first() {
        let mut tags: Vec<TagFacts> = ["1.9", "1.10", "edge", "latest", "1.10-slim", "2", "1.10.1", "007", "7"]
            .map(|name| TagFacts { name: name.to_owned(), ..TagFacts::default() })
            .to_vec();
        tags.sort_by(TagFacts::order);
        let names: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["latest", "edge", "007", "7", "2", "1.10.1", "1.10", "1.10-slim", "1.9"]);
    }

    #[test]
    fn tags_with_dates_are_ordered_newest_first() {
        let at = |second| Some(Timestamp(jiff::Timestamp::from_second(second).expect("in range")));
        let tag = |name: &str, second| TagFacts { name: name.to_owned(), updated: at(second), ..TagFacts::default() };
        let mut tags = [tag("9", 1), tag("1", 5), tag("latest", 0), tag("5", 3)];
        tags.sort_by(TagFacts::order);
        let names: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, ["latest", "1", "5", "9"]);
    }

    #[test]
    fn merged_finding_keeps_the_most_that_is_known() {
        let mut hit = SearchHit { name: "a".to_owned(), stars: Some(3), score: 7, ..SearchHit::default() };
        hit.merge(SearchHit { description: "d".to_owned(), official: true, stars: None, ..SearchHit::default() });
        assert!(hit.official && hit.stars == Some(3) && hit.description == "d" && hit.score == 7);
    }
}
