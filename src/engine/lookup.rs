//! From what users type to a container: a full id, a name, or the beginning of an id, in Docker's order.

use super::place::{Entry, names_in};
use super::{Engine, EngineError, Inner, Result};
use crate::model::{ContainerRecord, ContainerState, Id, Name};

impl Engine {
    /// The record of a container by name, id or the beginning of an id.
    pub fn find(&self, target: &str) -> Result<ContainerRecord> {
        self.0.find(target)
    }

    /// The state of a container.
    pub fn state(&self, target: &str) -> Result<ContainerState> {
        let record = self.0.find(target)?;
        self.0.state(&record)?.ok_or_else(|| EngineError::NoSuchContainer { target: target.to_owned() })
    }
}

impl Inner {
    pub(super) fn find(&self, target: &str) -> Result<ContainerRecord> {
        let none = || EngineError::NoSuchContainer { target: target.to_owned() };
        let id = self.id_of(target)?;
        self.record(&id)?.ok_or_else(none)
    }

    /// The id that a target stands for. Its record may be damaged, or gone by now.
    pub(super) fn id_of(&self, target: &str) -> Result<Id> {
        if let Ok(id) = target.parse::<Id>() {
            return Ok(id);
        }
        // Docker shows names with a slash before them in `inspect`, and takes them so.
        if let Ok(name) = target.strip_prefix('/').unwrap_or(target).parse::<Name>()
            && let Some(id) = self.named(&name)?
        {
            return Ok(id);
        }
        match self.ids_beginning_with(target)?.as_slice() {
            [] => Err(EngineError::NoSuchContainer { target: target.to_owned() }),
            [id] => Ok(id.clone()),
            several => Err(EngineError::AmbiguousId {
                prefix: target.to_owned(),
                ids: several.iter().map(|id| id.short().to_owned()).collect(),
            }),
        }
    }

    fn ids_beginning_with(&self, prefix: &str) -> Result<Vec<Id>> {
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let names = names_in(&self.containers())?;
        let ids = names.iter().filter(|name| name.starts_with(prefix)).filter_map(|name| match Entry::of(name) {
            Entry::Container(id) => Some(id),
            _ => None,
        });
        Ok(ids.collect())
    }
}
