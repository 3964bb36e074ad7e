//! `rename`: the new name is taken before the old one is let go, so a kill between leaves a name too many, never one too few.

use super::wires::Change;
use super::{Engine, EngineError, Result};
use crate::model::{ContainerRecord, EventAction, Name, NetworkMode};

impl Engine {
    /// Gives a container another name, whether it runs or not.
    pub fn rename(&self, target: &str, name: &Name) -> Result<()> {
        let engine = &self.0;
        let none = || EngineError::NoSuchContainer { target: target.to_owned() };
        let id = engine.find(target)?.id;
        let _lock = engine.lock_container(&id)?.ok_or_else(none)?;
        let old = engine.record(&id)?.ok_or_else(none)?;
        if old.name == *name {
            return Err(EngineError::Invalid { what: format!("the container is called {name} already") });
        }
        engine.take_name(name, &id)?;
        let new = ContainerRecord { name: name.clone(), ..old.clone() };
        if let Err(error) = engine.write_record(&new) {
            engine.free_name(name, &id)?;
            return Err(error);
        }
        engine.free_name(&old.name, &id)?;
        // Where it runs, other containers know it by its new name from now on; if its monitor is of an older teu, from its next
        // start on.
        if new.config.network == NetworkMode::Networks {
            let change = serde_json::to_value(Change::Rename { name: name.clone() }).expect("plain values");
            let _ = engine.ask_monitor(&new, |client| client.rewire(change));
        }
        engine.tell(EventAction::Rename, &new, Some(old.name.to_string()));
        Ok(())
    }
}
