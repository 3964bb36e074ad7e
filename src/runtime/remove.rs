//! Removes folders that containers wrote to, whoever owns the files in them.

use std::io;
use std::path::Path;

/// Removes `path` and everything below it. A missing path is no error.
///
/// What a rootless container's mapped ids own is removed by `/proc/self/exe remove-tree PATH` in a user namespace.
pub fn remove_tree(_path: &Path) -> io::Result<()> {
    todo!()
}

/// The hidden verb `teu remove-tree PATH`: enters the user namespace (single-threaded) and removes. Exit code for main.
pub fn remove_tree_verb(_path: &Path) -> i32 {
    todo!()
}
