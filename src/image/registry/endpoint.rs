//! One server that answers for a registry, the registry itself or a mirror: the ways to it, and what it is known of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::StatusCode;

use super::TIMEOUT;
use super::auth::Authorization;
use super::client::{Certificates, Trust};
use super::credentials::Credential;
use super::door::{Door, is_loopback};
use crate::image::Result;
use crate::model::{Mirror, Reference, RegistryEntry, RegistrySettings};

/// Holds the tokens that its requests need, so it is never printed.
pub(super) struct Endpoint {
    /// As references name it; credentials are kept under this name.
    name: String,
    is_mirror: bool,
    /// The ways to it, the likeliest first.
    doors: Vec<Door>,
    door: AtomicUsize,
    /// The way in use has led somewhere: it stays, also when the registry is away for a while.
    settled: AtomicBool,
    certificates: Certificates,
    timeout: Duration,
    /// Used instead of what is stored.
    credential: Option<Credential>,
    /// What lets a request in, by [`super::call::Call::scope`]. Locked while a new one is fetched: the others wait for it.
    pub(super) authorizations: tokio::sync::Mutex<HashMap<String, Arc<Authorization>>>,
    /// A mirror that failed is not asked again.
    down: AtomicBool,
    /// Until when it wants no requests.
    quiet_until: Mutex<Option<Instant>>,
    rate_told: AtomicBool,
}

impl Endpoint {
    pub(super) fn of_registry(settings: &RegistrySettings, name: &str) -> Result<Self> {
        let host = match name {
            "docker.io" => "registry-1.docker.io",
            name => name,
        };
        Self::new(settings, name, host, None)
    }

    pub(super) fn of_mirror(settings: &RegistrySettings, mirror: &Mirror) -> Result<Self> {
        let base = mirror.plain.then(|| format!("http://{}", mirror.name));
        Ok(Self { is_mirror: true, ..Self::new(settings, &mirror.name, &mirror.name, base.as_deref())? })
    }

    /// Something that answers at a base address; without a scheme it is found as a registry's.
    pub(super) fn at(settings: &RegistrySettings, name: &str, base: &str) -> Result<Self> {
        Self::new(settings, name, base, base.contains("://").then_some(base))
    }

    fn new(settings: &RegistrySettings, name: &str, host: &str, base: Option<&str>) -> Result<Self> {
        let entry = settings.entry(name);
        let certificates = Certificates::read(name, entry, &settings.certificate_folders)?;
        let doors = match base {
            Some(base) => {
                vec![Door::new(base, if base.starts_with("http://") { Trust::Plain } else { Trust::Authorities })?]
            }
            None => doors(name, host, entry, &certificates)?,
        };
        Ok(Self {
            name: name.to_owned(),
            is_mirror: false,
            doors,
            door: AtomicUsize::new(0),
            settled: AtomicBool::new(false),
            certificates,
            timeout: entry.and_then(|entry| entry.timeout_ms).map_or(TIMEOUT, Duration::from_millis),
            credential: None,
            authorizations: tokio::sync::Mutex::default(),
            down: AtomicBool::new(false),
            quiet_until: Mutex::new(None),
            rate_told: AtomicBool::new(false),
        })
    }

    pub(super) fn with_credential(self, credential: Credential) -> Self {
        Self { credential: Some(credential), ..self }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_mirror(&self) -> bool {
        self.is_mirror
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The way in use.
    pub(super) fn door(&self) -> &Door {
        &self.doors[self.door.load(Ordering::Relaxed)]
    }

    /// Whether there is a way behind `used`, which then is in use. Others may have gone on already.
    pub(super) fn go_on_from(&self, used: &Door) -> bool {
        let place = self.doors.iter().position(|door| std::ptr::eq(door, used)).expect("one of ours");
        // Read before the way in use: who settled knew of it.
        let is_settled = self.settled.load(Ordering::Acquire);
        if self.door.load(Ordering::Relaxed) > place {
            return true;
        }
        if place + 1 >= self.doors.len() || is_settled {
            return false;
        }
        self.door.fetch_max(place + 1, Ordering::Relaxed);
        true
    }

    /// This way led to an answer. A 400 may be that of a server that speaks TLS.
    pub(super) fn settle(&self, door: &Door, status: StatusCode) {
        if door.is_safe() || status != StatusCode::BAD_REQUEST {
            self.settled.store(true, Ordering::Release);
        }
    }

    /// The name and password to show: those given, else those stored.
    pub(super) async fn credential(&self) -> Option<Credential> {
        match &self.credential {
            Some(credential) => Some(credential.clone()),
            None => super::credentials::stored(&self.name).await,
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Whether it was not down before.
    pub(super) fn set_down(&self) -> bool {
        !self.down.swap(true, Ordering::Relaxed)
    }

    /// Whether limits have not been told yet; they are from now on.
    pub(super) fn tells_rate(&self) -> bool {
        !self.rate_told.swap(true, Ordering::Relaxed)
    }

    /// It wants no request for so long. Whether that is news.
    pub(super) fn quieten(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut quiet = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = quiet.is_none_or(|before| before + Duration::from_millis(500) < until);
        *quiet = Some(quiet.map_or(until, |before| before.max(until)));
        is_news
    }

    /// Waits until it wants requests.
    pub(super) async fn heed(&self) {
        loop {
            let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until.into()).await,
                _ => return,
            }
        }
    }
}

/// As Docker does it: https with a certificate that is good; for `insecure` registries any certificate, then plain http. On
/// loopback, where nobody is in between, plain http comes first. Where certificates are configured only they count.
fn doors(name: &str, host: &str, entry: Option<&RegistryEntry>, certificates: &Certificates) -> Result<Vec<Door>> {
    let (safe, plain) = (format!("https://{host}"), format!("http://{host}"));
    let loopback =
        format!("{name}/x").parse::<Reference>().is_ok_and(|it| it.is_loopback_registry()) || is_loopback(host);
    let insecure = entry.is_some_and(|entry| entry.insecure);
    let ways = match (loopback && certificates.is_empty(), insecure) {
        (true, _) => vec![(&plain, Trust::Plain), (&safe, Trust::Anybody)],
        (false, true) => vec![(&safe, Trust::Anybody), (&plain, Trust::Plain)],
        (false, false) => vec![(&safe, Trust::Authorities)],
    };
    ways.into_iter().map(|(base, trust)| Door::new(base, trust)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_refusal_by_a_way_follows_those_who_settled_on_the_next() {
        let endpoint = Endpoint::of_registry(&RegistrySettings::default(), "127.0.0.1:5000").expect("an endpoint");
        let plain = endpoint.door();
        endpoint.settle(plain, StatusCode::BAD_REQUEST);
        assert!(endpoint.go_on_from(plain), "the first request is refused");
        let safe = endpoint.door();
        assert!(safe.is_safe() && !plain.is_safe());
        endpoint.settle(safe, StatusCode::NOT_FOUND);
        assert!(endpoint.go_on_from(plain), "the second request, which was under way, is refused");
        assert!(std::ptr::eq(endpoint.door(), safe));
        assert!(!endpoint.go_on_from(safe), "there is no way behind it");
    }

    #[test]
    fn way_that_led_to_an_answer_stays() {
        let endpoint = Endpoint::of_registry(&RegistrySettings::default(), "127.0.0.1:5000").expect("an endpoint");
        let plain = endpoint.door();
        endpoint.settle(plain, StatusCode::OK);
        assert!(!endpoint.go_on_from(plain), "a registry that is away for a while");
        assert!(std::ptr::eq(endpoint.door(), plain));
    }
}
