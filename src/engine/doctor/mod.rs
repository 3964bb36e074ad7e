//! `doctor`: what this machine lacks for full function, each with the command that mends it.
//!
//! [`facts`] looks, [`judge`] decides; only the first touches the machine.

mod facts;
mod judge;
mod network;
mod probe;

use serde::Serialize;

use super::{Engine, Result};

pub(super) use facts::cgroup_version;
pub use probe::probe_verb;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Fine,
    /// teu works, with less.
    Note,
    /// Containers cannot run.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, in a few words.
    pub subject: &'static str,
    pub verdict: Verdict,
    /// What was found, in a sentence.
    pub finding: String,
    /// The command that mends it, or what to do where no command does.
    pub mend: Option<String>,
}

impl Engine {
    /// Looks at the machine: kernel, namespaces, overlay on the data root, cgroups, ids, folders, networks, terminal.
    ///
    /// Mounts an overlay in a namespace of its own for a moment, in a child process.
    pub fn doctor(&self) -> Result<Vec<Check>> {
        Ok(judge::judge(&facts::look(self.data_folder(), self.run_folder())))
    }
}
