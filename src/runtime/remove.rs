//! Removes folders that containers wrote to, whoever owns the files in them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{idmap, own_namespace};

/// Removes `path` and everything below it. A missing path is no error.
///
/// What a rootless container's mapped ids own is removed by `/proc/self/exe remove-tree PATH` in a user namespace.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match remove(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !rustix::process::geteuid().is_root() => {
            remove_as_mapped_root(path).unwrap_or(Err(error))
        }
        done => done,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(path) {
        // Own folders without write permission, such as overlayfs's `work/work` (mode 0) or an image's read-only ones.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path);
            fs::remove_dir_all(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        done => done,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Gives the owner access to every folder below. Symlinks are not followed.
fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

/// `None` if the helper could not run: the first error tells more then.
fn remove_as_mapped_root(path: &Path) -> Option<io::Result<()>> {
    if idmap::own_maps().uids.len() < 2 {
        return None;
    }
    let output = Command::new("/proc/self/exe")
        .arg("remove-tree")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Some(if output.status.success() { Ok(()) } else { Err(io::Error::new(io::ErrorKind::PermissionDenied, text)) })
}

/// The hidden verb `teu remove-tree PATH`: enters the user namespace (single-threaded) and removes. Exit code for main.
pub fn remove_tree_verb(path: &Path) -> i32 {
    own_namespace::run(|| remove(path).map_err(|error| format!("cannot remove {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remove_of_closed_folders_and_missing_paths() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("work/work/below")).expect("folders");
        fs::write(tree.join("work/work/below/file"), "x").expect("file");
        fs::set_permissions(tree.join("work/work"), fs::Permissions::from_mode(0o000)).expect("mode");
        remove_tree(&tree).expect("removed");
        assert!(!tree.exists());
        remove_tree(&tree).expect("missing is removed");
    }

    #[test]
    fn remove_leaves_what_a_symlink_points_to() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (tree, other) = (folder.path().join("tree"), folder.path().join("other"));
        fs::create_dir(&tree).expect("folder");
        fs::create_dir(&other).expect("folder");
        fs::write(other.join("kept"), "x").expect("file");
        std::os::unix::fs::symlink(&other, tree.join("link")).expect("symlink");
        remove_tree(&tree).expect("removed");
        assert!(other.join("kept").exists());
    }
}
