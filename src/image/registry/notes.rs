//! Sentences that a registry's requests have for whoever waits for them.

use std::sync::{Arc, Mutex, PoisonError};

/// Sentences not yet told. Clones share them.
#[derive(Clone, Debug, Default)]
pub(in crate::image) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(in crate::image) fn tell(&self, text: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// All that have come since the last call.
    pub(in crate::image) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
