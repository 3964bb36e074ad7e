//! `stats`: counters of every running container, and the rates between two looks.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::state::Life;
use super::{Engine, Inner, Machine, Result};
use crate::model::{Id, Limits, Sample, Usage};
use crate::monitor::STATE;
use crate::runtime::CgroupPlace;
use crate::runtime::cgroup::Sampler;
use crate::sys::file::Lock;

/// Looks at the running containers' counters again and again; keeps files open, and the last look for the rates.
#[derive(Debug)]
pub struct StatsSampler {
    engine: Arc<Inner>,
    sampler: Sampler,
    known: HashMap<Id, Known>,
    machine_memory_bytes: Option<u64>,
}

/// A running container between two looks.
#[derive(Debug)]
struct Known {
    /// Tells this run from a later one, and limits from changed ones: the state file is replaced at each such moment.
    run: (u64, i64, i64),
    place: CgroupPlace,
    limits: Limits,
    last: Option<Sample>,
}

impl StatsSampler {
    /// One look at every running or paused container. Rates are over the time since the look before, none at the first.
    ///
    /// A container whose monitor was killed is settled on the way, and left out.
    pub fn sample(&mut self) -> Result<Vec<(Id, Usage)>> {
        let machine_memory_bytes = match self.machine_memory_bytes {
            Some(bytes) => bytes,
            None => *self.machine_memory_bytes.insert(Machine::now()?.memory_bytes),
        };
        let lives = self.engine.ids_of_lives()?;
        self.known.retain(|id, _| lives.contains(id));
        let mut usages = Vec::with_capacity(lives.len());
        for id in lives {
            if !self.refresh(&id)? {
                self.known.remove(&id);
                continue;
            }
            let known = self.known.get_mut(&id).expect("a refreshed container is known");
            let now = self.sampler.sample(id.as_str(), &known.place);
            let usage = Usage::between(known.last.as_ref(), &now, &known.limits, machine_memory_bytes);
            known.last = Some(now);
            usages.push((id, usage));
        }
        let known = &self.known;
        self.sampler.retain(&|key| key.parse::<Id>().is_ok_and(|id| known.contains_key(&id)));
        Ok(usages)
    }

    /// Makes sure that the container is known as it runs now. False if it does not run.
    fn refresh(&mut self, id: &Id) -> Result<bool> {
        let lock = self.engine.monitor_lock(id);
        let held = Lock::is_held(&lock).unwrap_or(false);
        let Ok(found) = fs::metadata(self.engine.life_folder(id).join(STATE)) else { return Ok(false) };
        let run = (found.ino(), found.mtime(), found.mtime_nsec());
        if held && self.known.get(id).is_some_and(|known| known.run == run) {
            return Ok(true);
        }
        let before = self.known.remove(id);
        let Some(record) = self.engine.record(id)? else { return Ok(false) };
        match self.engine.life(id)? {
            // It has ended, and is about to be started again in other cgroups.
            Life::Up(state) if state.state.pid().is_none() => Ok(false),
            Life::Up(state) => {
                let last = before.filter(|before| before.place == state.cgroup).and_then(|before| before.last);
                let limits = state.limits.unwrap_or(record.config.limits);
                let known = Known { run, place: state.cgroup, limits, last };
                self.known.insert(id.clone(), known);
                Ok(true)
            }
            Life::Dead => {
                self.engine.recover(&record)?;
                Ok(false)
            }
            Life::Down | Life::Starting => Ok(false),
        }
    }
}

impl Engine {
    /// A sampler, to be kept as long as figures are shown.
    pub fn sampler(&self) -> StatsSampler {
        StatsSampler {
            engine: Arc::clone(&self.0),
            sampler: Sampler::new(),
            known: HashMap::new(),
            machine_memory_bytes: None,
        }
    }
}
