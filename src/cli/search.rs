//! `search`: what registries have, in Docker's columns; `--list-tags` as podman has it.

use clap::Args;
use tokio::sync::mpsc;

use super::failure::{Failure, Outcome};
use super::filter::Filters;
use super::format::{Column, Format, Row, show};
use super::output::Output;
use super::pull::{Interrupts, catch, runtime};
use super::wording::ellipsis;
use crate::config::Config;
use crate::engine::{Engine, SearchOptions};
use crate::model::{ErrorKind, SearchEvent, SearchHit, Trouble};

/// Search registries for images.
#[derive(Args, Clone, Debug)]
pub struct Search {
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 25, value_parser = limit)]
    limit: usize,
    /// Do not cut descriptions
    #[arg(long)]
    no_trunc: bool,
    /// json, a template such as {{.Name}}, or table and a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// stars=NUMBER, is-official=BOOLEAN
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// List the tags of the repository TERM; the same as a colon behind it
    #[arg(long)]
    list_tags: bool,
    /// A registry to ask, instead of Docker Hub (docker.io) and the configured ones
    #[arg(long, value_name = "HOST[:PORT]")]
    registry: Vec<String>,
    #[arg(
        value_name = "TERM",
        help = "What to look for; HOST[:PORT]/TERM asks that registry, HOST[:PORT]/ lists all it has, NAME: lists the tags of NAME"
    )]
    term: String,
}

const FOUND: [Column; 4] =
    [("Name", "NAME"), ("Description", "DESCRIPTION"), ("StarCount", "STARS"), ("IsOfficial", "OFFICIAL")];
const FOUND_ALL: [Column; 3] = [("Registry", "REGISTRY"), ("PullCount", "PULLS"), ("IsAutomated", "AUTOMATED")];
const TAGS: [Column; 2] = [("Name", "NAME"), ("Tag", "TAG")];

/// What all registries answered.
#[derive(Debug, Default)]
struct Answers {
    hits: Vec<SearchHit>,
    /// How many registries have answered.
    good: usize,
    troubles: Vec<Trouble>,
}

pub fn search(engine: &Engine, config: &Config, wish: &Search) -> Outcome {
    let filters = filters(&wish.filter)?;
    let is_tags = wish.list_tags || wish.term.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let question = if is_tags && !wish.term.rsplit('/').next().is_some_and(|last| last.contains(':')) {
        format!("{}:", wish.term)
    } else {
        wish.term.clone()
    };
    let registries = if wish.registry.is_empty() { config.registries.searched() } else { wish.registry.clone() };
    let options = SearchOptions { registries, limit: Some(wish.limit), patience: None };
    let mut answers = ask(engine, &question, &options)?;
    if is_tags {
        // A repository is in one registry and not in the others: only where it is in none that is a failure.
        let found = !answers.hits.is_empty();
        answers.troubles.retain(|trouble| !found || trouble.kind != ErrorKind::NotFound);
    }
    let mut troubles = answers.troubles.into_iter().map(Failure::from);
    if answers.good == 0
        && answers.hits.is_empty()
        && let Some(first) = troubles.next()
    {
        troubles.for_each(|other| other.report());
        return Err(first);
    }
    let mut hits = answers.hits;
    hits.sort_by(SearchHit::order);
    hits.retain(|hit| passes(hit, &filters));
    hits.truncate(wish.limit);
    let mut out = Output::open();
    let format = wish.format.clone().unwrap_or_default();
    if is_tags {
        let rows: Vec<Row> = hits.iter().map(tag_row).collect();
        show(&mut out, &format, &TAGS, &FOUND_ALL[..1], &rows)?;
    } else {
        let rows: Vec<Row> = hits.iter().map(|hit| row(hit, wish.no_trunc)).collect();
        show(&mut out, &format, &FOUND, &FOUND_ALL, &rows)?;
    }
    // One registry's trouble is told and takes nothing from what the others found.
    troubles.for_each(|trouble| trouble.report());
    Ok(0)
}

