//! The mounts a specification lists: kernel file systems and binds.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::Mount;
use rustix::fs::CWD;

use super::inside::{self, Shape, Symlinks};
use super::options::Options;
use crate::runtime::RuntimeError;
use crate::sys::mount::{Attributes, Change, Depth, attach, change, clone_tree, new_mount};

/// A mount that is made but not attached yet.
pub struct Prepared<'a> {
    mount: &'a Mount,
    tree: OwnedFd,
    shape: Shape,
    options: Options,
}

/// What a caller wants to keep of the mounts that were attached.
#[derive(Default)]
pub struct Attached {
    pub proc: Option<OwnedFd>,
    pub dev: Option<OwnedFd>,
    pub devpts: Option<OwnedFd>,
}

/// Files of /proc that may be replaced by a bind, as lxcfs does (runc's list).
const REPLACEABLE: [&str; 8] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
];

/// Makes every mount but cgroups, detached. Sources are the host's paths, so this comes before the root changes.
pub fn prepare(mounts: &[Mount]) -> Result<Vec<Prepared<'_>>, RuntimeError> {
    let wanted = mounts.iter().filter(|mount| mount.typ().as_deref() != Some("cgroup"));
    wanted.map(prepare_one).collect()
}

fn prepare_one(mount: &Mount) -> Result<Prepared<'_>, RuntimeError> {
    let options = Options::parse(mount.options().as_deref().unwrap_or_default());
    let kind = mount.typ().as_deref().unwrap_or("bind");
    if kind == "bind" || options.bind.is_some() {
        let source = mount.source().as_deref().unwrap_or(Path::new(""));
        let tree =
            bind(source, &options).map_err(|error| RuntimeError::step(format!("bind {}", source.display()), error))?;
        let folder = inside::is_folder(&tree).map_err(|error| failed(mount, error))?;
        let shape = if folder { Shape::Folder } else { Shape::File };
        return Ok(Prepared { mount, tree, shape, options });
    }
    let mut data: Vec<(&str, Option<&str>)> = Vec::with_capacity(options.data.len() + 1);
    data.push(("source", Some(mount.source().as_deref().and_then(Path::to_str).unwrap_or(kind))));
    data.extend(options.data.iter().map(|(key, value)| (key.as_str(), value.as_deref())));
    let tree = match new_mount(kind, &data, options.attributes) {
        // A new sysfs may be mounted only by who owns the network namespace; the host's own, read-only, tells as much.
        Err(error) if kind == "sysfs" && error.kind() == io::ErrorKind::PermissionDenied => host_sysfs(),
        made => made,
    }
    .map_err(|error| failed(mount, error))?;
    Ok(Prepared { mount, tree, shape: Shape::Folder, options })
}

fn bind(source: &Path, options: &Options) -> io::Result<OwnedFd> {
    let depth = options.bind.unwrap_or(Depth::Whole);
    let tree = match clone_tree(CWD, source, depth) {
        // In a user namespace what is mounted below may not be left behind: it could hide something.
        Err(error) if depth == Depth::One && error.kind() == io::ErrorKind::InvalidInput => {
            clone_tree(CWD, source, Depth::Whole)?
        }
        cloned => cloned?,
    };
    let wish = options.change();
    match change(&tree, Depth::One, &wish) {
        // Flags of a mount that came from the host's namespace are locked for a user: what is read-only stays so.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            change(&tree, Depth::One, &Change { clear: Attributes::empty(), ..wish })?;
        }
        changed => changed?,
    }
    if !options.recursive.is_empty() {
        change(&tree, Depth::Whole, &Change::set(options.recursive))?;
    }
    Ok(tree)
}

fn host_sysfs() -> io::Result<OwnedFd> {
    let tree = clone_tree(CWD, Path::new("/sys"), Depth::Whole)?;
    let wish = Attributes::MOUNT_ATTR_RDONLY
        | Attributes::MOUNT_ATTR_NOSUID
        | Attributes::MOUNT_ATTR_NODEV
        | Attributes::MOUNT_ATTR_NOEXEC;
    change(&tree, Depth::Whole, &Change::set(wish))?;
    Ok(tree)
}

/// Attaches them in their order below the root, making the mount points.
pub fn attach_all(root: BorrowedFd<'_>, prepared: Vec<Prepared<'_>>) -> Result<Attached, RuntimeError> {
    let mut attached = Attached::default();
    for one in prepared {
        attach_one(root, &one)?;
        match (one.mount.typ().as_deref(), one.mount.destination().to_str()) {
            (Some("proc"), Some("/proc")) => attached.proc = Some(one.tree),
            (Some("tmpfs"), Some("/dev")) => attached.dev = Some(one.tree),
            (Some("devpts"), Some("/dev/pts")) => attached.devpts = Some(one.tree),
            _ => {}
        }
    }
    Ok(attached)
}

fn attach_one(root: BorrowedFd<'_>, one: &Prepared<'_>) -> Result<(), RuntimeError> {
    let destination = one.mount.destination();
    let is_bind = one.options.bind.is_some() || one.mount.typ().as_deref() == Some("bind");
    let symlinks = if is_bind { Symlinks::InsideRoot } else { Symlinks::Refused };
    let target = inside::find_or_make(root, destination, one.shape, symlinks)
        .map_err(|error| RuntimeError::step(format!("make the mount point {}", destination.display()), error))?;
    if inside::is_folder(&target).map_err(|error| failed(one.mount, error))? != (one.shape == Shape::Folder) {
        let (is, wanted) = if one.shape == Shape::Folder { ("a file", "a folder") } else { ("a folder", "a file") };
        return Err(RuntimeError::InvalidRequest(format!(
            "cannot mount {wanted} on {}: it is {is} in the image",
            destination.display()
        )));
    }
    // CVE-2019-16884, CVE-2025-52881: what is laid over /proc could take in later writes to it.
    let on_proc = inside::is_on_proc(target.as_fd()).map_err(|error| failed(one.mount, error))?;
    if is_bind && on_proc && !REPLACEABLE.iter().any(|path| destination == Path::new(path)) {
        return Err(RuntimeError::InvalidRequest(format!(
            "cannot mount on {}: it is inside /proc",
            destination.display()
        )));
    }
    attach(&one.tree, &target).map_err(|error| failed(one.mount, error))?;
    if let Some((propagation, depth)) = one.options.propagation {
        change(&one.tree, depth, &Change::propagation(propagation)).map_err(|error| failed(one.mount, error))?;
    }
    Ok(())
}

fn failed(mount: &Mount, source: io::Error) -> RuntimeError {
    RuntimeError::step(format!("mount {}", mount.destination().display()), source)
}
