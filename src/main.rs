//! The program `teu`: hidden verbs first, before any thread exists, then the faces.

use std::ffi::OsStr;
use std::path::Path;

fn main() {
    if let Some(code) = hidden_verb() {
        std::process::exit(code);
    }
}

/// What teu starts of itself. These clone, so nothing may have made a thread before them.
fn hidden_verb() -> Option<i32> {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next()?.to_str()? {
        "monitor" => Some(teu::monitor::serve::main()),
        "remove-tree" => {
            Some(teu::runtime::remove_tree_verb(Path::new(arguments.next().as_deref().unwrap_or(OsStr::new("")))))
        }
        _ => None,
    }
}
