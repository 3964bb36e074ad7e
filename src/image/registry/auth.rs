//! Answers a registry's `WWW-Authenticate`: Docker's token service, or basic authentication, with the credentials there are.

use std::sync::Arc;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;

use super::Answer;
use super::answer::{connection, is_final, silence};
use super::call::PAUSES;
use super::credentials::Credential;
use super::endpoint::Endpoint;
use crate::image::{ImageError, Result};

/// A token's document is small.
const TOKEN_MAX: u64 = 256 << 10;

/// What a request carries to be let in.
pub(super) enum Authorization {
    /// A token, and whose it is if not anybody's.
    Bearer {
        token: String,
        user: Option<String>,
    },
    Basic {
        user: String,
        password: String,
    },
}

impl Authorization {
    pub(super) fn put(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Bearer { token, .. } => request.bearer_auth(token),
            Self::Basic { user, password } => request.basic_auth(user, Some(password)),
        }
    }

    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::Bearer { user, .. } => user.as_deref(),
            Self::Basic { user, .. } => Some(user),
        }
    }
}

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer(Asked),
}

/// What the token service is to be asked.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    realm: String,
    service: Option<String>,
    scope: Option<String>,
}

/// Answers a 401 to a request that showed `shown`: fetches what lets the next one in, or finds that another request has
/// fetched it meanwhile. False where we have nothing to answer with.
pub(super) async fn authorize(
    endpoint: &Arc<Endpoint>,
    scope: &str,
    shown: Option<&Arc<Authorization>>,
    headers: &HeaderMap,
    what: &str,
) -> Result<bool> {
    let mut known = endpoint.authorizations.lock().await;
    let is_new = |one: &Arc<Authorization>| shown.is_none_or(|shown| !Arc::ptr_eq(one, shown));
    if known.get(scope).is_some_and(is_new) {
        return Ok(true);
    }
    let credential = endpoint.credential().await;
    let authorization = match challenge(headers) {
        // Refused once, it would be again.
        Some(Challenge::Basic) if shown.is_some() => None,
        Some(Challenge::Basic) => match credential {
            Some(Credential::Password { user, password }) => Some(Authorization::Basic { user, password }),
            Some(Credential::Token(_)) | None => None,
        },
        Some(Challenge::Bearer(asked)) => Some(token(endpoint, asked, credential, what).await?),
        None => None,
    };
    match authorization {
        Some(authorization) => {
            known.insert(scope.to_owned(), Arc::new(authorization));
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Asks the token service, more than once if it fails.
async fn token(
    endpoint: &Arc<Endpoint>,
    asked: Asked,
    credential: Option<Credential>,
    what: &str,
) -> Result<Authorization> {
    let garbage = |reason: &str| ImageError::garbage(endpoint.name(), "a token", reason);
    let url = Url::parse(&asked.realm).map_err(|_| garbage("the token service's address is none"))?;
    // A registry reached safely must not have the password sent in the open.
    if endpoint.door().is_safe() && url.scheme() != "https" {
        return Err(garbage("its token service does not speak https"));
    }
    let mut pauses = PAUSES.iter();
    loop {
        let client = endpoint.door().client(endpoint.certificates()).await;
        let request =
            request(client.map_err(|error| connection(endpoint.name(), &error))?, url.clone(), &asked, &credential);
        let response = match tokio::time::timeout(endpoint.timeout(), request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => match pauses.next().filter(|_| !is_final(&error)) {
                Some(pause) => {
                    tokio::time::sleep(*pause).await;
                    continue;
                }
                None => return Err(connection(endpoint.name(), &error)),
            },
            Err(_) => return Err(silence(endpoint.name(), endpoint.timeout())),
        };
        let status = response.status();
        if status.is_server_error()
            && let Some(pause) = pauses.next()
        {
            tokio::time::sleep(*pause).await;
            continue;
        }
        let mut answer = Answer::new(endpoint, response);
        let user = credential.as_ref().and_then(Credential::user).map(str::to_owned);
        if !status.is_success() {
            let (registry, message) = (endpoint.name().to_owned(), answer.message().await);
            return Err(match status.as_u16() {
                429 => ImageError::TooManyRequests { registry, retry_after_s: None, limit: None },
                400..=499 => ImageError::Unauthorized { registry, what: what.to_owned(), user, message },
                status => ImageError::Status { registry, status, what: "a token".to_owned(), message },
            });
        }
        let bytes = answer.bytes(TOKEN_MAX).await?.ok_or_else(|| garbage("it is too long"))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| garbage(&error.to_string()))?;
        let token = value.get("token").or_else(|| value.get("access_token")).and_then(Value::as_str);
        let clean = |token: &&str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let token = token.filter(clean).ok_or_else(|| garbage("there is none in the answer"))?;
        return Ok(Authorization::Bearer { token: token.to_owned(), user });
    }
}

/// With a password or nobody's name a GET, with an identity token a POST (the distribution project's "token" and "oauth").
fn request(client: &Client, mut url: Url, asked: &Asked, credential: &Option<Credential>) -> RequestBuilder {
    let service = asked.service.clone().map(|service| ("service", service));
    let scopes = asked.scope.iter().flat_map(|scope| scope.split(' ')).map(|scope| ("scope", scope.to_owned()));
    let mut parameters: Vec<(&str, String)> = service.into_iter().chain(scopes).collect();
    if let Some(Credential::Token(token)) = credential {
        let own = [("grant_type", "refresh_token"), ("client_id", "teu"), ("refresh_token", token)];
        parameters.extend(own.map(|(key, value)| (key, value.to_owned())));
        let form = url::form(&parameters);
        return client.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
    }
    url.query_pairs_mut().extend_pairs(&parameters);
    match credential {
        Some(Credential::Password { user, password }) => client.get(url).basic_auth(user, Some(password)),
        _ => client.get(url),
    }
}

/// `key=value` pairs, percent-encoded, with `&` between them.
mod url {
    use reqwest::Url;

    pub(super) fn form(pairs: &[(&str, String)]) -> String {
        let mut url = Url::parse("http://form/").expect("a constant address");
        url.query_pairs_mut().extend_pairs(pairs);
        url.query().unwrap_or_default().to_owned()
    }
}

/// The strongest challenge we can answer: a token before a password.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let challenges = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| parse(value.to_str().ok()?));
    challenges.max_by_key(|challenge| matches!(challenge, Challenge::Bearer(_)))
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
    Some(Challenge::Bearer(Asked { realm: realm?, service, scope }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_of_a_token_service_is_read() {
        let text = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        assert_eq!(
            parse(text),
            Some(Challenge::Bearer(Asked {
                realm: "https://auth.docker.io/token".to_owned(),
                service: Some("registry.docker.io".to_owned()),
                scope: Some("repository:a/b:pull,push".to_owned()),
            }))
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
