//! What stands in /dev: the default nodes, those of `linux.devices`, links, and the console.
//!
//! Root makes nodes of the container's own (mknod(2)). Where that is forbidden or would be useless (a user namespace, a
//! `nodev` file system), the machine's nodes are bound, read-only, so that nobody inside changes their mode or owner.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Mount};
use rustix::fs::{
    AtFlags, CWD, Dev, FileType, Gid, Mode, OFlags, StatVfsMountFlags, Uid, chownat, fstat, fstatvfs, major, makedev,
    minor, mknodat, openat, statat, symlinkat,
};
use rustix::io::Errno;

use super::inside::{self, Shape, Symlinks};
use super::mounts;
use crate::runtime::RuntimeError;
use crate::sys::mount::{Change, Depth, attach, attach_at, change, clone_tree, clone_tree_of};

/// Names and numbers (config-linux.md, "Default Devices"). The machine's nodes must have these numbers: a /dev/null that
/// is none is not handed on.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// A node that a container is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    /// Absolute in the container, and the same on the machine.
    path: PathBuf,
    kind: FileType,
    numbers: Dev,
    mode: Mode,
    owner: (u32, u32),
}

/// Fills /dev, and gives it back for the console. A /dev that is bound from elsewhere is left as it is.
pub fn set_up(root: BorrowedFd<'_>, mounts: &[Mount], devices: &[LinuxDevice]) -> Result<OwnedFd, RuntimeError> {
    let failed = |error: io::Error| RuntimeError::step("open the container's /dev", error);
    let dev = inside::find_or_make(root, Path::new("/dev"), Shape::Folder, Symlinks::Refused).map_err(failed)?;
    let bound = |mount: &Mount| mounts::is_bind(mount) && inside::relative(mount.destination()) == Path::new("dev");
    if mounts.iter().any(bound) {
        return Ok(dev);
    }
    let umask = rustix::process::umask(Mode::empty());
    let made = wanted(devices).and_then(|nodes| place_all(&nodes, root, &dev));
    rustix::process::umask(umask);
    made?;
    for (target, name) in LINKS {
        match symlinkat(target, &dev, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(RuntimeError::step(format!("link /dev/{name}"), error)),
        }
    }
    Ok(dev)
}

fn place_all(nodes: &[Node], root: BorrowedFd<'_>, dev: &OwnedFd) -> Result<(), RuntimeError> {
    let opens_nothing = |folder: &OwnedFd| {
        let flags = fstatvfs(folder).map(|found| found.f_flag);
        flags
            .map(|flags| flags.contains(StatVfsMountFlags::NODEV))
            .map_err(|error| RuntimeError::step("look at the container's /dev", error))
    };
    let dev_opens_nothing = opens_nothing(dev)?;
    for node in nodes {
        let folder = node.path.parent().unwrap_or(Path::new("/"));
        if folder == Path::new("/dev") {
            node.place(dev, dev_opens_nothing)?;
            continue;
        }
        let folder = inside::find_or_make(root, folder, Shape::Folder, Symlinks::Refused)
            .map_err(|error| RuntimeError::step(format!("make {}", folder.display()), error))?;
        node.place(&folder, opens_nothing(&folder)?)?;
    }
    Ok(())
}

/// The listed ones, and the defaults that none of them replaces.
fn wanted(devices: &[LinuxDevice]) -> Result<Vec<Node>, RuntimeError> {
    let mut nodes = devices.iter().enumerate().map(Node::of).collect::<Result<Vec<_>, _>>()?;
    let listed = nodes.len();
    for (path, major, minor) in DEFAULT {
        let path = PathBuf::from(path);
        if !nodes[..listed].iter().any(|node| node.path == path) {
            let numbers = makedev(major, minor);
            nodes.push(Node {
                path,
                kind: FileType::CharacterDevice,
                numbers,
                mode: Mode::from_raw_mode(0o666),
                owner: (0, 0),
            });
        }
    }
    Ok(nodes)
}

impl Node {
    fn of((at, device): (usize, &LinuxDevice)) -> Result<Self, RuntimeError> {
        let wrong = |what: &str| RuntimeError::InvalidRequest(format!("linux.devices[{at}].{what}"));
        let kind = match device.typ() {
            LinuxDeviceType::C | LinuxDeviceType::U => FileType::CharacterDevice,
            LinuxDeviceType::B => FileType::BlockDevice,
            LinuxDeviceType::P => FileType::Fifo,
            LinuxDeviceType::A => return Err(wrong("type: `a` is no device; it is for rules about devices")),
        };
        if !device.path().is_absolute() {
            return Err(wrong(&format!("path: {} is not absolute", device.path().display())));
        }
        let number = |number: i64, field: &str| {
            u32::try_from(number).map_err(|_| wrong(&format!("{field}: {number} is no device number")))
        };
        let numbers = match kind {
            FileType::Fifo => 0,
            _ => makedev(number(device.major(), "major")?, number(device.minor(), "minor")?),
        };
        Ok(Self {
            path: Path::new("/").join(inside::relative(device.path())),
            kind,
            numbers,
            mode: Mode::from_raw_mode(device.file_mode().unwrap_or(0o666) & 0o7777),
            owner: (device.uid().unwrap_or(0), device.gid().unwrap_or(0)),
        })
    }

