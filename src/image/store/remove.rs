//! `rmi`: takes tags away, and the image with its last tag.

use super::find::{Named, named};
use super::{Row, Store};
use crate::image::{ImageError, Result};
use crate::model::{Digest, Reference};

/// What a removal did, in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    Untagged(Reference),
    Deleted(Digest),
}

impl Store {
    /// Removes a tag, and the image with its last tag. `in_use` names a container made of an image, if there is one: then it
    /// is refused, or with `force` only untagged.
    pub fn remove(&self, text: &str, force: bool, in_use: &dyn Fn(&Digest) -> Option<String>) -> Result<Vec<Removed>> {
        let removed = self.change_index(|index| {
            // Places in `rows` and in the file are the same as long as every row can be read.
            index.manifests.retain(|row| self.row(row).is_some());
            let rows: Vec<Row> = index.manifests.iter().filter_map(|row| self.row(row)).collect();
            let decision = decide(&rows, text, force, in_use)?;
            let mut place = 0;
            index.manifests.retain_mut(|row| {
                let fate = decision.fates[place];
                place += 1;
                if fate == Fate::Untagged {
                    row.untag();
                }
                fate != Fate::Gone
            });
            Ok(decision.removed)
        })?;
        self.gc()?;
        Ok(removed)
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

fn decide(rows: &[Row], text: &str, force: bool, in_use: &dyn Fn(&Digest) -> Option<String>) -> Result<Decision> {
    let named = named(rows, text)?;
    let id = &rows[named.place()].id;
    let same: Vec<usize> = (0..rows.len()).filter(|place| rows[*place].id == *id).collect();
    let mut fates = vec![Fate::Kept; rows.len()];
    let mut removed = Vec::new();
    let tagged: Vec<usize> = same.iter().copied().filter(|place| rows[*place].summary.reference.is_some()).collect();
    let going = match named {
        Named::Tag(place) if same.len() > 1 => vec![place],
        Named::Image(_) if tagged.len() > 1 && !force => {
            return Err(ImageError::ManyTags { image: text.to_owned(), count: tagged.len() });
        }
        _ => same.clone(),
    };
    let last = going.len() == same.len();
    let user = if last { in_use(id) } else { None };
    if let Some(container) = &user
        && !force
    {
        return Err(ImageError::InUse { image: text.to_owned(), container: container.clone() });
    }
    for place in &going {
        fates[*place] = Fate::Gone;
        removed.extend(rows[*place].summary.reference.clone().map(Removed::Untagged));
    }
    match user {
        Some(_) => fates[going[0]] = Fate::Untagged,
        None if last => removed.push(Removed::Deleted(id.clone())),
        None => {}
    }
    Ok(Decision { fates, removed })
}
