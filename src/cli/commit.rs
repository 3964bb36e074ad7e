//! `commit`: an image of what a container has changed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Args;

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::terminal::Signals;
use crate::engine::{CommitOptions, Engine, Pause};
use crate::model::{ErrorKind, Reference, Signal};

/// Make an image of what a container has changed of its own image.
#[derive(Args, Clone, Debug)]
pub struct Commit {
    /// Who made it, such as "Ada <ada@example.org>"
    #[arg(short, long, value_name = "TEXT")]
    author: Option<String>,
    /// What the image's history says
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// A Dockerfile line laid over the image: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(short, long, value_name = "LINE")]
    change: Vec<String>,
    /// Pause the container meanwhile; on where it can be, --pause=false leaves it running
    #[arg(short, long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pause: Option<bool>,
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The image's name; without one it is found by its id
    #[arg(value_name = "REPOSITORY[:TAG]")]
    reference: Option<String>,
}

pub fn commit(engine: &Engine, wish: &Commit) -> Outcome {
    let reference = |text: &String| {
        text.parse::<Reference>().map_err(|error| Failure::usage(format!("invalid image reference {text:?}: {error}")))
    };
    let options = CommitOptions {
        reference: wish.reference.as_ref().map(reference).transpose()?,
        author: wish.author.clone(),
        message: wish.message.clone(),
        changes: wish.change.clone(),
        pause: match wish.pause {
            None => Pause::IfPossible,
            Some(true) => Pause::Required,
            Some(false) => Pause::No,
        },
    };
    // A signal must not leave the container paused for good.
    let mut signals = Signals::catch().map_err(|error| Failure::new(format!("signalfd: {error}")))?;
    let cancel = AtomicBool::new(false);
    let committed = thread::scope(|scope| {
        let work = scope.spawn(|| engine.commit(&wish.container, &options, &cancel));
        while !work.is_finished() {
            let ends = |signal| ![Signal::from_number(18), Signal::from_number(28)].contains(&Some(signal));
            if signals.next().is_ok_and(|signal| signal.is_some_and(ends)) {
                cancel.store(true, Ordering::Relaxed);
            }
            thread::sleep(Duration::from_millis(4));
        }
        work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let committed = committed.map_err(|error| match error.kind() {
        // The visiting process got the signal as well.
        _ if cancel.load(Ordering::Relaxed) => Failure::new("cancelled").with_exit_code(130),
        ErrorKind::Cancelled => Failure::new("cancelled").with_exit_code(130),
        _ => error.into(),
    })?;
    if let Some(why) = &committed.not_paused {
        Failure::new(format!("the container was not paused meanwhile: {why}"))
            .with_hint("files that were being written may be half there; --pause=false says that you know")
            .report();
    }
    let mut out = Output::open();
    out.line(committed.id.as_str())?;
    out.flush()?;
    Ok(0)
}
