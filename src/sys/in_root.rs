//! Paths that cannot leave a folder: every step goes through a directory descriptor and openat2(2) with
//! `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`, so `..`, absolute paths and symlinks all end inside. Never follows a last component.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Stat, StatVfsMountFlags, StatxFlags,
    Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmodat, chownat, fchmod, fchown, fgetxattr, flistxattr,
    fsetxattr, fstat, fstatvfs, futimens, linkat, makedev, mkdirat, mknodat, openat, openat2, readlinkat, renameat,
    renameat_with, statat, statx, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const OPEN_FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Deeper trees are flattened while they are removed, so that neither the stack nor the descriptors run out.
const REMOVE_DEPTH: usize = 64;

/// A folder, open. Names given to its functions are single components.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Folder {
    /// Of a folder that is open, if only as a place (O_PATH).
    fn from(folder: OwnedFd) -> Self {
        Self(folder)
    }
}

impl Folder {
    /// Opens a trusted path of our own: symlinks in it are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, OPEN_FOLDER, Mode::empty())?))
    }

    /// The same where the folder itself may be closed to this user: only what is below can be opened, by name.
    pub fn open_place(path: &Path) -> io::Result<Self> {
        Ok(Self(openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// Opens the folder `path` as a process chrooted here would, symlinks and all.
    pub fn resolve(&self, path: &OsStr) -> io::Result<Self> {
        let path = if path.is_empty() { OsStr::new(".") } else { path };
        loop {
            match openat2(&self.0, path, OPEN_FOLDER, Mode::empty(), IN_ROOT) {
                // The kernel asks for another try when a rename raced with `..`.
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return Ok(Self(result?)),
            }
        }
    }

    /// As [`Folder::resolve`], making missing folders with mode 0755, whatever the umask, on the way; true if one was made.
    pub fn resolve_or_make(&self, path: &OsStr) -> io::Result<(Self, bool)> {
        match self.resolve(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return Ok((result?, false)),
        }
        let bytes = path.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at).chain([bytes.len()]);
        let mut folder = self.resolve(OsStr::new(""))?;
        let mut start = 0;
        for end in ends {
            let (name, so_far) = (OsStr::from_bytes(&bytes[start..end]), OsStr::from_bytes(&bytes[..end]));
            start = end + 1;
            if name.is_empty() {
                continue;
            }
            folder = match self.resolve(so_far) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    folder.make_folder(name, 0o700)?;
                    let made = folder.child(name)?;
                    set_mode(&made, 0o755)?;
                    made
                }
                result => result?,
            };
        }
        Ok((folder, true))
    }

    /// As [`Folder::resolve`], but a symlink anywhere on the way is refused.
    pub fn resolve_without_links(&self, path: &OsStr) -> io::Result<Self> {
        let path = if path.is_empty() { OsStr::new(".") } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        loop {
            match openat2(&self.0, path, OPEN_FOLDER, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                result => return Ok(Self(result?)),
            }
        }
    }

    /// Opens the folder `name` in this one; a symlink is refused.
    pub fn child(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Self(openat(&self.0, single(name)?, OPEN_FOLDER | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// Opens the regular file `name` for reading; never blocks on a fifo or device, never follows a symlink.
    pub fn read_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.0, single(name)?, flags, Mode::empty())?))
    }

    /// Makes the new file `name`, open for writing. `mode` is cut by the umask.
    pub fn make_file(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.0, single(name)?, flags, Mode::from_raw_mode(mode))?))
    }

    /// Opens the regular file `name` for writing and empties it; never blocks on a fifo or device, never follows a symlink.
    pub fn write_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.0, single(name)?, flags, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let file = File::from(file);
        file.set_len(0)?;
        Ok(file)
    }

    pub fn make_folder(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        Ok(mkdirat(&self.0, single(name)?, Mode::from_raw_mode(mode))?)
    }

    pub fn make_symlink(&self, name: &OsStr, target: &OsStr) -> io::Result<()> {
        Ok(symlinkat(target, &self.0, single(name)?)?)
    }

    /// Makes `name` another name of `old_name` in `old_folder`, of the symlink itself if it is one.
    pub fn make_hard_link(&self, name: &OsStr, old_folder: &Self, old_name: &OsStr) -> io::Result<()> {
        Ok(linkat(&old_folder.0, single(old_name)?, &self.0, single(name)?, AtFlags::empty())?)
    }

    pub fn make_fifo(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        Ok(mknodat(&self.0, single(name)?, FileType::Fifo, Mode::from_raw_mode(mode), 0)?)
    }

    /// Makes a device node of these major and minor numbers, mode 0600.
    pub fn make_device(&self, name: &OsStr, is_block: bool, (major, minor): (u32, u32)) -> io::Result<()> {
        let kind = if is_block { FileType::BlockDevice } else { FileType::CharacterDevice };
        Ok(mknodat(&self.0, single(name)?, kind, Mode::RUSR | Mode::WUSR, makedev(major, minor))?)
    }

    /// Makes an overlayfs whiteout, a character device 0:0; since Linux 5.8 without any privilege.
    pub fn make_whiteout(&self, name: &OsStr) -> io::Result<()> {
        Ok(mknodat(&self.0, single(name)?, FileType::CharacterDevice, Mode::empty(), 0)?)
    }

    /// What `name` is, the symlink itself if it is one; none if there is nothing.
    pub fn look(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match statat(&self.0, single(name)?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub fn stat(&self) -> io::Result<Stat> {
        Ok(fstat(&self.0)?)
    }

    /// The mount that it is on; see [`mount_of`].
    pub fn mount(&self) -> io::Result<u64> {
        mount_of(self)
    }

    /// The target of the symlink `name`.
    pub fn read_symlink(&self, name: &OsStr) -> io::Result<OsString> {
        Ok(OsString::from_vec(readlinkat(&self.0, single(name)?, Vec::new())?.into_bytes()))
    }

    /// All names in it but `.` and `..`, sorted.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name.to_vec()));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Owner of `name`, of the symlink itself if it is one.
    pub fn set_owner_of(&self, name: &OsStr, uid: u32, gid: u32) -> io::Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        Ok(chownat(&self.0, single(name)?, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Mode of `name`, which must not be a symlink.
    pub fn set_mode_of(&self, name: &OsStr, mode: u32) -> io::Result<()> {
        Ok(chmodat(&self.0, single(name)?, Mode::from_raw_mode(mode), AtFlags::empty())?)
    }

    /// Time of the last change of `name`, of the symlink itself if it is one.
    pub fn set_modified_of(&self, name: &OsStr, seconds: i64, nanoseconds: u32) -> io::Result<()> {
        let times = modified(seconds, nanoseconds);
        Ok(utimensat(&self.0, single(name)?, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Moves `name` to another folder of the same file system; what is no folder takes the place of what is there.
    pub fn rename(&self, name: &OsStr, folder: &Self, new: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.0, single(name)?, &folder.0, single(new)?)?)
    }

    /// Removes `name`, which must be no folder.
    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, single(name)?, AtFlags::empty())?)
    }

    /// Removes `name` and everything below it; nothing there is no error. Folders without permissions are opened up first.
    pub fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.0, single(name)?, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM | Errno::ACCESS) => {}
            Err(error) => return Err(error.into()),
        }
        if self.look(name)?.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory) {
            return Ok(unlinkat(&self.0, name, AtFlags::empty())?);
        }
        let top = self.child_opened_up(name)?;
        while !top.remove_content(&top, 0)? {}
        Ok(unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Removes all below; false if something too deep was moved up to `top` and waits there.
    fn remove_content(&self, top: &Self, depth: usize) -> io::Result<bool> {
        let mut all = true;
        for name in self.names()? {
            match unlinkat(&self.0, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR | Errno::PERM | Errno::ACCESS) => {}
                Err(error) => return Err(error.into()),
            }
            let child = self.child_opened_up(&name)?;
            if depth >= REMOVE_DEPTH {
                let aside = format!(".deep-{:016x}", u64::from_ne_bytes(super::random::bytes()?));
                renameat_with(&self.0, &name, &top.0, &aside, RenameFlags::NOREPLACE)?;
                all = false;
                continue;
            }
            all &= child.remove_content(top, depth + 1)?;
            drop(child);
            match unlinkat(&self.0, &name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(all)
    }

    /// Opens the folder `name` with read, write and search permission for its owner.
    fn child_opened_up(&self, name: &OsStr) -> io::Result<Self> {
        match self.child(name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => self.set_mode_of(name, 0o700)?,
            Err(error) => return Err(error),
            Ok(child) => {
                if child.stat()?.st_mode & 0o700 != 0o700 {
                    set_mode(&child, 0o700)?;
                }
                return Ok(child);
            }
        }
        self.child(name)
    }
}

/// Refuses what is not one component: the kernel would walk it.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a single path component"));
    }
    Ok(name)
}

