//! `create`: validates a wish, merges it with the image's configuration, and records the container.

use super::{Engine, Result};
use crate::model::{ContainerSummary, CreateRequest};

impl Engine {
    /// Records a new container. The image must be there: otherwise [`super::EngineError::NoSuchImage`], and the face may pull.
    ///
    /// A missing name is generated; a taken one is an error; a missing folder of a bind mount is made, as Docker does.
    pub fn create(&self, _request: &CreateRequest) -> Result<ContainerSummary> {
        todo!()
    }
}
