//! `rename`: the new name is taken before the old one is let go.

use super::{Engine, Result};
use crate::model::Name;

impl Engine {
    /// Gives a container another name, whether it runs or not.
    pub fn rename(&self, _target: &str, _name: &Name) -> Result<()> {
        todo!()
    }
}
