//! `pull` and `search`: the only commands that need a tokio runtime, and the progress of a pull on stderr.

use std::io::{self, IsTerminal};

use clap::Args;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

use super::failure::{Failure, Outcome};
use super::filter::Filters;
use super::format::{Column, Format, Row, show};
use super::output::Output;
use super::progress::Display;
use super::terminal::Signals;
use super::wording::ellipsis;
use crate::config::Config;
use crate::engine::{Engine, EngineError, PullOptions, SearchOptions};
use crate::model::{ErrorKind, HOST_IMAGE, ImageSummary, Platform, Reference, SearchHit};

/// Fetch an image from a registry.
#[derive(Args, Clone, Debug)]
pub struct Pull {
    /// Say nothing but the image
    #[arg(short, long)]
    quiet: bool,
    /// Another platform than this machine's, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = platform)]
    platform: Option<Platform>,
    /// Such as debian, debian:12 or localhost:5000/tools/jq@sha256:…
    #[arg(value_name = "IMAGE")]
    image: String,
}

/// Search registries for images.
#[derive(Args, Clone, Debug)]
pub struct Search {
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 25)]
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
    /// A registry to ask, instead of Docker Hub and the configured ones
    #[arg(long, value_name = "HOST[:PORT]")]
    registry: Vec<String>,
    #[arg(value_name = "TERM", help = "What to look for; HOST[:PORT]/TERM asks that registry")]
    term: String,
}

/// Where the progress of a pull goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Silent,
    Stderr,
}

const FOUND: [Column; 4] =
    [("Name", "NAME"), ("Description", "DESCRIPTION"), ("StarCount", "STARS"), ("IsOfficial", "OFFICIAL")];
const FOUND_ALL: [Column; 1] = [("Registry", "REGISTRY")];

pub fn pull(engine: &Engine, wish: &Pull) -> Outcome {
    let progress = if wish.quiet { Progress::Silent } else { Progress::Stderr };
    if wish.image == HOST_IMAGE {
        return Err(Failure::new("the host image is built in, there is nothing to pull"));
    }
    let image = fetch(engine, &wish.image, wish.platform.clone(), progress)?;
    let mut out = Output::open();
    out.line(&image.label())?;
    out.flush()?;
    Ok(0)
}

/// Fetches `image`, showing progress; Ctrl-C ends it cleanly.
pub fn fetch(
    engine: &Engine,
    image: &str,
    platform: Option<Platform>,
    progress: Progress,
) -> Result<ImageSummary, Failure> {
    let reference: Reference =
        image.parse().map_err(|error| Failure::usage(format!("invalid image reference {image:?}: {error}")))?;
    let options = PullOptions { platform };
    let signals = catch()?;
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let (events, mut coming) = mpsc::channel(64);
        let (cancel, cancelled) = watch::channel(false);
        let mut interrupts = Interrupts::new(signals)?;
        let mut display = match progress {
            Progress::Silent => Display::silent(),
            Progress::Stderr => Display::new(io::stderr().is_terminal(), super::attach::terminal_size()),
        };
        let pull = engine.pull(&reference, &options, events, cancelled);
        tokio::pin!(pull);
        let mut finished = None;
        // The events' sender lives in the pull: after its end the channel gives what is left, then none.
        while finished.is_none() {
            tokio::select! {
                biased;
                interrupt = interrupts.next() => {
                    interrupt?;
                    let _ = cancel.send(true);
                }
                Some(event) = coming.recv() => display.take(event, &mut io::stderr().lock()),
                result = &mut pull => finished = Some(result),
            }
        }
        while let Ok(event) = coming.try_recv() {
            display.take(event, &mut io::stderr().lock());
        }
        display.finish(&mut io::stderr().lock());
        finished.ok_or_else(|| Failure::new("the pull gave no result"))
    });
    // Threads that resolve names may hang: nobody waits for them.
    runtime.shutdown_background();
    done?.map_err(cancelled)
}

pub fn search(engine: &Engine, config: &Config, wish: &Search) -> Outcome {
    let filters = Filters::parse(&wish.filter, &["stars", "is-official"])?;
    let options = search_options(&wish.registry, &config.registries.searched(), wish.limit);
    let signals = catch()?;
    let runtime = runtime()?;
    let mut hits: Vec<SearchHit> = Vec::new();
    let done = runtime.block_on(async {
        let (sender, mut coming) = mpsc::channel(64);
        let mut interrupts = Interrupts::new(signals)?;
        let search = engine.search(&wish.term, &options, sender);
        tokio::pin!(search);
        loop {
            tokio::select! {
                biased;
                interrupt = interrupts.next() => {
                    interrupt?;
                    return Err(Failure::silent(130));
                }
                Some(hit) = coming.recv() => hits.push(hit),
                result = &mut search => {
                    while let Ok(hit) = coming.try_recv() {
                        hits.push(hit);
                    }
                    return result.map_err(Failure::from);
                }
            }
        }
    });
    runtime.shutdown_background();
    // What was found is worth showing even when one registry failed.
    let failed = done.err();
    if let Some(failure) = failed.as_ref().filter(|_| hits.is_empty()) {
        return Err(failure.clone());
    }
    hits.sort_by_key(|hit| std::cmp::Reverse((hit.score, hit.stars)));
    hits.retain(|hit| found(hit, &filters));
    hits.truncate(wish.limit);
    let rows: Vec<Row> = hits.iter().map(|hit| row(hit, wish.no_trunc)).collect();
    let mut out = Output::open();
    show(&mut out, &wish.format.clone().unwrap_or_default(), &FOUND, &FOUND_ALL, &rows)?;
    failed.map_or(Ok(0), Err)
}

