//! Answers a registry's `WWW-Authenticate`: Docker's token service, or basic authentication, with the credentials that
//! `docker login` or `podman login` stored.

use docker_credential::DockerCredential;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Url};
use serde_json::Value;

use super::{Registry, body, connection};
use crate::image::{ImageError, Result};

/// A token's document is small.
const TOKEN_MAX: u64 = 256 << 10;

/// What a request carries to be let in.
#[derive(Clone)]
pub(super) enum Authorization {
    Bearer(String),
    Basic { user: String, password: String },
}

impl Authorization {
    pub(super) fn put(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Bearer(token) => request.bearer_auth(token),
            Self::Basic { user, password } => request.basic_auth(user, Some(password)),
        }
    }
}

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// What answers the challenge; none where we have nothing to answer with.
pub(super) async fn answer(registry: &Registry, headers: &HeaderMap, what: &str) -> Result<Option<Authorization>> {
    let credential = stored(&registry.name).await;
    match challenge(headers) {
        Some(Challenge::Basic) => Ok(match credential {
            Some(DockerCredential::UsernamePassword(user, password)) => Some(Authorization::Basic { user, password }),
            _ => None,
        }),
        Some(Challenge::Bearer { realm, service, scope }) => {
            let token = token(registry, &realm, service, scope, credential, what).await?;
            Ok(Some(Authorization::Bearer(token)))
        }
        None => Ok(None),
    }
}

async fn token(
    registry: &Registry,
    realm: &str,
    service: Option<String>,
    scope: Option<String>,
    credential: Option<DockerCredential>,
    what: &str,
) -> Result<String> {
    let garbage = |reason: &str| ImageError::garbage(&registry.name, "a token", reason);
    let mut url = Url::parse(realm).map_err(|_| garbage("the token service's address is none"))?;
    // A registry reached safely must not have the password sent in the open.
    if registry.base.starts_with("https://") && url.scheme() != "https" {
        return Err(garbage("its token service does not speak https"));
    }
    let service = service.map(|service| ("service", service));
    let scopes = scope.iter().flat_map(|scope| scope.split(' ')).map(|scope| ("scope", scope.to_owned()));
    let parameters: Vec<(&str, String)> = service.into_iter().chain(scopes).collect();
    let request = match credential {
        Some(DockerCredential::IdentityToken(token)) => {
            let mut form = url::form(&parameters);
            form.push_str(&url::form(&[
                ("grant_type", "refresh_token".to_owned()),
                ("client_id", "teu".to_owned()),
                ("refresh_token", token),
            ]));
            registry.client.post(url).header("content-type", "application/x-www-form-urlencoded").body(form)
        }
        credential => {
            url.query_pairs_mut().extend_pairs(&parameters);
            match credential {
                Some(DockerCredential::UsernamePassword(user, password)) => {
                    registry.client.get(url).basic_auth(user, Some(password))
                }
                _ => registry.client.get(url),
            }
        }
    };
    let response = request.send().await.map_err(|error| connection(&registry.name, &error))?;
    let status = response.status();
    if status.is_client_error() && status.as_u16() != 429 {
        return Err(ImageError::Unauthorized { registry: registry.name.clone(), what: what.to_owned() });
    }
    if !status.is_success() {
        return Err(registry.refusal(response, "a token", None).await);
    }
    let bytes = body(response, TOKEN_MAX).await.map_err(|error| connection(&registry.name, &error))?;
    let bytes = bytes.ok_or_else(|| garbage("it is too long"))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| garbage(&error.to_string()))?;
    let token = value.get("token").or_else(|| value.get("access_token")).and_then(Value::as_str);
    let clean = |token: &&str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    token.filter(clean).map(str::to_owned).ok_or_else(|| garbage("there is none in the answer"))
}

/// `key=value&` pairs, percent-encoded.
mod url {
    use reqwest::Url;

    pub(super) fn form(pairs: &[(&str, String)]) -> String {
        let mut url = Url::parse("http://form/").expect("a constant address");
        url.query_pairs_mut().extend_pairs(pairs);
        format!("{}&", url.query().unwrap_or_default())
    }
}

/// The strongest challenge we can answer: a token before a password.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| parse(value.to_str().ok()?));
    challenges.max_by_key(|challenge| matches!(challenge, Challenge::Bearer { .. }))
}

/// Reads `Bearer realm="…",service="…",scope="…"` (RFC 9110, 11.6.1).
fn parse(text: &str) -> Option<Challenge> {
    let (scheme, mut rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service, mut scope) = (None, None, None);
    while let Some((key, behind)) = rest.split_once('=') {
        let (value, behind) = value(behind)?;
        match key.trim_matches([',', ' ']).to_ascii_lowercase().as_str() {
            "realm" => realm = Some(value),
            "service" => service = Some(value),
            "scope" => scope = Some(value),
            _ => {}
        }
        rest = behind;
    }
    Some(Challenge::Bearer { realm: realm?, service, scope })
}

/// A token or quoted string, and what is behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        return Some((text[..end].trim().to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

/// What `docker login`, else `podman login`, stored. A credential helper is another program, so this waits in a thread.
async fn stored(registry: &str) -> Option<DockerCredential> {
    let server = match registry {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        other => other.to_owned(),
    };
    let look = move || {
        let docker = docker_credential::get_credential(&server).ok();
        docker.or_else(|| {
            let server = if server.contains("docker.io") { "docker.io" } else { &server };
            docker_credential::get_podman_credential(server).ok()
        })
    };
    tokio::task::spawn_blocking(look).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_of_a_token_service_is_read() {
        let text = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        assert_eq!(
            parse(text),
            Some(Challenge::Bearer {
                realm: "https://auth.docker.io/token".to_owned(),
                service: Some("registry.docker.io".to_owned()),
                scope: Some("repository:a/b:pull,push".to_owned()),
            })
        );
        assert_eq!(parse(r#"Basic realm="x, y""#), Some(Challenge::Basic));
        assert_eq!(
            parse(r#"bearer service=x, realm="a\"b""#).map(|it| format!("{it:?}").contains("a\\\"b")),
            Some(true)
        );
        for garbage in ["", "Bearer", "Bearer realm=\"unended", "Negotiate x", "Bearer service=\"x\""] {
            assert_eq!(parse(garbage), None, "{garbage}");
        }
    }
}
