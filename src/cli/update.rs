//! `update`: limits, restart policy and published ports of containers, running or not.

use clap::Args;

use super::failure::{Failure, Outcome};
use super::lifecycle::each;
use super::limits::{LimitFlags, restart_policy};
use super::networking::ports;
use crate::engine::Engine;
use crate::model::{PortWish, RestartPolicy, UpdateRequest};

/// Change limits, restart policy and published ports of containers.
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
    #[arg(required = true, value_name = "CONTAINER")]
    containers: Vec<String>,
}

pub fn update(engine: &Engine, wish: &Update) -> Outcome {
    let request = UpdateRequest { limits: wish.limits.limits()?, restart: wish.restart };
    let ports = |texts: &[String]| -> Result<Vec<PortWish>, Failure> {
        Ok(texts.iter().map(|text| ports(text)).collect::<Result<Vec<_>, _>>()?.concat())
    };
    let (add, remove) = (ports(&wish.publish_add)?, ports(&wish.publish_rm)?);
    let publishes = !add.is_empty() || !remove.is_empty();
    if request.is_empty() && !publishes {
        return Err(Failure::usage("nothing to update: give at least one flag")
            .with_hint("such as `teu update --memory 512m NAME`; see `teu update --help`"));
    }
    each(&wish.containers, |target| {
        if publishes {
            engine.publish(target, &add, &remove)?;
        }
        // With nothing else to change, ports were all.
        if request.is_empty() && publishes { Ok(()) } else { Ok(engine.update(target, &request)?) }
    })
}
