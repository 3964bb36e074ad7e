//! Names and passwords where Docker keeps them: `~/.docker/config.json`, or the credential helper that it names.
//! Reading also looks where podman keeps them. What else stands in the file is kept.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use docker_credential::DockerCredential;
use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value, json};

use crate::image::{ImageError, Result};
use crate::model::printable_line;
use crate::sys::file::write_atomically;

/// What lets a user in. Never printed.
#[derive(Clone)]
pub(super) enum Credential {
    Password {
        user: String,
        password: String,
    },
    /// A token of the token service, in place of a password.
    Token(String),
}

impl Credential {
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::Password { user, .. } => Some(user),
            Self::Token(_) => None,
        }
    }
}

/// Where a password is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    File(PathBuf),
    /// `pass` of `docker-credential-pass`.
    Helper(String),
}

/// The name under which Docker keeps a registry's credentials.
fn server(registry: &str) -> &str {
    match registry {
        "docker.io" => "https://index.docker.io/v1/",
        other => other,
    }
}

/// What `teu login` or `docker login`, else `podman login`, stored. A credential helper is another program, so this waits in
/// a thread.
pub(super) async fn stored(registry: &str) -> Option<Credential> {
    let registry = registry.to_owned();
    let look = move || {
        let docker = docker_credential::get_credential(server(&registry)).ok();
        docker.or_else(|| docker_credential::get_podman_credential(&registry).ok())
    };
    match tokio::task::spawn_blocking(look).await.ok().flatten()? {
        DockerCredential::UsernamePassword(user, password) => Some(Credential::Password { user, password }),
        DockerCredential::IdentityToken(token) => Some(token).filter(|token| !token.is_empty()).map(Credential::Token),
    }
}

/// Keeps a name and password for a registry.
pub(super) fn store(registry: &str, user: &str, password: &str) -> Result<Keeper> {
    let server = server(registry);
    let mut file = ConfigFile::open()?;
    let keeper = match file.helper(server) {
        Some(helper) => {
            let wish = json!({ "ServerURL": server, "Username": user, "Secret": password });
            run_helper(&helper, "store", &wish.to_string())?;
            // As Docker does: the file says that there is something, not what.
            file.auths()?.insert(server.to_owned(), json!({}));
            Keeper::Helper(helper)
        }
        None => {
            let auth = STANDARD.encode(format!("{user}:{password}"));
            file.auths()?.insert(server.to_owned(), json!({ "auth": auth }));
            Keeper::File(file.path.clone())
        }
    };
    file.write()?;
    Ok(keeper)
}

/// Forgets a registry's credentials. Whether there were any.
pub(super) fn erase(registry: &str) -> Result<bool> {
    let server = server(registry);
    let mut file = ConfigFile::open()?;
    let auths = file.auths()?;
    let before = auths.len();
    auths.retain(|key, _| host(key) != host(server));
    let mut there_were = auths.len() < before;
    if let Some(helper) = file.helper(server) {
        // Helpers fail where there is nothing to erase, each in its own words.
        there_were |= run_helper(&helper, "erase", server).is_ok();
    }
    if there_were {
        file.write()?;
    }
    Ok(there_were)
}

/// `index.docker.io` of `https://index.docker.io/v1/`; files of old have such keys for other registries too.
fn host(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    match rest.split('/').next().unwrap_or_default() {
        "docker.io" | "registry-1.docker.io" => "index.docker.io",
        host => host,
    }
}

/// Docker's `config.json`, locked against other logins of teu's.
struct ConfigFile {
    path: PathBuf,
    content: Map<String, Value>,
    _lock: File,
}

impl ConfigFile {
    fn open() -> Result<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")));
        let folder = folder.ok_or_else(|| ImageError::Credentials {
            what: "config.json".to_owned(),
            reason: "neither DOCKER_CONFIG nor HOME says where it is".to_owned(),
        })?;
        let failure = |path: &Path| {
            let path = path.to_owned();
            move |error| ImageError::io("cannot open", &path, error)
        };
        if !folder.is_dir() {
            make_private(&folder).map_err(failure(&folder))?;
        }
        let lock = File::open(&folder).map_err(failure(&folder))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failure(&folder)(error.into()))?;
        let path = folder.join("config.json");
        // A link leads to where the user keeps it.
        let path = fs::canonicalize(&path).unwrap_or(path);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => b"{}".to_vec(),
            Err(error) => return Err(failure(&path)(error)),
        };
        let content = serde_json::from_slice(&bytes)
            .map_err(|error| ImageError::Credentials { what: path.display().to_string(), reason: error.to_string() })?;
        Ok(Self { path, content, _lock: lock })
    }

    /// The helper that keeps a server's password, if not the file does.
    fn helper(&self, server: &str) -> Option<String> {
        let own = self.content.get("credHelpers").and_then(|helpers| helpers.get(server)).and_then(Value::as_str);
        let all = self.content.get("credsStore").and_then(Value::as_str);
        own.filter(|name| !name.is_empty()).or(all.filter(|name| !name.is_empty())).map(str::to_owned)
    }

    fn auths(&mut self) -> Result<&mut Map<String, Value>> {
        let what = self.path.display().to_string();
        let auths = self.content.entry("auths").or_insert_with(|| json!({}));
        let reason = "its \"auths\" are no object".to_owned();
        auths.as_object_mut().ok_or(ImageError::Credentials { what, reason })
    }

    fn write(&self) -> Result<()> {
        let mut text = serde_json::to_string_pretty(&self.content).expect("a map of JSON values");
        text.push('\n');
        write_atomically(&self.path, text.as_bytes(), 0o600)
            .map_err(|error| ImageError::io("cannot write", &self.path, error))
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Docker's protocol: the verb as an argument, the rest on standard input.
fn run_helper(name: &str, verb: &str, input: &str) -> Result<()> {
    let program = format!("docker-credential-{name}");
    let failure = |reason: String| ImageError::Credentials {
        what: program.clone(),
        reason: printable_line(reason.trim()).into_owned(),
    };
    if name.contains('/') {
        return Err(failure("a helper's name has no slash".to_owned()));
    }
    let spawned =
        Command::new(&program).arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| failure(error.to_string()))?;
    let written = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().map_err(|error| failure(error.to_string()))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(failure(if said.is_empty() { output.status.to_string() } else { said }));
    }
    written.map_err(|error| failure(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_is_kept_under_its_old_address() {
        assert_eq!(server("docker.io"), "https://index.docker.io/v1/");
        assert_eq!(server("registry.lan:5000"), "registry.lan:5000");
        for key in ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"] {
            assert_eq!(host(key), "index.docker.io", "{key}");
        }
        assert_eq!(host("http://registry.lan:5000/v2/"), "registry.lan:5000");
    }
}
