//! `load`: images out of a file or stdin.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::PathBuf;

use clap::Args;

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::transfer::{Patient, Show, transfer};
use crate::engine::Engine;
use crate::model::TransferGauge;

/// Load images from an archive of teu, docker, podman or skopeo, compressed or not.
#[derive(Args, Clone, Debug)]
pub struct Load {
    /// Read this instead of stdin
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

pub fn load(engine: &Engine, wish: &Load) -> Outcome {
    let gauge = TransferGauge::default();
    let source = match wish.input.as_deref().filter(|path| path.as_os_str() != "-") {
        Some(path) => {
            let cannot = |error: io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
            let file = File::open(path).map_err(cannot)?;
            let found = file.metadata().map_err(cannot)?;
            if found.is_dir() {
                return Err(Failure::new(format!("{} is a folder, not an archive", path.display()))
                    .with_hint("`teu import` makes an image of a folder"));
            }
            gauge.expect(found.len());
            file
        }
        None if io::stdin().is_terminal() => {
            return Err(Failure::new("stdin is a terminal, no archive can come from it")
                .with_hint("name a file: teu load -i FILE, or pipe one in"));
        }
        None => File::from(io::stdin().as_fd().try_clone_to_owned()?),
    };
    let show = if wish.quiet { Show::Nothing } else { Show::Terminal };
    let source = Patient::new(source, &gauge);
    let loaded = transfer("Loading", show, &gauge, || engine.load(source, &gauge))?;
    let mut out = Output::open();
    for one in loaded {
        match one.reference {
            Some(reference) => out.line(&format!("Loaded image: {}", reference.familiar()))?,
            None => out.line(&format!("Loaded image ID: {}", one.id))?,
        }
    }
    out.flush()?;
    Ok(0)
}
