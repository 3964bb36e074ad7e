//! What a search has found so far, in an order that holds still once the user has chosen a row; and who has answered.

use crate::model::{SearchEvent, SearchHit};
use crate::tui::action::Problem;

/// Findings that are kept; beyond, only better ones come in.
const MOST: usize = 400;

/// A registry that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    pub state: SourceState,
    pub count: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    Asked,
    Answered,
    Failed(Problem),
}

/// Whether new findings may move those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The best first, wherever that puts the others.
    Best,
    /// What is there stays in its place, new ones come behind.
    Kept,
}

#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub hits: Vec<SearchHit>,
    pub sources: Vec<Source>,
}

impl Findings {
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn take(&mut self, events: Vec<SearchEvent>, order: Order) {
        let mut new = Vec::new();
        for event in events {
            match event {
                SearchEvent::Asked(names) => {
                    let source = |name| Source { name, state: SourceState::Asked, count: 0 };
                    self.sources = names.into_iter().map(source).collect();
                }
                SearchEvent::Found(hit) => self.found(hit, &mut new),
                SearchEvent::Ended { registry, trouble } => {
                    if let Some(source) = self.source(&registry) {
                        source.state = trouble.map_or(SourceState::Answered, |it| SourceState::Failed(it.into()));
                    }
                }
            }
        }
        new.sort_by(SearchHit::order);
        self.hits.extend(new);
        if order == Order::Best {
            self.hits.sort_by(SearchHit::order);
        }
        self.hits.truncate(MOST);
    }

    fn found(&mut self, hit: SearchHit, new: &mut Vec<SearchHit>) {
        let known = self.hits.iter_mut().chain(new.iter_mut());
        let mut same = known.filter(|known| known.name == hit.name && known.registry == hit.registry);
        if let Some(known) = same.next() {
            *known = hit;
            return;
        }
        if let Some(source) = self.source(&hit.registry) {
            source.count += 1;
        }
        new.push(hit);
    }

    fn source(&mut self, name: &str) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.name == name)
    }

    /// Registries that failed, with why.
    pub fn troubles(&self) -> impl Iterator<Item = (&str, &Problem)> {
        self.sources.iter().filter_map(|source| match &source.state {
            SourceState::Failed(problem) => Some((source.name.as_str(), problem)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ErrorKind, Trouble};

    fn hit(name: &str, score: i64) -> SearchEvent {
        SearchEvent::Found(SearchHit { name: name.to_owned(), registry: "a".to_owned(), score, ..SearchHit::default() })
    }

    fn names(findings: &Findings) -> Vec<&str> {
        findings.hits.iter().map(|hit| hit.name.as_str()).collect()
    }

    #[test]
    fn order_is_the_best_first_until_it_is_kept() {
        let mut findings = Findings::default();
        findings.take(vec![SearchEvent::Asked(vec!["a".to_owned()]), hit("b", 1)], Order::Best);
        findings.take(vec![hit("a", 2), hit("a", 2)], Order::Best);
        assert_eq!(names(&findings), ["a", "b"]);
        findings.take(vec![hit("y", 8), hit("z", 9), hit("b", 7)], Order::Kept);
        assert_eq!(names(&findings), ["a", "b", "z", "y"], "nothing moves, and what is told again is there once");
        assert_eq!(findings.sources[0].count, 4);
    }

    #[test]
    fn trouble_of_one_registry_is_its_own() {
        let mut findings = Findings::default();
        findings.take(vec![SearchEvent::Asked(vec!["a".to_owned(), "b".to_owned()]), hit("x", 1)], Order::Best);
        let trouble = Trouble { message: "slow".to_owned(), hint: None, kind: ErrorKind::Network };
        findings.take(vec![SearchEvent::Ended { registry: "b".to_owned(), trouble: Some(trouble) }], Order::Best);
        assert_eq!(findings.troubles().map(|(name, _)| name).collect::<Vec<_>>(), ["b"]);
        assert_eq!(names(&findings), ["x"]);
    }
}
