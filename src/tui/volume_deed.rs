//! What is done to volumes, and what comes of it.

use std::path::PathBuf;

use super::action::Problem;
use crate::model::{Id, Mount, Name, Pruned, VolumeName, VolumeSummary, VolumeWish};

/// What `update` wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum VolumeDeed {
    /// All volumes, at once; how much is in them is not looked at.
    List,
    /// All volumes with what is in them, which may take a while.
    Measure,
    Create(Box<VolumeWish>),
    Remove(Vec<VolumeName>),
    /// Find out what a prune takes.
    PreviewPrune(VolumePrune),
    Prune(VolumePrune),
    /// Gives a container that does not run other mounts.
    Refit {
        container: (Id, Name),
        add: Vec<Mount>,
        remove: Vec<PathBuf>,
    },
}

/// Which unused volumes are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumePrune {
    /// Those with names too.
    pub all: bool,
}

/// What was done or found out.
#[derive(Clone, Debug)]
pub enum VolumeTold {
    Volumes(Result<Vec<VolumeSummary>, Problem>),
    /// A volume has been made: what to say, and all that there are now, if they could be listed.
    Created {
        name: VolumeName,
        text: String,
        volumes: Option<Vec<VolumeSummary>>,
    },
    /// What to say if it went well.
    Done(Result<String, Problem>),
    WouldPrune {
        wish: VolumePrune,
        result: Result<Pruned, Problem>,
    },
    Pruned(Result<Pruned, Problem>),
    Refitted(Result<String, Problem>),
}
