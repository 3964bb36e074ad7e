//! `pull`, its progress on stderr, and what commands need that wait for a registry: a tokio runtime, and signals in it.

use std::io::{self, IsTerminal};

use clap::Args;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::progress::Display;
use super::terminal::Signals;
use crate::engine::{Engine, EngineError, PullOptions};
use crate::model::{ErrorKind, HOST_IMAGE, ImageSummary, Platform, Reference};

/// Fetch an image from a registry.
#[derive(Args, Clone, Debug)]
pub struct Pull {
    /// Say nothing but the image
    #[arg(short, long)]
    quiet: bool,
    /// Every tag that the repository has
    #[arg(short, long)]
    all_tags: bool,
    /// Another platform than this machine's, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", value_parser = platform)]
    platform: Option<Platform>,
    /// Such as debian, debian:12 or localhost:5000/tools/jq@sha256:…
    #[arg(value_name = "IMAGE")]
    image: String,
}

/// Where the progress of a pull goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Silent,
    Stderr,
}

pub fn pull(engine: &Engine, wish: &Pull) -> Outcome {
    let progress = if wish.quiet { Progress::Silent } else { Progress::Stderr };
    if wish.image == HOST_IMAGE {
        return Err(Failure::new("the host image is built in, there is nothing to pull"));
    }
    let names = if wish.all_tags { all_tags(engine, &wish.image)? } else { vec![wish.image.clone()] };
    let mut out = Output::open();
    for name in names {
        let image = fetch(engine, &name, wish.platform.clone(), progress)?;
        out.line(&image.label())?;
        out.flush()?;
    }
    Ok(0)
}

fn all_tags(engine: &Engine, image: &str) -> Result<Vec<String>, Failure> {
    let reference = parse(image)?;
    if reference.digest().is_some() || is_tagged(image) {
        return Err(Failure::usage("tag can't be used with --all-tags/-a"));
    }
    let signals = catch()?;
    let runtime = runtime()?;
    let tags = runtime.block_on(async {
        let mut interrupts = Interrupts::new(signals)?;
        tokio::select! {
            biased;
            interrupt = interrupts.next() => Err(interrupt.err().unwrap_or_else(|| Failure::silent(130))),
            tags = engine.repository_tags(&reference) => Ok(tags?),
        }
    });
    runtime.shutdown_background();
    let tags: Vec<String> = tags?.iter().map(Reference::familiar).collect();
    match tags.is_empty() {
        true => Err(Failure::new(format!("{} has no tags", reference.repository()))),
        false => Ok(tags),
    }
}

fn parse(image: &str) -> Result<Reference, Failure> {
    image.parse().map_err(|error| Failure::usage(format!("invalid image reference {image:?}: {error}")))
}

/// Whether a name has a tag of its own.
pub(super) fn is_tagged(image: &str) -> bool {
    image.rsplit('/').next().is_some_and(|name| name.contains(':'))
}

/// Fetches `image`, showing progress; Ctrl-C ends it cleanly.
pub fn fetch(
    engine: &Engine,
    image: &str,
    platform: Option<Platform>,
    progress: Progress,
) -> Result<ImageSummary, Failure> {
    let reference = parse(image)?;
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
        let take = |event| display.take(event, &mut io::stderr().lock());
        let done = accompany(pull, &mut coming, &cancel, &mut interrupts, take).await?;
        display.finish(&mut io::stderr().lock());
        Ok::<_, Failure>(done)
    });
    // Threads that resolve names may hang: nobody waits for them.
    runtime.shutdown_background();
    done?.map_err(cancelled)
}

/// Waits for a pull or push, handing on what it tells; Ctrl-C asks it to end.
pub(super) async fn accompany<E, T>(
    work: impl Future<Output = T>,
    coming: &mut mpsc::Receiver<E>,
    cancel: &watch::Sender<bool>,
    interrupts: &mut Interrupts,
    mut take: impl FnMut(E),
) -> Result<T, Failure> {
    tokio::pin!(work);
    let done = loop {
        tokio::select! {
            biased;
            interrupt = interrupts.next() => {
                interrupt?;
                let _ = cancel.send(true);
            }
            Some(event) = coming.recv() => take(event),
            done = &mut work => break done,
        }
    };
    // The events' sender lived in the work: the channel gives what is left, then none.
    while let Ok(event) = coming.try_recv() {
        take(event);
    }
    Ok(done)
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
    fn platforms_have_two_or_three_parts() {
        assert_eq!(platform("linux/arm64/v8").map(|platform| platform.to_string()), Ok("linux/arm64/v8".to_owned()));
        assert!(platform("linux").is_err() && platform("/x").is_err() && platform("a/b/c/d").is_err());
    }
}