/// Docker Hub and the configured registries, or only those that flags name.
fn search_options(flags: &[String], configured: &[String], limit: usize) -> SearchOptions {
    let (hub, others): (Vec<&String>, _) = flags.iter().partition(|registry| *registry == "docker.io");
    let hub_is_asked = flags.is_empty() || !hub.is_empty();
    let others = if flags.is_empty() { configured.to_vec() } else { others.into_iter().cloned().collect() };
    SearchOptions { registries: others, limit: Some(limit), hub: (!hub_is_asked).then(String::new) }
}

fn found(hit: &SearchHit, filters: &Filters) -> bool {
    filters.pass("stars", |least| least.parse::<u64>().is_ok_and(|least| hit.stars.unwrap_or(0) >= least))
        && filters.pass("is-official", |wanted| wanted.parse() == Ok(hit.official))
}

fn row(hit: &SearchHit, whole: bool) -> Row {
    let description = hit.description.split_whitespace().collect::<Vec<_>>().join(" ");
    Row::new([
        ("Name", hit.name.clone()),
        ("Description", if whole { description } else { ellipsis(&description, 45) }),
        ("StarCount", hit.stars.map(|stars| stars.to_string()).unwrap_or_default()),
        ("IsOfficial", if hit.official { "[OK]".to_owned() } else { String::new() }),
        ("Registry", hit.registry.clone()),
    ])
}

pub fn platform(text: &str) -> Result<Platform, String> {
    let mut parts = text.split('/').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(os), Some(architecture), variant, None) if !os.is_empty() && !architecture.is_empty() => {
            Ok(Platform { os, architecture, variant })
        }
        _ => Err("write OS/ARCH[/VARIANT], such as linux/arm64".to_owned()),
    }
}

pub(super) fn cancelled(error: EngineError) -> Failure {
    match error.kind() {
        ErrorKind::Cancelled => Failure::new("cancelled").with_exit_code(130),
        _ => error.into(),
    }
}

pub(super) fn catch() -> Result<Signals, Failure> {
    Signals::catch().map_err(|error| Failure::new(format!("signalfd: {error}")))
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("starting the network threads: {error}")))
}

/// The signals that mean "stop", awaited.
pub(super) struct Interrupts(AsyncFd<Signals>);

impl Interrupts {
    #[expect(
        deprecated,
        reason = "`register` is unsafe, which stays in sys; Signals owns its descriptor while this lives"
    )]
    pub(super) fn new(signals: Signals) -> Result<Self, Failure> {
        AsyncFd::new(signals).map(Self).map_err(|error| Failure::new(format!("watching for signals: {error}")))
    }

    pub(super) async fn next(&mut self) -> Result<(), Failure> {
        loop {
            let mut ready = self.0.readable_mut().await?;
            match ready.get_inner_mut().next()? {
                Some(signal) if !matches!(signal.number(), libc::SIGWINCH | libc::SIGCONT) => return Ok(()),
                Some(_) => {}
                None => ready.clear_ready(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_asks_docker_hub_unless_other_registries_are_named() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let asked = |flags: &[&str]| {
            let options = search_options(&texts(flags), &texts(&["a:1"]), 5);
            (options.registries, options.hub.is_none())
        };
        assert_eq!(asked(&[]), (texts(&["a:1"]), true));
        assert_eq!(asked(&["b:1"]), (texts(&["b:1"]), false));
        assert_eq!(asked(&["docker.io", "b:1"]), (texts(&["b:1"]), true));
    }

    #[test]
    fn platforms_have_two_or_three_parts() {
        assert_eq!(platform("linux/arm64/v8").map(|platform| platform.to_string()), Ok("linux/arm64/v8".to_owned()));
        assert!(platform("linux").is_err() && platform("/x").is_err() && platform("a/b/c/d").is_err());
    }

    #[test]
    fn hits_pass_filters_by_stars_and_official() {
        let hit = SearchHit {
            name: "debian".to_owned(),
            registry: "docker.io".to_owned(),
            description: "a \n b".to_owned(),
            stars: Some(10),
            official: true,
            score: 1,
        };
        let passes =
            |text: &str| found(&hit, &Filters::parse(&[text.to_owned()], &["stars", "is-official"]).expect(text));
        assert!(
            passes("stars=10") && !passes("stars=11") && passes("is-official=true") && !passes("is-official=false")
        );
        assert_eq!(row(&hit, false).fields["Description"], "a b");
    }
}
