//! `events`: what happened, and is happening, to containers and images.

use super::{Engine, EventQuery, EventReader, Result};

impl Engine {
    /// Past events by the query, and with `follow` those to come.
    pub fn events(&self, _query: &EventQuery) -> Result<EventReader> {
        todo!()
    }
}