fn modified(seconds: i64, nanoseconds: u32) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    }
}

/// What an open file or folder is.
pub fn stat(fd: impl AsFd) -> io::Result<Stat> {
    Ok(fstat(fd)?)
}

/// A number that is different for each mount there is (statx(2), Linux 5.8).
pub fn mount_of(fd: impl AsFd) -> io::Result<u64> {
    Ok(statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?.stx_mnt_id)
}

/// Sorts of file systems that matter when trees are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// The kernel's own: what is read of it is made at that moment.
    Kernel,
    Overlay,
    Other,
}

/// statfs's magic numbers (linux/magic.h): procfs, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs, securityfs, bpf.
const KERNEL: [rustix::fs::FsWord; 10] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x1cd1,
    0x1980_0202,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
];
const OVERLAY: rustix::fs::FsWord = 0x794c_7630;

/// The sort of file system that an open file or folder is on.
pub fn file_system_of(fd: impl AsFd) -> io::Result<FileSystem> {
    Ok(match rustix::fs::fstatfs(fd)?.f_type {
        OVERLAY => FileSystem::Overlay,
        kind if KERNEL.contains(&kind) => FileSystem::Kernel,
        _ => FileSystem::Other,
    })
}

/// Owner of an open file or folder. Clears setuid and capabilities: set those after.
pub fn set_owner(fd: impl AsFd, uid: u32, gid: u32) -> io::Result<()> {
    Ok(fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

/// Mode of an open file or folder, setuid and sticky bits included; not cut by the umask.
pub fn set_mode(fd: impl AsFd, mode: u32) -> io::Result<()> {
    Ok(fchmod(fd, Mode::from_raw_mode(mode))?)
}

/// Time of the last change of an open file or folder.
pub fn set_modified(fd: impl AsFd, seconds: i64, nanoseconds: u32) -> io::Result<()> {
    Ok(futimens(fd, &modified(seconds, nanoseconds))?)
}

/// Sets an extended attribute of an open file or folder.
pub fn set_attribute(fd: impl AsFd, name: &OsStr, value: &[u8]) -> io::Result<()> {
    Ok(fsetxattr(fd, name, value, XattrFlags::empty())?)
}

/// One extended attribute of an open file or folder, of at most 4 KiB; none if it has it not.
pub fn attribute(fd: impl AsFd, name: &OsStr) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0u8; 4096];
    match fgetxattr(fd, name, &mut value[..]) {
        Ok(length) => Ok(Some(value[..length].to_vec())),
        Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the mount that an open file or folder is on can only be read.
pub fn is_on_read_only(fd: impl AsFd) -> io::Result<bool> {
    Ok(fstatvfs(fd)?.f_flag.contains(StatVfsMountFlags::RDONLY))
}

/// All extended attributes of an open file or folder that this process may read; none where the file system has no such thing.
pub fn attributes(fd: impl AsFd) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let fd = fd.as_fd();
    let mut list = vec![0u8; 64 << 10];
    let length = match flistxattr(fd, &mut list[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0u8; 64 << 10];
    let mut attributes = Vec::new();
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        match fgetxattr(fd, name, &mut value[..]) {
            Ok(length) => attributes.push((OsString::from_vec(name.to_vec()), value[..length].to_vec())),
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(attributes)
}

/// Gives `to` the owner, mode, attributes (as far as they can be had) and time of `from`.
pub fn copy_meta(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    copy_rights(&from, &to)?;
    let stat = stat(&from)?;
    set_modified(&to, stat.st_mtime, stat.st_mtime_nsec as u32)
}

/// The same, but the time.
pub fn copy_rights(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let stat = stat(&from)?;
    set_owner(&to, stat.st_uid, stat.st_gid)?;
    set_mode(&to, stat.st_mode & 0o7777)?;
    for (name, value) in attributes(&from)? {
        let _ = set_attribute(&to, &name, &value);
    }
    Ok(())
}

/// Waits until everything written to the file system of `fd` is on its disk (syncfs(2)).
pub fn sync_file_system(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fd)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn resolve_of_dots_absolute_and_symlinks_stays_inside() {
        let outside = tempfile::tempdir().expect("temporary folder");
        let root = outside.path().join("root");
        fs::create_dir_all(root.join("etc")).expect("folders");
        symlink(outside.path(), root.join("absolute")).expect("symlink");
        symlink("../../..", root.join("etc/up")).expect("symlink");
        let folder = Folder::open(&root).expect("open");
        let inode = folder.stat().expect("stat").st_ino;
        for path in ["", "/", "..", "../../..", "etc/../..", "etc/up", "/etc/up/.."] {
            assert_eq!(folder.resolve(name(path)).expect(path).stat().expect("stat").st_ino, inode, "{path}");
        }
        assert!(folder.resolve(name("absolute")).is_err(), "its target does not exist inside");
        folder.resolve_or_make(name("etc/up/new/deep")).expect("make");
        assert!(root.join("new/deep").is_dir());
    }

    #[test]
    fn names_of_several_components_are_refused() {
        let root = tempfile::tempdir().expect("temporary folder");
        let folder = Folder::open(root.path()).expect("open");
        for text in ["", ".", "..", "a/b", "/a", "../x"] {
            assert!(folder.make_file(name(text), 0o600).is_err(), "{text:?}");
            assert!(folder.make_symlink(name(text), name("x")).is_err(), "{text:?}");
            assert!(folder.remove(name(text)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn make_file_over_symlink_is_refused() {
        let root = tempfile::tempdir().expect("temporary folder");
        symlink("elsewhere", root.path().join("link")).expect("symlink");
        let folder = Folder::open(root.path()).expect("open");
        assert!(folder.make_file(name("link"), 0o600).is_err());
        assert!(folder.read_file(name("link")).is_err());
    }

    #[test]
    fn remove_takes_deep_closed_and_linked_trees_and_spares_targets() {
        let root = tempfile::tempdir().expect("temporary folder");
        let kept = root.path().join("kept");
        fs::create_dir(&kept).expect("folder");
        fs::write(kept.join("file"), "x").expect("file");
        let mut deep = root.path().join("tree");
        fs::create_dir(&deep).expect("folder");
        symlink(&kept, deep.join("link")).expect("symlink");
        for _ in 0..200 {
            deep.push("d");
            fs::create_dir(&deep).expect("folder");
            fs::write(deep.join("f"), "x").expect("file");
        }
        fs::set_permissions(&deep, PermissionsExt::from_mode(0o000)).expect("mode");
        Folder::open(root.path()).expect("open").remove(name("tree")).expect("remove");
        assert!(!root.path().join("tree").exists());
        assert!(kept.join("file").exists());
    }
}
