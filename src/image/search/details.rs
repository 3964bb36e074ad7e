//! What is behind a tag: its platforms, and of each the compressed size, the layers, when it was made and what it runs. Fetches
//! manifests and configurations, never a layer.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{PATIENCE, Registries, Registry, hub, within};
use crate::image::config::Configuration;
use crate::image::manifest::{self, Document, Manifest};
use crate::image::{ImageError, Result};
use crate::model::{DetailEvent, Digest, Platform, PlatformFacts, Reference};

/// What is read of a manifest or a configuration.
const DOCUMENT_MAX: u64 = 4 << 20;
/// Platforms of one index that are looked at.
const PLATFORMS_MAX: usize = 32;
/// Documents asked for at once.
const AT_ONCE: usize = 4;

/// Tells the platforms of an image as more and more is known of them; ends early when `events` is closed.
///
/// Of Docker Hub's images its web pages are asked: a manifest from the registry would count as a pull there.
pub async fn details(
    all: &Registries,
    reference: &Reference,
    patience: Option<Duration>,
    events: mpsc::Sender<DetailEvent>,
) -> Result<()> {
    let asking = async {
        if let (hub::NAME, Some(tag), None) = (reference.registry(), reference.tag(), reference.digest())
            && let Ok(facts) = hub::tag(all, reference.repository(), tag).await
            && !facts.platforms.is_empty()
        {
            let _ = events.send(DetailEvent::Platforms(facts.platforms)).await;
            return Ok(());
        }
        let registry = all.open(reference.registry())?;
        Asker { registry, repository: reference.repository(), events: &events }.image(reference).await
    };
    tokio::select! {
        biased;
        () = events.closed() => Ok(()),
        result = within(patience.unwrap_or(PATIENCE), reference.registry(), asking) => result,
    }
}

/// Asks one registry about one repository.
struct Asker<'a> {
    registry: Registry,
    repository: &'a str,
    events: &'a mpsc::Sender<DetailEvent>,
}

impl Asker<'_> {
    async fn image(&self, reference: &Reference) -> Result<()> {
        let what = reference.familiar();
        let pointer = reference.digest().map(Digest::as_str).or(reference.tag()).unwrap_or("latest");
        let bytes = self.document("manifests", pointer, manifest::ACCEPT, &what).await?;
        let digest = digest_of(&bytes);
        if let Some(expected) = reference.digest().filter(|expected| **expected != digest) {
            return Err(ImageError::DigestMismatch { what, expected: expected.clone(), got: digest });
        }
        let document = Document::parse(&bytes).map_err(|reason| self.garbage(&what, reason))?;
        let mut platforms: Vec<PlatformFacts> = match &document {
            Document::Image(manifest) => vec![PlatformFacts { platform: None, ..of_manifest(digest, manifest) }],
            Document::Index(choices) => {
                let known = choices.iter().filter_map(|choice| Some((choice.platform()?, choice.digest.clone())));
                known.take(PLATFORMS_MAX).map(|(platform, digest)| listed(platform, digest)).collect()
            }
        };
        self.tell(&platforms).await;
        match document {
            Document::Image(manifest) => self.read_configuration(&mut platforms[0], &manifest).await,
            Document::Index(_) => {
                // This machine's own first: that is what most look for.
                let native = Platform::native();
                let mut order: Vec<usize> = (0..platforms.len()).collect();
                order.sort_by_key(|index| !is_native(&platforms[*index], &native));
                let known: Vec<_> = order.into_iter().map(|index| (index, platforms[index].clone())).collect();
                let answers =
                    known.into_iter().map(|(index, facts)| async move { (index, self.platform(facts).await) });
                let mut answers = stream::iter(answers).buffer_unordered(AT_ONCE);
                while let Some((index, facts)) = answers.next().await {
                    platforms[index] = facts;
                    self.tell(&platforms).await;
                }
            }
        }
        self.tell(&platforms).await;
        Ok(())
    }

    /// What one platform's manifest and configuration say; what cannot be read stays unknown.
    async fn platform(&self, facts: PlatformFacts) -> PlatformFacts {
        let Some(digest) = facts.digest.clone() else { return facts };
        let what = format!("{}@{digest}", self.repository);
        let Ok(bytes) = self.document("manifests", digest.as_str(), manifest::ACCEPT, &what).await else {
            return facts;
        };
        // Another manifest than the index names says nothing of this image.
        let Some(manifest) = Manifest::parse(&bytes).ok().filter(|_| digest_of(&bytes) == digest) else { return facts };
        let mut known = PlatformFacts { platform: facts.platform, ..of_manifest(digest, &manifest) };
        self.read_configuration(&mut known, &manifest).await;
        known
    }

    async fn read_configuration(&self, facts: &mut PlatformFacts, manifest: &Manifest) {
        let digest = &manifest.config.digest;
        let Ok(bytes) = self.document("blobs", digest.as_str(), "*/*", digest.as_str()).await else { return };
        if digest_of(&bytes) != *digest {
            return;
        }
        if let Ok(configuration) = Configuration::parse(&bytes) {
            facts.created = configuration.created;
            facts.platform.get_or_insert(configuration.platform);
            facts.config = Some(Box::new(configuration.config));
        }
    }

    async fn document(&self, kind: &str, name: &str, accept: &str, what: &str) -> Result<Vec<u8>> {
        let path = format!("/v2/{}/{kind}/{name}", self.repository);
        Ok(self.registry.document(&path, accept, what, DOCUMENT_MAX).await?.bytes)
    }

    fn garbage(&self, what: &str, reason: String) -> ImageError {
        ImageError::garbage(self.registry.name(), what, reason)
    }

    async fn tell(&self, platforms: &[PlatformFacts]) {
        let _ = self.events.send(DetailEvent::Platforms(platforms.to_vec())).await;
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::digest(bytes).into())
}

fn is_native(facts: &PlatformFacts, native: &Platform) -> bool {
    facts.platform.as_ref().is_some_and(|it| it.os == native.os && it.architecture == native.architecture)
}

fn listed(platform: Platform, digest: Digest) -> PlatformFacts {
    PlatformFacts {
        platform: Some(platform),
        digest: Some(digest),
        compressed_bytes: None,
        layers: None,
        created: None,
        config: None,
    }
}

fn of_manifest(digest: Digest, manifest: &Manifest) -> PlatformFacts {
    let parts = manifest.layers.iter().chain([&manifest.config]);
    PlatformFacts {
        platform: None,
        digest: Some(digest),
        compressed_bytes: Some(parts.fold(0, |sum: u64, part| sum.saturating_add(part.size))),
        layers: Some(manifest.layers.len()),
        created: None,
        config: None,
    }
}
