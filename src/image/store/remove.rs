//! `rmi`: takes tags away, and the image with its last tag.

use super::find::{Named, named};
use super::users::{InUse, User};
use super::{Freed, Row, Store};
use crate::image::{ImageError, Result};
use crate::model::{Digest, Reference};

/// What a removal did, in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// A tag, or the digest that a registry knows the image by.
    Untagged(Reference),
    Deleted(Digest),
}

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveMode {
    /// Not what a container is made of, and not an image with several tags by its id.
    Careful,
    /// Only what a container runs on stays, without its tag.
    Force,
}

impl Store {
    /// Removes a tag, and the image with its last tag. The layers of containers stay in any case.
    pub fn remove(&self, text: &str, mode: RemoveMode) -> Result<Vec<Removed>> {
        let removed = self.shrink_index(|index| {
            // Asked under the lock: no container is made of an image meanwhile.
            let in_use = self.in_use()?;
            let understood: Vec<(usize, Row)> =
                index.manifests.iter().enumerate().filter_map(|(at, row)| Some((at, self.row(row)?))).collect();
            let (places, rows): (Vec<usize>, Vec<Row>) = understood.into_iter().unzip();
            let decision = decide(&rows, text, mode, &in_use)?;
            for (place, fate) in places.into_iter().zip(&decision.fates).rev() {
                match fate {
                    Fate::Kept => {}
                    Fate::Untagged => index.manifests[place].untag(),
                    Fate::Gone => drop(index.manifests.remove(place)),
                }
            }
            Ok(decision.removed)
        })?;
        self.gc_after_removal()?;
        Ok(removed)
    }

    /// The removal has been done: damage elsewhere in the store, which keeps garbage from being told from the rest, is not
    /// its failure but [`Store::check`]'s to tell.
    pub(super) fn gc_after_removal(&self) -> Result<Freed> {
        match self.gc() {
            Err(ImageError::Store { .. } | ImageError::UsersUnknown { .. }) => Ok(Freed::default()),
            result => result,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    Untagged,
    Gone,
}

struct Decision {
    fates: Vec<Fate>,
    removed: Vec<Removed>,
}

fn decide(rows: &[Row], text: &str, mode: RemoveMode, in_use: &InUse) -> Result<Decision> {
    let named = named(rows, text)?;
    let id = &rows[named.place()].id;
    let same: Vec<usize> = (0..rows.len()).filter(|place| rows[*place].id == *id).collect();
    let going = going(rows, &named, &same, text, mode)?;
    let last = going.len() == same.len();
    let user = if last { in_use.of_image(id) } else { None };
    let stays = match user {
        None => false,
        Some(user) => refuse_or_keep(user, &named, text, mode)?,
    };
    let mut fates = vec![Fate::Kept; rows.len()];
    for place in &going {
        fates[*place] = Fate::Gone;
    }
    let mut removed: Vec<Removed> = untagged(rows, &going, &same).into_iter().map(Removed::Untagged).collect();
    if stays {
        fates[going[0]] = Fate::Untagged;
    } else if last {
        removed.push(Removed::Deleted(id.clone()));
    }
    Ok(Decision { fates, removed })
}

/// The rows that go, if nobody uses the image.
fn going(rows: &[Row], named: &Named, same: &[usize], text: &str, mode: RemoveMode) -> Result<Vec<usize>> {
    let tagged = |places: &[usize]| places.iter().filter(|place| rows[**place].summary.reference.is_some()).count();
    let all = match named {
        Named::Tag(place) => return Ok(vec![*place]),
        Named::Repository { name, .. } => {
            let of_it = |place: &&usize| {
                let reference = rows[**place].summary.reference.as_ref();
                reference.is_none_or(|reference| reference.familiar_repository() == *name)
            };
            same.iter().filter(of_it).copied().collect()
        }
        Named::Image(_) => same.to_vec(),
    };
    match tagged(&all) {
        count if count > 1 && mode == RemoveMode::Careful => {
            Err(ImageError::ManyTags { image: text.to_owned(), count })
        }
        _ => Ok(all),
    }
}

/// As Docker: what runs is never deleted. By name and with force it loses its name only; by id it is refused even so. A
/// container that does not run holds its image only against removal without force, and keeps its layers in any case.
fn refuse_or_keep(user: &User, named: &Named, text: &str, mode: RemoveMode) -> Result<bool> {
    let container = user.name.clone();
    match (mode, user.runs, named) {
        (RemoveMode::Careful, ..) => Err(ImageError::InUse { image: text.to_owned(), container, runs: user.runs }),
        (RemoveMode::Force, true, Named::Image(_)) => Err(ImageError::Running { image: text.to_owned(), container }),
        (RemoveMode::Force, runs, _) => Ok(runs),
    }
}

/// The names that go: tags first, and with a repository's last tag the digest it was known by there.
fn untagged(rows: &[Row], going: &[usize], same: &[usize]) -> Vec<Reference> {
    let mut names: Vec<Reference> = going.iter().filter_map(|place| rows[*place].summary.reference.clone()).collect();
    let stays = |name: &Reference| {
        let staying = same.iter().filter(|place| !going.contains(place));
        let mut references = staying.filter_map(|place| rows[*place].summary.reference.as_ref());
        references.any(|other| other.familiar_repository() == name.familiar_repository())
    };
    let digests = going.iter().filter_map(|place| rows[*place].repository_digest());
    for name in digests.collect::<Vec<_>>() {
        if !names.contains(&name) && !stays(&name) {
            names.push(name);
        }
    }
    names
}
