//! pasta (passt.top), which carries an ordinary user's containers to the world: the user's own sockets speak for them.

use std::path::PathBuf;

/// The program, where PATH has it, or where distributions put it.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/local/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|folder| folder.join("pasta")).find(|file| file.is_file())
}