    /// Makes it in its folder, or binds it there if nodes of that file system open nothing.
    fn place(&self, folder: &OwnedFd, opens_nothing: bool) -> Result<(), RuntimeError> {
        let failed = |error: io::Error| RuntimeError::step(format!("make {}", self.path.display()), error);
        let name = self.path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        if opens_nothing && self.kind != FileType::Fifo {
            return self.bind(folder, name);
        }
        match mknodat(folder, name, self.kind, self.mode, self.numbers) {
            Ok(()) if self.owner == (0, 0) => Ok(()),
            Ok(()) => {
                let (uid, gid) = self.owner;
                let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
                chownat(folder, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| failed(e.into()))
            }
            // An image's own, or one of an earlier start in the same folder.
            Err(Errno::EXIST) if self.is_at(folder, name) => Ok(()),
            Err(Errno::PERM | Errno::EXIST) => self.bind(folder, name),
            Err(error) => Err(failed(error.into())),
        }
    }

    fn is_at(&self, folder: &OwnedFd, name: &std::ffi::OsStr) -> bool {
        let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|stat| {
            let fifo = self.kind == FileType::Fifo;
            FileType::from_raw_mode(stat.st_mode) == self.kind && (fifo || stat.st_rdev == self.numbers)
        })
    }

    /// Binds the machine's node over a file.
    fn bind(&self, folder: &OwnedFd, name: &std::ffi::OsStr) -> Result<(), RuntimeError> {
        let failed = |error: io::Error| RuntimeError::step(format!("bind {}", self.path.display()), error);
        let node = clone_tree(CWD, &self.path, Depth::One).map_err(failed)?;
        let stat = fstat(&node).map_err(|e| failed(e.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != self.kind || stat.st_rdev != self.numbers {
            return Err(RuntimeError::InvalidRequest(format!(
                "{} on this machine is not the device {}:{}",
                self.path.display(),
                major(self.numbers),
                minor(self.numbers)
            )));
        }
        change(&node, Depth::One, &Change::read_only()).map_err(failed)?;
        make_file(folder.as_fd(), name).map_err(failed)?;
        attach_at(&node, folder, name).map_err(failed)
    }
}

/// Whether an open place is the character device with these numbers.
pub fn is_node(place: impl AsFd, major_number: u32, minor_number: u32) -> io::Result<bool> {
    let stat = fstat(place)?;
    let is_device = FileType::from_raw_mode(stat.st_mode).is_char_device();
    Ok(is_device && (major(stat.st_rdev), minor(stat.st_rdev)) == (major_number, minor_number))
}

/// Binds the terminal's slave side onto /dev/console.
pub fn bind_console(dev: BorrowedFd<'_>, slave: impl AsFd) -> io::Result<()> {
    make_file(dev, "console".as_ref())?;
    let console = clone_tree_of(slave, Depth::One)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = openat(dev, "console", flags, Mode::empty())?;
    // CVE-2025-52565: the place must be no link to somewhere else.
    let kind = FileType::from_raw_mode(fstat(&target)?.st_mode);
    if !(kind.is_file() || kind.is_char_device()) {
        return Err(io::Error::other("/dev/console is neither a plain file nor a device"));
    }
    attach(&console, &target)
}

/// A file to bind over. What is there stays, unless it is a link.
fn make_file(folder: BorrowedFd<'_>, name: &std::ffi::OsStr) -> io::Result<()> {
    match mknodat(folder, name, FileType::RegularFile, Mode::from_raw_mode(0o644), 0) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => {
            let kind = FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode);
            if kind.is_symlink() { Err(Errno::LOOP.into()) } else { Ok(()) }
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::LinuxDeviceBuilder;

    use super::*;

    fn device(path: &str, kind: LinuxDeviceType) -> LinuxDevice {
        let builder = LinuxDeviceBuilder::default().path(path).typ(kind).major(1).minor(3);
        builder.file_mode(0o600_u32).uid(7_u32).gid(8_u32).build().expect("device")
    }

    #[test]
    fn listed_device_takes_the_place_of_a_default() {
        let nodes = wanted(&[device("/dev/zero", LinuxDeviceType::C)]).expect("nodes");
        let zero: Vec<_> = nodes.iter().filter(|node| node.path == Path::new("/dev/zero")).collect();
        assert_eq!((nodes.len(), zero.len()), (DEFAULT.len(), 1));
        assert_eq!((zero[0].numbers, zero[0].mode, zero[0].owner), (makedev(1, 3), Mode::from_raw_mode(0o600), (7, 8)));
    }

    #[test]
    fn wrong_device_names_its_field() {
        let error = wanted(&[device("/dev/x", LinuxDeviceType::A)]).expect_err("type");
        assert!(error.to_string().starts_with("linux.devices[0].type"), "{error}");
        let error = wanted(&[device("dev/x", LinuxDeviceType::C)]).expect_err("path");
        assert!(error.to_string().starts_with("linux.devices[0].path"), "{error}");
    }
}
