//! `login` and `logout`: a name and password are tried on the registry before they are kept.

use reqwest::Method;

use super::credentials::{Credential, Keeper, erase, store};
use super::{Call, Registries, canonical};
use crate::image::{ImageError, Result};

/// A name and password that a registry took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedIn {
    pub registry: String,
    /// Where the password now is: a file, or a credential helper.
    pub kept_in: String,
    /// Whether it lies there for everybody to read who may read the file.
    pub is_plain: bool,
}

/// Tries a name and password on a registry and keeps them where Docker does.
pub async fn login(registries: &Registries, name: &str, user: &str, password: &str) -> Result<LoggedIn> {
    let credential = Credential::Password { user: user.to_owned(), password: password.to_owned() };
    let registry = registries.open(name)?.with_credential(credential);
    let call = Call { method: Method::GET, target: "/v2/", headers: Vec::new(), body: None, what: "a login" };
    match registry.call(call).await {
        Ok(_) => {}
        Err(ImageError::Unauthorized { registry, message, .. }) => {
            return Err(ImageError::LoginRefused { registry, user: user.to_owned(), message });
        }
        Err(error) => return Err(error),
    }
    let registry = registry.name().to_owned();
    Ok(match store(&registry, user, password)? {
        Keeper::File(path) => LoggedIn { registry, kept_in: path.display().to_string(), is_plain: true },
        Keeper::Helper(name) => LoggedIn { registry, kept_in: format!("docker-credential-{name}"), is_plain: false },
    })
}

/// Forgets what is kept for a registry. Whether there was anything.
pub fn logout(name: &str) -> Result<bool> {
    erase(&canonical(name)?)
}
