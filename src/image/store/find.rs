//! From what a user types to an image: a reference, a digest, an id, or the beginning of one.

use super::{Row, Store, StoredImage};
use crate::image::config::Configuration;
use crate::image::{ImageError, Result};
use crate::model::{Digest, Reference};

/// The fewest digits that are taken for the beginning of an id.
const SHORTEST_ID: usize = 2;

/// What a text names.
pub(super) enum Named {
    /// One tag; the row's place.
    Tag(usize),
    /// An image, whatever its tags; the place of one of its rows.
    Image(usize),
    /// An image by the digest that this repository knows it by.
    Repository { place: usize, name: String },
}

impl Named {
    pub(super) fn place(&self) -> usize {
        match self {
            Self::Tag(place) | Self::Image(place) | Self::Repository { place, .. } => *place,
        }
    }
}

/// A tag wins over an id that reads the same, as in Docker.
pub(super) fn named(rows: &[Row], text: &str) -> Result<Named> {
    let reference = text.parse::<Reference>();
    if let Ok(reference) = &reference {
        if let Some(place) = rows.iter().position(|row| row.summary.reference.as_ref() == Some(reference)) {
            return Ok(Named::Tag(place));
        }
        if let Some(digest) = reference.digest()
            && let Some(place) = rows.iter().position(|row| row.is_known_as(reference, digest))
        {
            return Ok(Named::Repository { place, name: reference.familiar_repository() });
        }
    }
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.len() >= SHORTEST_ID && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    {
        let mut ids: Vec<(usize, &Digest)> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.has_digits(digits))
            .map(|(place, row)| (place, &row.id))
            .collect();
        ids.sort_by(|a, b| a.1.cmp(b.1).then(a.0.cmp(&b.0)));
        ids.dedup_by(|a, b| a.1 == b.1);
        match ids[..] {
            [] => {}
            [(place, _)] => return Ok(Named::Image(place)),
            _ => return Err(ambiguous(rows, text, ids.into_iter().map(|(place, _)| place))),
        }
    }
    match reference {
        Err(error) if digits.len() == text.len() => {
            Err(ImageError::Reference { text: text.to_owned(), reason: error.to_string() })
        }
        _ => Err(ImageError::NotFound { text: text.to_owned() }),
    }
}

/// The most images that an ambiguous id's message names.
const AMBIGUOUS_SHOWN: usize = 8;

fn ambiguous(rows: &[Row], text: &str, places: impl ExactSizeIterator<Item = usize>) -> ImageError {
    let count = places.len();
    let shown = places.take(AMBIGUOUS_SHOWN).map(|place| {
        let row = &rows[place];
        let name = row.summary.reference.as_ref().map(|reference| format!(" ({})", reference.familiar()));
        format!("{}{}", row.id.short(), name.unwrap_or_default())
    });
    ImageError::Ambiguous { text: text.to_owned(), count, matches: shown.collect() }
}

impl Row {
    /// Whether these digits begin its id, or are all of its manifest's or its registry's digest.
    fn has_digits(&self, digits: &str) -> bool {
        let whole = |digest: &Digest| digest.hex() == digits;
        self.id.hex().starts_with(digits) || whole(&self.manifest) || self.asked.as_ref().is_some_and(whole)
    }

    /// `repository@digest`, as the registry that it came from knows it; none for what came from no registry.
    pub(in crate::image) fn repository_digest(&self) -> Option<Reference> {
        let reference = self.summary.reference.as_ref()?;
        let digest = reference.digest().or(self.asked.as_ref())?;
        format!("{}@{digest}", reference.familiar_repository()).parse().ok()
    }

    /// Whether it came from this repository and is known there by `digest`.
    fn is_known_as(&self, reference: &Reference, digest: &Digest) -> bool {
        let known = self.manifest == *digest || self.asked.as_ref() == Some(digest);
        let own = self.summary.reference.as_ref();
        known && own.is_none_or(|own| own.familiar_repository() == reference.familiar_repository())
    }
}

impl Store {
    /// Finds an image by reference (familiar or full), digest, id or the unique beginning of an id.
    pub fn find(&self, text: &str) -> Result<StoredImage> {
        let mut rows = self.rows()?;
        let place = named(&rows, text)?.place();
        self.stored(rows.swap_remove(place))
    }

    pub(in crate::image) fn stored(&self, row: Row) -> Result<StoredImage> {
        let configuration = self.configuration(&row.id)?;
        if let Some(missing) = configuration.diff_ids.iter().find(|layer| !self.has_layer(layer)) {
            return Err(ImageError::store(format!("layer {}", missing.short()), "it is not unpacked here"));
        }
        Ok(StoredImage {
            reference: row.summary.reference,
            id: row.id,
            manifest: row.manifest,
            platform: configuration.platform,
            config: configuration.config,
            layer_paths: configuration.diff_ids.iter().map(|layer| self.layer_path(layer)).collect(),
            layers: configuration.diff_ids,
        })
    }

    pub(super) fn configuration(&self, id: &Digest) -> Result<Configuration> {
        let what = format!("configuration {}", id.short());
        let bytes = self.read_document(id).map_err(|error| Self::missing_is_damage(&what, error))?;
        Configuration::parse(&bytes).map_err(|reason| ImageError::store(what, reason))
    }
}
