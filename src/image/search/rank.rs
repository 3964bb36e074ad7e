//! How well a name answers what was asked: exact names before beginnings, middles and loose letters; official and starred
//! repositories higher.

use fuzzy_matcher::FuzzyMatcher;
use fuzzy_matcher::skim::SkimMatcherV2;

use crate::model::Reference;

/// Longer questions than this are cut: matching takes time and memory in their length.
const QUESTION_MAX: usize = 128;

const WHOLE: i64 = 1000;
const LAST_PART: i64 = 500;
const BEGINNING: i64 = 400;
const MIDDLE: i64 = 300;
const LETTERS: i64 = 100;
const OFFICIAL: i64 = 250;
/// What each doubling of the stars is worth.
const STAR_DOUBLING: i64 = 25;

/// What is looked for, ready to be compared with names.
pub(super) struct Ranker {
    words: Vec<String>,
    matcher: SkimMatcherV2,
}

impl Ranker {
    pub(super) fn new(text: &str) -> Self {
        let text: String = text.chars().take(QUESTION_MAX).collect();
        let words = text.split_whitespace().map(str::to_lowercase).collect();
        Self { words, matcher: SkimMatcherV2::default().ignore_case() }
    }

    /// How well a name without its registry matches; none if some word is not in it, not even letter by letter.
    pub(super) fn name(&self, name: &str) -> Option<i64> {
        let mut least = if self.words.is_empty() { 0 } else { WHOLE };
        for word in &self.words {
            least = least.min(self.word(name, word)?);
        }
        // Of names that match alike the shorter says more.
        Some(least * 10 - i64::try_from(name.len()).unwrap_or(0).min(255) / 8)
    }

    fn word(&self, name: &str, word: &str) -> Option<i64> {
        let lower = name.to_lowercase();
        let last = lower.rsplit('/').next().unwrap_or(&lower);
        Some(match () {
            () if lower == word => WHOLE,
            () if last == word => LAST_PART,
            () if lower.starts_with(word) || last.starts_with(word) => BEGINNING,
            () if lower.contains(word) => MIDDLE,
            () => {
                let score = self.matcher.fuzzy_match(name, word)?;
                LETTERS + score.clamp(0, 99)
            }
        })
    }

    /// As [`Ranker::name`], for what Docker Hub found: that may match by its description alone.
    pub(super) fn repository(&self, name: &str, official: bool, stars: u64) -> i64 {
        let doublings = i64::from((stars + 1).ilog2());
        let merit = if official { OFFICIAL } else { 0 } + doublings * STAR_DOUBLING;
        self.name(name).unwrap_or(0) + merit * 10
    }
}

/// Whether a registry's text can name a repository of its own: else it could not be pulled, and must not go into a path.
pub(super) fn is_repository(name: &str) -> bool {
    name.len() <= 255 && format!("localhost/{name}").parse::<Reference>().is_ok_and(|it| it.repository() == name)
}

/// Whether a registry's text can be a tag.
pub(super) fn is_tag(tag: &str) -> bool {
    format!("x:{tag}").parse::<Reference>().is_ok_and(|it| it.tag() == Some(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names by how well they answer.
    fn ranked<'a>(question: &str, names: &[&'a str]) -> Vec<&'a str> {
        let ranker = Ranker::new(question);
        let mut found: Vec<_> = names.iter().filter_map(|name| Some((ranker.name(name)?, *name))).collect();
        found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        found.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn exact_names_come_first_then_beginnings_middles_and_letters() {
        let names = ["my-debian-slim", "d/e-b-i-a-n", "team/debian", "debian-slim", "alpine", "debian"];
        let expected = ["debian", "team/debian", "debian-slim", "my-debian-slim", "d/e-b-i-a-n"];
        assert_eq!(ranked("Debian", &names), expected);
        assert_eq!(ranked("slim deb", &names), ["debian-slim", "my-debian-slim"]);
        assert_eq!(ranked("", &["bb", "a"]).len(), 2);
    }

    #[test]
    fn official_and_starred_repositories_are_higher() {
        let ranker = Ranker::new("postgre");
        let official = ranker.repository("postgres", true, 12_000);
        assert!(official > ranker.repository("foo/postgre", false, 0));
        assert!(ranker.repository("a/postgre", false, 90) > ranker.repository("b/postgre", false, 9));
        let exact = Ranker::new("debian");
        assert!(exact.repository("debian", true, 5000) > exact.repository("corp/debian", false, 500));
        assert!(exact.repository("x/unrelated", false, 3) > 0, "found by its description");
    }

    #[test]
    fn hostile_names_are_no_repositories() {
        for name in ["../../etc", "a b", "De\u{1b}bian", "", "a:1", "a@b", &"x".repeat(300), "A"] {
            assert!(!is_repository(name), "{name}");
        }
        assert!(is_repository("tools/jq") && is_repository("library/debian"));
        assert!(is_tag("1.2-slim_x") && !is_tag("\u{1b}[2J") && !is_tag("a/b") && !is_tag("") && !is_tag("x@y"));
    }

    #[test]
    fn very_long_question_is_cut() {
        assert!(Ranker::new(&"x".repeat(1 << 20)).name(&"x".repeat(200)).is_some());
    }
}
