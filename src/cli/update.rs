//! `update`: limits, restart policy and published ports of containers, running or not, and mounts of those that do not run.

use std::path::PathBuf;

use clap::Args;

use super::failure::{Failure, Outcome};
use super::lifecycle::each;
use super::limits::{LimitFlags, restart_policy};
use super::mounts;
use super::networking::ports;
use crate::engine::{Alteration, Engine};
use crate::model::{PortWish, RestartPolicy, UpdateRequest};

/// Change limits, restart policy and ports of containers, and mounts of stopped ones.
#[derive(Args, Clone, Debug)]
pub struct Update {
    #[command(flatten)]
    limits: LimitFlags,
    /// When to start it again: no, on-failure or on-failure:N, always, unless-stopped
    #[arg(long, value_name = "POLICY", value_parser = restart_policy)]
    restart: Option<RestartPolicy>,
    /// Publish a further port, at once if it runs (not of Docker)
    #[arg(long, value_name = "[[IP:]PORT:]PORT[/tcp|udp|sctp]")]
    publish_add: Vec<String>,
    /// Publish a port no longer; without an address or a port of this machine, wherever it is published (not of Docker)
    #[arg(long, value_name = "[[IP:]PORT:]PORT[/tcp|udp|sctp]")]
    publish_rm: Vec<String>,
    /// Give a container that does not run a further mount, written as for -v or --mount (not of Docker)
    #[arg(long, value_name = "MOUNT")]
    mount_add: Vec<String>,
    /// Take away what is mounted at a path of a container that does not run; its volume stays (not of Docker)
    #[arg(long, value_name = "PATH")]
    mount_rm: Vec<PathBuf>,
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn update(engine: &Engine, wish: &Update) -> Outcome {
    let ports = |texts: &[String]| -> Result<Vec<PortWish>, Failure> {
        Ok(texts.iter().map(|text| ports(text)).collect::<Result<Vec<_>, _>>()?.concat())
    };
    let alteration = Alteration {
        limits: UpdateRequest { limits: wish.limits.limits()?, restart: wish.restart },
        publish: ports(&wish.publish_add)?,
        withdraw: ports(&wish.publish_rm)?,
        mount: mounts::added(&wish.mount_add)?,
        unmount: wish.mount_rm.clone(),
    };
    if alteration.is_empty() {
        return Err(Failure::usage("nothing to update: give at least one flag")
            .with_hint("such as `teu update --memory 512m NAME`; see `teu update --help`"));
    }
    each(&wish.containers, |target| Ok(engine.alter(target, &alteration).map(drop)?))
}
