//! Which images and layers the containers need: what the store asks before it removes something.

use std::collections::HashSet;
use std::path::PathBuf;

use super::place::{Entry, names_in};
use super::{Inner, record};
use crate::image::{User, Users};
use crate::model::{ContainerRecord, Mount};

/// The containers of one data folder.
#[derive(Debug)]
pub(super) struct Containers {
    containers: PathBuf,
    lives: PathBuf,
}

impl Containers {
    pub(super) fn of(inner: &Inner) -> Self {
        Self { containers: inner.containers(), lives: inner.lives() }
    }
}

impl Users for Containers {
    /// A record that cannot be read hides what its container needs, so it is an error. What has a run folder may run.
    fn all(&self) -> Result<Vec<User>, String> {
        let lives: HashSet<String> = names_in(&self.lives).map_err(|error| error.to_string())?.into_iter().collect();
        let mut users = Vec::new();
        for name in names_in(&self.containers).map_err(|error| error.to_string())? {
            let Entry::Container(id) = Entry::of(&name) else { continue };
            let path = self.containers.join(&name).join("record.json");
            let read = record::read::<ContainerRecord>(&path).map_err(|error| match error.hint() {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            })?;
            // None: it has just been removed.
            let Some(record) = read else { continue };
            let (name, runs) = (record.name.to_string(), lives.contains(id.as_str()));
            let user = |image, layers| User { name: name.clone(), image, layers, runs };
            users.extend(
                record
                    .config
                    .mounts
                    .iter()
                    .filter_map(Mount::image)
                    .map(|image| user(Some(image.id.clone()), image.layers.clone())),
            );
            users.push(user(record.image_id, record.layers));
        }
        Ok(users)
    }
}
