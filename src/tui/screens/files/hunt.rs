//! A search that goes on through the parts of a large file, one after the other, and comes back if nothing is found.

use super::text;
use super::view::{PART_BYTES, View};
use crate::model::FilePart;
use crate::tui::figures;

/// Where a search goes on, and where it has begun.
#[derive(Clone, Debug)]
pub struct Hunt {
    back: bool,
    /// Hits begin here or behind; backwards, before.
    limit: u64,
    /// Lines on the screen.
    height: usize,
    /// The part, the line and the byte that were on the screen when it began.
    origin: (u64, usize, usize),
    /// Nothing was found: back to where it began.
    returns: bool,
}

impl View {
    /// Nothing was found in this part: the search goes on in another, if there is one in that direction.
    pub(super) fn goes_on(&mut self, back: bool, height: usize) -> bool {
        let origin = self.hunt.take().map_or((self.offset, self.top, self.top_byte), |hunt| hunt.origin);
        let needle = text::needle(&self.search.text()).len() as u64;
        if needle == 0 || self.other_part(!back).is_err() {
            if origin.0 != self.offset {
                self.hunt = Some(Hunt { back, limit: 0, height, origin, returns: true });
            }
            return false;
        }
        // What lies across the border of two parts is found, too.
        let end = self.offset + self.bytes.len() as u64;
        let limit = if back { self.offset } else { end.saturating_sub(needle - 1) };
        self.hunt = Some(Hunt { back, limit, height, origin, returns: false });
        true
    }

    /// Where the part begins that the search goes on in; a multiple of every row's length.
    pub fn hunted_part(&self) -> Option<u64> {
        let hunt = self.hunt.as_ref()?;
        let needle = text::needle(&self.search.text()).len() as u64;
        let begin = match (hunt.returns, hunt.back) {
            (true, _) => return Some(hunt.origin.0),
            (false, false) => hunt.limit,
            // One row less, so that the part reaches over the border however it is rounded.
            (false, true) => (hunt.limit + needle).saturating_sub(PART_BYTES - 64),
        };
        Some(begin & !63)
    }

    /// A part came that the search goes on in, or that it comes back to.
    pub(super) fn hunt_in(&mut self, part: &FilePart) {
        let Some(hunt) = self.hunt.clone() else { return };
        if hunt.returns {
            self.hunt = None;
            (self.top, self.top_byte, self.missed) = (hunt.origin.1, hunt.origin.2, true);
            return;
        }
        let from = usize::try_from(hunt.limit.saturating_sub(part.offset)).unwrap_or(usize::MAX).min(self.bytes.len());
        self.find_from(from, hunt.back, hunt.height);
    }

    /// How far a search is.
    pub(super) fn hunting(&self) -> Option<String> {
        let hunt = self.hunt.as_ref().filter(|hunt| !hunt.returns)?;
        let percent = hunt.limit.saturating_mul(100) / self.size_bytes.max(1);
        Some(format!("at {percent} % of {}", figures::bytes_long(self.size_bytes)))
    }
}
