//! Loose matching of what lists show, and where the match is, so that it can be shown.

use fuzzy_matcher::skim::SkimMatcherV2;

/// What a list is narrowed to. Empty matches everything. Words divided by blanks must all match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub text: String,
}

/// A row that matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// Higher is better.
    pub score: i64,
    /// Character positions in the text, ascending.
    pub positions: Vec<usize>,
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// How `text` matches, if it does. Upper case in the filter must match exactly.
    pub fn matches(&self, matcher: &SkimMatcherV2, text: &str) -> Option<Matched> {
        let mut all = Matched::default();
        for word in self.text.split_whitespace() {
            let (score, positions) = matcher.fuzzy(text, word, true)?;
            all.score += score;
            all.positions.extend(positions);
        }
        all.positions.sort_unstable();
        all.positions.dedup();
        Some(all)
    }
}

/// The matcher all lists share: case counts only where the filter has capitals.
pub fn matcher() -> SkimMatcherV2 {
    // Not `use_cache(false)`: fuzzy-matcher 0.3.7 then empties a matrix that it still borrows, and panics.
    SkimMatcherV2::default().smart_case()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(filter: &str, text: &str) -> Option<Vec<usize>> {
        Filter { text: filter.to_owned() }.matches(&matcher(), text).map(|matched| matched.positions)
    }

    #[test]
    fn filter_matches_letters_in_order() {
        assert_eq!(positions("bh", "brave_hopper"), Some(vec![0, 6]));
        assert_eq!(positions("hb", "brave_hopper"), None);
        assert_eq!(positions("", "x"), Some(vec![]));
    }

    #[test]
    fn filter_with_several_ways_to_match_does_not_panic() {
        assert!(positions("debian", "corpusops/debian-bare de b ian").is_some());
    }

    #[test]
    fn filter_with_two_words_needs_both() {
        assert!(positions("brave deb", "brave_hopper debian").is_some());
        assert_eq!(positions("brave alp", "brave_hopper debian"), None);
    }

    #[test]
    fn filter_with_capital_heeds_case() {
        assert_eq!(positions("B", "brave"), None);
        assert!(positions("b", "Brave").is_some());
    }
}
