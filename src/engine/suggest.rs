//! What the run form is filled with: a free name in Docker's adjective-surname manner, and the user's shell.

use super::Engine;
use crate::model::Name;

impl Engine {
    /// A name that no container has, such as `brave_hopper`. Free now, but not kept for the caller.
    pub fn suggest_name(&self) -> Name {
        todo!()
    }

    /// The command that a run form suggests for an image: the image's own, for the host image the user's shell.
    pub fn default_command(&self, _image: &str) -> Vec<String> {
        todo!()
    }

    /// The user's shell on this machine: SHELL if it can be executed, else the user's entry in /etc/passwd, else `/bin/sh`.
    pub fn default_shell(&self) -> String {
        todo!()
    }
}
