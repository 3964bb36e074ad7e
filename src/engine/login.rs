//! `login` and `logout`: what lets a user into a registry.

use super::{Engine, LoggedIn, Result};
use crate::image;

impl Engine {
    /// Tries a name and password on a registry and keeps them where Docker does: its `config.json`, or the credential helper
    /// that it names.
    pub async fn login(&self, registry: &str, user: &str, password: &str) -> Result<LoggedIn> {
        Ok(image::login(&self.0.registries, registry, user, password).await?)
    }

    /// Forgets what is kept for a registry. Whether there was anything.
    pub fn logout(&self, registry: &str) -> Result<bool> {
        Ok(image::logout(registry)?)
    }
}
