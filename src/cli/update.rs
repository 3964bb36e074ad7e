//! `update`: limits and restart policy of containers, running or not.

use clap::Args;

use super::failure::{Failure, Outcome};
use super::lifecycle::each;
use super::limits::{LimitFlags, restart_policy};
use crate::engine::Engine;
use crate::model::{RestartPolicy, UpdateRequest};

/// Change limits and restart policy of containers.
#[derive(Args, Clone, Debug)]
pub struct Update {
    #[command(flatten)]
    limits: LimitFlags,
    /// When to start it again: no, on-failure or on-failure:N, always, unless-stopped
    #[arg(long, value_name = "POLICY", value_parser = restart_policy)]
    restart: Option<RestartPolicy>,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn update(engine: &Engine, wish: &Update) -> Outcome {
    let request = UpdateRequest { limits: wish.limits.limits()?, restart: wish.restart };
    if request.is_empty() {
        return Err(Failure::usage("nothing to update: give at least one flag")
            .with_hint("such as `teu update --memory 512m NAME`; see `teu update --help`"));
    }
    each(&wish.containers, |target| Ok(engine.update(target, &request)?))
}
