//! Which images, and by which names they go into the archive.

use std::collections::BTreeSet;

use crate::image::store::Row;
use crate::image::{ImageError, Result, Store};
use crate::model::{Digest, Platform, Reference};

/// An image of the archive.
pub(super) struct Chosen {
    pub(super) id: Digest,
    pub(super) manifest: Digest,
    pub(super) media_type: String,
    pub(super) platform: Platform,
    /// Its tags, sorted; none if it was chosen by its id only.
    pub(super) references: BTreeSet<Reference>,
}

/// Each image once, in the order in which they are named first.
pub(super) fn choose(store: &Store, names: &[String], platform: Option<&Platform>) -> Result<Vec<Chosen>> {
    let rows = store.rows()?;
    let mut chosen: Vec<Chosen> = Vec::new();
    for name in names {
        for (row, reference) in named(store, &rows, name)? {
            let own = &row.summary.platform;
            if let Some(wanted) = platform.filter(|wanted| !fits(own, wanted)) {
                let (reference, wanted, available) = (name.clone(), wanted.clone(), vec![own.to_string()]);
                return Err(ImageError::PlatformMissing { reference, wanted, available });
            }
            let place = chosen.iter().position(|other| other.manifest == row.manifest).unwrap_or_else(|| {
                chosen.push(Chosen {
                    id: row.id.clone(),
                    manifest: row.manifest.clone(),
                    media_type: row.media_type.clone(),
                    platform: own.clone(),
                    references: BTreeSet::new(),
                });
                chosen.len() - 1
            });
            // A tag can be given again where the archive is loaded; a digest is what it is.
            chosen[place]
                .references
                .extend(reference.filter(|it| it.tag().is_some() && it.digest().is_none()).cloned());
        }
    }
    Ok(chosen)
}

/// The rows that a text means, with the tag where it means one.
fn named<'a>(store: &Store, rows: &'a [Row], text: &str) -> Result<Vec<(&'a Row, Option<&'a Reference>)>> {
    let reference = text.parse::<Reference>().ok();
    let last = text.rsplit('/').next().unwrap_or(text);
    if let Some(reference) = reference.as_ref().filter(|_| !last.contains([':', '@'])) {
        let is_same = |own: &Reference| own.familiar_repository() == reference.familiar_repository();
        let tags = rows.iter().map(|row| (row, row.summary.reference.as_ref()));
        let tags: Vec<_> = tags.filter(|(_, own)| own.is_some_and(is_same)).collect();
        if !tags.is_empty() {
            return Ok(tags);
        }
    }
    let found = store.find(text)?;
    let own: Vec<&Row> = rows.iter().filter(|row| row.manifest == found.manifest).collect();
    let tagged = own.iter().find(|row| reference.is_some() && row.summary.reference == reference);
    match (tagged, own.first()) {
        (Some(row), _) => Ok(vec![(row, row.summary.reference.as_ref())]),
        (None, Some(row)) => Ok(vec![(row, None)]),
        (None, None) => Err(ImageError::NotFound { text: text.to_owned() }),
    }
}

fn fits(own: &Platform, wanted: &Platform) -> bool {
    own.os == wanted.os
        && own.architecture == wanted.architecture
        && (wanted.variant.is_none() || own.variant == wanted.variant)
}
