//! `stop`, `kill`, `restart`, `rm`, `rename`, `pause`, `unpause`, `wait`: verbs on containers, one after the other.

use std::io::Write;

use clap::Args;

use super::failure::{Failure, Outcome};
use super::wish::name;
use crate::engine::Engine;
use crate::model::{ErrorKind, Signal, printable_line};

/// Stop running containers.
#[derive(Args, Clone, Debug)]
pub struct Stop {
    /// Seconds to wait before SIGKILL
    #[arg(short = 't', long = "timeout", visible_alias = "time", value_name = "SECONDS")]
    timeout: Option<u32>,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Send running containers a signal.
#[derive(Args, Clone, Debug)]
pub struct Kill {
    /// The signal
    #[arg(short, long, default_value_t = Signal::KILL)]
    signal: Signal,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Remove containers.
#[derive(Args, Clone, Debug)]
pub struct Remove {
    /// Kill it first if it runs
    #[arg(short, long)]
    force: bool,
    /// Also its anonymous volumes, if no other container uses them
    #[arg(short, long)]
    volumes: bool,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// Give a container another name.
#[derive(Args, Clone, Debug)]
pub struct Rename {
    #[arg(value_name = "CONTAINER")]
    container: String,
    #[arg(value_name = "NAME")]
    name: String,
}

/// Containers, and nothing else.
#[derive(Args, Clone, Debug)]
pub struct Containers {
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn stop(engine: &Engine, wish: &Stop) -> Outcome {
    let timeout_ms = wish.timeout.map(|seconds| u64::from(seconds) * 1000);
    each(&wish.containers, |target| Ok(engine.stop(target, timeout_ms)?))
}

pub fn restart(engine: &Engine, wish: &Stop) -> Outcome {
    let timeout_ms = wish.timeout.map(|seconds| u64::from(seconds) * 1000);
    each(&wish.containers, |target| {
        engine.restart(target, timeout_ms)?;
        Ok(())
    })
}

pub fn kill(engine: &Engine, wish: &Kill) -> Outcome {
    each(&wish.containers, |target| Ok(engine.kill(target, wish.signal)?))
}

pub fn remove(engine: &Engine, wish: &Remove) -> Outcome {
    let remove = |target: &str| match wish.volumes {
        true => engine.remove_with_volumes(target, wish.force),
        false => engine.remove(target, wish.force),
    };
    each(&wish.containers, |target| match remove(target) {
        // As Docker: `rm -f` of what is not there has reached its aim.
        Err(error) if wish.force && error.kind() == ErrorKind::NotFound => Err(Failure::from(error).with_exit_code(0)),
        result => Ok(result?),
    })
}

pub fn pause(engine: &Engine, wish: &Containers) -> Outcome {
    each(&wish.containers, |target| Ok(engine.pause(target)?))
}

pub fn unpause(engine: &Engine, wish: &Containers) -> Outcome {
    each(&wish.containers, |target| Ok(engine.unpause(target)?))
}

pub fn rename(engine: &Engine, wish: &Rename) -> Outcome {
    // Docker speaks of the container that is missing before it speaks of the name.
    engine.find(&wish.container)?;
    engine.rename(&wish.container, &name(&wish.name)?)?;
    Ok(0)
}

/// Prints each exit code as it comes, in the order given.
pub fn wait(engine: &Engine, wish: &Containers) -> Outcome {
    let mut worst = 0;
    for target in &wish.containers {
        match engine.wait(target) {
            Ok(status) => writeln!(std::io::stdout().lock(), "{}", status.code)?,
            Err(error) => worst = reported(&error.into(), worst),
        }
    }
    Ok(worst)
}

/// Does `verb` to each target and prints the target when it is done; failures are reported and do not stop the rest.
pub fn each(targets: &[String], verb: impl Fn(&str) -> Result<(), Failure>) -> Outcome {
    let mut worst = 0;
    for target in targets {
        match verb(target) {
            Ok(()) => writeln!(std::io::stdout().lock(), "{}", printable_line(target))?,
            Err(failure) => worst = reported(&failure, worst),
        }
    }
    Ok(worst)
}

/// Reports a failure; returns the greater of its exit code and the worst before it.
pub fn reported(failure: &Failure, worst: u8) -> u8 {
    failure.report();
    worst.max(failure.exit_code)
}
