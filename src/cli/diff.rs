//! `diff`: what a container has changed of its image.

use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::failure::Outcome;
use super::output::Output;
use crate::engine::Engine;

/// Show what differs from a container's image: A added, C changed, D deleted.
#[derive(Args, Clone, Debug)]
pub struct Diff {
    #[arg(value_name = "CONTAINER")]
    container: String,
}

pub fn diff(engine: &Engine, wish: &Diff) -> Outcome {
    let changes = engine.diff(&wish.container)?;
    let mut out = Output::open();
    for change in &changes {
        let letter = change.kind.letter();
        match change.path.to_str() {
            None if !out.is_terminal() => {
                out.raw(&[&[letter as u8, b' '], change.path.as_os_str().as_bytes(), b"\n"].concat())?;
            }
            // A line feed in a name would pass for another change.
            _ => out.line(&format!("{letter} {}", change.path.to_string_lossy().replace('\n', "\\n")))?,
        }
    }
    out.flush()?;
    Ok(0)
}
