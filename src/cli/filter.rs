//! `--filter KEY=VALUE`: several values of one key are alternatives, different keys must all hold.

use super::failure::Failure;

/// Filters as given, checked against the keys a command knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(Vec<(String, String)>);

impl Filters {
    /// Reads `KEY=VALUE` texts; `known` are the keys there are.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Self, Failure> {
        let filters = texts.iter().map(|text| {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("invalid filter {text:?}: write KEY=VALUE")))?;
            if !known.contains(&key) {
                return Err(Failure::usage(format!("unknown filter {key:?}"))
                    .with_hint(format!("there are {}", known.join(", "))));
            }
            Ok((key.to_owned(), value.to_owned()))
        });
        Ok(Self(filters.collect::<Result<_, _>>()?))
    }

    /// Whether the filters of `key`, if there are any, let an object pass for which `holds` is true of a value.
    pub fn pass(&self, key: &str, holds: impl Fn(&str) -> bool) -> bool {
        let mut values = self.values(key).peekable();
        values.peek().is_none() || values.any(holds)
    }

    /// As [`Filters::pass`], but every value must hold, as Docker wants of labels.
    pub fn pass_all(&self, key: &str, holds: impl Fn(&str) -> bool) -> bool {
        self.values(key).all(holds)
    }

    /// The values given for `key`.
    pub fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    pub fn has(&self, key: &str) -> bool {
        self.values(key).next().is_some()
    }
}

/// Whether labels hold `key` or `key=value`.
pub fn label_holds(labels: &std::collections::BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|known| known == value),
        None => labels.contains_key(wanted),
    }
}

/// Docker's name filter is a regular expression; the parts people use of it are `^`, `$` and a plain middle.
pub fn name_holds(name: &str, pattern: &str) -> bool {
    let pattern = pattern.strip_prefix("^/").map_or_else(|| pattern.to_owned(), |rest| format!("^{rest}"));
    let (start, rest) = pattern.strip_prefix('^').map_or((false, pattern.as_str()), |rest| (true, rest));
    let (end, middle) = rest.strip_suffix('$').map_or((false, rest), |rest| (true, rest));
    match (start, end) {
        (true, true) => name == middle,
        (true, false) => name.starts_with(middle),
        (false, true) => name.ends_with(middle),
        (false, false) => name.contains(middle),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_one_key_are_alternatives() {
        let texts = ["status=running", "status=exited", "name=x"].map(str::to_owned);
        let filters = Filters::parse(&texts, &["status", "name"]).expect("known");
        assert!(filters.pass("status", |value| value == "exited"));
        assert!(!filters.pass("status", |value| value == "created"));
        assert!(filters.pass("id", |_| false));
        assert!(filters.has("name") && !filters.has("id"));
    }

    #[test]
    fn filter_unknown_or_without_value_is_refused() {
        assert!(Filters::parse(&["colour=red".to_owned()], &["status"]).is_err());
        assert!(Filters::parse(&["status".to_owned()], &["status"]).is_err());
    }

    #[test]
    fn name_filter_knows_anchors() {
        assert!(name_holds("web1", "web") && name_holds("web1", "^web") && name_holds("web1", "^/web1$"));
        assert!(!name_holds("myweb", "^web") && !name_holds("web1", "web$"));
    }
}
