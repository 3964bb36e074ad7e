//! `export`: a container's files as one tar.

use std::path::PathBuf;

use clap::Args;

use super::failure::Outcome;
use super::outlet::Outlet;
use super::transfer::{Show, transfer};
use crate::engine::Engine;
use crate::model::TransferGauge;

/// Write all files of a container, running or not, as one tar.
#[derive(Args, Clone, Debug)]
pub struct Export {
    /// Write here instead of to stdout; the file is whole or not there
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn export(engine: &Engine, wish: &Export) -> Outcome {
    // Who names a container that is not there hears of that, not of the terminal, and makes no file.
    engine.find(&wish.container)?;
    let outlet = Outlet::open(wish.output.as_deref(), "export")?;
    let gauge = TransferGauge::default();
    let show = if wish.output.is_some() { Show::Terminal } else { Show::Nothing };
    transfer("Exporting", show, &gauge, || engine.export(&wish.container, outlet.file(), &gauge))?;
    outlet.keep()?;
    Ok(0)
}
