//! `inspect`: everything known of one container.

use super::{Engine, Result};
use crate::model::ContainerInspect;

impl Engine {
    /// Everything known of a container.
    pub fn inspect(&self, _target: &str) -> Result<ContainerInspect> {
        todo!()
    }

    /// As [`Engine::inspect`], with the bytes in the writable layer counted, which walks through all of it.
    pub fn inspect_with_size(&self, _target: &str) -> Result<ContainerInspect> {
        todo!()
    }
}
