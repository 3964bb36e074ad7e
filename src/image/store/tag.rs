//! `tag`: another name for an image.

use super::Store;
use super::find::named;
use crate::image::{ImageError, Result};
use crate::model::{Digest, Reference};

impl Store {
    /// Gives an image, named as for [`Store::find`], the name `reference` too; what had that name loses it. Returns its id.
    pub fn tag(&self, text: &str, reference: &Reference) -> Result<Digest> {
        if reference.digest().is_some() || reference.tag().is_none() {
            return Err(ImageError::TagWithDigest { reference: reference.familiar() });
        }
        // As Docker: such a name would hide the image of that id.
        if is_id(&reference.familiar_repository()) {
            let reason = "a name of 64 hexadecimal digits is an id".to_owned();
            return Err(ImageError::Reference { text: reference.familiar(), reason });
        }
        self.change_index(|index| {
            let mut rows: Vec<_> = index.manifests.iter().filter_map(|row| self.row(row)).collect();
            let place = named(&rows, text)?.place();
            let mut row = rows.swap_remove(place);
            let repository = row.summary.reference.as_ref().map(Reference::familiar_repository);
            if repository != Some(reference.familiar_repository()) {
                // The registry knows nothing of it under the new name.
                row.asked = None;
            }
            row.summary.reference = Some(reference.clone());
            index.put(&row);
            Ok(row.id)
        })
    }
}

fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
