//! `push`: progress on stderr, what the registry now has on stdout.

use std::io::{self, IsTerminal};

use clap::Args;
use tokio::sync::{mpsc, watch};

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::progress::Display;
use super::pull::{Interrupts, accompany, cancelled, catch, is_tagged, runtime};
use crate::engine::{Engine, PushOptions};
use crate::model::{HOST_IMAGE, Pushed, Reference};

/// Send an image to a registry.
#[derive(Args, Clone, Debug)]
pub struct Push {
    /// Every tag that the repository has here
    #[arg(short, long)]
    all_tags: bool,
    /// Say nothing but the image
    #[arg(short, long)]
    quiet: bool,
    /// Such as localhost:5000/tools/jq:1.7; `teu tag` gives an image such a name
    #[arg(value_name = "NAME[:TAG]")]
    image: String,
}

pub fn push(engine: &Engine, wish: &Push) -> Outcome {
    if wish.image == HOST_IMAGE {
        return Err(Failure::new("the host image is built in and cannot be pushed")
            .with_hint("`teu commit` makes an image of a container's changes, `teu import` one of a folder"));
    }
    let reference: Reference = wish
        .image
        .parse()
        .map_err(|error| Failure::usage(format!("invalid image reference {:?}: {error}", wish.image)))?;
    if reference.digest().is_some() {
        return Err(Failure::usage("a push names a tag, not a digest: the registry makes the digest of the content"));
    }
    if wish.all_tags && is_tagged(&wish.image) {
        return Err(Failure::usage("tag can't be used with --all-tags/-a"));
    }
    let pushed = send(engine, &reference, wish)?;
    let mut out = Output::open();
    let mut lines: Vec<String> = match wish.quiet {
        true => pushed.iter().map(|pushed| answer(pushed, wish.all_tags)).collect(),
        false => pushed.iter().map(line).collect(),
    };
    lines.dedup();
    for line in lines {
        out.line(&line)?;
    }
    out.flush()?;
    Ok(0)
}

/// `latest: digest: sha256:… size: 528`, as Docker writes it.
fn line(pushed: &Pushed) -> String {
    let tag = pushed.reference.tag().unwrap_or_default();
    format!("{tag}: digest: {} size: {}", pushed.digest, pushed.size_bytes)
}

/// The whole name, `docker.io/library/x:latest`; of all tags the repository alone.
fn answer(pushed: &Pushed, all_tags: bool) -> String {
    match all_tags {
        true => format!("{}/{}", pushed.reference.registry(), pushed.reference.repository()),
        false => pushed.reference.to_string(),
    }
}

/// Pushes, showing progress; Ctrl-C ends it cleanly.
fn send(engine: &Engine, reference: &Reference, wish: &Push) -> Result<Vec<Pushed>, Failure> {
    let options = PushOptions { all_tags: wish.all_tags };
    let signals = catch()?;
    let runtime = runtime()?;
    let done = runtime.block_on(async {
        let (events, mut coming) = mpsc::channel(64);
        let (cancel, cancelled) = watch::channel(false);
        let mut interrupts = Interrupts::new(signals)?;
        let mut display = match wish.quiet {
            true => Display::silent(),
            false => Display::new(io::stderr().is_terminal(), super::attach::terminal_size()),
        };
        let push = engine.push(reference, &options, events, cancelled);
        let take = |event| display.take_push(event, &mut io::stderr().lock());
        let done = accompany(push, &mut coming, &cancel, &mut interrupts, take).await?;
        display.finish(&mut io::stderr().lock());
        Ok::<_, Failure>(done)
    });
    // Threads that resolve names may hang: nobody waits for them.
    runtime.shutdown_background();
    done?.map_err(cancelled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Digest;

    #[test]
    fn answer_is_dockers() {
        let reference: Reference = "a/b:v1".parse().expect("valid");
        let pushed = Pushed { reference, digest: Digest::from_sha256([0; 32]), size_bytes: 528 };
        assert_eq!(line(&pushed), format!("v1: digest: sha256:{} size: 528", "0".repeat(64)));
        assert_eq!(answer(&pushed, false), "docker.io/a/b:v1");
        assert_eq!(answer(&pushed, true), "docker.io/a/b");
        assert!(is_tagged("localhost:5000/a:b") && !is_tagged("localhost:5000/a"));
    }
}
