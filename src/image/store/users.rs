//! Who uses images and layers from outside the store. The store knows no containers: the engine tells it of them here.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use crate::image::{ImageError, Result};
use crate::model::Digest;

/// One user of an image: a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name, for messages.
    pub name: String,
    pub image: Option<Digest>,
    /// Diff ids of the layers its root file system is made of.
    pub layers: Vec<Digest>,
    /// Its files are in use at this moment.
    pub runs: bool,
}

/// Tells who uses what. Asked anew whenever something is about to go.
pub trait Users: Debug + Send + Sync {
    /// All users; the error says why they cannot be known, and then nothing goes that somebody might use.
    fn all(&self) -> std::result::Result<Vec<User>, String>;
}

/// A store that nobody uses.
#[derive(Debug)]
pub(super) struct Nobody;

impl Users for Nobody {
    fn all(&self) -> std::result::Result<Vec<User>, String> {
        Ok(Vec::new())
    }
}

/// The users at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct InUse(Vec<User>);

impl super::Store {
    pub(super) fn in_use(&self) -> Result<InUse> {
        let users = self.users.all().map_err(|reason| ImageError::UsersUnknown { reason })?;
        Ok(InUse(users))
    }
}

impl InUse {
    /// A user of an image: one that runs, if there is one.
    pub(super) fn of_image(&self, id: &Digest) -> Option<&User> {
        let mut users: Vec<&User> = self.0.iter().filter(|user| user.image.as_ref() == Some(id)).collect();
        users.sort_by_key(|user| !user.runs);
        users.first().copied()
    }

    /// A running user of a layer.
    pub(super) fn running_on(&self, layer: &Digest) -> Option<&User> {
        self.0.iter().find(|user| user.runs && user.layers.contains(layer))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &User> {
        self.0.iter()
    }

    /// Digits of all layers in use.
    pub(super) fn layers(&self) -> HashSet<&str> {
        self.0.iter().flat_map(|user| &user.layers).map(Digest::hex).collect()
    }

    /// How many users each image has.
    pub(super) fn counts(&self) -> HashMap<&Digest, usize> {
        let mut counts = HashMap::new();
        for image in self.0.iter().filter_map(|user| user.image.as_ref()) {
            *counts.entry(image).or_default() += 1;
        }
        counts
    }

    /// As if the users of these names were gone.
    pub(super) fn forget(&mut self, names: &[String]) {
        self.0.retain(|user| !names.contains(&user.name));
    }
}
