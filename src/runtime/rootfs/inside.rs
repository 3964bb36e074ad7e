//! Paths inside a container's root file system, resolved by the kernel so that no symlink leads out of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FsWord, Mode, OFlags, ResolveFlags, fstat, fstatfs, mkdirat, openat, openat2};
use rustix::io::Errno;

/// statfs's magic numbers (linux/magic.h).
const PROC_MAGIC: FsWord = 0x9fa0;
const SYSFS_MAGIC: FsWord = 0x6265_6572;
const TMPFS_MAGIC: FsWord = 0x0102_1994;
const CGROUP_MAGIC: FsWord = 0x0027_e0eb;
const CGROUP2_MAGIC: FsWord = 0x6367_7270;

/// What a mount point has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Folder,
    File,
}

/// How strictly a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symlinks {
    /// Followed, an absolute one from the container's root.
    InsideRoot,
    /// Refused: for places that the kernel's own file systems go to (CVE-2019-19921).
    Refused,
}

/// The path without `.`, `..` and doubled slashes, relative to the root. `..` is taken literally, as Docker does.
pub fn relative(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// Opens what is there (O_PATH), or `None`.
pub fn find(root: impl AsFd, path: &Path, symlinks: Symlinks) -> io::Result<Option<OwnedFd>> {
    match open_path(root.as_fd(), &relative(path), symlinks) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens a mount point (O_PATH), made with all folders above it if it is missing.
pub fn find_or_make(root: impl AsFd, path: &Path, shape: Shape, symlinks: Symlinks) -> io::Result<OwnedFd> {
    let root = root.as_fd();
    let path = relative(path);
    match open_path(root, &path, symlinks) {
        Err(Errno::NOENT) => {}
        opened => return Ok(opened?),
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::NOENT.into());
    };
    let parent = find_or_make(root, parent, Shape::Folder, symlinks)?;
    match shape {
        Shape::Folder => match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        },
        Shape::File => {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            drop(openat(&parent, name, flags, Mode::from_raw_mode(0o644))?);
        }
    }
    Ok(open_path(root, &path, symlinks)?)
}

fn open_path(root: impl AsFd, path: &Path, symlinks: Symlinks) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let resolve = if symlinks == Symlinks::Refused { resolve | ResolveFlags::NO_SYMLINKS } else { resolve };
    loop {
        // EAGAIN: a rename or mount elsewhere raced with a `..` on the way.
        match openat2(&root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
}

/// Whether an open place is a folder.
pub fn is_folder(place: impl AsFd) -> io::Result<bool> {
    Ok(rustix::fs::FileType::from_raw_mode(fstat(place)?.st_mode).is_dir())
}

/// Whether an open place really is on procfs, not on something laid over it (CVE-2019-16884, CVE-2025-52881).
pub fn is_on_proc(place: impl AsFd) -> io::Result<bool> {
    Ok(is_magic(place, PROC_MAGIC)?)
}

/// Whether an open place is on sysfs.
pub fn is_on_sysfs(place: impl AsFd) -> io::Result<bool> {
    Ok(is_magic(place, SYSFS_MAGIC)?)
}

/// Whether an open place is on a cgroup hierarchy or the tmpfs that holds some.
pub fn is_on_cgroups(place: impl AsFd) -> io::Result<bool> {
    let found = fstatfs(place)?.f_type;
    Ok([CGROUP_MAGIC, CGROUP2_MAGIC, TMPFS_MAGIC].contains(&found))
}

fn is_magic(place: impl AsFd, magic: FsWord) -> Result<bool, Errno> {
    Ok(fstatfs(place)?.f_type == magic)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let root =
            openat(rustix::fs::CWD, folder.path(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        (folder, root.expect("open"))
    }

    #[test]
    fn relative_takes_dots_literally() {
        for (path, clean) in [("/a/../../b/./c//", "b/c"), ("/", ""), ("../../x", "x")] {
            assert_eq!(relative(Path::new(path)), Path::new(clean), "{path}");
        }
    }

    #[test]
    fn target_behind_symlink_out_of_the_root_is_made_inside() {
        let (folder, root) = root();
        let outside = tempfile::tempdir().expect("temporary folder");
        symlink(outside.path(), folder.path().join("data")).expect("symlink");
        // The link's absolute target is looked up inside the root, where it does not exist: refused, and not made outside.
        let made = find_or_make(&root, Path::new("/data/x"), Shape::Folder, Symlinks::InsideRoot);
        assert!(made.is_err() || fs::read_dir(outside.path()).expect("list").next().is_none());
        assert_eq!(fs::read_dir(outside.path()).expect("list").count(), 0);
    }

    #[test]
    fn relative_symlink_with_parents_stays_inside() {
        let (folder, root) = root();
        symlink("../../../../etc", folder.path().join("link")).expect("symlink");
        fs::create_dir(folder.path().join("etc")).expect("folder");
        let place = find_or_make(&root, Path::new("/link/made"), Shape::File, Symlinks::InsideRoot).expect("made");
        assert!(!is_folder(&place).expect("stat"));
        assert!(folder.path().join("etc/made").is_file());
    }

    #[test]
    fn symlink_is_refused_where_kernel_file_systems_go() {
        let (folder, root) = root();
        fs::create_dir(folder.path().join("elsewhere")).expect("folder");
        symlink("elsewhere", folder.path().join("proc")).expect("symlink");
        let made = find_or_make(&root, Path::new("/proc"), Shape::Folder, Symlinks::Refused);
        assert_eq!(made.expect_err("symlink").raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }

    #[test]
    fn procfs_is_known_by_its_magic() {
        let (_folder, root) = root();
        assert!(!is_on_proc(&root).expect("statfs"));
        let own = fs::File::open("/proc/self/status").expect("open");
        assert!(is_on_proc(&own).expect("statfs"));
    }
}
