//! `stats`: counters of every running container, and the rates between two looks.

use super::{Engine, Result};
use crate::model::{Id, Usage};

/// Looks at the running containers' counters again and again; keeps the last look for the rates.
#[derive(Debug)]
pub struct StatsSampler {}

impl StatsSampler {
    /// One look at every running or paused container. Rates are over the time since the look before, none at the first.
    pub fn sample(&mut self) -> Result<Vec<(Id, Usage)>> {
        todo!()
    }
}

impl Engine {
    /// A sampler, to be kept as long as figures are shown.
    pub fn sampler(&self) -> StatsSampler {
        todo!()
    }
}