fn ask(engine: &Engine, question: &str, options: &SearchOptions) -> Result<Answers, Failure> {
    let signals = catch()?;
    let runtime = runtime()?;
    let answers = runtime.block_on(async {
        let (sender, mut coming) = mpsc::channel(64);
        let mut interrupts = Interrupts::new(signals)?;
        let mut answers = Answers::default();
        let search = engine.search(question, options, sender);
        tokio::pin!(search);
        loop {
            tokio::select! {
                biased;
                interrupt = interrupts.next() => {
                    interrupt?;
                    return Err(Failure::silent(130));
                }
                Some(event) = coming.recv() => answers.take(event),
                result = &mut search => {
                    result.map_err(Failure::from)?;
                    while let Ok(event) = coming.try_recv() {
                        answers.take(event);
                    }
                    return Ok(answers);
                }
            }
        }
    });
    runtime.shutdown_background();
    answers
}

impl Answers {
    fn take(&mut self, event: SearchEvent) {
        match event {
            SearchEvent::Asked(_) => {}
            SearchEvent::Found(hit) => {
                match self.hits.iter_mut().find(|known| known.name == hit.name && known.registry == hit.registry) {
                    Some(known) => *known = hit,
                    None => self.hits.push(hit),
                }
            }
            SearchEvent::Ended { trouble: None, .. } => self.good += 1,
            SearchEvent::Ended { trouble: Some(trouble), .. } => self.troubles.push(trouble),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let failure = Self::new(trouble.message);
        match trouble.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

fn limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("write a number of at least 1".to_owned()),
        Ok(limit) => Ok(limit),
    }
}

fn filters(texts: &[String]) -> Result<Filters, Failure> {
    let filters = Filters::parse(texts, &["stars", "is-official"])?;
    if let Some(value) = filters.values("stars").find(|value| value.parse::<u64>().is_err()) {
        return Err(Failure::usage(format!("invalid filter stars={value}: write a number")));
    }
    if let Some(value) = filters.values("is-official").find(|value| value.parse::<bool>().is_err()) {
        return Err(Failure::usage(format!("invalid filter is-official={value}: write true or false")));
    }
    Ok(filters)
}

fn passes(hit: &SearchHit, filters: &Filters) -> bool {
    filters.pass("stars", |least| least.parse::<u64>().is_ok_and(|least| hit.stars.unwrap_or(0) >= least))
        && filters.pass("is-official", |wanted| wanted.parse() == Ok(hit.official))
}

fn row(hit: &SearchHit, whole: bool) -> Row {
    let description = hit.description.split_whitespace().collect::<Vec<_>>().join(" ");
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    Row::new([
        ("Name", hit.name.clone()),
        ("Description", if whole { description } else { ellipsis(&description, 45) }),
        ("StarCount", number(hit.stars)),
        ("IsOfficial", if hit.official { "[OK]".to_owned() } else { String::new() }),
        ("IsAutomated", String::new()),
        ("PullCount", number(hit.pulls)),
        ("Registry", hit.registry.clone()),
    ])
}

fn tag_row(hit: &SearchHit) -> Row {
    let (name, tag) = hit.name.rsplit_once(':').unwrap_or((&hit.name, ""));
    Row::new([("Name", name.to_owned()), ("Tag", tag.to_owned()), ("Registry", hit.registry.clone())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_pass_filters_by_stars_and_official() {
        let hit = SearchHit {
            name: "debian".to_owned(),
            description: "a \n b".to_owned(),
            stars: Some(10),
            official: true,
            ..SearchHit::default()
        };
        let holds = |text: &str| passes(&hit, &filters(&[text.to_owned()]).expect(text));
        assert!(holds("stars=10") && !holds("stars=11") && holds("is-official=true") && !holds("is-official=false"));
        assert_eq!(row(&hit, false).fields["Description"], "a b");
    }

    #[test]
    fn filters_and_limits_that_make_no_sense_are_refused() {
        for text in ["stars=many", "is-official=yes", "colour=red", "stars"] {
            assert!(filters(&[text.to_owned()]).is_err(), "{text}");
        }
        assert!(limit("0").is_err() && limit("x").is_err() && limit("7") == Ok(7));
    }

    #[test]
    fn tags_are_split_from_names_with_ports() {
        let row = tag_row(&SearchHit { name: "127.0.0.1:5000/a/b:1".to_owned(), ..SearchHit::default() });
        assert_eq!((&row.fields["Name"], &row.fields["Tag"]), (&"127.0.0.1:5000/a/b".into(), &"1".into()));
    }
}
